"""Folded weights are never stale: whatever of their sources changes, the next result shows it."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn, ops
from sensorium.backends.cpu import onednn

pytestmark = pytest.mark.skipif(not onednn.available(), reason=onednn.why_not())

SOURCES = ["weight", "norm_weight", "norm_bias", "running_mean", "running_var"]


@pytest.fixture
def layers():
    sn.manual_seed(0)
    conv, norm = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8).eval()
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        with sn.no_grad():
            tensor.uniform_(0.5, 1.5)
    return conv, norm, sn.randn(2, 3, 6, 6)


def fused(conv, norm, x):
    sources = (conv.weight, None, norm.weight, norm.bias, norm.running_mean, norm.running_var)
    geometry = ((1, 1), ((0, 0), (0, 0)), (1, 1), 1, None)
    with sn.no_grad():
        return ops.conv_norm_act(x, *sources, None, norm.eps, *geometry)


def agrees(conv, norm, x):
    with sn.no_grad():
        wanted = norm(conv(x)).array
    found = fused(conv, norm, x).array
    return np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


def source(conv, norm, name):
    return conv.weight if name == "weight" else getattr(norm, name.removeprefix("norm_"))


@pytest.mark.parametrize("name", SOURCES)
def test_an_in_place_write_is_seen(layers, name):
    conv, norm, x = layers
    assert agrees(conv, norm, x)
    with sn.no_grad():
        source(conv, norm, name).mul_(1.5)
    assert agrees(conv, norm, x)


@pytest.mark.parametrize("name", SOURCES)
def test_a_write_through_numpy_is_seen(layers, name):
    conv, norm, x = layers
    assert agrees(conv, norm, x)
    handed_out = source(conv, norm, name).detach().numpy()
    assert agrees(conv, norm, x)
    handed_out *= 1.5
    assert agrees(conv, norm, x)


@pytest.mark.parametrize("name", SOURCES)
def test_other_memory_in_the_same_place_is_seen(layers, name):
    conv, norm, x = layers
    tensor = source(conv, norm, name)
    for scale in (1.5, 0.5, 2.0, 0.25, 3.0):  # the allocator likes to hand out the same address
        assert agrees(conv, norm, x)
        values = tensor.array * np.float32(scale)
        tensor.array = np.empty(0, np.float32)
        tensor.array = values.copy()
        del values
    assert agrees(conv, norm, x)


def test_a_training_step_in_between_is_seen(layers):
    conv, norm, x = layers
    assert agrees(conv, norm, x)
    optimizer = sn.optim.SGD([*conv.parameters(), *norm.parameters()], lr=0.5)
    norm.train()
    norm(conv(x)).square().sum().backward()
    optimizer.step()
    norm.eval()
    assert agrees(conv, norm, x)


def test_batch_norm_with_relu_does_not_hide_a_nan():
    x = sn.randn(4, 16, 8, 8)
    x[1, 3, 0, 0] = float("nan")
    found = ops.batch_norm_relu(x, None, None, sn.ones(16), sn.zeros(16), training=True)
    broken = np.isnan(found.array).all(axis=(0, 2, 3))
    assert broken[3] and broken.sum() == 1
