"""Image datasets under torchvision's names: what is on disk, as (image, target) by number.

    ImageFolder, DatasetFolder        one folder a class
    CIFAR10, CIFAR100                 both published layouts; pickles are read as data
    MNIST, FashionMNIST, KMNIST       idx files, gzipped or not
    FakeData                          random images, for trying things out

Nothing is downloaded: these archives are published without a hash worth trusting. Samples go
through ``sensorium.data.DataLoader``.
"""

from ._base import VisionDataset as VisionDataset
from .cifar import CIFAR10 as CIFAR10, CIFAR100 as CIFAR100
from .fake import FakeData as FakeData
from .folder import (
    IMG_EXTENSIONS as IMG_EXTENSIONS,
    DatasetFolder as DatasetFolder,
    ImageFolder as ImageFolder,
    default_loader as default_loader,
    find_classes as find_classes,
    has_file_allowed_extension as has_file_allowed_extension,
    is_image_file as is_image_file,
    make_dataset as make_dataset,
)
from .mnist import KMNIST as KMNIST, MNIST as MNIST, FashionMNIST as FashionMNIST
