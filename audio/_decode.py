"""From an open source to samples: libsndfile behind our checks of what it was given and gave.

The container is read first (``_containers``), limits are applied to what its header promises, then
libsndfile decodes in blocks into one array, and what came out is compared with the promise: the
number of frames, the MD5 of a FLAC, numbers that are finite.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sensorium.errors import DecodeError

from ._containers import inspect
from ._layout import Layout, check_ranges
from ._listener import Listener
from ._sources import Damaged, Source, Window

if TYPE_CHECKING:
    from soundfile import LibsndfileError, SoundFile  # type: ignore[import-untyped]  # has no annotations file

_BLOCK, _SMALL_BLOCK = 1 << 16, 1 << 10  # frames
_DEPTHS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_ENDLESS = 1 << 62  # frames libsndfile reports of a FLAC without a length

_HINT = "allow_truncated=True reads what is there"


@dataclass(frozen=True)
class Limits:
    """What decoding may cost, counted before it starts."""

    seconds: float
    bytes: int

    def check(self, frames: int, channels: int, rate: int, growth: float) -> None:
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

    def most(self, channels: int, rate: int, growth: float) -> int:
        """Frames that are admitted, where nobody says how many there are."""
        by_bytes = self.bytes / (4 * channels * max(growth, 1.0))
        return int(min(by_bytes, self.seconds * rate))


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
@dataclass(frozen=True)
class Recording:
    """An open decoder, what its container promises, and who listens to its complaints."""

    file: SoundFile
    layout: Layout
    listener: Listener

    def read(self, buffer: np.ndarray) -> np.ndarray:
        """The next frames as the beginning of buffer (T, C); fewer than it holds at the end."""
        with self.listener:
            return self.file.read(out=buffer)

    def skip(self, frames: int) -> None:
        """Go on after so many frames.

        MP3 and Ogg are decoded up to there: after a jump libsndfile 1.2 gives other samples for
        MP3, and near the end for Vorbis.
        """
        if self.file.format in ("MP3", "OGG"):
            buffer = np.empty((min(_BLOCK, frames), self.file.channels), np.float32)
            while frames > 0 and (found := len(self.read(buffer[: min(_BLOCK, frames)]))):
                frames -= found
        else:
            with self.listener:
                self.file.seek(frames)


@contextmanager
def recording(source: Source, lenient: bool) -> Iterator[Recording]:
    """The decoder of source, its header checked; everything that goes wrong is a DecodeError."""
    try:
        layout = inspect(source)
        if layout.problem is not None and not lenient:
            raise Damaged(f"{layout.problem}; {_HINT}")
        window = Window(source, layout.start, layout.end, layout.patches)
        listener = Listener(layout.talkative)
        with _sound_file(window, listener) as file:
            check_ranges(file.channels, file.samplerate)
            _check_promise(layout, file.frames, lenient)
            try:
                yield Recording(file, layout, listener)
            finally:  # an unreadable disk explains whatever else went wrong
                window.raise_kept()
            if listener.errors and not lenient:
                raise Damaged(f"the MP3 is damaged: {listener.errors[0]}")
    except Damaged as error:
        raise DecodeError(f"{source.name}: {error}") from None


@functools.cache
def _forward_only() -> type[SoundFile]:
    """A SoundFile that does not jump to where it is after every read, which MP3 does not survive."""
    import soundfile

    class Forward(soundfile.SoundFile):
        def seekable(self) -> bool:
            return False

    return Forward


@contextmanager
def _sound_file(window: Window, listener: Listener) -> Iterator[SoundFile]:
    """libsndfile over window; its errors and soundfile's are Damaged."""
    import soundfile

    try:
        with listener:
            file = _forward_only()(window)
        with file:
            yield file
    except soundfile.LibsndfileError as error:
        window.raise_kept()
        raise Damaged(_reason(error)) from None
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        window.raise_kept()
        raise Damaged(f"{error} ({type(error).__name__})") from error


