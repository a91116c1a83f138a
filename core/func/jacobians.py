"""Whole Jacobian and Hessian matrices: jacrev by rows, jacfwd by columns, hessian by both."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.functional import unit_starts
from ..autograd.mode import enable_grad
from ..errors import OptionError
from ..tensor import Tensor, wrap
from ._level import Level, depends_outside, gradients
from ._tree import unflatten
from .derivatives import ArgNums, Linear, all_tensors, chosen, put, with_aux
from .vmap import check_randomness

Matrices = list[list[Tensor]]  # one list for every output, with one matrix for every input


def jacrev(
    func: Callable[..., Any],
    argnums: ArgNums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that computes d func / d argument, shape (*output, *argument), row by row.

    The result has the structure of the output, and at every leaf that of the argument. chunk_size
    is taken and changes nothing: one row is computed at a time.

    >>> import sensorium as sn
    >>> jacrev(lambda x: x * x.sum())(sn.tensor([1.0, 2.0]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise OptionError(f"jacrev: chunk_size must be greater than 0, got {chunk_size}")
    return _transform("jacrev", func, argnums, has_aux, _by_rows)


def jacfwd(
    func: Callable[..., Any],
    argnums: ArgNums = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """``jacrev`` column by column: for functions of few inputs and many outputs.

    func runs once, so any randomness is the same for all columns.

    >>> import sensorium as sn
    >>> jacfwd(lambda x: x * x.sum())(sn.tensor([1.0, 2.0]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    check_randomness("jacfwd", randomness)
    return _transform("jacfwd", func, argnums, has_aux, _by_columns)


def hessian(func: Callable[..., Any], argnums: ArgNums = 0) -> Callable[..., Any]:
    """The function that computes the second derivatives: columns of the rows of the first.

    >>> import sensorium as sn
    >>> hessian(lambda x: (x**3).sum())(sn.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def _transform(
    name: str,
    func: Callable[..., Any],
    argnums: ArgNums,
    has_aux: bool,
    matrices: Callable[[list[Tensor], list[Tensor], bool], Matrices],
) -> Callable[..., Any]:
    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        places, wanted = chosen(name, args, argnums)
        with Level(name) as level:
            tree, xs, inner = level.aliases(wanted)
            result = func(*put(args, places, tree, argnums), **kwargs)
            y, aux = with_aux(name, result, has_aux)
            ys, outer = all_tensors(name, y, "outputs")
        recorded = level.outside and depends_outside(ys)
        with enable_grad():
            found = matrices(ys, xs, recorded)
        out = level.close(unflatten([unflatten(row, inner) for row in found], outer))
        return (out, level.close(aux)) if has_aux else out

    return jacobian


def _by_rows(ys: list[Tensor], xs: list[Tensor], recorded: bool) -> Matrices:
    return [_rows(y, xs, recorded) for y in ys]


def _rows(y: Tensor, xs: list[Tensor], recorded: bool) -> list[Tensor]:
    found = [gradients([y], xs, [start], recorded, True) for start in unit_starts(y)]
    shapes = [(*y.shape, *x.shape) for x in xs]
    return [
        _joined([row[i] for row in found], 0, shape, x)
        for i, (x, shape) in enumerate(zip(xs, shapes))
    ]


def _by_columns(ys: list[Tensor], xs: list[Tensor], recorded: bool) -> Matrices:
    linear = Linear(ys, xs)
    zeros = [wrap(np.zeros_like(x.array)) for x in xs]
    columns = [_columns(linear, zeros, k, recorded) for k in range(len(xs))]
    return [
        [
            _joined([c[j] for c in columns[k]], y.ndim, (*y.shape, *x.shape), y)
            for k, x in enumerate(xs)
        ]
        for j, y in enumerate(ys)
    ]


def _columns(linear: Linear, zeros: list[Tensor], k: int, recorded: bool) -> list[list[Tensor]]:
    """For every element of input k the derivatives of all outputs by it."""
    return [
        linear.along([*zeros[:k], unit, *zeros[k + 1 :]], recorded)
        for unit in unit_starts(zeros[k])
    ]


def _joined(parts: list[Tensor], dim: int, shape: tuple[int, ...], like: Tensor) -> Tensor:
    from ..ops import stack

    if not parts:
        return wrap(np.zeros(shape, like.dtype, like=like.array))
    return stack(parts, dim).reshape(shape)
