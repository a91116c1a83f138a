"""Getting between a caller and a function at no cost when nobody wants to.

A function stays the same object, wherever it was imported to; while somebody watches, its code is
that of a stand-in, which calls a *twin* with the function's own code. Afterwards the own code is put
back. Autocast, the profiler and the tracer of ``compile`` watch ops this way.
"""

from __future__ import annotations

from types import CodeType, FunctionType
from typing import Any


def _through(*args: Any, **options: Any) -> Any:
    watcher: Any = "the watcher"  # this constant is exchanged for the watcher itself
    return watcher(*args, **options)


def stand_in(name: str, watcher: Any, like: FunctionType) -> CodeType:
    """Code that calls the watcher, for a function such as like; name is what tracebacks show.

    Its free variables are named, for Python to accept it, and never read.
    """
    code = _through.__code__
    consts = tuple(watcher if c == "the watcher" else c for c in code.co_consts)
    free = like.__code__.co_freevars
    return code.replace(co_consts=consts, co_name=name, co_freevars=free)


def twin(function: FunctionType) -> FunctionType:
    """Another function with the same code, defaults and surroundings."""
    made = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__,
        function.__closure__,
    )  # fmt: skip
    made.__kwdefaults__ = function.__kwdefaults__  # type: ignore[assignment]
    return made


class Probe:
    """Stands in for a function; ``run`` is what its subclasses do around ``own``, the twin."""

    def __init__(self, name: str, function: Any) -> None:
        self.name, self.function = name, function
        self.own = twin(function)
        self.code = stand_in(name, self, self.own)

    def put_in(self) -> None:
        self.function.__code__ = self.code

    def take_out(self) -> None:
        """Unless somebody has exchanged the code since; then the first call will."""
        if self.function.__code__ is self.code:
            self.function.__code__ = self.own.__code__

    def wanted(self) -> bool:
        """Whether anybody still watches."""
        raise TypeError(f"{type(self).__name__} defines no wanted()")

    def run(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        raise TypeError(f"{type(self).__name__} defines no run()")

    def __call__(self, *args: Any, **options: Any) -> Any:
        if not self.wanted():
            self.take_out()
            return self.own(*args, **options)
        return self.run(args, options)
