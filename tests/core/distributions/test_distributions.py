"""Distributions by their own laws: densities integrate to 1, moments and entropies are integrals of
them, draws follow the distribution function, divergences are means of log ratios."""

import copy
import math
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import AutogradError, OptionError, ShapeError, UndefinedError

sys.path.insert(0, str(Path(__file__).parent))
from distribution_cases import CASES, SCALAR

D = sn.distributions
LINE = {
    "Normal": (lambda: D.Normal(0.3, 1.7), -20, 20),
    "Laplace": (lambda: D.Laplace(0.3, 0.7), -24.7, 25.3),
    "Gumbel": (lambda: D.Gumbel(0.3, 0.7), -6, 30),
    "StudentT": (lambda: D.StudentT(9.0, 0.3, 0.7), -200, 200),
    "VonMises": (lambda: D.VonMises(0.3, 1.7), -math.pi, math.pi),
    "LogNormal": (lambda: D.LogNormal(0.3, 0.4), 1e-9, 60),
    "HalfNormal": (lambda: D.HalfNormal(1.3), 0, 20),
    "Exponential": (lambda: D.Exponential(1.3), 0, 30),
    "Gamma": (lambda: D.Gamma(2.3, 1.3), 0, 40),
    "Chi2": (lambda: D.Chi2(5.0), 0, 100),
    "InverseGamma": (lambda: D.InverseGamma(9.0, 1.3), 1e-9, 40),
    "Beta": (lambda: D.Beta(2.3, 3.1), 0, 1),
    "Kumaraswamy": (lambda: D.Kumaraswamy(2.3, 3.1), 1e-12, 1 - 1e-12),
    "Uniform": (lambda: D.Uniform(-0.5, 1.3), -0.5, 1.3 - 1e-9),
    "Weibull": (lambda: D.Weibull(1.3, 2.1), 1e-9, 20),
    "Pareto": (lambda: D.Pareto(1.3, 9.0), 1.3 + 1e-10, 300),
    "FisherSnedecor": (lambda: D.FisherSnedecor(5.0, 40.0), 1e-9, 80),
    "GeneralizedPareto": (lambda: D.GeneralizedPareto(0.3, 0.7, -0.2), 0.3, 3.79),
    "ContinuousBernoulli": (lambda: D.ContinuousBernoulli(0.8), 0, 1),
    "ContinuousBernoulli half": (lambda: D.ContinuousBernoulli(0.5), 0, 1),
    "RelaxedBernoulli": (lambda: D.RelaxedBernoulli(sn.tensor(0.9), 0.4), 1e-9, 1 - 1e-9),
}


def points(low, high):
    """Points and weights that follow the ends of an interval: sinh and tanh make them dense there."""
    u = np.linspace(-4.2, 4.2, 20001)
    t = np.tanh(np.pi / 2 * np.sinh(u))
    w = np.pi / 2 * np.cosh(u) / np.cosh(np.pi / 2 * np.sinh(u)) ** 2 * (u[1] - u[0])
    middle, half = (high + low) / 2, (high - low) / 2
    return np.clip(middle + half * t, low + 1e-12, high - 1e-12), w * half


@pytest.fixture(autouse=True)
def double_precision():
    before = sn.get_default_dtype()
    sn.set_default_dtype(sn.float64)
    sn.manual_seed(5)
    yield
    sn.set_default_dtype(before)


