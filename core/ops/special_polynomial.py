"""Orthogonal polynomials: Chebyshev's four kinds and their shifted forms, Hermite, Laguerre, Legendre.

    p[k + 1](x) = ((a x + b) p[k](x) - c p[k - 1](x)) / d,    p[0] = 1

with a, b, c, d of k (NIST Digital Library of Mathematical Functions, 18.9.1); inside (-1, 1) Chebyshev's
kinds of high degree by their trigonometric forms (18.5). The recurrence is followed in the type of the
input, and where PyTorch's ends in nan, or gives 0 (negative degree), it does here. The derivative of
the recurrence gives the slope, of any order; PyTorch has none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ._declare import Array, op
from ._out import with_out

Step = Callable[[int], tuple[int, int, int, int]]
_HIGHEST = {"float32": 128, "float64": 512}
"""The degree beyond which PyTorch's Hermite polynomials are nan."""


class _Family(NamedTuple):
    """One kind: p[1] = a x + b, the step (a, b, c, d) from k, and the closed form if there is one."""

    first: tuple[int, int]
    step: Step
    closed: Callable[[Any, Any], Any] | None = None
    above: int = 8  # degrees above this take the closed form
    ends: Callable[[Any], tuple[Any, Any]] | None = None  # values at 1 and, but for a sign, at -1
    limited: bool = False


def _two(k: int) -> tuple[int, int, int, int]:
    return 2, 0, 1, 1


_FAMILIES = {
    "t": _Family((1, 0), _two, lambda n, t: np.cos(n * t), 6, lambda n: (1, 1)),
    "u": _Family(
        (2, 0), _two, lambda n, t: np.sin((n + 1) * t) / np.sin(t), 8, lambda n: (n + 1, n + 1)
    ),
    "v": _Family(
        (2, -1), _two, lambda n, t: np.cos((n + 0.5) * t) / np.cos(t / 2), 8,
        lambda n: (1, 2 * n + 1),
    ),
    "w": _Family(
        (2, 1), _two, lambda n, t: np.sin((n + 0.5) * t) / np.sin(t / 2), 8,
        lambda n: (2 * n + 1, 1),
    ),
    "h": _Family((2, 0), lambda k: (2, 0, 2 * k, 1), limited=True),
    "he": _Family((1, 0), lambda k: (1, 0, k, 1), limited=True),
    "l": _Family((-1, 1), lambda k: (-1, 2 * k + 1, k, k + 1)),
    "p": _Family((1, 0), lambda k: (2 * k + 1, 0, k, k + 1), ends=lambda n: (1, 1)),
}  # fmt: skip


def _degree(n: Any, like: Any) -> Any:
    """n as integers, cut towards 0; nan is none (-1)."""
    n = np.asarray(n, like=like)
    if n.dtype.kind in "biu":
        return n.astype(np.int64)
    n = n.astype(np.float64)
    return np.clip(np.where(np.isnan(n), -1.0, n), -1, 2.0**62).astype(np.int64)


def _closed_form(family: _Family, x: Any, n: Any) -> tuple[Any, Any]:
    """Where a closed form holds, and its values there."""
    known, value = np.zeros(x.shape, bool, like=x), np.zeros_like(x)
    if family.ends is not None:
        high, low = family.ends(n)
        at_end = np.where(x > 0, high, np.where(n % 2 == 0, low, -low))
        known = np.absolute(x) == 1
        value = np.where(known, at_end, value).astype(x.dtype)
    if family.closed is not None:
        inside = (np.absolute(x) < 1) & (n > family.above)
        angle = np.arccos(np.where(inside, x, x.dtype.type(0)))
        formula = family.closed(n.astype(x.dtype), angle)
        known, value = known | inside, np.where(inside, formula, value)
    return known, value


def _climb(family: _Family, x: Any, n: Any, order: int) -> Any:
    """The derivative of the order, by the recurrence and its derivatives."""
    a, b = family.first
    one, zero = np.ones_like(x), np.zeros_like(x)
    p = [one, *[zero] * order]
    q = [a * x + b, a * one, *[zero] * order][: order + 1]
    value = np.where(n == 0, p[order], q[order])
    k, top = 1, int(n.max(initial=0))
    while k < top and not np.isnan(q[order]).all():
        a, b, c, d = (x.dtype.type(v) for v in family.step(k))
        slope = a * x + b if b else a * x
        above = [slope * q[0] - c * p[0]]
        above += [slope * q[m] + a * m * q[m - 1] - c * p[m] for m in range(1, order + 1)]
        p, q, k = q, above if d == 1 else [v / d for v in above], k + 1
        value = np.where(n >= k, q[order], value)
    return value


