"""What is known of one call: ``FunctionEvent``, and ``Kernel`` for a primitive that ran inside it.

The clock counts nanoseconds (``time.perf_counter_ns``); what users read is in microseconds, as in
``torch.autograd.profiler_util``.
"""

from __future__ import annotations

from itertools import count
from typing import Any, NamedTuple

_next_id = count().__next__


class Kernel(NamedTuple):
    """One execution of a oneDNN primitive: its kind, implementation, start and length (ns)."""

    name: str
    implementation: str
    start_ns: int
    duration_ns: int

    @property
    def duration(self) -> float:
        """Microseconds."""
        return self.duration_ns / 1000


class Interval(NamedTuple):
    """From when to when, in microseconds from the start of the profile."""

    start: float
    end: float

    def elapsed_us(self) -> float:
        """The length."""
        return self.end - self.start


class FunctionEvent:
    """A call of an operation, its backward, a module or the user's own stretch of lines.

    name        the operation; ``MulBackward0`` for the gradient of ``mul``
    kind        "op", "backward", "autograd" (a whole pass), "optimizer", "module", "user", "primitive"
    id          events are numbered as they begin
    thread      the system's number of the thread
    input_shapes, bytes_in, bytes_out      with record_shapes; bytes of tensors read and returned (a
                view: none)
    primitive   the oneDNN implementation that took longest inside, or "numpy"
    kernels     the primitives that the call itself ran
    stack       with with_stack: the lines that called it outside this library, innermost first
    failed      whether it ended in an exception
    note        what ``record_function`` was given as args
    """

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "children_memory",
        "children_ns",
        "cpu_memory_usage",
        "cpu_parent",
        "end_ns",
        "failed",
        "given",
        "id",
        "input_shapes",
        "kernels",
        "kind",
        "longest_ns",
        "name",
        "note",
        "origin_ns",
        "primitive",
        "primitive_ns",
        "stack",
        "start_ns",
        "thread",
    )

    def __init__(self, name: str, kind: str, parent: FunctionEvent | None, thread: int) -> None:
        self.name, self.kind, self.cpu_parent, self.thread = name, kind, parent, thread
        self.id = _next_id()
        self.start_ns = self.end_ns = self.origin_ns = 0
        self.children_ns = self.primitive_ns = self.longest_ns = 0
        self.bytes_in = self.bytes_out = self.cpu_memory_usage = self.children_memory = 0
        self.input_shapes: list[Any] = []
        self.kernels: list[Kernel] = []
        self.stack: list[str] = []
        self.primitive, self.note = "numpy", ""
        self.given: Any = None  # the gradient that a backward works on, while it does
        self.failed = False

    # -- as PyTorch calls it ---------------------------------------------------------------------
    @property
    def key(self) -> str:
        return self.name

    @property
    def count(self) -> int:
        return 1

    @property
    def is_user_annotation(self) -> bool:
        """Whether ``record_function`` made it."""
        return self.kind == "user"

    @property
    def time_range(self) -> Interval:
        """Start and end in microseconds from the start of the profile."""
        return Interval(
            (self.start_ns - self.origin_ns) / 1000, (self.end_ns - self.origin_ns) / 1000
        )

    @property
    def cpu_time_total(self) -> float:
        """Microseconds from call to return."""
        return (self.end_ns - self.start_ns) / 1000

    cpu_time = cpu_time_total

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds without the events inside."""
        return (self.end_ns - self.start_ns - self.children_ns) / 1000

    @property
    def self_cpu_memory_usage(self) -> int:
        """Bytes of the results less those of the events inside: negative where they were freed."""
        return self.cpu_memory_usage - self.children_memory

    @property
    def primitive_time_total(self) -> float:
        """Microseconds inside oneDNN primitives, those of the events inside included."""
        return self.primitive_ns / 1000

    @property
    def self_primitive_time_total(self) -> float:
        """Microseconds inside the primitives that the call itself ran."""
        return sum(kernel.duration_ns for kernel in self.kernels) / 1000

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent {self.name} ({self.kind}): {self.cpu_time_total:.3f} us, "
            f"{self.primitive}, thread {self.thread}>"
        )
