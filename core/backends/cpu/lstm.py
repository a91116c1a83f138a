"""A layer of an LSTM over whole sequences: all steps in one primitive, and its gradients.

Gates stand in the order i, f, g, o, as in PyTorch's weights (4 H, I) and (4 H, H). T time, N batch,
I input features, H hidden features; everything float32. Left out: projections and peepholes. Always the primitive for training:
that for inference (brgemm) ends the process in oneDNN 3.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import constants as c, layout, memory, prepack
from .library import Unsupported
from .memory import DATA_TYPES, Desc, Primitive, PrimitiveDesc, plans, pointer

FLOAT32 = DATA_TYPES["float32"]
_WEIGHTS = (c.ARG_WEIGHTS, c.ARG_WEIGHTS_ITER)
_STATES = (c.ARG_SRC, c.ARG_SRC_ITER, c.ARG_SRC_ITER_C)
_RESULTS = (c.ARG_DST, c.ARG_DST_ITER, c.ARG_DST_ITER_C)


class _Layer:
    """The descriptors of a layer: data in plain layouts, weights as the primitive likes them."""

    def __init__(self, x, hidden_size, reverse):
        t, n, i = x.shape
        h = self.hidden = hidden_size
        self.direction = c.TO_LEFT if reverse else c.TO_RIGHT
        self.detail = f"{t} steps of {n} x {i}, {h} units"
        plain = self.plain
        self.state = plain((1, 1, n, h))
        self.sources = plain((t, n, i)), self.state, self.state
        self.results = plain((t, n, h)), self.state, self.state
        self.sizes, self.bias = (i, h), plain((1, 1, 4, h))
        self.given = [self.weight(size) for size in self.sizes]
        self.liked = [memory.describe_any((1, 1, size, 4, h), FLOAT32) for size in self.sizes]

    @staticmethod
    def plain(shape: tuple[int, ...]) -> Desc:
        return memory.describe(shape, memory.c_strides(shape), FLOAT32)

    def weight(self, size: int) -> Desc:
        """PyTorch's (4 H, size) read as (layers, directions, size, gates, units)."""
        h = self.hidden
        strides = (4 * h * size, 4 * h * size, 1, h * size, size)
        return memory.describe((1, 1, size, 4, h), strides, FLOAT32)

    def arguments(self) -> tuple[Any, ...]:
        return *self.sources, *self.liked, None, None, self.bias, *self.results

    def forward(self) -> PrimitiveDesc:
        args = (c.TRAINING, self.direction, *self.arguments(), 0)
        return PrimitiveDesc("lstm_forward", self.detail, *args)

    def packers(self, desc: PrimitiveDesc) -> list[_Packer]:
        """How weights come into the layouts that the primitive has chosen."""
        chosen = [_chosen(desc, number) for number in _WEIGHTS]
        return [_Packer(a, b, self.detail) for a, b in zip(chosen, self.given)]


class _Packer:
    """Packs a weight once per change, for one primitive: its layout may be one that no query tells."""

    def __init__(self, chosen: Desc, plain: Desc, detail: str) -> None:
        self._reorder, self._size = layout.reorder(plain, chosen, detail), chosen.size()

    def __call__(self, weight: np.ndarray) -> np.ndarray:
        return prepack.packed(weight, self, self._pack)

    def _pack(self, weight: np.ndarray) -> np.ndarray:
        plain, out = np.ascontiguousarray(weight), memory.aligned(self._size)
        self._reorder(pointer(plain), pointer(out))
        return out


def _chosen(desc: PrimitiveDesc, number: int) -> Desc:
    found = desc.desc(c.QUERY_ARG, number)
    if found is None:
        raise Unsupported(f"oneDNN {desc.name}: no layout for argument {number}")
    return found


class _Forward:
    def __init__(self, x, hidden_size, reverse):
        layer = _Layer(x, hidden_size, reverse)
        desc = layer.forward()
        space = desc.desc(c.QUERY_WORKSPACE)
        self.space = space.size() if space else 0
        self.pack = layer.packers(desc)
        weights = [_chosen(desc, number) for number in _WEIGHTS]
        self.run = Primitive(
            desc,
            (
                *zip(_STATES, layer.sources), *zip(_WEIGHTS, weights), (c.ARG_BIAS, layer.bias),
                *zip(_RESULTS, layer.results), (c.ARG_WORKSPACE, space),
            ),
        )  # fmt: skip

    def __call__(self, x, state, weights, bias):
        t, n, _ = x.shape
        h = state[0].shape[1]
        y = (
            np.empty((t, n, h), np.float32),
            np.empty((n, h), np.float32),
            np.empty((n, h), np.float32),
        )
        packed = [pack(w) for pack, w in zip(self.pack, weights)]
        workspace = memory.aligned(self.space)
        arrays = [x, *state, *packed, bias, *y, *([workspace] if self.space else [])]
        self.run(*map(pointer, arrays))
        return *y, workspace


