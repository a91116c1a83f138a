"""Covariance and correlation, numeric derivatives and integrals, distances: cov, gradient, trapz, ...

Each is written with ops that have their gradients.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np

from ..dtypes import FLOATING
from ..errors import DTypeError, OptionError, ShapeError
from ..tensor import Tensor
from ._dims import many_dims, one_dim
from ._out import with_out
from .arithmetic import sub
from .cast import to_dtype
from .complex import conj, imag, real
from .exponential import sqrt
from .index import narrow, select
from .join import cat
from .named_products import mm
from .products import cumsum
from .reduce import norm, sum
from .select import clamp, where
from .shape import reshape, squeeze, t, unsqueeze


# -- covariance ------------------------------------------------------------------------------------
def _check_weights(name: str, weights: Any, n: int, kinds: str) -> None:
    if weights.ndim > 1 or weights.numel() != n:
        raise ShapeError(
            f"cov: {name} must be a vector of {n}, one for each observation, got "
            f"{tuple(weights.shape)}"
        )
    if weights.dtype.kind not in kinds:
        raise DTypeError(f"cov: {name} cannot be of {weights.dtype}")
    if bool((weights.array < 0).any()):
        raise ShapeError(f"cov: {name} must not be negative, got {weights.tolist()}")


def _observation_weights(n: int, fweights: Any, aweights: Any) -> Any:
    if fweights is not None:
        _check_weights("fweights", fweights, n, "iu")
    if aweights is not None:
        _check_weights("aweights", aweights, n, "fV")
    if fweights is not None and aweights is not None:
        return fweights * aweights
    return fweights if aweights is None else aweights


def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariance of the variables in the rows of input (V, N), with an observation a column.

    A vector is one variable. The sums are divided by N - correction. fweights (integers) repeat an
    observation, aweights weigh it.

    >>> import sensorium as sn
    >>> sn.cov(sn.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.ndim > 2:
        raise ShapeError(f"cov: want at most 2 dimensions, got shape {tuple(input.shape)}")
    if input.dtype.kind == "b":
        raise DTypeError("cov: bool has no covariance")
    x = input if input.ndim == 2 else reshape(input, (1, -1))
    weights = _observation_weights(x.shape[1], fweights, aweights)
    total: Any = x.shape[1] if weights is None else sum(weights)
    if weights is not None and not bool(total.array):
        raise ShapeError("cov: the weights add up to 0")
    middle = sum(x if weights is None else x * weights, 1) / (total or 1)
    if weights is not None and aweights is not None and correction:
        degrees = total - correction * sum(weights * aweights) / total
    else:
        degrees = total - correction
    if float(degrees) <= 0:
        warnings.warn("cov: no degrees of freedom are left", stacklevel=2)
        degrees = degrees * 0
    off = x - unsqueeze(middle, 1)
    product = mm(off, conj(t(off if weights is None else off * weights)))
    divisor = degrees if isinstance(degrees, Tensor) else float(degrees)
    return squeeze(product / divisor)


def corrcoef(input: Any) -> Any:
    """The correlation coefficients, in [-1, 1], of the variables in the rows of input (V, N).

    >>> import sensorium as sn
    >>> sn.corrcoef(sn.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.ndim > 2:
        raise ShapeError(f"corrcoef: want at most 2 dimensions, got shape {tuple(input.shape)}")
    c = cov(input)
    if not c.ndim:
        return c / c
    places = np.arange(len(c))
    spread = sqrt(real(c[places, places]))
    c = c / unsqueeze(spread, 1) / unsqueeze(spread, 0)
    if c.dtype.kind != "c":
        return clamp(c, -1, 1)
    from .polar import complex

    return complex(clamp(real(c), -1, 1), imag(c))


# -- derivatives -----------------------------------------------------------------------------------
def _part(x: Any, dim: int, start: int, stop: int | None = None) -> Any:
    if not x.shape[dim]:
        return x
    stop = x.shape[dim] if stop is None else stop + x.shape[dim]
    return narrow(x, dim, start, max(stop - start, 0))


def _at(x: Any, dim: int, place: int) -> Any:
    return narrow(x, dim, place if place >= 0 else place + x.shape[dim], 1)


def _even(x: Any, dim: int, step: Any, edge_order: int) -> Any:
    """The derivative along dim of values that lie step apart."""

    def x_at(place: int) -> Any:
        return _at(x, dim, place)

    inside = (_part(x, dim, 2) - _part(x, dim, 0, -2)) / step / 2
    if edge_order == 1:
        first, last = (x_at(1) - x_at(0)) / step, (x_at(-1) - x_at(-2)) / step
    else:
        first = (x_at(0) * -1.5 + x_at(1) * 2 - x_at(2) * 0.5) / step
        last = (x_at(-1) * 1.5 - x_at(-2) * 2 + x_at(-3) * 0.5) / step
    return cat([first, inside, last], dim)


def _uneven(x: Any, dim: int, places: Any, edge_order: int) -> Any:
    """The derivative along dim of values at places (n,): of the parabola through three neighbours."""
    gap = places[1:] - places[:-1]
    gap = reshape(gap, [-1 if i == dim else 1 for i in range(x.ndim)])
    before, after = _part(gap, dim, 0, -1), _part(gap, dim, 1)
    inside = _three(
        [_part(x, dim, 0, -2), _part(x, dim, 1, -1), _part(x, dim, 2)],
        -after / (before * (before + after)),
        (after - before) / (before * after),
        before / (after * (before + after)),
    )
    if edge_order == 1:
        first = (_at(x, dim, 1) - _at(x, dim, 0)) / _at(gap, dim, 0)
        last = (_at(x, dim, -1) - _at(x, dim, -2)) / _at(gap, dim, -1)
        return cat([first, inside, last], dim)
    a, b = _at(gap, dim, 0), _at(gap, dim, 1)
    first = _three(
        [_at(x, dim, i) for i in (0, 1, 2)],
        -(2 * a + b) / (a * (a + b)), (a + b) / (a * b), -a / (b * (a + b)),
    )  # fmt: skip
    a, b = _at(gap, dim, -2), _at(gap, dim, -1)
    last = _three(
        [_at(x, dim, i) for i in (-3, -2, -1)],
        b / (a * (a + b)), -(a + b) / (a * b), (2 * b + a) / (b * (a + b)),
    )  # fmt: skip
    return cat([first, inside, last], dim)


def _three(x: Sequence[Any], a: Any, b: Any, c: Any) -> Any:
    return a * x[0] + b * x[1] + c * x[2]


def _spacings(spacing: Any, input: Any, dims: Sequence[int]) -> list[Any]:
    """A step or a vector of places for each of dims."""
    spacing = 1 if spacing is None else spacing
    if isinstance(spacing, (int, float, complex)) and not isinstance(spacing, bool):
        return list(repeat(spacing, len(dims)))
    if isinstance(spacing, Tensor) and not spacing.ndim:
        return list(repeat(spacing, len(dims)))
    given = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing]
    if len(given) != len(dims):
        raise ShapeError(f"gradient: {len(given)} spacings for {len(dims)} dims")
    for d, s in zip(dims, given):
        if isinstance(s, Tensor) and s.ndim and tuple(s.shape) != (input.shape[d],):
            raise ShapeError(
                f"gradient: the places along dim {d} must be a vector of {input.shape[d]}, got "
                f"{tuple(s.shape)}"
            )
    return given


