"""Image transforms: what a photograph goes through before a model sees it, and augmentation.

Names, defaults and numerics of ``torchvision.transforms.v2`` for Pillow images and for single or
batched arrays and Tensors (..., C, H, W). Random ones draw anew for every image of a batch, from
the default generator (``sn.manual_seed``) or their own. Left out: boxes and masks, perspective and
elastic maps, the policies named AutoAugment.

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
from ._mix import CutMix as CutMix, MixUp as MixUp
from ._presets import ImageClassification as ImageClassification
from ._random import (
    RandomApply as RandomApply,
    RandomChoice as RandomChoice,
    RandomOrder as RandomOrder,
    RandomTransform as RandomTransform,
)
from ._random_color import (
    ColorJitter as ColorJitter,
    GaussianBlur as GaussianBlur,
    RandomAdjustSharpness as RandomAdjustSharpness,
    RandomGrayscale as RandomGrayscale,
    RandomInvert as RandomInvert,
)
from ._random_spatial import (
    RandomAffine as RandomAffine,
    RandomCrop as RandomCrop,
    RandomErasing as RandomErasing,
    RandomHorizontalFlip as RandomHorizontalFlip,
    RandomResizedCrop as RandomResizedCrop,
    RandomRotation as RandomRotation,
    RandomVerticalFlip as RandomVerticalFlip,
)
