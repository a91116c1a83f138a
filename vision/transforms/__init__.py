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
from ._classes import CenterCrop as CenterCrop
from ._classes import Compose as Compose
from ._classes import ConvertImageDtype as ConvertImageDtype
from ._classes import Grayscale as Grayscale
from ._classes import Identity as Identity
from ._classes import Lambda as Lambda
from ._classes import Normalize as Normalize
from ._classes import Pad as Pad
from ._classes import PILToTensor as PILToTensor
from ._classes import Resize as Resize
from ._classes import ToDtype as ToDtype
from ._classes import ToImage as ToImage
from ._classes import ToPILImage as ToPILImage
from ._classes import ToTensor as ToTensor
from ._classes import Transform as Transform
from ._interpolation import InterpolationMode as InterpolationMode
from ._presets import ImageClassification as ImageClassification
