"""What sees: images in and out, transforms, label lists, models and datasets.

A table of contents; nothing is imported until it is named, so ``import sensorium.vision`` costs
nothing and brings in no Pillow. Follows torchvision's layout.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["datasets", "io", "labels", "models", "transforms", "utils"]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
