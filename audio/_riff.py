"""Containers made of chunks: WAV (RIFF, RIFX, RF64), W64, AIFF and AIFF-C, AU.

Each function answers with a ``Layout``: the frames that the header promises, and a ``problem`` where
the file does not keep the promise. Sources: Microsoft/IBM "Multimedia Programming Interface and
Data Specifications 1.0" (RIFF, WAVE), EBU Tech 3306 (RF64), Sony "Wave64", Apple "AIFF-C" draft of
1991, Sun's ``audio.h`` (AU). Left out: what is inside compressed WAV and AIFF-C data, whose number
of frames only the decoder knows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ._layout import Layout, check_ranges
from ._sources import Damaged, Source

MAX_CHUNKS = 10_000
_UNKNOWN = 0xFFFFFFFF
_LINEAR = {1, 3, 6, 7}  # PCM, float, A-law, mu-law: a fixed number of bytes a frame
_EXTENSIBLE = 0xFFFE

_GUID_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
W64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
_W64_FMT = b"fmt " + _GUID_TAIL
_W64_DATA = b"data" + _GUID_TAIL

Chunk = tuple[bytes, int, int]  # name, where its content starts, its size as the header says


# -- WAV -----------------------------------------------------------------------------------------
def wave(source: Source, start: int) -> Layout:
    """RIFF, big-endian RIFX, and RF64 whose sizes stand in a ds64 chunk."""
    kind = source.read_at(start, 4)
    order = ">" if kind == b"RIFX" else "<"
    frame, sizes = None, None
    for name, at, size in _chunks(source, start + 12, order):
        if name == b"ds64":
            sizes = struct.unpack("<QQ", _need(source, at, 16, "ds64"))
        elif name == b"fmt ":
            frame = _frame_bytes(_need(source, at, 16, "fmt"), source.read_at(at + 24, 2), order)
        elif name == b"data":
            if kind == b"RF64" and size == _UNKNOWN and sizes is not None:
                size = sizes[1]
            if frame is None:
                raise Damaged("the WAV has its data before its fmt chunk, or no fmt chunk at all")
            return _wave_data(source, start, order, at, size, frame[0])
    raise Damaged("the WAV has no data chunk")


def _chunks(source: Source, at: int, order: str) -> Iterator[Chunk]:
    """The chunks from at on; sizes are as stated, even past the end of the file."""
    for _ in range(MAX_CHUNKS):
        head = source.read_at(at, 8)
        if len(head) < 8:
            return
        size = struct.unpack(order + "I", head[4:])[0]
        yield head[:4], at + 8, size
        at += 8 + size + size % 2
    raise Damaged(f"the file has more than {MAX_CHUNKS} chunks")


def _need(source: Source, at: int, count: int, what: str) -> bytes:
    data = source.read_at(at, count)
    if len(data) < count:
        raise Damaged(f"the file ends inside its {what} chunk")
    return data


def _frame_bytes(format: bytes, subformat: bytes, order: str) -> tuple[int | None]:
    """Bytes of one frame, None inside for compressed data; in a tuple, to be told from no chunk."""
    tag, channels, rate, _, align, bits = struct.unpack(order + "HHIIHH", format)
    check_ranges(channels, rate)
    if tag == _EXTENSIBLE and len(subformat) == 2:
        tag = struct.unpack(order + "H", subformat)[0]
    if tag not in _LINEAR:
        return (None,)
    if align == 0 or align % channels or align * 8 < bits * channels:
        raise Damaged(f"{channels} channels of {bits} bits do not fit frames of {align} bytes")
    return (align,)


def _wave_data(
    source: Source, start: int, order: str, at: int, size: int, align: int | None
) -> Layout:
    """The layout of a data chunk at this offset."""
    there = source.size - at
    patches, problem = {}, None
    if size >= _UNKNOWN - 8 and size != there:  # 0xFFFFFFFF less a header: written to a pipe
        problem = "its header leaves the length open, as writing to a pipe does"
    elif size > there:
        problem = f"its header promises {size} bytes of samples, but only {there} are there"
    elif align and size % align:
        problem = f"{size} bytes of samples are no whole number of {align}-byte frames"
    elif not _only_chunks(source, start, order, at + size + size % 2):
        problem = f"its header promises {size} bytes of samples, but more follow"
        if size == 0:
            patches[at - 4] = struct.pack(order + "I", min(there, _UNKNOWN))
    frames = size // align if align and problem is None else None
    return Layout(start, source.size, frames, problem, patches)


def _only_chunks(source: Source, start: int, order: str, at: int) -> bool:
    """Whether the RIFF goes on behind its data, if at all, with things that look like chunks."""
    end = start + 8 + struct.unpack(order + "I", source.read_at(start + 4, 4))[0]
    if end <= start + 12 or end > source.size:  # a size that was never filled in
        end = source.size
    for _ in range(MAX_CHUNKS):
        head = source.read_at(at, 8)
        if at >= end:
            return True
        if len(head) < 8 or at + 8 > end or not all(32 <= byte < 127 for byte in head[:4]):
            return False
        size = struct.unpack(order + "I", head[4:])[0]
        at += 8 + size + size % 2
    return True


# -- W64 -----------------------------------------------------------------------------------------
def wave64(source: Source, start: int) -> Layout:
    """Sony Wave64: names are GUIDs, sizes 64 bits that count the header, places multiples of 8."""
    at, frame = start + 40, None
    for _ in range(MAX_CHUNKS):
        head = source.read_at(at, 24)
        if len(head) < 24:
            break
        size = struct.unpack("<Q", head[16:])[0]
        if size < 24:
            raise Damaged(f"the W64 has a chunk of {size} bytes, less than its own header")
        if head[:16] == _W64_FMT:
            format = _need(source, at + 24, 16, "fmt")
            frame = _frame_bytes(format, source.read_at(at + 48, 2), "<")
        elif head[:16] == _W64_DATA and frame is not None:
            return _w64_data(source, start, at + 24, size - 24, frame[0])
        at += size + -size % 8
    raise Damaged("the W64 has no fmt and data chunks")


def _w64_data(source: Source, start: int, at: int, size: int, align: int | None) -> Layout:
    there, problem = source.size - at, None
    whole = struct.unpack("<Q", _need(source, start + 16, 8, "riff"))[0]
    if size > there:
        problem = f"its header promises {size} bytes of samples, but only {there} are there"
    elif align and size % align:
        problem = f"{size} bytes of samples are no whole number of {align}-byte frames"
    elif start + whole <= source.size and 0 < start + whole - at - size - -size % 8 < 24:
        problem = f"its header promises {size} bytes of samples, but more follow"
    frames = size // align if align and problem is None else None
    return Layout(start, source.size, frames, problem)


# -- AIFF ----------------------------------------------------------------------------------------
_AIFF_RAW = {
    b"NONE",
    b"twos",
    b"sowt",
    b"in24",
    b"in32",
    b"raw ",
    b"fl32",
    b"FL32",
    b"fl64",
    b"FL64",
}


def aiff(source: Source, start: int) -> Layout:
    """AIFF and AIFF-C: COMM counts the frames, SSND holds them."""
    form = source.read_at(start + 8, 4)
    common, sound = None, None
    for name, at, size in _chunks(source, start + 12, ">"):
        if name == b"COMM" and common is None:
            common = _common(_need(source, at, 18, "COMM"), source.read_at(at + 18, 4), form)
        elif name == b"SSND" and sound is None:
            offset = struct.unpack(">I", _need(source, at, 4, "SSND"))[0]
            sound = (at + 8 + offset, size - 8 - offset)
    if common is None or sound is None:
        raise Damaged("the AIFF lacks its COMM or SSND chunk")
    return _aiff_layout(source, start, *common, *sound)


def _common(data: bytes, compression: bytes, form: bytes) -> tuple[int, int | None]:
    """Frames, and bytes of one frame (None: compressed)."""
    channels, frames, bits, exponent, mantissa = struct.unpack(">hIhHQ", data)
    # 80-bit extended: a number with exponent 16383 + 63 is its mantissa.
    rate = float(mantissa) * 2.0 ** min((exponent & 0x7FFF) - 16383 - 63, 900)
    check_ranges(channels, rate)
    if form == b"AIFC" and compression not in _AIFF_RAW:
        return frames, None
    return frames, channels * ((bits + 7) // 8)


def _aiff_layout(
    source: Source, start: int, frames: int, align: int | None, at: int, size: int
) -> Layout:
    there, problem = source.size - at, None
    if size < 0 or size > there:
        problem = f"its header promises {size} bytes of samples, but only {max(there, 0)} are there"
    elif align is not None and frames * align != size:
        problem = f"{frames} frames of {align} bytes are not the {size} bytes of samples it has"
    known = frames if align is not None and problem is None else None
    return Layout(start, source.size, known, problem)


# -- AU ------------------------------------------------------------------------------------------
_AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}  # by encoding


def au(source: Source, start: int) -> Layout:
    """Sun AU: one header of six numbers, then samples."""
    order = ">" if source.read_at(start, 4) == b".snd" else "<"
    head = _need(source, start + 4, 20, "AU header")
    offset, size, encoding, rate, channels = struct.unpack(order + "5I", head)
    check_ranges(channels, rate)
    there, problem = source.size - start - offset, None
    align = channels * _AU_BYTES.get(encoding, 0)
    if offset < 24:
        raise Damaged(f"the AU header of 24 bytes says that samples start at byte {offset}")
    if size == _UNKNOWN:
        problem = "its header leaves the length open, as writing to a pipe does"
    elif size != there:
        problem = f"its header promises {size} bytes of samples, but {max(there, 0)} are there"
    elif align and size % align:
        problem = f"{size} bytes of samples are no whole number of {align}-byte frames"
    frames = size // align if align and problem is None else None
    return Layout(start, source.size, frames, problem)
