"""The registry of models: names, rows, options, and what is refused."""

from __future__ import annotations

import pytest

from sensorium import nn
from sensorium.errors import NotFoundError, OptionError
from sensorium.vision import models
from sensorium.vision.models import _registry


def test_every_name_is_a_builder_of_its_own_row(cheap_init):
    for name in models.list_models():
        builder = getattr(models, name)
        assert builder.__name__ == name and name in dir(models)
        assert all(repr(value) in builder.__doc__ for value in models.model_config(name).values())


def test_options_override_the_row(cheap_init):
    assert models.resnet18(num_classes=7).fc.out_features == 7
    assert models.get_model("resnet18", layers=[1, 1, 1, 1]).layer1[0].conv1.in_channels == 64
    assert models.get_model("resnet", block="basic", layers=[1, 1, 1, 1]).fc.in_features == 512


def test_list_models_matches_patterns_and_families():
    assert models.list_models("resnext*") == [
        "resnext101_32x8d", "resnext101_64x4d", "resnext50_32x4d",
    ]  # fmt: skip
    assert "digits_resnet" in models.list_models(family="resnet_small")


def test_an_unknown_name_suggests_close_ones():
    with pytest.raises(NotFoundError, match=r"did you mean .*resnet50"):
        models.get_model("resnet5O")
    with pytest.raises(AttributeError, match="resnet51"):
        models.resnet51  # noqa: B018 - looking it up is the test


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: models.resnet18(numclasses=3), r"unknown options \['numclasses'\].*num_classes"),
        (lambda: models.get_model("resnet"), r"options \['block', 'layers'\] are needed"),
        (lambda: models.resnet18(block="wide"), r"'wide', want one of \['basic', 'bottleneck'\]"),
        (lambda: models.resnet18(groups=2), r"1, 64, 1, got 2, 64, 1"),
        (lambda: models.resnet50(layers=(1, 1, 1)), r"wants 4 layers.*\(1, 1, 1\)"),
        (lambda: models.resnet20(layers=(1, 1)), r"wants 3 layers.*\(1, 1\)"),
        (lambda: models.resnet18(weights="default", groups=2), r"fixes the options \['groups'\]"),
    ],
)
def test_wrong_options_are_named(call, said, cheap_init):
    with pytest.raises(OptionError, match=said):
        call()


def test_a_name_is_registered_once():
    with pytest.raises(OptionError, match="'resnet' already"):
        _registry.register("resnet", nn.Identity, {})


def test_zero_init_residual_makes_every_block_the_identity(cheap_init):
    model = models.resnet50(zero_init_residual=True, num_classes=2)
    blocks = [module for module in model.modules() if isinstance(module, models.Bottleneck)]
    assert len(blocks) == 16 and all((block.bn3.weight == 0).all() for block in blocks)
