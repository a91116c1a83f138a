"""Tensor's methods and operators, attached from the ops: one table, nothing computed here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _names, create, inplace, ops, random
from .device import Device, as_device
from .dtypes import (
    as_dtype,
    bfloat16,
    bool_,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from .tensor import Tensor

# -- methods that are the op itself, self as its first argument ----------------------------------
METHODS = """
    abs acos acosh add addbmm addcdiv addcmul addmm addmv addr all allclose amax amin aminmax angle
    any arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort asin asinh atan
    atan2 atanh baddbmm bitwise_and bitwise_not bitwise_or
    bitwise_xor bmm broadcast_to ceil chunk clamp clone conj contiguous cos cosh count_nonzero
    cumprod cumsum deg2rad diff div dot dsplit eq equal exp exp2 expand expm1 fix flatten flip floor
    floor_divide fmod frac gather ge greater_equal gt hardshrink hsplit index_add index_put
    index_select inner isclose isfinite isinf isnan istft kron le lerp less_equal log log10 log1p
    log2 log_softmax logaddexp logical_and logical_not logical_or logical_xor logsumexp lt
    masked_fill masked_select matmul max maximum mean min minimum mm moveaxis movedim mul mv
    nan_to_num nanmean nansum narrow ne neg nonzero norm not_equal outer permute positive pow prelu
    prod rad2deg ravel reciprocal relu remainder repeat repeat_interleave reshape roll rot90 round
    rsqrt scatter scatter_add select sgn sigmoid sign sin sinh softmax sort split sqrt square
    squeeze std stft sub sum swapdims t take take_along_dim tan tanh tensor_split tile topk
    transpose trunc unbind unflatten unsqueeze var view vsplit
""".split()  # noqa: SIM905  (a line a name would fill three pages)

ALIASES = {
    "true_divide": "div",
    "divide": "div",
    "multiply": "mul",
    "subtract": "sub",
    "greater": "gt",
    "less": "lt",
    "clip": "clamp",
    "absolute": "abs",
    "swapaxes": "transpose",
    "negative": "neg",
    "tril": "tril",
    "triu": "triu",
}

INPLACE = """
    abs acos acosh add addbmm addcdiv addcmul addmv addr asin asinh atan atan2 atanh baddbmm ceil
    clamp cos cosh deg2rad div exp exp2 expm1 floor floor_divide fmod frac index_add index_put lerp
    log log10 log1p log2 masked_fill mul nan_to_num neg pow rad2deg reciprocal relu remainder round
    rsqrt scatter scatter_add sgn sigmoid sign sin sinh sqrt square sub tan tanh trunc
""".split()  # noqa: SIM905


class _Deferred:
    """A method whose file is read when it is first looked up, not when the package is imported."""

    def __init__(self, name: str, file: str, inplace: bool = False) -> None:
        self.name, self.file, self.inplace = name, file, inplace

    def __get__(self, instance: Tensor | None, owner: type) -> Any:
        from importlib import import_module

        name = self.name
        method = getattr(import_module(f"{__package__}.{self.file}"), name)
        if self.inplace:
            name += "_"
            method = inplace.inplace(name, method)
        setattr(Tensor, name, method)
        return method if instance is None else method.__get__(instance)


def _from_ops(name: str) -> Callable[..., Any]:
    return getattr(ops, name, None) or getattr(create, name)


# -- operators -----------------------------------------------------------------------------------
def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Operators of foreign objects: let Python try their side where the type is unknown."""

    def method(self: Tensor, other: Any) -> Any:
        return function(self, other) if _operand(other) else NotImplemented

    return method


def _operand(other: Any) -> bool:
    return isinstance(other, (Tensor, bool, int, float, complex)) or hasattr(other, "__array__")


def _swapped(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Tensor, other: Any) -> Any:
        return function(other, self) if _operand(other) else NotImplemented

    return method


def _equality(function: Callable[..., Any], otherwise: bool) -> Callable[..., Any]:
    def method(self: Tensor, other: Any) -> Any:
        return function(self, other) if _operand(other) else otherwise

    return method


_BINARY = {
    "add": ops.add,
    "sub": ops.sub,
    "mul": ops.mul,
    "truediv": ops.true_divide,
    "floordiv": ops.floor_divide,
    "mod": ops.remainder,
    "pow": ops.pow,
    "matmul": ops.matmul,
    "and": ops.bitwise_and,
    "or": ops.bitwise_or,
    "xor": ops.bitwise_xor,
}


_SPECIAL = {
    **{name: getattr(ops, name) for name in ("lt", "le", "gt", "ge", "neg", "abs", "getitem")},
    "eq": _equality(ops.eq, False),
    "ne": _equality(ops.ne, True),
    "pos": lambda self: self,
    "invert": ops.bitwise_not,
    "setitem": inplace.setitem,
}


def _attach_operators() -> None:
    for name, function in _BINARY.items():
        direct = name in ("add", "sub", "mul", "truediv")  # the hot ones skip the operand check
        setattr(Tensor, f"__{name}__", function if direct else _plain(function))
        setattr(Tensor, f"__r{name}__", _swapped(function))
        changed = inplace.inplace(f"__i{name}__", function)
        setattr(Tensor, f"__i{name}__", changed)
    for name, function in _SPECIAL.items():
        setattr(Tensor, f"__{name}__", function)


