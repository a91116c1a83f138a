"""Layer norm, softmax, and the mean over pixels."""

from __future__ import annotations

import math

from ...backends.cpu import constants as c, memory
from ...backends.cpu.memory import Primitive, PrimitiveDesc, describe
from ..graph import Node, Value
from ..passes.tidy import dense
from .base import Call, Env, Kernel, channels_last, contiguous, kind, takes

FLOAT32 = memory.DATA_TYPES["float32"]


def takes_layer_norm(node: Node) -> bool:
    """Whether only y is wanted: the statistics stay behind."""
    x, weight, bias, _ = node.args
    vectors = (weight is None) == (bias is None) and node.outs[1:] == (None, None)
    given = [v for v in (weight, bias) if v is not None]
    plain = all(v.dtype.name == "float32" and contiguous(v) for v in given)
    return takes(x, node.out) and vectors and plain and contiguous(x) and contiguous(node.out)


class LayerNorm(Kernel):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last axis."""

    def bind(self, env: Env) -> list[Call]:
        x, weight, bias, eps = self.node.args
        rows, size = math.prod(x.shape[:-1]), x.shape[-1]
        row = (rows, size), (size, 1)
        src, dst = describe(*row, kind(x.dtype)), describe(*row, kind(self.node.out.dtype))
        vector = describe((size,), (1,), FLOAT32) if weight is not None else None
        flags = c.USE_SCALE | c.USE_SHIFT if weight is not None else 0
        args = (c.INFERENCE, src, dst, describe((rows,), (1,), FLOAT32), eps, flags)
        desc = PrimitiveDesc("layer_normalization_forward", str(x.shape), *args)
        given = [(c.ARG_SRC, src), (c.ARG_DST, dst), (c.ARG_SCALE, vector), (c.ARG_SHIFT, vector)]
        vectors = [] if weight is None else [env.array(weight), env.array(bias)]
        return [
            env.execution(
                Primitive(desc, given), [env.array(x), env.array(self.node.out), *vectors]
            )
        ]

    @property
    def shares(self) -> list[tuple[Value, Value]]:
        x, out = self.node.args[0], self.node.out
        return [(out, x)] if x.dtype == out.dtype else []


def takes_softmax(node: Node) -> bool:
    """Softmax over the last axis of a contiguous value."""
    x, dim = node.args
    last = dim % len(x.shape) == len(x.shape) - 1 if x.shape else False
    return last and takes(x, node.out) and contiguous(x) and contiguous(node.out) and x.size >= 1024


class Softmax(Kernel):
    """exp(x) / sum(exp(x)) along the last axis."""

    algorithm = c.SOFTMAX

    def bind(self, env: Env) -> list[Call]:
        x = self.node.args[0]
        row = describe((x.size // x.shape[-1], x.shape[-1]), (x.shape[-1], 1), kind(x.dtype))
        desc = PrimitiveDesc(
            "softmax_forward", str(x.shape), c.INFERENCE, self.algorithm, row, row, 1
        )
        primitive = Primitive(desc, [(c.ARG_SRC, row), (c.ARG_DST, row)])
        return [env.execution(primitive, [env.array(x), env.array(self.node.out)])]

    @property
    def shares(self) -> list[tuple[Value, Value]]:
        return [(self.node.out, self.node.args[0])]


class LogSoftmax(Softmax):
    """x - log(sum(exp(x))) along the last axis."""

    algorithm = c.SOFTMAX_LOG


def takes_mean(node: Node) -> bool:
    """The mean over H and W of a channels-last value."""
    (x,) = node.args
    return takes(x, node.out) and channels_last(x) and dense(node.out)


class SpatialMean(Kernel):
    """The mean over H and W, as one window of average pooling."""

    def bind(self, env: Env) -> list[Call]:
        (x,) = self.node.args
        out = self.node.out
        src = describe(x.shape, memory.last_strides(x.shape), kind(x.dtype))
        dst = describe(out.shape, memory.last_strides(out.shape), kind(out.dtype))
        zero, size = memory.dims((0, 0)), memory.dims(x.shape[2:])
        desc = PrimitiveDesc(
            "pooling_forward", str(x.shape), c.INFERENCE, c.POOLING["avg_no_pad"], src, dst,
            memory.dims((1, 1)), size, zero, zero, zero,
        )  # fmt: skip
        primitive = Primitive(desc, [(c.ARG_SRC, src), (c.ARG_DST, dst)])
        return [env.execution(primitive, [env.array(x), env.array(out)])]
