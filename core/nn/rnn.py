"""Recurrent cells: one step of an RNN, LSTM or GRU over a batch.

Two products and the gates (``ops.recurrent``), with PyTorch's names, arguments, keys and order of the
gates. Follows ``torch.nn.modules.rnn``; the layers over whole sequences are in ``recurrent``. N batch,
I input features, H hidden features.
"""

from __future__ import annotations

import math
from typing import Any

from .. import create
from ..errors import OptionError, ShapeError
from ..ops.recurrent import gru_gates, lstm_cell, lstm_gates
from ..tensor import Tensor
from . import functional as F
from .init import uniform_
from .module import Module
from .parameter import Parameter


class RNNCellBase(Module):
    """What the cells share: weight_ih (G H, I), weight_hh (G H, H) and two biases for G gates."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if min(input_size, hidden_size) < 0:
            raise OptionError(
                f"{type(self).__name__}: input_size and hidden_size must not be negative, got "
                f"{input_size} and {hidden_size}"
            )
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows, make = num_chunks * hidden_size, {"device": device, "dtype": dtype}
        self.weight_ih = Parameter(create.empty(rows, input_size, **make))
        self.weight_hh = Parameter(create.empty(rows, hidden_size, **make))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(create.empty(rows, **make)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter anew, uniform in +-1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for parameter in self.parameters():
            uniform_(parameter, -bound, bound)

    def from_input(self, input: Tensor) -> Tensor:
        """weight_ih input + bias_ih: (*, I) -> (*, G H), for one step or many at once."""
        return F.linear(input, self.weight_ih, self.bias_ih)

    def from_hidden(self, hidden: Tensor) -> Tensor:
        """weight_hh hidden + bias_hh: (*, H) -> (*, G H)."""
        return F.linear(hidden, self.weight_hh, self.bias_hh)

    def _start(self, input: Tensor) -> Tensor:
        """The zero state of an input (N, I) or (I)."""
        shape = (*input.shape[:-1], self.hidden_size)
        return create.zeros(*shape, dtype=input.dtype, device=input.device)

    def _check(self, input: Tensor, **states: Tensor) -> None:
        shape = input.array.shape
        if len(shape) not in (1, 2) or shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}: input must be ({self.input_size},) or "
                f"(N, {self.input_size}), got {tuple(input.shape)}"
            )
        want = (*shape[:-1], self.hidden_size)
        for name, state in states.items():
            if state.array.shape != want:
                raise ShapeError(
                    f"{type(self).__name__}: {name} must be {want} for an input of "
                    f"{tuple(input.shape)}, got {tuple(state.shape)}"
                )

    def extra_repr(self) -> str:
        plain = f"{self.input_size}, {self.hidden_size}"
        return plain if self.bias is True else f"{plain}, bias={self.bias}"


class RNNCell(RNNCellBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu: x (N, I), h (N, H) -> (N, H).

    Without hx the state is zero; x may be (I) with h (H).

    >>> import sensorium as sn
    >>> sn.nn.RNNCell(3, 4)(sn.ones(2, 3)).shape
    sensorium.Size([2, 4])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        if nonlinearity not in ("tanh", "relu"):
            raise OptionError(
                f"RNNCell: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}"
            )
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        hx = self._start(input) if hx is None else hx
        self._check(input, hx=hx)
        total = self.from_input(input) + self.from_hidden(hx)
        return total.tanh() if self.nonlinearity == "tanh" else total.relu()

    def extra_repr(self) -> str:
        plain = super().extra_repr()
        return plain if self.nonlinearity == "tanh" else f"{plain}, nonlinearity=relu"


class LSTMCell(RNNCellBase):
    """c' = f c + i g, h' = o tanh(c'): x (N, I), (h, c) each (N, H) -> (h', c').

    The gates i, f, g, o stand in this order in the rows of the weights: i, f, o are
    sigmoid(W x + b + W h + b), g is the tanh of its rows. Without hx both states are zero; x may
    be (I) with states (H). Hochreiter and Schmidhuber 1997, with the forget gate of Gers 2000.

    >>> import sensorium as sn
    >>> h, c = sn.nn.LSTMCell(3, 4)(sn.ones(2, 3))
    >>> h.shape, c.shape
    (sensorium.Size([2, 4]), sensorium.Size([2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        h, c = (self._start(input),) * 2 if hx is None else hx
        self._check(input, h=h, c=c)
        if input.ndim == 2:
            weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
            return lstm_cell(input, h, c, *weights)
        return self.advance(self.from_input(input), h, c)

    def advance(self, projected: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """One step from what ``from_input`` gave: (N, 4 H), (N, H), (N, H) -> (h', c').

        A loop over time projects all its inputs in one product and repeats only this.
        """
        return lstm_gates(projected + self.from_hidden(h), c)


class GRUCell(RNNCellBase):
    """h' = (1 - z) n + z h: x (N, I), h (N, H) -> (N, H).

    r and z are sigmoid(W x + b + W h + b), n = tanh(W x + b + r (W h + b)); their rows stand in
    the order r, z, n. Without hx the state is zero; x may be (I) with h (H). Cho et al. 2014, in
    the form where r scales the product and its bias.

    >>> import sensorium as sn
    >>> sn.nn.GRUCell(3, 4)(sn.ones(2, 3)).shape
    sensorium.Size([2, 4])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        hx = self._start(input) if hx is None else hx
        self._check(input, hx=hx)
        return gru_gates(self.from_input(input), self.from_hidden(hx), hx)
