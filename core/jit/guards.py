"""When a graph may be used again: what a call looked like, and what is around the function.

A graph holds for the shapes, types and memory orders of the tensors, for the values of everything
else among the arguments, for the modules as they were (their members, options, hooks and whether they
train), and for what the names of the function stood for. Modules are compared only after something was
assigned to a module anywhere in the process (``nn._registry.edits`` counts), so the usual call pays
for one comparison, and one for each name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from ..backends.cpu import prepack
from ..dtypes import get_default_dtype
from ..nn._registry import edits
from ..nn.module import Module
from ..tensor import Tensor


# -- what a function reaches ---------------------------------------------------------------------
class Reached:
    """The modules that a function can get at by its names, and the places where these names stand.

    Followed are closures, globals, defaults, bound objects, ``partial``, short lists and dictionaries,
    and functions of the user's among all these; of other objects, their attributes.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.modules: list[Module] = []
        self._own = (function, getattr(function, "__self__", None))
        self.places: list[tuple[Any, str]] = []  # (dictionary or cell, name)
        self._seen: dict[int, Any] = {}
        self._visit(function, 8)
        self._seen.clear()

    def _visit(self, value: Any, depth: int) -> None:
        if id(value) in self._seen or not depth or isinstance(value, (ModuleType, type, Tensor)):
            return
        self._seen[id(value)] = value
        if isinstance(value, Module):
            self.modules.append(value)
            return
        for part in self._parts(value):
            self._visit(part, depth - 1)

    def _parts(self, value: Any) -> Iterator[Any]:
        if isinstance(value, MethodType):
            yield from (value.__self__, value.__func__)
        elif isinstance(value, functools.partial):
            yield from (value.func, *value.args, *value.keywords.values())
        elif isinstance(value, FunctionType):
            if not str(value.__module__).startswith("sensorium."):
                yield from self._names(value)
        elif isinstance(value, (list, tuple, dict)):
            if len(value) <= 1000:
                yield from value.values() if isinstance(value, dict) else value
        elif hasattr(value, "__dict__"):
            yield from self._attributes(value)

    def _names(self, function: FunctionType) -> Iterator[Any]:
        """What closures, globals and defaults hold."""
        found: list[tuple[Any, str]] = [(cell, "") for cell in function.__closure__ or ()]
        named = function.__globals__
        names = dict.fromkeys(_global_names(function.__code__))
        found += [(named, name) for name in names if name in named]
        self.places += found
        yield from [content(*place) for place in found]
        yield from (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())

    def _attributes(self, value: Any) -> Iterator[Any]:
        """Those of an object that may lead to modules; all of what the function is bound to."""
        held = vars(value)
        if any(value is own for own in self._own):
            self.places += [(held, name) for name in held]
            yield from (*held.values(), vars(type(value)).get("__call__"))
        else:
            kinds = (Module, list, tuple, dict, FunctionType, MethodType)
            yield from [part for part in held.values() if isinstance(part, kinds)]


def _global_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _global_names(inner)


def content(place: Any, name: str) -> Any:
    """What stands there now."""
    if isinstance(place, dict):
        return place.get(name)
    try:
        return place.cell_contents
    except ValueError:  # not assigned yet
        return None


_STATES = 64  # how many are told apart; an older one counts as new


# -- what it looked like -------------------------------------------------------------------------
class Modules:
    """The state of what a function reaches, by numbers: equal numbers, equal states."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._seen = -1
        self._number = 0
        self._states: dict[int, list[Any]] = {}
        self._reach()

    def _reach(self) -> None:
        reached = Reached(self.function)
        self.modules, self.places = reached.modules, reached.places
        self._names = [content(*place) for place in self.places]

    def number(self) -> int:
        """The number of the present state."""
        same = _same(self._names, [content(*place) for place in self.places])
        if self._seen != edits[0] or not same:
            seen = edits[0]
            self._reach()
            self._number = self._known([*self._names, *self._state()])
            self._seen = seen
        return self._number

    def _known(self, now: list[Any]) -> int:
        for number, state in self._states.items():
            if _same(state, now):
                return number
        number = max(self._states, default=-1) + 1
        self._states[number] = now
        if len(self._states) > _STATES:
            del self._states[min(self._states)]
        return number

    def _state(self) -> list[Any]:
        """What every module and all below have in their ``__dict__``, one level deep."""
        found: list[Any] = []
        for top in self.modules:
            for module in top.modules():
                found.append(module)
                for name, value in vars(module).items():
                    found.append(name)
                    found += list(value.items()) if isinstance(value, dict) else [value]
        return found

    def wants_gradient(self) -> bool:
        """Whether any parameter does."""
        return any(p.needs_grad for top in self.modules for p in top.parameters())


def _same(before: list[Any], now: list[Any]) -> bool:
    if len(before) != len(now):
        return False
    return all(a is b or _equal(a, b) for a, b in zip(before, now))


def _equal(a: Any, b: Any) -> bool:
    """Numbers, strings and tuples by value, everything else by identity."""
    if type(a) is not type(b) or isinstance(a, (Tensor, Module)):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(x is y or _equal(x, y) for x, y in zip(a, b))
    return isinstance(a, (bool, int, float, str)) and a == b


def key_of(tensors: list[Tensor]) -> tuple[Any, ...]:
    """Shapes, types and memory orders, and what new tensors of floats have for a type."""
    given = [(t.array.shape, t.array.dtype, t.array.strides) for t in tensors]
    return get_default_dtype(), *given


# -- what went into a graph as numbers -----------------------------------------------------------
class Looked:
    """Tensors whose elements a trace read: its graph holds for as long as they stay.

    Where a write cannot be noticed, because NumPy shares the memory, the elements of those that were
    read are compared; those of the others, from which tables may have been made, are not. Whether the
    others still have their arrays is the caller's to know.
    """

    def __init__(self, read: list[Tensor], others: list[Tensor]) -> None:
        self._read = [(t, t.array) for t in read]
        self._arrays = [t.array for t in (*read, *others)]
        self._changes = prepack.changes[0]
        self._stamps = self._stamp()
        self._copies = [array.tobytes() for _, array in self._read]

    def _stamp(self) -> list[int | None]:
        entries = [prepack.entry_of(prepack.owner(array)) for array in self._arrays]
        return [None if e is None or e.shared else e.version for e in entries]

    def changed(self) -> bool:
        """Whether any was written, or has another array."""
        if any(tensor.array is not array for tensor, array in self._read):
            return True
        unseen = None in self._stamps[: len(self._copies)]
        if unseen and any(a.tobytes() != b for (_, a), b in zip(self._read, self._copies)):
            return True
        if self._changes != prepack.changes[0]:
            now = prepack.changes[0]
            if self._stamps != self._stamp():
                return True
            self._changes = now
        return False
