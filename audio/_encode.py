"""Writing recordings: ``save``. Quantisation is done here, the codecs are libsndfile's.

libsndfile scales by 2**(b-1) - 1 when it writes and by 2**(b-1) when it reads, or truncates where it
clips; here both ways use 2**(b-1) and writing rounds to the nearest, so that integers survive the
round trip and everything else moves by half a step at most.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sensorium.errors import DTypeError, OptionError, ShapeError
from sensorium.io import atomic_write
from sensorium.tensor import Tensor

from ._layout import MAX_CHANNELS, MAX_RATE, MIN_RATE

_FORMATS = {  # by file extension or `format`: libsndfile's container, and a fixed codec
    "wav": ("WAV", None),
    "wave": ("WAV", None),
    "rf64": ("RF64", None),
    "w64": ("W64", None),
    "aiff": ("AIFF", None),
    "aif": ("AIFF", None),
    "au": ("AU", None),
    "snd": ("AU", None),
    "flac": ("FLAC", None),
    "ogg": ("OGG", "VORBIS"),
    "oga": ("OGG", "VORBIS"),
    "vorbis": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
_SUBTYPES = {
    ("PCM_S", 8): "PCM_S8",
    ("PCM_U", 8): "PCM_U8",
    ("PCM_S", 16): "PCM_16",
    ("PCM_S", 24): "PCM_24",
    ("PCM_S", 32): "PCM_32",
    ("PCM_F", 32): "FLOAT",
    ("PCM_F", 64): "DOUBLE",
    ("ULAW", 8): "ULAW",
    ("ALAW", 8): "ALAW",
}
_USUAL_BITS = {"PCM_S": 16, "PCM_U": 8, "PCM_F": 32, "ULAW": 8, "ALAW": 8}
_INTEGER_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_BLOCK = 1 << 14  # frames; libsndfile's Vorbis encoder keeps a whole write on the stack
_FOUR_GIB = (1 << 32) - (1 << 16)


def save(
    path: str | os.PathLike[str] | BinaryIO,
    waveform: Tensor,
    sample_rate: int,
    channels_first: bool = True,
    format: str | None = None,
    encoding: str | None = None,
    bits_per_sample: int | None = None,
) -> None:
    """Write a waveform (C, T), or (T, C) with channels_first=False, or (T), as an audio file.

    format is wav, rf64, w64, aiff, au, flac, ogg (Vorbis), opus or mp3; without it the path's
    extension says. encoding is PCM_S, PCM_U, PCM_F, ULAW or ALAW, bits_per_sample 8, 16, 24, 32 or
    64, as far as the format has them. The usual ones: for wav, rf64, w64 and au what holds the
    waveform's own type (float32 as 32-bit float, int16 as 16 bits), 16-bit PCM for aiff and flac.

    Float samples are full scale at 1: outside [-1, 1] they are clipped, never wrapped round, except
    as PCM_F, which keeps them. Integers (uint8 around 128, int16, int32) are full scale of their
    type and keep their level in every encoding.

    The file appears whole or not at all: an error, a full disk or a crash leaves what was there. It
    is encoded in memory first. OptionError for what the format cannot hold and for NaN.

    >>> import tempfile
    >>> from sensorium.create import zeros
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/silence.flac", zeros(2, 100), 44100)
    ...     os.listdir(folder)
    ['silence.flac']
    """
    samples = _samples(waveform, channels_first)
    container, subtype = _kind(path, format, encoding, bits_per_sample, samples.dtype)
    _check(samples, sample_rate, container, subtype)
    data = _encoded(samples, sample_rate, container, subtype)
    if isinstance(path, (str, os.PathLike)):
        atomic_write(path, lambda file: _write(file, data))
    else:
        _write(path, data)


def _write(file: BinaryIO, data: memoryview) -> None:
    file.write(data)


# -- what is asked for ---------------------------------------------------------------------------
def _samples(waveform: Tensor, channels_first: bool) -> np.ndarray:
    """The waveform as an array (T, C) of float32, float64, uint8, int16 or int32."""
    if not isinstance(waveform, Tensor):
        raise DTypeError(f"save: want a Tensor, got {type(waveform).__name__}")
    if waveform.ndim not in (1, 2):
        raise ShapeError(f"save: want (C, T), (T, C) or (T), got {tuple(waveform.shape)}")
    array = waveform.numpy(force=True)
    if array.ndim == 1:
        array = array[:, None]
    elif channels_first:
        array = array.T
    if array.dtype.name in ("float16", "bfloat16"):
        array = array.astype(np.float32)
    if array.dtype.name not in ("float32", "float64", "uint8", "int16", "int32"):
        raise DTypeError(
            f"save: want samples of a float type, uint8, int16 or int32, got {array.dtype}"
        )
    return array


def _kind(
    path: object, format: str | None, encoding: str | None, bits: int | None, dtype: np.dtype
) -> tuple[str, str]:
    """(container, subtype) in libsndfile's words."""
    if format is None and isinstance(path, (str, os.PathLike)):
        format = Path(path).suffix[1:]
    name = (format or "").lower()
    if name not in _FORMATS:
        raise OptionError(f"save: format {format!r} is not one of {', '.join(_FORMATS)}")
    container, codec = _FORMATS[name]
    if codec is None:
        return container, _subtype(container, encoding, bits, dtype)
    if encoding is not None or bits is not None:
        raise OptionError(f"save: {name} has one encoding and no bits per sample")
    return container, codec


