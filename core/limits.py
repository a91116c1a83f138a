"""What an element type can hold: ``finfo`` for floats, ``iinfo`` for integers. Follows PyTorch's."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from .dtypes import CATEGORY, COMPLEX, FLOAT, INTEGER, as_dtype, get_default_dtype
from .errors import DTypeError


class finfo:
    """The limits of a float type; of a complex type those of its parts.

    ``eps`` is the gap above 1, ``smallest_normal`` (also ``tiny``) the least normal positive number,
    ``resolution`` the decimal resolution 10^-digits.

    >>> finfo("float16").max, finfo("bfloat16").eps
    (65504.0, 0.0078125)
    """

    __slots__ = (
        "bits",
        "dtype",
        "eps",
        "max",
        "min",
        "resolution",
        "smallest_normal",
        "tiny",
    )

    def __init__(self, type: Any = None) -> None:
        kind = get_default_dtype() if type is None else as_dtype(type)
        if CATEGORY[kind] not in (FLOAT, COMPLEX):
            raise DTypeError(f"finfo: want a float or complex type, got {kind}; see iinfo")
        facts: Any = ml_dtypes.finfo(kind)
        self.bits = int(facts.bits)
        self.dtype = str(facts.dtype)
        self.eps, self.max, self.min = float(facts.eps), float(facts.max), float(facts.min)
        self.smallest_normal = self.tiny = float(facts.smallest_normal)
        self.resolution = 10.0 ** -int(facts.precision)

    def __repr__(self) -> str:
        shown = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        facts = ", ".join(f"{name}={getattr(self, name):g}" for name in shown)
        return f"finfo({facts}, dtype={self.dtype})"


class iinfo:
    """The limits of an integer type.

    >>> iinfo("uint8")
    iinfo(min=0, max=255, dtype=uint8)
    """

    __slots__ = ("bits", "dtype", "max", "min")

    def __init__(self, type: Any) -> None:
        kind = as_dtype(type)
        if CATEGORY[kind] != INTEGER:
            raise DTypeError(f"iinfo: want an integer type, got {kind}; see finfo")
        facts = np.iinfo(kind)
        self.bits, self.dtype = facts.bits, str(kind)
        self.min, self.max = int(facts.min), int(facts.max)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