def lstm_forward(
    x: np.ndarray,
    hidden: np.ndarray,
    cell: np.ndarray,
    weight_ih: np.ndarray,
    weight_hh: np.ndarray,
    bias: np.ndarray | None,
    reverse: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(outputs (T, N, H), last hidden state, last cell state (N, H), workspace of bytes).

    x (T, N, I), states (N, H), one bias (4 H) for both products. reverse: from the last step to the
    first. The workspace is what ``lstm_backward`` wants.
    """
    key = ("lstm", x.shape, hidden.shape[1], reverse)
    run = plans.get(key) or memory.plan(key, _Forward, x, hidden.shape[1], reverse)
    arrays = [np.ascontiguousarray(v) for v in (x, hidden, cell, _bias(bias, hidden))]
    return run(arrays[0], arrays[1:3], (weight_ih, weight_hh), arrays[3])


def _bias(bias: np.ndarray | None, hidden: np.ndarray) -> np.ndarray:
    return np.zeros(4 * hidden.shape[1], np.float32) if bias is None else bias


class _Backward:
    def __init__(self, x, hidden_size, reverse):
        layer = _Layer(x, hidden_size, reverse)
        hint = layer.forward()
        desc = PrimitiveDesc(
            "lstm_backward", layer.detail, c.BACKWARD, layer.direction,
            *layer.arguments(), *layer.sources, *layer.liked, None, None, layer.bias,
            *layer.results, 0, hint,
        )  # fmt: skip
        weights = [_chosen(desc, number) for number in _WEIGHTS]
        slopes = [_chosen(desc, number + c.OF_GRADIENT) for number in _WEIGHTS]
        self.sizes, self.pack = layer.sizes, layer.packers(desc)
        self.slope_sizes = [slope.size() for slope in slopes]
        self.unpack = [layout.reorder(a, b, layer.detail) for a, b in zip(slopes, layer.given)]
        pairs = [
            *zip(_STATES, layer.sources), *zip(_WEIGHTS, weights), (c.ARG_BIAS, layer.bias),
            *zip(_RESULTS, layer.results),
        ]  # fmt: skip
        grads = [
            *zip(_STATES, layer.sources), *zip(_WEIGHTS, slopes), (c.ARG_BIAS, layer.bias),
            *zip(_RESULTS, layer.results),
        ]  # fmt: skip
        space = desc.desc(c.QUERY_WORKSPACE)
        above = [(number + c.OF_GRADIENT, kind) for number, kind in grads]
        self.run = Primitive(desc, (*pairs, *above, (c.ARG_WORKSPACE, space)))

    def __call__(self, g, x, state, weights, bias, results, workspace):
        h = state[0].shape[1]
        dx, dh, dc = (np.empty(v.shape, np.float32) for v in (x, *state))
        # oneDNN adds to the gradients of weights and bias
        slopes = [_zeros(size) for size in self.slope_sizes]
        dbias = np.zeros(4 * h, np.float32)
        packed = [pack(w) for pack, w in zip(self.pack, weights)]
        self.run(*map(pointer, (x, *state, *packed, bias, *results,
                                dx, dh, dc, *slopes, dbias, *g, workspace)))  # fmt: skip
        plain = [np.empty((4 * h, size), np.float32) for size in self.sizes]
        for run, slope, out in zip(self.unpack, slopes, plain):
            run(pointer(slope), pointer(out))
        return dx, dh, dc, *plain, dbias


def _zeros(size: int) -> np.ndarray:
    block = memory.aligned(size)
    block.fill(0)
    return block


def lstm_backward(
    g: tuple[np.ndarray, np.ndarray, np.ndarray],
    x: np.ndarray,
    state: tuple[np.ndarray, np.ndarray],
    weights: tuple[np.ndarray, np.ndarray],
    bias: np.ndarray | None,
    results: tuple[np.ndarray, np.ndarray, np.ndarray],
    workspace: np.ndarray,
    reverse: bool,
) -> tuple[np.ndarray, ...]:
    """Gradients of (x, hidden, cell, weight_ih, weight_hh, bias).

    g those of the three results of ``lstm_forward``, which are given too.
    """
    hidden = state[0]
    key = ("lstm g", x.shape, hidden.shape[1], reverse)
    run = plans.get(key) or memory.plan(key, _Backward, x, hidden.shape[1], reverse)
    dense = [
        [np.ascontiguousarray(v) for v in some]
        for some in (g, (x, _bias(bias, hidden)), state, results)
    ]
    (x, bias), state = dense[1], dense[2]
    return run(dense[0], x, state, weights, bias, dense[3], workspace)
