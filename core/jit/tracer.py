"""Tracing: running a function once and writing down which ops it called on which values.

Arrays are known by identity: what an op returned is the value that its node made, whatever tensor
carries the array by now. An array that no op made is a constant: a parameter, or a table that the
function built from shapes. What a trace cannot see is refused with the line in question: reading a
value into Python (``if x.sum() > 0``, ``item()``), writing a part of memory that has views, arrays
computed by NumPy behind the ops' back. The last is found by tracing twice, with other values
(``tracing.checked``): a constant that differs was none.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.cpu import prepack
from ..errors import TraceError
from ..ops._declare import Op
from ..ops._results import describe
from ..ops.cast import to_dtype
from ..ops.copies import clone
from ..tensor import Tensor, wrap
from .graph import Graph, Node, Value, values_in
from .passes.tidy import RANDOM

_CORE = str(Path(__file__).resolve().parent.parent) + "/"


def user_line() -> str:
    """``file:line`` of the innermost frame outside of the core; "" if there is none."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((_CORE, "<op ")):
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def refuse(what: str) -> TraceError:
    """The error for something that a graph cannot hold."""
    line = user_line()
    return TraceError(f"compile: {what}{line and f' (at {line})'}")


class _Known:
    """An array that is alive and the value it stands for; ``value`` None: overwritten since."""

    __slots__ = ("ref", "value")

    def __init__(self, array: np.ndarray, value: Value | None) -> None:
        self.ref, self.value = weakref.ref(array), value


