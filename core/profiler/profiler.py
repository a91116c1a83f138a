"""``profile``: recording, step by step where asked, and what is made of the events.

Nothing in the library asks whether a profile is on: while one records, the code of the operations is
exchanged (``_probes``), and it is put back afterwards.
"""

from __future__ import annotations

import enum
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any, Self

from ..errors import OpError, OptionError
from . import _flame, _probes, _record, _trace
from ._record import Recording, state
from .averages import EventList


class ProfilerActivity(enum.Enum):
    """What can be recorded."""

    CPU = 0


def supported_activities() -> set[ProfilerActivity]:
    """The CPU's calls; those of a GPU are timed until they return.

    >>> supported_activities()
    {<ProfilerActivity.CPU: 0>}
    """
    return set(ProfilerActivity)


class ProfilerAction(enum.Enum):
    """What to do in a step: nothing, record for practice, record, or record and hand over."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def schedule(
    *,
    wait: int,
    warmup: int,
    active: int,
    repeat: int = 0,
    skip_first: int = 0,
    skip_first_wait: int = 0,
) -> Callable[[int], ProfilerAction]:
    """Cycles of ``wait`` idle steps, ``warmup`` thrown away and ``active`` recorded ones.

    repeat: number of cycles, 0 for ever. skip_first: idle steps before the first cycle.
    skip_first_wait: other than 0 if the first cycle is not to wait.

    >>> plan = schedule(wait=1, warmup=1, active=2, repeat=1)
    >>> [plan(step).name for step in range(5)]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    given = {"wait": wait, "warmup": warmup, "repeat": repeat, "skip_first": skip_first}
    for name, value in given.items():
        if value < 0:
            raise OptionError(f"schedule: {name} must be 0 or more, got {value}")
    if active < 1:
        raise OptionError(f"schedule: active must be 1 or more, got {active}")
    cycle = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        if step < skip_first:
            return ProfilerAction.NONE
        step += wait * bool(skip_first_wait) - skip_first
        if (repeat and step >= repeat * cycle) or step % cycle < wait:
            return ProfilerAction.NONE
        if step % cycle < wait + warmup:
            return ProfilerAction.WARMUP
        last = step % cycle == cycle - 1
        return ProfilerAction.RECORD_AND_SAVE if last else ProfilerAction.RECORD

    return action


_RECORDED = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
_starting = threading.Lock()


class profile:
    """Records every operation that runs inside, in all threads of the process.

    activities      None or ``[ProfilerActivity.CPU]``
    schedule        which steps to record, told by ``step()``; without it everything
    on_trace_ready  called with the profile when a recording is complete
    record_shapes   note the shapes of the arguments and the bytes read and returned
    profile_memory  note the bytes of results that are new memory
    with_stack      note the lines that call
    with_modules    an event for every call of a module too

    Several calls overlap as their threads do; one profile can be on at a time (``OpError``).

    >>> import sensorium as sn
    >>> x = sn.ones(3, requires_grad=True)
    >>> with profile() as p:
    ...     (x * 2).backward(x)
    >>> [e.name for e in p.events()][:3]
    ['mul', 'backward', 'MulBackward0']
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
    ) -> None:
        unknown = set(activities or ()) - supported_activities()
        if unknown:
            raise OptionError(f"profile: activities can be ProfilerActivity.CPU, got {unknown}")
        self._schedule, self._ready = schedule, on_trace_ready
        self._settings = record_shapes, profile_memory, with_stack
        self._modules = with_modules
        self.step_num = 0
        self._action = ProfilerAction.NONE
        self._recording: Recording | None = None
        self._step_event: Any = None
        self._events: EventList | None = None
        self._threads: dict[int, str] = {}
        self._origin = 0

    # -- switching -------------------------------------------------------------------------------
    def start(self) -> None:
        """Begin, at step 0."""
        self.step_num = 0
        self._change(self._wanted())

    def stop(self) -> None:
        """End; what was recorded is handed over."""
        self._change(ProfilerAction.NONE, ended=True)

    def step(self) -> None:
        """Say that a step of the loop is over."""
        self.step_num += 1
        self._change(self._wanted())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wanted(self) -> ProfilerAction:
        return self._schedule(self.step_num) if self._schedule else ProfilerAction.RECORD

    def _change(self, after: ProfilerAction, ended: bool = False) -> None:
        """Go from one step's action to the next one's."""
        before, self._action = self._action, ProfilerAction.NONE  # if anything below fails
        _record.end(self._step_event)
        self._step_event = None
        complete = before is ProfilerAction.RECORD_AND_SAVE or (ended and before in _RECORDED)
        fresh = complete or (before is ProfilerAction.WARMUP and after in _RECORDED)
        if self._recording is not None and (fresh or after is ProfilerAction.NONE):
            self._close(self._recording, keep=before in _RECORDED)
        if complete and self._ready is not None:
            self._ready(self)
        if self._recording is None and after is not ProfilerAction.NONE:
            self._open()
        if self._schedule is not None and self._recording is not None:
            self._step_event = _record.begin(f"ProfilerStep#{self.step_num}", "user")
        self._action = after

    def _open(self) -> None:
        with _starting:
            if state.active is not None:
                raise OpError("profile: another profile is on; one can be at a time")
            self._recording = state.active = Recording(*self._settings)
        _probes.switch_on(self._recording.details, self._modules)

    def _close(self, recording: Recording, keep: bool) -> None:
        _probes.switch_off()
        self._recording = state.active = None
        if keep:
            self._events = EventList(_record.finish(recording))
            self._threads, self._origin = recording.threads, recording.start_ns

    # -- results ---------------------------------------------------------------------------------
    def events(self) -> EventList:
        """Every event of the last complete recording, by start."""
        if self._events is None:
            raise OpError("profile: nothing is recorded yet; leave the `with` or call stop() first")
        return self._events

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0
    ) -> EventList:
        """Events added up by name, and by shapes and the innermost n lines if asked."""
        return self.events().key_averages(group_by_input_shape, group_by_stack_n)

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write JSON for Perfetto (ui.perfetto.dev) or chrome://tracing."""
        _write(path, _trace.trace(self.events(), self._threads, self._origin))

    def export_flame(self, path: str | os.PathLike[str]) -> None:
        """Write a flame picture: an SVG that a browser shows, with a tooltip on every box."""
        _write(path, _flame.flame(self.events()))

    def export_stacks(
        self, path: str | os.PathLike[str], metric: str = "self_cpu_time_total"
    ) -> None:
        """Write a line a call path, outermost first, and its time (us): for other flame tools.

        metric: "self_cpu_time_total" is the only one.
        """
        if metric != "self_cpu_time_total":
            raise OptionError(f"export_stacks: metric must be self_cpu_time_total, got {metric!r}")
        _write(path, _stacks(self.events()))


def _stacks(events: Iterable[Any]) -> str:
    found: dict[str, float] = {}
    for event in events:
        names, above = [event.name], event.cpu_parent
        while above is not None:
            names.append(above.name)
            above = above.cpu_parent
        path = ";".join(reversed(names))
        found[path] = found.get(path, 0.0) + event.self_cpu_time_total
    return "".join(f"{path} {round(us)}\n" for path, us in found.items())


def _write(path: str | os.PathLike[str], text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
