"""Batch and layer normalisation: y = (x - mean) / sqrt(var + eps) * scale + shift.

Batch norm takes its statistics over everything but channels (axis 1), layer norm over the last
axis. Variances are biased (divided by n). Scale and shift are float32 vectors or both None. Group
and instance norm are left to the op layer.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from . import constants as c, layout, memory
from .memory import DATA_TYPES, Primitive, PrimitiveDesc, plans, pointer

FLOAT32 = DATA_TYPES["float32"]


# -- batch norm ----------------------------------------------------------------------------------
class _Batch:
    """The descriptors of a batch norm over x's shape: data, per-channel vectors, forward."""

    def __init__(self, x, eps, affine, flags):
        shape = x.shape
        strides = memory.last_strides(shape) if len(shape) > 2 else memory.c_strides(shape)
        self.data = memory.describe(shape, strides, DATA_TYPES[x.dtype.name])
        self.vector = memory.describe((shape[1],), (1,), FLOAT32)
        self.affine, self.detail, self.eps = self.vector if affine else None, str(shape), eps
        self.flags = flags | (c.USE_SCALE | c.USE_SHIFT if affine else 0)

    def forward(self, mode: int) -> PrimitiveDesc:
        args = (mode, self.data, self.data, self.eps, self.flags)
        return PrimitiveDesc("batch_normalization_forward", self.detail, *args)


class _BatchForward:
    def __init__(self, x, eps, affine, relu, train):
        flags = (0 if train else c.GLOBAL_STATS) | (c.FUSE_RELU if relu else 0)
        b = _Batch(x, eps, affine, flags)
        desc = b.forward(c.TRAINING if train else c.INFERENCE)
        space = desc.desc(c.QUERY_WORKSPACE) if train and relu else None
        self.space = space.size() if space else 0
        self.copy_x = layout.channels_last_copier(x)
        self.run = Primitive(
            desc,
            (
                (c.ARG_SRC, b.data), (c.ARG_DST, b.data),
                (c.ARG_MEAN, b.vector), (c.ARG_VARIANCE, b.vector),
                (c.ARG_SCALE, b.affine), (c.ARG_SHIFT, b.affine), (c.ARG_WORKSPACE, space),
            ),
        )  # fmt: skip

    def __call__(self, x, mean, var, scale, shift):
        x = self.copy_x(x) if self.copy_x else x
        y = layout.empty_channels_last(x.shape, x.dtype)
        args = [pointer(x), pointer(y), pointer(mean), pointer(var)]
        if scale is not None:
            args += [pointer(scale), pointer(shift)]
        workspace = memory.aligned(self.space) if self.space else None
        if workspace is not None:
            args.append(pointer(workspace))
        self.run(*args)
        return y, workspace


