"""Image classification: from photographs to the most probable classes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

import sensorium as sn
from sensorium.errors import OptionError
from sensorium.tensor import Tensor
from sensorium.vision.io import open_image

from ._results import Label, checked_names, names_of

Photo = Any  # a path, a file's bytes, a Pillow image, or an array or Tensor (C, H, W)


class ImageClassification:
    """The most probable classes of images: softmax over the model's outputs.

    labels: the names of the classes, or of a list of ``sensorium.vision.labels``; "" numbers them.

    >>> from sensorium import hub
    >>> from sensorium.model_zoo import digits
    >>> hub.pipeline("digits_resnet")(digits.held_out()[0][3], top_k=1)[0].name
    '9'
    """

    def __init__(
        self, model: Any, *, labels: str | Sequence[str] = "", batch_size: int = 32
    ) -> None:
        if batch_size < 1:
            raise OptionError(f"ImageClassification: batch_size is {batch_size}, want at least 1")
        self.model, self.batch_size = model, batch_size
        self.names = names_of(labels)

    def __call__(self, images: Photo | Sequence[Photo], *, top_k: int = 5) -> Any:
        """The top_k labels, best first: a list of Labels, or for a list of images a list of them.

        An image is a path, a file's bytes, a Pillow image, or an array or Tensor (C, H, W) of uint8
        or of floats in [0, 1]; (N, C, H, W) counts as a list. ``DecodeError`` names the file that
        cannot be read.
        """
        if top_k < 1:
            raise OptionError(f"ImageClassification: top_k is {top_k}, want at least 1")
        if _is_one(images):
            return self._batch([images], top_k)[0]
        every = list(images)
        starts = range(0, len(every), self.batch_size)
        return [row for n in starts for row in self._batch(every[n : n + self.batch_size], top_k)]

    def _batch(self, images: list[Photo], top_k: int) -> list[list[Label]]:
        inputs = sn.stack([self.model.preprocess(_image(image)) for image in images])
        device = next(self.model.parameters()).device
        with sn.inference_mode():
            scores = sn.softmax(self.model(inputs.to(device)), dim=1)  # (N, K)
        names = checked_names(self.names, scores.shape[1], "ImageClassification", "class ")
        values, places = sn.topk(scores, min(top_k, len(names)), dim=1)
        return [
            [Label(names[place], score) for place, score in zip(*row)]
            for row in zip(places.tolist(), values.tolist())
        ]


def _is_one(images: Any) -> bool:
    """Whether this is an image, not several."""
    if isinstance(images, (Tensor, np.ndarray)):
        return images.ndim != 4
    return not isinstance(images, (list, tuple))


def _image(image: Photo) -> Any:
    """A Pillow image, an array or a Tensor of any of the forms."""
    if isinstance(image, (str, bytes, os.PathLike)):
        return open_image(image)
    if isinstance(image, (Image.Image, np.ndarray, Tensor)):
        return image
    raise OptionError(
        "ImageClassification: an image is a path, bytes, a Pillow image, an array or a Tensor, "
        f"not {type(image).__name__}"
    )
