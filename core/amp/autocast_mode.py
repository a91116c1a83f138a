"""autocast: inside it, each op runs in the type that suits it (``_lists`` says which).

Matrix products and convolutions run in a type of half the width, losses and other sums of many
small numbers in float32. Weights stay float32 and get float32 gradients: the casts are part of the
graph. The state belongs to the calling thread, as in PyTorch. Deviation: a weight that is changed in
place inside a region is cast anew, not taken from the cache.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Self

from ..dtypes import as_dtype, bfloat16, float16
from ..errors import DeviceError, OptionError
from ..tensor import Tensor
from . import _gates
from ._gates import LOW, eligible, state


# -- state ---------------------------------------------------------------------------------------
def is_autocast_available(device_type: str) -> bool:
    """Whether there is autocast for a kind of device: "cpu" and "cuda".

    >>> is_autocast_available("cpu"), is_autocast_available("meta")
    (True, False)
    """
    return _known("is_autocast_available", device_type, any_=True) in LOW


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether this thread is in a region of autocast for that kind of device (None: for CUDA)."""
    return _known("is_autocast_enabled", device_type or "cuda") in state.on


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Turn autocast on or off for this thread; ``autocast`` does it for a region."""
    device = _known("set_autocast_enabled", device_type)
    rest = {d: low for d, low in state.on.items() if d != device}
    _gates.change({**rest, device: state.types[device]} if enabled else rest)


def get_autocast_dtype(device_type: str) -> Any:
    """The lower type that ops are run in: bfloat16 on the CPU, float16 on CUDA, or what was set."""
    return state.types[_known("get_autocast_dtype", device_type)]


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """Set the lower type for this thread."""
    device = _known("set_autocast_dtype", device_type)
    state.types[device] = as_dtype(dtype)
    if device in state.on:
        _gates.change({**state.on, device: state.types[device]})


def is_autocast_cache_enabled() -> bool:
    """Whether a weight is cast only once in a region."""
    return state.caching


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Cast a weight once in a region, or at every use."""
    state.caching = bool(enabled)


def clear_autocast_cache() -> None:
    """Forget the weights that were cast; leaving the outermost region does it."""
    state.cache.clear()


def autocast_increment_nesting() -> int:
    """Enter one region more: how deep it is now."""
    state.depth += 1
    return state.depth


def autocast_decrement_nesting() -> int:
    """Leave one region: how deep it is now."""
    state.depth -= 1
    return state.depth


def _known(what: str, device_type: Any, *, any_: bool = False) -> str:
    if not isinstance(device_type, str):
        raise OptionError(f"{what}: device_type must be a str, got {device_type!r}")
    if device_type not in LOW and not any_:
        raise DeviceError(
            f"{what}: device_type {device_type!r} has no autocast; it must be one of {', '.join(LOW)}"
        )
    return device_type


# -- regions -------------------------------------------------------------------------------------
class autocast:
    """A region, as a context or a decorator, whose ops choose their types. Regions nest.

    dtype: bfloat16 or float16; None is ``get_autocast_dtype(device_type)``. enabled False: a region
    without, inside one with. cache_enabled: cast each weight once in the region. It should hold the
    forward pass and the loss, not ``backward()``: gradients take the types of the forward ops.

    >>> import sensorium as sn
    >>> a = sn.ones(2, 2)
    >>> with sn.autocast("cpu"):
    ...     b = a @ a
    ...     with sn.autocast("cpu", enabled=False):
    ...         c = b.float() @ a
    >>> b.dtype, c.dtype
    (dtype(bfloat16), dtype('float32'))
    """

    def __init__(
        self,
        device_type: str,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        self.device = _known("autocast", device_type)
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else as_dtype(dtype)
        self._cache_enabled = cache_enabled
        self._enabled = enabled and self._possible()

    def _possible(self) -> bool:
        from ..cuda import is_available

        text = None
        if self.device == "cuda" and not is_available():
            text = "CUDA is not available"
        elif self.fast_dtype not in (bfloat16, float16):
            text = f"{self.fast_dtype} is neither bfloat16 nor float16"
        if text is not None:
            warnings.warn(f"autocast({self.device!r}): {text}: disabled", stacklevel=3)
        return text is None

    def __enter__(self) -> Self:
        before = (state.on, state.types[self.device], state.caching)
        state.regions.append(before)
        if self._cache_enabled is not None:
            state.caching = self._cache_enabled
        state.types[self.device] = self.fast_dtype
        set_autocast_enabled(self.device, self._enabled)
        autocast_increment_nesting()
        return self

    def __exit__(self, *_: object) -> None:
        if not autocast_decrement_nesting():
            clear_autocast_cache()
        on, state.types[self.device], state.caching = state.regions.pop()
        _gates.change(on)

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(func):
            raise OptionError(
                f"autocast: decorates functions, got {type(func).__name__}; as a context it is used "
                "with `with autocast(...):`"
            )

        @functools.wraps(func)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return wrapped


# -- functions with a gradient of their own ------------------------------------------------------
def _converted(value: Any, device: str, dtype: Any) -> Any:
    """Tensors, also in containers, in that type where autocast may change it."""
    if isinstance(value, Tensor):
        return value.to(dtype) if eligible(value, device) else value
    if isinstance(value, Mapping):
        return {k: _converted(v, device, dtype) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_converted(v, device, dtype) for v in value)
    return value


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: Any = None
) -> Any:
    """Decorates ``forward(ctx, ...)`` of a Function, so that ``custom_bwd`` knows its types.

    cast_inputs: inside autocast, floating tensors come in that type and autocast is off in forward.

    >>> import sensorium as sn
    >>> class Product(sn.autograd.Function):
    ...     @staticmethod
    ...     @sn.amp.custom_fwd(device_type="cpu")
    ...     def forward(ctx, a, b):
    ...         ctx.save_for_backward(a, b)
    ...         return a @ b
    ...
    ...     @staticmethod
    ...     @sn.amp.custom_bwd(device_type="cpu")
    ...     def backward(ctx, g):
    ...         a, b = ctx.saved_tensors
    ...         return g @ b.t(), a.t() @ g
    >>> with sn.autocast("cpu"):
    ...     Product.apply(sn.ones(2, 2), sn.ones(2, 2)).dtype
    dtype(bfloat16)
    """
    device = _known("custom_fwd", device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def wrapped(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        ctx._dtype, inside = get_autocast_dtype(device), is_autocast_enabled(device)
        ctx._fwd_used_autocast = inside and cast_inputs is None
        if cast_inputs is None or not inside:
            return fwd(ctx, *args, **kwargs)
        with autocast(device, enabled=False):
            args = _converted(args, device, cast_inputs)
            return fwd(ctx, *args, **_converted(kwargs, device, cast_inputs))

    return wrapped


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """Decorates ``backward`` of a Function: it runs with autocast as ``forward`` did."""
    device = _known("custom_bwd", device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device)

    @functools.wraps(bwd)
    def wrapped(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(device, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return bwd(ctx, *args, **kwargs)

    return wrapped
