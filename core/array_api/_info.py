"""``__array_namespace_info__``: what this implementation of the array API can do."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..device import CPU, Device
from ..dtypes import default_of
from ._types import of_kind


class Info:
    """The inspection functions of the array API.

    >>> Info().default_dtypes()["real floating"]
    dtype('float32')
    """

    def capabilities(self) -> dict[str, Any]:
        """What optional behaviour there is: shapes may depend on data, dimensions go up to NumPy's 64."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Device:
        """Where new tensors are made."""
        return CPU

    def default_dtypes(self, *, device: Any = None) -> dict[str, np.dtype[Any]]:
        """The types of new tensors made from Python numbers, and of indices."""
        return {
            "real floating": default_of(2),
            "complex floating": default_of(3),
            "integral": default_of(1),
            "indexing": default_of(1),
        }

    def devices(self) -> list[Device]:
        """The devices that tensors can be on."""
        from .. import cuda

        return [CPU, *(Device("cuda", i) for i in range(cuda.device_count()))]

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, np.dtype[Any]]:
        """The types of a kind (None: all), by name."""
        return of_kind(kind)


def __array_namespace_info__() -> Info:
    """The inspection functions of this namespace."""
    return Info()
