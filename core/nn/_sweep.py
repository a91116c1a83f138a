"""Going through a batch of sequences step by step: what RNN, LSTM and GRU share.

Steps lie one after another in one array (S, F), the rows of a step being the sequences that are
still going on; ``sizes`` says how many those are, never rising. That is a packed sequence, and a
padded batch (T, N, F) is the case where every size is N. F features, S rows of all steps together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from ..autograd.function import Context, Function
from ..jit.state import is_tracing
from ..ops import cat
from ..tensor import Tensor, wrap

State = tuple[Tensor, ...]
Step = Callable[[Tensor, State], State]


class _Pieces(Function):
    """The rows of every step; the gradients are joined once, where T slices would each pad theirs."""

    @staticmethod
    def forward(ctx: Context, rows: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:  # type: ignore[override]
        ends = list(accumulate(sizes))
        return tuple(wrap(rows.array[end - n : end]) for n, end in zip(sizes, ends))

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[Tensor, None]:
        return cat(list(grads)), None


def steps_of(rows: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    """rows (S, F) cut into one tensor a step."""
    if is_tracing():  # a graph wants ops
        return tuple(rows.split(list(sizes)))
    return _Pieces.apply(rows, sizes)


def sweep(
    step: Step, pieces: Sequence[Tensor], start: State, reverse: bool
) -> tuple[list[Tensor], State]:
    """Every step's output, which is the first of its states, and every sequence's last state.

    Forwards, sequences drop out at the end of the batch; in reverse they join there, each with its
    own start.
    """
    count = len(pieces)
    rows = pieces[-1 if reverse else 0].shape[0]
    state = start if start[0].shape[0] == rows else tuple(s[:rows] for s in start)
    outputs: list[Any] = [None] * count
    ended: list[State] = []
    for t in range(count - 1, -1, -1) if reverse else range(count):
        n = pieces[t].shape[0]
        if n < rows:
            ended.append(tuple(s[n:] for s in state))
            state = tuple(s[:n] for s in state)
        elif n > rows:
            state = tuple(cat([s, first[rows:n]]) for s, first in zip(state, start))
        rows = n
        state = step(pieces[t], state)
        outputs[t] = state[0]
    if ended:
        state = tuple(cat(list(parts)) for parts in zip(state, *reversed(ended)))
    return outputs, state
