"""The backward half of what has pixels: gradients of convolutions, batch norm and pooling."""

from __future__ import annotations

import math

import numpy as np

from ...backends.cpu import constants as c, memory
from ...backends.cpu.convolution import Geometry
from ...backends.cpu.eltwise import same_layout
from ...backends.cpu.layout import reorder
from ...backends.cpu.library import Unsupported
from ...backends.cpu.memory import Desc, Primitive, PrimitiveDesc, describe
from ...backends.cpu.pooling import _Geometry
from ..graph import Node, Value
from .base import Call, Env, Kernel, channels_last, contiguous, kind, takes
from .conv import packed_now, turned

FLOAT32 = memory.DATA_TYPES["float32"]


def _spatial(*values: Value) -> bool:
    """Whether values are (N, C, *spatial), channels-last, and the engine's."""
    return all(3 <= len(v.shape) <= 5 and channels_last(v) for v in values) and takes(*values)


def _turnable(value: Value) -> bool:
    """Whether a value can be brought channels-last."""
    return takes(value) and 3 <= len(value.shape) <= 5 and min(value.strides) > 0


# -- convolution ---------------------------------------------------------------------------------
def takes_data(node: Node) -> bool:
    """The gradient of a convolution's input."""
    g, weight = node.args[:2]
    return _spatial(node.out) and _turnable(g) and contiguous(weight) and weight.dtype == g.dtype


class ConvData(Kernel):
    """What g sends back to the input."""

    def bind(self, env: Env) -> list[Call]:
        g, weight, shape, stride, padding, dilation, groups = self.node.args
        options = (stride, padding, dilation, groups)
        geo = Geometry(shape, weight.shape, *options, kind(g.dtype))
        diff_src, diff_dst = geo.activation(geo.x_shape), geo.activation(g.shape)
        desc = PrimitiveDesc(
            "convolution_backward_data", geo.detail, c.CONVOLUTION_DIRECT,
            diff_src, geo.weights_any(), diff_dst, *geo.dims, geo.hint(),
        )  # fmt: skip
        chosen = _chosen(desc, c.QUERY_WEIGHTS, geo)
        calls: list[Call] = []
        packed = packed_now(env, geo, chosen, weight, calls)
        args = [(c.ARG_DIFF_DST, diff_dst), (c.ARG_WEIGHTS, chosen), (c.ARG_DIFF_SRC, diff_src)]
        arrays = [turned(env, g, calls), packed, env.array(self.node.out)]
        return [*calls, env.execution(Primitive(desc, args), arrays)]


def _chosen(desc: PrimitiveDesc, what: int, geo: Geometry) -> Desc:
    found = desc.desc(what)
    if found is None:
        raise Unsupported(f"oneDNN chose no layout for the weights of {geo.detail}")
    return found


def takes_weight(node: Node) -> bool:
    """The gradient of a convolution's weight."""
    g, x = node.args[:2]
    return _turnable(g) and _turnable(x) and x.dtype == g.dtype and contiguous(node.out)


class ConvWeight(Kernel):
    """The correlation of the input with g."""

    def bind(self, env: Env) -> list[Call]:
        g, x, shape, stride, padding, dilation, groups = self.node.args
        options = (stride, padding, dilation, groups)
        geo = Geometry(x.shape, shape, *options, kind(g.dtype))
        src, diff_dst, plain = geo.activation(x.shape), geo.activation(g.shape), geo.weights_plain()
        desc = PrimitiveDesc(
            "convolution_backward_weights", geo.detail, c.CONVOLUTION_DIRECT,
            src, geo.weights_any(), None, diff_dst, *geo.dims, geo.hint(),
        )  # fmt: skip
        chosen = _chosen(desc, c.QUERY_DIFF_WEIGHTS, geo)
        calls: list[Call] = []
        given, back, out = turned(env, x, calls), turned(env, g, calls), env.array(self.node.out)
        same = chosen.layout() == plain.layout()
        target = out if same else env.room((chosen.size(),), np.uint8)
        args = [(c.ARG_SRC, src), (c.ARG_DIFF_DST, diff_dst), (c.ARG_DIFF_WEIGHTS, chosen)]
        calls.append(env.execution(Primitive(desc, args), [given, back, target]))
        if not same:
            calls.append(env.execution(reorder(chosen, plain, geo.detail), [target, out]))
        return calls


