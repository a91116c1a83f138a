"""All steps of an LSTM or GRU layer at once, by oneDNN, with their gradients.

T time, N batch, I input features, H hidden features; padded batches in float32 on the CPU. Everything
else goes through the steps one by one (``_sweep``), and so do gradients of gradients.
"""

from __future__ import annotations

from typing import Any

from ..autograd.engine import grad
from ..autograd.function import Function
from ..autograd.mode import enable_grad, mode
from ..backends.cpu import onednn
from ..create import zeros
from ..jit.state import is_tracing
from ..ops import cat, linear
from ..ops.recurrent import gru_gates, lstm_gates
from ..tensor import Tensor, wrap
from ._sweep import State, Step, steps_of, sweep

_KINDS = {"LSTM": onednn.LSTM, "GRU": onednn.GRU}


def whole_layer(
    name: str,
    rows: Tensor,
    sizes: list[int],
    states: State,
    weights: Any,
    biases: Any,
    reverse: bool,
) -> tuple[Tensor, State] | None:
    """Outputs (S, H) and last states of rows (S, I), steps of the given sizes; None where the steps
    must be taken one by one.

    weights (G H, I) and (G H, H), biases two of (G H) or None, as PyTorch has them.
    """
    if is_tracing():  # a graph wants ops: the steps
        return None
    given = [None if v is None else v.array for v in (*states, *weights, *biases)]
    if name not in _KINDS or sizes[0] != sizes[-1] or not onednn.takes_rnn(rows.array, *given):
        return None
    x = rows.reshape(len(sizes), sizes[0], rows.shape[-1])
    bias = _one_bias(name, weights[1], *biases)
    y, *last = _Whole.apply(x, *states, *weights, bias, name, reverse)
    return y.reshape(rows.shape[0], weights[1].shape[1]), tuple(last)


def _one_bias(name: str, weight_hh: Tensor, of_input: Any, of_state: Any) -> Tensor:
    """The bias as oneDNN wants it (4 H): a GRU's z, r, n of the input, n of the state."""
    h = weight_hh.shape[1]
    if of_input is None:
        return zeros(4 * h, dtype=weight_hh.dtype)
    if name == "LSTM":
        return of_input + of_state
    both = of_input[: 2 * h] + of_state[: 2 * h]
    return cat([both[h:], both[:h], of_input[2 * h :], of_state[2 * h :]])


class _Whole(Function):
    """(outputs (T, N, H), last states (N, H)) of (x (T, N, I), states, both weights, bias)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *rest: Any) -> tuple[Tensor, ...]:  # type: ignore[override]
        *tensors, ctx.name, ctx.reverse = rest
        raw = [v.array for v in tensors]
        ctx.states = len(raw) - 3
        parts = raw[: ctx.states], raw[ctx.states : -1], raw[-1]
        found = onednn.rnn_forward(_KINDS[ctx.name], x.array, *parts, ctx.reverse)
        *results, ctx.workspace = found
        outs = tuple(map(wrap, results))
        ctx.save_for_backward(x, *tensors, *outs)
        return outs

    @staticmethod
    def backward(ctx: Any, *g: Tensor) -> tuple[Any, ...]:
        count = ctx.states + 4
        inputs, results = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        if mode.enabled:  # a graph of the gradients is wanted
            return *_composed_backward(ctx.name, g, inputs, ctx.reverse), None, None
        x, *raw = (v.array for v in inputs)
        parts = raw[: ctx.states], raw[ctx.states : -1], raw[-1]
        found = onednn.rnn_backward(
            _KINDS[ctx.name], [v.array for v in g], x, *parts, [v.array for v in results],
            ctx.workspace, ctx.reverse,
        )  # fmt: skip
        return *map(wrap, found), None, None


# -- gradients of gradients ----------------------------------------------------------------------
def _composed_backward(name: str, g: Any, inputs: Any, reverse: bool) -> list[Any]:
    """The gradients of the inputs through differentiable steps."""
    with enable_grad():
        outs = _composed(name, *inputs, reverse=reverse)
        live = [v for v in inputs if v.requires_grad]
        found = iter(grad(outs, live, list(g), create_graph=True, allow_unused=True))
    return [next(found) if v.requires_grad else None for v in inputs]


def _composed(name: str, x: Any, *rest: Any, reverse: bool) -> list[Any]:
    *states, weight_ih, weight_hh, bias = rest
    steps, n = x.shape[:2]
    step = _lstm_step(weight_hh) if name == "LSTM" else _gru_step(weight_hh, bias)
    rows = linear(x.reshape(steps * n, x.shape[2]), weight_ih)
    rows = rows + (bias if name == "LSTM" else _of_input(bias))
    outputs, last = sweep(step, steps_of(rows, [n] * steps), tuple(states), reverse)
    return [cat(outputs).reshape(steps, n, weight_hh.shape[1]), *last]


def _lstm_step(weight_hh: Tensor) -> Step:
    return lambda piece, state: lstm_gates(piece + linear(state[0], weight_hh), state[1])


def _of_input(bias: Tensor) -> Tensor:
    """r, z, n of the input out of z, r, n, n: the first two hold what the state adds as well."""
    h = bias.shape[0] // 4
    return cat([bias[h : 2 * h], bias[:h], bias[2 * h : 3 * h]])


def _gru_step(weight_hh: Tensor, bias: Tensor) -> Step:
    h = bias.shape[0] // 4

    def step(piece: Tensor, state: State) -> State:
        added = cat([zeros(2 * h, dtype=bias.dtype), bias[3 * h :]])
        return (gru_gates(piece, linear(state[0], weight_hh, added), state[0]),)

    return step
