"""Reductions over dimensions: sum, mean, var, std, norms, logsumexp.

``dim`` is None (all), an int or several; ``keepdim`` leaves reduced dimensions with size 1. Sums of
integers and booleans are int64; the mean of integers is an error. Half types accumulate in float32.
Extremes, any and all are in ``extremes.py``, products and running sums in ``products.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dtypes import FLOATING, as_dtype, int64
from ..errors import DTypeError, OptionError, ShapeError
from ._declare import Array, op
from ._dims import many_dims
from ._out import with_out
from ._promote import wide as _wide
from .cast import to_dtype
from .exponential import abs, exp, log, sqrt
from .select import where
from .shape import _expand, _reshape_view


def _dims(rng: Any) -> Any:
    """Samples (x, axes, keepdim) for any reduction."""
    x = rng.normal(size=(2, 3, 4))
    yield x, (0, 1, 2), False
    yield x, (1,), True
    yield x.transpose(2, 0, 1), (0, 2), False
    yield x[:, :1], (1,), False


def spread(g: Any, shape: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
    """The gradient of a sum: g repeated along the reduced dimensions."""
    if not keepdim:
        g = _reshape_view(g, tuple(1 if i in axes else n for i, n in enumerate(shape)))
    return _expand(g, tuple(shape))


def _loop(function: Any) -> Any:
    """A reference that gathers the elements of every cell in lists and applies a function."""

    def reference(x: Any, axes: tuple[int, ...], keepdim: bool, *rest: Any) -> Any:
        kept = [n for i, n in enumerate(x.shape) if i not in axes]
        cells: dict[Any, list[float]] = {i: [] for i in np.ndindex(*kept)}
        for index in np.ndindex(*x.shape):
            cells[tuple(n for i, n in enumerate(index) if i not in axes)].append(x[index])
        flat = np.array([function(values, *rest) for values in cells.values()])
        shape = [1 if i in axes else n for i, n in enumerate(x.shape)] if keepdim else kept
        return flat.reshape(shape)

    return reference


# -- sum and mean ----------------------------------------------------------------------------------
@op
def _sum(input: Array, axes: tuple[int, ...], keepdim: bool) -> Array:
    """The sum over axes."""
    if len(axes) == input.ndim and not keepdim:
        y = np.add.reduce(input, None, _wide(input.dtype))
    else:
        add: Any = np.add  # NumPy's stubs know keepdims only as a literal
        y = add.reduce(input, axis=axes, dtype=_wide(input.dtype), keepdims=keepdim)
    return y if y.dtype is input.dtype else y.astype(input.dtype)


@_sum.grad
def _(g, shapes, axes, keepdim):
    return spread(g, shapes[0], axes, keepdim)


@_sum.samples(reference=_loop(math.fsum), tolerance=1e-11)
def _(rng):
    yield from _dims(rng)
    yield rng.normal(size=(0, 3)), (0,), False


_ONES = {np.dtype(t): np.ones(256, t) for t in (np.float32, np.float64)}


@op
def _sum_all(input: Array) -> Array:
    """The sum of all elements, floating-point."""
    if input.__class__ is np.ndarray and input.size <= 256 and input.dtype in _ONES:
        flat = input.ravel()  # for few elements a dot product is quicker to set up than a reduction
        return flat.dot(_ONES[input.dtype][: flat.size])
    y = np.add.reduce(input, None, _wide(input.dtype))
    return y if y.dtype is input.dtype else y.astype(input.dtype)


@_sum_all.grad
def _(g, shapes):
    return _expand(g, shapes[0])


@_sum_all.samples(reference=lambda x: math.fsum(x.flat), tolerance=1e-11)
def _(rng):
    yield (rng.normal(size=(3, 4)),)
    yield (rng.normal(size=(40, 30)).T,)
    yield (rng.normal(size=(0,)),)


def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum over dim (all dimensions if None); integers and booleans as int64.

    >>> import sensorium as sn
    >>> sn.sum(sn.tensor([[1, 2], [3, 4]]), dim=0)
    tensor([4, 6])
    """
    if dtype is not None:
        input = to_dtype(input, as_dtype(dtype))
    elif input.array.dtype not in FLOATING:
        input = to_dtype(input, int64)
    elif dim is None and not keepdim:
        return _sum_all(input)
    return _sum(input, many_dims("sum", dim, input.ndim), keepdim)


