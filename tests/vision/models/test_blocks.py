"""conv_norm: the fused step equals the modules one after the other, and is taken only unseen."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn
from sensorium.vision import models
from sensorium.vision.models import _blocks
from sensorium.vision.models._blocks import conv_norm, same_pads


@pytest.fixture
def fused(monkeypatch):
    """Counts the fused steps."""
    calls = []
    original = _blocks._fused

    def spy(*args):
        calls.append(args)
        return original(*args)

    monkeypatch.setattr(_blocks, "_fused", spy)
    return calls


def layers(groups=1, bias=False, stride=1, **norm):
    sn.manual_seed(0)
    conv = nn.Conv2d(4, 8, 3, stride, 1, groups=groups, bias=bias)
    norm = nn.BatchNorm2d(8, **norm)
    for value in (norm.weight, norm.bias, norm.running_mean):
        if value is not None:
            value.data.copy_(sn.randn(8))
    if norm.running_var is not None:
        norm.running_var.copy_(sn.rand(8) + 0.5)
    return conv, norm.eval()


def plain(x, conv, norm, activation=None, residual=None):
    y = norm(conv(x))
    y = y if residual is None else y + residual
    return y if activation is None else activation(y)


@pytest.mark.parametrize("activation", [None, nn.ReLU(inplace=True), nn.ReLU6(), nn.SiLU()])
@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("options", [{}, {"groups": 2, "bias": True}, {"stride": 2}])
def test_the_fused_step_equals_the_modules(fused, activation, with_residual, options):
    conv, norm = layers(**options)
    x = sn.randn(2, 4, 6, 6)
    with sn.no_grad():
        wanted = plain(x, conv, norm)
        residual = sn.randn(*wanted.shape) if with_residual else None
        wanted = plain(x, conv, norm, activation, residual)
        got = conv_norm(x, conv, norm, activation, residual)
    assert len(fused) == 1
    np.testing.assert_allclose(got.numpy(), wanted.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [6, 7])
def test_pads_are_put_around_on_both_paths(fused, size):
    conv, norm = layers(stride=2)
    x = sn.randn(1, 4, size, size)
    pads = ((0, 1), (2, 1))
    with sn.no_grad():
        got = conv_norm(x, conv, norm, pads=pads)
    wanted = norm(conv(sn.nn.functional.pad(x, (2, 1, 0, 1))))
    np.testing.assert_allclose(got.numpy(), wanted.detach().numpy(), rtol=1e-5, atol=1e-5)
    again = conv_norm(x, conv, norm, pads=pads)  # a gradient is wanted: the plain path
    np.testing.assert_allclose(again.detach().numpy(), wanted.detach().numpy())
    assert len(fused) == 1


def _hook(module, *_):
    return None


@pytest.mark.parametrize(
    "case",
    ["grad", "train", "conv hook", "norm hook", "act hook", "subclass", "no stats", "padding"],
)
def test_whatever_could_tell_takes_the_plain_path(fused, case):
    conv, norm = layers(track_running_stats=case != "no stats")
    relu = nn.ReLU()
    if case == "train":
        norm.train()
    elif case == "subclass":
        norm.__class__ = type("Own", (nn.BatchNorm2d,), {})
    elif case == "padding":
        conv = nn.Conv2d(4, 8, 3, padding=1, padding_mode="reflect", bias=False)
    elif case.endswith("hook"):
        {"conv": conv, "norm": norm, "act": relu}[case.split()[0]].register_forward_hook(_hook)
    x = sn.randn(2, 4, 6, 6)
    with sn.set_grad_enabled(case == "grad"):
        got = conv_norm(x, conv, norm, relu)
        wanted = plain(x, conv, norm, relu)
    assert not fused
    np.testing.assert_array_equal(got.detach().numpy(), wanted.detach().numpy())


def test_frozen_weights_are_fused_even_while_gradients_are_recorded(fused):
    conv, norm = layers()
    for parameter in (*conv.parameters(), *norm.parameters()):
        parameter.requires_grad_(False)
    conv_norm(sn.randn(1, 4, 5, 5), conv, norm)
    assert len(fused) == 1
    conv_norm(sn.randn(1, 4, 5, 5, requires_grad=True), conv, norm)
    assert len(fused) == 1


@pytest.mark.parametrize(
    ("name", "size", "steps"),
    [
        ("resnet18", 32, 20),
        ("resnet50", 32, 53),
        ("efficientnet_lite0", 32, 49),
        ("efficientnet_b0", 32, 49),
        ("mobilenet_v2", 32, 52),
    ],
)
def test_every_convolution_of_a_model_in_eval_mode_is_a_fused_step(
    fused, name, size, steps, cheap_init
):
    model = models.get_model(name, num_classes=3).eval()
    with sn.inference_mode():
        model(sn.zeros(1, 3, size, size))
    assert len(fused) == steps


def test_a_hook_anywhere_sees_what_it_would_see_in_torch(fused, cheap_init):
    model = models.resnet18(num_classes=3).eval()
    seen = []
    model.layer2[0].bn1.register_forward_hook(lambda _, args, output: seen.append(output.shape))
    model.layer2[0].downsample.register_forward_hook(lambda _, args, y: seen.append(y.shape))
    with sn.no_grad():
        model(sn.zeros(1, 3, 32, 32))
    assert seen == [(1, 128, 4, 4), (1, 128, 4, 4)]


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2), (5, 3)])
def test_same_pads_give_the_size_over_the_stride_rounded_up(size, kernel, stride):
    pads = same_pads(sn.zeros(1, 1, size, size), kernel, stride) or ((0, 0), (0, 0))
    total = sum(pads[0])
    assert (size + total - kernel) // stride + 1 == -(-size // stride)
    assert 0 <= pads[0][1] - pads[0][0] <= 1
