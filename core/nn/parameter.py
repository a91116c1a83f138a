"""Parameter and Buffer: tensors that a Module takes note of when they are assigned to it.

Follows ``torch.nn.parameter``; the uninitialised parameters of lazy layers are left out.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..autograd.node import cell_of
from ..errors import DTypeError
from ..tensor import Tensor


class Parameter(Tensor):
    """A tensor to be trained: assigned to a Module it appears in ``parameters()``.

    Shares the memory of data, stands outside data's graph and wants a gradient unless told not to.

    >>> import sensorium as sn
    >>> sn.nn.Parameter(sn.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        _take(self, "Parameter", data, requires_grad)


class Buffer(Tensor):
    """A tensor that belongs to a Module's state but is not trained, such as a running mean.

    Assigned to a Module it is registered as a buffer; persistent=False keeps it out of the state dict.
    """

    __slots__ = ("persistent",)

    persistent: bool

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        _take(self, "Buffer", data, False)
        self.persistent = persistent

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return partial(Buffer, persistent=self.persistent), (self.array,)

    def _rewrapped(self, array: Any) -> Buffer:
        return Buffer(array, persistent=self.persistent)


def _take(self: Tensor, name: str, data: Any, requires_grad: bool) -> None:
    """Make self a leaf on data's memory, counting writes together with data."""
    if data is None:
        data = np.empty(0, np.float32)
    if not isinstance(data, Tensor) and not hasattr(data, "strides"):
        raise DTypeError(f"{name}: want a Tensor or an array, got {type(data).__name__}")
    Tensor.__init__(self, data, requires_grad)
    if isinstance(data, Tensor):
        self.cell = cell_of(data)
