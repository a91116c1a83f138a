"""From a graph to calls: every node a kernel, every value a place, every run a loop.

A ``Program`` is a graph after all passes, with a kernel for each node and a plan of memory. An
``Instance`` is one block of that memory with everything bound to it; it serves one run at a time, so a
program makes as many as run at once. What is computed from constants (folded and packed weights) is
*prepared*: shared by all instances, and made anew when one of its sources has been written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backends.cpu import memory, prepack, threads
from ..backends.cpu.allocator import trim
from ..backends.cpu.bound import Bound
from ..backends.cpu.library import EngineError
from ..backends.cpu.memory import Primitive, aligned, pointer
from ..backends.quiet import loud, quiet
from ..errors import CompileError
from ..inplace import wrote
from ..tensor import Tensor
from .arena import Span, place
from .graph import Graph, Value, replaced, root_of
from .kernels.base import Call, Env, Kernel
from .kernels.generic import Generic
from .kernels.table import kernel_of
from .passes.layout import axes_in_memory, settle
from .passes.tidy import constant_values
from .prepared import Prepared, Store, computed


class Program:
    """A graph that can run."""

    def __init__(self, graph: Graph, store: Store, lasting: bool = True) -> None:
        """store: what is computed from constants; lasting: results are the caller's to keep, else the
        next run overwrites them."""
        settle(graph)
        self.graph, self.store, self.lasting = graph, store, lasting
        self.constants = constant_values(graph)
        self.nodes = [
            node for node in graph.nodes
            if not all(v in self.constants or v.base is not None for v in node.made())
        ]  # fmt: skip
        self.kernels: list[Kernel] = [kernel_of(node) for node in self.nodes]
        self.held = [(v.tensor, v.tensor.array) for v in graph.constants if v.tensor is not None]
        self.prepared: set[Prepared] = set()  # what of the store this graph uses
        self.threads, self.changes = threads.epoch, -1
        self._idle: list[Instance] = []
        self._plan()

    # -- memory ----------------------------------------------------------------------------------
    def _plan(self) -> None:
        """A place for every value that is computed, and for the inputs."""
        last = self._last_uses()
        self.spans: dict[Value, Span] = {}
        for value in self.graph.inputs:
            self.spans[value] = Span(_bytes(value), 0, last.get(value, 0))
        for step, kernel in enumerate(self.kernels):
            for value in kernel.node.made():
                if value.base is None:
                    span = self._shared(kernel, value, step, last)
                    self.spans[value] = span or Span(_bytes(value), step, last.get(value, step))
        self.size = place(list(dict.fromkeys(self.spans.values())))

    def _last_uses(self) -> dict[Value, int]:
        """The last step that needs the memory of each value; results are needed to the end."""
        last: dict[Value, int] = {}
        for step, kernel in enumerate(self.kernels):
            for value in kernel.node.uses():
                last[root_of(value)] = step
        targets = (target for target, _ in self.graph.writes)
        for value in (*self.graph.kept(), *targets):
            last[root_of(value)] = len(self.kernels)
        return last

    def _shared(
        self, kernel: Kernel, value: Value, step: int, last: dict[Value, int]
    ) -> Span | None:
        """The span of an operand that is not needed any more and whose memory the result may take."""
        for made, operand in kernel.shares:
            root = root_of(operand)
            span = self.spans.get(root)
            if made is not value or span is None or operand.base is not None:
                continue
            once = sum(root_of(used) is root for used in kernel.node.uses()) == 1
            if once and last[root] == step and span.last == step and _bytes(value) == span.size:
                span.last = last.get(value, step)
                return span
        return None

    # -- running ---------------------------------------------------------------------------------
    def matches(self) -> bool:
        """Whether the constants have the types and layouts that they had."""
        return all(
            t.array is a
            or (t.array.dtype, t.array.shape, t.array.strides) == (a.dtype, a.shape, a.strides)
            for t, a in self.held
        )

    def fits(self) -> bool:
        """Whether the constants are the same arrays, and the number of threads is the same."""
        return self.threads == threads.epoch and all(t.array is a for t, a in self.held)

    def run(self, tensors: list[Tensor]) -> list[Tensor]:
        """The results for these inputs."""
        try:
            instance = self._idle.pop()
        except IndexError:
            instance = self._instance()
        if self.changes != prepack.changes[0] or not self.watched:
            self._refresh()
        try:
            return instance.run(tensors)
        finally:
            self._idle.append(instance)

    def _instance(self) -> Instance:
        try:
            return Instance(self)
        except MemoryError:
            raise CompileError(
                f"compile: out of memory: {self.graph.name} wants {self.size} bytes for its values, and "
                "packed weights; nothing was run"
            ) from None

    def _refresh(self) -> None:
        now = prepack.changes[0]
        for prepared in list(self.prepared):
            prepared.refresh()
        self.changes = now
        self.watched = all(prepared.watched for prepared in self.prepared)

    watched = False


def _bytes(value: Value) -> int:
    """From the first to the last element, which lie densely."""
    return max(value.size, 1) * value.dtype.itemsize


LARGE = 64 << 20  # bytes of a block for which room is made


class Instance:
    """One block of memory with a program bound to it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        if program.size > LARGE:
            trim()  # what the trace has left behind
        self._block = aligned(program.size + 64)
        prepack.exposed(self._block)  # no op may keep a packed copy of what the next run overwrites
        self._arrays: dict[Value, np.ndarray] = {}
        self._bounds: list[Bound] = []
        self._rooms: list[np.ndarray] = []
        self._used = 0
        self.calls: list[Call] = []
        with memory._building:  # no child is born while primitives are made
            for kernel in program.kernels:
                self._used = 0
                self.calls += calls_of(kernel, self)
        self._scratch = aligned(max((bound.scratch for bound in self._bounds), default=0) + 64)
        for bound in self._bounds:
            bound.set_scratch(pointer(self._scratch))
        self._inputs = [self.array(value) for value in program.graph.inputs]

    # -- what kernels ask for ----------------------------------------------------------------------
    def array(self, value: Value) -> np.ndarray:
        """The array of a value: the same memory at every run."""
        found = self._arrays.get(value)
        if found is None:
            found = self._arrays[value] = self._find(value)
        return found

    def _find(self, value: Value) -> np.ndarray:
        if value.base is not None:
            return self._view(value)
        if value.tensor is not None:
            return value.tensor.array
        if value in self.program.constants:
            return self.prepared("value", [value], lambda: np.array(computed(value), order="K"))
        span = self.program.spans[value]
        return _at(self._block, span.offset, value)

    def _view(self, value: Value) -> np.ndarray:
        """The op that made a view, on the memory it looks at."""
        node = value.maker
        if node is None:
            return self.array(value.base)  # type: ignore[arg-type]
        return node.op.hot(*replaced(node.args, self.array))

    def is_constant(self, value: Value) -> bool:
        """Whether a value is computed from constants only."""
        return value in self.program.constants

    def prepared(
        self, key: Any, sources: Sequence[Value], make: Callable[[], np.ndarray]
    ) -> np.ndarray:
        """make(), kept, and made anew when one of the constants it comes from was written."""
        kept = self.program.store.get(key, sources, make)
        self.program.prepared.add(kept)
        return kept.array

    def execution(
        self, primitive: Primitive, arrays: Sequence[Any], offsets: Sequence[int] = ()
    ) -> Call:
        """The execution of a primitive on arrays."""
        bound = Bound(primitive, arrays, offsets)
        self._bounds.append(bound)
        return bound.run

    def room(self, shape: Sequence[int], dtype: Any) -> np.ndarray:
        """Memory that only this step needs."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if not self._rooms or self._used + size > self._rooms[-1].nbytes:
            self._rooms.append(aligned(max(size, 1)))
            prepack.exposed(self._rooms[-1])
            self._used = 0
        block = self._rooms[-1][self._used : self._used + size]
        self._used += -(-size // 64) * 64
        return block.view(dtype).reshape(shape)

    # -- running ---------------------------------------------------------------------------------
    def run(self, tensors: list[Tensor]) -> list[Tensor]:
        """Copy the inputs in, run every call, copy the results out."""
        for mine, tensor in zip(self._inputs, tensors):
            np.copyto(mine, tensor.array)
        if threads.here.epoch != threads.epoch:
            threads.apply()
        token = quiet()
        try:
            for call in self.calls:
                call()
        finally:
            loud(token)
        self._write(tensors)
        return self._results(tensors)

    def _write(self, tensors: list[Tensor]) -> None:
        """What the function wrote in place."""
        for target, value in self.program.graph.writes:
            if target.kind == "input":
                tensor: Any = tensors[self.program.graph.inputs.index(target)]
            else:
                tensor = target.tensor
            np.copyto(tensor.array, self.array(value))
            wrote(tensor)

    def _results(self, tensors: list[Tensor]) -> list[Tensor]:
        """Copies of what lies in the block; an input that is returned is itself, a view of it too."""
        graph = self.program.graph
        made: dict[Value, Any] = dict(zip(graph.inputs, tensors))
        made.update((value, value.tensor) for value in graph.constants if not value.fresh)
        for target, value in graph.writes:
            made.setdefault(value, made.get(target))
        copies: dict[Value, Tensor] = {}
        return [
            self._direct(value, made, copies) if home is None else made[home]
            for value, home in zip(graph.outputs, graph.homes)
        ]

    def _direct(self, value: Value, made: dict[Value, Any], copies: dict[Value, Tensor]) -> Tensor:
        """A result that is no input or constant itself, though it may have the values of one."""
        if value.kind == "temp":
            return self._result(value, made)
        if value not in copies:
            copies[value] = Tensor(self.array(value).copy(order="K"))
        return copies[value]

    def _result(self, value: Value, made: dict[Value, Any]) -> Tensor:
        found = made.get(value)
        if found is None:
            if value.base is None or value.maker is None:
                array = self.array(value)
                found = Tensor(array.copy(order="K") if self.program.lasting else array)
            else:
                found = self._viewed(value, made)
            made[value] = found
        return found

    def _viewed(self, value: Value, made: dict[Value, Any]) -> Tensor:
        """A view among the results, of the tensor that is its base there."""
        node: Any = value.maker
        args = replaced(node.args, lambda v: self._result(v, made))
        return node.op.call(*args)


def calls_of(kernel: Kernel, env: Env) -> list[Call]:
    """The kernel's calls; those of the op itself where the engine has no such primitive."""
    try:
        return kernel.bind(env)
    except EngineError:
        if isinstance(kernel, Generic):
            raise
        return Generic(kernel.node).bind(env)


def _at(block: np.ndarray, offset: int, value: Value) -> np.ndarray:
    """A value's array within the block: its shape with the order of axes it has in memory."""
    size = value.size
    flat = block[offset : offset + size * value.dtype.itemsize].view(value.dtype)
    order = axes_in_memory(value)
    back = tuple(sorted(range(len(order)), key=order.__getitem__))
    return flat.reshape([value.shape[i] for i in order]).transpose(back)
