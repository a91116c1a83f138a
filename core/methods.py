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
from .errors import DTypeError
from .ops._results import NUMBERS
from .tensor import Tensor

# -- methods that are the op itself, self as its first argument ----------------------------------
METHODS = """
    abs acos acosh add addbmm addcdiv addcmul addmm addmv addr all allclose amax amin aminmax angle
    any arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort asin asinh atan
    atan2 atanh baddbmm bitwise_and bitwise_not bitwise_or bitwise_xor bmm broadcast_to ceil chunk
    clamp clone conj contiguous cos cosh count_nonzero cumprod cumsum deg2rad diff div dot dsplit
    eq equal exp exp2 expand expm1 fix flatten flip floor floor_divide fmod frac gather ge
    greater_equal gt hsplit index_add index_put index_select inner isclose isfinite isinf isnan
    kron le lerp less_equal log log10 log1p log2 log_softmax logaddexp logical_and logical_not
    logical_or logical_xor logsumexp lt masked_fill masked_select matmul max maximum mean min
    minimum mm moveaxis movedim mul mv nan_to_num nanmean nansum narrow ne neg nonzero norm
    not_equal outer permute positive pow prod rad2deg ravel reciprocal relu remainder repeat
    repeat_interleave reshape roll rot90 round rsqrt scatter scatter_add select sgn sigmoid sign
    sin sinh softmax sort split sqrt square squeeze std sub sum swapdims t take take_along_dim tan
    tanh tensor_split tile topk transpose trunc unbind unflatten unsqueeze var view vsplit
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
    abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr arccos arccosh arcsin
    arcsinh arctan arctan2 arctanh asin asinh atan atan2 atanh baddbmm bitwise_and bitwise_not
    bitwise_or bitwise_xor ceil clamp clip cos cosh cumprod cumsum deg2rad div divide eq exp exp2
    expm1 fix floor floor_divide fmod frac ge greater greater_equal gt index_add index_put le lerp
    less less_equal log log10 log1p log2 logical_and logical_not logical_or logical_xor lt
    masked_fill mul multiply nan_to_num ne neg negative not_equal pow rad2deg reciprocal relu
    remainder round rsqrt scatter scatter_add sgn sigmoid sign sin sinh sqrt square sub subtract
    tan tanh tril triu true_divide trunc
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


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function without ``out=``, which methods have not: they pay nothing for it."""
    op = getattr(function, "op", None)
    return op.hot if op is not None and not op.aside else function


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
        if other.__class__ in NUMBERS and self.__class__ not in NUMBERS:
            return function(other, self)
        if not isinstance(self, Tensor):
            raise DTypeError(f"{function.__name__}: want a Tensor, got the number {self!r}")
        return function(other, self) if _operand(other) else NotImplemented

    return method


def _equality(function: Callable[..., Any], otherwise: bool) -> Callable[..., Any]:
    def method(self: Tensor, other: Any) -> Any:
        return function(self, other) if _operand(other) else otherwise

    return method


def _shift(name: str) -> Callable[..., Any]:
    """A shift, whose file is read on first use."""

    def function(input: Any, other: Any) -> Any:
        from .ops import shifts

        return getattr(shifts, name)(input, other)

    function.__name__ = name
    return function


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
    "lshift": _shift("bitwise_left_shift"),
    "rshift": _shift("bitwise_right_shift"),
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
        hot = function.op.hot if hasattr(function, "op") else function
        setattr(Tensor, f"__{name}__", hot if direct else _plain(hot))
        setattr(Tensor, f"__r{name}__", _swapped(hot))
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
    memory_format: Any = None,
) -> Tensor:
    """This tensor with another type or on another device; itself if nothing changes.

    ``x.to(dtype)``, ``x.to(device)``, ``x.to(device, dtype)``, ``x.to(other)``; then, in this order,
    non_blocking (copies are never left unfinished here) and copy. A result that is not x itself lies
    in memory in memory_format, or as x does.

    >>> import sensorium as sn
    >>> sn.tensor([1.7]).to(sn.int64)
    tensor([1])
    """
    flags = []
    for value in args:
        if isinstance(value, Tensor):
            device, dtype = value.device, value.dtype
        elif isinstance(value, bool):
            flags.append(value)
        elif isinstance(value, (Device, int)) or (
            isinstance(value, str) and value.partition(":")[0] in ("cpu", "cuda")
        ):
            device = value
        elif value is not None:
            dtype = value
    copy = copy or (len(flags) > 1 and flags[1])
    x = self if dtype is None else ops.to_dtype(self, as_dtype(dtype))
    if device is not None and not _is_on(x, as_device(device)):
        x = ops.moved(x, as_device(device))
    if memory_format is not None:
        return _to_format(self, x, copy, memory_format)
    return ops.clone(x) if copy and x is self else x


def _to_format(before: Tensor, x: Tensor, copy: bool, memory_format: Any) -> Tensor:
    """x in a memory format: before itself if x is it and lies so already."""
    from . import memory

    memory.check("to", memory_format)
    if memory_format is memory.preserve_format:
        return ops.clone(x) if copy and x is before else x
    if x is before and not copy and memory.suggested(x.array) is memory_format:
        return x
    return ops.clone(x, memory_format)


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


def _caster(dtype: Any) -> Callable[..., Tensor]:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        return to(self, dtype=dtype, memory_format=memory_format)

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
    def method(
        self: Tensor,
        *shape: Any,
        size: Any = None,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        layout: Any = None,
        pin_memory: bool = False,
    ) -> Tensor:
        create.check_layout(f"new_{make.__name__}", layout)
        dtype = self.dtype if dtype is None else dtype
        device = self.device if device is None else device
        shape = shape if size is None else (size, *shape)
        return make(*shape, dtype=dtype, device=device, requires_grad=requires_grad)

    method.__doc__ = f"``{make.__name__}`` with this tensor's type and device."
    return method


def new_full(
    self: Tensor,
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """``full`` with this tensor's type and device.

    >>> import sensorium as sn
    >>> sn.ones(1).new_full((2,), 7)
    tensor([7., 7.])
    """
    create.check_layout("new_full", layout)
    dtype = self.dtype if dtype is None else dtype
    device = self.device if device is None else device
    return create.full(size, fill_value, dtype=dtype, device=device, requires_grad=requires_grad)


def mT(self: Tensor) -> Tensor:
    """The last two dimensions exchanged; a view."""
    return ops.transpose(self, -2, -1)


def attach() -> None:
    """Give Tensor everything above; called once, when the package is imported."""
    for name in METHODS:
        setattr(Tensor, name, _method(_from_ops(name)))
    for alias, name in ALIASES.items():
        setattr(Tensor, alias, _from_ops(name))
    for name in INPLACE:
        function = _from_ops(ALIASES.get(name, name))
        setattr(Tensor, f"{name}_", inplace.inplace(f"{name}_", function))
    for name, file in _names.METHODS.items():
        setattr(Tensor, name, _Deferred(name, file))
    for name, file in _names.INPLACE.items():
        setattr(Tensor, f"{name}_", _Deferred(name, file, inplace=True))
    for name, dtype in CASTS.items():
        setattr(Tensor, name, _caster(dtype))
    Tensor.bernoulli, Tensor.multinomial = random.bernoulli, random.multinomial  # type: ignore[attr-defined]
    for name in ("zeros", "ones", "empty", "tensor"):
        setattr(Tensor, f"new_{name}", _new(getattr(create, name)))
    for function in (to, cpu, cuda, new_full, type_as, view_as, reshape_as, expand_as):
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
