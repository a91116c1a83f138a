"""conj_physical, resolve_conj, resolve_neg: conjugates are always computed here, never noted down."""

from __future__ import annotations

from typing import Any

from ._out import with_out
from .complex import conj


@with_out
def conj_physical(input: Any) -> Any:
    """The complex conjugate, elementwise.

    >>> import sensorium as sn
    >>> sn.conj_physical(sn.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return conj(input)


def resolve_conj(input: Any) -> Any:
    """The input itself: no tensor waits for its conjugate here.

    >>> import sensorium as sn
    >>> sn.resolve_conj(sn.tensor([1j]).conj())
    tensor([0.-1.j])
    """
    return input


def resolve_neg(input: Any) -> Any:
    """The input itself: no tensor waits for its sign here.

    >>> import sensorium as sn
    >>> sn.resolve_neg(sn.tensor([1.0]))
    tensor([1.])
    """
    return input