@with_out
def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean over dim (all dimensions if None) of floating-point values.

    >>> import sensorium as sn
    >>> sn.mean(sn.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    tensor([1.5000, 3.5000])
    """
    if dtype is not None:
        input = to_dtype(input, as_dtype(dtype))
    if input.array.dtype not in FLOATING:
        raise DTypeError(f"mean: want a floating-point tensor, got {input.dtype}; cast it first")
    if dim is None and not keepdim and input.array.size:
        return _sum_all(input) * (1.0 / input.array.size)
    axes = many_dims("mean", dim, input.ndim)
    count = math.prod(input.shape[a] for a in axes)
    return _sum(input, axes, keepdim) * (1.0 / count if count else math.nan)


@with_out
def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """``sum`` with nan counted as 0.

    >>> import sensorium as sn
    >>> sn.nansum(sn.tensor([1.0, float("nan")]))
    tensor(1.)
    """
    from .compare import isnan

    if input.dtype.kind in "iub":
        return sum(input, dim, keepdim, dtype=dtype)
    return sum(where(isnan(input), 0.0, input), dim, keepdim, dtype=dtype)


# -- variance --------------------------------------------------------------------------------------
@op
def _var(input: Array, axes: tuple[int, ...], keepdim: bool, degrees: float) -> Array:
    """The squared distances from the mean over axes, summed and divided by degrees; of real values."""
    kind = _wide(input.dtype)
    add: Any = np.add
    count = math.prod([input.shape[a] for a in axes]) or math.nan
    off = input - add.reduce(input, axis=axes, dtype=kind, keepdims=True) / kind.type(count)
    y = add.reduce(np.multiply(off, off, out=off), axis=axes, keepdims=keepdim) / kind.type(degrees)
    return y if y.dtype is input.dtype else y.astype(input.dtype)


@_var.grad
def _(g, input, axes, keepdim, degrees):
    count = math.prod(input.shape[a] for a in axes)
    off = input - _sum(input, axes, True) * (1.0 / count if count else math.nan)
    return spread(g, input.shape, axes, keepdim) * off * (2.0 / degrees if degrees else math.inf)


@_var.samples(reference=lambda x, axes, keepdim, degrees: _slow_var(x, axes, keepdim) / degrees)
def _(rng):
    for x, axes, keepdim in _dims(rng):
        yield x, axes, keepdim, 2.5


def _slow_var(x: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
    def squares(values: list[float]) -> float:
        middle = math.fsum(values) / len(values)
        return math.fsum((v - middle) ** 2 for v in values)

    return _loop(squares)(x, axes, keepdim)


@with_out
def var(
    input: Any,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """The mean squared distance from the mean over dim, divided by count - correction (default 1).

    >>> import sensorium as sn
    >>> sn.var(sn.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    if input.dtype not in FLOATING:
        raise DTypeError(f"var: want a floating-point tensor, got {input.dtype}")
    if isinstance(dim, bool):  # var(x, unbiased), as PyTorch allows
        dim, unbiased = None, dim
    axes = many_dims("var", dim, input.ndim)
    count = math.prod([input.shape[a] for a in axes])
    degrees = max(count - ((1 if unbiased else 0) if correction is None else correction), 0)
    if input.dtype.kind != "c" and axes:
        return _var(input, axes, keepdim, degrees)
    off = input - mean(input, axes, True) if axes else input * 0
    return _sum(abs(off) ** 2, axes, keepdim) / degrees


@with_out
def std(
    input: Any,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """The square root of ``var``.

    >>> import sensorium as sn
    >>> sn.std(sn.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    return sqrt(var(input, dim, unbiased, keepdim, correction=correction))


# -- norms -----------------------------------------------------------------------------------------
@op
def _occupied(input: Array) -> Array:
    """1 where a value is not 0 (nan included), else 0; its slope is taken as 0."""
    return (input != 0).astype(input.dtype)


@_occupied.grad
def _(g):
    return g * 0


@_occupied.samples(reference=lambda x: np.ceil(np.minimum(np.abs(x), 1)), smooth=False)
def _(rng):
    yield (rng.integers(-1, 2, size=(3, 4)).astype(float),)


@with_out
def norm(
    input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    """The p-norm (sum of |x|**p) ** (1/p) over dim; p may be inf, -inf, 0 or "fro" (= 2).

    "nuc" is the sum of the singular values of a matrix. The gradient at 0 is taken as 0.

    >>> import sensorium as sn
    >>> sn.norm(sn.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if isinstance(p, str) and p not in ("fro", "nuc"):
        raise OptionError(f"norm: p must be a number, 'fro' or 'nuc', got {p!r}")
    if dtype is not None:
        input = to_dtype(input, as_dtype(dtype))
    if input.dtype not in FLOATING:
        raise DTypeError(f"norm: want floating-point values, got {input.dtype}")
    if p == "nuc":
        from .linalg_norms import matrix_norm

        return matrix_norm(input, "nuc", many_dims("norm", dim, input.ndim), keepdim)
    return _vector_norm(abs(input), 2.0 if p == "fro" else float(p), dim, keepdim)


def _vector_norm(size: Any, p: float, dim: Any, keepdim: bool) -> Any:
    """The p-norm of values that are not negative."""
    from .extremes import amax, amin

    if math.isinf(p):
        return (amax if p > 0 else amin)(size, many_dims("norm", dim, size.ndim), keepdim)
    if p < 0 and 0 in [size.shape[d] for d in many_dims("norm", dim, size.ndim)]:
        raise ShapeError(f"norm: p {p} has no value for no elements (shape {tuple(size.shape)})")
    if p == 0:
        return sum(_occupied(size), dim, keepdim)
    if p == 1:
        return sum(size, dim, keepdim)
    total = sum(size * size if p == 2 else _powers(size, p), dim, keepdim)
    zero = total == 0
    root = where(zero, 1.0, total) ** (1 / p) if p != 2 else sqrt(where(zero, 1.0, total))
    return where(zero, 0.0, root)


def _powers(size: Any, p: float) -> Any:
    """size**p; where the slope at 0 would be infinite it is 0."""
    if p > 1:
        return size**p
    zero = size == 0
    return where(zero, 0.0 if p > 0 else math.inf, where(zero, 1.0, size) ** p)


# -- logsumexp -------------------------------------------------------------------------------------
@with_out
def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """log(sum(exp(input))) over dim, without overflow.

    >>> import sensorium as sn
    >>> sn.logsumexp(sn.tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """
    from .complex import real
    from .extremes import amax

    axes = many_dims("logsumexp", dim, input.ndim)
    top = input.detach()
    top = amax(real(top) if top.dtype.kind == "c" else top, axes, True)
    top = where(abs(top) == math.inf, 0.0, top)
    total = log(_sum(exp(input - top), axes, keepdim))
    return total + (top if keepdim else _drop(top, axes))


def _drop(x: Any, axes: tuple[int, ...]) -> Any:
    return _reshape_view(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))
