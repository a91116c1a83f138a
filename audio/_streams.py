"""Compressed streams: FLAC, Ogg (Vorbis, Opus) and MP3, walked frame by frame where they allow it.

FLAC counts its samples and carries the MD5 of what decodes (RFC 9639, 8.2). Every page of an Ogg
stream has a number and a checksum, and the last one says so (RFC 3533). An MP3 has neither: its
frames must follow each other without a gap (ISO 11172-3, 2.4.1.3), and their number is compared with
the one that encoders write into a first, silent frame ("Xing" or "Info"). Left out: checksums of
single MP3 frames, which encoders rarely write, and free-format MP3.
"""

from __future__ import annotations

import struct
import zlib

from ._layout import Layout, check_ranges
from ._sources import Damaged, Source


# -- FLAC ----------------------------------------------------------------------------------------
def flac(source: Source, start: int) -> Layout:
    """STREAMINFO's promise; the metadata blocks must all be there."""
    info = source.read_at(start + 8, 34)
    if len(info) < 34 or source.read_at(start + 4, 1)[0] & 0x7F:
        raise Damaged("the FLAC does not begin with its STREAMINFO block")
    packed = int.from_bytes(info[10:18], "big")  # 20 bits rate, 3 channels, 5 depth, 36 samples
    rate, channels, total = packed >> 44, (packed >> 41 & 7) + 1, packed & (1 << 36) - 1
    check_ranges(channels, rate)
    audio = _after_metadata(source, start + 4)
    md5 = info[18:34] if any(info[18:34]) else None
    if total == 0 and audio < source.size:
        why = "its header leaves the length open, as writing to a pipe does"
        return Layout(start, source.size, None, why, md5=md5)
    if total and audio >= source.size:
        why = f"its header promises {total} frames, but none are there"
        return Layout(start, source.size, None, why)
    return Layout(start, source.size, total, md5=md5)


def _after_metadata(source: Source, at: int) -> int:
    """Where the first audio frame starts."""
    last = False
    while not last:
        head = source.read_at(at, 4)
        if len(head) < 4:
            raise Damaged("the FLAC ends inside its metadata")
        last = bool(head[0] & 0x80)
        at += 4 + int.from_bytes(head[1:], "big")
    return at


# -- Ogg -----------------------------------------------------------------------------------------
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_BOS, _EOS = 2, 4


def ogg(source: Source, start: int) -> Layout:
    """Every page in its place with its checksum right, up to the page that ends the stream."""
    at = start
    numbers: dict[int, int] = {}  # of the last page of each stream
    ended: set[int] = set()
    while at < source.size:
        try:
            page, serial, number, flags = _page(source, at)
            _check_place(numbers, ended, serial, number, flags, at)
        except Damaged as error:
            return Layout(start, at, None, str(error))
        numbers[serial] = number
        if flags & _EOS:
            ended.add(serial)
        at += len(page)
    missing = set(numbers) - ended
    problem = "it stops before the page that ends the stream" if missing else None
    return Layout(start, source.size, None, problem)


def _page(source: Source, at: int) -> tuple[bytes, int, int, int]:
    """(bytes, serial, number, flags) of the page at this offset (RFC 3533, 6)."""
    head = source.read_at(at, 27)
    if len(head) < 27 or head[:5] != b"OggS\0":
        raise Damaged(f"there is no whole Ogg page at byte {at}")
    sizes = source.read_at(at + 27, head[26])
    length = 27 + len(sizes) + sum(sizes)
    page = source.read_at(at, length)
    if len(sizes) < head[26] or len(page) < length:
        raise Damaged(f"the file ends inside the Ogg page at byte {at}")
    serial, number, checksum = struct.unpack("<3I", head[14:26])
    if ogg_checksum(page[:22] + bytes(4) + page[26:]) != checksum:
        raise Damaged(f"the checksum of the Ogg page at byte {at} is wrong")
    return page, serial, number, head[5]


def ogg_checksum(data: bytes) -> int:
    """CRC-32 with polynomial 0x04C11DB7, most significant bit first, start and end value zero.

    That is zlib's CRC with every byte and the result mirrored, and its two inversions undone.
    """
    crc = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)


