"""Transforms and constraints against torch.distributions'."""

import numpy as np
import pytest

import sensorium as sn

pytestmark = pytest.mark.peer
torch = pytest.importorskip("torch")
torch.set_num_threads(1)
D, T = sn.distributions, torch.distributions

_X = np.array([[-0.7, 0.0, 1.3], [0.2, 2.5, -3.0]])
_POSITIVE = np.abs(_X) + 0.1
_MATRIX = np.array([[0.3, 0.1, -0.2], [0.5, -0.6, 0.9], [1.0, 0.2, 0.4]])

TRANSFORMS = {
    "exp": (lambda D, t: D.ExpTransform(), _X),
    "abs": (lambda D, t: D.AbsTransform(), _X),
    "power": (lambda D, t: D.PowerTransform(t([2.0, -0.5, 1.5])), _POSITIVE),
    "sigmoid": (lambda D, t: D.SigmoidTransform(), _X),
    "tanh": (lambda D, t: D.TanhTransform(), _X),
    "softplus": (lambda D, t: D.SoftplusTransform(), _X),
    "affine": (lambda D, t: D.AffineTransform(t([1.0, 2.0, 3.0]), -2.0), _X),
    "affine event": (lambda D, t: D.AffineTransform(1.0, t([1.0, -2.0, 3.0]), event_dim=1), _X),
    "softmax": (lambda D, t: D.SoftmaxTransform(), _X),
    "stick": (lambda D, t: D.StickBreakingTransform(), _X),
    "lower cholesky": (lambda D, t: D.LowerCholeskyTransform(), _MATRIX),
    "positive definite": (lambda D, t: D.PositiveDefiniteTransform(), _MATRIX),
    "corr cholesky": (lambda D, t: D.CorrCholeskyTransform(), np.tile(_X, 2) * 0.5),
    "corr cholesky 2": (lambda D, t: D.CorrCholeskyTransform(), _X[:, :1]),
    "compose": (
        lambda D, t: D.ComposeTransform([D.AffineTransform(0.5, 2.0), D.TanhTransform()]),
        _X,
    ),
    "compose up": (
        lambda D, t: D.ComposeTransform([D.AffineTransform(0.5, 2.0), D.StickBreakingTransform()]),
        _X,
    ),
    "identity": (lambda D, t: D.identity_transform, _X),
    "independent": (lambda D, t: D.IndependentTransform(D.ExpTransform(), 1), _X),
    "reshape": (lambda D, t: D.ReshapeTransform((3,), (1, 3)), _X),
    "cat": (
        lambda D, t: D.CatTransform([D.ExpTransform(), D.TanhTransform()], -1, [1, 2]),
        _X,
    ),
    "cat 0": (lambda D, t: D.CatTransform([D.ExpTransform(), D.TanhTransform()], 0), _X),
    "stack": (lambda D, t: D.StackTransform([D.ExpTransform(), D.TanhTransform()], 0), _X),
    "cdf": (lambda D, t: D.CumulativeDistributionTransform(D.Normal(0.0, 1.0)), _X),
    "inverse": (lambda D, t: D.ExpTransform().inv, _POSITIVE),
    "inverse compose": (
        lambda D, t: D.ComposeTransform([D.AffineTransform(0.5, 2.0), D.ExpTransform()]).inv,
        _POSITIVE,
    ),
}


def _same(f, g, rtol=1e-9):
    try:
        wanted = g()
    except NotImplementedError:
        with pytest.raises(NotImplementedError):
            f()
        return
    found = f()
    if isinstance(wanted, torch.Tensor):
        found, wanted = found.detach().numpy(), wanted.detach().numpy()
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol, 1e-12)
    else:
        assert found == wanted


@pytest.mark.parametrize("name", TRANSFORMS)
def test_values_inverse_and_volume(name):
    make, value = TRANSFORMS[name]
    a = make(D, lambda v: sn.tensor(v, dtype=sn.float64))
    b = make(T, lambda v: torch.tensor(v, dtype=torch.float64))
    x, s = sn.tensor(value, requires_grad=True), torch.tensor(value, requires_grad=True)
    y, t = a(x), b(s)
    _same(lambda: y, lambda: t)
    _same(lambda: a.inv(y), lambda: b.inv(t), 1e-7)
    _same(lambda: a.log_abs_det_jacobian(x, y), lambda: b.log_abs_det_jacobian(s, t))
    _same(lambda: a.inv.log_abs_det_jacobian(y, x), lambda: b.inv.log_abs_det_jacobian(t, s))
    _same(lambda: tuple(a.forward_shape(x.shape)), lambda: tuple(b.forward_shape(s.shape)))
    _same(lambda: tuple(a.inverse_shape(y.shape)), lambda: tuple(b.inverse_shape(t.shape)))
    assert a.bijective == b.bijective and repr(a) == repr(b)
    for side in ("domain", "codomain"):
        if name != "cdf":
            assert getattr(a, side).event_dim == getattr(b, side).event_dim
            assert repr(getattr(a, side)) == repr(getattr(b, side))
    _same(lambda: a.sign, lambda: b.sign)
    w = np.random.default_rng(0).normal(size=y.shape)
    (y * sn.tensor(w)).sum().backward()
    (t * torch.tensor(w)).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), s.grad.numpy(), 1e-8, 1e-11)


