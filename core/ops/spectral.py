"""Short-time Fourier transforms: stft, istft, and the two ops they stand on.

Follows ``torch.stft`` and ``torch.istft``. Frames of a signal are cut by strides, without a copy,
multiplied with the window as they are read, and transformed all at once. Cutting frames and adding
frames up are each other's adjoint, so every gradient of the one is the other.

T samples, M frames, F = n_fft // 2 + 1 frequencies (n_fft when not onesided).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import float32, float64
from ..errors import OptionError, ShapeError
from ._declare import Array, op
from .cast import to_dtype
from .exponential import conjugate
from .fft import _fft, _irfft, _rfft, complex_of
from .index import narrow
from .join import _flip, cat, pad
from .polar import view_as_complex, view_as_real
from .shape import expand, transpose

_WINDOW_FLOOR = 1e-11
"""The least weight of a sample in overlapping windows that istft divides by, as in PyTorch."""


# -- frames ----------------------------------------------------------------------------------------
def _count(length: int, n: int, hop: int) -> int:
    """How many frames of n samples, hop apart, lie within length samples."""
    return 1 + (length - n) // hop


def _slow_frames(x: Any, window: Any, hop: int) -> Any:
    n, m = len(window), _count(x.shape[-1], len(window), hop)
    picked = [[x[..., i * hop + k] * window[k] for k in range(n)] for i in range(m)]
    return np.moveaxis(np.array(picked), (0, 1), (-2, -1))


def _slow_overlap_add(frames: Any, window: Any, hop: int, length: int) -> Any:
    y = np.zeros((*frames.shape[:-2], length), frames.dtype)
    for i, k in np.ndindex(*frames.shape[-2:]):
        y[..., i * hop + k] += frames[..., i, k] * window[k]
    return y


@op
def _frames(input: Array, window: Array, hop: int) -> Array:
    """y[m, k] = input[m hop + k] window[k]: (*, T) and (n) -> (*, M, n)."""
    views = np.lib.stride_tricks.sliding_window_view(input, window.shape[0], input.ndim - 1)
    return views[..., ::hop, :] * window


@_frames.grad("input")
def _(g, window, shapes, hop):
    return _overlap_add(g, conjugate(window), hop, shapes[0][-1])


@_frames.grad("window")
def _(g, input, window, hop):
    return g * conjugate(_frames(input, _ones(window), hop))  # the engine sums over the frames


@_frames.samples(reference=_slow_frames)
def _(rng):
    yield rng.normal(size=(2, 11)), rng.normal(size=4), 2
    yield rng.normal(size=9), rng.normal(size=3), 4
    yield rng.normal(size=8), rng.normal(size=8), 3


@op
def _overlap_add(frames: Array, window: Array, hop: int, length: int) -> Array:
    """y[t] = sum over m of frames[m, t - m hop] window[t - m hop]: (*, M, n) and (n) -> (*, T)."""
    n, m = frames.shape[-1], frames.shape[-2]
    parts = frames * window
    wide = np.dtype(np.float32) if parts.itemsize == 2 else parts.dtype
    blocks = np.zeros((*frames.shape[:-2], m + -(-n // hop), hop), wide, like=parts)
    for j, start in enumerate(range(0, n, hop)):  # the j-th hop of every frame at once
        piece = parts[..., start : start + hop]
        blocks[..., j : j + m, : piece.shape[-1]] += piece
    return blocks.reshape(*frames.shape[:-2], -1)[..., :length].astype(parts.dtype, copy=False)


@_overlap_add.grad("frames")
def _(g, window, hop):
    return _frames(g, conjugate(window), hop)


@_overlap_add.grad("window")
def _(g, frames, window, hop):
    return conjugate(frames) * _frames(g, _ones(window), hop)


@_overlap_add.samples(reference=_slow_overlap_add)
def _(rng):
    yield rng.normal(size=(2, 3, 4)), rng.normal(size=4), 2, 9
    yield rng.normal(size=(2, 3)), rng.normal(size=3), 4, 9
    yield rng.normal(size=(3, 5)), rng.normal(size=5), 2, 9


def _ones(window: Any) -> Any:
    return np.ones_like(getattr(window, "array", window))


def _as_given(like: Any, array: Any) -> Any:
    """array as a Tensor where like is one."""
    return type(like)(array) if hasattr(like, "array") else array


# -- arguments -------------------------------------------------------------------------------------
def _lengths(name: str, n_fft: int, hop_length: int | None, win_length: int | None) -> Any:
    """hop_length and win_length with PyTorch's defaults: n_fft // 4 and n_fft."""
    win = n_fft if win_length is None else win_length
    hop = n_fft // 4 if hop_length is None else hop_length
    if n_fft < 1 or hop < 1 or not 0 < win <= n_fft:
        raise OptionError(
            f"{name}: want n_fft >= 1, hop_length >= 1 and 0 < win_length <= n_fft, got "
            f"n_fft {n_fft}, hop_length {hop}, win_length {win}"
        )
    return hop, win


