"""A layer of an LSTM or GRU over whole sequences: all steps in one primitive, and its gradients.

Weights are PyTorch's: (G H, I) and (G H, H) for G gates, i f g o of an LSTM, r z n of a GRU (oneDNN wants
z r n: blocks of rows change places on the way in and out). T time, N batch, I input features, H hidden
features; everything float32. Left out: projections and peepholes. Always the primitive for training:
that for inference (brgemm) ends the process in oneDNN 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import constants as c, layout, memory, prepack
from .library import Unsupported
from .memory import DATA_TYPES, Desc, Primitive, PrimitiveDesc, plans, pointer

FLOAT32 = DATA_TYPES["float32"]
Arrays = Sequence[np.ndarray]


class Kind(NamedTuple):
    """A cell as oneDNN has it: its name, gates, rows of biases, states, and peephole arguments."""

    name: str
    gates: int
    biases: int
    states: int
    unused: tuple[None, ...] = ()
    swapped: bool = False  # its first two gates stand the other way round in PyTorch


LSTM = Kind("lstm", 4, 4, 2, (None, None))
GRU = Kind("lbr_gru", 3, 4, 1, swapped=True)

_WEIGHTS = (c.ARG_WEIGHTS, c.ARG_WEIGHTS_ITER)
_SOURCES = (c.ARG_SRC, c.ARG_SRC_ITER, c.ARG_SRC_ITER_C)
_RESULTS = (c.ARG_DST, c.ARG_DST_ITER, c.ARG_DST_ITER_C)


# -- descriptors ---------------------------------------------------------------------------------
class _Layer:
    """The descriptors of a layer: data in plain layouts, weights as the primitive likes them."""

    def __init__(self, kind: Kind, x: np.ndarray, hidden_size: int, reverse: bool):
        (t, n, i), h = x.shape, hidden_size
        self.kind, self.hidden = kind, h
        self.direction = c.TO_LEFT if reverse else c.TO_RIGHT
        self.detail = f"{t} steps of {n} x {i}, {h} units"
        states = (_plain((1, 1, n, h)),) * kind.states
        self.sources, self.results = (_plain((t, n, i)), *states), (_plain((t, n, h)), *states)
        self.sizes, self.bias = (i, h), _plain((1, 1, kind.biases, h))
        self.given = [self.weight(size) for size in self.sizes]
        self.liked = [memory.describe_any((1, 1, s, kind.gates, h), FLOAT32) for s in self.sizes]

    def weight(self, size: int) -> Desc:
        """(G H, size) read as (layers, directions, size, gates, units)."""
        h, all_rows = self.hidden, self.kind.gates * self.hidden * size
        shape = (1, 1, size, self.kind.gates, h)
        return memory.describe(shape, (all_rows, all_rows, 1, h * size, size), FLOAT32)

    def arguments(self) -> tuple[Any, ...]:
        return *self.sources, *self.liked, *self.kind.unused, self.bias, *self.results

    def forward(self) -> PrimitiveDesc:
        args = (c.TRAINING, self.direction, *self.arguments(), 0)
        return PrimitiveDesc(f"{self.kind.name}_forward", self.detail, *args)

    def backward(self) -> PrimitiveDesc:
        args = (c.BACKWARD, self.direction, *self.arguments(), *self.arguments(), 0, self.forward())
        return PrimitiveDesc(f"{self.kind.name}_backward", self.detail, *args)

    def numbered(self, weights: list[Desc]) -> list[tuple[int, Desc]]:
        """Arguments with their numbers, the weights in the layouts given."""
        pairs = [*zip(_SOURCES, self.sources), *zip(_WEIGHTS, weights)]
        return [*pairs, (c.ARG_BIAS, self.bias), *zip(_RESULTS, self.results)]


def _plain(shape: tuple[int, ...]) -> Desc:
    return memory.describe(shape, memory.c_strides(shape), FLOAT32)


def _chosen(desc: PrimitiveDesc, above: int = 0) -> list[Desc]:
    """The layouts of the weights, or of their gradients, that a primitive has chosen."""
    found = [desc.desc(c.QUERY_ARG, number + above) for number in _WEIGHTS]
    if None in found:
        raise Unsupported(f"oneDNN {desc.name}: it tells no layout of its weights")
    return found  # type: ignore[return-value]


def _swapped(kind: Kind, weight: np.ndarray) -> np.ndarray:
    """The rows of the first two gates, exchanged where PyTorch has them the other way round."""
    if not kind.swapped:
        return np.ascontiguousarray(weight)
    h = len(weight) // kind.gates
    return np.concatenate([weight[h : 2 * h], weight[:h], weight[2 * h :]])


class _Packer:
    """Packs a weight once per change, for one primitive: its layout may be one that no query tells."""

    def __init__(self, kind: Kind, chosen: Desc, plain: Desc, detail: str):
        self._kind, self._size = kind, chosen.size()
        self._reorder = layout.reorder(plain, chosen, detail)

    def __call__(self, weight: np.ndarray) -> np.ndarray:
        return prepack.packed(weight, self, self._pack)

    def _pack(self, weight: np.ndarray) -> np.ndarray:
        plain, out = _swapped(self._kind, weight), memory.aligned(self._size)
        self._reorder(pointer(plain), pointer(out))
        return out


def _packers(layer: _Layer, chosen: list[Desc]) -> list[_Packer]:
    return [_Packer(layer.kind, a, b, layer.detail) for a, b in zip(chosen, layer.given)]


# -- forward -------------------------------------------------------------------------------------
class _Forward:
    def __init__(self, kind, x, hidden_size, reverse):
        layer = _Layer(kind, x, hidden_size, reverse)
        desc = layer.forward()
        chosen, space = _chosen(desc), desc.desc(c.QUERY_WORKSPACE)
        self.space, self.pack = space.size() if space else 0, _packers(layer, chosen)
        self.run = Primitive(desc, (*layer.numbered(chosen), (c.ARG_WORKSPACE, space)))

    def __call__(self, x, states, weights, bias):
        h = states[0].shape[1]
        y = [np.empty((*x.shape[:2], h), np.float32), *(np.empty_like(s) for s in states)]
        packed = [pack(w) for pack, w in zip(self.pack, weights)]
        workspace = memory.aligned(self.space)
        self.run(*map(pointer, (x, *states, *packed, bias, *y, workspace)))
        return *y, workspace


def rnn_forward(
    kind: Kind, x: np.ndarray, states: Arrays, weights: Arrays, bias: np.ndarray, reverse: bool
) -> tuple[np.ndarray, ...]:
    """(outputs (T, N, H), last states (N, H), workspace of bytes) of x (T, N, I) and first states.

    bias (4 H): of an LSTM the sum of both, of a GRU z, r, n of the input and n of the state. reverse:
    from the last step to the first. The workspace is what ``rnn_backward`` wants.
    """
    key = (kind.name, x.shape, states[0].shape[1], reverse)
    run = plans.get(key) or memory.plan(key, _Forward, kind, x, states[0].shape[1], reverse)
    return run(*_dense(x), _dense(*states), weights, *_dense(bias))


def _dense(*arrays: np.ndarray) -> list[np.ndarray]:
    return [np.ascontiguousarray(v) for v in arrays]


# -- backward ------------------------------------------------------------------------------------
class _Backward:
    def __init__(self, kind, x, hidden_size, reverse):
        layer = _Layer(kind, x, hidden_size, reverse)
        desc = layer.backward()
        chosen, slopes = _chosen(desc), _chosen(desc, c.OF_GRADIENT)
        self.kind, self.sizes, self.pack = kind, layer.sizes, _packers(layer, chosen)
        self.slope_sizes = [slope.size() for slope in slopes]
        self.unpack = [layout.reorder(a, b, layer.detail) for a, b in zip(slopes, layer.given)]
        above = [(number + c.OF_GRADIENT, one) for number, one in layer.numbered(slopes)]
        space = (c.ARG_WORKSPACE, desc.desc(c.QUERY_WORKSPACE))
        self.run = Primitive(desc, (*layer.numbered(chosen), *above, space))

    def __call__(self, g, x, states, weights, bias, results, workspace):
        sources = [np.empty_like(v) for v in (x, *states)]
        # oneDNN adds to the gradients of weights and bias
        slopes, dbias = [_zeros(size) for size in self.slope_sizes], np.zeros_like(bias)
        packed = [pack(w) for pack, w in zip(self.pack, weights)]
        self.run(*map(pointer, (x, *states, *packed, bias, *results,
                                *sources, *slopes, dbias, *g, workspace)))  # fmt: skip
        return *sources, *(self._plain(*v) for v in zip(self.unpack, slopes, weights)), dbias

    def _plain(self, reorder, slope, weight):
        out = np.empty(weight.shape, np.float32)
        reorder(pointer(slope), pointer(out))
        return _swapped(self.kind, out)


def _zeros(size: int) -> np.ndarray:
    block = memory.aligned(size)
    block.fill(0)
    return block


def rnn_backward(
    kind: Kind,
    g: Arrays,
    x: np.ndarray,
    states: Arrays,
    weights: Arrays,
    bias: np.ndarray,
    results: Arrays,
    workspace: np.ndarray,
    reverse: bool,
) -> tuple[np.ndarray, ...]:
    """Gradients of (x, every state, both weights, bias).

    g those of the outputs and last states, which are given too (results).
    """
    key = (kind.name, "g", x.shape, states[0].shape[1], reverse)
    run = plans.get(key) or memory.plan(key, _Backward, kind, x, states[0].shape[1], reverse)
    return run(
        _dense(*g), *_dense(x), _dense(*states), weights, *_dense(bias), _dense(*results), workspace
    )
