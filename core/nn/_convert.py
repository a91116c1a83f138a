"""Changing the element type and device of a whole module, in place: ``to``, ``cuda``, ``half``, ..."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..device import Device, as_device
from ..dtypes import as_dtype, bfloat16, float16, float32, float64, is_complex, is_floating_point
from ..errors import DTypeError
from ..tensor import Tensor
from ._registry import MODULE


class ConvertMethods:
    """The part of Module that moves and casts."""

    _kinds: dict[str, int]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Replace the values of every parameter, gradient and buffer by fn of them.

        The tensors stay the same objects, so optimisers and ties between layers stay valid.
        """
        done: set[int] = set()
        for module in self.modules() if recurse else [self]:  # type: ignore[attr-defined]
            for name, kind in module._kinds.items():
                tensor = module.__dict__[name]
                if kind != MODULE and tensor is not None and id(tensor) not in done:
                    done.add(id(tensor))
                    _replace(tensor, fn)
        return self

    def to(
        self, *args: Any, device: Any = None, dtype: Any = None, non_blocking: bool = False
    ) -> Any:
        """Move to a device and/or cast floating-point parameters and buffers to dtype; in place.

        ``to(device)``, ``to(dtype)``, ``to(device, dtype)``, ``to(tensor)``. Integer buffers are
        moved but not cast.

        >>> import sensorium as sn
        >>> sn.nn.Linear(2, 2).to(sn.float64).weight.dtype
        dtype('float64')
        """
        for value in args:
            device, dtype = _told(value, device, dtype)
        wanted = None if dtype is None else as_dtype(dtype)
        if wanted is not None and not (is_floating_point(wanted) or is_complex(wanted)):
            raise DTypeError(f"{type(self).__name__}.to: want a floating-point type, got {wanted}")
        target = None if device is None else as_device(device)
        return self._apply(lambda t: t.to(device=target, dtype=wanted if _is_float(t) else None))

    def to_empty(self, *, device: Any, recurse: bool = True) -> Any:
        """Memory on device that nobody has written to, in place of every parameter and buffer.

        For a module whose weights are about to be loaded.

        >>> import sensorium as sn
        >>> sn.nn.Linear(2, 3).to_empty(device="cpu").weight.shape
        sensorium.Size([3, 2])
        """
        from ..create_like import empty_like

        target = as_device(device)
        return self._apply(lambda t: empty_like(t, device=target), recurse)

    def cpu(self) -> Any:
        """Move to the CPU's memory, in place."""
        return self.to(device="cpu")

    def cuda(self, device: Any = None) -> Any:
        """Move to a GPU's memory, in place."""
        return self.to(device="cuda" if device is None else device)

    def type(self, dst_type: Any) -> Any:
        """Cast every parameter and buffer, integer ones too, in place."""
        return self._apply(lambda t: t.to(dtype=as_dtype(dst_type)))

    def _cast_floats(self, dtype: Any) -> Any:
        return self._apply(lambda t: t.to(dtype=dtype) if is_floating_point(t.dtype) else t)

    def float(self) -> Any:
        """Cast floating-point parameters and buffers to float32, in place; complex ones stay."""
        return self._cast_floats(float32)

    def double(self) -> Any:
        """Cast floating-point parameters and buffers to float64, in place; complex ones stay."""
        return self._cast_floats(float64)

    def half(self) -> Any:
        """Cast floating-point parameters and buffers to float16, in place; complex ones stay."""
        return self._cast_floats(float16)

    def bfloat16(self) -> Any:
        """Cast floating-point parameters and buffers to bfloat16, in place; complex ones stay."""
        return self._cast_floats(bfloat16)


def _told(value: Any, device: Any, dtype: Any) -> tuple[Any, Any]:
    """What one positional argument of ``to`` says about device and dtype."""
    if value is None or isinstance(value, bool):
        return device, dtype
    if isinstance(value, Tensor):
        return value.device, value.dtype
    if isinstance(value, (Device, int)):
        return value, dtype
    if isinstance(value, str) and value.partition(":")[0] in ("cpu", "cuda"):
        return value, dtype
    return device, value


def _is_float(tensor: Tensor) -> bool:
    return is_floating_point(tensor.dtype) or is_complex(tensor.dtype)


def _replace(tensor: Tensor, fn: Callable[[Tensor], Tensor]) -> None:
    tensor.array = fn(tensor.data).array
    if tensor._grad is not None:
        tensor._grad.array = fn(tensor._grad.data).array
