"""EfficientNet: scaling as the paper has it, dropping blocks in training, start, what is refused."""

from __future__ import annotations

import math

import pytest

import sensorium as sn
from sensorium import nn
from sensorium.errors import OptionError
from sensorium.vision import models
from sensorium.vision.models.efficientnet import MBConv, MBConvConfig


def tiny(**options):
    return models.get_model(
        "efficientnet", width_mult=0.25, depth_mult=0.5, num_classes=3, **options
    )


def test_depth_and_width_are_scaled(cheap_init):
    model = models.efficientnet_b4()
    assert [len(stage) for stage in model.features][1:-1] == [2, 4, 4, 6, 6, 8, 2]
    assert model.features[0].out_channels == 48 and model.features[-1].out_channels == 1792


def test_norms_of_the_largest_are_tensorflows(cheap_init):
    for name, wanted in (("efficientnet_b4", (1e-5, 0.1)), ("efficientnet_b5", (1e-3, 0.01))):
        model = models.get_model(name)
        norms = {(m.eps, m.momentum) for m in model.modules() if isinstance(m, nn.BatchNorm2d)}
        assert norms == {wanted}


def test_the_chance_to_be_passed_over_grows_from_block_to_block(cheap_init):
    model = models.efficientnet_b0(stochastic_depth_prob=0.4)
    chances = [m.stochastic_depth.p for m in model.modules() if isinstance(m, MBConv)]
    assert chances == pytest.approx([0.4 * k / 16 for k in range(16)])


@pytest.mark.parametrize("size", [33, 64, 75])
def test_features_have_the_image_size_over_32_rounded_up(size, cheap_init):
    model = tiny().eval()
    with sn.no_grad():
        features = model.features(sn.zeros(1, 3, size, size))
    assert features.shape[2:] == (-(-size // 32), -(-size // 32))


def test_blocks_are_dropped_in_training_mode_only():
    sn.manual_seed(0)
    model = models.get_model(
        "efficientnet", width_mult=0.25, num_classes=3, dropout=0.0, stochastic_depth_prob=0.9
    )
    x = sn.randn(2, 3, 32, 32)
    assert not sn.equal(model(x), model(x))
    model.eval()
    assert sn.equal(model(x), model(x))


def test_a_config_is_left_as_it_is_and_may_name_its_block():
    stages = [MBConvConfig(1, 3, 1, 8, 16, 2), MBConvConfig(6, 3, 2, 16, 16, 2, block=MBConv)]
    model = models.EfficientNet(stages, dropout=0.1, num_classes=3, last_channel=24)
    assert (stages[0].input_channels, stages[1].stride) == (8, 2)
    assert model.classifier[1].in_features == 24


def test_the_start_is_kaimings_by_the_outputs_and_a_uniform_head():
    sn.manual_seed(0)
    model = models.get_model("efficientnet", num_classes=25)
    weight = model.features[-1][0].weight  # 1x1, 1280 outputs
    assert weight.std().item() == pytest.approx(math.sqrt(2 / 1280), rel=0.02)
    assert model.classifier[1].weight.abs().max().item() == pytest.approx(1 / 5, rel=0.02)
    biases = (m.fc1.bias for m in model.modules() if hasattr(m, "fc1"))
    assert all((bias == 0).all() for bias in biases)


def test_every_parameter_gets_a_gradient():
    model = tiny(stochastic_depth_prob=0.0)
    model(sn.randn(2, 3, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: models.EfficientNet([], 0.2), r"is MBConvConfigs, got \[\]"),
        (lambda: models.EfficientNet([(1, 3)], 0.2), r"got \[\(1, 3\)\]"),
        (lambda: MBConv(MBConvConfig(1, 3, 3, 8, 8, 1), 0.0, nn.BatchNorm2d), "1 or 2, got 3"),
        (lambda: models.efficientnet_b0(width=2), r"unknown options \['width'\]"),
    ],
)
def test_wrong_options_are_named(call, said, cheap_init):
    with pytest.raises(OptionError, match=said):
        call()
