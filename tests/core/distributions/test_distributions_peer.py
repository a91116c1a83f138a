"""sensorium.distributions against torch.distributions: values, gradients, shapes, errors."""

import inspect
import sys
from pathlib import Path

import numpy as np
import pytest

import sensorium as sn

sys.path.insert(0, str(Path(__file__).parent))
from distribution_cases import CASES

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore:Singular sample:UserWarning")]
torch = pytest.importorskip("torch")
torch.set_num_threads(1)
D, T = sn.distributions, torch.distributions
LOOSE = {  # where PyTorch computes in single precision: Bessel functions, log(n!)
    "VonMises": 2e-6,
    "Multinomial": 1e-6,
    "Multinomial logits": 1e-6,
}
ALL = CASES
CASES = {n: c for n, c in CASES.items() if n != "GeneralizedPareto"}  # of float32 only in PyTorch
OTHERS = {  # found to differ on purpose
    ("Kumaraswamy", "mode"),  # nan in PyTorch, whatever the parameters
    ("Multinomial", "expand"),  # its entropy is lost in PyTorch
    ("Multinomial logits", "expand"),
}
QUANTITIES = ("mean", "mode", "variance", "stddev", "entropy", "perplexity")
every_case = pytest.mark.parametrize("name", CASES)


def ours(array):
    array = np.array(array)
    out = sn.tensor(array, dtype=None if array.dtype.kind == "i" else sn.float64)
    return out.requires_grad_() if array.dtype.kind == "f" else out


def theirs(array):
    array = np.array(array)
    out = torch.tensor(array)
    return out.requires_grad_() if array.dtype.kind == "f" else out


def both(name):
    """The two distributions and their parameters."""
    make, parameters, _ = CASES[name]
    a, b = [ours(p) for p in parameters], [theirs(p) for p in parameters]
    return make(D, *a), a, make(T, *b), b


def array(x):
    return x.detach().numpy()


def compare(f, g, rtol=1e-9, atol=1e-11):
    """Two calls give the same, or both find no closed form."""
    try:
        wanted = g()
    except NotImplementedError:
        with pytest.raises(NotImplementedError):
            f()
        return None, None
    found = f()
    assert tuple(found.shape) == tuple(wanted.shape)
    assert str(found.dtype) == str(wanted.dtype).removeprefix("torch.")
    np.testing.assert_allclose(array(found), array(wanted), rtol, atol)
    return found, wanted


def compare_slopes(found, a, wanted, b, rtol=1e-8, atol=1e-10, tril=False):
    """The gradients with respect to the parameters; tril: of lower triangles."""
    if wanted is None or not wanted.requires_grad:
        return
    rng = np.random.default_rng(1)
    weights = rng.normal(size=tuple(wanted.shape))
    weights = np.where(np.isfinite(array(wanted)), weights, 0.0)
    mine = sn.autograd.grad(
        (found * sn.tensor(weights)).sum(), [v for v in a if v.requires_grad], allow_unused=True
    )
    peer = torch.autograd.grad(
        (wanted * torch.tensor(weights)).sum(), [v for v in b if v.requires_grad], allow_unused=True
    )
    for x, y in zip(mine, peer, strict=True):
        y = np.zeros(()) if y is None else y.numpy()
        x = np.zeros(()) if x is None else x.numpy()
        keep = np.isfinite(y) & (np.tri(*y.shape[-2:], dtype=bool) if tril and y.ndim > 1 else True)
        x = np.broadcast_to(x, y.shape)
        np.testing.assert_allclose(x[keep], y[keep], rtol, atol)


@every_case
def test_log_prob_and_its_gradients(name):
    p, a, q, b = both(name)
    value = CASES[name][2]
    x, y = ours(value), theirs(value)
    rtol = LOOSE.get(name, 1e-9)
    found, wanted = compare(lambda: p.log_prob(x), lambda: q.log_prob(y), rtol)
    compare_slopes(found, [*a, x], wanted, [*b, y], LOOSE.get(name, 1e-8), tril="tril" in name)


@every_case
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_moments_entropy_and_their_gradients(name, quantity):
    if (name, quantity) in OTHERS:
        return
    p, a, q, b = both(name)

    def get(d):
        v = getattr(d, quantity)
        return v() if callable(v) else v

    rtol = LOOSE.get(name, 1e-9)
    found, wanted = compare(lambda: get(p), lambda: get(q), rtol)
    compare_slopes(found, a, wanted, b, LOOSE.get(name, 1e-7))


@every_case
@pytest.mark.parametrize("quantity", ["cdf", "icdf"])
def test_distribution_function_and_quantile(name, quantity):
    p, a, q, b = both(name)
    value = CASES[name][2]
    if quantity == "icdf":
        value = np.array([0.05, 0.5, 0.93])
    x, y = ours(value), theirs(value)
    found, wanted = compare(lambda: getattr(p, quantity)(x), lambda: getattr(q, quantity)(y), 1e-8)
    if name not in (
        "Gamma",
        "Chi2",
        "InverseGamma",
    ):  # no slope in the shape of gammainc, in PyTorch neither
        compare_slopes(found, [*a, x], wanted, [*b, y], 1e-7)


