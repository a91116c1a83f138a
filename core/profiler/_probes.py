"""How the profiler gets between a caller and an op at no cost when it is off.

As with autocast, a function stays the same object, wherever it was imported to; while a profile
records, its code is that of a *probe*, which notes the call and runs a twin with the function's own
code. Afterwards the own code is put back. Backward passes are seen through the engine's watchers.
Ops are compiled when first called: the function that does so is probed as well, and an op compiled
while a profile records gets its probes then. Autocast exchanges code too, so its switching is done
with the probes taken out: they are always outermost.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from time import perf_counter_ns
from types import FunctionType
from typing import Any

from .. import _exchange
from ..amp import _gates
from ..autograd import engine, handover
from ..autograd.function import Function
from ..autograd.node import Node, Pick
from ..backends.cpu.memory import Primitive
from ..ops import _template
from ..ops._declare import OPS
from . import _record
from ._record import begin, end, state
from .events import Kernel


class Probe(_exchange.Probe):
    """A stand-in that lasts while a profile records."""

    def wanted(self) -> bool:
        return state.active is not None


class _Call(Probe):
    """An event for every call."""

    kind, view, method = "op", False, False

    def title(self, args: tuple[Any, ...]) -> str:
        return self.name

    def given(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """What its shapes and bytes are counted of, options apart."""
        return args[1:] if self.method else args

    def run(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        event, result, failed = begin(self.title(args), self.kind), None, True
        try:
            result = self.own(*args, **options)
            failed = False
        finally:
            end(event, failed)
            if event is not None:
                _record.note(event, (*self.given(args), *options.values()), result, self.view)
        return result


class _Op(_Call):
    def __init__(self, name: str, function: Any) -> None:
        super().__init__(name, function)
        self.view = function.op.view


class _Pass(_Call):
    """A whole backward pass, or a gradient's arrival at its leaf."""

    kind = "autograd"


class _Arrival(_Pass):
    """A gradient's arrival at its leaf, which must not be copied because it is watched."""

    def put_in(self) -> None:
        super().put_in()
        handover.held = _held()

    def take_out(self) -> None:
        super().take_out()
        handover.held = 0


def _held() -> int:
    """How many references to an argument a stand-in adds on the way to the own function."""

    def count(leaf: None, g: Any, recorded: bool) -> int:
        return sys.getrefcount(g)

    before, plain = _record.seal(True), count(None, object(), False)
    watch = _Pass("count", count)
    watch.put_in()
    try:
        return count(None, object(), False) - plain
    finally:
        _record.seal(before)


class _Step(_Call):
    """An optimizer's step; its name says whose."""

    kind, method = "optimizer", True

    def title(self, args: tuple[Any, ...]) -> str:
        return f"Optimizer.step#{type(args[0]).__name__}.step"


class _Function(_Call):
    """``apply`` of an ``autograd.Function``, by the name of its class."""

    method = True

    def title(self, args: tuple[Any, ...]) -> str:
        return str(args[0].__name__)


class _Module(_Call):
    kind, method = "module", True

    def title(self, args: tuple[Any, ...]) -> str:
        return f"nn.Module: {type(args[0]).__name__}"