def _subtype(container: str, encoding: str | None, bits: int | None, dtype: np.dtype) -> str:
    if encoding is None:
        encoding, bits = _usual(container, bits, dtype)
    bits = _USUAL_BITS.get(encoding, 0) if bits is None else bits
    subtype = _SUBTYPES.get((encoding, bits))
    if subtype is None:
        known = ", ".join(f"{name} {size}" for name, size in _SUBTYPES)
        raise OptionError(f"save: encoding {encoding} with {bits} bits is not one of {known}")
    return subtype


def _usual(container: str, bits: int | None, dtype: np.dtype) -> tuple[str, int]:
    """The encoding of a container where only the bits, or nothing, is said."""
    if bits is not None:
        unsigned = bits == 8 and container in ("WAV", "RF64", "W64")
        return ("PCM_U" if unsigned else "PCM_F" if bits == 64 else "PCM_S"), bits
    if container in ("AIFF", "FLAC"):
        return "PCM_S", 16
    if dtype.kind == "f":
        return "PCM_F", 64 if dtype.itemsize == 8 else 32
    if dtype == np.uint8:
        return ("PCM_S" if container == "AU" else "PCM_U"), 8
    return "PCM_S", dtype.itemsize * 8


def _check(samples: np.ndarray, rate: int, container: str, subtype: str) -> None:
    import soundfile  # type: ignore[import-untyped]  # has no annotations file

    if not soundfile.check_format(container, subtype):
        raise OptionError(f"save: {container} cannot hold {subtype}")
    if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)):
        raise DTypeError(f"save: sample_rate must be a whole number, got {rate!r}")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise OptionError(f"save: sample_rate must be {MIN_RATE} to {MAX_RATE} Hz, got {rate}")
    if not 1 <= samples.shape[1] <= MAX_CHANNELS:
        raise ShapeError(
            f"save: want 1 to {MAX_CHANNELS} channels, got {samples.shape[1]} "
            f"(samples {samples.shape}, time first; is channels_first right?)"
        )
    if not len(samples) and (container in ("FLAC", "MP3") or subtype == "OPUS"):
        raise ShapeError(f"save: {container} ({subtype}) wants at least one frame, got none")
    if container in ("WAV", "AIFF", "AU") and samples.size * _bytes_each(subtype) > _FOUR_GIB:
        raise OptionError(f"save: {container} ends at 4 GiB; format='rf64' or 'w64' goes on")
    if samples.dtype.kind == "f" and not np.isfinite(samples).all():
        raise OptionError("save: the waveform has NaN or infinity")


def _bytes_each(subtype: str) -> int:
    return {"DOUBLE": 8, "FLOAT": 4}.get(subtype, _INTEGER_BITS.get(subtype, 8) // 8)


# -- encoding ------------------------------------------------------------------------------------
def _encoded(samples: np.ndarray, rate: int, container: str, subtype: str) -> memoryview:
    """The bytes of the file."""
    import soundfile

    file = io.BytesIO()
    try:
        with soundfile.SoundFile(
            file, "w", int(rate), samples.shape[1], subtype, format=container
        ) as sound:
            for start in range(0, len(samples), _BLOCK):
                sound.write(_quantised(samples[start : start + _BLOCK], subtype))
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise OptionError(
            f"save: {container} ({subtype}) cannot hold {samples.shape[1]} channels at {rate} Hz: "
            f"{reason}"
        ) from None
    return file.getbuffer()


def _quantised(block: np.ndarray, subtype: str) -> np.ndarray:
    """What libsndfile only has to copy: int32 in the upper bits, or floats in range."""
    if subtype in ("FLOAT", "DOUBLE"):
        return np.ascontiguousarray(_as_float(block))
    bits = _INTEGER_BITS.get(subtype, 16 if subtype in ("ULAW", "ALAW") else 0)
    if bits == 0:
        return np.clip(_as_float(block).astype(np.float32), -1.0, 1.0)
    if block.dtype.kind == "f" or bits < block.dtype.itemsize * 8:
        block = _to_steps(_as_float(block), bits)
        return np.ascontiguousarray(block << (32 - bits))
    return np.ascontiguousarray(_left_justified(block))


def _as_float(block: np.ndarray) -> np.ndarray:
    """Full scale at 1; float64 for int32, which float32 cannot hold."""
    if block.dtype.kind == "f":
        return block
    return _left_justified(block) * 2.0**-31


def _left_justified(block: np.ndarray) -> np.ndarray:
    """Integers of any width in the upper bits of int32."""
    wide = block.astype(np.int32)
    if block.dtype == np.uint8:
        return (wide - 128) << 24
    return wide << (32 - 8 * block.dtype.itemsize)


def _to_steps(values: np.ndarray, bits: int) -> np.ndarray:
    """values * 2 ** (bits - 1), rounded to the nearest and clipped, as int32."""
    full = 2.0 ** (bits - 1)
    return np.clip(np.rint(values * np.float64(full)), -full, full - 1).astype(np.int32)