@pytest.mark.parametrize("name", LINE)
def test_density_integrates_to_its_moments_and_entropy(name):
    make, low, high = LINE[name]
    p = make()
    x, w = points(low, high)
    logs = p.log_prob(sn.tensor(x)).numpy()
    logs = np.where(np.isfinite(logs), logs, -1e9)
    mass = np.exp(logs) * w
    np.testing.assert_allclose(mass.sum(), 1, rtol=1e-4 if name == "Laplace" else 2e-6)  # a kink
    if name not in ("VonMises", "RelaxedBernoulli"):
        mean = (mass * x).sum()
        np.testing.assert_allclose(p.mean.item(), mean, rtol=1e-4, atol=1e-8)
        np.testing.assert_allclose(p.variance.item(), (mass * (x - mean) ** 2).sum(), rtol=2e-4)
        if name != "FisherSnedecor":
            np.testing.assert_allclose(p.entropy().item(), -(mass * logs).sum(), rtol=1e-4)
    elif name == "VonMises":  # of the direction
        np.testing.assert_allclose(p.variance.item(), 1 - (mass * np.cos(x - 0.3)).sum(), rtol=1e-9)
    rising = np.cumsum(mass) - mass / 2
    try:
        at = x[(rising > 1e-3) & (rising < 1 - 1e-3)][::200]
        share = p.cdf(sn.tensor(at)).numpy()
    except NotImplementedError:
        return
    np.testing.assert_allclose(share, np.interp(at, x, rising), atol=1e-4)
    try:
        np.testing.assert_allclose(p.icdf(sn.tensor(share)).numpy(), at, rtol=1e-7, atol=1e-9)
    except NotImplementedError:
        assert name in ("Gamma", "Chi2", "InverseGamma", "StudentT")


@pytest.mark.parametrize(
    "make, most",
    [
        (lambda: D.Bernoulli(0.3), 1),
        (lambda: D.Binomial(7, 0.3), 7),
        (lambda: D.Geometric(0.3), 120),
        (lambda: D.Poisson(4.3), 60),
        (lambda: D.NegativeBinomial(3.5, 0.4), 120),
    ],
)
def test_probabilities_add_up(make, most):
    p = make()
    k = np.arange(most + 1.0)
    logs = p.log_prob(sn.tensor(k)).numpy()
    mass = np.exp(logs)
    np.testing.assert_allclose(mass.sum(), 1, rtol=1e-9)
    np.testing.assert_allclose(p.mean.item(), (mass * k).sum(), rtol=1e-8)
    variance = (mass * k * k).sum() - (mass * k).sum() ** 2
    np.testing.assert_allclose(p.variance.item(), variance, rtol=1e-7)
    assert k[mass.argmax()] == p.mode.item()
    try:
        np.testing.assert_allclose(p.entropy().item(), -(mass * logs).sum(), rtol=1e-8)
    except NotImplementedError:
        assert type(p).__name__ in ("Poisson", "NegativeBinomial")
    drawn = p.sample((20_000,)).numpy()
    counts = np.bincount(drawn.astype(int), minlength=most + 1)[: most + 1]
    expected = mass * 20_000
    big = expected > 5
    chi = ((counts - expected) ** 2 / expected)[big].sum()
    assert chi < big.sum() + 5 * math.sqrt(2 * big.sum()) + 5


def kolmogorov(sorted_shares):
    """The largest gap between the shares of sorted draws and the diagonal, times sqrt n."""
    n = len(sorted_shares)
    steps = np.arange(n + 1) / n
    gap = max((steps[1:] - sorted_shares).max(), (sorted_shares - steps[:-1]).max())
    return gap * math.sqrt(n)


@pytest.mark.parametrize("name", sorted(SCALAR))
def test_draws_follow_the_distribution_function(name):
    make, parameters, _ = CASES[name]
    p = make(D, *map(sn.tensor, parameters))
    drawn = p.sample((3000,))
    shares = p.cdf(drawn).numpy().reshape(3000, -1)
    for column in shares.T:
        assert kolmogorov(np.sort(column)) < 2.0  # 2 is passed once in 1500 times


