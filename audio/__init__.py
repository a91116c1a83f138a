"""What hears: recordings in and out, features, transforms, datasets, models and their measures.

A table of contents; nothing is imported until it is named, so ``import sensorium.audio`` costs
nothing and brings in no soundfile. Follows torchaudio's layout: a waveform is a float tensor
(channels, time), or any (..., time), in [-1, 1]; sample rates are in Hz.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_FROM_IO = ("info", "load", "save")
__all__ = [
    "datasets", "functional", "info", "io", "load", "metrics", "models", "pitch", "save",
    "transforms", "vad",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _FROM_IO:
        return getattr(import_module(".io", __name__), name)
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
