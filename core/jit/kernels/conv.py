"""Convolutions: weights folded with their norm and packed, everything that follows fused."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.cpu import constants as c, memory
from ...backends.cpu.convolution import Geometry
from ...backends.cpu.layout import reorder
from ...backends.cpu.library import Unsupported
from ...backends.cpu.memory import Desc, Primitive, PrimitiveDesc, describe, last_strides, pointer
from ..graph import Node, Value
from ..prepared import computed
from .base import Call, Env, Kernel, channels_last, contiguous, kind, plain, takes
from .steps import beside, is_binary, post_ops, same_memory, summands


def takes_conv(node: Node) -> bool:
    """Whether the engine has this convolution: float32 or bfloat16, results channels-last."""
    x, weight, _, _, _, post = node.args
    given = [step[1] for step in post if is_binary(step)]
    if weight.kind == "state" and not contiguous(weight):
        return False
    return (
        takes(x, weight, node.out, *given)
        and 3 <= len(x.shape) <= 5
        and channels_last(node.out)
        and (x.dtype == weight.dtype or x.dtype.name == "bfloat16")
    )


def turned(env: Env, value: Value, calls: list[Call]) -> np.ndarray:
    """The array of (N, C, *spatial) channels-last: itself, or a copy made at every run."""
    given = env.array(value)
    if channels_last(value):
        return given
    room = env.room((given.size,), given.dtype)
    target = describe(value.shape, last_strides(value.shape), kind(value.dtype))
    calls.append(env.execution(reorder(plain(value), target, value.type), [given, room]))
    return room


def packed_now(
    env: Env, geometry: Geometry, chosen: Desc, weight: Value, calls: list[Call]
) -> np.ndarray:
    """A weight that changes, brought at every run into the layout that the primitive chose."""
    source, given = geometry.weights_plain(), env.array(weight)
    if source.layout() == chosen.layout():
        return given
    room = env.room((chosen.size(),), np.uint8)
    calls.append(env.execution(reorder(source, chosen, geometry.detail), [given, room]))
    return room


class Conv(Kernel):
    """out = post(norm(conv(x, weight) + bias))."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.x, self.weight, self.bias, self.norm, geometry, self.post = node.args
        stride, padding, dilation, groups = geometry
        self.geometry = Geometry(
            self.x.shape, self.weight.shape, stride, padding, dilation, groups, kind(self.x.dtype)
        )

    @property
    def shares(self) -> list[tuple[Value, Value]]:
        return [(self.node.out, value) for value in summands(self.post, self.node.out)]

    def bind(self, env: Env) -> list[Call]:
        out = env.array(self.node.out)
        calls: list[Call] = []
        x = turned(env, self.x, calls)
        summed = next((v for _, v in self.shares if same_memory(env.array(v), out)), None)
        primitive, chosen, values = self._primitive(summed)
        if env.is_constant(self.weight):
            weight = self._weight(env, chosen)
        elif self.norm or not contiguous(self.weight):
            raise Unsupported("weights that change have to be plain: no norm, contiguous")
        else:
            weight = packed_now(env, self.geometry, chosen, self.weight, calls)
        bias = [self._bias(env)] if self._has_bias else []
        arrays = [x, weight, out, *bias, *map(env.array, values)]
        return [*calls, env.execution(primitive, arrays)]

    @property
    def _has_bias(self) -> bool:
        return self.bias is not None or bool(self.norm)

    def _primitive(self, summed: Value | None) -> tuple[Primitive, Desc, list[Value]]:
        g = self.geometry
        src, dst = g.activation(g.x_shape), self._destination()
        bias = g.bias(memory.DATA_TYPES["float32"]) if self._has_bias else None
        ops, numbers, values = post_ops(self.post, beside(self.node.out), summed)
        desc = PrimitiveDesc(
            "convolution_forward", g.detail, c.INFERENCE, c.CONVOLUTION_DIRECT,
            src, g.weights_any(), bias, dst, *g.dims, post_ops=ops,
        )  # fmt: skip
        chosen = desc.desc(c.QUERY_WEIGHTS)
        if chosen is None:
            raise Unsupported(f"oneDNN chose no layout for the weights of {g.detail}")
        args = [(c.ARG_SRC, src), (c.ARG_WEIGHTS, chosen), (c.ARG_DST, dst), (c.ARG_BIAS, bias)]
        return Primitive(desc, [*args, *numbers]), chosen, values

    def _destination(self) -> Desc:
        shape = self.geometry.y_shape
        return describe(shape, last_strides(shape), kind(self.node.out.dtype))

    # -- weights ---------------------------------------------------------------------------------
    def _sources(self) -> list[Value]:
        found = [self.weight, self.bias, *self.norm[:4]]
        return [value for value in found if isinstance(value, Value)]

    def _given(self) -> tuple[Any, ...]:
        """Which of bias, scale, shift, mean and variance there are, and the norm's eps."""
        there = (value is not None for value in (self.bias, *self.norm[:4]))
        return *there, self.norm[4:]

    def _factor(self) -> np.ndarray:
        """What the norm multiplies each channel by."""
        scale, _, _, var, eps = self.norm
        factor = 1 / np.sqrt(computed(var).astype(np.float64) + eps)
        return factor if scale is None else factor * computed(scale)

    def _weight(self, env: Env, chosen: Desc) -> np.ndarray:
        def make() -> np.ndarray:
            weight = computed(self.weight)
            if self.norm:
                factor = self._factor().reshape(-1, *(1,) * (weight.ndim - 1))
                weight = weight * factor.astype(weight.dtype)
            weight = np.ascontiguousarray(weight, self.x.dtype)
            out = memory.aligned(chosen.size())
            pack = reorder(self.geometry.weights_plain(), chosen, self.geometry.detail)
            pack(pointer(weight), pointer(out))
            return out

        sources = [v for v in self._sources() if v is not self.bias]
        return env.prepared(("filters", chosen.layout(), *self._given()), sources, make)

    def _bias(self, env: Env) -> np.ndarray:
        def make() -> np.ndarray:
            start: Any = 0.0 if self.bias is None else computed(self.bias).astype(np.float64)
            if self.norm:
                _, shift, mean, _, _ = self.norm
                start = (start - computed(mean)) * self._factor()
                start = start if shift is None else start + computed(shift)
            return np.array(start, np.float32)

        sources = self._sources()[1:]
        if all(map(env.is_constant, sources)):
            return env.prepared(("shift", *self._given()), sources, make)
        if self.norm or self.bias.dtype != np.float32 or not contiguous(self.bias):
            raise Unsupported("a bias that changes has to be plain: no norm, contiguous float32")
        return env.array(self.bias)
