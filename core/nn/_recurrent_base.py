"""RNNBase: what the recurrent layers share, all but the formula of a step (see ``recurrent``).

Weights by layer and direction, the forms of input and states, the way through the layers; the way
through the steps is ``_sweep``. No cuDNN layout of the weights: ``flatten_parameters`` does nothing.
Follows ``torch.nn.modules.rnn``. T time, N batch, I input features, H hidden features, D directions, K layers, P projection.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from .. import create
from ..errors import DTypeError, OptionError, ShapeError
from ..ops import cat, relu, stack, tanh
from ..tensor import Tensor
from . import functional as F
from ._sweep import State, Step, steps_of, sweep
from ._whole import whole_layer
from .init import uniform_
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


class RNNBase(Module):
    """What RNN, LSTM and GRU share: weights by layer and direction, shapes, states.

    Layer k has weight_ih_lk (G H, I), weight_hh_lk (G H, H), bias_ih_lk and bias_hh_lk (G H) for G
    gates; with proj_size the state is P wide and weight_hr_lk (P, H) makes it. Names of the second
    direction end in _reverse. All start uniform in +-1 / sqrt(H).
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if mode not in _GATES:
            raise OptionError(f"RNNBase: mode must be one of {', '.join(_GATES)}, got {mode!r}")
        self.mode, self.input_size, self.hidden_size = mode, input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional, self.proj_size = dropout, bidirectional, proj_size
        self._check_options()
        for layer in range(num_layers):
            for suffix in self._suffixes():
                self._add_weights(layer, suffix, {"device": device, "dtype": dtype})
        self.reset_parameters()

    def _check_options(self) -> None:
        name = type(self).__name__
        for option in ("bias", "batch_first"):
            if not isinstance(getattr(self, option), bool):
                kind = type(getattr(self, option)).__name__
                raise OptionError(f"{name}: {option} must be a bool, got {kind}")
        for option in ("input_size", "hidden_size", "num_layers"):
            value = getattr(self, option)
            if not isinstance(value, int) or value <= 0:
                raise OptionError(f"{name}: {option} must be a positive integer, got {value!r}")
        if not 0 <= self.proj_size < self.hidden_size:
            raise OptionError(
                f"{name}: proj_size must lie in 0 (none) to {self.hidden_size - 1}, less than "
                f"hidden_size, got {self.proj_size}"
            )
        _check_dropout(name, self.dropout, self.num_layers)

    # -- weights ---------------------------------------------------------------------------------
    def _suffixes(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def _state_size(self) -> int:
        return self.proj_size or self.hidden_size

    def _add_weights(self, layer: int, suffix: str, make: dict[str, Any]) -> None:
        rows, state = _GATES[self.mode] * self.hidden_size, self._state_size()
        width = state * len(self._suffixes()) if layer else self.input_size
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, width),
            "weight_hh": (rows, state),
        }
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        for name, shape in shapes.items():
            weight = Parameter(create.empty(*shape, **make))
            self.register_parameter(f"{name}_l{layer}{suffix}", weight)

    def _weights(self, layer: int, suffix: str) -> list[Any]:
        """weight_ih, weight_hh, bias_ih, bias_hh, weight_hr; None for what is not there."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        return [getattr(self, f"{name}_l{layer}{suffix}", None) for name in names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights of every layer and direction."""
        return [
            [w for w in self._weights(layer, suffix) if w is not None]
            for layer in range(self.num_layers)
            for suffix in self._suffixes()
        ]

    def reset_parameters(self) -> None:
        """Draw every parameter anew, uniform in +-1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing: the weights need no common memory here."""

    # -- one layer -------------------------------------------------------------------------------
    def _step(self, weight_hh: Tensor, bias_hh: Any, weight_hr: Any) -> Step:
        """What one step does with the projected input and the states."""
        act: Callable[[Any], Any] = tanh if self.mode == "RNN_TANH" else relu
        return lambda x, state: (act(x + F.linear(state[0], weight_hh)),)

    def _projected(self, rows: Tensor, weight_ih: Tensor, bias_ih: Any, bias_hh: Any) -> Tensor:
        """The input's share of all steps (S, G H); it carries both biases, which only add up."""
        return F.linear(rows, weight_ih, None if bias_ih is None else bias_ih + bias_hh)

    def _one_way(
        self, rows: Tensor, sizes: list[int], layer: int, suffix: str, start: State
    ) -> tuple[Tensor, State]:
        """Outputs (S, H) and last states (N, H) of one layer in one direction."""
        weight_ih, weight_hh, bias_ih, bias_hh, weight_hr = self._weights(layer, suffix)
        if weight_hr is None:
            weights, biases, reverse = (weight_ih, weight_hh), (bias_ih, bias_hh), suffix != ""
            found = whole_layer(self.mode, rows, sizes, start, weights, biases, reverse)
            if found is not None:
                return found
        pieces = steps_of(self._projected(rows, weight_ih, bias_ih, bias_hh), sizes)
        step = self._step(weight_hh, bias_hh, weight_hr)
        outputs, last = sweep(step, pieces, start, suffix != "")
        return cat(outputs), last

    def _all_layers(
        self, rows: Tensor, sizes: list[int], starts: State
    ) -> tuple[Tensor, list[State]]:
        """Outputs (S, D H) of the last layer and the last states of every layer and direction."""
        lasts: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                rows = F.dropout(rows, self.dropout, self.training)
            outputs = []
            for suffix in self._suffixes():
                start = tuple(s[len(lasts)] for s in starts)
                output, last = self._one_way(rows, sizes, layer, suffix, start)
                outputs.append(output)
                lasts.append(last)
            rows = cat(outputs, -1) if len(outputs) > 1 else outputs[0]
        return rows, lasts

    # -- a call ----------------------------------------------------------------------------------
    def _run(self, input: Any, states: tuple[Any, ...] | None) -> tuple[Any, State]:
        if isinstance(input, PackedSequence):
            return self._run_packed(input, states)
        self._check_input(input, (2, 3))
        alone = input.ndim == 2
        if alone:
            input = input.unsqueeze(1)
            states = None if states is None else self._batched(states)
        elif self.batch_first:
            input = input.transpose(0, 1)
        steps, n = input.shape[:2]  # (T, N, I)
        if steps == 0:
            raise ShapeError(
                f"{type(self).__name__}: want at least one step, got {tuple(input.shape)} (T, N, I)"
            )
        starts = self._starts(input, n, states)
        rows, lasts = self._all_layers(
            input.reshape(steps * n, self.input_size), [n] * steps, starts
        )
        output = rows.reshape(steps, n, rows.shape[-1])
        ends = _stacked(lasts)
        if alone:
            return output.squeeze(1), tuple(s.squeeze(1) for s in ends)
        return (output.transpose(0, 1) if self.batch_first else output), ends

    def _run_packed(
        self, input: PackedSequence, states: tuple[Any, ...] | None
    ) -> tuple[PackedSequence, State]:
        self._check_input(input.data, (2,))
        sizes = input.batch_sizes.tolist()
        if states is not None and input.sorted_indices is not None:
            self._check_states(states, sizes[0])
            states = tuple(s.index_select(1, input.sorted_indices) for s in states)
        rows, lasts = self._all_layers(
            input.data, sizes, self._starts(input.data, sizes[0], states)
        )
        ends = _stacked(lasts)
        if input.unsorted_indices is not None:
            ends = tuple(s.index_select(1, input.unsorted_indices) for s in ends)
        return PackedSequence(rows, *input[1:]), ends

    def _batched(self, states: tuple[Any, ...]) -> tuple[Any, ...]:
        """States (K D, H) of a single sequence as those of a batch of one."""
        for state in states:
            if state.ndim != 2:
                raise ShapeError(
                    f"{type(self).__name__}: an input without a batch (T, I) wants states "
                    f"(K D, H), got {tuple(state.shape)}"
                )
        return tuple(s.unsqueeze(1) for s in states)

    def _widths(self) -> tuple[int, ...]:
        """How wide each state is."""
        return (self._state_size(),)

    def _starts(self, input: Tensor, n: int, states: tuple[Any, ...] | None) -> State:
        """The given states, checked, or zeros."""
        if states is not None:
            self._check_states(states, n)
            return states
        count = self.num_layers * len(self._suffixes())
        make: dict[str, Any] = {"dtype": input.dtype, "device": input.device}
        return tuple(create.zeros(count, n, width, **make) for width in self._widths())

    # -- checks ----------------------------------------------------------------------------------
    def _check_input(self, input: Tensor, dims: tuple[int, ...]) -> None:
        name, shape = type(self).__name__, tuple(input.shape)
        weight: Any = self.weight_ih_l0
        if input.ndim not in dims or shape[-1] != self.input_size:
            forms = "(N, T, I) or (T, I)" if self.batch_first else "(T, N, I) or (T, I)"
            wanted = forms if 3 in dims else "(S, I), packed,"
            raise ShapeError(
                f"{name}: input must be {wanted} with I {self.input_size}, got {shape}"
            )
        if input.dtype != weight.dtype:
            raise DTypeError(
                f"{name}: input is {input.dtype} but the weights are {weight.dtype}; convert one of "
                f"them, as with .to({weight.dtype})"
            )

    def _check_states(self, states: tuple[Any, ...], n: int) -> None:
        count = self.num_layers * len(self._suffixes())
        for label, state, width in zip(("h_0", "c_0"), states, self._widths()):
            if tuple(state.shape) != (count, n, width):
                raise ShapeError(
                    f"{type(self).__name__}: {label} must be {(count, n, width)} (K D, N, features), "
                    f"got {tuple(state.shape)}"
                )

    def extra_repr(self) -> str:
        shown = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False}
        shown |= {"dropout": 0, "bidirectional": False}
        parts = [f"{self.input_size}, {self.hidden_size}"]
        parts += [
            f"{n}={getattr(self, n)}" for n, usual in shown.items() if getattr(self, n) != usual
        ]
        return ", ".join(parts)


def _check_dropout(name: str, dropout: Any, num_layers: int) -> None:
    number = isinstance(dropout, (int, float)) and not isinstance(dropout, bool)
    if not number or not 0 <= dropout <= 1:
        raise OptionError(f"{name}: dropout must be a number in [0, 1], got {dropout!r}")
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            f"{name}: dropout acts between layers, so dropout={dropout} does nothing with "
            "num_layers=1",
            stacklevel=5,
        )


def _stacked(lasts: list[State]) -> State:
    """The last states of all layers and directions as (K D, N, H)."""
    return tuple(stack(list(parts)) for parts in zip(*lasts))