@op(promote="float", numbers="either")
def _polynomial(input: Array, n: Array, kind: str, shifted: bool, order: int) -> Array:
    """The derivative, of the order, of the polynomial of degree n at input (shifted: at 2 input - 1)."""
    like = input if hasattr(input, "dtype") else n
    family, wide = _FAMILIES[kind], np.float32 if like.dtype.itemsize == 2 else like.dtype
    x, degree = np.broadcast_arrays(np.asarray(input, wide, like=like), _degree(n, like))
    x = np.asarray(x + x - 1, like=like) if shifted else x
    known, value = _closed_form(family, x, degree)
    if order:
        known = np.zeros_like(known)
    climbed = _climb(family, x, np.where(known, 0, degree), order)
    value = np.where(known, value, climbed) * (2.0 if shifted else 1.0) ** order
    if family.limited:
        value = np.where(degree > _HIGHEST.get(like.dtype.name, 128), np.nan, value)
    return np.where(degree < 0, 0, value).astype(like.dtype, copy=False)


@_polynomial.grad("input")
def _(g, input, n, kind, shifted, order):
    return g * _polynomial(input, n, kind, shifted, order + 1)


def _coefficients(kind: str, n: int) -> Any:
    """The polynomial as numpy.polynomial knows it, in powers of x."""
    from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre

    unit = [0.0] * n + [1.0]
    to_powers: dict[str, Any] = {
        "t": chebyshev.cheb2poly, "h": hermite.herm2poly, "he": hermite_e.herme2poly,
        "l": laguerre.lag2poly, "p": legendre.leg2poly,
    }  # fmt: skip
    if kind in to_powers:
        return np.polynomial.Polynomial(to_powers[kind](unit))
    if kind == "u":  # T' of the next degree (DLMF 18.9.21)
        return _coefficients("t", n + 1).deriv() / (n + 1)
    below = _coefficients("u", n - 1) if n else 0
    return _coefficients("u", n) + (below if kind == "w" else -1 * below)


def _slow(x: Any, n: Any, kind: str, shifted: bool, order: int) -> Any:
    def one(value: float, degree: float) -> float:
        if degree < 0:
            return 0.0
        p = _coefficients(kind, int(degree))
        p = p(np.polynomial.Polynomial([-1, 2])) if shifted else p
        return float((p.deriv(order) if order else p)(value))

    return np.vectorize(one, otypes="d")(x, n)


@_polynomial.samples(reference=_slow, tolerance=1e-10)
def _(rng):
    for kind in _FAMILIES:
        x, n = rng.normal(size=(3, 4)) * 0.7, rng.integers(-1, 8, size=4).astype(float)
        yield x, n, kind, False, 0
    yield rng.uniform(size=(2, 3)) * 0.9, np.array([[9.0], [4.0]]), "t", True, 0
    yield rng.normal(size=4), np.array(5.0), "l", False, 2
    yield rng.normal(size=4), np.array(4.0), "w", True, 1
    yield rng.normal(size=(0, 2)), np.array(4.0), "h", False, 0


# -- Chebyshev -------------------------------------------------------------------------------------
@with_out
def chebyshev_polynomial_t(input: Any, n: Any) -> Any:
    """T[n](input) = cos(n arccos input), elementwise; n: whole numbers, 0 below degree 0.

    >>> import sensorium as sn
    >>> sn.special.chebyshev_polynomial_t(sn.tensor([0.5, 2.0]), 2)
    tensor([-0.5000,  7.0000])
    """
    return _polynomial(input, n, "t", False, 0)


@with_out
def chebyshev_polynomial_u(input: Any, n: Any) -> Any:
    """U[n](cos t) = sin((n + 1) t) / sin t, elementwise.

    >>> import sensorium as sn
    >>> sn.special.chebyshev_polynomial_u(sn.tensor([0.5, 2.0]), 2)
    tensor([ 0., 15.])
    """
    return _polynomial(input, n, "u", False, 0)


