"""From one float type to another."""

from __future__ import annotations

from ...backends.cpu.layout import reorder
from ...backends.cpu.memory import describe
from ..graph import Node
from ..passes.tidy import dense
from .base import Call, Env, Kernel, kind, takes


def takes_cast(node: Node) -> bool:
    """Between float32 and bfloat16, elements in the same order."""
    x, out = node.args[0], node.out
    size, step = x.dtype.itemsize, out.dtype.itemsize
    alike = all(
        n == 1 or s // size == t // step for n, s, t in zip(x.shape, x.strides, out.strides)
    )
    return takes(x, out) and alike and dense(x) and dense(out)


class Cast(Kernel):
    """x in the result's type."""

    def bind(self, env: Env) -> list[Call]:
        x, out = self.node.args[0], self.node.out
        source, target = (describe((v.size,), (1,), kind(v.dtype)) for v in (x, out))
        run = reorder(source, target, f"{x.type} to {out.dtype}")
        return [env.execution(run, [env.array(x), env.array(out)])]
