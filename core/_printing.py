"""Tensors as text, laid out like PyTorch's: four digits, scientific where needed, long ones cut.

All numbers of a tensor share one notation and one width, decided from the elements that are shown:
whole numbers as ``1.``, others with four digits, and scientific where the largest is more than 1000
times the smallest, above 1e8, or the smallest below 1e-4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import COMPLEX, default_of, get_default_dtype

if TYPE_CHECKING:
    from .tensor import Tensor

PRECISION, THRESHOLD, EDGE, WIDTH = 4, 1000, 3, 80
GAP = None
"""Stands for the elements left out of a long dimension."""


def tensor_text(tensor: Tensor) -> str:
    """``tensor([1., 2.], dtype=float64, requires_grad=True)``."""
    array = tensor.array if isinstance(tensor.array, np.ndarray) else tensor.array.get()
    prefix = "Parameter containing:\n" if type(tensor).__name__ == "Parameter" else ""
    indent = len("tensor(")
    text = prefix + "tensor(" + _body(array, indent)
    column = len(text) - text.rfind("\n") + 1
    for fact in _facts(tensor, array):
        if column + len(fact) + 2 > WIDTH:
            text += ",\n" + " " * indent + fact
            column = indent + len(fact)
        else:
            text += ", " + fact
            column += len(fact) + 2
    return text + ")"


def _facts(tensor: Tensor, array: np.ndarray) -> list[str]:
    """What follows the elements: device, size, type and gradient, where they are not the usual."""
    facts = []
    if tensor.is_cuda:
        facts.append(f"device='{tensor.device}'")
    if array.size == 0 and array.ndim != 1:
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
    if array.dtype.kind == "V" or array.dtype == np.float16:
        array = array.astype(np.float32)
    cut = array.size > THRESHOLD
    write, width = _writer(_shown(array) if cut else array)
    return _lines(array, write, width, indent, cut)


def _places(n: int, cut: bool) -> list[int | None]:
    """Which of n elements are shown, GAP for those between."""
    if cut and n > 2 * EDGE:
        return [*range(EDGE), GAP, *range(n - EDGE, n)]
    return list(range(n))


def _shown(array: np.ndarray) -> np.ndarray:
    """The elements that a cut tensor shows."""
    for axis, n in enumerate(array.shape):
        if n > 2 * EDGE:
            array = np.take(array, [i for i in _places(n, True) if i is not GAP], axis)
    return array


def _lines(array: np.ndarray, write: Any, width: int, indent: int, cut: bool) -> str:
    if array.ndim == 0:
        return write(array[()])
    places = _places(array.shape[0], cut)
    if array.ndim == 1:
        return "[" + _wrapped([_item(array, i, write) for i in places], width, indent) + "]"
    blocks = [
        "..." if i is GAP else _lines(array[i], write, width, indent + 1, cut) for i in places
    ]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(blocks) + "]"


def _item(row: np.ndarray, i: int | None, write: Callable[[Any], str]) -> str:
    return " ..." if i is GAP else write(row[i])


def _wrapped(items: list[str], width: int, indent: int) -> str:
    per_line = max((WIDTH - indent) // (width + 2), 1)
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
    width = max(len(str(v)) for v in array.ravel().tolist())
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
    """``e`` scientific, ``.`` whole numbers, ``f`` four digits: from the finite nonzero values."""
    if values.size == 0:
        return "."
    low, high = np.abs(values).min(), np.abs(values).max()
    if high / low > 1000 or high > 1e8 or low < 1e-4:
        return "e"
    return "." if (values == np.ceil(values)).all() else "f"


def _number(v: float, notation: str) -> str:
    if notation == ".":
        return f"{v:.0f}." if np.isfinite(v) else f"{v:.0f}"
    return f"{v:.{PRECISION}{notation}}"