# -- batch norm ----------------------------------------------------------------------------------
def descriptors(x: Value) -> tuple[Desc, Desc]:
    """The descriptors of the data and of a vector over channels."""
    strides = memory.last_strides(x.shape)
    return describe(x.shape, strides, kind(x.dtype)), describe((x.shape[1],), (1,), FLOAT32)


def takes_batch(node: Node) -> bool:
    """Batch norm with the batch's own statistics, float32."""
    x, weight, bias, _ = node.args
    return _spatial(x, node.out) and takes(weight, bias) and None not in (weight, bias, *node.outs)


class BatchTrain(Kernel):
    """(y, mean, biased variance), and with relu where it let through."""

    flags = c.USE_SCALE | c.USE_SHIFT

    def bind(self, env: Env) -> list[Call]:
        x, weight, bias, eps = self.node.args
        data, vector = descriptors(x)
        args = (c.TRAINING, data, data, eps, self.flags)
        desc = PrimitiveDesc("batch_normalization_forward", str(x.shape), *args)
        given = [
            (c.ARG_SRC, data), (c.ARG_DST, data), (c.ARG_MEAN, vector), (c.ARG_VARIANCE, vector),
            (c.ARG_SCALE, vector), (c.ARG_SHIFT, vector),
            (c.ARG_WORKSPACE, desc.desc(c.QUERY_WORKSPACE)),
        ]  # fmt: skip
        y, mean, var, *bits = (env.array(v) for v in self.node.made())
        arrays = [env.array(x), y, mean, var, env.array(weight), env.array(bias), *bits]
        return [env.execution(Primitive(desc, given), arrays)]


class NormReluTrain(BatchTrain):
    """The same followed by relu, nan kept: the variance shows every one."""

    flags = BatchTrain.flags | c.FUSE_RELU

    def bind(self, env: Env) -> list[Call]:
        y, _, var, *_ = (env.array(v) for v in self.node.made())

        def keep_nan() -> None:
            if np.isnan(var).any():
                y[:, np.isnan(var)] = np.nan

        return [*super().bind(env), keep_nan]


class PlainNormRelu(BatchTrain):
    """Norm, then relu as a pass of its own: nobody asks where it let through."""

    def bind(self, env: Env) -> list[Call]:
        y = env.array(self.node.out)
        row = describe((y.size,), (1,), kind(y.dtype))
        algorithm, alpha, beta = c.FUSED["relu"]
        desc = PrimitiveDesc(
            "eltwise_forward", f"relu of {y.shape}", c.INFERENCE, algorithm, row, row, alpha, beta
        )
        relu = Primitive(desc, [(c.ARG_SRC, row), (c.ARG_DST, row)])
        return [*super().bind(env), env.execution(relu, [y, y])]


def takes_batch_backward(node: Node) -> bool:
    """The gradient of batch norm."""
    g, x, weight = node.args[:3]
    turnable = _turnable(g) and _turnable(x) and _spatial(node.out)
    return turnable and weight is not None and None not in node.outs


