"""MobileNetV2: published sizes, shapes, start, options and what is refused."""

from __future__ import annotations

import math

import pytest

import sensorium as sn
from sensorium import nn
from sensorium.errors import OptionError
from sensorium.vision import models
from sensorium.vision.models.mobilenetv2 import InvertedResidual


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


# Parameters in millions as timm's table of results rounds them.
@pytest.mark.parametrize(("width", "size"), [(0.5, 1.97), (1.0, 3.50), (1.4, 6.11)])
def test_sizes_are_the_published_ones(width, size, cheap_init):
    assert round(count(models.mobilenet_v2(width_mult=width)) / 1e6, 2) == size


@pytest.mark.parametrize("size", [32, 75, 96])
def test_features_have_the_image_size_over_32_rounded_up(size, cheap_init):
    model = models.mobilenet_v2(width_mult=0.25, num_classes=3).eval()
    with sn.no_grad():
        features = model.features(sn.zeros(2, 3, size, size))
    assert features.shape == (2, 1280, -(-size // 32), -(-size // 32))


def test_a_residual_is_added_where_the_shape_stays():
    assert InvertedResidual(8, 8, 1, 6).use_res_connect
    assert not InvertedResidual(8, 8, 2, 6).use_res_connect
    assert not InvertedResidual(8, 16, 1, 6).use_res_connect
    block = InvertedResidual(4, 4, 1, 2).eval()
    nn.init.zeros_(block.conv[-1].weight)
    x = sn.randn(1, 4, 5, 5)
    assert sn.equal(block(x), x)


def test_the_start_is_kaimings_by_the_outputs_and_a_narrow_head():
    sn.manual_seed(0)
    model = models.mobilenet_v2(num_classes=100)
    weight = model.features[17].conv[0][0].weight  # 1x1, 960 outputs
    assert weight.std().item() == pytest.approx(math.sqrt(2 / 960), rel=0.02)
    assert model.classifier[1].weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert (model.classifier[1].bias == 0).all()


def test_another_block_norm_and_setting():
    made = []

    class Block(InvertedResidual):
        def __init__(self, *args, **options):
            made.append(args)
            super().__init__(*args, **options)

    model = models.MobileNetV2(
        num_classes=2,
        inverted_residual_setting=[[1, 16, 1, 1], [6, 24, 2, 2]],
        block=Block,
        norm_layer=lambda channels: nn.GroupNorm(4, channels),
        dropout=0.0,
    )
    assert made == [(32, 16, 1), (16, 24, 2), (24, 24, 1)]
    model(sn.randn(2, 3, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: InvertedResidual(8, 8, 3, 6), "stride is 1 or 2, got 3"),
        (lambda: models.mobilenet_v2(inverted_residual_setting=[]), r"rows of 4 numbers.*\[\]"),
        (lambda: models.mobilenet_v2(inverted_residual_setting=[[1, 2]]), r"got \[\[1, 2\]\]"),
    ],
)
def test_wrong_options_are_named(call, said):
    with pytest.raises(OptionError, match=said):
        call()
