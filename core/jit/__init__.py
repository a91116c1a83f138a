"""Compiling: tracing to a graph, passes over it, and running it as a flat list of bound calls.

    compile         a module or function as a graph of fused steps (also ``sensorium.compile``)
    training_step   forward, loss and gradients as one graph
    trace           the graph alone, as it was called
    is_tracing      whether this thread is being traced: for shortcuts that depend on values

Imports nothing until a name is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .state import is_tracing as is_tracing

if TYPE_CHECKING:
    from .compiled import Compiled as Compiled, compile as compile
    from .graph import Graph as Graph, Node as Node, Value as Value
    from .tracing import trace as trace
    from .training import training_step as training_step

_NAMES = {
    "Compiled": "compiled",
    "Graph": "graph",
    "Node": "graph",
    "Value": "graph",
    "compile": "compiled",
    "trace": "tracing",
    "training_step": "training",
}


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        found = globals()[name] = getattr(import_module(f".{_NAMES[name]}", __name__), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})