def gradient(
    input: Any, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1
) -> tuple[Any, ...]:
    """The derivative of samples along each of dim (all if None), of second order inside.

    spacing: the step between samples, for all dims or a list of one for each; or a list of vectors,
    the places of the samples. edge_order: 1 or 2, the order at both ends.

    >>> import sensorium as sn
    >>> sn.gradient(sn.tensor([1.0, 4.0, 9.0]))[0]
    tensor([3., 4., 5.])
    """
    if not input.ndim:
        raise ShapeError("gradient: want at least 1 dimension, got a single value")
    dims = many_dims("gradient", dim, input.ndim)
    if edge_order not in (1, 2):
        raise OptionError(f"gradient: edge_order must be 1 or 2, got {edge_order}")
    if input.dtype.kind in "ub":
        raise DTypeError(f"gradient: not defined for {input.dtype}")
    given = _spacings(spacing, input, dims)
    for d in dims:
        if input.shape[d] <= edge_order:
            raise ShapeError(
                f"gradient: edge_order {edge_order} wants at least {edge_order + 1} samples along "
                f"dim {d}, got shape {tuple(input.shape)}"
            )
    return tuple(
        (_uneven if isinstance(s, Tensor) and s.ndim else _even)(input, d, s, edge_order)
        for d, s in zip(dims, given)
    )