def _full_window(name: str, window: Any, win: int, n_fft: int, like: Any) -> Any:
    """The window (ones if None) in the middle of n_fft values, in the real type of like."""
    if window is None:
        raw = getattr(like, "array", like)
        window = _as_given(like, np.ones(win, raw.real.dtype, like=raw))
    if tuple(window.shape) != (win,):
        raise ShapeError(
            f"{name}: want a window of shape ({win},) as win_length says, got {tuple(window.shape)}"
        )
    before = (n_fft - win) // 2
    return pad(window, (before, n_fft - win - before)) if win < n_fft else window


def _samples(name: str, input: Any) -> Any:
    """A signal in a type that can be transformed; half types and integers as complex_of says."""
    if input.ndim not in (1, 2):
        raise ShapeError(f"{name}: want a signal (T) or (B, T), got shape {tuple(input.shape)}")
    if input.dtype.kind == "c" or input.dtype in (float32, float64):
        return input
    return to_dtype(input, float64 if complex_of(input.dtype).itemsize == 16 else float32)


def _centred(input: Any, n_fft: int, mode: str) -> Any:
    """input with n_fft // 2 samples more at both ends, so that frame m is centred at m hop."""
    n, half = input.shape[-1], n_fft // 2
    if mode == "reflect" and half >= n:
        raise ShapeError(
            f"stft: {n} samples are too few to reflect {half} of them around the edge (n_fft {n_fft}): "
            "want more than n_fft // 2; pad_mode='constant' takes any length"
        )
    if mode != "reflect":
        return pad(input, (half, half), mode)
    before = _flip(narrow(input, -1, 1, half), (input.ndim - 1,))
    after = _flip(narrow(input, -1, n - 1 - half, half), (input.ndim - 1,))
    return cat([before, input, after], -1)


def _one_side(name: str, onesided: bool | None, real: bool) -> bool:
    if onesided and not real:
        raise OptionError(f"{name}: a complex signal or window has no onesided spectrum")
    return real if onesided is None else onesided


# -- stft ------------------------------------------------------------------------------------------
def stft(
    input: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
) -> Any:
    """X[f, m] = sum over k of window[k] x[m hop_length + k] exp(-2 pi i f k / n_fft).

    (T) -> (F, M), (B, T) -> (B, F, M), complex. center: pad n_fft // 2 samples at both ends first
    (by pad_mode), so that M = 1 + T // hop_length for an even n_fft; without it, and for at least
    n_fft samples, M = 1 + (T - n_fft) // hop_length. normalized: divided by sqrt(n_fft). onesided:
    only frequencies 0 to n_fft // 2, the default for real input. hop_length: n_fft // 4;
    win_length: n_fft; window: ones (win_length), centred in the frame if shorter than it.
    return_complex=False gives pairs (real, imaginary) in a last dimension. nan and inf spread over
    the frames that hold them. Too few samples for one frame are a ShapeError.

    >>> import sensorium as sn
    >>> sn.stft(sn.ones(16), n_fft=8, window=sn.hann_window(8)).shape
    sensorium.Size([5, 9])
    """
    hop, win = _lengths("stft", n_fft, hop_length, win_length)
    x = _samples("stft", input)
    full = _full_window("stft", window, win, n_fft, x)
    x = _centred(x, n_fft, pad_mode) if center else x
    if x.shape[-1] < n_fft:
        raise ShapeError(f"stft: {x.shape[-1]} samples do not fill one frame (n_fft {n_fft})")
    frames = _frames(x, full, hop)  # (B, M, n_fft)
    norm, last = "ortho" if normalized else "backward", frames.ndim - 1
    if _one_side("stft", onesided, frames.dtype.kind != "c"):
        spectrum = _rfft(frames, last, norm, complex_of(frames.dtype))  # (B, M, F)
    else:
        spectrum = _fft(to_dtype(frames, complex_of(frames.dtype)), last, norm, False)
    spectrum = transpose(spectrum, -2, -1)
    return view_as_real(spectrum) if return_complex is False else spectrum


