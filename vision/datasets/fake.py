"""FakeData: random images with random labels, for trying a pipeline out."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from sensorium.errors import OutOfBoundsError
from sensorium.generator import Generator

from ._base import Transform, VisionDataset


class FakeData(VisionDataset):
    """size images of normal noise, image_size (C, H, W), and labels below num_classes.

    Sample i is the same every time: its numbers belong to the seed random_offset + i.

    >>> image, label = FakeData(4, (3, 8, 8), 2)[0]
    >>> image.size, label in (0, 1)
    ((8, 8), True)
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__("", transform=transform, target_transform=target_transform)
        self.size, self.image_size, self.num_classes = size, image_size, num_classes
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not 0 <= index < self.size:
            raise OutOfBoundsError(
                f"FakeData: index {index} is out of range for {self.size} samples"
            )
        source = Generator().manual_seed(self.random_offset + index).numpy
        channels, height, width = self.image_size
        noise = source.standard_normal((height, width, channels))
        target = int(source.integers(0, self.num_classes))
        pixels = np.clip(128 + 64 * noise, 0, 255).astype(np.uint8)
        return self.transformed(
            Image.fromarray(pixels.squeeze(2) if channels == 1 else pixels), target
        )

    def __len__(self) -> int:
        return self.size
