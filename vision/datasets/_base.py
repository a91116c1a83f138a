"""What all image datasets share: a root, the transforms, and how a sample goes through them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sensorium.data import Dataset
from sensorium.errors import OptionError

Transform = Callable[[Any], Any]


class VisionDataset(Dataset):
    """The base: (image, target) by number, after transform(image) and target_transform(target).

    transforms(image, target) does both at once instead. A subclass defines ``__getitem__``, which
    ends in ``self.transformed(image, target)``, and ``__len__``.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        if transforms is not None and (transform is not None or target_transform is not None):
            raise OptionError(
                f"{type(self).__name__}: transforms excludes transform and target_transform"
            )
        self.root = Path(root).expanduser()
        self.transforms, self.transform = transforms, transform
        self.target_transform = target_transform

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} defines no __len__()")

    def transformed(self, image: Any, target: Any) -> tuple[Any, Any]:
        """(image, target) as the caller wants them."""
        if self.transforms is not None:
            return self.transforms(image, target)
        image = image if self.transform is None else self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)

    def extra_repr(self) -> str:
        """More lines of repr."""
        return ""

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}", f"Root location: {self.root}"]
        lines += self.extra_repr().splitlines()
        for name in ("transforms", "transform", "target_transform"):
            value = getattr(self, name)
            lines += [] if value is None else f"{name}: {value!r}".splitlines()
        return "\n    ".join([f"Dataset {type(self).__name__}", *lines])


def split_name(train: bool) -> str:
    """The line of repr that says which half this is."""
    return f"Split: {'Train' if train else 'Test'}"