CONSTRAINTS = {
    "boolean": lambda c: c.boolean,
    "real": lambda c: c.real,
    "positive": lambda c: c.positive,
    "nonnegative": lambda c: c.nonnegative,
    "positive_integer": lambda c: c.positive_integer,
    "nonnegative_integer": lambda c: c.nonnegative_integer,
    "unit_interval": lambda c: c.unit_interval,
    "interval": lambda c: c.interval(-1.0, 2.0),
    "half_open_interval": lambda c: c.half_open_interval(-1.0, 2.0),
    "integer_interval": lambda c: c.integer_interval(-1, 2),
    "greater_than": lambda c: c.greater_than(1.0),
    "greater_than_eq": lambda c: c.greater_than_eq(1.0),
    "less_than": lambda c: c.less_than(1.0),
    "one_hot": lambda c: c.one_hot,
    "simplex": lambda c: c.simplex,
    "multinomial": lambda c: c.multinomial(3),
    "real_vector": lambda c: c.real_vector,
    "square": lambda c: c.square,
    "symmetric": lambda c: c.symmetric,
    "lower_triangular": lambda c: c.lower_triangular,
    "lower_cholesky": lambda c: c.lower_cholesky,
    "corr_cholesky": lambda c: c.corr_cholesky,
    "positive_definite": lambda c: c.positive_definite,
    "positive_semidefinite": lambda c: c.positive_semidefinite,
    "independent": lambda c: c.independent(c.positive, 2),
    "cat": lambda c: c.cat([c.positive, c.real], -1, [1, 1]),
    "stack": lambda c: c.stack([c.positive, c.real], -1),
    "mixture": lambda c: c.MixtureSameFamilyConstraint(c.positive),
}
VALUES = [
    np.eye(2),
    np.zeros((2, 2)),
    np.array([[[2.0, -1.0], [-1.0, 2.0]], [[1.0, 2.0], [2.0, 1.0]]]),
    np.array([[1.0, 0.0], [0.6, 0.8]]),
    np.array([[0.3, 0.7], [0.5, 0.6]]),
    np.array([[1.0, 0.0], [1.5, np.nan]]),
    np.array([[3.0, -1.0], [2.0, 1.0]]),
]


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraints(name):
    a, b = CONSTRAINTS[name](D.constraints), CONSTRAINTS[name](T.constraints)
    assert a.event_dim == b.event_dim and a.is_discrete == b.is_discrete and repr(a) == repr(b)
    for value in VALUES:
        if np.isnan(value).any() and "definite" in name:
            continue
        found, wanted = a.check(sn.tensor(value)), b.check(torch.tensor(value))
        assert found.tolist() == wanted.tolist(), value


@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
@pytest.mark.parametrize("name", CONSTRAINTS)
def test_transforms_onto_constraints(registry, name):
    a, b = CONSTRAINTS[name](D.constraints), CONSTRAINTS[name](T.constraints)
    try:
        wanted = getattr(T, registry)(b)
    except NotImplementedError:
        with pytest.raises(NotImplementedError):
            getattr(D, registry)(a)
        return
    found = getattr(D, registry)(a)
    assert repr(found) == repr(wanted) and found.bijective == wanted.bijective
    x = np.array([[0.4, -1.3], [0.2, 0.9]]) if name != "corr_cholesky" else np.array([0.4, 1.0, 2])
    y = found(sn.tensor(x))
    np.testing.assert_allclose(y.numpy(), wanted(torch.tensor(x)).numpy(), 1e-10)
    assert bool(a.check(y).all())


def test_equality_caches_and_refusals():
    for lib, t in ((D, sn.tensor), (T, torch.tensor)):
        assert lib.ExpTransform() == lib.ExpTransform()
        assert lib.ExpTransform() != lib.ExpTransform().inv
        assert lib.ExpTransform().inv == lib.ExpTransform().inv
        assert lib.AffineTransform(0.0, 1.0) == lib.AffineTransform(0.0, 1.0)
        assert lib.PowerTransform(2.0) == lib.PowerTransform(t(2.0))
        cached = lib.ExpTransform(cache_size=1)
        x = t([1.0])
        assert cached.inv(cached(x)) is x
        assert lib.ExpTransform().with_cache(1)._cache_size == 1
        assert cached.inv.inv is cached
        for wrong in (
            lambda lib=lib: lib.ExpTransform(cache_size=2),
            lambda lib=lib: lib.ReshapeTransform((2,), (3,)),
        ):
            with pytest.raises(ValueError):
                wrong()
