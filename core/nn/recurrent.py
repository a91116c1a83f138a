"""RNN, LSTM, GRU: recurrent layers over whole sequences, padded or packed, stacked, both ways.

Follows ``torch.nn.modules.rnn`` in names, arguments, keys, gates and shapes. The inputs of all steps
are projected in one product; a step adds the product with the state (``ops.recurrent`` has the
gates). An LSTM or GRU in float32 hands all steps of a padded batch to
oneDNN at once (``_whole``). T time, N batch, I input features, H hidden features, D directions, K layers, P projection.
"""

from __future__ import annotations

from typing import Any

from ..errors import OptionError, ShapeError
from ..ops.recurrent import gru_gates, lstm_gates
from ..tensor import Tensor
from . import functional as F
from ._recurrent_base import RNNBase
from ._sweep import State, Step


class RNN(RNNBase):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), or relu, for every t.

    input (T, N, I), with batch_first (N, T, I), one sequence (T, I), or a ``PackedSequence``; hx
    (K D, N, H), zero if not given. Returns the outputs of the last layer (T, N, D H) and the last
    states (K D, N, H).

    >>> import sensorium as sn
    >>> output, h = sn.nn.RNN(3, 4, num_layers=2)(sn.ones(5, 2, 3))
    >>> output.shape, h.shape
    (sensorium.Size([5, 2, 4]), sensorium.Size([2, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise OptionError(f"RNN: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(
            f"RNN_{nonlinearity.upper()}",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
        )
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        output, (h,) = self._run(input, None if hx is None else (hx,))
        return output, h


class LSTM(RNNBase):
    """c_t = f c_(t-1) + i g and h_t = o tanh(c_t), for every t; gates as in ``LSTMCell``.

    With proj_size P > 0, h_t is W_hr (o tanh(c_t)), P wide. Shapes as in ``RNN``; hx is a pair h_0
    (K D, N, H or P) and c_0 (K D, N, H), and so are the last states. Hochreiter and Schmidhuber
    1997; the projection is Sak et al. 2014.

    >>> import sensorium as sn
    >>> output, (h, c) = sn.nn.LSTM(3, 4, bidirectional=True)(sn.ones(5, 2, 3))
    >>> output.shape, h.shape, c.shape
    (sensorium.Size([5, 2, 8]), sensorium.Size([2, 2, 4]), sensorium.Size([2, 2, 4]))
    """

    def __init__(
        self,
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
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )

    def _widths(self) -> tuple[int, ...]:
        return self._state_size(), self.hidden_size

    def _step(self, weight_hh: Tensor, bias_hh: Any, weight_hr: Any) -> Step:
        def step(x: Tensor, state: State) -> State:
            h, c = lstm_gates(x + F.linear(state[0], weight_hh), state[1])
            return (h if weight_hr is None else F.linear(h, weight_hr)), c

        return step

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        if hx is not None and (isinstance(hx, Tensor) or len(hx) != 2):
            raise ShapeError("LSTM: hx must be the pair (h_0, c_0)")
        output, (h, c) = self._run(input, None if hx is None else tuple(hx))
        return output, (h, c)


class GRU(RNNBase):
    """h_t = (1 - z) n + z h_(t-1), for every t; gates as in ``GRUCell``, shapes as in ``RNN``.

    >>> import sensorium as sn
    >>> output, h = sn.nn.GRU(3, 4, batch_first=True)(sn.ones(2, 5, 3))
    >>> output.shape, h.shape
    (sensorium.Size([2, 5, 4]), sensorium.Size([1, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "GRU",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
        )

    def _projected(self, rows: Tensor, weight_ih: Tensor, bias_ih: Any, bias_hh: Any) -> Tensor:
        return F.linear(rows, weight_ih, bias_ih)  # r scales bias_hh's share, which stays apart

    def _step(self, weight_hh: Tensor, bias_hh: Any, weight_hr: Any) -> Step:
        return lambda x, state: (gru_gates(x, F.linear(state[0], weight_hh, bias_hh), state[0]),)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        output, (h,) = self._run(input, None if hx is None else (hx,))
        return output, h
