"""Models of ``vision``: networks whose keys and numerics are those of the published checkpoints.

    get_model, list_models   any of them by name
    resnet50, ...            a builder for every name in ``list_models()``
    resnet                   ResNet, ResNeXt, Wide ResNet (torchvision's keys)
    resnet_small             ResNet for tiny images
    mobilenetv2              MobileNetV2 (torchvision's keys)
    efficientnet             EfficientNet B0 to B7 (torchvision's keys)
    efficientnet_lite        EfficientNet-Lite
    vision_transformer       ViT (torchvision's keys)

>>> from sensorium.vision import models
>>> models.resnet18(num_classes=10).fc
Linear(in_features=512, out_features=10, bias=True)
"""

from __future__ import annotations

from sensorium.hub.builders import Builder

from ._registry import (
    builder,
    families as families,
    get_model as get_model,
    list_models as list_models,
    model_config as model_config,
    register as register,
)
from .efficientnet import EfficientNet as EfficientNet
from .efficientnet_lite import EfficientNetLite as EfficientNetLite, MBConvBlock as MBConvBlock
from .mobilenetv2 import MobileNetV2 as MobileNetV2
from .resnet import BasicBlock as BasicBlock, Bottleneck as Bottleneck, ResNet as ResNet
from .resnet_small import SmallResNet as SmallResNet
from .vision_transformer import VisionTransformer as VisionTransformer


def __getattr__(name: str) -> Builder:
    if name in list_models():
        return builder(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *list_models()])
