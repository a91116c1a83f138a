"""Matrix products: a @ b + bias with an activation, batches and transposes as they come.

Any layout with positive strides is read in place, so ``a.T``, a slice of a larger matrix or the
heads of an attention block cost no copy. ``linear`` packs its weight once per change. Matrices are
the last two axes; the axes before broadcast as in ``numpy.matmul``. Left out: vectors (an axis of
size 1 does it) and integer products.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import constants as c, layout, memory
from .convolution import Activation, fused
from .library import EngineError
from .memory import DATA_TYPES, Desc, Primitive, PrimitiveDesc, plans, pointer

Operand = tuple[tuple[int, ...], tuple[int, ...]]  # shape, strides in elements


# -- shapes and strides --------------------------------------------------------------------------
def _operand(x: np.ndarray, ndim: int) -> Operand | None:
    """Shape and strides padded to ndim axes; a repeated batch axis becomes one of size 1.

    None where x must be copied first: strides that cannot be described, elements that overlap, or
    matrices with neither dense rows nor dense columns, which only oneDNN's slow loops would read.
    """
    batch = x.ndim - 2
    repeated = [s == 0 and axis < batch for axis, s in enumerate(x.strides)]
    shape = tuple(1 if again else n for n, again in zip(x.shape, repeated))
    strides = tuple(s // x.itemsize if n > 1 else 1 for n, s in zip(shape, x.strides))
    if any(s % x.itemsize for n, s in zip(shape, x.strides) if n > 1) or _overlaps(shape, strides):
        return None
    if 1 not in strides[-2:] and 1 not in shape[-2:]:
        return None
    pad = (1,) * (ndim - x.ndim)
    return pad + shape, _unused(pad + shape, pad + strides)


def _unused(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    """Give axes of size 1 the stride that a packed array would have."""
    out, inside = list(strides), 1
    for axis in reversed(range(len(shape))):
        if shape[axis] == 1:
            out[axis] = inside
        inside = max(inside, out[axis] * shape[axis])
    return tuple(out)


def _overlaps(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether an axis steps by less than what lies inside it (negative and zero steps do)."""
    inside = 1
    for stride, length in sorted((s, n) for s, n in zip(strides, shape) if n > 1):
        if stride < inside:
            return True
        inside = stride * length
    return False


def _merge(first: Operand, axis: int) -> Operand | None:
    """Axes `axis` and `axis + 1` as one, where the strides allow it."""
    (shape, strides) = first
    if shape[axis] == 1:
        stride = strides[axis + 1]
    elif shape[axis + 1] == 1:
        stride = strides[axis]
    elif strides[axis] == strides[axis + 1] * shape[axis + 1]:
        stride = strides[axis + 1]
    else:
        return None
    size = shape[axis] * shape[axis + 1]
    return (*shape[:axis], size, *shape[axis + 2 :]), (
        *strides[:axis],
        stride,
        *strides[axis + 2 :],
    )


def _simplify(*operands: Operand) -> tuple[Operand, Operand, Operand]:
    """Fold batch axes into rows where b is one matrix, else into each other."""
    a, b, y = operands
    while len(a[0]) > 2:
        axis = len(a[0]) - 3
        if b[0][axis] == 1:  # (..., B, M, K) @ (..., 1, K, N): B M rows
            new_a, new_b, new_y = _merge(a, axis), _drop(b, axis), _merge(y, axis)
        elif axis > 0 and a[0][axis - 1 : axis + 1] == b[0][axis - 1 : axis + 1]:
            new_a, new_y = _merge(a, axis - 1), _merge(y, axis - 1)
            new_b = _merge(b, axis - 1)
        else:
            break
        if new_a is None or new_b is None or new_y is None:
            break
        a, b, y = new_a, new_b, new_y
    return a, b, y


def _drop(first: Operand, axis: int) -> Operand | None:
    shape, strides = first
    return (*shape[:axis], *shape[axis + 1 :]), (*strides[:axis], *strides[axis + 1 :])


# -- matmul --------------------------------------------------------------------------------------
class _Matmul:
    """One product; operands that oneDNN cannot read quickly are copied first."""

    def __init__(self, a, b, bias, activation, out):
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        self.y_shape, self.dtype = (*batch, a.shape[-2], b.shape[-1]), a.dtype
        kinds, detail = _data_types(a, b, bias), f"{a.shape} @ {b.shape}"
        for self.copies in ((False, False), (True, True)):
            operands = self._operands(a, b, out)
            if not _broadcasts(*operands):  # repeated along a batch axis that only it has
                continue
            self.run = _product(*_simplify(*operands), kinds, activation, detail)
            if not self.run.implementation.startswith("ref"):
                break

    def _operands(self, a, b, out) -> tuple[Operand, Operand, Operand]:
        """Shapes and strides of a, b and the result, after deciding what to copy."""
        ndim, described, copies = max(a.ndim, b.ndim), [], []
        for x, copy in zip((a, b), self.copies):
            operand = None if copy else _operand(x, ndim)
            copies.append(operand is None)
            described.append(operand or _packed(x.shape, ndim))
        result = None if out is None else _operand(out, ndim)
        if result and result[1][-1] != 1:  # columns first: only the slow loops would write it
            result = None
        self.copies, self.through = tuple(copies), out is not None and result is None
        return described[0], described[1], result or _packed(self.y_shape, ndim)

    def __call__(self, a, b, bias, out):
        copy_a, copy_b = self.copies
        a = np.ascontiguousarray(a) if copy_a else a
        b = np.ascontiguousarray(b) if copy_b else b
        y = np.empty(self.y_shape, self.dtype) if out is None or self.through else out
        if bias is None:
            self.run(pointer(a), pointer(b), pointer(y))
        else:
            bias = np.ascontiguousarray(bias)
            self.run(pointer(a), pointer(b), pointer(y), pointer(bias))
        if self.through:
            out[...] = y
            return out
        return y


