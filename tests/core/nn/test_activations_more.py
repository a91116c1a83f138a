"""Activations beyond the common ones: closed forms, limits, in-place forms, randomness, misuse."""

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import AutogradError, DTypeError, OpError, ShapeError
from sensorium.nn import functional as F

RNG = np.random.default_rng(0)


# -- values --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "call, wanted",
    [
        (lambda x: F.threshold(x, 1.0, -5.0), [-5.0, -5.0, -5.0, -5.0, 3.0]),
        (lambda x: F.hardshrink(x, 1.0), [-2.0, 0.0, 0.0, 0.0, 3.0]),
        (lambda x: F.softshrink(x, 1.0), [-1.0, 0.0, 0.0, 0.0, 2.0]),
        (lambda x: F.softsign(x), [-2 / 3, -1 / 2, 0.0, 1 / 2, 3 / 4]),
        (lambda x: F.rrelu(x, 0.2, 0.4), [-0.6, -0.3, 0.0, 1.0, 3.0]),
        (lambda x: F.prelu(x, sn.tensor(0.5)), [-1.0, -0.5, 0.0, 1.0, 3.0]),
        (lambda x: F.tanhshrink(x), [v - math.tanh(v) for v in (-2, -1, 0, 1, 3)]),
        (lambda x: F.celu(x, 2.0), [2 * math.expm1(-1), 2 * math.expm1(-0.5), 0.0, 1.0, 3.0]),
    ],
)
def test_closed_forms(call, wanted):
    x = sn.tensor([-2.0, -1.0, 0.0, 1.0, 3.0])
    np.testing.assert_allclose(call(x).numpy(), wanted, rtol=1e-6)


@pytest.mark.parametrize("name", ["celu", "selu", "mish", "hardshrink", "softshrink"])
def test_far_values_have_no_overflow_and_nan_stays(name):
    y = getattr(F, name)(sn.tensor([-1e4, 1e4, math.nan], dtype=sn.float64)).numpy()
    assert np.isfinite(y[:2]).all() and np.isnan(y[2])


def test_selu_keeps_mean_and_variance():
    y = F.selu(sn.tensor(RNG.normal(size=200_000))).numpy()
    assert abs(y.mean()) < 0.02 and abs(y.var() - 1) < 0.02


def test_glu_gates_the_first_half_by_the_second():
    x = RNG.normal(size=(3, 4, 2))
    wanted = x[:, :2] / (1 + np.exp(-x[:, 2:]))
    np.testing.assert_allclose(F.glu(sn.tensor(x), 1).numpy(), wanted, rtol=1e-12)
    assert sn.nn.GLU(1)(sn.zeros(2, 0)).shape == (2, 0)


def test_prelu_learns_one_slope_for_each_channel():
    layer = sn.nn.PReLU(3).to(sn.float64)
    x = RNG.normal(size=(2, 3, 4))
    layer(sn.tensor(x)).sum().backward()
    wanted = np.minimum(x, 0).sum((0, 2))
    np.testing.assert_allclose(layer.weight.grad.numpy(), wanted, rtol=1e-12)


# -- in place ------------------------------------------------------------------------------------
IN_PLACE = [
    ("celu", (1.5,)),
    ("selu", ()),
    ("threshold", (0.2, -3.0)),
    ("rrelu", (0.1, 0.3)),
]


