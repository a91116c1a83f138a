"""kl_divergence against PyTorch's: every pair that it registers, values and gradients."""

import numpy as np
import pytest

import sensorium as sn

pytestmark = pytest.mark.peer
torch = pytest.importorskip("torch")
torch.set_num_threads(1)
D, T = sn.distributions, torch.distributions

_A = np.array([[1.2, 0.0, 0.0], [0.3, 0.8, 0.0], [-0.4, 0.2, 1.5]])
_B = np.array([[0.7, 0.0, 0.0], [-0.5, 1.1, 0.0], [0.4, 0.9, 0.6]])


def _two(make, first, second):
    """Two members of a family: (make, parameters) of each."""
    return [(make, first), (make, second)]


FAMILIES = {
    "Bernoulli": _two(lambda D, p: D.Bernoulli(p), ([0.2, 0.7, 0.5],), ([0.4, 0.1, 0.5],)),
    "Beta": _two(
        lambda D, a, b: D.Beta(a, b),
        ([0.8, 1.5, 3.0], [2.0, 0.7, 1.0]),
        ([1.8, 0.5, 3.5], [1.2, 1.7, 4.0]),
    ),
    "Binomial": _two(lambda D, p: D.Binomial(5, p), ([0.2, 0.7, 0.5],), ([0.4, 0.1, 0.5],)),
    "Categorical": _two(
        lambda D, p: D.Categorical(p),
        ([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]],),
        ([[0.4, 0.3, 0.3], [0.6, 0.3, 0.1]],),
    ),
    "Cauchy": _two(
        lambda D, a, b: D.Cauchy(a, b), ([0.1, 1.0], [0.5, 2.0]), ([0.6, -1.0], [1.5, 1.0])
    ),
    "ContinuousBernoulli": _two(
        lambda D, p: D.ContinuousBernoulli(p), ([0.2, 0.7, 0.5],), ([0.4, 0.1, 0.5],)
    ),
    "Dirichlet": _two(
        lambda D, a: D.Dirichlet(a),
        ([[0.8, 1.5, 3.0], [2.0, 0.7, 1.0]],),
        ([[1.8, 0.5, 3.5], [1.2, 1.7, 4.0]],),
    ),
    "Exponential": _two(lambda D, a: D.Exponential(a), ([0.5, 1.0, 3.0],), ([1.5, 0.4, 3.0],)),
    "Gamma": _two(
        lambda D, a, b: D.Gamma(a, b),
        ([0.8, 1.5, 3.0], [2.0, 0.7, 1.0]),
        ([1.8, 0.5, 3.5], [1.2, 1.7, 4.0]),
    ),
    "Gumbel": _two(
        lambda D, a, b: D.Gumbel(a, b),
        ([0.1, 1.0, -2.0], [0.5, 2.0, 1.0]),
        ([0.6, -1.0, 0.3], [1.5, 1.0, 0.7]),
    ),
    "Geometric": _two(lambda D, p: D.Geometric(p), ([0.2, 0.7, 0.5],), ([0.4, 0.1, 0.5],)),
    "HalfNormal": _two(lambda D, a: D.HalfNormal(a), ([0.5, 1.0],), ([1.5, 0.4],)),
    "Laplace": _two(
        lambda D, a, b: D.Laplace(a, b),
        ([0.1, 1.0, -2.0], [0.5, 2.0, 1.0]),
        ([0.6, -1.0, 0.3], [1.5, 1.0, 0.7]),
    ),
    "LowRankMultivariateNormal": _two(
        lambda D, m, w, d: D.LowRankMultivariateNormal(m, w, d),
        ([[0.1, 0.2, 0.3], [1.0, 2.0, 3.0]], _A[:, :2], [0.5, 1.0, 2.0]),
        ([-0.4, 0.2, 0.8], _B[:, 1:2], [1.5, 0.7, 1.1]),
    ),
    "MultivariateNormal": _two(
        lambda D, m, c: D.MultivariateNormal(m, c),
        ([[0.1, 0.2, 0.3], [1.0, 2.0, 3.0]], _A @ _A.T),
        ([-0.4, 0.2, 0.8], _B @ _B.T),
    ),
    "Normal": _two(
        lambda D, a, b: D.Normal(a, b),
        ([0.1, 1.0, -2.0], [0.5, 2.0, 1.0]),
        ([0.6, -1.0, 0.3], [1.5, 1.0, 0.7]),
    ),
    "OneHotCategorical": _two(
        lambda D, p: D.OneHotCategorical(p),
        ([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]],),
        ([[0.4, 0.3, 0.3], [0.6, 0.3, 0.1]],),
    ),
    "Pareto": _two(
        lambda D, a, b: D.Pareto(a, b),
        ([1.0, 2.0, 0.4], [2.5, 0.8, 3.0]),
        ([0.5, 3.0, 0.4], [1.5, 1.0, 2.2]),
    ),
    "Poisson": _two(lambda D, a: D.Poisson(a), ([0.5, 1.0, 3.0],), ([1.5, 0.4, 3.0],)),
    "TransformedDistribution": _two(
        lambda D, a, b: D.LogNormal(a, b), ([0.1, 1.0], [0.5, 2.0]), ([0.6, -1.0], [1.5, 1.0])
    ),
    "Uniform": _two(
        lambda D, a, b: D.Uniform(a, b),
        ([0.1, 0.4, -2.0], [0.5, 2.0, 1.2]),
        ([-0.6, 0.3, -2.5], [1.5, 2.5, 0.7]),
    ),
    "Independent": _two(
        lambda D, a, b: D.Independent(D.Normal(a, b), 1),
        ([[0.1, 1.0]], [0.5, 2.0]),
        ([[0.6, -1.0]], [1.5, 1.0]),
    ),
}
PAIRS = sorted(
    (a.__name__, b.__name__) for a, b in T.kl._KL_REGISTRY if a.__name__ != "ExponentialFamily"
)


