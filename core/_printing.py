"""Tensors as text, laid out like PyTorch's: four digits, scientific where needed, long ones cut.

All numbers of a tensor share one notation and one width, decided from the elements that are shown:
whole numbers as ``1.``, others with four digits, and scientific where the largest is more than 1000
times the smallest, above 1e8, or the smallest below 1e-4. ``set_printoptions`` changes the digits,
when a tensor is cut, how much of it is shown, the width of a line, and whether the notation is
scientific. Follows ``torch.set_printoptions``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import COMPLEX, bfloat16, default_of, get_default_dtype
from .errors import OptionError

if TYPE_CHECKING:
    from .tensor import Tensor

GAP = None
"""Stands for the elements left out of a long dimension."""


# -- options -------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Options:
    """How tensors are printed."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PROFILES = {
    "default": Options(),
    "short": Options(precision=2, edgeitems=2),
    "full": Options(threshold=math.inf),
}
_options = Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors are printed from now on; None leaves an option as it is.

    precision: digits after the point. threshold: more elements than this and the tensor is cut to
    edgeitems at either end of each dimension. linewidth: characters a line. profile: "default",
    "short" or "full" as a start. sci_mode: True always scientific, False never, None (also when left
    out) by the size of the numbers.

    >>> import sensorium as sn
    >>> set_printoptions(precision=2); sn.tensor([1.2345])
    tensor([1.23])
    >>> set_printoptions(profile="default")
    """
    global _options
    if profile is not None and profile not in PROFILES:
        raise OptionError(f"set_printoptions: profile {profile!r} is not one of {list(PROFILES)}")
    start = _options if profile is None else PROFILES[profile]
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems}
    given["linewidth"] = linewidth
    for name, value in given.items():
        if value is not None and (not isinstance(value, (int, float)) or value < 0):
            raise OptionError(f"set_printoptions: {name} must be a number from 0 on, got {value!r}")
    changes: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    _options = replace(start, **changes, sci_mode=sci_mode)


def get_printoptions() -> dict[str, Any]:
    """How tensors are printed, as the arguments of ``set_printoptions``.

    >>> get_printoptions()["precision"]
    4
    """
    return asdict(_options)


@contextmanager
def printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> Iterator[None]:
    """``set_printoptions`` for the length of a ``with`` block.

    >>> import sensorium as sn
    >>> with printoptions(sci_mode=True):
    ...     print(sn.tensor([1.5]))
    tensor([1.5000e+00])
    """
    global _options
    before = _options
    try:
        set_printoptions(precision, threshold, edgeitems, linewidth, profile, sci_mode)
        yield
    finally:
        _options = before


# -- the whole -----------------------------------------------------------------------------------
def tensor_text(tensor: Tensor, contents: str | None = None) -> str:
    """``tensor([1., 2.], dtype=float64, requires_grad=True)``; contents stand for the elements."""
    array = tensor.array if isinstance(tensor.array, np.ndarray) else tensor.array.get()
    kind = type(tensor).__name__
    name = "tensor" if kind in ("Tensor", "Parameter", "Buffer") else kind
    prefix = "Parameter containing:\n" if kind == "Parameter" else ""
    indent = len(name) + 1
    text = f"{name}(" + (_body(array, indent) if contents is None else contents)
    column = len(text) - text.rfind("\n") + 1
    for fact in _facts(tensor, array):
        if column + len(fact) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + fact
            column = indent + len(fact)
        else:
            text += ", " + fact
            column += len(fact) + 2
    return prefix + text + ")"


def _facts(tensor: Tensor, array: np.ndarray) -> list[str]:
    """What follows the elements: device, size, type and gradient, where they are not the usual."""
    facts = []
    if tensor.is_cuda:
        facts.append(f"device='{tensor.device}'")
    if (array.size == 0 and array.ndim != 1) or (array.size and not _options.edgeitems):
        facts.append(f"size={tuple(array.shape)}")
    usual = {get_default_dtype()}
    if array.size:  # no elements, no hint at any other type
        usual |= {np.dtype(np.bool_), np.dtype(np.int64), default_of(COMPLEX)}
    if array.dtype not in usual:
        facts.append(f"dtype={array.dtype}")
    if tensor.node is not None:
        facts.append(f"grad_fn={tensor.node!r}")
    elif tensor.needs_grad:
        facts.append("requires_grad=True")
    return facts


# -- layout --------------------------------------------------------------------------------------
def _body(array: np.ndarray, indent: int) -> str:
    if array.size == 0:
        return "[]"
    if array.dtype in (bfloat16, np.float16):
        array = array.astype(np.float32)
    cut = array.size > _options.threshold
    write, width = _writer(_shown(array) if cut else array)
    return _lines(array, write, width, indent, cut)


def _places(n: int, cut: bool) -> list[int | None]:
    """Which of n elements are shown, GAP for those between."""
    edge = _options.edgeitems
    if cut and n > 2 * edge:
        return [*range(edge), GAP, *range(n - edge, n)]
    return list(range(n))


def _shown(array: np.ndarray) -> np.ndarray:
    """The elements that a cut tensor shows."""
    for axis, n in enumerate(array.shape):
        if n > 2 * _options.edgeitems:
            array = np.take(array, [i for i in _places(n, True) if i is not GAP], axis)
    return array


def _lines(array: np.ndarray, write: Any, width: int, indent: int, cut: bool) -> str:
    if array.ndim == 0:
        return write(array[()])
    places = _places(array.shape[0], cut)
    if array.ndim == 1:
        gap = " ..." if _options.edgeitems else "..."
        items = [gap if i is GAP else write(array[i]) for i in places]
        return "[" + _wrapped(items, width, indent) + "]"
    blocks = [
        "..." if i is GAP else _lines(array[i], write, width, indent + 1, cut) for i in places
    ]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(blocks) + "]"


def _wrapped(items: list[str], width: int, indent: int) -> str:
    per_line = max((_options.linewidth - indent) // (width + 2), 1)
    rows = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return (",\n" + " " * (indent + 1)).join(rows)


# -- elements ------------------------------------------------------------------------------------
def _writer(array: np.ndarray) -> tuple[Callable[[Any], str], int]:
    """A function from an element to text of common width, and that width."""
    kind = array.dtype.kind
    if kind == "c":
        return _complex_writer(array)
    if kind == "f":
        return _float_writer(array)
    width = max((len(str(v)) for v in array.ravel().tolist()), default=1)
    return (lambda v: str(v.item()).rjust(width)), width


def _complex_writer(array: np.ndarray) -> tuple[Callable[[Any], str], int]:
    (real, first), (imag, second) = _float_writer(array.real), _float_writer(array.imag)

    def write(v: Any) -> str:
        part = imag(v.imag).lstrip()
        return real(v.real) + ("" if part[0] in "+-" else "+") + part + "j"

    return write, first + second + 1


def _float_writer(array: np.ndarray) -> tuple[Callable[[Any], str], int]:
    values = array[np.isfinite(array) & (array != 0)].astype(np.float64)
    notation = _notation(values)
    width = max((len(_number(v, notation)) for v in values.tolist()), default=1)
    return (lambda v: _number(float(v), notation).rjust(width)), width


def _notation(values: np.ndarray) -> str:
    """``e`` scientific, ``.`` whole numbers, ``f`` with digits: from the finite nonzero values."""
    if values.size == 0:
        return "."
    low, high = np.abs(values).min(), np.abs(values).max()
    scientific = _options.sci_mode
    if scientific is None:
        with np.errstate(over="ignore"):
            scientific = high / low > 1000 or high > 1e8 or low < 1e-4
    if scientific:
        return "e"
    return "." if (values == np.ceil(values)).all() else "f"


def _number(v: float, notation: str) -> str:
    if notation == ".":
        return f"{v:.0f}." if np.isfinite(v) else f"{v:.0f}"
    return f"{v:.{_options.precision}{notation}}"