# -- istft -----------------------------------------------------------------------------------------
def istft(
    input: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Any:
    """The signal whose ``stft`` is nearest to input: (F, M) -> (T), (B, F, M) -> (B, T).

    Frames are windowed once more, added up, and divided by the squares of the windows that overlap
    (Griffin and Lim, 1984), which must not vanish anywhere: else a ShapeError. Options as in
    ``stft``; pairs (real, imaginary) in a last dimension are taken too. length: cut, or zero-pad, the
    result to so many samples. return_complex: of a two-sided spectrum, keep the imaginary part.

    >>> import sensorium as sn
    >>> x, window = sn.arange(16) / 16, sn.hann_window(8)
    >>> sn.allclose(sn.istft(sn.stft(x, 8, window=window), 8, window=window), x, atol=1e-6)
    True
    """
    hop, win = _lengths("istft", n_fft, hop_length, win_length)
    if hop > win:
        raise OptionError(f"istft: hop_length {hop} leaves gaps between windows of {win}")
    spectrum = input if input.dtype.kind == "c" else view_as_complex(input)
    side = spectrum.shape[-2] != n_fft if onesided is None and spectrum.ndim > 1 else onesided
    _check_spectrum(input, spectrum, n_fft, bool(side), return_complex)
    full = _full_window("istft", window, win, n_fft, spectrum)
    frames = _inverse_frames(transpose(spectrum, -2, -1), n_fft, normalized, side, return_complex)
    return _joined(frames, full, hop, center, length)


def _check_spectrum(input: Any, x: Any, n_fft: int, side: bool, return_complex: bool) -> None:
    want = n_fft // 2 + 1 if side else n_fft
    if x.ndim not in (2, 3) or x.shape[-2] != want or x.shape[-1] < 1:
        raise ShapeError(
            f"istft: want ({want}, M) or (B, {want}, M) for n_fft {n_fft}, M at least 1, got "
            f"{tuple(input.shape)}"
        )
    if side and return_complex:
        raise OptionError("istft: the signal of a onesided spectrum is real: return_complex=False")


def _inverse_frames(x: Any, n_fft: int, normalized: bool, side: Any, return_complex: bool) -> Any:
    """The signals of spectra: (B, M, F) -> (B, M, n_fft); of a real one, the first half is enough."""
    norm, last = "ortho" if normalized else "backward", x.ndim - 1
    if return_complex:
        return _fft(x, last, norm, True)
    return _irfft(x if side else narrow(x, -1, 0, n_fft // 2 + 1), n_fft, last, norm)


def _joined(frames: Any, window: Any, hop: int, center: bool, length: int | None) -> Any:
    """Windowed frames added up, divided by what the windows add up to, and cut to length."""
    m, n = frames.shape[-2:]
    total = n + hop * (m - 1)
    start = n // 2 if center else 0
    end = start + length if length is not None else total - start
    stop = min(end, total)
    if stop <= start:
        raise ShapeError(
            f"istft: {m} frames of {n} samples leave none without the {n // 2} at each end"
        )
    y = narrow(_overlap_add(frames, window, hop, total), -1, start, stop - start)
    once = expand(_as_given(window, _ones(window)), m, n)
    weight = narrow(_overlap_add(once, window * window, hop, total), -1, start, stop - start)
    _check_weight(weight, hop)
    y = y / weight
    return pad(y, (0, end - stop)) if end > stop else y


def _check_weight(weight: Any, hop: int) -> None:
    least = float(np.absolute(getattr(weight, "array", weight)).min())
    if least < _WINDOW_FLOOR:
        raise ShapeError(
            f"istft: windows {hop} samples apart leave a sample with weight {least:.3g}: take a smaller "
            "hop_length, a window without zeros, or center=True"
        )