@every_case
def test_shapes_support_and_names(name):
    p, _, q, _ = both(name)
    assert tuple(p.batch_shape) == tuple(q.batch_shape)
    assert tuple(p.event_shape) == tuple(q.event_shape)
    assert p.has_rsample == q.has_rsample and p.has_enumerate_support == q.has_enumerate_support
    assert type(p).__name__ == type(q).__name__
    assert list(p.arg_constraints) == list(q.arg_constraints)
    assert p.support.event_dim == q.support.event_dim
    assert p.support.is_discrete == q.support.is_discrete
    if "tensor" not in repr(q.support):
        assert repr(p.support) == repr(q.support)
    assert repr(p).replace("sensorium.", "torch.").split("(")[0] == repr(q).split("(")[0]
    for shape in ((), (2,), (3, 2)):
        assert tuple(p.sample(shape).shape) == tuple(q.sample(shape).shape)
        if q.has_rsample:
            drawn = p.rsample(shape)
            assert tuple(drawn.shape) == tuple(q.rsample(shape).shape)
            assert drawn.requires_grad
    assert str(p.sample().dtype) == str(q.sample().dtype).removeprefix("torch.")
    if 0 not in p.sample((4,)).shape:
        assert bool(p.support.check(p.sample((50,))).all())


@every_case
def test_expand(name):
    p, _, q, _ = both(name)
    shape = (2, *p.batch_shape)
    p, q = p.expand(shape), q.expand(shape)
    assert tuple(p.batch_shape) == tuple(q.batch_shape) == shape
    value = CASES[name][2]
    if np.ndim(value) == 2 and value.shape[0] == 2 and len(p.event_shape) == 0:
        value = value.reshape(2, 1, *value.shape[1:]) if len(shape) == 3 else value
    x, y = ours(value), theirs(value)
    compare(lambda: p.log_prob(x), lambda: q.log_prob(y), LOOSE.get(name, 1e-9))
    for quantity in ("mean", "variance"):
        compare(
            lambda k=quantity: getattr(p, k),
            lambda k=quantity: getattr(q, k),
            LOOSE.get(name, 1e-9),
        )
    if (name, "expand") not in OTHERS:
        compare(p.entropy, q.entropy, LOOSE.get(name, 1e-9))
    assert tuple(p.sample((3,)).shape) == tuple(q.sample((3,)).shape)


@every_case
def test_enumerate_support(name):
    p, _, q, _ = both(name)
    for expand in (True, False):
        compare(lambda e=expand: p.enumerate_support(e), lambda e=expand: q.enumerate_support(e))


@pytest.mark.parametrize("name", [n for n in T.__all__ if isinstance(getattr(T, n), type)])
def test_signatures(name):
    a = inspect.signature(getattr(D, name).__init__).parameters
    b = inspect.signature(getattr(T, name).__init__).parameters
    assert list(a) == list(b)
    for key in a:
        if not isinstance(b[key].default, torch.Size):
            assert a[key].default == b[key].default, key


def test_public_names():
    assert sorted(D.__all__) == sorted(T.__all__)
    for module in ("constraints", "transforms", "constraint_registry", "kl"):
        peer = getattr(T, module, None) or __import__(
            f"torch.distributions.{module}", fromlist=["x"]
        )
        mine = __import__(f"sensorium.distributions.{module}", fromlist=["x"])
        wanted = set(peer.__all__)
        assert wanted <= set(dir(mine)), module


@pytest.mark.parametrize("name", [*CASES, "GeneralizedPareto"])
def test_single_precision(name):
    make, parameters, value = ALL[name]
    f32 = [np.asarray(v, np.float32) for v in parameters]
    p, q = make(D, *map(sn.tensor, f32)), make(T, *map(torch.tensor, f32))
    x = np.asarray(value, np.float32 if np.asarray(value).dtype.kind == "f" else np.int64)
    if "Wishart" in name or "tril" in name:
        x = np.asarray(value, np.float32)
    compare(lambda: p.log_prob(sn.tensor(x)), lambda: q.log_prob(torch.tensor(x)), 2e-4, 2e-5)
    for k in ("mean", "variance"):
        compare(lambda k=k: getattr(p, k), lambda k=k: getattr(q, k), 2e-4, 1e-5)
    compare(p.entropy, q.entropy, 2e-4, 2e-5)
    assert str(p.sample((2,)).dtype) == str(q.sample((2,)).dtype).removeprefix("torch.")
    if name == "GeneralizedPareto":
        compare(lambda: p.cdf(sn.tensor(x)), lambda: q.cdf(torch.tensor(x)), 1e-5)
        u = np.array([0.1, 0.5, 0.9], np.float32)
        compare(lambda: p.icdf(sn.tensor(u)), lambda: q.icdf(torch.tensor(u)), 1e-5)