class BatchBackward(Kernel):
    """(dx, dweight, dbias)."""

    flags = c.USE_SCALE | c.USE_SHIFT

    def bind(self, env: Env) -> list[Call]:
        g, x, weight, mean, var, eps, *through = self.node.args
        data, vector = descriptors(x)
        hint = PrimitiveDesc(
            "batch_normalization_forward", str(x.shape), c.TRAINING, data, data, eps, self.flags
        )
        desc = PrimitiveDesc(
            "batch_normalization_backward", str(x.shape), c.BACKWARD, data, data, data, eps,
            self.flags, hint,
        )  # fmt: skip
        given = [
            (c.ARG_SRC, data), (c.ARG_DIFF_DST, data), (c.ARG_DIFF_SRC, data),
            (c.ARG_MEAN, vector), (c.ARG_VARIANCE, vector), (c.ARG_SCALE, vector),
            (c.ARG_DIFF_SCALE, vector), (c.ARG_DIFF_SHIFT, vector),
            (c.ARG_WORKSPACE, desc.desc(c.QUERY_WORKSPACE)),
        ]  # fmt: skip
        dx, *gradients = (env.array(v) for v in self.node.made())
        read = [*map(env.array, (mean, var, weight)), *gradients, *map(env.array, through)]
        calls: list[Call] = []
        arrays = [turned(env, x, calls), turned(env, g, calls), dx, *read]
        return [*calls, env.execution(Primitive(desc, given), arrays)]

    @property
    def shares(self) -> list[tuple[Value, Value]]:
        g = self.node.args[0]
        return [(self.node.out, g)] if same_layout(g, self.node.out) else []


class NormReluBackward(BatchBackward):
    """The same of a norm with relu."""

    flags = BatchBackward.flags | c.FUSE_RELU


# -- pooling -------------------------------------------------------------------------------------
def takes_pool_train(node: Node) -> bool:
    """Max pooling that says who won, as the engine counts it."""
    x, winner = node.args[0], node.outs[1]
    return node.args[-1] and winner is not None and _spatial(x, node.out) and (
        winner.dtype in (np.uint8, np.int8) and channels_last(winner)
    )  # fmt: skip


class MaxPoolTrain(Kernel):
    """The largest value of every window, and which it was; with nan by the formula's values."""

    def bind(self, env: Env) -> list[Call]:
        x, kernel, stride, padding, dilation, _ = self.node.args
        options = (kernel, stride, padding, dilation)
        source, (out, winner) = env.array(x), (env.array(v) for v in self.node.made())
        g = _Geometry(x.shape, *options, kind(x.dtype))
        desc = g.forward("max", True)
        space = desc.desc(c.QUERY_WORKSPACE)
        if space is None or space.size() != winner.nbytes:
            raise Unsupported(f"oneDNN counts the winners of {x.shape} otherwise")
        args = [(c.ARG_SRC, g.src), (c.ARG_DST, g.dst), (c.ARG_WORKSPACE, space)]
        pool = env.execution(Primitive(desc, args), [source, out, winner])
        flat = source.transpose(0, *range(2, source.ndim), 1).reshape(-1)
        formula = self.node.op.formula

        def run() -> None:
            pool()
            if math.isnan(flat.dot(flat)):  # the engine loses nan; winners beside it may be others
                np.copyto(out, formula(source, *options, False)[0])

        return [run]


def takes_unpool(node: Node) -> bool:
    """The gradient of a max pool from the engine's winners."""
    g, winner = node.args[:2]
    if not isinstance(winner, Value) or winner.dtype not in (np.uint8, np.int8):
        return False
    return _spatial(g, node.out) and channels_last(winner)


class Unpool(Kernel):
    """Every g at the place that won."""

    def bind(self, env: Env) -> list[Call]:
        g, winner, shape, kernel, stride, padding, dilation = self.node.args
        options = (kernel, stride, padding, dilation)
        geo = _Geometry(shape, *options, kind(g.dtype))
        hint = geo.forward("max", True)
        args = (c.POOLING["max"], geo.src, geo.dst, *geo.dims, hint)
        desc = PrimitiveDesc("pooling_backward", geo.detail, *args)
        space = desc.desc(c.QUERY_WORKSPACE)
        given = [(c.ARG_DIFF_DST, geo.dst), (c.ARG_DIFF_SRC, geo.src), (c.ARG_WORKSPACE, space)]
        arrays = [env.array(g), env.array(self.node.out), env.array(winner)]
        return [env.execution(Primitive(desc, given), arrays)]
