"""A small CNN over log-mel spectrograms, for spoken words and other short sounds.

Four 3 x 3 convolutions that double the channels and halve the picture, the mean over what is left,
a linear layer: the convolutional baseline of keyword spotting (Sainath and Parada 2015,
https://research.google/pubs/pub43969/), with batch norm and a mean where they had large linear
layers. ``LogMel`` is what turns a recording into the picture, from the same options as the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from sensorium import nn
from sensorium.errors import FormatError, OptionError, ShapeError
from sensorium.nn import functional as F
from sensorium.tensor import Tensor

from .. import transforms
from ..functional import resample
from ._registry import register

# -- config --------------------------------------------------------------------------------------
_LEAST_DB = 80.0  # below the loudest; what is quieter counts as this
_OPTIONS = ("sample_rate", "seconds", "n_mels", "n_fft", "hop_length")  # of LogMel


# -- preprocessing -------------------------------------------------------------------------------
class LogMel:
    """A recording (T,) or (C, T) -> its log-mel spectrogram in dB, (1, n_mels, M).

    Channels are averaged, another rate is resampled, the recording is cut or filled up with zeros
    at its end to ``seconds``; M = 1 + seconds * sample_rate // hop_length. With more dimensions,
    (N, C, T) -> (N, 1, n_mels, M). n_fft and hop_length are samples, by default 32 and 10 ms.

    >>> import sensorium as sn
    >>> LogMel(n_mels=40)(sn.zeros(1, 12000)).shape
    sensorium.Size([1, 40, 101])
    """

    def __init__(
        self,
        *,
        sample_rate: int = 16_000,
        seconds: float = 1.0,
        n_mels: int = 64,
        n_fft: int | None = None,
        hop_length: int | None = None,
    ) -> None:
        self.sample_rate, self.seconds, self.n_mels = sample_rate, seconds, n_mels
        self.n_fft = round(0.032 * sample_rate) if n_fft is None else n_fft
        self.hop_length = round(0.010 * sample_rate) if hop_length is None else hop_length
        self.length = round(seconds * sample_rate)
        if min(self.n_fft, self.hop_length) < 1 or self.length <= self.n_fft // 2:
            raise OptionError(
                f"LogMel: {seconds} s at {sample_rate} Hz are too short for windows of {self.n_fft} "
                f"samples, {self.hop_length} apart"
            )
        self.frames = 1 + self.length // self.hop_length
        self._chain = _chain(sample_rate, n_mels, self.n_fft, self.hop_length)

    @classmethod
    def from_dict(cls, options: Mapping[str, Any]) -> LogMel:
        """The preset that ``to_dict`` wrote down; FormatError for a key it does not know."""
        if wrong := sorted(set(options) - set(_OPTIONS)):
            raise FormatError(f"LogMel: unknown keys {wrong}, want some of {sorted(_OPTIONS)}")
        return cls(**options)

    @classmethod
    def of_model(cls, config: Mapping[str, Any]) -> LogMel:
        """The preset that belongs to a ``SpectrogramCNN`` with these options."""
        return cls(**{key: value for key, value in config.items() if key in _OPTIONS})

    def to_dict(self) -> dict[str, Any]:
        """What ``from_dict`` reads; JSON can write it."""
        return {key: getattr(self, key) for key in _OPTIONS}

    def __call__(self, waveform: Tensor, sample_rate: int | None = None) -> Tensor:
        """``sample_rate`` in Hz is that of the waveform (default: the preset's own)."""
        return self._chain(self.fixed(waveform, sample_rate))

    def fixed(self, waveform: Tensor, sample_rate: int | None = None) -> Tensor:
        """One channel of the length that the model wants: (T,) or (*, C, T) -> (*, 1, length)."""
        if waveform.ndim == 0 or not waveform.is_floating_point():
            raise ShapeError(
                f"LogMel: want a float waveform (T,) or (C, T), got {waveform.dtype} "
                f"{tuple(waveform.shape)}"
            )
        x = waveform.unsqueeze(0) if waveform.ndim == 1 else waveform.mean(-2, keepdim=True)
        if sample_rate not in (None, self.sample_rate):
            x = resample(x, sample_rate, self.sample_rate)
        x = x[..., : self.length]
        return F.pad(x, (0, self.length - x.shape[-1]))

    def __repr__(self) -> str:
        return f"LogMel({', '.join(f'{k}={v}' for k, v in self.to_dict().items())})"


def _chain(sample_rate: int, n_mels: int, n_fft: int, hop_length: int) -> nn.Module:
    """Waveform -> mel spectrogram -> decibels."""
    mel = transforms.MelSpectrogram(
        sample_rate=sample_rate, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels
    )
    return nn.Sequential(mel, transforms.AmplitudeToDB("power", top_db=_LEAST_DB))


# -- net -----------------------------------------------------------------------------------------
class SpectrogramCNN(nn.Module):
    """Log-mel spectrograms -> a score for each class: (N, 1, n_mels, M) -> (N, num_classes).

    num_classes
        35 are the words of Speech Commands
    width
        channels of the first convolution; the last has 8 times as many
    sample_rate, seconds, n_mels, n_fft, hop_length
        of ``self.preprocess``, the ``LogMel`` that makes the pictures

    >>> import sensorium as sn
    >>> model = SpectrogramCNN(num_classes=10).eval()
    >>> model(model.preprocess(sn.zeros(3, 1, 16000))).shape
    sensorium.Size([3, 10])
    """

    def __init__(
        self,
        *,
        num_classes: int = 35,
        width: int = 16,
        dropout: float = 0.2,
        sample_rate: int = 16_000,
        seconds: float = 1.0,
        n_mels: int = 64,
        n_fft: int | None = None,
        hop_length: int | None = None,
    ) -> None:
        super().__init__()
        self.preprocess = LogMel(
            sample_rate=sample_rate,
            seconds=seconds,
            n_mels=n_mels,
            n_fft=n_fft,
            hop_length=hop_length,
        )
        if min(n_mels, self.preprocess.frames) < 16:
            raise OptionError(
                "SpectrogramCNN: pictures are halved four times, so n_mels and frames must be at "
                f"least 16, got {n_mels} and {self.preprocess.frames}"
            )
        self.norm = nn.BatchNorm2d(1)  # learns the level of the recordings, so none is needed
        channels = (1, width, 2 * width, 4 * width, 8 * width)
        self.blocks = nn.Sequential(*(_block(a, b) for a, b in pairwise(channels)))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != 1 or x.shape[2] != self.preprocess.n_mels:
            raise ShapeError(
                f"SpectrogramCNN: want (N, 1, {self.preprocess.n_mels}, M), got {tuple(x.shape)}"
            )
        x = self.blocks(self.norm(x))  # (N, 8 width, n_mels / 16, M / 16)
        return self.classifier(self.dropout(x.mean((2, 3))))


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """(N, C, H, W) -> (N, outputs, H / 2, W / 2)."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


# -- variants ------------------------------------------------------------------------------------
VARIANTS = {  # 55,000 and 97,000 parameters and 97 or 129 for each class
    "speech_cnn_small": {"width": 12},
    "speech_cnn_base": {"width": 16},
}
register("speech_cnn", SpectrogramCNN, VARIANTS)