NUMBERS = {
    "Normal": (0, 1), "Bernoulli": (0.3,), "Binomial": (3, 0.5), "Poisson": (2.0,), "Chi2": (3,),
    "Gamma": (1, 2), "Beta": (1, 2), "StudentT": (3.0,), "HalfNormal": (2.0,), "VonMises": (0, 1),
    "Uniform": (0, 2), "Laplace": (0, 1), "Gumbel": (0, 1.5), "Weibull": (1, 2), "Pareto": (1, 2),
    "Geometric": (0.5,), "NegativeBinomial": (2, 0.3), "ContinuousBernoulli": (0.3,),
    "LogNormal": (0, 1), "Kumaraswamy": (1, 2), "Exponential": (1,), "InverseGamma": (3, 2),
    "FisherSnedecor": (5, 6), "GeneralizedPareto": (0, 1, 0.1), "LKJCholesky": (3,),
    "HalfCauchy": (1,), "Cauchy": (0, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_parameters_may_be_numbers(name):
    p, q = getattr(D, name)(*NUMBERS[name]), getattr(T, name)(*NUMBERS[name])
    assert repr(p) == repr(q) and p.batch_shape == q.batch_shape == ()
    assert str(p.sample().dtype) == str(q.sample().dtype).removeprefix("torch.")
    compare(lambda: p.mean, lambda: q.mean, 1e-5)
    p, q = p.expand((2,)), q.expand((2,))
    assert p.batch_shape == (2,) and p.sample((3,)).shape == tuple(q.sample((3,)).shape)


ERRORS = [
    lambda D, t: D.Normal(0.0, -1.0),
    lambda D, t: D.Normal(t.zeros(2), t.ones(3)),
    lambda D, t: D.Normal("a", 1.0),
    lambda D, t: D.Normal(0.0, 1.0).log_prob(3),
    lambda D, t: D.Normal(t.zeros(2), 1.0).log_prob(t.zeros(3)),
    lambda D, t: D.Normal(t.zeros(2), 1.0).expand([3]),
    lambda D, t: D.Uniform(0.0, 1.0).log_prob(t.tensor(2.0)),
    lambda D, t: D.Uniform(1.0, 0.0),
    lambda D, t: D.Categorical(),
    lambda D, t: D.Categorical(t.ones(2), t.ones(2)),
    lambda D, t: D.Categorical(t.tensor(1.0)),
    lambda D, t: D.Categorical(t.ones(3)).log_prob(t.tensor(3)),
    lambda D, t: D.Bernoulli(),
    lambda D, t: D.Bernoulli(2.0),
    lambda D, t: D.Geometric(0.0),
    lambda D, t: D.Multinomial(t.tensor([1, 2]), t.ones(2)),
    lambda D, t: D.Binomial(t.tensor([2, 3]), 0.5).enumerate_support(),
    lambda D, t: D.MultivariateNormal(t.zeros(2)),
    lambda D, t: D.MultivariateNormal(t.zeros(2), -t.eye(2)),
    lambda D, t: D.MultivariateNormal(t.tensor(0.0), t.eye(2)),
    lambda D, t: D.LowRankMultivariateNormal(t.zeros(3), t.ones(2, 2), t.ones(3)),
    lambda D, t: D.Independent(D.Normal(t.zeros(2), 1.0), 3),
    lambda D, t: D.MixtureSameFamily(D.Normal(0.0, 1.0), D.Normal(t.zeros(2), 1.0)),
    lambda D, t: D.MixtureSameFamily(D.Categorical(t.ones(3)), D.Normal(t.zeros(2), 1.0)),
    lambda D, t: D.LKJCholesky(1),
    lambda D, t: D.Wishart(t.tensor(0.5), t.eye(2)),
    lambda D, t: D.Dirichlet(t.tensor(1.0)),
    lambda D, t: D.Dirichlet(t.zeros(2)),
    lambda D, t: D.Normal(0.0, 1.0).enumerate_support(),
    lambda D, t: D.Poisson(2.0).entropy(),
    lambda D, t: D.Bernoulli(0.3).rsample(),
    lambda D, t: D.Distribution.set_default_validate_args(3),
    lambda D, t: D.TransformedDistribution(D.Normal(0.0, 1.0), [3]),
    lambda D, t: D.TransformedDistribution(D.Normal(0.0, 1.0), [D.StickBreakingTransform()]),
    lambda D, t: D.constraints.dependent.check(t.ones(1)),
    lambda D, t: D.Normal(0.0, 1.0).sample(2),
]


@pytest.mark.parametrize("wrong", range(len(ERRORS)))
def test_errors_of_the_same_kind(wrong):
    with pytest.raises(Exception) as theirs:
        ERRORS[wrong](T, torch)
    with pytest.raises(Exception) as mine:
        ERRORS[wrong](D, sn)
    kinds = (NotImplementedError, ValueError, TypeError, RuntimeError)
    kind = next(k for k in kinds if isinstance(theirs.value, k))
    assert isinstance(mine.value, kind), (theirs.value, mine.value)
