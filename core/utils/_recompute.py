"""Running a function again for what it kept: the places in the graph, and the run that fills them."""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from ..autograd import saving, watch
from ..autograd.function import packed, revived
from ..autograd.mode import enable_grad
from ..autograd.node import Node, cell_of
from ..errors import AutogradError
from ..generator import default_generator
from ..tensor import Tensor


class CheckpointError(AutogradError):
    """A function that did not keep the same values when it ran again."""


# -- what a run depends on -----------------------------------------------------------------------
class Surroundings:
    """The random state, if it is to be preserved, and autocast, as they are when this is made."""

    def __init__(self, preserve: bool) -> None:
        self.state = default_generator.get_state() if preserve else None
        self.autocast = _autocast_settings()

    @contextlib.contextmanager
    def again(self) -> Iterator[None]:
        """Inside, they are so again; afterwards as if nothing was drawn."""
        with contextlib.ExitStack() as stack:
            for setting in _autocast_settings():
                device = setting[0]
                found = next((s for s in self.autocast if s[0] == device), (device, None, False))
                stack.enter_context(_amp().autocast(*found))
            before = default_generator.get_state()
            if self.state is not None:
                default_generator.set_state(self.state)
            try:
                yield
            finally:
                if self.state is not None:
                    default_generator.set_state(before)


def _amp() -> Any:
    """The module of autocast, if anybody has loaded it."""
    return sys.modules.get(f"{__package__.rpartition('.')[0]}.amp.autocast_mode")


def _autocast_settings() -> list[tuple[Any, ...]]:
    """For every kind of device what ``autocast`` takes to set it as it is now."""
    amp = _amp()
    if amp is None:
        return []
    caching = amp.is_autocast_cache_enabled()
    return [
        (kind, amp.get_autocast_dtype(kind), amp.is_autocast_enabled(kind), caching)
        for kind in ("cpu", "cuda")
    ]


# -- places --------------------------------------------------------------------------------------
class _Place:
    """What the graph keeps instead of a value; holds it from being computed again to being used."""

    __slots__ = ("__weakref__", "value")

    value: Tensor | None

    def __init__(self) -> None:
        self.value = None


class _Enough(BaseException):
    """All values have been computed again: stop the function."""


class _Early:
    """Whether recomputation stops as soon as it can; None: as each checkpoint says."""

    stop: bool | None = None


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Inside, checkpoints that are made stop their recomputation early, or do not.

    >>> with set_checkpoint_early_stop(False):
    ...     pass
    """
    before, _Early.stop = _Early.stop, enable
    try:
        yield
    finally:
        _Early.stop = before


class Frame:
    """One checkpointed call: how to run it again, and the places that wait for its values."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        preserve: bool,
        context: Any,
        check: bool,
        early_stop: bool,
        names: list[str] | None,
    ) -> None:
        self.function, self.context, self.check = function, context, check
        self.early_stop = early_stop if _Early.stop is None else _Early.stop
        self.around = Surroundings(preserve)
        self.args = [_Kept(a) for a in args]
        self.kwargs = {name: _Kept(a) for name, a in kwargs.items()}
        self.names = names
        self.places: list[weakref.ref[_Place]] = []
        self.facts: list[tuple[Any, ...]] = []

    # -- the first run
    def run_first(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the function, forgetting what it would keep."""
        _begin_names(self.names)
        saving.enter((self.pack, self.unpack))
        try:
            return self.function(*args, **kwargs)
        finally:
            saving.leave()
            _end_names(self.names)

    def pack(self, value: Tensor) -> _Place:
        """Forget value but for what it looked like."""
        place = _Place()
        self.places.append(weakref.ref(place))
        self.facts.append(_facts(value))
        return place

    def unpack(self, place: _Place) -> Tensor:
        """The value again; running the function again gives those of all places."""
        if place.value is None:
            self.run_again()
        value, place.value = place.value, None
        if value is None:
            raise CheckpointError("checkpoint: a value that backward needs was not computed again")
        return value

    # -- the second
    def run_again(self) -> None:
        """Run the function and fill the places, in the order in which they were made."""
        refill = _Refill(self)
        args = [a.tensor() for a in self.args]
        kwargs = {name: a.tensor() for name, a in self.kwargs.items()}
        with self.around.again(), enable_grad(), self.context, refill:
            self.function(*args, **kwargs)
        if not refill.stopped and refill.count != len(self.places):
            raise CheckpointError(
                f"checkpoint: {len(self.places)} values were kept for backward at first, "
                f"{refill.count} when the function ran again{refill.ran()}"
            )


class _Refill:
    """Hooks in force while a function runs again."""

    def __init__(self, frame: Frame) -> None:
        self.frame, self.count, self.stopped = frame, 0, False
        self.names: list[str] | None = None if frame.names is None else []

    def __enter__(self) -> None:
        _begin_names(self.names)
        saving.enter((self.pack, _as_it_is))

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        saving.leave()
        _end_names(self.names)
        self.stopped = isinstance(error, _Enough)
        return self.stopped

    def pack(self, value: Tensor) -> Tensor:
        """Hand value to its place, if anybody still waits there."""
        frame, i = self.frame, self.count
        self.count += 1
        if i >= len(frame.places):
            return value
        found, wanted = _facts(value), frame.facts[i]
        if frame.check and found != wanted:
            raise CheckpointError(
                f"checkpoint: value {i} kept for backward had (shape, type, device) {wanted} at "
                f"first, {found} when the function ran again{self.ran()}"
            )
        place = frame.places[i]()
        if place is not None:
            place.value = value
        if frame.early_stop and self.count == len(frame.places):
            raise _Enough
        return value

    def ran(self) -> str:
        """The operations of both runs, with debug."""
        if self.names is None or self.frame.names is None:
            return "; it must do the same each time, or pass debug=True to see its operations"
        return f"\nfirst run: {' '.join(self.frame.names)}\nsecond run: {' '.join(self.names)}"


def _as_it_is(value: Tensor) -> Tensor:
    return value


def _facts(value: Tensor) -> tuple[Any, ...]:
    return tuple(value.shape), str(value.dtype), str(value.device)


class _Kept:
    """An argument, kept as the hooks around the checkpoint want it, guarded against writes."""

    def __init__(self, value: Any) -> None:
        self.value: Any = value
        self.cell, self.stamp = [0], 0
        if isinstance(value, Tensor):
            self.cell = cell_of(value)
            self.stamp = self.cell[0]
            if saving.stack.pairs:
                self.value = packed(value, False)
                if not self.value.shares:
                    self.cell = [self.stamp]

    def tensor(self) -> Any:
        """The argument again."""
        if self.cell[0] != self.stamp:
            raise AutogradError(
                f"checkpoint: an input (shape {tuple(self.value.shape)}) was changed in place: "
                f"{self.cell[0]} writes, {self.stamp} when the function ran first"
            )
        return revived(self.value)


def _begin_names(names: list[str] | None) -> None:
    if names is not None:
        watch.begin(_namer(names))


def _end_names(names: list[str] | None) -> None:
    if names is not None:
        watch.end(_namer(names))


class _namer:
    """Notes the names of the nodes that are made; equal if it writes to the same list."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def __call__(self, node: Node) -> None:
        self.names.append(node.name())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _namer) and other.names is self.names

    __hash__ = None  # type: ignore[assignment]