@with_out
def chebyshev_polynomial_v(input: Any, n: Any) -> Any:
    """V[n](cos t) = cos((n + 1/2) t) / cos(t / 2), elementwise.

    >>> import sensorium as sn
    >>> sn.special.chebyshev_polynomial_v(sn.tensor([0.5, 2.0]), 2)
    tensor([-1., 11.])
    """
    return _polynomial(input, n, "v", False, 0)


@with_out
def chebyshev_polynomial_w(input: Any, n: Any) -> Any:
    """W[n](cos t) = sin((n + 1/2) t) / sin(t / 2), elementwise.

    >>> import sensorium as sn
    >>> sn.special.chebyshev_polynomial_w(sn.tensor([0.5, 2.0]), 2)
    tensor([ 1., 19.])
    """
    return _polynomial(input, n, "w", False, 0)


@with_out
def shifted_chebyshev_polynomial_t(input: Any, n: Any) -> Any:
    """``chebyshev_polynomial_t`` of 2 input - 1.

    >>> import sensorium as sn
    >>> sn.special.shifted_chebyshev_polynomial_t(sn.tensor([0.75]), 2)
    tensor([-0.5000])
    """
    return _polynomial(input, n, "t", True, 0)


@with_out
def shifted_chebyshev_polynomial_u(input: Any, n: Any) -> Any:
    """``chebyshev_polynomial_u`` of 2 input - 1.

    >>> import sensorium as sn
    >>> sn.special.shifted_chebyshev_polynomial_u(sn.tensor([1.5]), 2)
    tensor([15.])
    """
    return _polynomial(input, n, "u", True, 0)


@with_out
def shifted_chebyshev_polynomial_v(input: Any, n: Any) -> Any:
    """``chebyshev_polynomial_v`` of 2 input - 1.

    >>> import sensorium as sn
    >>> sn.special.shifted_chebyshev_polynomial_v(sn.tensor([1.5]), 2)
    tensor([11.])
    """
    return _polynomial(input, n, "v", True, 0)


@with_out
def shifted_chebyshev_polynomial_w(input: Any, n: Any) -> Any:
    """``chebyshev_polynomial_w`` of 2 input - 1.

    >>> import sensorium as sn
    >>> sn.special.shifted_chebyshev_polynomial_w(sn.tensor([1.5]), 2)
    tensor([19.])
    """
    return _polynomial(input, n, "w", True, 0)


# -- Hermite, Laguerre, Legendre -------------------------------------------------------------------
@with_out
def hermite_polynomial_h(input: Any, n: Any) -> Any:
    """Hermite's polynomial of the physicists: 1, 2 x, 4 x**2 - 2, ...; nan above degree 512.

    In float32 nan above degree 128.

    >>> import sensorium as sn
    >>> sn.special.hermite_polynomial_h(sn.tensor([1.0]), 2)
    tensor([2.])
    """
    return _polynomial(input, n, "h", False, 0)


@with_out
def hermite_polynomial_he(input: Any, n: Any) -> Any:
    """Hermite's polynomial of probability theory: 1, x, x**2 - 1, ...; nan above degree 512.

    In float32 nan above degree 128.

    >>> import sensorium as sn
    >>> sn.special.hermite_polynomial_he(sn.tensor([3.0]), 2)
    tensor([8.])
    """
    return _polynomial(input, n, "he", False, 0)


@with_out
def laguerre_polynomial_l(input: Any, n: Any) -> Any:
    """Laguerre's polynomial: 1, 1 - x, (x**2 - 4 x + 2) / 2, ...

    >>> import sensorium as sn
    >>> sn.special.laguerre_polynomial_l(sn.tensor([1.0]), 2)
    tensor([-0.5000])
    """
    return _polynomial(input, n, "l", False, 0)


@with_out
def legendre_polynomial_p(input: Any, n: Any) -> Any:
    """Legendre's polynomial: 1, x, (3 x**2 - 1) / 2, ...

    >>> import sensorium as sn
    >>> sn.special.legendre_polynomial_p(sn.tensor([2.0]), 2)
    tensor([5.5000])
    """
    return _polynomial(input, n, "p", False, 0)
