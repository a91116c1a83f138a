"""Matrix products: matmul, linear, einsum. Their named special cases: ``named_products.py``.

Large float32 products run on oneDNN, with operands transposed or batched as they come.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends.cpu import onednn
from ..errors import DTypeError, ShapeError
from ._declare import Array, op
from ._out import with_out
from .exponential import conjugate
from .shape import _permute, _reshape, _reshape_view


def _flip_last(x: Any) -> Any:
    """The last two dimensions exchanged, conjugated if complex."""
    order = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    return conjugate(_permute(x, order))


def _check_matmul(name: str, a: Any, b: Any) -> None:
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(f"{name}: want at least one dimension each, got {a.shape} and {b.shape}")
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner:
        raise ShapeError(
            f"{name}: {a.shape[-1]} columns of {tuple(a.shape)} do not meet {inner} rows of "
            f"{tuple(b.shape)}"
        )
    if a.dtype != b.dtype:
        raise DTypeError(f"{name}: operands must have one type, got {a.dtype} and {b.dtype}")


_BLAS = frozenset(map(np.dtype, (np.float32, np.float64)))


# -- matmul --------------------------------------------------------------------------------------
@with_out
@op(warns=False)
def matmul(input: Array, other: Array) -> Array:
    """The matrix product; vectors are rows on the left and columns on the right, batches broadcast.

    (..., n, k) @ (..., k, m) -> (..., n, m); a vector's dimension does not appear in the result.

    >>> import sensorium as sn
    >>> sn.matmul(sn.tensor([[1.0, 2.0], [3.0, 4.0]]), sn.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    kind = input.dtype
    simple = kind is other.dtype and kind in _BLAS and input.ndim == 2 and other.ndim == 2
    if simple and input.shape[1] == other.shape[0]:
        return input.dot(other)
    _check_matmul("matmul", input, other)
    if input.dtype.kind == "V" or (input.itemsize == 2 and input.dtype.kind == "f"):
        wide = _quiet_matmul(input.astype(np.float32), other.astype(np.float32))
        return wide.astype(input.dtype)
    return _quiet_matmul(input, other)


def _quiet_matmul(a: Any, b: Any) -> Any:
    with np.errstate(all="ignore"):  # here, because the short way above cannot warn
        return np.matmul(a, b)


@matmul.grad("input")
def _(g, input, other):
    if other.ndim == 1:
        return _outer(g, conjugate(other))
    if input.ndim == 1:
        return _sum_batches(matmul(other, _column(g)), other)
    return matmul(g, _flip_last(other))


@matmul.grad("other")
def _(g, input, other):
    if input.ndim == 1 == other.ndim:
        return g * conjugate(input)
    if input.ndim == 1:  # (k) @ (..., k, m): an outer product for every matrix
        return _column(conjugate(input)) * _reshape_view(g, (*g.shape[:-1], 1, g.shape[-1]))
    if other.ndim == 1:
        flat = _rows(conjugate(input))
        return matmul(_reshape(g, (flat.shape[0],)), flat)
    if other.ndim == 2 and input.ndim > 2:  # one matrix for the whole batch: one product
        return matmul(_flip_last(_rows(input)), _rows(g))
    return matmul(_flip_last(input), g)


def _rows(x: Any) -> Any:
    """(..., k) -> (n, k), also where there are no elements."""
    return _reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def _column(x: Any) -> Any:
    return _reshape_view(x, (*x.shape, 1))


def _outer(g: Any, row: Any) -> Any:
    """g[..., None] * row."""
    return _column(g) * row


def _sum_batches(product: Any, other: Any) -> Any:
    return _reshape_view(product, tuple(product.shape[:-1]))


@matmul.fast("onednn", when=onednn.takes_matmul, least=512)
def _(input, other):
    return onednn.matmul(input, other)


@matmul.samples(reference=lambda a, b: _slow_matmul(a, b), tolerance=1e-11)
def _(rng):
    for left, right in [
        ((3, 4), (4, 5)),
        ((4,), (4,)),
        ((4,), (4, 5)),
        ((3, 4), (4,)),
        ((2, 3, 4), (4, 5)),
        ((2, 1, 3, 4), (5, 4, 2)),
        ((4,), (2, 4, 3)),
        ((2, 3, 4), (4,)),
        ((0, 4), (4, 3)),
        ((3, 0), (0, 2)),
    ]:
        yield rng.normal(size=left), rng.normal(size=right)
    yield rng.normal(size=(4, 3)).T, rng.normal(size=(5, 4)).T
    yield rng.normal(size=(128, 96)), rng.normal(size=(96, 128))


def _slow_matmul(a: Any, b: Any) -> Any:
    left = a[None, :] if a.ndim == 1 else a
    right = b[:, None] if b.ndim == 1 else b
    y = (left[..., :, :, None] * right[..., None, :, :]).sum(-2)
    y = y[..., 0, :] if a.ndim == 1 else y
    return y[..., 0] if b.ndim == 1 else y


# -- linear --------------------------------------------------------------------------------------
@with_out
@op
def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """input @ weight.T + bias: (..., in) with weight (out, in) and bias (out) -> (..., out).

    >>> import sensorium as sn
    >>> sn.nn.functional.linear(sn.ones(2), sn.tensor([[1.0, 2.0]]), sn.tensor([0.5]))
    tensor([3.5000])
    """
    _check_linear(input, weight, bias)
    y = matmul(input, weight.T)
    return y if bias is None else np.add(y, bias, out=y if y.ndim else None)


def _check_linear(input: Any, weight: Any, bias: Any) -> None:
    if weight.ndim not in (1, 2) or input.ndim == 0 or input.shape[-1] != weight.shape[-1]:
        raise ShapeError(
            f"linear: input {tuple(input.shape)} ends in no {weight.shape[-1]} features "
            f"(weight {tuple(weight.shape)})"
        )
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise ShapeError(f"linear: bias {bias.shape} does not fit weight {tuple(weight.shape)}")
    if input.dtype != weight.dtype:
        raise DTypeError(f"linear: input is {input.dtype} but weight {weight.dtype}")


@linear.grad("input")
def _(g, weight):
    return matmul(g, weight) if weight.ndim == 2 else _outer(g, weight)


@linear.grad("weight")
def _(g, input, shapes):
    rows = _rows(input)  # (n, in)
    if len(shapes[1]) == 1:
        return matmul(_reshape(g, (rows.shape[0],)), rows)
    return matmul(_permute(_rows(g), (1, 0)), rows)  # (out, in)


@linear.grad("bias")
def _(g):
    return g  # the engine sums it to (out,)


@linear.fast("onednn", when=onednn.takes_linear, least=64)
def _(input, weight, bias=None):
    _check_linear(input, weight, bias)
    return onednn.linear(input, weight, bias)


@linear.samples(
    reference=lambda x, w, b=0.0: _slow_matmul(x, w.swapaxes(-1, 0)) + b, tolerance=1e-11
)
def _(rng):
    yield rng.normal(size=(3, 4)), rng.normal(size=(5, 4)), rng.normal(size=(5,))
    yield rng.normal(size=(2, 3, 4)), rng.normal(size=(5, 4))
    yield rng.normal(size=(4,)), rng.normal(size=(5, 4)), rng.normal(size=(5,))
    yield rng.normal(size=(128, 96)), rng.normal(size=(64, 96)), rng.normal(size=(64,))


# -- einsum --------------------------------------------------------------------------------------
def einsum(equation: str, *operands: Any) -> Any:
    """The sum of products that the equation names: "ij,jk->ik" is the matrix product.

    Spaces are ignored, ``...`` stands for batch dimensions, a letter twice in one operand takes the
    diagonal, without ``->`` the letters that occur once are kept in alphabetical order.

    >>> import sensorium as sn
    >>> sn.einsum("bi,bj->bij", sn.ones(2, 3), sn.ones(2, 4)).shape
    sensorium.Size([2, 3, 4])
    """
    tensors = (
        list(operands[0])
        if len(operands) == 1 and isinstance(operands[0], (list, tuple))
        else (list(operands))
    )
    inputs, output = _parse(equation.replace(" ", ""), tensors)
    terms = [_diagonals(x, labels) for x, labels in zip(tensors, inputs)]
    total, labels = terms[0]
    for i, (other, more) in enumerate(terms[1:], 1):
        later = set(output).union(*(ls for _, ls in terms[i + 1 :]))
        total, labels = _contract(total, labels, other, more, later)
    return _finish(total, labels, output)


def _parse(equation: str, tensors: list[Any]) -> tuple[list[str], str]:
    """Labels of every operand and of the result, ``...`` replaced by capital letters."""
    left, arrow, right = equation.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(tensors):
        raise ShapeError(f"einsum: {equation!r} names {len(inputs)} operands, got {len(tensors)}")
    batch = max((x.ndim - len(s) + 3 for x, s in zip(tensors, inputs) if "..." in s), default=0)
    spare = [chr(c) for c in range(0x3B1, 0x3B1 + max(batch, 0))]  # Greek: no user label
    filled = []
    for x, s in zip(tensors, inputs):
        n = x.ndim - len(s) + 3
        filled.append(s.replace("...", "".join(spare[len(spare) - n :]) if n > 0 else ""))
        if len(filled[-1]) != x.ndim:
            raise ShapeError(f"einsum: {s!r} in {equation!r} does not fit shape {tuple(x.shape)}")
    if arrow:
        return filled, right.replace("...", "".join(spare))
    letters = "".join(filled)
    once = sorted(c for c in set(letters) if letters.count(c) == 1 and c not in spare)
    return filled, "".join(spare) + "".join(once)


def _diagonals(x: Any, labels: str) -> tuple[Any, str]:
    """x with repeated labels merged into their diagonal."""
    for c in dict.fromkeys(labels):
        while labels.count(c) > 1:
            i = labels.index(c)
            j = labels.index(c, i + 1)
            n = x.shape[i]
            if n != x.shape[j]:
                raise ShapeError(f"einsum: label {c!r} stands for sizes {n} and {x.shape[j]}")
            order = [i, j] + [k for k in range(x.ndim) if k not in (i, j)]
            x = _permute(x, tuple(order))[np.arange(n), np.arange(n)]
            labels = c + "".join(labels[k] for k in order[2:])
    return x, labels


def _contract(a: Any, la: str, b: Any, lb: str, later: set[str]) -> tuple[Any, str]:
    """The product of two terms, summed over labels nobody needs later, as one batched matmul."""
    from .reduce import sum

    for_a = [i for i, c in enumerate(la) if c not in lb and c not in later]
    for_b = [i for i, c in enumerate(lb) if c not in la and c not in later]
    a, la = (sum(a, for_a), _without(la, for_a)) if for_a else (a, la)
    b, lb = (sum(b, for_b), _without(lb, for_b)) if for_b else (b, lb)
    size = {**dict(zip(lb, b.shape)), **dict(zip(la, a.shape))}
    size.update((c, n) for c, n in zip(lb, b.shape) if size[c] == 1)
    for labels, x in ((la, a), (lb, b)):
        for c, n in zip(labels, x.shape):
            if n not in (1, size[c]):
                raise ShapeError(f"einsum: label {c!r} stands for sizes {n} and {size[c]}")
    shared = [c for c in la if c in lb]
    kept, gone = [c for c in shared if c in later], [c for c in shared if c not in later]
    rows, columns = [c for c in la if c not in lb], [c for c in lb if c not in la]
    left = _arranged(a, la, kept, rows, gone, size)
    right = _arranged(b, lb, kept, gone, columns, size)
    y = matmul(left, right)
    labels = "".join(kept + rows + columns)
    return _reshape(y, tuple(size[c] for c in labels)), labels


def _without(labels: str, places: list[int]) -> str:
    return "".join(c for i, c in enumerate(labels) if i not in places)


def _arranged(
    x: Any, labels: str, batch: list[str], rows: list[str], cols: list[str], size: Any
) -> Any:
    """x permuted and reshaped to (batch, rows, columns)."""
    from .shape import expand

    order = [labels.index(c) for c in batch + rows + cols]
    x = _permute(x, tuple(order))
    x = expand(x, [size[c] for c in batch + rows + cols]) if order else x
    count = [1, 1, 1]
    for k, group in enumerate((batch, rows, cols)):
        for c in group:
            count[k] *= size[c]
    return _reshape(x, tuple(count))


def _finish(x: Any, labels: str, output: str) -> Any:
    """The remaining labels summed away, the others in the order asked for."""
    from .reduce import sum

    if any(c not in labels for c in output) or len(set(output)) != len(output):
        raise ShapeError(f"einsum: the output {output!r} must name each of {labels!r} at most once")
    gone = [i for i, c in enumerate(labels) if c not in output]
    if gone:
        x, labels = sum(x, gone), _without(labels, gone)
    return _permute(x, tuple(labels.index(c) for c in output))
