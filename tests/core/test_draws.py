"""Counts and in-place draws: laws of the distributions, seeds, refusals, gradients of zero."""

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import DTypeError, OpError
from sensorium.ops.draws import dirichlet, standard_gamma

N = 20_000


@pytest.fixture(autouse=True)
def seeded():
    sn.manual_seed(2)


def shares(drawn, distribution):
    """The largest gap of the draws' distribution from the given function, times sqrt n."""
    x = np.sort(drawn.double().numpy())
    f = distribution(x)
    n = len(x)
    return max((np.arange(1, n + 1) / n - f).max(), (f - np.arange(n) / n).max()) * math.sqrt(n)


@pytest.mark.parametrize(
    "draw, distribution",
    [
        (lambda x: x.exponential_(2.0), lambda x: 1 - np.exp(-2 * x)),
        (lambda x: x.cauchy_(1.0, 2.0), lambda x: np.arctan((x - 1) / 2) / math.pi + 0.5),
        (
            lambda x: x.log_normal_(0.5, 0.25),
            lambda x: np.vectorize(
                lambda v: 0.5 + 0.5 * math.erf((math.log(v) - 0.5) * 4 / 2**0.5)
            )(x),
        ),
    ],
)
def test_in_place_draws_follow_their_law(draw, distribution):
    for dtype in (sn.float32, sn.float64):
        assert shares(draw(sn.empty(N, dtype=dtype)), distribution) < 2.0


def test_geometric_counts_trials():
    x = sn.empty(N).geometric_(0.3).numpy()
    assert x.min() == 1
    for k in (1, 2, 5):
        chance = 0.3 * 0.7 ** (k - 1)
        assert abs((x == k).mean() - chance) < 5 * math.sqrt(chance / N)
    assert sn.zeros(3, dtype=sn.int64).geometric_(0.9).dtype == sn.int64


def test_poisson_and_binomial_counts():
    rate = sn.tensor([0.0, 0.7, 30.0]).expand(N, 3)
    x = sn.poisson(rate).numpy()
    assert x.dtype == np.float32 and (x[:, 0] == 0).all()
    np.testing.assert_allclose(x.mean(0), [0, 0.7, 30], rtol=0.04)
    np.testing.assert_allclose(x.var(0), [0, 0.7, 30], rtol=0.1)
    y = sn.binomial(sn.tensor([10.0, 4.0, 3.0]).expand(N, 3), sn.tensor([0.25, 1.0, 0.0])).numpy()
    assert (y[:, 1] == 4).all() and (y[:, 2] == 0).all()
    np.testing.assert_allclose(y[:, 0].mean(), 2.5, rtol=0.02)


def test_small_concentrations_give_no_nan():
    x = dirichlet(sn.full((200, 4), 1e-3))
    assert bool(sn.isfinite(x).all())
    np.testing.assert_allclose(x.sum(-1).numpy(), 1, rtol=1e-5)
    y = standard_gamma(sn.full((200,), 1e-3))
    assert bool((y > 0).all())


def test_generators_decide():
    g = sn.Generator().manual_seed(4)
    first = sn.poisson(sn.full((9,), 5.0), generator=g)
    assert sn.equal(sn.poisson(sn.full((9,), 5.0), generator=g.manual_seed(4)), first)
    a = sn.zeros(5).cauchy_(generator=g.manual_seed(1))
    assert sn.equal(sn.zeros(5).cauchy_(generator=g.manual_seed(1)), a)


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: sn.poisson(x * 1),
        lambda x: sn.bernoulli(x * 1),
        lambda x: sn.normal(x * 1, 1.0),
        lambda x: sn.normal(0.0, x * 1),
        lambda x: sn.normal(x * 1, sn.ones(2, 3)),
        lambda x: sn.binomial(sn.full((3,), 4.0), x * 1),
        lambda x: (x * 1).normal_(),
        lambda x: (x * 1).cauchy_(),
    ],
)
def test_counts_have_a_gradient_of_zero(draw):
    x = sn.tensor([0.2, 0.5, 0.9], requires_grad=True)
    y = draw(x)
    assert y.requires_grad
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "wrong, error, text",
    [
        (lambda: sn.poisson(sn.tensor([1.0, -2.0])), OpError, "at least 0, got -2"),
        (lambda: sn.poisson(sn.tensor([1])), DTypeError, "floating-point tensor, got int64"),
        (lambda: sn.binomial(sn.tensor([3]), sn.tensor([0.5])), DTypeError, "got int64"),
        (lambda: sn.zeros(3).geometric_(0.0), OpError, r"p must lie in \(0, 1\), got 0"),
        (lambda: sn.zeros(3).geometric_(1.0), OpError, "got 1"),
        (lambda: sn.zeros(3).cauchy_(0.0, -1.0), OpError, "sigma must be positive, got -1"),
        (lambda: sn.zeros(3).log_normal_(0.0, -1.0), OpError, "std must be positive, got -1"),
        (lambda: sn.zeros(3).exponential_(-1.0), OpError, "lambd must be positive, got -1"),
        (lambda: sn.zeros(3, dtype=sn.int64).cauchy_(), DTypeError, "floating-point"),
        (lambda: sn.bernoulli(sn.tensor([1, 0])), DTypeError, "floating-point type, got int64"),
    ],
)
def test_refusals(wrong, error, text):
    with pytest.raises(error, match=text):
        wrong()