# -- integrals -------------------------------------------------------------------------------------
def _gaps(name: str, y: Any, x: Any, dx: Any, dim: int) -> Any:
    """What lies between samples: a number, or the differences of the places x."""
    if x is not None and dx is not None:
        raise OptionError(f"{name}: x and dx were given; want one of them")
    if y.dtype.kind == "b" or (x is not None and x.dtype.kind == "b"):
        raise DTypeError(f"{name}: bool values have no integral")
    if x is None:
        return 1 if dx is None else dx
    if x.ndim == 1:
        if x.shape[0] != y.shape[dim]:
            raise ShapeError(f"{name}: {x.shape[0]} places for {y.shape[dim]} samples")
        x = reshape(x, [-1 if i == dim else 1 for i in range(y.ndim)])
    elif x.ndim < y.ndim:
        x = reshape(x, (1,) * (y.ndim - x.ndim) + tuple(x.shape))
    return sub(_part(x, dim, 1), _part(x, dim, 0, -1))


def _cells(y: Any, gaps: Any, dim: int) -> Any:
    """Twice the area between neighbouring samples."""
    return (_part(y, dim, 0, -1) + _part(y, dim, 1)) * gaps


def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The integral of the samples y along dim by the trapezoid rule.

    The samples lie at the places x (a vector, or as y), or dx (default 1) apart.

    >>> import sensorium as sn
    >>> sn.trapezoid(sn.tensor([1.0, 3.0]), dx=2)
    tensor(4.)
    """
    d = one_dim("trapezoid", dim, y.ndim)
    if not y.shape[d]:
        return to_dtype(sum(y, d), y.dtype)
    gaps = _gaps("trapezoid", y, x, dx, d)
    if x is None:
        ends = select(y, d, 0) + select(y, d, -1)
        return (sum(y, d) - ends * 0.5) * gaps
    return sum(_cells(y, gaps, d), d) / 2


trapz = trapezoid


def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The integrals from the first sample to every other one, by the trapezoid rule.

    >>> import sensorium as sn
    >>> sn.cumulative_trapezoid(sn.tensor([1.0, 3.0, 3.0]))
    tensor([2., 5.])
    """
    d = one_dim("cumulative_trapezoid", dim, y.ndim)
    gaps = _gaps("cumulative_trapezoid", y, x, dx, d)
    return cumsum(_cells(y, gaps, d), d) / 2


# -- norms and distances ---------------------------------------------------------------------------
@with_out
def renorm(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    """input with every slice along dim whose p-norm exceeds maxnorm shrunk to that norm.

    >>> import sensorium as sn
    >>> sn.renorm(sn.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    if input.dtype not in FLOATING:
        raise DTypeError(f"renorm: want floating-point values, got {input.dtype}")
    if input.ndim < 2:
        raise ShapeError(f"renorm: want at least 2 dimensions, got shape {tuple(input.shape)}")
    if isinstance(p, complex) or isinstance(maxnorm, complex) or p <= 0 or maxnorm < 0:
        raise OptionError(f"renorm: want p > 0 and maxnorm >= 0, got {p} and {maxnorm}")
    d = one_dim("renorm", dim, input.ndim)
    size = norm(input, p, tuple(i for i in range(input.ndim) if i != d), True)
    return input * where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)


def dist(input: Any, other: Any, p: float = 2) -> Any:
    """The p-norm of input - other; the two broadcast.

    >>> import sensorium as sn
    >>> sn.dist(sn.tensor([3.0, 4.0]), sn.tensor([0.0, 0.0]))
    tensor(5.)
    """
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        raise DTypeError(f"dist: want tensors, got {input!r:.40} and {other!r:.40}")
    return norm(sub(input, other), p)
