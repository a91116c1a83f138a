"""The backward half of what has no pixels: activations, softmax and layer norm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...backends.cpu import constants as c, memory
from ...backends.cpu.eltwise import same_layout
from ...backends.cpu.memory import Primitive, PrimitiveDesc, describe
from ..graph import Node, Value
from ..passes.tidy import dense
from .base import Call, Env, Kernel, contiguous, kind, takes

FLOAT32 = memory.DATA_TYPES["float32"]
_BACKWARD = {
    "_relu_backward": "relu",
    "_gelu_erf_backward": "gelu",
    "_gelu_tanh_backward": "gelu_tanh",
}


def takes_eltwise(node: Node) -> bool:
    """The gradient of an activation, from its input or result in the layout of g."""
    g, data = node.args
    alike = same_layout(g, data) and same_layout(g, node.out) and dense(g)
    return takes(g, data) and alike and g.dtype == data.dtype and g.size >= 2048


class EltwiseBackward(Kernel):
    """g f'(x)."""

    def bind(self, env: Env) -> list[Call]:
        g, data = self.node.args
        row, name = describe((g.size,), (1,), kind(g.dtype)), _BACKWARD[self.node.name]
        algorithm, alpha, beta = c.ELTWISE[name]
        hint = PrimitiveDesc("eltwise_forward", name, c.TRAINING, algorithm, row, row, alpha, beta)
        desc = PrimitiveDesc("eltwise_backward", name, algorithm, row, row, row, alpha, beta, hint)
        args = [(c.ARG_DIFF_DST, row), (c.ARG_SRC, row), (c.ARG_DIFF_SRC, row)]
        arrays = [env.array(g), env.array(data), env.array(self.node.out)]
        return [env.execution(Primitive(desc, args), arrays)]

    @property
    def shares(self) -> list[tuple[Value, Value]]:
        return [(self.node.out, self.node.args[0])]


def takes_softmax_backward(node: Node) -> bool:
    """The gradient of softmax over the last axis of contiguous values."""
    g, y, dim = node.args
    last = dim % len(y.shape) == len(y.shape) - 1
    return last and all(map(contiguous, (g, y, node.out))) and takes(g, y) and g.shape == y.shape


class SoftmaxBackward(Kernel):
    """y (g - sum(g y)) along the last axis."""

    def bind(self, env: Env) -> list[Call]:
        g, y, _ = self.node.args
        row = describe((y.size // y.shape[-1], y.shape[-1]), (y.shape[-1], 1), kind(y.dtype))
        detail = str(y.shape)
        hint = PrimitiveDesc("softmax_forward", detail, c.TRAINING, c.SOFTMAX, row, row, 1)
        desc = PrimitiveDesc("softmax_backward", detail, c.SOFTMAX, row, row, row, 1, hint)
        args = [(c.ARG_DIFF_DST, row), (c.ARG_DST, row), (c.ARG_DIFF_SRC, row)]
        arrays = [env.array(g), env.array(y), env.array(self.node.out)]
        return [env.execution(Primitive(desc, args), arrays)]

    @property
    def shares(self) -> list[tuple[Value, Value]]:
        return [(self.node.out, self.node.args[0])]


class _Layer:
    """The descriptors of a layer norm with weight and bias."""

    def __init__(self, x: Value, eps: float) -> None:
        rows, size = math.prod(x.shape[:-1]), x.shape[-1]
        self.data = describe((rows, size), (size, 1), kind(x.dtype))
        self.stats = describe((rows,), (1,), FLOAT32)
        self.vector = describe((size,), (1,), FLOAT32)
        args = (c.TRAINING, self.data, self.data, self.stats, eps, c.USE_SCALE | c.USE_SHIFT)
        self.forward = PrimitiveDesc("layer_normalization_forward", str(x.shape), *args)


def takes_layer_train(node: Node) -> bool:
    """Layer norm that returns its statistics."""
    x, weight, bias, _ = node.args
    return contiguous(x) and takes(x, weight, bias) and None not in (weight, bias, *node.outs)


class LayerTrain(Kernel):
    """(y, mean, 1 / sqrt(var + eps))."""

    def bind(self, env: Env) -> list[Call]:
        x, weight, bias, eps = self.node.args
        n = _Layer(x, eps)
        args = [
            (c.ARG_SRC, n.data), (c.ARG_DST, n.data), (c.ARG_MEAN, n.stats),
            (c.ARG_VARIANCE, n.stats), (c.ARG_SCALE, n.vector), (c.ARG_SHIFT, n.vector),
        ]  # fmt: skip
        y, mean, inverse = (env.array(v) for v in self.node.made())
        arrays = [env.array(x), y, mean, inverse, env.array(weight), env.array(bias)]

        def invert() -> None:
            np.add(inverse, np.float32(eps), out=inverse)
            np.reciprocal(np.sqrt(inverse, out=inverse), out=inverse)

        return [env.execution(Primitive(n.forward, args), arrays), invert]


def takes_layer_backward(node: Node) -> bool:
    """The gradient of layer norm."""
    g, x, weight = node.args[:3]
    wanted = weight is not None and None not in node.outs
    return wanted and takes(g, x) and all(map(contiguous, (g, x, node.out)))


class LayerBackward(Kernel):
    """(dx, dweight, dbias)."""

    def bind(self, env: Env) -> list[Call]:
        g, x, weight, mean, inverse = self.node.args
        n, scale = _Layer(x, 0.0), env.array(weight)
        desc = PrimitiveDesc(
            "layer_normalization_backward", str(x.shape), c.BACKWARD,
            n.data, n.data, n.data, n.stats, 0.0, c.USE_SCALE | c.USE_SHIFT, n.forward,
        )  # fmt: skip
        args: list[Any] = [
            (c.ARG_SRC, n.data), (c.ARG_DIFF_DST, n.data), (c.ARG_DIFF_SRC, n.data),
            (c.ARG_MEAN, n.stats), (c.ARG_VARIANCE, n.stats),
            (c.ARG_SCALE, n.vector), (c.ARG_SHIFT, n.vector),  # it asks for the unused shift too
            (c.ARG_DIFF_SCALE, n.vector), (c.ARG_DIFF_SHIFT, n.vector),
        ]  # fmt: skip
        given, var = env.array(inverse), env.room((n.stats.size() // 4,), np.float32)
        dx, dweight, dbias = (env.array(v) for v in self.node.made())
        arrays = [
            env.array(x),
            env.array(g),
            dx,
            env.array(mean),
            var,
            scale,
            scale,
            dweight,
            dbias,
        ]
        flat = given.reshape(-1)

        def spread() -> None:
            np.reciprocal(np.multiply(flat, flat, out=var), out=var)

        return [spread, env.execution(Primitive(desc, args), arrays)]
