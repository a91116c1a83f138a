"""Norms and what is measured with singular values: condition, rank, pseudoinverse, least squares."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import as_dtype
from ..errors import DTypeError, OptionError, ShapeError
from ..tensor import wrap
from . import linalg_spectral as spectral
from ._dims import many_dims
from ._out import with_out
from .cast import to_dtype
from .exponential import abs
from .extremes import amax, amin
from .linalg import _inv, check_float, check_matrix, check_square, column
from .linalg_calls import _is_vector, _where_regular, _zero_pivot
from .linalg_vector import _vector_norm
from .matmul import matmul
from .reduce import sum
from .select import where
from .shape import movedim, reshape, unsqueeze


# -- norms -----------------------------------------------------------------------------------------
def _prepared(name: str, x: Any, dtype: Any) -> Any:
    if dtype is not None:
        wanted = as_dtype(dtype)
        if x.dtype.kind == "c" and wanted.kind != "c":
            raise DTypeError(f"{name}: dtype must be complex for {x.dtype}, got {wanted}")
        x = to_dtype(x, wanted)
    if x.dtype.kind in "biu":
        raise DTypeError(f"{name}: want a floating-point or complex tensor, got {x.dtype}")
    return x


@with_out
def vector_norm(
    x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """(sum of |x|**ord) ** (1/ord) over dim (all elements if None); ord may be 0, inf, -inf.

    >>> import sensorium as sn
    >>> sn.linalg.vector_norm(sn.tensor([3.0, 4.0]))
    tensor(5.)
    """
    x = _prepared("linalg.vector_norm", x, dtype)
    if isinstance(ord, str):
        raise OptionError(f"linalg.vector_norm: ord must be a number, got {ord!r}")
    dims = many_dims("linalg.vector_norm", dim, x.ndim)
    empty = math.prod(x.shape[d] for d in dims) == 0
    if empty and (ord < 0 or ord == math.inf):
        raise ShapeError(
            f"linalg.vector_norm: ord {ord} has no value for no elements (shape {tuple(x.shape)})"
        )
    return _vector_norm(x, float(ord), dims, bool(keepdim))


def _matrix_dims(name: str, dim: Any, ndim: int) -> tuple[int, int]:
    dims = many_dims(name, dim, ndim) if not hasattr(dim, "__index__") else (dim,)
    if ndim < 2 or len(dims) != 2:
        raise ShapeError(f"{name}: want two dimensions of a matrix, got dim {dim} of {ndim}")
    return dims[0], dims[1]


def _by_values(A: Any, dims: tuple[int, int], keepdim: bool, reduce: Any) -> Any:
    """A function of the singular values of the matrices in dims."""
    y = reduce(spectral._svdvals(movedim(A, dims, (-2, -1))), -1)
    for d in sorted(dims) if keepdim else ():
        y = unsqueeze(y, d)
    return y


def _largest(x: Any, dim: int, keepdim: bool = False) -> Any:
    """The largest of sizes, of none 0."""
    return amax(x, dim, keepdim) if x.shape[dim] else sum(x, dim, keepdim)


@with_out
def matrix_norm(
    A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """The norm of the matrices in dim.

    ord: "fro" (root of the sum of squares), "nuc" (sum of singular values), 2 and -2 (largest,
    smallest singular value), 1 and -1 (column sums), inf and -inf (row sums).

    >>> import sensorium as sn
    >>> sn.linalg.matrix_norm(sn.tensor([[3.0, 0.0], [0.0, 4.0]]), "nuc")
    tensor(7.)
    """
    name = "linalg.matrix_norm"
    A = _prepared(name, A, dtype)
    dims = _matrix_dims(name, dim, A.ndim)
    if ord == "fro":
        return vector_norm(A, 2, dims, keepdim)
    if ord == "nuc":
        return _by_values(A, dims, keepdim, sum)
    if ord not in (1, -1, 2, -2, math.inf, -math.inf):
        raise OptionError(
            f"{name}: ord must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}"
        )
    extreme = _largest if ord > 0 else amin
    if ord in (2, -2):
        return _by_values(A, dims, keepdim, extreme)
    added, kept = dims if ord in (1, -1) else (dims[1], dims[0])
    found = extreme(sum(abs(A), added, True), kept, True)
    return found if keepdim else movedim(found, dims, (-2, -1))[..., 0, 0]


@with_out
def norm(
    input: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """``vector_norm`` or ``matrix_norm``, by ord and dim.

    ord None: the 2-norm of all elements of dim; one dim: a vector norm; two: a matrix norm; dim None
    with an ord: by the number of dimensions of input, 1 or 2.

    >>> import sensorium as sn
    >>> sn.linalg.norm(sn.tensor([[3.0, 0.0], [0.0, 4.0]]), 2)
    tensor(4.)
    """
    if ord is None:
        return vector_norm(input, 2, dim, keepdim, dtype=dtype)
    if dim is None and input.ndim not in (1, 2):
        raise ShapeError(
            f"linalg.norm: ord {ord!r} without dim wants 1 or 2 dimensions, got {tuple(input.shape)}"
        )
    one = input.ndim == 1 if dim is None else hasattr(dim, "__index__") or len(dim) == 1
    if one:
        return vector_norm(input, ord, dim, keepdim, dtype=dtype)
    return matrix_norm(input, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)


@with_out
def cond(A: Any, p: Any = None) -> Any:
    """norm(A, p) norm(inv(A), p); for p None or 2 the ratio of extreme singular values (inf if 0).

    >>> import sensorium as sn
    >>> sn.linalg.cond(sn.tensor([[4.0, 0.0], [0.0, 2.0]]))
    tensor(2.)
    """
    if p in (None, 2, -2):
        check_matrix("linalg.cond", A)
        s = spectral._svdvals(A)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    check_square("linalg.cond", A)
    info = _zero_pivot(A)
    back = where(info != 0, math.inf, matrix_norm(_inv(_where_regular(A, info)), p))
    found = matrix_norm(A, p) * back
    return found if p == "nuc" else where(info != 0, math.inf, found)


# -- rank and pseudoinverse ------------------------------------------------------------------------
def _limits(A: Any, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """atol and rtol as raw arrays or numbers, with PyTorch's defaults."""
    atol, rtol = (getattr(v, "array", v) for v in (atol, rtol))
    given = atol is not None and bool((atol > 0).any() if hasattr(atol, "any") else atol > 0)
    if rtol is None:
        rtol = 0.0 if given else float(np.finfo(A.dtype).eps) * max(A.shape[-2:])
    return 0.0 if atol is None else atol, rtol


