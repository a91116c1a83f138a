"""The array API's linalg extension, from ``sensorium.linalg``."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import linalg as _linalg, ops as _ops
from ..errors import ShapeError
from ..tensor import Tensor, wrap
from . import _products
from ._base import dims_of, sized, tensor_of, together
from ._statistics import _merged, _summed_type

matmul, matrix_transpose = _products.matmul, _products.matrix_transpose
tensordot, vecdot = _products.tensordot, _products.vecdot


class EighResult(NamedTuple):
    """What ``eigh`` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    """What ``qr`` returns."""

    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    """What ``slogdet`` returns."""

    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    """What ``svd`` returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """L with x = L L^H, or U with x = U^H U."""
    return _linalg.cholesky(tensor_of("cholesky", x), upper=upper)


def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """The cross product of vectors of 3 along axis."""
    x1, x2 = together("cross", x1, x2)
    x1, x2 = _ops.broadcast_tensors(x1, x2)
    return _linalg.cross(x1, x2, dim=axis)


def det(x: Tensor, /) -> Tensor:
    """The determinant."""
    return _linalg.det(tensor_of("det", x))


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """The diagonal of the last two dimensions."""
    return _linalg.diagonal(tensor_of("diagonal", x), offset=offset)


def eigh(x: Tensor, /) -> EighResult:
    """Eigenvalues in rising order and eigenvectors of a Hermitian matrix."""
    return EighResult(*_linalg.eigh(tensor_of("eigh", x)))


def eigvalsh(x: Tensor, /) -> Tensor:
    """Eigenvalues in rising order of a Hermitian matrix."""
    return _linalg.eigvalsh(tensor_of("eigvalsh", x))


def inv(x: Tensor, /) -> Tensor:
    """The inverse."""
    return _linalg.inv(tensor_of("inv", x))


def matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """The norm of the matrices of the last two dimensions."""
    x = tensor_of("matrix_norm", x)
    if x.numel() == 0 and ord not in ("fro", "nuc"):
        kept = (*x.shape[:-2], 1, 1) if keepdims else x.shape[:-2]
        return wrap(np.zeros(kept, x.array.real.dtype))
    return _linalg.matrix_norm(x, ord, (-2, -1), keepdims)


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    """x x ... x, n times; the inverse's power where n is negative."""
    return _linalg.matrix_power(tensor_of("matrix_power", x), n)


def matrix_rank(x: Tensor, /, *, rtol: Any = None) -> Tensor:
    """How many singular values exceed rtol times the largest (None: max(M, N) eps)."""
    return _linalg.matrix_rank(tensor_of("matrix_rank", x), rtol=rtol)


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    """x1_i x2_j of two vectors."""
    x1, x2 = together("outer", x1, x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ShapeError(f"outer: want two vectors, got {tuple(x1.shape)} and {tuple(x2.shape)}")
    return x1.unsqueeze(1) * x2


def pinv(x: Tensor, /, *, rtol: Any = None) -> Tensor:
    """The Moore-Penrose inverse."""
    return _linalg.pinv(tensor_of("pinv", x), rtol=rtol)


def qr(x: Tensor, /, *, mode: str = "reduced") -> QRResult:
    """Q with orthonormal columns and upper triangular R, x = Q R."""
    return QRResult(*_linalg.qr(tensor_of("qr", x), mode))


def slogdet(x: Tensor, /) -> SlogdetResult:
    """The determinant's sign and the logarithm of its absolute value."""
    return SlogdetResult(*_linalg.slogdet(tensor_of("slogdet", x)))


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """y with x1 y = x2; a 1-D x2 is one vector, any other holds matrices."""
    x1, x2 = together("solve", x1, x2)
    if x2.ndim == 1:
        return _linalg.solve(x1, x2.unsqueeze(-1)).squeeze(-1)
    batch = _ops.broadcast_shapes(tuple(x1.shape[:-2]), tuple(x2.shape[:-2]))
    return _linalg.solve(
        _ops.broadcast_to(x1, (*batch, *x1.shape[-2:])),
        _ops.broadcast_to(x2, (*batch, *x2.shape[-2:])),
    )


def svd(x: Tensor, /, *, full_matrices: bool = True) -> SVDResult:
    """x = U diag(S) Vh, singular values falling."""
    return SVDResult(*_linalg.svd(tensor_of("svd", x), full_matrices))


def svdvals(x: Tensor, /) -> Tensor:
    """The singular values, falling."""
    return _linalg.svdvals(tensor_of("svdvals", x))


def trace(x: Tensor, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """The sum along the diagonal of the last two dimensions."""
    along = diagonal(x, offset=offset)
    wanted = _summed_type(along, dtype)
    return _ops.sum(along.to(wanted), -1, dtype=wanted)


def vector_norm(x: Tensor, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Tensor:
    """sum(abs(x)^ord)^(1 / ord) along axis; 0 counts, inf and -inf are the extremes."""
    if axis is not None and not dims_of("vector_norm", axis, tensor_of("vector_norm", x).ndim):
        return _ops.abs(x)
    merged, kept = _merged("vector_norm", x, axis)
    out = _linalg.vector_norm(merged, ord, -1)
    return sized(out, kept) if keepdims else out
