"""All steps of an LSTM layer at once, by oneDNN, with its gradients.

T time, N batch, I input features, H hidden features; padded batches in float32 on the CPU. Everything
else goes through the steps one by one (``_sweep``), and so do gradients of gradients.
"""

from __future__ import annotations

from typing import Any

from ..autograd.engine import grad
from ..autograd.function import Context, Function
from ..autograd.mode import enable_grad, mode
from ..backends.cpu import onednn
from ..ops import cat, linear
from ..ops.recurrent import lstm_gates
from ..tensor import Tensor, wrap
from ._sweep import State, steps_of, sweep


def takes_sequence(rows: Tensor, sizes: list[int], *others: Any) -> bool:
    """Whether the steps, rows (S, I) of the given sizes, are one batch that oneDNN takes."""
    arrays = [None if v is None else v.array for v in others]
    return sizes[0] == sizes[-1] and onednn.takes_lstm(rows.array, *arrays)


class LSTMSequence(Function):
    """(outputs (T, N, H), last hidden and cell state (N, H)) of x (T, N, I) and both first states."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Context,
        x: Tensor,
        hidden: Tensor,
        cell: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias: Tensor | None,
        reverse: bool,
    ) -> tuple[Tensor, ...]:
        inputs = (x, hidden, cell, weight_ih, weight_hh, bias)
        raw = [None if v is None else v.array for v in inputs]
        *results, ctx.workspace = onednn.lstm_forward(*raw, reverse)  # type: ignore[misc]
        outs = tuple(map(wrap, results))
        ctx.reverse = reverse
        ctx.save_for_backward(*inputs, *outs)
        return outs

    @staticmethod
    def backward(ctx: Context, *g: Tensor) -> tuple[Any, ...]:
        saved = ctx.saved_tensors
        inputs, results = saved[:6], saved[6:]
        if mode.enabled:  # a graph of the gradients is wanted
            return *_composed_backward(g, inputs, ctx.reverse), None
        x, hidden, cell, weight_ih, weight_hh, bias = (
            None if v is None else v.array for v in inputs
        )
        found = onednn.lstm_backward(
            tuple(v.array for v in g), x, (hidden, cell), (weight_ih, weight_hh), bias,
            tuple(v.array for v in results), ctx.workspace, ctx.reverse,
        )  # fmt: skip
        *grads, last = map(wrap, found)
        return *grads, None if bias is None else last, None


def _composed_backward(g: tuple[Any, ...], inputs: tuple[Any, ...], reverse: bool) -> list[Any]:
    """The gradients of the inputs through differentiable steps."""
    with enable_grad():
        outs = _composed(*inputs, reverse)
        live = [v for v in inputs if v is not None and v.requires_grad]
        found = iter(grad(outs, live, list(g), create_graph=True, allow_unused=True))
    return [next(found) if v is not None and v.requires_grad else None for v in inputs]


def _composed(
    x: Any, hidden: Any, cell: Any, weight_ih: Any, weight_hh: Any, bias: Any, reverse: bool
) -> list[Any]:
    steps, n = x.shape[:2]
    rows = linear(x.reshape(steps * n, x.shape[2]), weight_ih, bias)

    def step(piece: Tensor, state: State) -> State:
        return lstm_gates(piece + linear(state[0], weight_hh), state[1])

    outputs, last = sweep(step, steps_of(rows, [n] * steps), (hidden, cell), reverse)
    return [cat(outputs).reshape(steps, n, hidden.shape[1]), *last]