def _reason(error: LibsndfileError) -> str:
    """libsndfile's words without its decoration, and without the address of the Python file."""
    return error.error_string.strip().removeprefix("Error : ").rstrip(".")


def _check_promise(layout: Layout, frames: int, lenient: bool) -> None:
    if layout.frames is not None and layout.frames != frames and not lenient:
        raise Damaged(f"its header promises {layout.frames} frames, but the decoder finds {frames}")


# -- decoding ------------------------------------------------------------------------------------
def decode(
    source: Source, part: Part, limits: Limits, new_rate: int | None
) -> tuple[np.ndarray, int]:
    """(samples (C, T), rate) of the part; DecodeError otherwise."""
    with recording(source, part.lenient) as audio:
        file = audio.file
        rate, growth = file.samplerate, (new_rate or 0) / file.samplerate
        start = min(part.offset, file.frames)
        count = file.frames - start if part.count < 0 else min(part.count, file.frames - start)
        if count < _ENDLESS:
            limits.check(count, file.channels, rate, growth)
        else:
            count = limits.most(file.channels, rate, growth)
        if start:
            audio.skip(start)
        samples = _samples(audio, count, part)
    return samples, rate


def _samples(audio: Recording, count: int, part: Part) -> np.ndarray:
    """The next count frames as (C, count), or fewer if part is lenient."""
    depth = bits_per_sample(audio.file.subtype)
    md5 = audio.layout.md5 if count == audio.file.frames and not part.lenient else None
    stored = np.dtype("int32" if md5 is not None or (part.native and depth) else "float32")
    made = _native_type(depth) if part.native and depth else np.dtype(np.float32)
    out = np.empty((audio.file.channels, count), made)
    digest, done = hashlib.md5(usedforsecurity=False), 0
    for block in _blocks(audio, count, stored, part.lenient):
        if md5 is not None:
            digest.update(_packed(block, depth))
        if part.finite and block.dtype.kind == "f":
            _check_finite(block, done + part.offset)
        out[:, done : done + len(block)] = _converted(block, made, depth).T
        done += len(block)
    if done < count and not part.lenient:
        raise Damaged(f"its header promises {count} frames, but decoding gives {done}; {_HINT}")
    if md5 is not None and digest.digest() != md5:
        raise Damaged(f"the samples do not have the MD5 that the FLAC's header gives; {_HINT}")
    return out if done == count else out[:, :done].copy()


def _blocks(audio: Recording, count: int, stored: np.dtype, lenient: bool) -> Iterator[np.ndarray]:
    """Arrays (T, C) of up to a block's length, count frames together unless the file ends first.

    Where damage is tolerated blocks are small, since the one that meets it is lost.
    """
    import soundfile

    size = min(_SMALL_BLOCK if lenient else _BLOCK, max(count, 1))
    buffer = np.empty((size, audio.file.channels), stored)
    while count > 0:
        try:
            block = audio.read(buffer[: min(size, count)])
        except soundfile.LibsndfileError as error:
            if lenient:
                return
            raise Damaged(f"decoding stops: {_reason(error)}; {_HINT}") from None
        if not len(block):
            return
        count -= len(block)
        yield block


# -- sample types --------------------------------------------------------------------------------
def bits_per_sample(subtype: str) -> int:
    """Of linear integers; 0 for everything else."""
    return _DEPTHS.get(subtype, 0)


def _native_type(depth: int) -> np.dtype:
    return np.dtype({8: np.uint8, 16: np.int16}.get(depth, np.int32))


def _converted(block: np.ndarray, made: np.dtype, depth: int) -> np.ndarray:
    """libsndfile's left-justified int32, or float32, as the type that is returned."""
    if block.dtype.kind == "f":
        return block
    if made.kind == "f":
        return block.astype(made) * made.type(2.0**-31)
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
