"""The layers of the published families: squeeze-and-excitation, stochastic depth, fused steps."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn
from sensorium.errors import OptionError
from sensorium.vision.models import _blocks
from sensorium.vision.models._layers import (
    Conv2dNormActivation,
    SqueezeExcitation,
    StochasticDepth,
    add_last,
    make_divisible,
    stochastic_depth,
)


@pytest.fixture
def fused(monkeypatch):
    """Counts the fused steps."""
    calls = []
    original = _blocks._fused
    monkeypatch.setattr(_blocks, "_fused", lambda *args: calls.append(0) or original(*args))
    return calls


@pytest.mark.parametrize("divisor", [1, 3, 8])
def test_a_rounded_number_is_a_multiple_and_loses_a_tenth_at_most(divisor):
    for n in range(1, 400):
        rounded = make_divisible(n / 3, divisor)
        assert rounded % divisor == 0 and rounded >= max(divisor, 0.9 * n / 3)
        assert rounded <= max(divisor, n / 3 + divisor)


# -- Conv2dNormActivation ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "kinds", "bias"),
    [
        ({}, (nn.Conv2d, nn.BatchNorm2d, nn.ReLU), False),
        ({"norm_layer": None}, (nn.Conv2d, nn.ReLU), True),
        ({"activation_layer": None}, (nn.Conv2d, nn.BatchNorm2d), False),
        ({"activation_layer": None, "norm_layer": None, "bias": False}, (nn.Conv2d,), False),
        ({"activation_layer": nn.GELU, "inplace": None}, (nn.Conv2d, nn.BatchNorm2d, nn.GELU), 0),
    ],
)  # fmt: skip
def test_members_are_the_ones_asked_for_and_run_one_after_the_other(options, kinds, bias):
    layer = Conv2dNormActivation(2, 3, **options)
    assert tuple(type(member) for member in layer) == kinds
    assert (layer[0].bias is not None) == bias
    x = sn.randn(2, 2, 5, 5)
    wanted = x
    for member in layer:
        wanted = member(wanted)
    assert sn.equal(layer(x), wanted)


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (5, 2), ((3, 5), (2, 1))])
def test_by_default_height_and_width_are_kept(kernel, dilation):
    layer = Conv2dNormActivation(1, 1, kernel, dilation=dilation)
    assert layer(sn.zeros(2, 1, 11, 12)).shape == (2, 1, 11, 12)


# -- add_last ------------------------------------------------------------------------------------
def nets():
    first = Conv2dNormActivation(2, 2)
    yield nn.Sequential(first, nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)), 2
    yield nn.Sequential(first, Conv2dNormActivation(2, 2, activation_layer=None)), 2
    yield nn.Sequential(first, Conv2dNormActivation(2, 2)), 2  # ends with an activation
    yield nn.Sequential(nn.Conv2d(2, 2, 1), nn.GroupNorm(1, 2)), 0
    yield first, 1


@pytest.mark.parametrize("case", range(5))
def test_the_sum_is_that_of_the_layers_and_the_residual(fused, case):
    net, steps = [*nets()][case]
    net.eval()
    x = sn.randn(2, 2, 4, 4)
    with sn.no_grad():
        wanted = x
        for layer in net:
            wanted = layer(wanted)
        fused.clear()
        np.testing.assert_allclose(add_last(x, net, x).numpy(), (wanted + x).numpy(), atol=1e-6)
        assert len(fused) == steps
        np.testing.assert_allclose(add_last(x, net, None).numpy(), wanted.numpy(), atol=1e-6)


def test_hooks_on_the_layers_and_on_the_last_of_them_are_called():
    net = nn.Sequential(nn.Identity(), Conv2dNormActivation(2, 2, activation_layer=None)).eval()
    seen = []
    handle = net.register_forward_hook(lambda module, args, y: seen.append("net"))
    with sn.no_grad():
        add_last(sn.zeros(1, 2, 3, 3), net, None)
        handle.remove()
        net[1].register_forward_hook(lambda module, args, y: seen.append("last"))
        add_last(sn.zeros(1, 2, 3, 3), net, None)
    assert seen == ["net", "last"]


# -- squeeze and excitation ----------------------------------------------------------------------
def test_a_channel_is_weighted_by_the_means_of_all():
    layer = SqueezeExcitation(2, 1)
    for conv, weight, bias in (
        (layer.fc1, [[1.0, 2.0]], [0.5]),
        (layer.fc2, [[1.0], [-1.0]], [0, 1]),
    ):
        conv.weight.data.copy_(sn.tensor(weight)[:, :, None, None])
        conv.bias.data.copy_(sn.tensor(bias))
    x = np.random.default_rng(0).normal(size=(3, 2, 4, 5)).astype(np.float32)
    hidden = np.maximum(x.mean((2, 3)) @ [1.0, 2.0] + 0.5, 0)  # (N,)
    scale = 1 / (1 + np.exp(-np.stack([hidden, 1 - hidden], 1)))
    got = layer(sn.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(got, x * scale[:, :, None, None], rtol=1e-5, atol=1e-6)


# -- stochastic depth ----------------------------------------------------------------------------
def test_dropped_samples_are_zero_and_the_mean_stays():
    sn.manual_seed(1)
    y = stochastic_depth(sn.ones(4000, 2, 1, 1), 0.25, "row").numpy()
    assert set(np.unique(y.round(4))) == {0.0, np.float32(1.3333)}
    assert (y[:, 0] == y[:, 1]).all() and y.mean() == pytest.approx(1.0, abs=0.05)


def test_a_batch_is_dropped_as_one():
    sn.manual_seed(0)
    drawn = [stochastic_depth(sn.ones(5, 2), 0.5, "batch").numpy() for _ in range(40)]
    assert all((y == y[0, 0]).all() for y in drawn)
    assert {float(y[0, 0]) for y in drawn} == {0.0, 2.0}


def test_nothing_is_dropped_outside_training():
    layer, x = StochasticDepth(0.9, "row"), sn.ones(4, 2)
    assert layer.eval()(x) is x and repr(layer) == "StochasticDepth(p=0.9, mode=row)"
    assert stochastic_depth(x, 0.0, "row") is x


@pytest.mark.parametrize(
    ("p", "mode", "said"), [(1.5, "row", "in \\[0, 1\\], got 1.5"), (0.5, "rows", "got 'rows'")]
)
def test_wrong_options_are_named(p, mode, said):
    with pytest.raises(OptionError, match=said):
        stochastic_depth(sn.ones(1), p, mode)