class _Primitive(Probe):
    """A kernel of the event that it runs in, or an event of its own where there is none."""

    def run(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        primitive = args[0]
        name = primitive._what[0]
        alone = None if _record.inside_event() else begin(name, "primitive")
        start = perf_counter_ns()
        try:
            return self.own(*args)
        finally:
            took = perf_counter_ns() - start
            if _record.inside_event():
                _record.add_kernel(Kernel(name, primitive.implementation, start, took))
            end(alone)


class _Deposit(Probe):
    """Counts the bytes of gradients: ``deposit(pending, edge, g)``."""

    def run(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        _record.add_gradient(args[2])
        return self.own(*args)


# -- switching -----------------------------------------------------------------------------------
_lock = threading.RLock()  # taken after that of the gates
_calls: dict[int, Probe] = {}  # the probes of ops, which autocast might exchange
_others: list[Probe] = []
_placing = False  # whether an op that is compiled now gets probes


class _Compiling(Probe):
    """``build_call(op)``, which gives an op its code when it is first called."""

    def run(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        with _lock:
            call = self.own(*args)
            if _placing:
                _place_op(args[0])
        return call


class _Switching(Probe):
    """Autocast putting its gates in place, or taking them out."""

    def run(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        with _lock:
            _remove_ops()
            try:
                return self.own()
            finally:
                if state.active is not None:
                    _place_ops()


def _place_op(op: Any) -> None:
    for function in (op.call, op.hot):
        before = _calls.get(id(function))
        if before is None or function.__code__ is not before.code:
            probe = _calls[id(function)] = _Op(op.name.strip("_"), function)
            probe.put_in()


def _place_ops() -> None:
    """Probes for every op that has been compiled."""
    global _placing
    for op in list(OPS.values()):
        if op.call.__code__ is not _template._first_call.__code__:
            _place_op(op)
    _placing = True


def _remove_ops() -> None:
    global _placing
    _placing = False
    for probe in _calls.values():
        probe.take_out()
    _calls.clear()


def _steps() -> Iterator[FunctionType]:
    """The ``step`` of every optimizer's class that there is; none if nobody has imported them."""
    module = sys.modules.get("sensorium.optim.optimizer")
    kinds = [module.Optimizer] if module is not None else []
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if isinstance(own := kind.__dict__.get("step"), FunctionType):
            yield own


def _fixed(details: bool, modules: bool) -> Iterator[Probe]:
    """The probes of what is there from the start."""
    from . import _compiled  # here: it needs what ``import sensorium`` leaves out

    compiling, primitive = _template.build_call, Primitive.__call__
    yield _Compiling("build_call", compiling)
    for switch in (_gates._open_gates, _gates._close_gates):
        yield _Switching(switch.__name__, switch)
    yield _Primitive("primitive", primitive)
    yield from _compiled.probes()
    yield _Function("apply", Function.__dict__["apply"].__func__)
    for name, function in _PASSES.items():
        yield (_Arrival if function is handover.accumulate else _Pass)(name, function)
    for step in dict.fromkeys(_steps()):
        yield _Step("step", step)
    if details:
        yield _Deposit("deposit", handover.deposit)
    if modules:
        from ..nn.module import Module

        yield _Module("module", Module.__call__)


_PASSES: dict[str, Callable[..., Any]] = {
    "backward": engine.backward,
    "grad": engine.grad,
    "AccumulateGrad": handover.accumulate,
}


def _watch(step: Any, order: Any, roots: Any, wanted: Any) -> Any:
    """The step of a backward pass, as an event."""

    def noted(node: Node, g: Any, pending: Any, retain: bool, recorded: bool) -> None:
        if node.op is Pick or state.active is None:
            return step(node, g, pending, retain, recorded)
        event, saved, failed = begin(node.name(), "backward"), node.saved, True
        if event is not None:
            event.given = g
        try:
            step(node, g, pending, retain, recorded)
            failed = False
        finally:
            end(event, failed)
            if event is not None:
                _note_backward(event, g, saved)

    return noted


def _note_backward(event: Any, g: Any, saved: Any) -> None:
    event.given = None  # an event keeps no memory alive
    _record.note(event, tuple(g) if g.__class__ is list else (g,), None, False)
    if state.active is not None and state.active.shapes:
        event.bytes_in += _record.nbytes(saved)


def switch_on(details: bool, modules: bool) -> None:
    """Put the probes in place; a recording is active already."""
    with _gates._lock, _lock:
        _others.extend(_fixed(details, modules))
        for probe in _others:
            probe.put_in()
        _place_ops()
        engine.watchers.append(_watch)


def switch_off() -> None:
    """Put everything back."""
    with _gates._lock, _lock:
        engine.watchers.remove(_watch)
        _remove_ops()
        for probe in _others:
            probe.take_out()
        _others.clear()
