"""How autocast gets between a caller and an op at no cost when it is off.

A function stays the same object, wherever it was imported to; while any thread is inside autocast,
the code of each listed function is that of a *gate*, which casts the tensors among the arguments and
calls a twin with the function's own code. With the last thread out, the own code is put back: outside
autocast not one instruction more is run. A gate lets threads without autocast, raw arrays (what
gradients are made of) and calls with ``out=`` pass.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from .._exchange import stand_in, twin
from ..autograd.mode import mode
from ..autograd.node import Identity, Node, cell_of
from ..dtypes import FLOATING, bfloat16, float16, float32, float64
from ..errors import DTypeError
from ..ops import _template, to_dtype
from ..tensor import Tensor, wrap
from ._lists import FLOAT32, KEPT, LOWER, ONLY, REFUSED, ROUNDED, WITHIN, policies

LOW = {"cpu": bfloat16, "cuda": float16}
"""Kinds of devices, and the lower type of each unless another is asked for."""


class _State(threading.local):
    """What holds in the calling thread."""

    def __init__(self) -> None:
        self.on: dict[str, Any] = {}  # {kind of device: lower type} where autocast is enabled
        self.types = dict(LOW)
        self.caching = True
        self.depth = 0
        self.regions: list[tuple[Any, ...]] = []  # what held outside of each
        self.cache: dict[int, tuple[Tensor, int, Any, Any]] = {}


state = _State()


# -- casting -------------------------------------------------------------------------------------
def eligible(x: Tensor, device: str) -> bool:
    """Whether autocast may change the type: floating, not float64, on that kind of device."""
    dtype = x.array.dtype
    return dtype in FLOATING and dtype.kind != "c" and dtype != float64 and x.device.type == device


def cast(x: Tensor, dtype: Any) -> Tensor:
    """x in that type. A float32 weight is cast once in an autocast region."""
    if x.array.dtype == dtype:
        return x
    weight = x.needs_grad and x.node is None and x.array.dtype == float32 != dtype
    if not (weight and state.caching and state.depth):
        return to_dtype(x, dtype)
    kept = state.cache.get(id(x))
    version = cell_of(x)[0]
    if kept is None or kept[1:3] != (version, dtype) or kept[0].array is not x.array:
        kept = state.cache[id(x)] = (x, version, dtype, x.array.astype(dtype))
    return _from(x, kept[3])


def _from(x: Tensor, array: Any) -> Tensor:
    """The cast array as a tensor of its own node: every backward pass may release its graph."""
    out = wrap(array)
    if mode.enabled:
        out.node = Node(Identity, (x,), (), array.shape, array.dtype)
        out.needs_grad = True
    return out


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if type(value) in (list, tuple):
        return type(value)(_mapped(item, change) for item in value)
    return value


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif type(value) in (list, tuple):
            yield from _tensors(value)


def _target(
    name: str, policy: str, device: str, low: Any, found: list[Tensor]
) -> Callable[..., Any]:
    """The change that a policy makes to an eligible tensor."""
    if policy == REFUSED:
        raise DTypeError(
            f"{name}: not safe in autocast on {device}; use {name}_with_logits, or leave autocast"
        )
    if policy == KEPT:
        return lambda x: x
    if policy == LOWER:
        return lambda x: cast(x, low)
    if policy in (FLOAT32, WITHIN, ROUNDED):
        return lambda x: cast(x, float32) if x.array.dtype in (bfloat16, float16) else x
    wide = float32 if any(x.array.dtype != low for x in found if eligible(x, device)) else low
    return lambda x: cast(x, wide)


class Gate:
    """Stands in for a listed function."""

    def __init__(self, name: str, own: FunctionType, policy: Mapping[str, str]) -> None:
        self.name, self.own, self.policy, self.only = name, own, policy, ONLY.get(name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        on = state.on
        if not on:
            return self.own(*args, **options)
        if options.get("out") is not None:
            return self._uncast(args, options)
        found = list(_tensors((*args, *options.values())))
        device = found[0].device.type if found else ""
        policy = self.policy.get(device)
        if device not in on or policy is None or (self.only and not self.only(args, options)):
            return self.own(*args, **options)
        change = _target(self.name, policy, device, on[device], found)
        result = self._changed(device, change, args, options)
        if policy == WITHIN and found[0].array.dtype in (bfloat16, float16):
            return to_dtype(result, found[0].array.dtype)
        return to_dtype(result, on[device]) if policy == ROUNDED else result

    def _changed(
        self, device: str, change: Callable[..., Any], args: Any, options: dict[str, Any]
    ) -> Any:
        """Call with changed tensors; what the op itself calls is not cast again."""
        convert = functools.partial(
            _mapped, change=lambda x: change(x) if eligible(x, device) else x
        )
        args = [convert(value) for value in args]
        return self._uncast(args, {name: convert(value) for name, value in options.items()})

    def _uncast(self, args: Any, options: dict[str, Any]) -> Any:
        outside, state.on = state.on, {}
        try:
            return self.own(*args, **options)
        finally:
            state.on = outside


# -- putting gates in place ----------------------------------------------------------------------
class _Place(NamedTuple):
    """A function, its own code, and the code of its gate."""

    function: Any  # as FunctionType it would be taken for a method
    own: CodeType
    gate: CodeType


def functions_of(name: str) -> list[FunctionType]:
    """The functions behind a listed name; [] if there is none of that name."""
    space, _, short = name.rpartition(".")
    if space == "Tensor":
        places: list[Any] = [Tensor]
    else:
        spaces = [f"sensorium.{space}"] if space else ["sensorium", "sensorium.nn.functional"]
        places = [import_module(space) for space in spaces]
    found = {}
    for place in places:
        function = getattr(place, short, None)
        if isinstance(function, FunctionType):
            found[id(function)] = function
            op = getattr(function, "op", None)
            if op is not None:
                found[id(op.hot)] = op.hot
    return list(found.values())


def _place(name: str, policy: Mapping[str, str], function: FunctionType) -> _Place:
    gate = Gate(name, twin(function), policy)
    return _Place(function, function.__code__, stand_in(name, gate, gate.own))


@functools.cache
def _listed() -> list[tuple[str, dict[str, str], FunctionType]]:
    """All listed functions, with their ops' code generated."""
    found: dict[int, tuple[str, dict[str, str], FunctionType]] = {}
    for name, policy in policies().items():
        for function in functions_of(name):
            found.setdefault(id(function), (name, policy, function))  # some have several names
    return list(found.values())


_lock = threading.Lock()
_threads = 0  # that have autocast enabled
_places: dict[int, _Place] = {}


def change(on: dict[str, Any]) -> None:
    """Let ``state.on`` of this thread be that, with gates in place while any thread needs them."""
    global _threads
    before, after = bool(state.on), bool(on)
    if before != after:
        with _lock:
            _threads += after - before
            if _threads == 1 and after:
                _open_gates()
            elif not _threads:
                _close_gates()
    state.on = on


def _open_gates() -> None:
    for name, policy, function in _listed():
        op = getattr(function, "op", None)
        if op is not None and function.__code__ is _template._first_call.__code__:
            _template.build_call(op)  # of op.hot as well, which comes next in the list
        place = _places.get(id(function))
        if place is None or place.own is not function.__code__:
            place = _places[id(function)] = _place(name, policy, function)
        function.__code__ = place.gate


def _close_gates() -> None:
    for place in _places.values():
        if place.function.__code__ is place.gate:
            place.function.__code__ = place.own
