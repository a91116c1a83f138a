"""Tensors as text, laid out like PyTorch's: four digits, scientific where needed, long ones cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import get_default_dtype

if TYPE_CHECKING:
    from .tensor import Tensor

PRECISION, THRESHOLD, EDGE, WIDTH = 4, 1000, 3, 80


def tensor_text(tensor: Tensor) -> str:
    """``tensor([1., 2.], dtype=float64, requires_grad=True)``."""
    array = tensor.array if isinstance(tensor.array, np.ndarray) else tensor.array.get()
    prefix = "Parameter containing:\ntensor(" if type(tensor).__name__ == "Parameter" else "tensor("
    body = _body(array, len("tensor("))
    return prefix + ", ".join([body, *_facts(tensor, array)]) + ")"


def _facts(tensor: Tensor, array: np.ndarray) -> list[str]:
    facts = []
    if tensor.is_cuda:
        facts.append(f"device='{tensor.device}'")
    if array.size == 0 and array.ndim != 1:
        facts.append(f"size={tuple(array.shape)}")
    usual = array.dtype in (get_default_dtype(), np.bool_, np.int64) or (
        array.dtype == np.complex64 and get_default_dtype() == np.float32
    )
    if not usual or (array.size == 0 and array.dtype != get_default_dtype()):
        facts.append(f"dtype={array.dtype}")
    if tensor.node is not None:
        facts.append(f"grad_fn={tensor.node!r}")
    elif tensor.needs_grad:
        facts.append("requires_grad=True")
    return facts


def _body(array: np.ndarray, indent: int) -> str:
    if array.dtype.kind == "V":  # bfloat16
        array = array.astype(np.float32)
    if array.size == 0:
        return "[]"
    write = _writer(array)
    return _lines(array, write, indent, array.size > THRESHOLD)


def _lines(array: np.ndarray, write: Any, indent: int, cut: bool) -> str:
    if array.ndim == 0:
        return write(array[()]).strip()
    parts: list[str] = []
    n = array.shape[0]
    shown = [*range(EDGE), None, *range(n - EDGE, n)] if cut and n > 2 * EDGE else range(n)
    for i in shown:
        parts.append("..." if i is None else (
            write(array[i]) if array.ndim == 1 else _lines(array[i], write, indent + 1, cut)))
    if array.ndim > 1:
        gap = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
        return "[" + gap.join(parts) + "]"
    return "[" + _wrapped(parts, indent + 1) + "]"


def _wrapped(parts: list[str], indent: int) -> str:
    per_line = max((WIDTH - indent) // (max(map(len, parts)) + 2), 1)
    rows = [", ".join(parts[i : i + per_line]) for i in range(0, len(parts), per_line)]
    return (",\n" + " " * indent).join(rows)


def _writer(array: np.ndarray) -> Any:
    """A function from an element to text of common width."""
    kind = array.dtype.kind
    if kind == "b":
        width = max(len(str(bool(v))) for v in np.unique(array))
        return lambda v: str(bool(v)).rjust(width)
    if kind in "iu":
        width = max(len(str(v)) for v in (array.min(), array.max()))
        return lambda v: str(v).rjust(width)
    if kind == "c":
        re, im = _float_writer(array.real, pad=False), _float_writer(np.abs(array.imag), pad=False)
        return lambda v: f"{re(v.real)}{'-' if np.signbit(v.imag) else '+'}{im(abs(v.imag))}j"
    return _float_writer(array)


def _float_writer(array: np.ndarray, pad: bool = True) -> Any:
    values = np.abs(array[np.isfinite(array)].astype(np.float64))
    nonzero = values[values != 0]
    if nonzero.size == 0 or (nonzero == np.floor(nonzero)).all():
        large = nonzero.size and nonzero.max() >= 1e8
        text = (lambda v: f"{v:.{PRECISION}e}") if large else (lambda v: f"{v:.0f}.")
    else:
        low, high = nonzero.min(), nonzero.max()
        wide = high / low > 1000 or high >= 1e8 or low < 1e-4
        text = (lambda v: f"{v:.{PRECISION}e}") if wide else (lambda v: f"{v:.{PRECISION}f}")

    def write(v: Any) -> str:
        return text(float(v)) if np.isfinite(v) else str(float(v))

    if not pad:
        return write
    flat = array.ravel()
    sample = flat if flat.size <= THRESHOLD else np.concatenate([flat[:500], flat[-500:]])
    width = max(len(write(v)) for v in sample)
    return lambda v: write(v).rjust(width)
