"""Complex values: conj, real, imag."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError
from ._declare import Array, op


@op
def conj(input: Array) -> Array:
    """The complex conjugate, elementwise; real values as they are.

    >>> import sensorium as sn
    >>> sn.conj(sn.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return np.conjugate(input) if input.dtype.kind != "b" else input.copy()


@conj.grad
def _(g):
    return conj(g)


@conj.samples(reference=lambda x: x.real - 1j * x.imag)
def _(rng):
    yield (rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4)),)


@op
def _real(input: Array) -> Array:
    """The real part, elementwise."""
    return input.real.copy()


@_real.grad
def _(g):
    return g


@_real.samples(reference=lambda x: (x + x.conj()) / 2)
def _(rng):
    yield (rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4)),)


@op
def _imag(input: Array) -> Array:
    """The imaginary part, elementwise."""
    return input.imag.copy()


@_imag.grad
def _(g):
    return g * 1j


@_imag.samples(reference=lambda x: (x - x.conj()) / 2j)
def _(rng):
    yield (rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4)),)


def real(input: Any) -> Any:
    """The real part, elementwise; a real tensor itself.

    >>> import sensorium as sn
    >>> sn.real(sn.tensor([1 + 2j]))
    tensor([1.])
    """
    return _real(input) if input.dtype.kind == "c" else input


def imag(input: Any) -> Any:
    """The imaginary part, elementwise.

    >>> import sensorium as sn
    >>> sn.imag(sn.tensor([1 + 2j]))
    tensor([2.])
    """
    if input.dtype.kind != "c":
        raise DTypeError(f"imag: want a complex tensor, got {input.dtype}")
    return _imag(input)
