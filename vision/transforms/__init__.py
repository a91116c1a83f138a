"""Image transforms for inference: what a photograph goes through before a model sees it.

Names, defaults and numerics of ``torchvision.transforms.v2`` for Pillow images and for single or
batched arrays and Tensors (..., C, H, W). Left out: random augmentation, boxes and masks.

>>> from sensorium.vision import transforms
>>> transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()])
Compose(
      Resize(size=[256], interpolation=InterpolationMode.BILINEAR, antialias=True)
      CenterCrop(size=(224, 224))
      ToTensor()
)
"""

from . import functional as functional
from ._classes import (
    CenterCrop as CenterCrop,
    Compose as Compose,
    ConvertImageDtype as ConvertImageDtype,
    Grayscale as Grayscale,
    Identity as Identity,
    Lambda as Lambda,
    Normalize as Normalize,
    Pad as Pad,
    PILToTensor as PILToTensor,
    Resize as Resize,
    ToDtype as ToDtype,
    ToImage as ToImage,
    ToPILImage as ToPILImage,
    ToTensor as ToTensor,
    Transform as Transform,
)
from ._interpolation import InterpolationMode as InterpolationMode
from ._presets import ImageClassification as ImageClassification