@pytest.mark.parametrize(
    "name",
    ["Beta", "StudentT", "FisherSnedecor", "Dirichlet", "MultivariateNormal", "Multinomial",
     "LowRankMultivariateNormal", "OneHotCategorical", "Wishart", "InverseGamma"],
)  # fmt: skip
def test_draws_have_the_moments(name):
    make, parameters, _ = CASES[name]
    extra = {"StudentT": (3.0, 0, 0), "FisherSnedecor": (0, 8.0), "InverseGamma": (5.0, 0)}
    shifts = extra.get(name, (0,) * len(parameters))
    p = make(D, *(sn.tensor(v + s) for v, s in zip(parameters, shifts, strict=True)))
    drawn = p.sample((20_000,)).numpy()
    spread = np.sqrt(p.variance.numpy()) + 1e-9
    assert (np.abs(drawn.mean(0) - p.mean.numpy()) < 5 * spread / math.sqrt(20_000)).all()
    np.testing.assert_allclose(drawn.var(0), p.variance.numpy(), rtol=0.25)


def test_von_mises_draws_point_where_they_should():
    for k in (1e-7, 0.01, 1.0, 30.0, 1e5):
        drawn = D.VonMises(0.7, k).sample((20_000,)).numpy()
        assert (np.abs(drawn) <= math.pi).all()
        length = 1 - D.VonMises(0.7, k).variance.item()
        assert abs(np.cos(drawn - 0.7).mean() - length) < 0.02


def test_correlation_matrices_are_uniform_in_the_plane():
    """With concentration 1 in two dimensions the correlation is uniform in (-1, 1)."""
    factors = D.LKJCholesky(2, 1.0).sample((3000,))
    shares = np.sort(factors.numpy()[:, 1, 0] / 2 + 0.5)
    assert kolmogorov(shares) < 2.0
    x, w = points(-1, 1)
    rows = np.zeros((x.size, 2, 2))
    rows[:, 0, 0], rows[:, 1, 0], rows[:, 1, 1] = 1, x, np.sqrt(1 - x * x)
    for c in (1.0, 2.5):  # as a density of the correlation: over |dL / dr| = 1
        p = D.LKJCholesky(2, c, validate_args=False)
        total = (np.exp(p.log_prob(sn.tensor(rows)).numpy()) * w).sum()
        np.testing.assert_allclose(total, 1, rtol=1e-6)


# -- gradients through draws -----------------------------------------------------------------------
@pytest.mark.parametrize("a", [0.05, 0.5, 1.0, 3.0, 40.0])
def test_gamma_draws_move_along_their_quantile(a):
    """dx/da = -(dF/da) / p, F the regularised incomplete gamma function, by differences."""
    shape = sn.full((200,), a).requires_grad_()
    drawn = D.Gamma(shape, 1.0).rsample()
    drawn.sum().backward()
    x, h = drawn.detach(), 1e-4 * a
    up, down = (sn.special.gammainc(sn.full((200,), v), x) for v in (a + h, a - h))
    density = D.Gamma(a, 1.0).log_prob(x).exp()
    wanted = -((up - down) / (2 * h) / density).numpy()
    keep = (x.numpy() > 1e-6) & (up.numpy() < 1 - 1e-7)
    np.testing.assert_allclose(shape.grad.numpy()[keep], wanted[keep], rtol=2e-5)


@pytest.mark.parametrize("name", sorted(SCALAR - {"Gamma", "Chi2", "MixtureSameFamily"}))
def test_draws_move_along_their_quantile(name):
    """dx/d theta = -(dF/d theta) / p at the draw, for every parameter theta."""
    make, parameters, _ = CASES[name]
    theta = [sn.tensor(v, requires_grad=True) for v in parameters]
    p = make(D, *theta)
    x = p.rsample((5,))
    found = sn.autograd.grad(x.sum(), theta, retain_graph=True)
    at = x.detach()
    weight = -(-p.log_prob(at).detach()).exp()
    wanted = sn.autograd.grad((weight * p.cdf(at)).sum(), theta)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6, atol=1e-9)


