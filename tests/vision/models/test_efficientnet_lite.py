"""EfficientNet-Lite: the shapes that the paper's scaling gives, and dropping blocks in training."""

from __future__ import annotations

import pytest

import sensorium as sn
from sensorium.vision import models
from sensorium.vision.models.efficientnet_lite import scaled_stages

# Parameters as the TensorFlow authors' table rounds them: 4.7, 5.4, 6.1, 8.2, 13.0 million.
SIZES = {0: 4.7, 1: 5.4, 2: 6.1, 3: 8.2, 4: 13.0}


@pytest.mark.parametrize("n", SIZES)
def test_sizes_are_the_published_ones(n, cheap_init):
    model = models.get_model(f"efficientnet_lite{n}")
    count = sum(parameter.numel() for parameter in model.parameters())
    assert round(count / 1e6, 1) == pytest.approx(SIZES[n], abs=0.051)


def test_stem_and_head_are_not_scaled(cheap_init):
    model = models.efficientnet_lite4()
    assert model._conv_stem.out_channels == 32 and model._conv_head.out_channels == 1280
    assert [stage.repeats for stage in scaled_stages(1.4, 1.8)] == [1, 4, 4, 6, 6, 8, 1]


@pytest.mark.parametrize("size", [33, 64, 75])
def test_features_have_the_image_size_over_32_rounded_up(size, cheap_init):
    model = models.efficientnet_lite0(num_classes=3).eval()
    with sn.no_grad():
        features = model.extract_features(sn.zeros(1, 3, size, size))
    assert features.shape == (1, 1280, -(-size // 32), -(-size // 32))


def test_blocks_are_dropped_in_training_mode_only():
    sn.manual_seed(0)
    model = models.efficientnet_lite0(num_classes=3, dropout=0.0, drop_connect=0.9)
    x = sn.randn(2, 3, 32, 32)
    assert not sn.equal(model(x), model(x))
    model.eval()
    assert sn.equal(model(x), model(x))
