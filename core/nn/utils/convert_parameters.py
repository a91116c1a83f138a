"""All parameters as one vector, and back. Follows ``torch.nn.utils.convert_parameters``."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...errors import DeviceError, ShapeError
from ...inplace import wrote
from ...ops import cat
from ...tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters one after the other, as one vector; differentiable.

    >>> import sensorium as sn
    >>> parameters_to_vector([sn.ones(2), sn.zeros(1, 2)])
    tensor([1., 1., 0., 0.])
    """
    listed = list(parameters)
    if len({p.device for p in listed}) > 1:
        raise DeviceError(
            f"parameters_to_vector: on several devices: {sorted({str(p.device) for p in listed})}"
        )
    return cat([p.reshape(-1) for p in listed])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Overwrite parameters with the parts of a vector, in order."""
    listed = list(parameters)
    wanted = sum(p.numel() for p in listed)
    if vec.ndim != 1 or vec.numel() != wanted:
        raise ShapeError(
            f"vector_to_parameters: the parameters have {wanted} elements, vec is {tuple(vec.shape)}"
        )
    start = 0
    for p in listed:
        part = vec.array[start : start + p.numel()]
        np.copyto(p.array, part.reshape(p.shape), casting="same_kind")
        wrote(p)
        start += p.numel()
