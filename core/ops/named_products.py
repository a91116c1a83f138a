"""Matrix products by name: mm, bmm, mv, dot, outer, inner, kron, and those that add: addmm, addmv, ...

Each is a line of ``matmul`` and other ops that have their gradients already.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ._out import with_out
from .arithmetic import mul
from .matmul import matmul
from .reduce import sum
from .shape import _reshape_view, permute, reshape


# -- products -----------------------------------------------------------------------------------
def _want_ndim(name: str, ndim: int, *tensors: Any) -> None:
    for x in tensors:
        if x.ndim != ndim:
            raise ShapeError(f"{name}: want {ndim} dimensions, got shape {tuple(x.shape)}")


@with_out
def mm(input: Any, mat2: Any) -> Any:
    """The product of two matrices.

    >>> import sensorium as sn
    >>> sn.mm(sn.eye(2), sn.ones(2, 1)).shape
    sensorium.Size([2, 1])
    """
    _want_ndim("mm", 2, input, mat2)
    return matmul(input, mat2)


@with_out
def bmm(input: Any, mat2: Any) -> Any:
    """The products of two batches of matrices: (B, n, k) @ (B, k, m) -> (B, n, m).

    >>> import sensorium as sn
    >>> sn.bmm(sn.ones(2, 3, 4), sn.ones(2, 4, 5)).shape
    sensorium.Size([2, 3, 5])
    """
    _want_ndim("bmm", 3, input, mat2)
    if input.shape[0] != mat2.shape[0]:
        raise ShapeError(f"bmm: batches differ, {tuple(input.shape)} and {tuple(mat2.shape)}")
    return matmul(input, mat2)


@with_out
def mv(input: Any, vec: Any) -> Any:
    """The product of a matrix and a vector.

    >>> import sensorium as sn
    >>> sn.mv(sn.ones(2, 3), sn.ones(3))
    tensor([3., 3.])
    """
    _want_ndim("mv", 2, input)
    _want_ndim("mv", 1, vec)
    return matmul(input, vec)


@with_out
def dot(input: Any, tensor: Any) -> Any:
    """The sum of products of two vectors.

    >>> import sensorium as sn
    >>> sn.dot(sn.tensor([1.0, 2.0]), sn.tensor([3.0, 4.0]))
    tensor(11.)
    """
    _want_ndim("dot", 1, input, tensor)
    return matmul(input, tensor)


@with_out
def outer(input: Any, vec2: Any) -> Any:
    """y[i][j] = input[i] * vec2[j].

    >>> import sensorium as sn
    >>> sn.outer(sn.tensor([1, 2]), sn.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    _want_ndim("outer", 1, input, vec2)
    return _reshape_view(input, (-1, 1)) * vec2


@with_out
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta input + alpha mat1 @ mat2.

    >>> import sensorium as sn
    >>> sn.addmm(sn.ones(1), sn.ones(1, 2), sn.ones(2, 1))
    tensor([[3.]])
    """
    product = mm(mat1, mat2)
    product = product * alpha if alpha != 1 else product
    return product if beta == 0 else product + (input * beta if beta != 1 else input)


@with_out
def inner(input: Any, other: Any) -> Any:
    """The sums of products over the last dimensions: (..., k), (___, k) -> (..., ___).

    >>> import sensorium as sn
    >>> sn.inner(sn.tensor([1.0, 2.0]), sn.tensor([3.0, 4.0]))
    tensor(11.)
    """
    if not input.ndim or not other.ndim:
        return mul(input, other)
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(
            f"inner: the last dimensions differ, {tuple(input.shape)} and {tuple(other.shape)}"
        )
    right = permute(other, (other.ndim - 1, *range(other.ndim - 1)))
    flat = matmul(input, reshape(right, (other.shape[-1], -1)))
    return reshape(flat, (*input.shape[:-1], *other.shape[:-1]))


@with_out
def kron(input: Any, other: Any) -> Any:
    """The Kronecker product: every element of input times the whole of other.

    >>> import sensorium as sn
    >>> sn.kron(sn.tensor([1, 2]), sn.tensor([1, 10]))
    tensor([ 1, 10,  2, 20])
    """
    ndim = max(input.ndim, other.ndim)
    a = reshape(input, (1,) * (ndim - input.ndim) + tuple(input.shape))
    b = reshape(other, (1,) * (ndim - other.ndim) + tuple(other.shape))
    wide = reshape(a, [n for size in a.shape for n in (size, 1)])
    tall = reshape(b, [n for size in b.shape for n in (1, size)])
    return reshape(wide * tall, [m * n for m, n in zip(a.shape, b.shape)])


def _scaled(input: Any, product: Any, beta: Any, alpha: Any) -> Any:
    """beta * input + alpha * product; input is not looked at where beta is 0."""
    if input.dtype.kind in "biu":  # the factors are of the tensors' type
        beta, alpha = int(beta), int(alpha)
    scaled = product if alpha == 1 else product * alpha
    total = scaled if beta == 0 else (input if beta == 1 else input * beta) + scaled
    return total.bool() if input.dtype.kind == "b" else total


@with_out
def addmv(input: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """beta * input + alpha * (mat @ vec).

    >>> import sensorium as sn
    >>> sn.addmv(sn.ones(1), sn.tensor([[1.0, 2.0]]), sn.ones(2))
    tensor([4.])
    """
    return _scaled(input, mv(mat, vec), beta, alpha)


@with_out
def addr(input: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """beta * input + alpha * outer(vec1, vec2).

    >>> import sensorium as sn
    >>> sn.addr(sn.zeros(1, 2), sn.ones(1), sn.tensor([1.0, 2.0]))
    tensor([[1., 2.]])
    """
    return _scaled(input, outer(vec1, vec2), beta, alpha)


@with_out
def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """beta * input + alpha * bmm(batch1, batch2).

    >>> import sensorium as sn
    >>> sn.baddbmm(sn.ones(1), sn.ones(1, 1, 2), sn.ones(1, 2, 1))
    tensor([[[3.]]])
    """
    return _scaled(input, bmm(batch1, batch2), beta, alpha)


@with_out
def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """beta * input + alpha * (the sum of bmm(batch1, batch2) over the batch).

    >>> import sensorium as sn
    >>> sn.addbmm(sn.zeros(1, 1), sn.ones(3, 1, 2), sn.ones(3, 2, 1))
    tensor([[6.]])
    """
    return _scaled(input, sum(bmm(batch1, batch2), 0), beta, alpha)


ger = outer