def made(library, tensor, family, which):
    make, parameters = FAMILIES[family][which]
    values = [tensor(np.array(p, float)).requires_grad_() for p in parameters]
    return make(library, *values), values


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("which", [(0, 1), (1, 0)])
def test_every_pair(pair, which):
    p, a = made(D, sn.tensor, pair[0], which[0])
    q, b = made(D, sn.tensor, pair[1], which[1])
    s, c = made(T, torch.tensor, pair[0], which[0])
    t, d = made(T, torch.tensor, pair[1], which[1])
    if pair[0] != pair[1] and "MultivariateNormal" not in pair[0]:
        p, q, s, t = (x.expand((3,)) if x.batch_shape == () else x for x in (p, q, s, t))
    found, wanted = sn.distributions.kl_divergence(p, q), T.kl_divergence(s, t)
    assert tuple(found.shape) == tuple(wanted.shape)
    x, y = found.detach().numpy(), wanted.detach().numpy()
    np.testing.assert_allclose(x, y, 1e-9, 1e-11)
    fine = np.isfinite(y)
    if not fine.any() or not wanted.requires_grad:
        return
    mine = sn.autograd.grad(found[sn.tensor(fine)].sum(), a + b, allow_unused=True)
    peer = torch.autograd.grad(wanted[torch.tensor(fine)].sum(), c + d, allow_unused=True)
    for x, y in zip(mine, peer, strict=True):
        y = np.zeros(()) if y is None else y.numpy()
        x = np.zeros(()) if x is None else x.numpy()
        keep = np.isfinite(y)
        np.testing.assert_allclose(np.broadcast_to(x, y.shape)[keep], y[keep], 1e-7, 1e-9)


def test_the_same_pairs_are_registered():
    sn.distributions.kl_divergence(D.Normal(0.0, 1.0), D.Normal(0.0, 1.0))
    mine = {(a.__name__, b.__name__) for a, b in sn.distributions.kl._PAIRS}
    assert mine >= {(a.__name__, b.__name__) for a, b in T.kl._KL_REGISTRY}


def test_refusals():
    for library in (D, T):
        with pytest.raises(NotImplementedError):
            library.kl_divergence(library.Normal(0.0, 1.0), library.Bernoulli(0.3))
        with pytest.raises(NotImplementedError):
            library.kl_divergence(library.Normal(0.0, 1.0), library.Poisson(0.3))
    with pytest.raises(TypeError):
        D.register_kl(int, D.Normal)
