"""Making tensors like another: zeros_like, ones_like, empty_like, full_like.

Without ``memory_format=`` the new tensor's dimensions lie in memory in the order of input's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .create import check_layout, element_of, finish, number_of
from .dtypes import as_dtype
from .tensor import Tensor


def _like(
    name: str, fill: Any, input: Tensor, dtype: Any, layout: Any, device: Any, grad: bool, form: Any
) -> Tensor:
    """New memory laid out as input is (or in a memory format), filled where there is a value."""
    check_layout(name, layout)
    wanted = input.dtype if dtype is None else as_dtype(dtype)
    if form is None:
        array = np.empty_like(input.array, dtype=wanted)
    else:
        from .memory import empty_like

        array = empty_like(input.array, wanted, form)
    if fill is not None:
        array.fill(element_of(name, fill, wanted))
    return finish(array, input.device if device is None else device, grad)


def zeros_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Zeros of input's shape, type and device.

    >>> import sensorium as sn
    >>> zeros_like(sn.ones(2))
    tensor([0., 0.])
    """
    return _like("zeros_like", 0, input, dtype, layout, device, requires_grad, memory_format)


def ones_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Ones of input's shape, type and device.

    >>> import sensorium as sn
    >>> ones_like(sn.zeros(2))
    tensor([1., 1.])
    """
    return _like("ones_like", 1, input, dtype, layout, device, requires_grad, memory_format)


def empty_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of input's shape, type and device with whatever its memory held.

    >>> import sensorium as sn
    >>> empty_like(sn.zeros(2)).shape
    sensorium.Size([2])
    """
    return _like("empty_like", None, input, dtype, layout, device, requires_grad, memory_format)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """One value in input's shape, type and device.

    >>> import sensorium as sn
    >>> full_like(sn.zeros(2), 7)
    tensor([7., 7.])
    """
    return _like(
        "full_like",
        number_of(fill_value),
        input,
        dtype,
        layout,
        device,
        requires_grad,
        memory_format,
    )
