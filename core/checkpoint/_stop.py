"""Ending a run when asked to: a signal sets a flag, the loop looks at it, saves, and leaves."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from types import FrameType
from typing import Any, Self


class StopRequest:
    """True once SIGTERM, SIGINT (Ctrl-C) or SIGUSR1 has come; a second one ends the program at once.

        with StopRequest() as stop:
            for batch in loader:
                train(batch)
                if stop:
                    checkpointer.save(step, force=True)
                    raise SystemExit(stop.exit_code)

    To be entered in the main thread. A second signal harms nothing that was saved: a save that it
    interrupts is not there at all (see ``Checkpointer``). Forked processes have the handler, too,
    but do nothing with it. Left out: agreeing on the step between several training processes.

    >>> import signal
    >>> with StopRequest() as stop:
    ...     signal.raise_signal(signal.SIGTERM)
    ...     bool(stop), stop.exit_code
    (True, 143)
    """

    def __init__(self, signals: Sequence[int] | None = None) -> None:
        usual = (signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGUSR1", None))
        self.signals = [s for s in (usual if signals is None else signals) if s is not None]
        self.signal: int | None = None
        self._before: dict[int, Any] = {}
        self._process = os.getpid()

    def __enter__(self) -> Self:
        self._process = os.getpid()
        for number in self.signals:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            return
        if self.signal is not None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.signal = number

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 + the signal, as shells have it; 0 if none came."""
        return 0 if self.signal is None else 128 + int(self.signal)
