"""sensorium.masked: reductions and normalisations that leave out what a mask says.

Follows ``torch.masked``: ``mask`` (bool, True = counts) broadcasts to the input; nothing is left out
without one. What is left out is replaced by the value that changes nothing (0 in a sum, -inf in a
maximum), so a slice with nothing in it gives that value, and nan where there is none (mean, var,
median, softmax). ``dim`` may be several, or None for all. Left out: MaskedTensor, sparse inputs.

>>> import sensorium as sn
>>> x, mask = sn.tensor([[1.0, 2.0], [3.0, 4.0]]), sn.tensor([[True, False], [True, True]])
>>> sn.masked.mean(x, 0, mask=mask)
tensor([2., 4.])
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import ops
from .dtypes import FLOAT, FLOATING, as_dtype, bool_, default_of, float32
from .errors import OptionError
from .ops._dims import many_dims, one_dim
from .ops._masks import (
    _input_mask,
    _output_mask,  # noqa: F401  (which results stand for something: PyTorch has it here too)
    cast as _cast,
    edge as _edge,
    filled as _filled,
    is_float as _is_float,
)

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "mean",
    "median",
    "norm",
    "normalize",
    "prod",
    "softmax",
    "softmin",
    "std",
    "sum",
    "var",
]


# -- sums and products -----------------------------------------------------------------------------
def sum(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """The sum over dim of what the mask keeps; integers and booleans as int64.

    >>> import sensorium as sn
    >>> sum(sn.tensor([1, 2, 3]), mask=sn.tensor([True, False, True]))
    tensor(4)
    """
    return ops.sum(_filled(input, mask, 0), dim, bool(keepdim), dtype=dtype)


def prod(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """The product over dim of what the mask keeps; integers and booleans as int64.

    >>> import sensorium as sn
    >>> prod(sn.tensor([2, 3, 4]), mask=sn.tensor([True, False, True]))
    tensor(8)
    """
    y = _filled(input, mask, 1)
    dims = sorted(many_dims("masked.prod", dim, input.ndim), reverse=True)
    if not dims:  # a single value
        return ops.prod(y, dtype=dtype)
    for d in dims:
        y = ops.prod(y, d, bool(keepdim), dtype=dtype)
    return y


def cumsum(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """The running sum along dim of what the mask keeps, in input's type.

    >>> import sensorium as sn
    >>> cumsum(sn.tensor([1, 2, 3]), 0, mask=sn.tensor([True, False, True]))
    tensor([1, 1, 4])
    """
    kind = input.dtype if dtype is None else dtype
    y = ops.cumsum(_filled(input, mask, 0), one_dim("masked.cumsum", dim, input.ndim),
                   dtype=kind)  # fmt: skip
    return _cast(y, dtype, input)


def cumprod(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """The running product along dim of what the mask keeps, in input's type.

    >>> import sensorium as sn
    >>> cumprod(sn.tensor([2, 3, 4]), 0, mask=sn.tensor([True, False, True]))
    tensor([2, 2, 8])
    """
    kind = input.dtype if dtype is None else dtype
    y = ops.cumprod(_filled(input, mask, 1), one_dim("masked.cumprod", dim, input.ndim),
                    dtype=kind)  # fmt: skip
    return _cast(y, dtype, input)


# -- extremes --------------------------------------------------------------------------------------
def amax(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """The largest value over dim of those the mask keeps.

    >>> import sensorium as sn
    >>> amax(sn.tensor([1, 5, 3]), mask=sn.tensor([True, False, True]))
    tensor(3)
    """
    x = input if mask is None else _filled(input, mask, _edge("amax", input, -1))
    return _cast(ops.amax(x, () if dim is None else dim, bool(keepdim)), dtype, input)


def amin(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """The smallest value over dim of those the mask keeps.

    >>> import sensorium as sn
    >>> amin(sn.tensor([4, 1, 3]), mask=sn.tensor([True, False, True]))
    tensor(3)
    """
    x = input if mask is None else _filled(input, mask, _edge("amin", input, 1))
    return _cast(ops.amin(x, () if dim is None else dim, bool(keepdim)), dtype, input)


def argmax(
    input: Any,
    dim: int | None = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Any:
    """Where the largest kept value stands, as a number of input's type (PyTorch's choice) or dtype.

    >>> import sensorium as sn
    >>> argmax(sn.tensor([1, 5, 3]), mask=sn.tensor([True, False, True]))
    tensor(2)
    """
    x = input if mask is None else _filled(input, mask, _edge("argmax", input, -1))
    return _cast(ops.argmax(x, dim, bool(keepdim)), dtype, input)


def argmin(
    input: Any,
    dim: int | None = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Any:
    """Where the smallest kept value stands, as a number of input's type (PyTorch's choice) or dtype.

    >>> import sensorium as sn
    >>> argmin(sn.tensor([4, 1, 3]), mask=sn.tensor([True, False, True]))
    tensor(2)
    """
    x = input if mask is None else _filled(input, mask, _edge("argmin", input, 1))
    return _cast(ops.argmin(x, dim, bool(keepdim)), dtype, input)


# -- averages --------------------------------------------------------------------------------------
def _count(input: Any, dim: Any, keepdim: bool, mask: Any) -> Any:
    """How many values count, over dim."""
    dims = many_dims("masked", dim, input.ndim)
    if mask is not None:
        return ops.sum(mask, dims, keepdim)
    n = math.prod(input.shape[d] for d in dims)
    return ops.sum(ops.to_dtype(input.detach(), bool_), dims, keepdim) * 0 + n


def mean(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """The mean over dim of the floating-point values that the mask keeps; nan of none.

    >>> import sensorium as sn
    >>> mean(sn.tensor([1.0, 9.0, 3.0]), mask=sn.tensor([True, False, True]))
    tensor(2.)
    """
    kind = input.dtype if dtype is None else as_dtype(dtype)
    if not _is_float(kind):
        raise OptionError(f"masked.mean: want floating-point values (or dtype=), got {kind}")
    kept = None if mask is None else _input_mask(input, mask=mask)
    total = sum(input, dim, keepdim=keepdim, dtype=kind, mask=kept)
    return total / _count(input, dim, bool(keepdim), kept)


def median(
    input: Any, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """The median along dim of those the mask keeps, the lower of two; nan of none.

    >>> import sensorium as sn
    >>> median(sn.tensor([5.0, 1.0, 9.0, 2.0]), mask=sn.tensor([True, True, True, False]))
    tensor(5.)
    """
    from .ops.quantiles import nanmedian

    d = one_dim("masked.median", dim, input.ndim)
    whole = input.dtype not in FLOATING
    x = _filled(ops.to_dtype(input, float32) if whole else input, mask, math.nan)
    y = nanmedian(x, d, keepdim)[0]
    if whole and bool(ops.isnan(y).any()):
        raise OptionError(
            f"masked.median: a slice with nothing in it has no median of {input.dtype}"
        )
    return _cast(y, dtype, input) if whole else y


def _spread(
    name: str,
    input: Any,
    dim: Any,
    unbiased: bool | None,
    correction: float | None,
    keepdim: bool,
    dtype: Any,
    mask: Any,
) -> Any:
    """The sum of |x - mean|**2 over count - correction."""
    if unbiased is not None and correction is not None:
        raise OptionError(f"masked.{name}: give unbiased or correction, not both")
    less = float(unbiased is None or unbiased) if correction is None else float(correction)
    kind = input.dtype if dtype is None else as_dtype(dtype)
    kind = kind if _is_float(kind) else default_of(FLOAT) if dtype is None else kind
    inner = kind if _is_float(kind) else default_of(FLOAT)
    kept = None if mask is None else _input_mask(input, mask=mask)
    count = _count(input, dim, True, kept)
    off = input - sum(input, dim, keepdim=True, dtype=kind, mask=kept) / count
    square = off * ops.conj(off) if off.dtype.kind == "c" else off * off
    total = sum(square, dim, keepdim=keepdim, dtype=inner, mask=kept)
    count = count if keepdim else ops.reshape(count, total.shape)
    real = np.empty(0, inner).real.dtype if inner.kind == "c" else inner
    count = ops.clamp(ops.to_dtype(count, real) - less, min=0)
    return ops.to_dtype(total / count, kind)


def var(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Any:
    """The variance over dim of those the mask keeps: squares over count - correction (1).

    >>> import sensorium as sn
    >>> var(sn.tensor([1.0, 9.0, 3.0]), mask=sn.tensor([True, False, True]))
    tensor(2.)
    """
    return _spread("var", input, dim, unbiased, correction, bool(keepdim), dtype, mask)


def std(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Any:
    """The root of ``var``.

    >>> import sensorium as sn
    >>> std(sn.tensor([1.0, 9.0, 3.0]), correction=0, mask=sn.tensor([True, False, True]))
    tensor(1.)
    """
    return ops.sqrt(_spread("std", input, dim, unbiased, correction, bool(keepdim), dtype, mask))


# -- exponentials and norms ------------------------------------------------------------------------
def logsumexp(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """log(sum(exp(input))) over dim of those the mask keeps, in input's type.

    >>> import sensorium as sn
    >>> logsumexp(sn.tensor([0.0, 9.0, 0.0]), mask=sn.tensor([True, False, True]))
    tensor(0.6931)
    """
    x = _filled(input, mask, _edge("logsumexp", input, -1)) if mask is not None else input
    x = x if _is_float(x.dtype) else ops.to_dtype(x, default_of(FLOAT))
    dims = many_dims("masked.logsumexp", dim, input.ndim)
    return _cast(ops.logsumexp(x, dims, keepdim), dtype, input)


def logaddexp(
    input: Any, other: Any, *, dtype: Any = None, input_mask: Any = None, other_mask: Any = None
) -> Any:
    """log(exp(input) + exp(other)) of those that the masks keep.

    >>> import sensorium as sn
    >>> logaddexp(sn.tensor([1.0]), sn.tensor([5.0]), other_mask=sn.tensor([False]))
    tensor([1.])
    """
    a = _filled(input, input_mask, -math.inf)
    b = _filled(other, other_mask, -math.inf)
    return _cast(ops.logaddexp(a, b), dtype, input)


def norm(
    input: Any,
    ord: float | None = 2.0,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Any:
    """(sum of |x|**ord) ** (1 / ord) over dim of those the mask keeps; ord may be 0, inf, -inf.

    >>> import sensorium as sn
    >>> norm(sn.tensor([3.0, 9.0, 4.0]), mask=sn.tensor([True, False, True]))
    tensor(5.)
    """
    from .linalg import vector_norm

    order = 2.0 if ord is None else ord
    x = _filled(input, mask, math.inf if order == -math.inf else 0)
    dims = many_dims("masked.norm", dim, input.ndim)
    return vector_norm(x, order, dims or None, bool(keepdim), dtype=dtype)


def normalize(
    input: Any, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Any = None
) -> Any:
    """input over ``norm`` along dim (at least eps), 0 where the mask is False.

    >>> import sensorium as sn
    >>> normalize(sn.tensor([3.0, 9.0, 4.0]), 2, 0, mask=sn.tensor([True, False, True]))
    tensor([0.6000, 0.0000, 0.8000])
    """
    length = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return _filled(input, mask, 0) / ops.clamp(length, min=eps)


def softmax(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """exp(input) / sum(exp(input)) along dim of those the mask keeps, 0 elsewhere.

    >>> import sensorium as sn
    >>> softmax(sn.tensor([1.0, 9.0, 1.0]), 0, mask=sn.tensor([True, False, True]))
    tensor([0.5000, 0.0000, 0.5000])
    """
    return ops.softmax(_filled(input, mask, -math.inf), dim, dtype)


def log_softmax(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """log of ``softmax``: -inf where the mask is False.

    >>> import sensorium as sn
    >>> log_softmax(sn.tensor([1.0, 9.0]), 0, mask=sn.tensor([True, False]))
    tensor([0., -inf])
    """
    return ops.log_softmax(_filled(input, mask, -math.inf), dim, dtype)


def softmin(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """exp(-input) / sum(exp(-input)) along dim of those the mask keeps, 0 elsewhere.

    >>> import sensorium as sn
    >>> softmin(sn.tensor([1.0, 0.0, 1.0]), 0, mask=sn.tensor([True, False, True]))
    tensor([0.5000, 0.0000, 0.5000])
    """
    return ops.softmin(_filled(input, mask, math.inf), dim, dtype)