def batch_norm_forward_train(
    x: np.ndarray,
    scale: np.ndarray | None,
    shift: np.ndarray | None,
    eps: float,
    *,
    relu: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """(y, mean, biased variance, workspace) with the statistics of this batch.

    x (N, C, *spatial), the rest (C,). With ``relu`` the result is max(y, 0) and the workspace
    remembers where that let through; then NaN becomes 0.
    """
    found = _forward(x, eps, scale is not None, relu, True)
    mean, var = np.empty(x.shape[1], np.float32), np.empty(x.shape[1], np.float32)
    y, workspace = found(x, mean, var, *_vectors(scale, shift))
    return y, mean, var, workspace


def batch_norm_inference(
    x: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    scale: np.ndarray | None,
    shift: np.ndarray | None,
    eps: float,
    *,
    relu: bool = False,
) -> np.ndarray:
    """y with the given statistics; the variance is the biased one."""
    found = _forward(x, eps, scale is not None, relu, False)
    return found(x, *_vectors(mean, var), *_vectors(scale, shift))[0]


def _forward(x, eps, affine, relu, train):
    key = ("batch norm", x.dtype, x.shape, x.strides, eps, affine, relu, train)
    return plans.get(key) or memory.plan(key, _BatchForward, x, eps, affine, relu, train)


def _vectors(*vectors: np.ndarray | None) -> list[Any]:
    """Each as float32 without gaps."""
    return [v if v is None else np.ascontiguousarray(v, np.float32) for v in vectors]


class _BatchBackward:
    def __init__(self, g, x, eps, affine, relu):
        b = _Batch(x, eps, affine, c.FUSE_RELU if relu else 0)
        hint = b.forward(c.TRAINING)
        desc = PrimitiveDesc(
            "batch_normalization_backward", b.detail, c.BACKWARD,
            b.data, b.data, b.data, eps, b.flags, hint,
        )  # fmt: skip
        space = desc.desc(c.QUERY_WORKSPACE) if relu else None
        self.copy_x, self.copy_g = layout.channels_last_copier(x), layout.channels_last_copier(g)
        self.run = Primitive(
            desc,
            (
                (c.ARG_SRC, b.data), (c.ARG_DIFF_DST, b.data), (c.ARG_DIFF_SRC, b.data),
                (c.ARG_MEAN, b.vector), (c.ARG_VARIANCE, b.vector), (c.ARG_SCALE, b.affine),
                (c.ARG_DIFF_SCALE, b.affine), (c.ARG_DIFF_SHIFT, b.affine),
                (c.ARG_WORKSPACE, space),
            ),
        )  # fmt: skip

    def __call__(self, g, x, mean, var, scale, workspace):
        x = self.copy_x(x) if self.copy_x else x
        g = self.copy_g(g) if self.copy_g else g
        dx, dscale, dshift = layout.empty_channels_last(x.shape, x.dtype), None, None
        args = [pointer(a) for a in (x, g, dx, mean, var)]
        if scale is not None:
            dscale, dshift = np.empty(x.shape[1], np.float32), np.empty(x.shape[1], np.float32)
            args += [pointer(scale), pointer(dscale), pointer(dshift)]
        if workspace is not None:
            args.append(pointer(workspace))
        self.run(*args)
        return dx, dscale, dshift


def batch_norm_backward(
    g: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    scale: np.ndarray | None,
    eps: float,
    *,
    relu_workspace: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """(dx, dscale, dshift) of batch_norm_forward_train; the last two None without a scale."""
    relu = relu_workspace is not None
    key = ("batch norm g", g.dtype, x.shape, g.strides, x.strides, eps, scale is None, relu)
    found = plans.get(key) or memory.plan(key, _BatchBackward, g, x, eps, scale is not None, relu)
    return found(g, x, *_vectors(mean, var, scale), relu_workspace)


# -- layer norm ----------------------------------------------------------------------------------
class _Layer:
    """The descriptors of a layer norm over rows of E elements."""

    def __init__(self, shape, dtype, eps, affine):
        rows, e = prod(shape[:-1]), shape[-1]
        self.data = memory.describe((rows, e), (e, 1), DATA_TYPES[dtype.name])
        self.stats = memory.describe((rows,), (1,), FLOAT32)
        self.vector = memory.describe((e,), (1,), FLOAT32) if affine else None
        self.detail, self.eps = str(shape), eps
        self.flags = c.USE_SCALE | c.USE_SHIFT if affine else 0

    def forward(self) -> PrimitiveDesc:
        args = (c.TRAINING, self.data, self.data, self.stats, self.eps, self.flags)
        return PrimitiveDesc("layer_normalization_forward", self.detail, *args)


def _layer_forward(shape, dtype, eps, affine):
    n = _Layer(shape, dtype, eps, affine)
    return Primitive(
        n.forward(),
        (
            (c.ARG_SRC, n.data), (c.ARG_DST, n.data), (c.ARG_MEAN, n.stats),
            (c.ARG_VARIANCE, n.stats), (c.ARG_SCALE, n.vector), (c.ARG_SHIFT, n.vector),
        ),
    )  # fmt: skip


def layer_norm_forward(
    x: np.ndarray, scale: np.ndarray | None, shift: np.ndarray | None, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(y, mean, biased variance) over the last axis: x (..., E), scale (E,), mean (...)."""
    key = ("layer norm", x.dtype, x.shape, eps, scale is None)
    args = (x.shape, x.dtype, eps, scale is not None)
    run = plans.get(key) or memory.plan(key, _layer_forward, *args)
    x = x if x.flags.c_contiguous else np.ascontiguousarray(x)
    y, rows = np.empty(x.shape, x.dtype), x.shape[:-1]
    mean, var = np.empty(rows, np.float32), np.empty(rows, np.float32)
    given = _vectors(scale, shift) if scale is not None else ()
    run(*(pointer(a) for a in (x, y, mean, var, *given)))
    return y, mean, var


def _layer_backward(shape, dtype, eps, affine):
    n = _Layer(shape, dtype, eps, affine)
    desc = PrimitiveDesc(
        "layer_normalization_backward", n.detail, c.BACKWARD,
        n.data, n.data, n.data, n.stats, eps, n.flags, n.forward(),
    )  # fmt: skip
    return Primitive(
        desc,
        (
            (c.ARG_SRC, n.data), (c.ARG_DIFF_DST, n.data), (c.ARG_DIFF_SRC, n.data),
            (c.ARG_MEAN, n.stats), (c.ARG_VARIANCE, n.stats),
            (c.ARG_SCALE, n.vector), (c.ARG_SHIFT, n.vector),  # it asks for the unused shift too
            (c.ARG_DIFF_SCALE, n.vector), (c.ARG_DIFF_SHIFT, n.vector),
        ),
    )  # fmt: skip


def layer_norm_backward(
    g: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    scale: np.ndarray | None,
    eps: float,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """(dx, dscale, dshift) of layer_norm_forward; the last two None without a scale."""
    key = ("layer norm g", x.dtype, x.shape, eps, scale is None)
    args = (x.shape, x.dtype, eps, scale is not None)
    run = plans.get(key) or memory.plan(key, _layer_backward, *args)
    g, x = np.ascontiguousarray(g), np.ascontiguousarray(x)
    dx, dscale, dshift = np.empty(x.shape, x.dtype), None, None
    pointers = [pointer(a) for a in (x, g, dx, mean, var)]
    if scale is not None:
        (given,) = _vectors(scale)
        dscale, dshift = np.empty(x.shape[-1], np.float32), np.empty(x.shape[-1], np.float32)
        pointers += [pointer(a) for a in (given, given, dscale, dshift)]
    run(*pointers)
    return dx, dscale, dshift