def _check_place(
    numbers: dict[int, int], ended: set[int], serial: int, number: int, flags: int, at: int
) -> None:
    """Pages of a stream are numbered without gaps; nothing may follow a stream that ended."""
    if flags & _BOS:
        if ended:
            raise Damaged(f"another recording is chained to the first one at byte {at}")
    elif serial not in numbers:
        raise Damaged(f"the Ogg page at byte {at} belongs to no stream that began")
    elif serial in ended:
        raise Damaged(f"the Ogg page at byte {at} follows the end of its stream")
    elif number != numbers[serial] + 1:
        raise Damaged(f"Ogg page {number} at byte {at} follows page {numbers[serial]}")


# -- MP3 -----------------------------------------------------------------------------------------
_KBITS = {  # by the version's bits: bit rates of layer III
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_KBITS[0] = _KBITS[2]
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def mp3(source: Source, start: int) -> Layout:
    """Frames of one kind, one after the other, as many as the first one says."""
    first = source.read_at(start, 4)
    at, count, ends = start, 0, []
    while (length := _mp3_bytes(head := source.read_at(at, 4))) and _same_kind(first, head):
        if at + length > source.size:
            break
        at, count = at + length, count + 1
        ends.append(at) if count <= 1 else None
    if count < 2:
        raise Damaged("this is not MP3: one frame header does not lead to the next")
    return _mp3_layout(source, start, at, count, ends[0])


def _mp3_bytes(head: bytes) -> int:
    """Length of the layer III frame with this header; 0 for what is not one."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, kbits, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or kbits in (0, 15) or rate == 3:
        return 0
    scale = 144_000 if version == 3 else 72_000
    return scale * _KBITS[version][kbits] // _RATES[version][rate] + (head[2] >> 1 & 1)


def _same_kind(first: bytes, head: bytes) -> bool:
    """Same version, layer and rate, and both mono or both stereo."""
    mono = (first[3] >> 6 == 3) == (head[3] >> 6 == 3)
    return mono and first[1] & 0xFE == head[1] & 0xFE and first[2] & 0x0C == head[2] & 0x0C


def _mp3_layout(source: Source, start: int, end: int, count: int, second: int) -> Layout:
    problem = None
    if not _is_tail(source.read_at(end, 128), source.size - end):
        what = "ends inside a frame" if _mp3_bytes(source.read_at(end, 4)) else "is interrupted"
        problem = f"the MP3 {what} at byte {end} of {source.size}, after {count} frames"
    at = _xing(source, start, second)
    if at is None:
        return Layout(start, end, None, problem, talkative=True)
    flags = int.from_bytes(source.read_at(at + 4, 4), "big")
    patches = {}
    if flags & 1:
        promised = int.from_bytes(source.read_at(at + 8, 4), "big")
        if problem is None and promised not in (count - 1, count):
            problem = f"the MP3 promises {promised} frames but holds {count - 1}"
        if problem is not None:
            patches[at + 8] = struct.pack(">I", count - 1)
    if flags & 2:  # the decoder would write about a difference to the terminal
        patches[at + 8 + 4 * (flags & 1)] = struct.pack(">I", end - start)
    return Layout(start, end, None, problem, patches, talkative=True)


def _is_tail(tail: bytes, size: int) -> bool:
    """Whether what follows the frames is nothing, filling, or a tag (ID3v1, its extension, APE)."""
    if tail.startswith(b"TAG"):
        return size in (128, 128 + 227)
    return not tail.strip(b"\0") or tail.startswith((b"APETAGEX", b"LYRICSBEGIN"))


def _xing(source: Source, start: int, second: int) -> int | None:
    """Where the encoder's "Xing" or "Info" field stands in the first frame, behind the side info."""
    head = source.read_at(start, 4)
    mono = head[3] >> 6 == 3
    side = (17 if mono else 32) if head[1] >> 3 & 3 == 3 else (9 if mono else 17)
    at = start + 4 + side + (0 if head[1] & 1 else 2)
    return at if at + 16 <= second and source.read_at(at, 4) in (b"Xing", b"Info") else None
