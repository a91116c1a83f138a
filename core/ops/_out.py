"""``out=``: results that are written into tensors the caller gives."""

from __future__ import annotations

import functools
import inspect
import warnings
from typing import Any

from ..autograd.mode import mode
from ..dtypes import can_cast
from ..errors import AutogradError, DeviceError, DTypeError, OptionError
from ..tensor import Tensor


def with_out(function: Any = None, *, cast: bool = True) -> Any:
    """Give a function the keyword ``out``: a Tensor, or as many as it has results.

    The values are computed, then cast and copied; an ``out`` of another shape is resized. cast=False
    wants an ``out`` of the result's own type. An op gets the keyword in its generated call, a plain
    function a wrapper.

    >>> import sensorium as sn
    >>> y = sn.empty(2)
    >>> sn.exp(sn.zeros(2), out=y) is y, y
    (True, tensor([1., 1.]))
    """
    if function is None:
        return lambda declared: with_out(declared, cast=cast)
    if op := getattr(function, "op", None):
        op.take_out()
        return function

    @functools.wraps(function)
    def call(*args: Any, out: Any = None, **options: Any) -> Any:
        if out is None:
            return function(*args, **options)
        return into(function.__name__, out, function(*args, **options), cast)

    signature = inspect.signature(function)
    extra = inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None)
    call.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), extra]
    )
    return call


def into(name: str, out: Any, found: Any, cast: bool = True) -> Any:
    """found written into out; out itself. Checks everything before it writes anything."""
    if not isinstance(found, tuple):
        _check(name, out, found, cast)
        return _write(out, found)
    if not isinstance(out, (tuple, list)) or len(out) != len(found):
        raise OptionError(f"{name}: out must be {len(found)} tensors, got {_kind(out)}")
    for target, value in zip(out, found):
        _check(name, target, value, cast)
    for target, value in zip(out, found):
        _write(target, value)
    return type(found)(*out) if hasattr(found, "_fields") else tuple(out)


def _kind(out: Any) -> str:
    return f"{len(out)}" if isinstance(out, (tuple, list)) else type(out).__name__


def _check(name: str, out: Any, found: Tensor, cast: bool) -> None:
    if not isinstance(out, Tensor):
        raise OptionError(f"{name}: out must be a Tensor, got {type(out).__name__}")
    if mode.enabled and (found.needs_grad or out.needs_grad):
        raise AutogradError(f"{name}: out= has no gradient, but an input or out requires one")
    if not (can_cast(found.dtype, out.dtype) if cast else found.dtype == out.dtype):
        raise DTypeError(f"{name}: a result of {found.dtype} does not fit an out of {out.dtype}")
    if found.device != out.device:
        raise DeviceError(f"{name}: the result is on {found.device}, but out on {out.device}")


def _write(out: Tensor, found: Tensor) -> Tensor:
    from ..inplace import check_writable, wrote

    if out.shape != found.shape:
        _resize(out, found)
    check_writable("out", out)
    out.array[...] = found.array
    wrote(out)
    return out


def _resize(out: Tensor, found: Tensor) -> None:
    if out.numel():
        warnings.warn(
            f"out has shape {tuple(out.shape)} and is resized to {tuple(found.shape)}: "
            "give an empty tensor or one of the result's shape",
            stacklevel=4,
        )
    out.array = found.array.astype(out.dtype)
