"""Class labels as one-hot vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import int64
from ..errors import DTypeError, OutOfBoundsError, ShapeError
from ..tensor import wrap


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """1 at the label and 0 elsewhere, int64: labels (*) -> (*, K).

    num_classes -1 takes the largest label + 1. Errors: labels that are no integers, or out of range.

    >>> import sensorium as sn
    >>> sn.nn.functional.one_hot(sn.tensor([1, 0]), 3)
    tensor([[0, 1, 0],
            [1, 0, 0]])
    """
    labels = tensor.array
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"one_hot: labels must be integers, got {labels.dtype}")
    if num_classes < 1 and (num_classes != -1 or not labels.size):
        raise ShapeError(
            f"one_hot: num_classes must be positive for labels {tuple(labels.shape)}, got "
            f"{num_classes}"
        )
    count = num_classes if num_classes != -1 else int(labels.max()) + 1
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) < count:
        worst = int(labels.min()) if int(labels.min()) < 0 else int(labels.max())
        raise OutOfBoundsError(f"one_hot: label {worst} is out of range for {count} classes")
    return wrap((labels[..., None] == np.arange(count, like=labels)).astype(int64))
