"""Pitch of a recording over time: frames for CREPE, and its output as Hz.

    track_pitch     waveform -> Pitch(time, frequency, periodicity)
    salience        waveform -> how much each of 360 pitches is present in every frame
    decode          that -> one bin, one frequency and one periodicity a frame

Frames, range and decoders are those of the package ``torchcrepe``, which follows Kim et al. 2018
(https://arxiv.org/abs/1802.06182). Deviations: frequencies are not dithered by random noise of up
to 20 cents (so a bin of ``argmax`` and ``viterbi`` is its centre, at most 10 cents off); the hop is
in seconds, exact at every rate; resampling is ours; ``viterbi`` runs over the whole recording, not
batch by batch. Two more decoders, and the default, are those of the paper's authors: torchcrepe's
``viterbi`` weighs what it hears so little that a pure tone can lose against its prior. T samples,
M frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import sensorium as sn
from sensorium.errors import OptionError, ShapeError
from sensorium.tensor import Tensor

from ._mono import as_mono
from .models.crepe import BINS, SAMPLE_RATE as RATE, WINDOW

FMAX = 2006.0  # Hz, above it there is no bin
_CENTS_PER_BIN, _FIRST = 20.0, 1997.3794084376191  # cents over 10 Hz of bin 0: 31.7 Hz
_REACH = 12  # bins that viterbi may move from one frame to the next, less one
_TRUST = 0.1  # of hmm in the loudest pitch of a frame
_AROUND = 4  # bins on either side of the peak that an average takes in


class Pitch(NamedTuple):
    """A frame's middle in seconds, its frequency in Hz, and how periodic it is in 0..1, each (M,)."""

    time: Tensor
    frequency: Tensor
    periodicity: Tensor

    def voiced(self, threshold: float = 0.21) -> Pitch:
        """The same with a frequency of NaN where the periodicity is below the threshold."""
        heard = self.periodicity >= threshold
        return self._replace(frequency=self.frequency.masked_fill(~heard, float("nan")))


# -- bins and Hz ---------------------------------------------------------------------------------
def bins_to_frequency(bins: Any) -> Any:
    """10 * 2^((1997.38 + 20 bins) / 1200) Hz, of arrays or numbers.

    >>> round(bins_to_frequency(0), 2), round(bins_to_frequency(228), 1)
    (31.7, 441.5)
    """
    return 10 * 2 ** ((_FIRST + _CENTS_PER_BIN * bins) / 1200)


def frequency_to_bins(frequency: Any) -> Any:
    """The inverse of ``bins_to_frequency``, not rounded."""
    return (1200 * np.log2(frequency / 10) - _FIRST) / _CENTS_PER_BIN


# -- decoders: salience (M, 360), -inf where a pitch is ruled out -> bins (M,) and Hz (M,) -----------
Decoded = tuple[np.ndarray, np.ndarray]


def _argmax(salience: np.ndarray) -> Decoded:
    bins = salience.argmax(1)
    return bins, bins_to_frequency(bins)


def _weighted_argmax(salience: np.ndarray) -> Decoded:
    # torchcrepe takes a sigmoid here of what already went through one; kept, to be comparable.
    bins = salience.argmax(1)
    return bins, _average(1 / (1 + np.exp(-salience)), bins)


def _local_average(salience: np.ndarray) -> Decoded:
    bins = salience.argmax(1)
    return bins, _average(np.maximum(salience, 0), bins)