@with_out
def matrix_rank(
    A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Any:
    """How many singular values exceed max(atol, rtol * the largest), int64.

    rtol's default is eps max(m, n), or 0 where an atol above 0 is given. tol is an older atol.

    >>> import sensorium as sn
    >>> sn.linalg.matrix_rank(sn.ones(3, 3))
    tensor(1)
    """
    (check_square if hermitian else check_matrix)("linalg.matrix_rank", A)
    x, atol = A.detach(), tol if atol is None else atol
    if tol is not None:
        rtol = 0.0 if rtol is None else rtol
    s = np.abs((spectral._eigvalsh(x, "L") if hermitian else spectral._svdvals(x)).array)
    return wrap(
        np.asarray((s > spectral.threshold(s, *_limits(A, atol, rtol))).sum(axis=-1), like=s)
    )


@with_out
def pinv(
    A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Any:
    """The pseudoinverse: singular values up to max(atol, rtol * the largest) count as 0.

    rtol's default is eps max(m, n), or 0 where an atol above 0 is given. rcond is an older rtol.

    >>> import sensorium as sn
    >>> sn.linalg.pinv(sn.tensor([[2.0, 0.0], [0.0, 0.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.0000]])
    """
    (check_square if hermitian else check_matrix)("linalg.pinv", A)
    limits = _limits(A, atol, rcond if rtol is None else rtol)
    return spectral._pinv(A, *limits, bool(hermitian))


# -- least squares ---------------------------------------------------------------------------------
class Lstsq(NamedTuple):
    """What ``lstsq`` returns."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


_DRIVERS = ("gelsy", "gels", "gelsd", "gelss")


@with_out
def lstsq(A: Any, B: Any, rcond: Any = None, *, driver: str | None = None) -> Lstsq:
    """X that minimises ||A @ X - B||, of several the smallest; by the pseudoinverse.

    rcond: singular values up to rcond times the largest count as 0, eps max(m, n) if None. driver (None
    is "gelsy") decides only what comes along: residuals, the squared distances of every column of B, are
    empty with "gelsy", and unless every A has full rank and more rows than columns; rank is empty with
    "gels"; singular_values are there with "gelsd" and "gelss".

    >>> import sensorium as sn
    >>> x = sn.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> sn.linalg.lstsq(x, sn.tensor([[1.0], [3.0], [5.0]])).solution
    tensor([[1.0000],
            [2.0000]])
    """
    name = "linalg.lstsq"
    check_matrix(name, A)
    check_float(name, A, B)
    if driver is not None and driver not in _DRIVERS:
        raise OptionError(f"{name}: driver must be one of {_DRIVERS}, got {driver!r}")
    vector = _is_vector(A, B) and B.ndim > 0
    right = column(B) if vector else B
    if right.ndim < 2 or right.shape[-2] != A.shape[-2]:
        raise ShapeError(
            f"{name}: A {tuple(A.shape)} and B {tuple(B.shape)} differ in the number of rows"
        )
    x = matmul(pinv(A, rtol=rcond), right)
    rank = matrix_rank(A, rtol=rcond)
    m, n = A.shape[-2:]
    plain = np.zeros(0, A.array.real.dtype, like=A.array)
    full = m > n and driver not in (None, "gelsy") and bool((rank.array == n).all())
    residuals = _squared(matmul(A, x) - right) if full else reshape(abs(x), (-1,))[:0]
    values = spectral._svdvals(A.detach()) if driver in ("gelsd", "gelss") else wrap(plain)
    none = wrap(np.zeros(0, np.int64, like=A.array))
    return Lstsq(x[..., 0] if vector else x, residuals, none if driver == "gels" else rank, values)


def _squared(off: Any) -> Any:
    """The sum of |off|**2 over rows."""
    size = abs(off)
    return sum(size * size, -2)
