"""hash_tensor: one number for many, equal for equal values in any order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, OptionError, OutOfBoundsError
from ..tensor import wrap
from ._dims import many_dims
from ._out import with_out


@with_out
def hash_tensor(input: Any, dim: Any = None, *, keepdim: bool = False, mode: int = 0) -> Any:
    """The exclusive or, over dim, of the elements' bits as float64 or int64; a uint64.

    mode is 0: there is no other yet.

    >>> import sensorium as sn
    >>> sn.hash_tensor(sn.tensor([1, 2, 4])).item()
    7
    """
    if mode != 0:
        raise OptionError(f"hash_tensor: mode is 0, got {mode!r}")
    array = input.array
    if array.dtype.kind == "c":
        raise DTypeError(f"hash_tensor: not defined for complex values, got {array.dtype}")
    axes = many_dims("hash_tensor", dim, input.ndim)
    if any(array.shape[a] == 0 for a in axes):
        raise OutOfBoundsError(
            f"hash_tensor: nothing to reduce in dim {axes} of shape {tuple(array.shape)}"
        )
    wide = array.astype(np.int64 if array.dtype.kind in "biu" else np.float64)
    bits = np.ascontiguousarray(wide).view(np.uint64).reshape(array.shape)
    add: Any = np.bitwise_xor  # NumPy's stubs know keepdims only as a literal
    return wrap(np.asarray(add.reduce(bits, axis=axes, keepdims=keepdim)))
