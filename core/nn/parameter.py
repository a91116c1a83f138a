"""Parameter and Buffer: tensors that a Module takes note of when they are assigned to it.

UninitializedParameter and UninitializedBuffer are those of lazy layers, whose shape is not known
yet. Follows ``torch.nn.parameter``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..autograd.node import cell_of
from ..device import Device, device_of
from ..dtypes import DType
from ..errors import DTypeError, ShapeError
from ..tensor import Tensor, wrap


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


# -- without a shape yet -------------------------------------------------------------------------
_slot: Any = Tensor.__dict__["array"]


class _Uninitialized(Tensor):
    """A tensor whose element type and device are known, but not its shape; nothing can be computed.

    An empty array stands where the values will be; ``materialize`` makes it an ordinary tensor.
    """

    __slots__ = ()

    @property
    def array(self) -> Any:  # type: ignore[override]
        raise ShapeError(
            f"{type(self).__name__}: has no shape and no values yet; call the lazy module once, or "
            "materialize(shape)"
        )

    @array.setter
    def array(self, value: Any) -> None:
        _slot.__set__(self, value)

    @property
    def dtype(self) -> DType:
        """The element type it is going to have."""
        return _slot.__get__(self).dtype

    @property
    def device(self) -> Device:
        """Where its memory is going to be."""
        return device_of(_slot.__get__(self))

    @property
    def data(self) -> Tensor:
        """An empty tensor of its type and device."""
        return wrap(_slot.__get__(self))

    @data.setter
    def data(self, value: Tensor) -> None:
        self.array = value.array

    @property
    def requires_grad(self) -> bool:
        """Whether gradients with respect to it will be computed."""
        return self.needs_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self.needs_grad = bool(wanted)

    def detach(self) -> Tensor:
        """Itself: there are no values to share."""
        return self

    def _become(self, kind: type[Tensor], shape: Any, device: Any, dtype: Any) -> None:
        from .. import create

        device = self.device if device is None else device
        dtype = self.dtype if dtype is None else dtype
        self.array = create.empty(*shape, device=device, dtype=dtype).array
        self.__class__ = kind  # type: ignore[assignment]  # the slots are the same

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def _nothing(device: Any, dtype: Any) -> Any:
    from .. import create

    return create.empty(0, device=device, dtype=dtype).array


class UninitializedParameter(_Uninitialized, Parameter):
    """A Parameter whose shape is not known yet, as lazy layers have them.

    >>> import sensorium as sn
    >>> weight = sn.nn.UninitializedParameter()
    >>> weight.materialize((2, 3)); weight.shape
    sensorium.Size([2, 3])
    """

    __slots__ = ()

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        self.node = self._grad = self.cell = self.extra = None
        self.array, self.needs_grad = _nothing(device, dtype), requires_grad

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become a Parameter of this shape, its values not set yet."""
        self._become(Parameter, shape, device, dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        memo[id(self)] = made = type(self)(self.needs_grad, self.device, self.dtype)
        return made

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (self.needs_grad, str(self.device), self.dtype)


class UninitializedBuffer(_Uninitialized, Buffer):
    """A Buffer whose shape is not known yet, such as the running mean of a lazy norm."""

    __slots__ = ()

    def __init__(
        self,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> None:
        self.node = self._grad = self.cell = self.extra = None
        self.array, self.needs_grad = _nothing(device, dtype), requires_grad
        self.persistent = persistent

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become a Buffer of this shape, its values not set yet."""
        self._become(Buffer, shape, device, dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        made = type(self)(self.needs_grad, self.device, self.dtype, self.persistent)
        memo[id(self)] = made
        return made

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (self.needs_grad, str(self.device), self.dtype, self.persistent)


def is_lazy(param: Any) -> bool:
    """Whether param is an UninitializedParameter or UninitializedBuffer."""
    return isinstance(param, _Uninitialized)