def _average(weights: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Hz of the weighted mean, in cents, of each bin and 4 on either side."""
    near = bins[:, None] + np.arange(-_AROUND, _AROUND + 1)  # (M, 9)
    inside = np.clip(near, 0, weights.shape[1] - 1)
    parts = np.take_along_axis(weights, inside, 1) * (near == inside) + 1e-30
    return bins_to_frequency((parts * near).sum(1) / parts.sum(1))


def _viterbi(salience: np.ndarray) -> Decoded:
    bins = _best_path(_log_softmax(salience))
    return bins, bins_to_frequency(bins)


def _hmm(salience: np.ndarray) -> Decoded:
    """CREPE's own smoothing: a frame shows its loudest pitch with probability 0.1, else any."""
    heard = np.full(salience.shape, np.log((1 - _TRUST) / BINS))
    heard[np.arange(len(salience)), salience.argmax(1)] = np.log(_TRUST + (1 - _TRUST) / BINS)
    bins = _best_path(np.where(np.isfinite(salience), heard, _FLOOR))
    return bins, _average(np.maximum(salience, 0), bins)


DECODERS: dict[str, Callable[[np.ndarray], Decoded]] = {
    "argmax": _argmax,
    "weighted_argmax": _weighted_argmax,
    "viterbi": _viterbi,
    "local_average": _local_average,
    "hmm": _hmm,
}

# -- the path that two of them follow --------------------------------------------------------------
_FLOOR = float(np.log(np.finfo(np.float32).tiny))  # log of what has no probability


def _log_softmax(salience: np.ndarray) -> np.ndarray:
    off = salience - salience.max(1, keepdims=True)
    return np.maximum(off - np.log(np.exp(off).sum(1, keepdims=True)), _FLOOR)


def _moves(bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Log probability of arriving at j from j - 11 .. j + 11, and those places: (bins, 23)."""
    places = np.arange(bins)
    weight = np.maximum(_REACH - abs(places[:, None] - places), 0.0)
    weight /= weight.sum(1, keepdims=True)
    origins = places[:, None] + np.arange(1 - _REACH, _REACH)
    inside = np.clip(origins, 0, bins - 1)
    probability = np.where(origins == inside, weight[inside, places[:, None]], 0.0)
    return np.log(np.maximum(probability, np.finfo(np.float32).tiny)), inside


def _best_path(scores: np.ndarray) -> np.ndarray:
    """States (M,) of the likeliest path through log probabilities (M, K), where a move from i to j
    has a weight of 12 - |i - j|, and every start is as likely."""
    moves, origins = _moves(scores.shape[1])
    rows = np.arange(scores.shape[1])
    best, came = scores[0], np.zeros(scores.shape, np.int64)
    for frame in range(1, len(scores)):
        near = best[origins] + moves  # (K, 23)
        pick = near.argmax(1)
        reached, came[frame] = near[rows, pick], origins[rows, pick]
        # A jump from anywhere is so unlikely that only the very best place can pay for it.
        far, leap = int(best.argmax()), best.max() + _FLOOR
        came[frame, reached < leap] = far
        best = np.maximum(reached, leap) + scores[frame]
    path = [int(best.argmax())]
    for frame in range(len(scores) - 1, 0, -1):
        path.append(int(came[frame, path[-1]]))
    return np.array(path[::-1])


def decode(
    salience: Tensor, *, decoder: str = "hmm", fmin: float = 50.0, fmax: float = FMAX
) -> tuple[Tensor, Tensor, Tensor]:
    """(M, 360) -> bins, frequency in Hz, periodicity, each (M,).

    decoder
        ``"argmax"``: the most salient bin. ``"weighted_argmax"``, ``"local_average"``: the mean of
        the nine around it, weighted by sigmoid(salience) (torchcrepe's) or salience (the paper's).
        ``"viterbi"``, ``"hmm"``: the likeliest path that moves at most 11 bins from frame to frame,
        by softmax(salience) (torchcrepe's) or by the most salient bin alone (CREPE's; then the
        mean as before)
    fmin, fmax
        pitches outside are ruled out, in Hz

    The periodicity is the salience of the chosen bin.
    """
    if decoder not in DECODERS:
        raise OptionError(f"decode: decoder is {decoder!r}, want one of {sorted(DECODERS)}")
    if salience.ndim != 2 or salience.shape[1] != BINS:
        raise ShapeError(f"decode: salience must be (M, {BINS}), got {tuple(salience.shape)}")
    values = salience.detach().cpu().numpy().astype(np.float64)
    low, high = _range(fmin, fmax)
    allowed = np.full_like(values, -np.inf)
    allowed[:, low:high] = values[:, low:high]
    bins, frequency = DECODERS[decoder](allowed) if len(values) else (np.zeros(0, int),) * 2
    periodicity = np.take_along_axis(values, bins[:, None], 1)[:, 0]
    return (
        sn.from_numpy(bins.astype(np.int64)),
        sn.from_numpy(frequency.astype(np.float32)),
        sn.from_numpy(periodicity.astype(np.float32)),
    )


def _range(fmin: float, fmax: float) -> tuple[int, int]:
    """The bins that lie between two frequencies."""
    if not 0 < fmin < fmax:
        raise OptionError(f"decode: want 0 < fmin < fmax, got {fmin} and {fmax}")
    low = max(0, int(np.floor(frequency_to_bins(fmin))))
    high = min(BINS, int(np.ceil(frequency_to_bins(fmax))))
    if low >= high:
        raise OptionError(f"decode: no pitch of CREPE lies between {fmin} and {fmax} Hz")
    return low, high


# -- frames --------------------------------------------------------------------------------------
def frames(waveform: Tensor, starts: np.ndarray) -> Tensor:
    """Windows of 1024 samples of (T,) at the given places, mean 0 and deviation 1: (M, 1024).

    A window of silence is divided by 1e-10, which makes its noise loud, as in training.
    """
    x = waveform[sn.from_numpy(starts[:, None] + np.arange(WINDOW))]
    x = x - x.mean(1, keepdim=True)
    return x / x.std(1, keepdim=True).clamp(min=1e-10)


def salience(
    model: Any,
    waveform: Tensor,
    sample_rate: int,
    *,
    hop: float = 0.01,
    center: bool = True,
    batch_size: int = 512,
) -> Tensor:
    """What CREPE hears every ``hop`` seconds, ``batch_size`` frames at a time: (M, 360) in 0..1.

    ``waveform`` (T,) or (C, T), whose channels are averaged, at any ``sample_rate`` in Hz.
    ``center``: frame m is around m * hop, with zeros before and after the recording; otherwise it
    starts there, and a recording shorter than a frame (64 ms) has none.
    """
    step = round(hop * RATE)
    if step < 1 or batch_size < 1:
        raise OptionError(
            f"salience: want a hop of at least {1 / RATE} s and a batch_size of at least 1, got "
            f"{hop} and {batch_size}"
        )
    with sn.inference_mode():
        x = as_mono(waveform, sample_rate, RATE)  # (T,)
        if center:
            x = sn.nn.functional.pad(x, (WINDOW // 2, WINDOW // 2))
        starts = np.arange(0, max(0, x.shape[0] - WINDOW + 1), step)
        parts = [
            model(frames(x, starts[i : i + batch_size])) for i in range(0, len(starts), batch_size)
        ]
        return sn.cat(parts) if parts else sn.zeros(0, BINS)


def track_pitch(
    model: Any,
    waveform: Tensor,
    sample_rate: int,
    *,
    hop: float = 0.01,
    fmin: float = 50.0,
    fmax: float = FMAX,
    decoder: str = "hmm",
    center: bool = True,
    batch_size: int = 512,
) -> Pitch:
    """The pitch of a recording every ``hop`` seconds; arguments of ``salience`` and ``decode``.

    >>> from sensorium.audio.models import crepe_tiny
    >>> track_pitch(crepe_tiny().eval(), sn.zeros(16000), 16000, hop=0.1).frequency.shape
    sensorium.Size([11])
    """
    _range(fmin, fmax)  # before the work
    heard = salience(model, waveform, sample_rate, hop=hop, center=center, batch_size=batch_size)
    _, frequency, periodicity = decode(heard, decoder=decoder, fmin=fmin, fmax=fmax)
    middle = 0 if center else WINDOW // 2
    time = (np.arange(len(heard)) * round(hop * RATE) + middle) / RATE
    return Pitch(sn.from_numpy(time.astype(np.float32)), frequency, periodicity)
