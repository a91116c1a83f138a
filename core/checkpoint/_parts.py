"""What of a run is saved: objects with a state dict, and the random numbers of the process."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import OptionError, StateDictError
from ..generator import get_rng_state, set_rng_state
from ..io.files import first_not_finite
from ..serialization import _to_array
from ..tensor import Tensor, wrap

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_RESERVED = {"rng", "state"}
_SHOWN = 20
_GAUSS = ("has_gauss", "gauss")


class Rng:
    """The random states of a process: Sensorium's default generator, Python's and NumPy's."""

    def state_dict(self) -> dict[str, Any]:
        """Arrays and numbers only."""
        version, words, gauss = random.getstate()
        old: Any = np.random.get_state(legacy=False)
        return {
            "sensorium": get_rng_state(),
            "python": {"version": version, "words": np.array(words, np.uint32), "gauss": gauss},
            "numpy": {"key": old["state"]["key"], "pos": old["state"]["pos"]}
            | {name: old[name] for name in _GAUSS},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the numbers that would have come next."""
        python, old = state["python"], state["numpy"]
        words = tuple(int(w) for w in python["words"])
        random.setstate((python["version"], words, python["gauss"]))
        np.random.set_state(
            {
                "bit_generator": "MT19937",
                "state": {"key": np.array(old["key"]), "pos": old["pos"]},
                **{name: old[name] for name in _GAUSS},
            }
        )
        set_rng_state(state["sensorium"])


# -- which ---------------------------------------------------------------------------------------
def checked(given: Mapping[str, Any], others: Mapping[str, Any], rng: bool) -> dict[str, Any]:
    """The parts by name, without those that are None. Each must give and take a state dict."""
    for name in others:
        if not _NAME.fullmatch(str(name)) or name in given or name in _RESERVED:
            raise OptionError(
                f"Checkpointer: others[{name!r}] must be named by a-z, 0-9 and _, and not "
                f"{', '.join([*given, *sorted(_RESERVED)])}"
            )
    parts = {n: v for n, v in {**given, **others}.items() if v is not None}
    for name, part in parts.items():
        for method in ("state_dict", "load_state_dict"):
            if not callable(getattr(part, method, None)):
                raise OptionError(f"Checkpointer: {name} ({type(part).__name__}) has no {method}()")
        part.state_dict()  # what cannot be saved says so now, not after an epoch
    return {**parts, "rng": Rng()} if rng else parts


# -- finite --------------------------------------------------------------------------------------
def not_finite(parts: Mapping[str, Any], states: Mapping[str, Any]) -> list[str]:
    """Where model and optimiser hold NaN or infinity, the first few places.

    Infinity in a buffer of the model passes: masks hold it on purpose.
    """
    found: list[str] = []
    for part in ("model", "optimizer"):
        own = _own_names(parts.get(part))
        for name, array in _arrays(states.get(part), ()):
            place = None if array.dtype.kind in "biuSUOM" else first_not_finite(array)
            if place is None or (own is not None and name[-1] not in own and not _has_nan(array)):
                continue
            index = ", ".join(map(str, place))
            found.append(f"{part}: {'.'.join(map(str, name))}[{index}] is {array[place]}")
            if len(found) == _SHOWN:
                return found
    return found


def _own_names(part: Any) -> set[str] | None:
    return {n for n, _ in part.named_parameters()} if hasattr(part, "named_parameters") else None


def _has_nan(array: Any) -> bool:
    return bool(np.isnan(array).any())


def _arrays(value: Any, place: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _arrays(item, (*place, key))
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _arrays(item, (*place, i))
    elif isinstance(value, Tensor):
        yield place, _to_array(value)[0]  # type: ignore[index]
    elif isinstance(value, np.ndarray):
        yield place, value


# -- loading -------------------------------------------------------------------------------------
def load_all(parts: Mapping[str, Any], states: Mapping[str, Any]) -> None:
    """Give every part its state; if one refuses, all have again what they had."""
    before: dict[str, Any] = {}
    for name, part in parts.items():
        before[name] = owned(part.state_dict())
        try:
            part.load_state_dict(states[name])
        except BaseException as error:  # Ctrl-C too
            for changed, state in before.items():
                parts[changed].load_state_dict(state)
            if isinstance(error, StateDictError):
                raise StateDictError(f"Checkpointer.restore: {name}: {error}") from None
            raise


def owned(value: Any) -> Any:
    """The tree with copies of its arrays: what comes from a file is a map of it."""
    if isinstance(value, Tensor):
        return wrap(value.array.copy())
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        copied = type(value)() if type(value) is not dict else {}
        for key, item in value.items():
            copied[key] = owned(item)
        return copied
    if type(value) in (list, tuple):
        return type(value)(owned(item) for item in value)
    return value


# -- numbers -------------------------------------------------------------------------------------
def whole(name: str, value: Any, least: int) -> int:
    """value as an int of at least so much."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < least:
        raise OptionError(
            f"Checkpointer: {name} must be a whole number from {least}, got {value!r}"
        )
    return int(value)


def numbers(metrics: Mapping[str, Any] | None, monitor: str | None) -> dict[str, float]:
    """Metrics as floats; the monitored one must be among them."""
    found = {str(name): float(value) for name, value in (metrics or {}).items()}
    if monitor is not None and monitor not in found:
        raise OptionError(
            f"Checkpointer.save: monitor is {monitor!r}, but metrics has {sorted(found) or 'nothing'}"
        )
    return found


def better(a: float, b: float, mode: str) -> bool:
    """Whether metric a beats b; nan beats nothing."""
    if math.isnan(a):
        return False
    return math.isnan(b) or (a < b if mode == "min" else a > b)