def test_beta_draws_move_along_their_quantile():
    """F(x; a, 1) = x**a has the quantile u**(1 / a)."""
    for a in (0.3, 1.0, 5.0):
        first = sn.full((50,), a).requires_grad_()
        drawn = D.Beta(first, sn.ones(50)).rsample()
        drawn.sum().backward()
        x = drawn.detach().numpy()
        np.testing.assert_allclose(first.grad.numpy(), -x * np.log(x) / a, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    "make, mean",
    [
        (lambda a: D.Gamma(a, 2.0), lambda a: a / 2),
        (lambda a: D.Dirichlet(sn.stack([a, a * 0 + 2.0], -1)), None),
        (lambda a: D.Normal(a, 2.0 * a), lambda a: a),
        (lambda a: D.LogNormal(a, 0.3), lambda a: (a + 0.045).exp()),
        (lambda a: D.InverseGamma(a + 4, 2.0), lambda a: 2 / (a + 3)),
        (lambda a: D.Weibull(a, 2.0), lambda a: a * math.gamma(1.5)),
    ],
)
def test_the_mean_slope_of_draws_is_the_slope_of_the_mean(make, mean):
    sn.manual_seed(11)
    a = sn.full((40_000,), 1.5).requires_grad_()
    drawn = make(a).rsample()
    (drawn if mean else drawn[..., 0]).sum().backward()
    b = sn.tensor(1.5, requires_grad=True)
    (mean(b) if mean else b / (b + 2)).backward()
    slopes = a.grad.numpy()
    assert abs(slopes.mean() - b.grad.item()) < 5 * slopes.std() / 200 + 1e-12


def test_a_second_derivative_of_a_draw_is_refused():
    a = sn.ones(3, requires_grad=True)
    (g,) = sn.autograd.grad(D.Gamma(a, 1.0).rsample().sum(), a, create_graph=True)
    with pytest.raises(AutogradError, match="no second derivative"):
        g.sum().backward()


def test_straight_through_gradient_is_that_of_probs():
    p = sn.tensor([0.2, 0.8], requires_grad=True)
    d = D.OneHotCategoricalStraightThrough(p)
    (d.rsample() * sn.tensor([1.0, 2.0])).sum().backward()
    q = sn.tensor([0.2, 0.8], requires_grad=True)
    ((q / q.sum()) * sn.tensor([1.0, 2.0])).sum().backward()
    np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)


def test_a_distribution_made_once_serves_many_steps():
    loc = sn.zeros(3, requires_grad=True)
    p = D.Normal(loc, 1.0)
    for _ in range(2):
        p.log_prob(sn.ones(3)).sum().backward()
    assert loc.grad.tolist() == [2.0, 2.0, 2.0]


def test_samples_carry_no_gradient_and_seeds_reproduce_them():
    d = D.Gamma(sn.ones(3, requires_grad=True), 1.0)
    assert not d.sample().requires_grad and d.rsample().requires_grad
    draws = []
    for _ in range(2):
        sn.manual_seed(3)
        draws.append(d.sample((4,)))
    assert sn.equal(*draws)


# -- divergences -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "p, q, low, high",
    [
        (lambda: D.Beta(2.0, 3.0), lambda: D.ContinuousBernoulli(0.3), 0, 1),
        (lambda: D.Beta(2.0, 3.0), lambda: D.Gamma(1.5, 2.0), 0, 1),
        (lambda: D.ContinuousBernoulli(0.3), lambda: D.Exponential(1.5), 0, 1),
        (lambda: D.Exponential(1.5), lambda: D.Gumbel(0.2, 0.9), 0, 40),
        (lambda: D.Gamma(2.5, 1.5), lambda: D.Gumbel(0.2, 0.9), 0, 40),
        (lambda: D.Gumbel(0.2, 0.9), lambda: D.Gumbel(-0.2, 0.7), -4, 40),
        (lambda: D.Normal(0.2, 0.9), lambda: D.Laplace(-0.2, 0.7), -12, 12),
        (lambda: D.Normal(0.2, 0.9), lambda: D.Gumbel(-0.2, 0.7), -12, 12),
        (lambda: D.Uniform(0.2, 0.9), lambda: D.Beta(2.0, 0.7), 0.2, 0.9),
        (lambda: D.Uniform(0.2, 0.9), lambda: D.Pareto(0.1, 0.7), 0.2, 0.9),
        (lambda: D.Laplace(0.2, 0.9), lambda: D.Laplace(-0.2, 0.7), -40, 40),
        (lambda: D.Pareto(1.2, 6.9), lambda: D.Gamma(2.2, 0.7), 1.2, 400),
    ],
)
def test_divergence_is_the_mean_log_ratio(p, q, low, high):
    p, q = p(), q()
    x, w = points(low, high)
    x = sn.tensor(x)
    logs = p.log_prob(x)
    wanted = ((logs - q.log_prob(x)) * logs.exp()).numpy() @ w
    np.testing.assert_allclose(D.kl_divergence(p, q).item(), wanted, rtol=2e-4)


