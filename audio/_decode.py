"""From an open source to samples: libsndfile behind our checks of what it was given and gave.

The container is read first (``_containers``), limits are applied to what its header promises, then
libsndfile decodes in blocks into one array, and what came out is compared with the promise: the
number of frames, the MD5 of a FLAC, numbers that are finite.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sensorium.errors import DecodeError

from ._containers import inspect
from ._layout import Layout, check_ranges
from ._sources import Damaged, Source, Window

if TYPE_CHECKING:
    from soundfile import SoundFile

_BLOCK, _SMALL_BLOCK = 1 << 16, 1 << 10  # frames
_DEPTHS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_ENDLESS = 1 << 62  # frames libsndfile reports of a FLAC without a length


@dataclass(frozen=True)
class Limits:
    """What decoding may cost, counted before it starts."""

    seconds: float
    bytes: int

    def check(self, frames: int, channels: int, rate: int, growth: float = 1.0) -> None:
        """Damaged if so many frames are too many; growth is that of resampling."""
        if frames > self.seconds * rate:
            raise Damaged(
                f"{frames / rate:.1f} s of sound are more than max_seconds={self.seconds:g}; "
                "read a part with num_frames, or raise max_seconds if the file is to be trusted"
            )
        size = int(frames * channels * 4 * max(growth, 1.0))
        if size > self.bytes:
            raise Damaged(
                f"{frames} frames of {channels} channels are {size} bytes as float32, more than "
                f"max_bytes={self.bytes}; read a part with num_frames, or raise max_bytes if the "
                "file is to be trusted"
            )


@dataclass(frozen=True)
class Part:
    """Which frames are wanted, and how."""

    offset: int = 0
    count: int = -1
    native: bool = False
    """Integers as stored instead of float32."""
    lenient: bool = False
    """Take what is there of a recording that is not whole."""
    finite: bool = True


# -- opening -------------------------------------------------------------------------------------
@contextmanager
def recording(source: Source, lenient: bool) -> Iterator[tuple[SoundFile, Layout]]:
    """The decoder of source, its header checked; everything that goes wrong is a DecodeError."""
    try:
        layout = inspect(source)
        if layout.problem is not None and not lenient:
            raise Damaged(f"{layout.problem}; allow_truncated=True reads what is there")
        window = Window(source, layout.start, layout.end, layout.patches)
        with _sound_file(window) as file:
            check_ranges(file.channels, file.samplerate)
            _check_promise(layout, file.frames, lenient)
            yield file, layout
            window.raise_kept()
    except Damaged as error:
        raise DecodeError(f"{source.name}: {error}") from None


@contextmanager
def _sound_file(window: Window) -> Iterator[SoundFile]:
    """libsndfile over window; its errors and soundfile's are Damaged."""
    import soundfile

    try:
        with soundfile.SoundFile(window) as file:
            yield file
    except soundfile.LibsndfileError as error:
        window.raise_kept()
        raise Damaged(error.error_string.strip().rstrip(".")) from None
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        window.raise_kept()
        raise Damaged(f"{error} ({type(error).__name__})") from error


def _check_promise(layout: Layout, frames: int, lenient: bool) -> None:
    if layout.frames is not None and layout.frames != frames and not lenient:
        raise Damaged(f"its header promises {layout.frames} frames, but the decoder finds {frames}")


def bits_per_sample(subtype: str) -> int:
    """Of linear integers; 0 for everything else."""
    return _DEPTHS.get(subtype, 0)


# -- decoding ------------------------------------------------------------------------------------
def decode(source: Source, part: Part, limits: Limits, new_rate: int | None) -> tuple:
    """(samples (C, T), rate) of the part; DecodeError otherwise."""
    with recording(source, part.lenient) as (file, layout):
        rate, channels = file.samplerate, file.channels
        growth = 1.0 if new_rate is None else new_rate / rate
        start = min(part.offset, file.frames)
        count = file.frames - start if part.count < 0 else min(part.count, file.frames - start)
        if count < _ENDLESS:
            limits.check(count, channels, rate, growth)
        else:
            count = _most(limits, channels, rate, growth)
        if start:
            file.seek(start)
        samples = _samples(file, count, part, layout.md5 if count == file.frames else None)
    return samples, rate


