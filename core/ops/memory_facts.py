"""Facts about where a tensor lies: no computation."""

from __future__ import annotations

import numpy as np

from ..tensor import Tensor


def ndimension(self: Tensor) -> int:
    """The number of dimensions.

    >>> import sensorium as sn
    >>> sn.ones(2, 3).ndimension()
    2
    """
    return self.ndim


def get_device(input: Tensor) -> int:
    """The number of the GPU that holds the tensor; -1 for the CPU's memory.

    >>> import sensorium as sn
    >>> sn.get_device(sn.ones(1))
    -1
    """
    device = input.device
    return -1 if device.type == "cpu" else device.index or 0


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape.

    >>> import sensorium as sn
    >>> sn.is_same_size(sn.ones(2), sn.ones(1, 2))
    False
    """
    return input.array.shape == other.array.shape


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both are the same elements of the same memory: start, shape, strides and type.

    >>> import sensorium as sn
    >>> x = sn.ones(4)
    >>> x.is_set_to(x.view(4)), x.is_set_to(x[:2])
    (True, False)
    """
    a, b = self.array, tensor.array
    same = a.shape == b.shape and a.strides == b.strides and a.dtype == b.dtype
    return same and self.data_ptr() == tensor.data_ptr()


def storage_offset(self: Tensor) -> int:
    """How many elements lie between the start of the memory and this tensor's first element.

    >>> import sensorium as sn
    >>> sn.arange(5)[3:].storage_offset()
    3
    """
    owner = self.array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    if not isinstance(owner, np.ndarray):
        first = owner if owner.base is None else owner.base
        return (self.data_ptr() - first.data.ptr) // self.array.itemsize
    start = np.lib.array_utils.byte_bounds(owner)[0]
    return (self.data_ptr() - start) // self.array.itemsize
