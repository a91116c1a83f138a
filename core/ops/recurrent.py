"""The elementwise part of one recurrent step: gates of an LSTM and of a GRU, each one node.

The products with the weights stay ordinary ``linear`` calls. Gate order and formulas follow
``torch.nn.LSTM`` and ``torch.nn.GRU``. N batch, H hidden features.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._declare import Array, op
from .activation import one_of, sigmoid
from .join import cat, chunk
from .matmul import linear, matmul
from .reduce import _sum
from .trigonometry import tanh


def _squashed(x: Any) -> Any:
    """sigmoid of a raw array."""
    one = one_of(x)
    y = np.exp(-x)
    return one / (y + one)


def _slow_sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _recorded(x: Any) -> bool:
    """Whether a gradient runs on Tensors, so that what forward kept must be computed again."""
    return hasattr(x, "needs_grad")


# -- LSTM ------------------------------------------------------------------------------------------
@op(promote="common", outputs=("h", "c_next", "gates", "out"), differentiable=2)
def _lstm_gates(z: Array, c: Array) -> Any:
    """c' = f c + i g and h' = o tanh(c'): z (N, 4 H) holds i, f, g, o before their functions."""
    return _lstm_states(z.copy(), c)


def _lstm_states(z: Any, c: Any) -> Any:
    """The same, with the gates in z's own memory."""
    size = c.shape[-1]
    new = np.tanh(z[..., 2 * size : 3 * size])
    gates = np.negative(z, out=z)
    np.exp(gates, out=gates)
    gates += one_of(z)
    np.reciprocal(gates, out=gates)
    gates[..., 2 * size : 3 * size] = new
    c_next = gates[..., size : 2 * size] * c
    c_next += gates[..., :size] * new
    out = np.tanh(c_next)
    return gates[..., 3 * size :] * out, c_next, gates, out


@_lstm_gates.grad
def _(g, z, c, gates, out):
    return _lstm_backward(*g, z, c, gates, out)


def _lstm_backward(g_h: Any, g_c: Any, z: Any, c: Any, gates: Any, out: Any) -> tuple[Any, Any]:
    """The gradients of z and c; of Tensors in a graph of their own, from z alone."""
    if not _recorded(z):
        return _lstm_shares(g_h, g_c, c, gates, out)
    i, f, new, o = chunk(z, 4, -1)
    i, f, new, o = sigmoid(i), sigmoid(f), tanh(new), sigmoid(o)
    out = tanh(f * c + i * new)
    g_c = g_c + g_h * o * (1 - out * out)
    parts = [
        g_c * new * i * (1 - i),
        g_c * c * f * (1 - f),
        g_c * i * (1 - new * new),
        g_h * out * o * (1 - o),
    ]
    return cat(parts, -1), g_c * f


def _lstm_shares(g_h: Any, g_c: Any, c: Any, gates: Any, out: Any) -> tuple[Any, Any]:
    """The same on raw arrays, written into one; slope (N, 4 H) is that of all four functions."""
    size, one = c.shape[-1], one_of(c)
    first, second, third = slice(0, size), slice(size, 2 * size), slice(2 * size, 3 * size)
    i, f, new = gates[..., first], gates[..., second], gates[..., third]
    o = gates[..., 3 * size :]
    g_c = g_c + g_h * o * (one - out * out)
    slope = gates * (one - gates)
    slope[..., first] *= g_c * new
    slope[..., second] *= g_c * c
    slope[..., third] = g_c * i * (one - new * new)
    slope[..., 3 * size :] *= g_h * out
    return slope, g_c * f


def _slow_lstm(z: Any, c: Any) -> Any:
    size = c.shape[-1]
    gates = np.vectorize(_slow_sigmoid, otypes="d")(z)
    gates[..., 2 * size : 3 * size] = np.vectorize(math.tanh, otypes="d")(
        z[..., 2 * size : 3 * size]
    )
    i, f, new, o = np.split(gates, 4, -1)
    c_next = f * c + i * new
    out = np.vectorize(math.tanh, otypes="d")(c_next)
    return o * out, c_next, gates, out


@_lstm_gates.samples(reference=_slow_lstm)
def _(rng):
    for shape in [(2, 3), (3,), (0, 2)]:
        yield rng.normal(size=(*shape[:-1], 4 * shape[-1])), rng.normal(size=shape)


def lstm_gates(z: Any, c: Any) -> tuple[Any, Any]:
    """(h', c') of z (N, 4 H), the sum of both products, and c (N, H)."""
    return _lstm_gates(z, c)[:2]  # type: ignore[no-any-return]


@op(outputs=("h", "c_next", "gates", "out"), differentiable=2)
def _lstm_cell(
    input: Array, hidden: Array, c: Array, weight_ih: Array, weight_hh: Array,
    bias_ih: Array | None, bias_hh: Array | None,
) -> Any:  # fmt: skip
    """``_lstm_gates`` of weight_ih input + bias_ih + weight_hh hidden + bias_hh, as one node."""
    z = linear(input, weight_ih, bias_ih)
    z += linear(hidden, weight_hh, bias_hh)
    return _lstm_states(z, c)


@_lstm_cell.grad
def _(g, input, hidden, c, weight_ih, weight_hh, bias_ih, bias_hh, gates, out, needs):
    z = None
    if _recorded(input):
        z = linear(input, weight_ih, bias_ih) + linear(hidden, weight_hh, bias_hh)
    slope, g_c = _lstm_backward(*g, z, c, gates, out)
    turned = slope.T if needs[3] or needs[4] else None
    bias = _sum(slope, (0,), False) if needs[5] or needs[6] else None
    return (
        matmul(slope, weight_ih) if needs[0] else None,
        matmul(slope, weight_hh) if needs[1] else None,
        g_c,
        matmul(turned, input) if needs[3] else None,
        matmul(turned, hidden) if needs[4] else None,
        bias,
        bias,
    )


def _slow_cell(x: Any, h: Any, c: Any, w: Any, u: Any, b: Any, d: Any) -> Any:
    z = np.einsum("ni,gi->ng", x, w) + np.einsum("nh,gh->ng", h, u)
    return _slow_lstm(z if b is None else z + b + d, c)


@_lstm_cell.samples(reference=_slow_cell, tolerance=1e-11)
def _(rng):
    for n, biased in [(2, True), (3, False)]:
        bias = [rng.normal(size=8) if biased else None for _ in range(2)]
        yield (rng.normal(size=(n, 3)), rng.normal(size=(n, 2)), rng.normal(size=(n, 2)),
               rng.normal(size=(8, 3)), rng.normal(size=(8, 2)), *bias)  # fmt: skip


def lstm_cell(
    input: Any, hidden: Any, c: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any
) -> tuple[Any, Any]:
    """(h', c') of one step: input (N, I), hidden and c (N, H)."""
    return _lstm_cell(input, hidden, c, weight_ih, weight_hh, bias_ih, bias_hh)[:2]  # type: ignore[no-any-return]


# -- GRU -------------------------------------------------------------------------------------------
@op(promote="common", outputs=("h_next", "rz", "new"), differentiable=1)
def _gru_gates(x: Array, y: Array, h: Array) -> Any:
    """h' = (1 - z) n + z h: x and y (N, 3 H) hold r, z, n from the input and from the state."""
    size = h.shape[-1]
    rz = _squashed(x[..., : 2 * size] + y[..., : 2 * size])
    new = np.tanh(x[..., 2 * size :] + rz[..., :size] * y[..., 2 * size :])
    return new + rz[..., size:] * (h - new), rz, new


@_gru_gates.grad
def _(g, x, y, h, rz, new):
    size = h.shape[-1]
    y_new = y[..., 2 * size :]
    if _recorded(x):
        rz = sigmoid(x[..., : 2 * size] + y[..., : 2 * size])
        new = tanh(x[..., 2 * size :] + rz[..., :size] * y_new)
    g_next = g[0] if isinstance(g, tuple) else g
    r, z = rz[..., :size], rz[..., size:]
    g_new = g_next * (1 - z) * (1 - new * new)
    g_rz = cat([g_new * y_new * r * (1 - r), g_next * (h - new) * z * (1 - z)], -1)
    return cat([g_rz, g_new], -1), cat([g_rz, g_new * r], -1), g_next * z


def _slow_gru(x: Any, y: Any, h: Any) -> Any:
    (r_x, z_x, n_x), (r_y, z_y, n_y) = np.split(x, 3, -1), np.split(y, 3, -1)
    squash = np.vectorize(_slow_sigmoid, otypes="d")
    r, z = squash(r_x + r_y), squash(z_x + z_y)
    new = np.vectorize(math.tanh, otypes="d")(n_x + r * n_y)
    return (1 - z) * new + z * h, np.concatenate([r, z], -1), new


@_gru_gates.samples(reference=_slow_gru)
def _(rng):
    for shape in [(2, 3), (3,), (0, 2)]:
        wide = (*shape[:-1], 3 * shape[-1])
        yield rng.normal(size=wide), rng.normal(size=wide), rng.normal(size=shape)


def gru_gates(x: Any, y: Any, h: Any) -> Any:
    """h' of x (N, 3 H) from the input, y (N, 3 H) from the state, and the state h (N, H)."""
    return _gru_gates(x, y, h)[0]
