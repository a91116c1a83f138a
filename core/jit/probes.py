"""What the tracer puts in the place of ops, in-place writes and reads while it runs.

See ``sensorium._exchange``. One trace runs at a time in the process; other threads pass through.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import inplace
from .._exchange import Probe
from ..amp import _gates
from ..ops import _template
from ..ops._declare import OPS
from ..tensor import Tensor
from .state import here
from .tracer import Tracer, refuse

_lock = threading.RLock()
_active = False


class _Watch(Probe):
    """A stand-in that lasts while a trace runs, for the thread that runs it."""

    def wanted(self) -> bool:
        return _active

    def run(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        tracer = here.tracer
        if tracer is None or tracer.inside:
            return self.own(*args, **options)
        return self.seen(tracer, args, options)

    def seen(self, tracer: Tracer, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        raise TypeError(f"{type(self).__name__} defines no seen()")


class _Op(_Watch):
    def __init__(self, op: Any, function: Any) -> None:
        super().__init__(op.name, function)
        self.op = op

    def seen(self, tracer: Tracer, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return tracer.call(self.op, self.own, args, options)


class _Store(_Watch):
    def seen(self, tracer: Tracer, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return tracer.store(self.own, *args, **options)


class _Wrote(_Watch):
    def seen(self, tracer: Tracer, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        raise refuse(f"memory {tuple(args[0].shape)} is written by something other than an op")


class _SetItem(_Watch):
    """``x[index] = value`` as the op that copies x and writes into the copy."""

    def seen(self, tracer: Tracer, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        from ..ops.gather import _put_at
        from ..ops.index import plain_index

        x, index, value = args
        inplace.check_writable("setitem", x)
        plain, _ = plain_index(index)
        source = inplace._as_source("setitem", x, value)
        inplace.store("setitem", x, _put_at(x, source, plain, False))


class _Read(_Watch):
    def seen(self, tracer: Tracer, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return tracer.read(self.own, self.name, args[0], args[1:], options)


class _Compiling(_Watch):
    """``build_call(op)``, which gives an op its code when it is first called."""

    def run(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        call = self.own(*args)
        with _lock:
            if _active:
                _place(args[0])
        return call


_READS = [
    "__bool__",
    "__float__",
    "__int__",
    "__index__",
    "__complex__",
    "__contains__",
    "__array__",
    "item",
    "tolist",
    "numpy",
]
_probes: dict[int, Probe] = {}


def _put(probe: Probe) -> None:
    _probes[id(probe.function)] = probe
    probe.put_in()


def _place(op: Any) -> None:
    for function in (op.call, op.hot):
        before = _probes.get(id(function))
        if before is None or function.__code__ is not before.code:
            _put(_Op(op, function))


def _place_all() -> None:
    for op in list(OPS.values()):
        if op.call.__code__ is not _template._first_call.__code__:
            _place(op)
    _put(_Compiling("build_call", _template.build_call))
    _put(_Store("store", inplace.store))
    _put(_Wrote("wrote", inplace.wrote))
    _put(_SetItem("setitem", inplace.setitem))
    for name in _READS:
        _put(_Read(name, Tensor.__dict__[name]))


@contextmanager
def watching(tracer: Tracer) -> Iterator[None]:
    """Let the tracer see what this thread does."""
    global _active
    with _gates._lock, _lock:
        _active, here.tracer = True, tracer
        _place_all()
    try:
        yield
    finally:
        with _gates._lock, _lock:
            _active, here.tracer = False, None
            for probe in _probes.values():
                probe.take_out()
            _probes.clear()