def _broadcasts(a: Operand, b: Operand, y: Operand) -> bool:
    return all(max(m, n) == size for m, n, size in zip(a[0][:-2], b[0][:-2], y[0][:-2]))


def _packed(shape: tuple[int, ...], ndim: int) -> Operand:
    """A C-contiguous operand, padded to ndim axes."""
    shape = (1,) * (ndim - len(shape)) + shape
    return shape, memory.c_strides(shape)


def _data_types(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None) -> tuple[int, int | None]:
    """oneDNN's codes for the operands and the bias, which may be float32 beside bfloat16."""
    if bias is not None and bias.ndim != 1:
        raise EngineError(f"matmul: bias {bias.shape} must be one row")
    if a.dtype != b.dtype:
        raise EngineError(f"matmul: operands are {a.dtype} and {b.dtype}, but must be the same")
    return DATA_TYPES[a.dtype.name], None if bias is None else DATA_TYPES[bias.dtype.name]


def _product(a: Operand, b: Operand, y: Operand, kinds, activation, detail: str):
    kind, bias_kind = kinds
    src, weights, dst = (memory.describe(*operand, kind) for operand in (a, b, y))
    offset = _bias(y, bias_kind) if bias_kind else None
    desc = PrimitiveDesc(
        "matmul", detail, src, weights, offset, dst, post_ops=fused(activation, None)
    )
    args = [(c.ARG_SRC, src), (c.ARG_WEIGHTS, weights), (c.ARG_DST, dst), (c.ARG_BIAS, offset)]
    return Primitive(desc, args)


def _bias(y: Operand, kind: int) -> Desc:
    ndim, columns = len(y[0]), y[0][-1]
    return memory.describe((1,) * (ndim - 1) + (columns,), (columns,) * (ndim - 1) + (1,), kind)


def matmul(
    a: np.ndarray,
    b: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    activation: Activation = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """y[..., i, j] = activation(sum_k a[..., i, k] b[..., k, j] + bias[j]).

    Shapes: a (..., M, K), b (..., K, N), bias (N,), result (..., M, N) with the batch axes
    broadcast; ``out`` takes the result and must not overlap the operands. float32 or bfloat16,
    the same for all. activation: a name of ``constants.FUSED``, or (name, alpha, beta).
    """
    key = (
        "matmul", a.dtype, a.shape, a.strides, b.dtype, b.shape, b.strides,
        None if bias is None else (bias.dtype, bias.shape), activation,
        None if out is None else out.strides,
    )  # fmt: skip
    found = plans.get(key) or memory.plan(key, _Matmul, a, b, bias, activation, out)
    return found(a, b, bias, out)


# -- linear --------------------------------------------------------------------------------------
class _Linear:
    """x @ weight.T with the weight in the layout the primitive chose."""

    def __init__(self, x, weight, bias, activation, residual):
        (out, inner), (kind, bias_kind) = weight.shape, _data_types(x, weight, bias)
        self.y_shape, self.dtype = (*x.shape[:-1], out), x.dtype
        self._check(x, weight, bias, residual)
        rows = x.size // inner
        detail = f"x {x.shape}, weight {weight.shape}"
        src, dst = (memory.describe((rows, n), (n, 1), kind) for n in (inner, out))
        offset = memory.describe((1, out), (out, 1), bias_kind) if bias_kind else None
        free = memory.describe_any((inner, out), kind)
        added = None if residual is None else dst
        post_ops = fused(activation, added)
        desc = PrimitiveDesc("matmul", detail, src, free, offset, dst, post_ops=post_ops)
        chosen = desc.desc(c.QUERY_WEIGHTS)
        self.pack = layout.Packer(chosen, memory.describe((inner, out), (1, inner), kind), detail)
        args = [(c.ARG_SRC, src), (c.ARG_WEIGHTS, chosen), (c.ARG_DST, dst), (c.ARG_BIAS, offset)]
        args += [(c.arg_post_op(0), added)]
        self.run = Primitive(desc, args)

    def _check(self, x, weight, bias, residual):
        fits = x.shape[-1] == weight.shape[1] and (bias is None or bias.shape == weight.shape[:1])
        if not fits or (residual is not None and residual.shape != self.y_shape):
            given = [None if a is None else a.shape for a in (bias, residual)]
            raise EngineError(
                f"linear: x {x.shape}, weight {weight.shape}, bias {given[0]}, residual {given[1]}"
            )

    def __call__(self, x, weight, bias, activation, residual):
        x = x if x.flags.c_contiguous else np.ascontiguousarray(x)
        w = self.pack.when_reused(weight)
        if w is None and residual is None:
            return matmul(x, weight.T, bias, activation=activation)
        w = self.pack(weight) if w is None else w
        y = np.empty(self.y_shape, self.dtype)
        more = [np.ascontiguousarray(a) for a in (bias, residual) if a is not None]
        self.run(pointer(x), pointer(w), pointer(y), *map(pointer, more))
        return y


def linear(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    """activation(x @ weight.T + bias + residual): x (..., C), weight (K, C), bias (K,) -> (..., K)."""
    bias_type = None if bias is None else (bias.dtype, bias.shape)
    added = None if residual is None else (residual.dtype, residual.shape)
    key = ("linear", x.dtype, x.shape, weight.dtype, weight.shape, bias_type, activation, added)
    found = plans.get(key)
    if found is None:
        found = memory.plan(key, _Linear, x, weight, bias, activation, residual)
    return found(x, weight, bias, activation, residual)