# -- conversions ---------------------------------------------------------------------------------
def to(
    self: Tensor,
    *args: Any,
    device: Any = None,
    dtype: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
) -> Tensor:
    """This tensor with another type or on another device; itself if nothing changes.

    ``x.to(dtype)``, ``x.to(device)``, ``x.to(device, dtype)``, ``x.to(other)``.

    >>> import sensorium as sn
    >>> sn.tensor([1.7]).to(sn.int64)
    tensor([1])
    """
    for value in args:
        if isinstance(value, Tensor):
            device, dtype = value.device, value.dtype
        elif isinstance(value, bool):
            continue  # non_blocking: copies are never left unfinished here
        elif isinstance(value, (Device, int)) or (
            isinstance(value, str) and value.partition(":")[0] in ("cpu", "cuda")
        ):
            device = value
        elif value is not None:
            dtype = value
    x = self if dtype is None else ops.to_dtype(self, as_dtype(dtype))
    if device is not None and not _is_on(x, as_device(device)):
        return ops.moved(x, as_device(device))
    return ops.clone(x) if copy and x is self else x


def _is_on(x: Tensor, target: Device) -> bool:
    here = x.device
    return here.type == target.type and target.index in (None, here.index)


def cpu(self: Tensor) -> Tensor:
    """This tensor in the CPU's memory.

    >>> import sensorium as sn
    >>> sn.ones(1).cpu().device
    device(type='cpu')
    """
    return to(self, device="cpu")


def cuda(self: Tensor, device: Any = None) -> Tensor:
    """This tensor in a GPU's memory."""
    return to(self, device="cuda" if device is None else device)


def type_(self: Tensor, dtype: Any = None) -> Any:
    """The name of the element type, or, with dtype, this tensor cast to it."""
    return str(self.dtype) if dtype is None else to(self, dtype=dtype)


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor with the element type of other.

    >>> import sensorium as sn
    >>> sn.tensor([1]).type_as(sn.tensor([1.0]))
    tensor([1.])
    """
    return to(self, dtype=other.dtype)


def _caster(dtype: Any) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor) -> Tensor:
        return to(self, dtype=dtype)

    method.__doc__ = f"This tensor cast to {dtype}; itself if it is already."
    return method


CASTS = {
    "float": float32, "double": float64, "half": float16, "bfloat16": bfloat16, "long": int64,
    "int": int32, "short": int16, "char": int8, "byte": uint8, "bool": bool_, "cfloat": complex64,
    "cdouble": complex128,
}  # fmt: skip


# -- shapes of other tensors, new tensors, properties --------------------------------------------
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """``view`` with the shape of other."""
    return ops.view(self, tuple(other.shape))


def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """``reshape`` to the shape of other."""
    return ops.reshape(self, tuple(other.shape))


def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """``expand`` to the shape of other."""
    return ops.expand(self, tuple(other.shape))


def _new(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def method(self: Tensor, *size: Any, dtype: Any = None, device: Any = None) -> Tensor:
        return make(*size, dtype=dtype or self.dtype, device=device or self.device)

    method.__doc__ = f"``{make.__name__}`` with this tensor's type and device."
    return method


def mT(self: Tensor) -> Tensor:
    """The last two dimensions exchanged; a view."""
    return ops.transpose(self, -2, -1)


def attach() -> None:
    """Give Tensor everything above; called once, when the package is imported."""
    for name in METHODS:
        setattr(Tensor, name, _from_ops(name))
    for alias, name in ALIASES.items():
        setattr(Tensor, alias, _from_ops(name))
    for name in INPLACE:
        setattr(Tensor, f"{name}_", inplace.inplace(f"{name}_", _from_ops(name)))
    for name, file in _names.METHODS.items():
        setattr(Tensor, name, _Deferred(name, file))
    for name, file in _names.INPLACE.items():
        setattr(Tensor, f"{name}_", _Deferred(name, file, inplace=True))
    for name, dtype in CASTS.items():
        setattr(Tensor, name, _caster(dtype))
    Tensor.bernoulli, Tensor.multinomial = random.bernoulli, random.multinomial  # type: ignore[attr-defined]
    for name in ("zeros", "ones", "empty", "full", "tensor"):
        setattr(Tensor, f"new_{name}", _new(getattr(create, name)))
    for function in (to, cpu, cuda, type_as, view_as, reshape_as, expand_as):
        setattr(Tensor, function.__name__, function)
    writes: tuple[Any, ...] = (inplace.copy_, inplace.fill_, inplace.zero_, *random.INPLACE)
    for function in writes:
        setattr(Tensor, function.__name__, function)
    Tensor.type = type_  # type: ignore[attr-defined]
    Tensor.T = property(ops.reversed_dims)  # type: ignore[attr-defined]
    Tensor.mT = property(mT)  # type: ignore[attr-defined]
    Tensor.real = property(ops.real)  # type: ignore[attr-defined]
    Tensor.imag = property(ops.imag)  # type: ignore[attr-defined]
    _attach_operators()