class Tracer:
    """What has been seen so far. ``inside`` is above 0 while an op runs: what it calls is its own."""

    def __init__(self, name: str) -> None:
        self.graph = Graph(name, [], [], [])
        self.inside = 0
        self.looked: list[Tensor] = []  # read into Python
        self._fixed: dict[Value, tuple[Value, ...]] = {}  # values of constants, and of which
        self._known: dict[int, _Known] = {}
        self._memory: dict[int, list[_Known]] = {}  # by id of the owner of the memory
        self._targets: dict[int, Value] = {}  # inputs and constants by id of their first array
        self._before: list[tuple[Any, Any]] = []  # what was written, and a copy from before

    # -- values ----------------------------------------------------------------------------------
    def _learn(self, array: np.ndarray, value: Value) -> Value:
        known = self._known[id(array)] = _Known(array, value)
        self._memory.setdefault(id(prepack.owner(array)), []).append(known)
        return value

    def input(self, tensor: Tensor, name: str) -> Value:
        """Let the array of a tensor be an input."""
        value = Value(tensor.array, "input", name)
        self.graph.inputs.append(value)
        self._targets[id(tensor.array)] = value
        return self._learn(tensor.array, value)

    def value_of(self, x: Any) -> Value:
        """What a tensor, or an array, stands for; a new constant if nothing made it."""
        array = x.array if isinstance(x, Tensor) else x
        if isinstance(array, np.generic):  # a number that became a tensor on its way
            return self._constant(x, np.asarray(array))
        if not isinstance(array, np.ndarray):
            raise refuse(f"only arrays on the CPU can be traced, not {describe(x)}")
        known = self._known.get(id(array))
        if known is not None and known.ref() is array:
            if known.value is None:
                raise refuse(
                    f"a view {describe(array)} is read whose memory was written in place by another "
                    "name; use the op without the underscore"
                )
            return known.value
        return self._same_memory(array) or self._constant(x, array)

    def _same_memory(self, array: np.ndarray) -> Value | None:
        """The value that has exactly this memory, if an array of ours has it."""
        others = self._memory.get(id(prepack.owner(array)), ())
        others = [k for k in others if (a := k.ref()) is not None and np.may_share_memory(a, array)]
        place = prepack.place_of(array, array.dtype)
        for known in others:
            found: Any = known.ref()
            if known.value is not None and prepack.place_of(found, found.dtype) == place:
                return known.value
        if any(k.value is None or k.value.kind != "constant" for k in others):
            raise refuse(f"a view {describe(array)} of a traced value was made outside of the ops")
        return None

    def _constant(self, x: Any, array: np.ndarray) -> Value:
        value = Value(array, "constant", f"c{len(self.graph.constants) + 1}")
        value.tensor = x if getattr(x, "array", None) is array else wrap(array)
        self.graph.constants.append(value)
        self._targets[id(array)] = value
        return self._learn(array, value)

    def home_of(self, x: Tensor) -> Value | None:
        """The input or constant whose array a tensor has, whatever was written there."""
        known, target = self._known.get(id(x.array)), self._targets.get(id(x.array))
        return target if known is not None and known.ref() is x.array else None

    def argument(self, x: Any) -> Any:
        """An op's argument with values in place of tensors and arrays."""
        if isinstance(x, (Tensor, np.ndarray)):
            return self.value_of(x)
        if type(x) in (list, tuple):
            return type(x)(map(self.argument, x))
        return x

    # -- what happens ----------------------------------------------------------------------------
    def call(self, op: Op, own: Callable[..., Any], args: tuple[Any, ...], options: Any) -> Any:
        """Run an op and note it."""
        defaults = op.keyword_defaults
        if any(options.get(name, value) is not value for name, value in defaults.items()):
            return own(*args, **options)  # made of other ops, which come here themselves
        if not _has_tensor((*args, *options.values())):
            return own(*args, **options)
        given = {name: value for name, value in options.items() if name not in defaults}
        bound = op.signature.bind(*args, **given)
        bound.apply_defaults()
        noted = tuple(map(self.argument, bound.args))
        self._check_size(op, noted)
        result = self.within(own, *args, **options)
        self._note(op, noted, result)
        return result

    def _check_size(self, op: Op, args: tuple[Any, ...]) -> None:
        """Refuse results whose shape depends on values, unless those are constants."""
        if op.name == "_nonzero":
            chosen = [*values_in(args)]
        elif op.name == "_take":
            chosen = [value for value in values_in(args[1]) if value.dtype == np.bool_]
        else:
            return
        sources = self._sources(chosen)
        if sources is None:
            raise refuse(
                f"the shape of the result of {op.name.strip('_')} depends on the values of a mask; use "
                "where() or masked_fill()"
            )
        self.looked += [value.tensor for value in sources if value.tensor is not None]

    def within(self, own: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Run a function whose calls are not to be noted."""
        self.inside += 1
        try:
            return own(*args, **options)
        finally:
            self.inside -= 1

    def _note(self, op: Op, args: tuple[Any, ...], result: Any) -> None:
        single = not isinstance(result, tuple)
        outs = [
            None if t is None else self._result(t.array) for t in ((result,) if single else result)
        ]
        if any(known for _, known in filter(None, outs)):
            return  # it gave its operand back
        made = tuple(out and out[0] for out in outs)
        if single:
            self._look_for_base(op, args, made[0], result.array)
        node = Node(op, args, made, user_line(), single)
        self.graph.nodes.append(node)
        sources = None if node.name in RANDOM else self._sources(node.uses())
        if sources is not None:
            self._fixed.update((value, sources) for value in node.made())

    def _look_for_base(self, op: Op, args: Any, made: Value | None, array: np.ndarray) -> None:
        """A result in the memory of an operand is a view of it."""
        owner = prepack.owner(array)
        for known in self._memory.get(id(owner), ()):
            other = known.ref()
            if other is None or other is array or known.value not in args:
                continue
            if made is not None and np.may_share_memory(other, array):
                made.base = known.value

    def _result(self, array: np.ndarray) -> tuple[Value, bool]:
        """The value of an op's result, and whether it was there before."""
        known = self._known.get(id(array))
        if known is not None and known.ref() is array and known.value is not None:
            return known.value, True
        return self._learn(array, Value(array)), False

    def store(self, own: Callable[..., Any], name: str, x: Tensor, y: Tensor) -> Tensor:
        """An in-place write: from now on the memory of x stands for the value of y."""
        self.value_of(x)  # refuses what is no longer known
        y = y if y.dtype == x.dtype else to_dtype(y, x.dtype)
        value = self.value_of(y)
        if name == "copy_" or value.kind != "temp" or value.base is not None:
            value = self.value_of(y := clone(y))  # two memories: each has a value of its own
        if id(x.array) in self._targets:
            self._before.append((x.array, x.array.copy()))
        result = self.within(own, name, x, y)
        self._wrote(x.array, value)
        return result

    def _wrote(self, array: np.ndarray, value: Value) -> None:
        for known in self._memory[id(prepack.owner(array))]:
            other = known.ref()
            if other is None or other is array or not np.may_share_memory(other, array):
                continue
            if known.value is not None and known.value.kind != "temp":
                raise refuse("a part of an input, or of a parameter or buffer, is written in place")
            known.value = None
        target = self._targets.get(id(array))
        if target is not None:
            kept = [pair for pair in self.graph.writes if pair[0] is not target]
            self.graph.writes = [*kept, (target, value)]
        self._known[id(array)].value = value

    def restore(self) -> None:
        """Undo what was written into inputs and constants."""
        for array, before in reversed(self._before):
            array[...] = before
            prepack.written(array)

    def read(self, own: Callable[..., Any], name: str, x: Tensor, args: Any, options: Any) -> Any:
        """A value goes into Python: one that depends on constants only may, others may not."""
        sources = self._sources((self.value_of(x),))
        written = [target for target, _ in self.graph.writes]
        if sources is None or any(value in written for value in sources):
            raise refuse(f"{name} reads a value that the graph computes {describe(x)}")
        self.looked += [value.tensor for value in sources if value.tensor is not None]
        return own(x, *args, **options)

    def _sources(self, values: Iterable[Value]) -> tuple[Value, ...] | None:
        """The constants that values are computed from; None if there is anything else."""
        found: list[Value] = []
        for value in values:
            if value.kind != "constant" and value not in self._fixed:
                return None
            found += self._fixed.get(value, (value,))
        return tuple(dict.fromkeys(found))


def _has_tensor(values: Any) -> bool:
    return any(
        isinstance(v, Tensor) or (type(v) in (list, tuple) and _has_tensor(v)) for v in values
    )