def _most(limits: Limits, channels: int, rate: int, growth: float) -> int:
    """Frames that the limits admit, where nobody says how many there are."""
    by_bytes = limits.bytes // (4 * channels) / max(growth, 1.0)
    return int(min(by_bytes, limits.seconds * rate))


def _samples(file: SoundFile, count: int, part: Part, md5: bytes | None) -> np.ndarray:
    """The next count frames as (C, count), or fewer if part is lenient."""
    stored, depth = _stored_type(file, part.native, md5), bits_per_sample(file.subtype)
    made = _made_type(depth) if part.native and depth else np.dtype(np.float32)
    out = np.empty((file.channels, count), made)
    digest, done = hashlib.md5(usedforsecurity=False), 0
    for block in _blocks(file, count, stored, part.lenient):
        if md5 is not None:
            digest.update(_packed(block, depth))
        if part.finite and block.dtype.kind == "f":
            _check_finite(block, done + part.offset)
        out[:, done : done + len(block)] = _converted(block, made, depth).T
        done += len(block)
    if done < count and not part.lenient:
        raise Damaged(
            f"its header promises {count} frames, but decoding gives {done}; "
            "allow_truncated=True reads what is there"
        )
    if md5 is not None and done == count and digest.digest() != md5 and not part.lenient:
        raise Damaged("the decoded samples do not have the MD5 that the FLAC's header gives")
    return out if done == count else out[:, :done].copy()


def _blocks(file: SoundFile, count: int, stored: str, lenient: bool) -> Iterator[np.ndarray]:
    """Arrays (T, C) of up to a block's length, count frames together unless the file ends first.

    Where damage is tolerated blocks are small, since the one that meets it is lost.
    """
    import soundfile

    size = min(_SMALL_BLOCK if lenient else _BLOCK, max(count, 1))
    buffer = np.empty((size, file.channels), stored)
    while count > 0:
        try:
            block = file.read(out=buffer[: min(size, count)])
        except soundfile.LibsndfileError:
            if lenient:
                return
            raise
        if not len(block):
            return
        count -= len(block)
        yield block


# -- sample types --------------------------------------------------------------------------------
def _stored_type(file: SoundFile, native: bool, md5: bytes | None) -> str:
    """What libsndfile is asked for: integers where they are returned or digested."""
    if md5 is None and not (native and bits_per_sample(file.subtype)):
        return "float32"
    return "int32"


def _made_type(depth: int) -> np.dtype:
    return np.dtype({8: np.uint8, 16: np.int16}.get(depth, np.int32))


def _converted(block: np.ndarray, made: np.dtype, depth: int) -> np.ndarray:
    """libsndfile's left-justified int32, or float32, as the type that is returned."""
    if block.dtype.kind == "f":
        return block
    if made.kind == "f":
        return np.ldexp(block.astype(made), -31)
    if made == np.uint8:
        return ((block >> 24) + 128).astype(made)
    return (block >> 16 if depth == 16 else block).astype(made)


def _packed(block: np.ndarray, depth: int) -> bytes:
    """The bytes a FLAC encoder digests: little-endian integers of its depth (RFC 9639, 8.2)."""
    whole = (block >> (32 - depth)).astype("<i4")
    return whole.view(np.uint8).reshape(-1, 4)[:, : (depth + 7) // 8].tobytes()


def _check_finite(block: np.ndarray, offset: int) -> None:
    finite = np.isfinite(block)
    if not finite.all():
        frame, channel = np.argwhere(~finite)[0]
        raise Damaged(
            f"sample {offset + frame} of channel {channel} is {block[frame, channel]}; "
            "check_finite=False lets it through"
        )

