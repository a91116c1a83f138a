"""Silero VAD v6: the probability of speech for every 32 ms of a recording at 16 kHz.

Keys of the safetensors file of the package ``silero-vad`` (https://github.com/snakers4/silero-vad);
``own_keys`` translates those of its ONNX file, the state that its users run. Each chunk of 512
samples is seen with the 64 before it: a Fourier transform written as a convolution, four
convolutions to one vector, an LSTM cell that carries the past along, a linear layer. The
publishers' separate network for 8 kHz is not here: resample.

N recordings, M chunks, F = 129 frequencies, E = 128 features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import sensorium as sn
from sensorium import nn
from sensorium.errors import DTypeError, ShapeError
from sensorium.nn import functional as F
from sensorium.tensor import Tensor

from ._registry import register

# -- config --------------------------------------------------------------------------------------
SAMPLE_RATE = 16_000
CHUNK, CONTEXT = 512, 64  # samples
_N_FFT, _HOP, _FREQUENCIES, _HIDDEN = 256, 128, 129, 128
_AT_ONCE = 2048  # chunks whose features are computed together: a minute, some 40 MB


class State(NamedTuple):
    """What a stream remembers: h and c of the cell (N, E) and the last samples (N, 64)."""

    hidden: Tensor
    cell: Tensor
    context: Tensor


# -- net -----------------------------------------------------------------------------------------
class SileroVAD(nn.Module):
    """Chunks of 512 samples in [-1, 1] and a state -> probabilities of speech and the next state.

    >>> model = SileroVAD().eval()
    >>> speech, state = model(sn.zeros(2, 512))
    >>> speech, state = model(sn.zeros(2, 512), state)
    >>> speech.shape, model.probabilities(sn.zeros(1200)).shape
    (sensorium.Size([2]), sensorium.Size([3]))
    """

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 2 * _FREQUENCIES, _N_FFT, _HOP, bias=False)
        self.conv1 = nn.Conv1d(_FREQUENCIES, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, 2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, 2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm_cell = nn.LSTMCell(128, _HIDDEN)
        self.final_conv = nn.Conv1d(_HIDDEN, 1, 1)
        with sn.no_grad():
            self.stft_conv.weight.copy_(fourier_basis())
        self.stft_conv.weight.requires_grad_(False)  # a transform, not something to learn

    def forward(self, chunk: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """(N, 512), the chunk after the one that gave ``state`` -> (N,) and the next state."""
        if chunk.ndim != 2 or chunk.shape[1] != CHUNK:
            raise ShapeError(f"SileroVAD: chunk must be (N, {CHUNK}), got {tuple(chunk.shape)}")
        state = self.start(len(chunk), like=chunk) if state is None else state
        speech, state = self._step(chunk.unsqueeze(1), state)
        return speech[:, 0], state

    def start(self, batch: int, like: Tensor | None = None) -> State:
        """The state before anything was heard, all zero; dtype and device those of ``like``."""
        like = self.final_conv.weight if like is None else like
        make: dict[str, Any] = {"dtype": like.dtype, "device": like.device}
        h, c = sn.zeros(batch, _HIDDEN, **make), sn.zeros(batch, _HIDDEN, **make)
        return State(h, c, sn.zeros(batch, CONTEXT, **make))

    def probabilities(self, waveform: Tensor | Sequence[Tensor]) -> Tensor | list[Tensor]:
        """Whole recordings at 16 kHz: (T,) -> (M,), (N, T) -> (N, M), with M = ceil(T / 512).

        A list of recordings (T1,), (T2,), ... of any lengths gives the list of their
        probabilities, computed together. The last chunk is filled up with zeros.
        """
        if isinstance(waveform, Tensor):
            _checked(waveform, (1, 2))
            alone = waveform.ndim == 1
            rows = self._whole(waveform.unsqueeze(0) if alone else waveform)
            return rows[0] if alone else rows
        longest = max((_checked(w, (1,)).shape[0] for w in waveform), default=0)
        if not longest:
            return [w.clone() for w in waveform]
        # Zeros after a recording cannot reach back into it: the cell only looks to the past.
        padded = sn.stack([F.pad(w, (0, longest - w.shape[0])) for w in waveform])
        rows = self._whole(padded)
        return [row[: -(-w.shape[0] // CHUNK)] for row, w in zip(rows, waveform)]

    def _whole(self, waveform: Tensor) -> Tensor:
        """(N, T) -> (N, M), some thousand chunks at a time."""
        batch, length = waveform.shape
        if not waveform.numel():
            return waveform.reshape(batch, -(-length // CHUNK))
        chunks = F.pad(waveform, (0, -length % CHUNK)).reshape(batch, -1, CHUNK)  # (N, M, 512)
        state, parts = self.start(batch, like=waveform), []
        for part in chunks.split(max(1, _AT_ONCE // batch), 1):
            speech, state = self._step(part, state)
            parts.append(speech)
        return sn.cat(parts, 1)

    def _step(self, chunks: Tensor, state: State) -> tuple[Tensor, State]:
        """Consecutive chunks (N, M, 512) -> (N, M): everything at once but the recurrence."""
        tails = chunks[:, :, -CONTEXT:]  # (N, M, 64)
        before = sn.cat([state.context.unsqueeze(1), tails[:, :-1]], 1)
        windows = sn.cat([before, chunks], 2).flatten(0, 1)  # (N M, 576)
        features = self.features(windows).unflatten(0, chunks.shape[:2])  # (N, M, E)
        projected = self.lstm_cell.from_input(features)  # (N, M, 4 E)
        h, c, heard = state.hidden, state.cell, []
        for step in projected.unbind(1):
            h, c = self.lstm_cell.advance(step, h, c)
            heard.append(h)
        y = sn.stack(heard, 2).relu()  # (N, E, M)
        return self.final_conv(y).sigmoid().squeeze(1), State(h, c, tails[:, -1])

    def features(self, windows: Tensor) -> Tensor:
        """Chunks with their context (N, 576) -> (N, E)."""
        x = F.pad(windows.unsqueeze(1), (0, _N_FFT // 4), mode="reflect")
        real, imaginary = self.stft_conv(x).split(_FREQUENCIES, 1)
        x = (real**2 + imaginary**2).sqrt()  # (N, F, 4)
        x = self.conv1(x).relu()
        x = self.conv2(x).relu()  # (N, 64, 2)
        x = self.conv3(x).relu()  # (N, 64, 1)
        return self.conv4(x).relu().squeeze(-1)


def fourier_basis() -> Tensor:
    """Rows of cos and of -sin of every frequency under a Hann window: (2 F, 1, 256).

    >>> fourier_basis()[0, 0, 126:129]  # frequency 0: the window itself
    tensor([0.9994, 0.9998, 1.0000])
    """
    turns = np.outer(np.arange(_FREQUENCIES), np.arange(_N_FFT)) / _N_FFT
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_N_FFT) / _N_FFT)
    rows = np.concatenate([np.cos(2 * np.pi * turns), -np.sin(2 * np.pi * turns)]) * window
    return sn.from_numpy(rows.astype(np.float32)).unsqueeze(1)


def _checked(waveform: Tensor, dims: tuple[int, ...]) -> Tensor:
    if waveform.ndim not in dims:
        want = "(T,) or (N, T)" if len(dims) == 2 else "(T,) in a list"
        raise ShapeError(f"SileroVAD: waveform must be {want}, got {tuple(waveform.shape)}")
    if not waveform.is_floating_point():
        raise DTypeError(f"SileroVAD: waveform must be float in [-1, 1], got {waveform.dtype}")
    return waveform


# -- checkpoints ---------------------------------------------------------------------------------
_ONNX_PREFIXES = {
    "model.stft.forward_basis_buffer": "stft_conv.weight",
    "model.encoder.0.reparam_conv.": "conv1.",
    "model.encoder.1.reparam_conv.": "conv2.",
    "model.encoder.2.reparam_conv.": "conv3.",
    "model.encoder.3.reparam_conv.": "conv4.",
    "model.decoder.rnn.": "lstm_cell.",
    "model.decoder.decoder.2.": "final_conv.",
}


def own_keys(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state with the keys of the publishers' ONNX file under the model's; others stay.

    The package's ONNX and TorchScript files hold one and the same training state, its safetensors
    file another one: on a recorded sentence their probabilities differ by up to 0.06.

    >>> own_keys({"model.decoder.rnn.bias_hh": 0, "conv1.bias": 1})
    {'lstm_cell.bias_hh': 0, 'conv1.bias': 1}
    """
    return {_renamed(key): value for key, value in state.items()}


def _renamed(key: str) -> str:
    for theirs, ours in _ONNX_PREFIXES.items():
        if key.startswith(theirs):
            return ours + key[len(theirs) :]
    return key


# -- variants ------------------------------------------------------------------------------------
VARIANTS: dict[str, dict[str, object]] = {"silero_vad_16k": {}}
register("silero_vad", SileroVAD, VARIANTS)
