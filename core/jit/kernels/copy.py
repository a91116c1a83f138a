"""Reshapes that no view can be: the elements in row-major order, in memory of their own."""

from __future__ import annotations

from functools import partial

import numpy as np

from ...backends.cpu.layout import reorder
from ...backends.cpu.memory import c_strides, describe
from ..graph import Node
from .base import Call, Env, Kernel, contiguous, kind, plain, takes

FROM = 2048  # elements; below, NumPy's copy takes less than a call of a primitive


def takes_copy(node: Node) -> bool:
    """Whether the result is contiguous."""
    return contiguous(node.out) and node.args[0].dtype == node.out.dtype


class Copy(Kernel):
    """x's elements in order; the shape is the result's own."""

    def bind(self, env: Env) -> list[Call]:
        x = self.node.args[0]
        source, out = env.array(x), env.array(self.node.out)
        if not takes(x) or x.size < FROM or not 0 < len(x.shape) <= 6 or min(x.strides) < 1:
            return [partial(np.copyto, out.reshape(x.shape), source)]
        target = describe(x.shape, c_strides(x.shape), kind(x.dtype))
        return [env.execution(reorder(plain(x), target, x.type), [source, out])]