def test_divergence_of_exponential_families_is_bregmans():
    class Other(D.Gamma):
        pass

    p, q = Other(sn.tensor([1.5, 2.0]), 2.0), Other(0.7, sn.tensor([1.0, 4.0]))
    from sensorium.distributions._kl_same import _family

    plain = D.kl_divergence(p, q)
    np.testing.assert_allclose(_family(p, q).detach().numpy(), plain.numpy(), rtol=1e-10)
    assert D.ExponentialFamily.entropy(p).shape == (2,)
    np.testing.assert_allclose(
        D.ExponentialFamily.entropy(p).detach().numpy(), p.entropy().numpy(), rtol=1e-10
    )


# -- what is refused -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "wrong, text",
    [
        (lambda: D.Normal(0.0, -1.0), "scale .* must satisfy GreaterThan.*-1.0"),
        (lambda: D.Normal("a", 1.0), "numbers or tensors, got str"),
        (lambda: D.Uniform(1.0, 0.0), "low"),
        (lambda: D.Bernoulli(), "either probs or logits"),
        (lambda: D.Bernoulli(0.3, logits=1.0), "either probs or logits"),
        (lambda: D.Bernoulli(1.3), "probs.*Interval.*1.3"),
        (lambda: D.Geometric(0.0), "probs must be positive, got 0"),
        (lambda: D.Categorical(sn.tensor(1.0)), "must have a dimension"),
        (lambda: D.Dirichlet(sn.tensor(1.0)), "must have a dimension"),
        (lambda: D.MultivariateNormal(sn.zeros(2)), "exactly one"),
        (lambda: D.MultivariateNormal(sn.zeros(2), -sn.eye(2)), "covariance_matrix.*PositiveDef"),
        (lambda: D.LKJCholesky(1), "dim must be at least 2"),
        (lambda: D.Wishart(sn.tensor(0.5), sn.eye(2)), "df must be above"),
        (lambda: D.Independent(D.Normal(sn.zeros(2), 1.0), 3), r"lie in \[0, 1\].*got 3"),
        (lambda: D.Distribution.set_default_validate_args(3), "True or False, got 3"),
        (lambda: D.Normal(0.0, 1.0).log_prob(3), "must be a tensor, got int"),
        (lambda: D.Uniform(0.0, 1.0).log_prob(sn.tensor(2.0)), "Interval.*got 2.0"),
        (lambda: D.Categorical(sn.ones(3)).log_prob(sn.tensor(3)), "IntegerInterval.*got 3"),
    ],
)
def test_parameters_and_values_out_of_range(wrong, text):
    with pytest.raises(OptionError, match=text):
        wrong()


def test_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match="does not broadcast"):
        D.Normal(sn.zeros(2), 1.0).log_prob(sn.zeros(3))
    with pytest.raises(ShapeError, match="event shape"):
        D.Dirichlet(sn.ones(3)).log_prob(sn.ones(2) / 2)
    with pytest.raises(ShapeError):
        D.Normal(sn.zeros(2), sn.ones(3))
    with pytest.raises(ShapeError):
        D.Normal(sn.zeros(2), 1.0).expand((3,))
    assert D.Normal(0.0, -1.0, validate_args=False).loc.item() == 0


