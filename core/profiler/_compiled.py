"""Compiled graphs under a profile: an event for the run, and inside it one for every node.

A run of a graph is a list of calls that know nothing of a profile. While one records, the graph's
kernels are bound once more, to the same memory, so that their primitives say when they ran; the run's
list is exchanged for that one. Nothing is asked, and nothing is kept, while no profile is on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np

from ..backends.cpu.bound import Bound
from ..backends.cpu.memory import Primitive, aligned, pointer
from ..jit.compiled import Compiled
from ..jit.graph import Value
from ..jit.kernels.base import Call, Kernel as Runner
from ..jit.program import Instance, calls_of
from ..jit.training import TrainingStep
from . import _record
from ._probes import Probe, _Call
from ._record import begin, end
from .events import Kernel


class _Noting:
    """What kernels bind to: an instance's memory, with primitives that note when they run."""

    def __init__(self, instance: Instance) -> None:
        self.array, self.prepared = instance.array, instance.prepared
        self.is_constant = instance.is_constant
        self._bounds: list[Bound] = []
        kernels = instance.program.kernels
        self.calls: list[Call] = [self._noted(k, calls_of(k, self)) for k in kernels]
        self._scratch = aligned(max((bound.scratch for bound in self._bounds), default=0) + 64)
        for bound in self._bounds:
            bound.set_scratch(pointer(self._scratch))

    def room(self, shape: Sequence[int], dtype: Any) -> np.ndarray:
        """Memory that only this step needs; its own, for the instance hands its rooms out once."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        return aligned(max(size, 1))[:size].view(dtype).reshape(shape)

    def execution(
        self, primitive: Primitive, arrays: Sequence[Any], offsets: Sequence[int] = ()
    ) -> Call:
        """The execution of a primitive, as a kernel of the event that is open then."""
        bound = Bound(primitive, arrays, offsets)
        self._bounds.append(bound)
        name, implementation, run = primitive._what[0], primitive.implementation, bound.run

        def noted() -> None:
            start = perf_counter_ns()
            run()
            took = perf_counter_ns() - start
            _record.add_kernel(Kernel(name, implementation, start, took))

        return noted

    def _noted(self, runner: Runner, calls: Sequence[Call]) -> Call:
        """All calls of a node as one event; ops that they are made of have none of their own."""
        node = runner.node
        name, given = node.name.strip("_"), self._arrays(node.uses())
        made = self._arrays(value for value in node.made() if value.base is None)

        def run() -> None:
            event, failed = begin(name, "op"), True
            before = _record.seal(True)
            try:
                for call in calls:
                    call()
                failed = False
            finally:
                _record.seal(before)
                end(event, failed)
                if event is not None:
                    _note(event, given, made, node.line)

        return run

    def _arrays(self, values: Iterable[Value]) -> list[np.ndarray]:
        return [self.array(value) for value in values]


def _note(event: Any, given: list[np.ndarray], made: list[np.ndarray], line: str) -> None:
    """Shapes, bytes and the line that led to the node, where wanted; the memory was there before."""
    recording = _record.state.active
    if recording is None:
        return
    if recording.shapes:
        event.input_shapes = [list(array.shape) for array in given]
        if made:
            event.bytes_in, event.bytes_out = _record.nbytes(given), _record.nbytes(made)
    if recording.stack and line:
        file, _, number = line.rpartition(":")
        event.stack.insert(0, f"{file}({number}): {event.name}")


# -- probes --------------------------------------------------------------------------------------
class _Making(_Call):
    """``Compiled._compile(key, args, options)``, which traces and optimises."""

    kind = "module"

    def title(self, args: tuple[Any, ...]) -> str:
        return f"compile {_name(args[0]._function)}"

    def given(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return args[2]


class _MakingStep(_Making):
    """``TrainingStep._compiled(parameters, args, options)``, which does so with the backward pass."""

    def title(self, args: tuple[Any, ...]) -> str:
        return f"compile {_name(args[0].function)}"


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


class _Binding(_Call):
    """``Instance(program)``: memory, primitives, packed weights."""

    kind = "module"

    def title(self, args: tuple[Any, ...]) -> str:
        return f"bind {args[1].graph.name}"

    def given(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return ()


class _Running(_Call):
    """``Instance.run(tensors)``: copying in, the calls, copying out."""

    kind = "module"

    def __init__(self, name: str, function: Any) -> None:
        super().__init__(name, function)
        self._noting: dict[Instance, _Noting] = {}

    def title(self, args: tuple[Any, ...]) -> str:
        return f"compiled {args[0].program.graph.name}"

    def given(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(args[1])

    def run(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """With the calls that note; an instance serves one run at a time."""
        instance = args[0]
        noting = self._noting.get(instance)
        if noting is None:
            before = _record.seal(True)  # views of constants are made by ops
            try:
                noting = self._noting[instance] = _Noting(instance)
            finally:
                _record.seal(before)
        own, instance.calls = instance.calls, noting.calls
        try:
            return super().run(args, options)
        finally:
            instance.calls = own


def probes() -> list[Probe]:
    """Those of compiling, of getting ready, and of running."""
    return [
        _Making("compile", Compiled._compile),
        _MakingStep("compile", TrainingStep._compiled),
        _Binding("bind", Instance.__init__),
        _Running("run", Instance.run),
    ]
