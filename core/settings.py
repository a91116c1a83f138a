"""Switches that PyTorch programs set: determinism, float32 precision, threads between operations.

Results here are the same bits on every run with the same number of threads, float32 products are exact
float32, and no operation runs beside another: what asks for that is accepted and remembered, what asks
for less precision is remembered and not used.
"""

from __future__ import annotations

from typing import Any

from .errors import OptionError
from .tensor import Tensor

_PRECISIONS = ("highest", "high", "medium")
_DEBUG = {"default": 0, "warn": 1, "error": 2}
_set: dict[str, Any] = {"deterministic": 0, "precision": "highest", "warn always": False}


# -- determinism ---------------------------------------------------------------------------------
def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for operations that give the same bits every time; they do in any case."""
    _set["deterministic"] = (1 if warn_only else 2) if mode else 0


def are_deterministic_algorithms_enabled() -> bool:
    """Whether ``use_deterministic_algorithms`` asked for them.

    >>> use_deterministic_algorithms(True)
    >>> are_deterministic_algorithms_enabled(), get_deterministic_debug_mode()
    (True, 2)
    >>> use_deterministic_algorithms(False)
    """
    return bool(_set["deterministic"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether they were asked for with ``warn_only``."""
    return bool(_set["deterministic"] == 1)


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """``use_deterministic_algorithms`` by a number or word: 0 default, 1 warn, 2 error."""
    mode = _DEBUG.get(debug_mode, -1) if isinstance(debug_mode, str) else debug_mode
    if mode not in (0, 1, 2):
        raise OptionError(
            f"set_deterministic_debug_mode: want one of {_DEBUG} or its number, got {debug_mode!r}"
        )
    _set["deterministic"] = mode


def get_deterministic_debug_mode() -> int:
    """0 default, 1 warn, 2 error."""
    return int(_set["deterministic"])


# -- precision -----------------------------------------------------------------------------------
def set_float32_matmul_precision(precision: str) -> None:
    """Allow float32 products less precision ("high", "medium"); they are computed in full float32."""
    if precision not in _PRECISIONS:
        raise OptionError(
            f"set_float32_matmul_precision: want one of {_PRECISIONS}, got {precision!r}"
        )
    _set["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What ``set_float32_matmul_precision`` was told.

    >>> get_float32_matmul_precision()
    'highest'
    """
    return str(_set["precision"])


def set_flush_denormal(mode: bool) -> bool:
    """False: this process's handling of denormal numbers is not changed."""
    return False


# -- threads and warnings ------------------------------------------------------------------------
def get_num_interop_threads() -> int:
    """1: operations follow one another."""
    return 1


def set_num_interop_threads(num: int) -> None:
    """Accept a number of threads between operations; operations follow one another."""
    if num < 1:
        raise OptionError(f"set_num_interop_threads: want at least 1, got {num}")


def set_warn_always(b: bool, /) -> None:
    """Remember whether repeated warnings are wanted; Python's own filters decide."""
    _set["warn always"] = bool(b)


def is_warn_always_enabled() -> bool:
    """What ``set_warn_always`` was told."""
    return bool(_set["warn always"])


# -- names ---------------------------------------------------------------------------------------
def typename(obj: Any, /) -> str:
    """The name of an object's class, with its module; a tensor's by its element type.

    >>> import sensorium as sn
    >>> typename(sn.ones(1)), typename(1)
    ('sensorium.FloatTensor', 'int')
    """
    if isinstance(obj, Tensor):
        from . import legacy

        kinds = (getattr(legacy, name) for name in dir(legacy) if name.endswith("Tensor"))
        known = [kind for kind in kinds if hasattr(kind, "dtype") and isinstance(obj, kind)]
        return f"sensorium.{known[0].__name__ if known else 'Tensor'}"
    kind = obj if isinstance(obj, type) else type(obj)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
