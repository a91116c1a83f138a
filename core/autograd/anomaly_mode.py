"""Finding the forward line whose gradient is NaN or fails: ``detect_anomaly``.

While detection is on, every new node notes the stack of its call, and every step of a backward pass
is checked. An error then names the operation and the innermost line outside this library's core that
ran it; a NaN becomes such an error. Follows ``torch.autograd.anomaly_mode``, which warns where the
line stands; here it stands in the error. As there, detection is a setting of the whole process.
"""

from __future__ import annotations

import sys
import threading
import traceback
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import AutogradError
from ..tensor import Tensor
from . import engine, watch
from .node import Node, Pick

_CORE = str(Path(__file__).resolve().parent.parent)

_stacks: weakref.WeakKeyDictionary[Node, traceback.StackSummary] = weakref.WeakKeyDictionary()
_parents: weakref.WeakKeyDictionary[Node, Node] = weakref.WeakKeyDictionary()


class _State:
    """The settings of the process."""

    enabled = False
    check_nan = True


class _Running(threading.local):
    """The node whose gradient the calling thread computes."""

    node: Node | None = None


_state, _running = _State(), _Running()


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return _state.enabled


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly detection, when on, looks for NaN."""
    return _state.check_nan


# -- forward: where nodes are made ---------------------------------------------------------------
def _note(node: Node) -> None:
    frames = traceback.walk_stack(sys._getframe(2))
    found = traceback.StackSummary.extract(frames, lookup_lines=False)
    found.reverse()
    _stacks[node] = found
    if _running.node is not None:
        _parents[node] = _running.node


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith((_CORE, "<op "))


def _users(node: Node) -> list[traceback.FrameSummary]:
    """The frames outside the core, innermost last."""
    frames = list(_stacks.get(node) or ())
    while frames and _is_ours(frames[-1]):
        frames.pop()
    return frames


def _line(node: Node) -> str:
    """Where a node was made: ``file:line: source``."""
    frames = _users(node)
    if not frames:
        return "before anomaly detection was switched on"
    last = frames[-1]
    return f"at {last.filename}:{last.lineno}: {last.line}"


def _origin(node: Node) -> str:
    """All that is known of where a node was made, for the note of an error."""
    text = f"{node.name()} was recorded {_line(node)}"
    parent = _parents.get(node)
    while parent is not None:
        text += f"\n  by the backward of {parent.name()}, recorded {_line(parent)}"
        parent = _parents.get(parent)
    stack = "".join(traceback.format_list(_users(node)))
    return f"{text}\n{stack}" if stack else text


# -- backward: what is checked -------------------------------------------------------------------
class _Checked:
    """An op whose gradients are looked at, for one step of a pass."""

    def __init__(self, node: Node) -> None:
        self.op, self.node = node.op, node

    def __getattr__(self, name: str) -> Any:
        return getattr(self.op, name)

    def pull(self, g: Any, saved: Any, edges: tuple[Any, ...]) -> Any:
        """The gradients, or an error that says which of them is NaN."""
        shares = self.op.pull(g, saved, edges)
        for i, share in enumerate(shares):
            if share is not None and edges[i] is not None and _has_nan(share):
                raise AutogradError(
                    f"Function '{self.node.name()}' returned nan values in its {i}th output: "
                    f"backward of {self.op.name.strip('_')}, recorded {_line(self.node)}"
                )
        return shares


def _has_nan(share: Any) -> bool:
    array = share.array if isinstance(share, Tensor) else share
    return bool(np.isnan(array).any())


def _watch(step: Any, order: Any, roots: Any, wanted: Any) -> Any:
    """The step of a pass that says where the node that failed comes from."""

    def checked(node: Node, g: Any, pending: Any, retain: bool, recorded: bool) -> None:
        if node.op is Pick:
            return step(node, g, pending, retain, recorded)
        op, outer, _running.node = node.op, _running.node, node
        if _state.check_nan:
            node.op = _Checked(node)
        try:
            step(node, g, pending, retain, recorded)
        except Exception as error:
            error.add_note(_origin(node))
            raise
        finally:
            node.op, _running.node = op, outer

    return checked


# -- switching -----------------------------------------------------------------------------------
def _switch(enabled: bool, check_nan: bool) -> None:
    if enabled and not _state.enabled:
        watch.begin(_note, everywhere=True)
        engine.watchers.append(_watch)
    elif _state.enabled and not enabled:
        watch.end(_note, everywhere=True)
        engine.watchers.remove(_watch)
    _state.enabled, _state.check_nan = enabled, check_nan


class set_detect_anomaly:
    """Switch anomaly detection on or off; as a context manager, puts it back afterwards.

    >>> import sensorium as sn
    >>> with set_detect_anomaly(True):
    ...     sn.is_grad_enabled(), is_anomaly_enabled()
    (True, True)
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _state.enabled, _state.check_nan
        _switch(mode, check_nan)

    def __enter__(self) -> None:
        """Nothing: it acted at once."""

    def __exit__(self, *_: object) -> None:
        _switch(*self._before)


class detect_anomaly:
    """Inside, an error in backward names the forward line; with check_nan a NaN is such an error.

    Slow: for finding a fault, not for training.

    >>> import sensorium as sn
    >>> x = sn.tensor(0.0, requires_grad=True)
    >>> with detect_anomaly():
    ...     (x.sqrt() * 0).backward()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    sensorium.errors.AutogradError: Function 'SqrtBackward0' returned nan values in its 0th output: ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        self._before.append((_state.enabled, _state.check_nan))
        _switch(True, self._check_nan)

    def __exit__(self, *_: object) -> None:
        _switch(*self._before.pop())