@pytest.mark.parametrize(("name", "options"), IN_PLACE)
def test_in_place_forms_write_the_input_and_keep_the_gradient(name, options):
    values = RNG.normal(size=(3, 4))
    plain, other = (sn.tensor(values, requires_grad=True) for _ in range(2))
    wanted = getattr(F, name)(plain * 1, *options)
    x = other * 1
    assert getattr(F, name + "_")(x, *options) is x
    np.testing.assert_array_equal(x.detach().numpy(), wanted.detach().numpy())
    x.sum().backward(), wanted.sum().backward()
    np.testing.assert_allclose(other.grad.numpy(), plain.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize(("name", "options"), [*IN_PLACE, ("mish", ())])
def test_inplace_flags_of_layers(name, options):
    layer = {"celu": "CELU", "selu": "SELU", "rrelu": "RReLU"}.get(name, name.capitalize())
    x = sn.tensor(RNG.normal(size=5))
    wanted = getattr(F, name)(x, *options).numpy()
    assert getattr(sn.nn, layer)(*options, inplace=True).eval()(x) is x
    np.testing.assert_array_equal(x.numpy(), wanted)


def test_in_place_on_a_leaf_that_wants_a_gradient_is_refused():
    with pytest.raises(AutogradError, match="selu_"):
        F.selu_(sn.ones(2, requires_grad=True))


# -- random ones ---------------------------------------------------------------------------------
def test_rrelu_draws_slopes_between_its_limits_in_training():
    x = sn.tensor(-np.ones(20_000), requires_grad=True)
    sn.manual_seed(1)
    y = sn.nn.RReLU(0.25, 0.75)(x)
    slopes = -y.detach().numpy()
    assert slopes.min() >= 0.25 and slopes.max() < 0.75 and abs(slopes.mean() - 0.5) < 0.01
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), slopes)
    sn.manual_seed(1)
    np.testing.assert_array_equal(F.rrelu(x, 0.25, 0.75, True).detach().numpy(), -slopes)


def test_gumbel_softmax_draws_classes_by_their_probabilities():
    p = np.array([0.1, 0.2, 0.7])
    logits = sn.tensor(np.log(p)).expand(20_000, 3)
    sn.manual_seed(0)
    drawn = F.gumbel_softmax(logits, tau=0.5, hard=True).numpy()
    assert ((drawn.round(9) == 1).sum(1) == 1).all()
    np.testing.assert_allclose(drawn.mean(0), p, atol=0.015)


def test_a_hard_draw_has_the_gradient_of_the_soft_one():
    grads = []
    for hard in (True, False):
        x = sn.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
        sn.manual_seed(3)
        (F.gumbel_softmax(x, hard=hard) * sn.tensor([1.0, 2.0, 4.0])).sum().backward()
        grads.append(x.grad.numpy())
    np.testing.assert_allclose(*grads, rtol=1e-12)


@pytest.mark.parametrize("name", ["AlphaDropout", "FeatureAlphaDropout"])
def test_alpha_dropout_keeps_mean_and_variance(name):
    layer = getattr(sn.nn, name)(0.3)
    x = sn.tensor(RNG.normal(size=(300, 200, 3)))
    y = layer(x).numpy()
    assert abs(y.mean()) < 0.02 and abs(y.var() - 1) < 0.05
    assert layer.eval()(x) is x


def test_feature_alpha_dropout_takes_whole_channels():
    sn.manual_seed(0)
    y = F.feature_alpha_dropout(sn.tensor(RNG.normal(size=(8, 8, 5))), 0.5, True).numpy()
    flat = y.std(2) < 1e-12
    assert flat.any() and not flat.all()
    assert len(np.unique(y[flat].round(9))) == 1  # SELU's limit, scaled and shifted


# -- misuse --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: F.celu(sn.ones(1), 0), OpError, "alpha must not be 0"),
        (lambda: F.softshrink(sn.ones(1), -0.5), OpError, "lambd must be at least 0, got -0.5"),
        (lambda: F.glu(sn.ones(2, 3)), ShapeError, r"even, got 3 along dim -1 of \(2, 3\)"),
        (lambda: F.glu(sn.tensor(1.0)), ShapeError, "single value"),
        (lambda: F.prelu(sn.ones(2, 3), sn.ones(2)), ShapeError, "2 values .* 3 channels"),
        (lambda: F.prelu(sn.ones(2, 3), sn.ones(1, 3)), ShapeError, r"got \(1, 3\)"),
        (
            lambda: F.prelu(sn.ones(2), sn.ones(1).double()),
            DTypeError,
            "float32 but weight float64",
        ),
        (lambda: F.rrelu(sn.ones(1), 0.5, 0.25), OpError, "lower 0.5 and upper 0.25"),
        (lambda: F.feature_alpha_dropout(sn.ones(3), 0.5, True), ShapeError, r"got shape \(3,\)"),
    ],
)
def test_misuse_is_named(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_eps_of_gumbel_softmax_is_said_to_have_no_effect():
    with pytest.warns(UserWarning, match="eps has no effect"):
        F.gumbel_softmax(sn.zeros(2), eps=1e-3)