def test_what_has_no_closed_form_says_so():
    for ask in (
        lambda: D.Normal(0.0, 1.0).enumerate_support(),
        lambda: D.Poisson(1.0).entropy(),
        lambda: D.Poisson(1.0).cdf(sn.tensor(1.0)),
        lambda: D.kl_divergence(D.Normal(0.0, 1.0), D.Poisson(1.0)),
        lambda: D.Bernoulli(0.3).rsample(),
        lambda: D.SoftmaxTransform().log_abs_det_jacobian(sn.ones(2), sn.ones(2)),
        lambda: D.biject_to(D.constraints.boolean),
    ):
        with pytest.raises(UndefinedError):
            ask()


def test_a_distribution_without_constraints_warns():
    class Bare(D.Distribution):
        pass

    with pytest.warns(UserWarning, match="Bare: defines no arg_constraints"):
        Bare((2,), (3,))
    bare = Bare(validate_args=False)
    for ask in (lambda: bare.mean, lambda: bare.support, lambda: bare.log_prob(sn.ones(1))):
        with pytest.raises(UndefinedError, match="Bare"):
            ask()


def test_ambiguous_registration_warns():
    class Left(D.Normal):
        pass

    class Right(D.Normal):
        pass

    D.register_kl(Left, D.Normal)(lambda p, q: p.loc)
    D.register_kl(D.Normal, Right)(lambda p, q: q.loc)
    with pytest.warns(RuntimeWarning, match="both"):
        assert D.kl_divergence(Left(1.0, 1.0), Right(2.0, 1.0)).item() == 1.0


@pytest.mark.parametrize("name", CASES)
def test_copies_and_pickles_are_the_same(name):
    make, parameters, value = CASES[name]
    p = make(D, *map(sn.tensor, parameters))
    wanted = p.log_prob(sn.tensor(value))
    for copied in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert sn.equal(copied.log_prob(sn.tensor(value)), wanted)


def test_users_own_distribution():
    class Twice(D.TransformedDistribution):
        arg_constraints = {"rate": D.constraints.positive}  # noqa: RUF012

        def __init__(self, rate, validate_args=None):
            self.rate = sn.tensor(rate)
            super().__init__(D.Exponential(self.rate), D.AffineTransform(0.0, 2.0))

        def expand(self, batch_shape, _instance=None):
            new = self._get_checked_instance(Twice, _instance)
            new.rate = self.rate.expand(batch_shape)
            return super().expand(batch_shape, _instance=new)

    d = Twice(3.0).expand((2,))
    np.testing.assert_allclose(d.log_prob(sn.tensor(1.0)).numpy(), math.log(1.5) - 1.5)
    assert d.rate.shape == (2,) and d.support.check(sn.tensor(1.0)).item()


@pytest.mark.parametrize("name", ["tanh", "stick", "corr", "compose", "cat"])
def test_volume_is_the_determinant_of_the_jacobian(name):
    t = {
        "tanh": D.TanhTransform(),
        "stick": D.StickBreakingTransform(),
        "corr": D.CorrCholeskyTransform(),
        "compose": D.ComposeTransform([D.AffineTransform(0.3, 2.0), D.StickBreakingTransform()]),
        "cat": D.CatTransform([D.ExpTransform(), D.identity_transform], lengths=[1, 2]),
    }[name]
    x = sn.tensor([0.3, -0.7, 1.1])
    rows = []
    y0 = t(x)
    places = [i for i, s in enumerate(_independent_places(name, y0)) if s]
    for i in places:
        v = x.clone().requires_grad_()
        t(v).reshape(-1)[i].backward()
        rows.append(v.grad.numpy())
    wanted = np.linalg.slogdet(np.array(rows))[1]
    np.testing.assert_allclose(t.log_abs_det_jacobian(x, y0).sum().item(), wanted, rtol=1e-9)


def _independent_places(name, y):
    if name == "corr":
        return np.tri(3, 3, -1).reshape(-1)
    return [1, 1, 1, 0] if name in ("stick", "compose") else [1, 1, 1]
