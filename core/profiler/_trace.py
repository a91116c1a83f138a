"""A profile as JSON in the Trace Event Format, which Perfetto and chrome://tracing draw.

Complete events (``"ph": "X"``) with microseconds, one row a thread; oneDNN's primitives lie under
the calls that ran them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .events import FunctionEvent

_CATEGORIES = {"op": "cpu_op", "user": "user_annotation", "primitive": "primitive"}


def trace(events: Sequence[FunctionEvent], threads: Mapping[int, str], origin_ns: int) -> str:
    """The document: ``{"traceEvents": [...], "displayTimeUnit": "ms"}``."""
    pid = os.getpid()
    rows: list[dict[str, Any]] = [_name("process_name", pid, 0, os.path.basename(sys.executable))]
    rows += [_name("thread_name", pid, number, name) for number, name in threads.items()]
    for event in events:
        rows += _slices(event, pid, origin_ns)
    return json.dumps({"displayTimeUnit": "ms", "traceEvents": rows}, separators=(",", ":"))


def _name(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}


def _slices(event: FunctionEvent, pid: int, origin_ns: int) -> Iterator[dict[str, Any]]:
    """The call, then the primitives in it."""
    place = {"ph": "X", "pid": pid, "tid": event.thread}
    yield {
        **place,
        "name": event.name,
        "cat": _CATEGORIES.get(event.kind, event.kind),
        "ts": (event.start_ns - origin_ns) / 1000,
        "dur": (event.end_ns - event.start_ns) / 1000,
        "args": _facts(event),
    }
    for kernel in event.kernels:
        yield {
            **place,
            "name": f"{kernel.name} {kernel.implementation}",
            "cat": "primitive",
            "ts": (kernel.start_ns - origin_ns) / 1000,
            "dur": kernel.duration_ns / 1000,
        }


def _facts(event: FunctionEvent) -> dict[str, Any]:
    facts: dict[str, Any] = {"Primitive": event.primitive}
    if event.input_shapes:
        facts["Input Dims"] = event.input_shapes
        facts |= {"Bytes in": event.bytes_in, "Bytes out": event.bytes_out}
    if event.cpu_memory_usage:
        facts["Bytes"] = event.cpu_memory_usage
    if event.stack:
        facts["Call stack"] = "; ".join(reversed(event.stack))
    if event.note:
        facts["args"] = event.note
    if event.failed:
        facts["failed"] = True
    return facts
