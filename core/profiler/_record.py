"""Opening and closing events, and ``record_function``.

Every thread has a stack of open events, linked by ``cpu_parent``. One recording is active in the
process at a time, or none; an event that was open when its recording began or ended is dropped.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Self

import numpy as np

from ..tensor import Tensor
from .events import FunctionEvent, Kernel

_CORE = str(Path(__file__).parent.parent)  # as it stands in the code objects


class Recording:
    """The settings of one recording, and the events that have ended."""

    def __init__(self, shapes: bool, memory: bool, stack: bool) -> None:
        self.shapes, self.memory, self.stack = shapes, memory, stack
        self.details = shapes or memory
        self.events: list[FunctionEvent] = []
        self.threads: dict[int, str] = {}
        self.start_ns = perf_counter_ns()


class _State:
    """Of the process."""

    active: Recording | None = None


class _Here(threading.local):
    """Of the calling thread."""

    recording: Recording | None = None
    top: FunctionEvent | None = None
    thread = 0
    sealed = False


state, _here = _State(), _Here()


# -- events --------------------------------------------------------------------------------------
def begin(name: str, kind: str) -> FunctionEvent | None:
    """Open an event; None where nothing is recorded."""
    recording, here = state.active, _here
    if recording is None or here.sealed:
        return None
    if here.recording is not recording:
        here.recording, here.top, here.thread = recording, None, threading.get_native_id()
        recording.threads[here.thread] = threading.current_thread().name
    event = here.top = FunctionEvent(name, kind, here.top, here.thread)
    if recording.stack:
        event.stack = _lines()
    event.start_ns = perf_counter_ns()
    return event


def end(event: FunctionEvent | None, failed: bool = False) -> None:
    """Close it, and whatever was left open inside."""
    now, here = perf_counter_ns(), _here
    recording = state.active
    if event is None or recording is None or here.recording is not recording:
        return
    if here.top is not event and not _is_open(event):
        return
    event.end_ns, event.failed, event.origin_ns = now, failed, recording.start_ns
    parent = here.top = event.cpu_parent
    if parent is not None:
        parent.children_ns += now - event.start_ns
        _add_primitives(parent, event.primitive_ns, event.longest_ns, event.primitive)
    recording.events.append(event)


def _is_open(event: FunctionEvent) -> bool:
    above = _here.top
    while above is not None and above is not event:
        above = above.cpu_parent
    return above is event


def _add_primitives(event: FunctionEvent, total: int, longest: int, name: str) -> None:
    event.primitive_ns += total
    if longest > event.longest_ns:
        event.longest_ns, event.primitive = longest, name


def add_kernel(kernel: Kernel) -> None:
    """Note a primitive with the innermost open event; there is always one."""
    event = _here.top
    if event is None:
        return
    event.kernels.append(kernel)
    _add_primitives(event, kernel.duration_ns, kernel.duration_ns, kernel.implementation)


def seal(closed: bool) -> bool:
    """Whether the calling thread opens no events from now on; what it was before."""
    before, _here.sealed = _here.sealed, closed
    return before


def inside_event() -> bool:
    """Whether the calling thread has an open event in the active recording."""
    return _here.top is not None and _here.recording is state.active


def add_gradient(array: Any) -> None:
    """Count a gradient that is handed on with the backward that made it."""
    event, recording = _here.top, state.active
    if recording is None or event is None or event.kind != "backward" or not inside_event():
        return
    if recording.shapes:
        event.bytes_out += nbytes(array)
    if recording.memory:
        event.cpu_memory_usage += _new_bytes(array, _arrays(event.given))


def finish(recording: Recording) -> list[FunctionEvent]:
    """The events that have ended, in the order they began; one that never did leaves its line."""
    events = sorted(recording.events, key=lambda event: event.id)
    for event in events:
        parent = event.cpu_parent
        while parent is not None and not parent.end_ns:
            parent = parent.cpu_parent
        if parent is not None and parent is not event.cpu_parent:  # its time is not counted there
            parent.children_ns += event.end_ns - event.start_ns
        event.cpu_parent = parent
    for event in reversed(events):  # callers after what they call
        if event.kind in _WITHOUT_RESULTS:
            event.cpu_memory_usage = event.children_memory
        if event.cpu_parent is not None:
            event.cpu_parent.children_memory += event.cpu_memory_usage
    return events


_WITHOUT_RESULTS = ("user", "autograd", "optimizer", "primitive")  # what was new inside is new


# -- what a call was given -----------------------------------------------------------------------
def _array_of(value: Any) -> Any:
    return value.array if isinstance(value, Tensor) else value


def nbytes(value: Any) -> int:
    """Bytes of a tensor, an array, or several; 0 for anything else."""
    if isinstance(value, (list, tuple)):
        return sum(map(nbytes, value))
    return int(getattr(_array_of(value), "nbytes", 0))


def _shape_of(value: Any) -> list[Any]:
    """[] for a number or an option."""
    if isinstance(value, (list, tuple)) and any(isinstance(v, Tensor) for v in value):
        return [_shape_of(v) for v in value]
    return list(value.shape) if isinstance(value, (Tensor, np.ndarray)) else []


def note(event: FunctionEvent, given: tuple[Any, ...], result: Any, view: bool) -> None:
    """Shapes and bytes of a call's arguments and result, as far as they are wanted; a view has none."""
    recording = state.active
    if recording is None:
        return
    if recording.shapes:
        event.input_shapes = [_shape_of(value) for value in given]
        if not view:
            event.bytes_in += nbytes(given)
            event.bytes_out += nbytes(result)
    if recording.memory and not view:
        event.cpu_memory_usage += _new_bytes(result, _arrays(given))


def _new_bytes(result: Any, given: list[Any]) -> int:
    """Bytes of the arrays of a result that share no memory with those given."""
    found = [a for a in _arrays(result) if not any(np.may_share_memory(a, g) for g in given)]
    return nbytes(found)


def _arrays(value: Any) -> list[Any]:
    """The NumPy arrays in a value or in several."""
    if isinstance(value, (list, tuple)):
        return [array for item in value for array in _arrays(item)]
    array = _array_of(value)
    return [array] if isinstance(array, np.ndarray) else []


def _lines() -> list[str]:
    """``file(line): function`` of the callers outside the library's core, innermost first."""
    found: list[str] = []
    frame: Any = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith((_CORE, "<op ")):
            found.append(f"{code.co_filename}({frame.f_lineno}): {code.co_name}")
        frame = frame.f_back
    return found


# -- the user's own ------------------------------------------------------------------------------
class record_function(contextlib.ContextDecorator):
    """A name for what runs inside, as a context or on a function; next to free while not profiled.

    >>> from sensorium.profiler import profile
    >>> @record_function("twice")
    ... def twice(x):
    ...     with record_function("sum"):
    ...         return x + x
    >>> with profile() as p:
    ...     twice(1)
    2
    >>> [(event.name, event.kind) for event in p.events()]
    [('twice', 'user'), ('sum', 'user')]
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._events: list[FunctionEvent | None] = []

    def _recreate_cm(self) -> record_function:
        """A decorated function has a context of its own for every call."""
        return record_function(self.name, self.args)

    def __enter__(self) -> Self:
        event = begin(self.name, "user")
        self._events.append(event)
        if event is not None:
            event.note = self.args or ""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        end(self._events.pop(), kind is not None)
