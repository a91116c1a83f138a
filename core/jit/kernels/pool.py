"""Max and sum pooling of channels-last values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...backends.cpu import constants as c
from ...backends.cpu.memory import Primitive
from ...backends.cpu.pooling import _Geometry
from ..graph import Node
from .base import Call, Env, Kernel, channels_last, kind, takes


def takes_pool(node: Node) -> bool:
    """Whether the engine pools these: nobody asks for the winners."""
    x = node.args[0]
    train = node.name == "_max_pool" and node.args[-1]
    shape = channels_last(x) and channels_last(node.out) if 3 <= len(x.shape) <= 5 else False
    return not train and shape and takes(x, node.out) and not any(node.outs[1:])


class MaxPool(Kernel):
    """The largest value of every window; oneDNN's would lose nan, so a row that has one goes by the
    formula. A dot product is the cheap test, as in eager."""

    def bind(self, env: Env) -> list[Call]:
        x, kernel, stride, padding, dilation, _ = self.node.args
        options = (kernel, stride, padding, dilation)
        source, out = env.array(x), env.array(self.node.out)
        g = _Geometry(x.shape, *options, kind(x.dtype))
        args = [(c.ARG_SRC, g.src), (c.ARG_DST, g.dst)]
        pool = env.execution(Primitive(g.forward("max", False), args), [source, out])
        formula = self.node.op.formula
        flat = source.transpose(0, *range(2, source.ndim), 1).reshape(-1)
        wide = flat.dtype == np.float32

        def run() -> None:
            if wide and math.isnan(flat.dot(flat)):
                np.copyto(out, formula(source, *options, False)[0])
            else:
                pool()

        return [run]


class SumPool(Kernel):
    """The sum of every window: the average times its size."""

    def bind(self, env: Env) -> list[Call]:
        x, kernel, stride, padding = self.node.args
        source, out = env.array(x), env.array(self.node.out)
        g = _Geometry(x.shape, kernel, stride, padding, (1,) * len(kernel), kind(x.dtype))
        args: Any = [(c.ARG_SRC, g.src), (c.ARG_DST, g.dst)]
        pool = env.execution(Primitive(g.forward("avg", False), args), [source, out])
        factor = out.dtype.type(math.prod(kernel))

        def scale() -> None:
            np.multiply(out, factor, out=out)

        return [pool, scale]
