"""Convolution: y[n, o] = sum_{c, k} x[n, c, stride i + dilation k - padding] w[o, c, k] + b[o].

Forward with activation and residual fused, and both gradients, in one, two and three dimensions,
with groups. Shapes are (N, C, *spatial); weights (O, C / groups, *kernel). Activations come and go
channels-last in memory; weights are packed into the layout the primitive chooses. A transposed
convolution is ``conv_backward_data``. Left out: winograd (its rounding is looser) and int8.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import constants as c, layout, memory
from .library import EngineError
from .memory import DATA_TYPES, Desc, Primitive, PrimitiveDesc, plans, pointer

Padding = Sequence[int] | Sequence[tuple[int, int]]


# -- geometry ------------------------------------------------------------------------------------
class Geometry:
    """Sizes and strides of one convolution as oneDNN wants them (its dilation counts from 0)."""

    def __init__(self, x_shape, w_shape, stride, padding, dilation, groups, data_type):
        self.x_shape, self.w_shape, self.groups = tuple(x_shape), tuple(w_shape), groups
        self.data_type = data_type
        low, high = split_padding(padding)
        self.detail = f"x {self.x_shape}, weight {self.w_shape}, stride {tuple(stride)}"
        spatial = tuple(
            (size + lo + hi - d * (k - 1) - 1) // s + 1
            for size, k, s, d, lo, hi in zip(x_shape[2:], w_shape[2:], stride, dilation, low, high)
        )
        self.y_shape = (x_shape[0], w_shape[0], *spatial)
        self.dims = tuple(map(memory.dims, (stride, [d - 1 for d in dilation], low, high)))

    def weights_shape(self) -> tuple[int, ...]:
        """(O, C, *kernel), or (G, O / G, C / G, *kernel) where there are groups."""
        out, *rest = self.w_shape
        return (self.groups, out // self.groups, *rest) if self.groups > 1 else self.w_shape

    def weights_plain(self) -> Desc:
        shape = self.weights_shape()
        return memory.describe(shape, memory.c_strides(shape), self.data_type)

    def weights_any(self) -> Desc:
        return memory.describe_any(self.weights_shape(), self.data_type)

    def activation(self, shape: Sequence[int]) -> Desc:
        return memory.describe(shape, memory.last_strides(shape), self.data_type)

    def bias(self, data_type: int) -> Desc:
        return memory.describe((self.w_shape[0],), (1,), data_type)

    def hint(self) -> PrimitiveDesc:
        """The forward convolution that a backward one belongs to."""
        src, dst = self.activation(self.x_shape), self.activation(self.y_shape)
        return PrimitiveDesc(
            "convolution_forward", self.detail, c.TRAINING, c.CONVOLUTION_DIRECT,
            src, self.weights_any(), None, dst, *self.dims,
        )  # fmt: skip


def _data_type(first: np.ndarray, second: np.ndarray) -> int:
    if first.dtype != second.dtype:
        raise EngineError(f"conv: {first.dtype} and {second.dtype} must be the same")
    return DATA_TYPES[first.dtype.name]


def split_padding(padding: Padding) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """One int or one (low, high) pair per dimension -> all lows, all highs."""
    pairs = [(p, p) if isinstance(p, int) else tuple(p) for p in padding]
    return tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)


# -- forward -------------------------------------------------------------------------------------
class _Forward:
    def __init__(self, x, weight, bias, stride, padding, dilation, groups, activation, residual):
        kind = _data_type(x, weight)
        g = Geometry(x.shape, weight.shape, stride, padding, dilation, groups, kind)
        self.y_shape, self.dtype = g.y_shape, x.dtype
        _check(g, bias, residual)
        src, dst = g.activation(g.x_shape), g.activation(g.y_shape)
        b = g.bias(DATA_TYPES[bias.dtype.name]) if bias is not None else None
        post_ops = fused(activation, dst if residual is not None else None)
        desc = PrimitiveDesc(
            "convolution_forward", g.detail, c.INFERENCE, c.CONVOLUTION_DIRECT,
            src, g.weights_any(), b, dst, *g.dims, post_ops=post_ops,
        )  # fmt: skip
        chosen = desc.desc(c.QUERY_WEIGHTS)
        self.pack = layout.Packer(chosen, g.weights_plain(), g.detail)
        self.copy_x = layout.channels_last_copier(x)
        self.copy_residual = residual is not None and layout.channels_last_copier(residual)
        extra = [(c.arg_post_op(0), dst)] if residual is not None else []
        self.run = Primitive(
            desc,
            [(c.ARG_SRC, src), (c.ARG_WEIGHTS, chosen), (c.ARG_DST, dst), (c.ARG_BIAS, b), *extra],
        )

    def __call__(self, x, weight, bias, residual):
        if self.copy_x:
            x = self.copy_x(x)
        w, y = self.pack(weight), layout.empty_channels_last(self.y_shape, self.dtype)
        args = [pointer(x), pointer(w), pointer(y)]
        if bias is not None:
            bias = bias if bias.flags.c_contiguous else np.ascontiguousarray(bias)
            args.append(pointer(bias))
        if residual is not None:
            if self.copy_residual:
                residual = self.copy_residual(residual)
            args.append(pointer(residual))
        self.run(*args)
        return y


def _check(g: Geometry, bias: np.ndarray | None, residual: np.ndarray | None) -> None:
    """Sizes that oneDNN would take our word for."""
    if bias is not None and bias.shape != g.w_shape[:1]:
        raise EngineError(f"conv: bias {bias.shape} does not fit weight {g.w_shape}")
    if residual is not None and residual.shape != g.y_shape:
        raise EngineError(f"conv: residual {residual.shape} does not fit the result {g.y_shape}")


Activation = str | tuple[str, float, float] | None  # a name, or one with alpha and beta of its own


def fused(activation: Activation, residual: Desc | None) -> list[tuple]:
    """The post-ops: + residual, then the activation."""
    ops: list[tuple] = []
    if residual is not None:
        ops.append(("binary", c.BINARY["add"], residual))
    if isinstance(activation, str):
        ops.append(("eltwise", *c.FUSED[activation]))
    elif activation is not None:
        ops.append(("eltwise", c.FUSED[activation[0]][0], *activation[1:]))
    return ops


def conv_forward(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    stride: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    groups: int,
    *,
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    """activation(conv(x, weight) + bias + residual), channels-last in memory.

    Shapes: x (N, C, *spatial), weight (O, C / groups, *kernel), bias (O,), residual that of the
    result. ``padding`` has an int or a (low, high) pair per dimension; ``activation`` is a name of
    ``constants.FUSED``. Raises Unsupported where oneDNN has no such convolution.
    """
    key = (
        "conv", x.dtype, x.shape, x.strides, weight.dtype, weight.shape,
        stride, padding, dilation, groups, activation,
        None if bias is None else (bias.dtype, bias.shape),
        None if residual is None else (residual.dtype, residual.shape, residual.strides),
    )  # fmt: skip
    found = plans.get(key) or memory.plan(
        key, _Forward, x, weight, bias, stride, padding, dilation, groups, activation, residual
    )
    return found(x, weight, bias, residual)


# -- gradients -----------------------------------------------------------------------------------
class _BackwardData:
    def __init__(self, g, weight, x_shape, stride, padding, dilation, groups):
        geo = Geometry(
            x_shape, weight.shape, stride, padding, dilation, groups, _data_type(g, weight)
        )
        self.x_shape, self.dtype = geo.x_shape, g.dtype
        diff_src, diff_dst = geo.activation(geo.x_shape), geo.activation(g.shape)
        desc = PrimitiveDesc(
            "convolution_backward_data", geo.detail, c.CONVOLUTION_DIRECT,
            diff_src, geo.weights_any(), diff_dst, *geo.dims, geo.hint(),
        )  # fmt: skip
        chosen = desc.desc(c.QUERY_WEIGHTS)
        self.pack = layout.Packer(chosen, geo.weights_plain(), geo.detail)
        self.copy_g = layout.channels_last_copier(g)
        self.run = Primitive(
            desc, [(c.ARG_DIFF_DST, diff_dst), (c.ARG_WEIGHTS, chosen), (c.ARG_DIFF_SRC, diff_src)]
        )

    def __call__(self, g, weight):
        if self.copy_g:
            g = self.copy_g(g)
        w, dx = self.pack(weight), layout.empty_channels_last(self.x_shape, self.dtype)
        self.run(pointer(g), pointer(w), pointer(dx))
        return dx


def conv_backward_data(
    g: np.ndarray,
    weight: np.ndarray,
    x_shape: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    groups: int,
) -> np.ndarray:
    """dx[n, c, j] = sum_{o, i, k: stride i + dilation k - padding = j} g[n, o, i] w[o, c, k].

    The gradient of conv_forward for x, and the transposed convolution. Shapes as there; the result
    is channels-last in memory.
    """
    key = (
        "conv dx", g.dtype, g.shape, g.strides, weight.dtype, weight.shape, x_shape,
        stride, padding, dilation, groups,
    )  # fmt: skip
    found = plans.get(key) or memory.plan(
        key, _BackwardData, g, weight, x_shape, stride, padding, dilation, groups
    )
    return found(g, weight)


class _BackwardWeights:
    def __init__(self, g, x, w_shape, stride, padding, dilation, groups, with_bias):
        kind = _data_type(x, g)
        geo = Geometry(x.shape, w_shape, stride, padding, dilation, groups, kind)
        self.w_shape, self.dtype, self.with_bias = geo.w_shape, x.dtype, with_bias
        src, diff_dst = geo.activation(x.shape), geo.activation(g.shape)
        bias, plain = geo.bias(kind) if with_bias else None, geo.weights_plain()
        desc = PrimitiveDesc(
            "convolution_backward_weights", geo.detail, c.CONVOLUTION_DIRECT,
            src, geo.weights_any(), bias, diff_dst, *geo.dims, geo.hint(),
        )  # fmt: skip
        chosen = desc.desc(c.QUERY_DIFF_WEIGHTS)
        same = chosen.layout() == plain.layout()
        self.unpack = None if same else layout.reorder(chosen, plain, geo.detail)
        self.size = chosen.size()
        self.copy_x, self.copy_g = layout.channels_last_copier(x), layout.channels_last_copier(g)
        args = ((c.ARG_SRC, src), (c.ARG_DIFF_DST, diff_dst), (c.ARG_DIFF_WEIGHTS, chosen))
        self.run = Primitive(desc, [*args, (c.ARG_DIFF_BIAS, bias)])

    def __call__(self, g, x):
        g = self.copy_g(g) if self.copy_g else g
        x = self.copy_x(x) if self.copy_x else x
        dw = np.empty(self.w_shape, self.dtype)
        out = dw if self.unpack is None else memory.aligned(self.size)
        args, db = [pointer(x), pointer(g), pointer(out)], None
        if self.with_bias:
            db = np.empty(self.w_shape[0], self.dtype)
            args.append(pointer(db))
        self.run(*args)
        if self.unpack is not None:
            self.unpack(pointer(out), pointer(dw))
        return dw, db


def conv_backward_weights(
    g: np.ndarray,
    x: np.ndarray,
    weight_shape: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    groups: int,
    with_bias: bool,
) -> tuple[np.ndarray, np.ndarray | None]:
    """(dw, db): dw[o, c, k] = sum_{n, i} g[n, o, i] x[n, c, stride i + dilation k - padding].

    dw is C-contiguous; db[o] = sum_{n, i} g[n, o, i], or None without a bias.
    """
    key = (
        "conv dw", g.dtype, g.shape, g.strides, x.dtype, x.shape, x.strides, weight_shape,
        stride, padding, dilation, groups, with_bias,
    )  # fmt: skip
    found = plans.get(key) or memory.plan(
        key, _BackwardWeights, g, x, weight_shape, stride, padding, dilation, groups, with_bias
    )
    return found(g, x)