def test_complex_numbers_and_numbers_without_dimensions():
    x = sn.empty(N, dtype=sn.complex128).normal_(-2.0, 0.5).numpy()
    assert abs(x.mean() - (-2 - 2j)) < 0.02 and abs(x.real.std() - 0.5 / 2**0.5) < 0.01
    y = sn.empty(N, dtype=sn.complex64).uniform_(1.0, 2.0).numpy()
    assert y.imag.min() >= 1 and y.real.max() <= 2
    assert sn.randn_like(sn.tensor(1j)).shape == () and sn.rand_like(sn.tensor(1j)).shape == ()
    assert sn.normal(sn.tensor(1.0), sn.tensor(0.0)).item() == 1.0


@pytest.mark.peer
def test_slopes_against_pytorch_and_scipy():
    """PyTorch's approximations to 2e-3; differences of SciPy's quantiles to 1e-5."""
    torch = pytest.importorskip("torch")
    special = pytest.importorskip("scipy.special")
    from sensorium.ops.draws_slopes import beta_slope_array, gamma_slope_array

    rng = np.random.default_rng(0)
    for a in (0.1, 0.5, 1.0, 2.0, 30.0, 1e4):
        x, full = rng.gamma(a, size=100), np.full(100, a)
        mine = gamma_slope_array(full, x)
        peer = torch._standard_gamma_grad(torch.tensor(full), torch.tensor(x)).numpy()
        np.testing.assert_allclose(mine, peer, rtol=2e-3)
        p, h = special.gammainc(a, x), a * 1e-5
        keep = (p > 1e-4) & (p < 1 - 1e-4) & (x > 1e-12)
        exact = (special.gammaincinv(a + h, p) - special.gammaincinv(a - h, p)) / (2 * h)
        np.testing.assert_allclose(mine[keep], exact[keep], rtol=1e-5)
    for a, b in ((0.5, 0.5), (2, 3), (0.5, 30), (30, 0.5), (100, 200)):
        x = rng.beta(a, b, size=100).clip(1e-12, 1 - 1e-12)
        one, two = np.full(100, float(a)), np.full(100, float(b))
        mine = beta_slope_array(one, two, x) / (1 - x)
        peer = torch._dirichlet_grad(*map(torch.tensor, (x, one, one + two))).numpy()
        np.testing.assert_allclose(mine, peer, rtol=3e-3)
        p, h = special.betainc(a, b, x), a * 1e-5
        keep = (p > 1e-4) & (p < 1 - 1e-4)
        exact = (special.betaincinv(a + h, b, p) - special.betaincinv(a - h, b, p)) / (2 * h)
        np.testing.assert_allclose((mine * (1 - x))[keep], exact[keep], rtol=1e-5)


@pytest.mark.peer
def test_dirichlet_gradient_against_pytorch_for_the_same_draw():
    torch = pytest.importorskip("torch")
    from sensorium.ops.draws import _dirichlet_drawn

    a = np.array([[0.7, 1.5, 3.0], [10.0, 0.3, 2.0]])
    x = np.array([[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]])
    g = np.array([[1.0, -2.0, 0.5], [0.3, 0.3, 2.0]])
    ours = sn.tensor(a, requires_grad=True)
    (_dirichlet_drawn(ours, x) * sn.tensor(g)).sum().backward()
    t, s = torch.tensor(a), torch.tensor(x)
    slope = torch._dirichlet_grad(s, t, t.sum(-1, True).expand_as(t)).numpy()
    wanted = slope * (g - (x * g).sum(-1, keepdims=True))
    np.testing.assert_allclose(ours.grad.numpy(), wanted, rtol=3e-3)
