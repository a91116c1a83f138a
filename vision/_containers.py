"""What image files say about themselves: their format by content, and whether they are whole.

``sniff`` tells the format from the first bytes, never from the name. ``check_whole`` looks for the
damage that decoders pass over in silence: a PNG with fewer rows than its header promises, a JPEG
without its end marker, a PNM text whose last number may have lost digits. Sources: PNG
specification (third edition) 5, 7.2, 8 and 10; ITU-T T.81 annex B; RIFF container of WebP;
netpbm's ``pnm`` pages. Left out: the inside of entropy-coded data. JPEG carries no checksum, so a
JPEG whose missing middle still parses cannot be told from a whole one.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

_MAGIC: tuple[tuple[str, re.Pattern[bytes]], ...] = tuple(
    (name, re.compile(pattern, re.DOTALL))
    for name, pattern in (
        ("PNG", rb"\x89PNG\r\n\x1a\n"),
        ("JPEG", rb"\xff\xd8\xff"),
        ("GIF", rb"GIF8[79]a"),
        ("WEBP", rb"RIFF.{4}WEBP"),
        ("BMP", rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00"),
        ("TIFF", rb"II\x2a\x00|MM\x00\x2a|II\x2b\x00|MM\x00\x2b"),
        ("PPM", rb"P[1-6][\s#]"),
        ("AVIF", rb".{4}ftyp(avif|avis|mif1)"),
    )
)

_NOT_IMAGES = (
    (re.compile(rb"\s*<(!doctype\s+html|html|head|body)", re.IGNORECASE), "an HTML page"),
    (re.compile(rb"\s*<(\?xml|svg)", re.IGNORECASE), "XML (an SVG drawing?)"),
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer, not the file it points to"),
    (re.compile(rb"%!PS|%PDF"), "PostScript or PDF"),
    (re.compile(rb"PK\x03\x04"), "a zip archive"),
    (re.compile(rb"\x1f\x8b"), "gzip-compressed data"),
    (re.compile(rb"\x00+\Z"), "nothing but zero bytes"),
)

FORMATS = tuple(name for name, _ in _MAGIC)
"""The formats that are read."""


class Damaged(Exception):
    """The file is not an image, or not a whole one; the text says why."""


def sniff(data: bytes) -> str:
    """The format that data's first bytes announce; Damaged says what else they are.

    >>> sniff(b"GIF89a...")
    'GIF'
    """
    if not data:
        raise Damaged("the file is empty")
    for name, pattern in _MAGIC:
        if pattern.match(data):
            return name
    for pattern, what in _NOT_IMAGES:
        if pattern.match(data[:512]):
            raise Damaged(f"this is {what}")
    raise Damaged(
        f"no image format known here starts with {data[:8]!r} (want {', '.join(FORMATS)})"
    )


def check_whole(data: bytes, format: str) -> None:
    """Damaged if data of this format lacks an end or rows that decoders do not miss."""
    check = {"PNG": check_png, "JPEG": check_jpeg, "WEBP": check_webp, "PPM": check_pnm}.get(format)
    if check is not None:
        check(data)


# -- PNG -----------------------------------------------------------------------------------------
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type

# Adam7: (first column, first row, column step, row step) of the seven passes.
_ADAM7 = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
    (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
)  # fmt: skip


def check_png(data: bytes) -> None:
    """Every chunk's checksum holds, IEND is there, and IDAT inflates to every promised row."""
    chunks = list(_png_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise Damaged("the PNG has no header chunk")
    want = _png_bytes(*struct.unpack(">IIBBxxB", chunks[0][1]))
    got = _inflated_size([body for kind, body in chunks if kind == b"IDAT"], want)
    if got < want:
        raise Damaged(f"the PNG holds {got} of the {want} bytes its rows need")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """(type, content) of every chunk up to IEND."""
    view, at = memoryview(data), 8
    while at + 12 <= len(data):
        length = int.from_bytes(view[at : at + 4], "big")
        kind = bytes(view[at + 4 : at + 8])
        end = at + 8 + length
        if end + 4 > len(data):
            raise Damaged(f"the PNG ends inside its {kind!r} chunk")
        if zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise Damaged(f"the checksum of the PNG's {kind!r} chunk at byte {at} is wrong")
        if kind == b"IEND":
            return
        yield kind, view[at + 8 : end]
        at = end + 4
    raise Damaged("the PNG ends before its IEND chunk")


def _png_bytes(width: int, height: int, depth: int, colour: int, interlaced: int) -> int:
    """Bytes of the filtered rows: one filter byte and the packed pixels, per row and pass."""
    bits = depth * _CHANNELS.get(colour, 1)
    total = 0
    for x0, y0, dx, dy in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - x0) // dx), -(-(height - y0) // dy)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


def _inflated_size(chunks: list[memoryview], enough: int) -> int:
    """How many bytes the zlib stream in chunks holds, counted in small pieces up to enough."""
    inflater, total = zlib.decompressobj(), 0
    try:
        for chunk in chunks:
            pending: bytes | memoryview = chunk
            while pending and total < enough and not inflater.eof:
                total += len(inflater.decompress(pending, 1 << 18))
                pending = inflater.unconsumed_tail
        return total if total >= enough else total + len(inflater.flush())
    except zlib.error as error:
        raise Damaged(f"the PNG's pixel data does not inflate: {error}") from None


# -- JPEG ----------------------------------------------------------------------------------------
# A marker is ff and a byte other than 00 (a stuffed ff) and d0-d7 (restart, inside a scan); ff may
# be repeated as filling.
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")


def check_jpeg(data: bytes) -> None:
    """The segments lead through a frame header and a scan to the end marker."""
    at, seen = 2, set()
    while marker := _MARKER.search(data, at):
        code = marker[1][0]
        seen.add(code)
        at = marker.end()
        if code == 0xD9:  # EOI
            break
        if code != 0x01:  # TEM stands alone; every other marker here has a length
            at += int.from_bytes(data[at : at + 2], "big")
    else:
        raise Damaged("the JPEG ends before its end marker")
    if 0xDA not in seen:  # SOS
        raise Damaged("the JPEG has no scan")


# -- WebP, PNM -----------------------------------------------------------------------------------
def check_webp(data: bytes) -> None:
    """The file is as long as its RIFF header says."""
    want = 8 + int.from_bytes(data[4:8], "little")
    if len(data) < want:
        raise Damaged(f"the WebP has {len(data)} of the {want} bytes its header announces")


def check_pnm(data: bytes) -> None:
    """Text variants end in white space: otherwise the last number may have lost digits."""
    if data[1:2] in b"123" and not data[-1:].isspace():
        raise Damaged("the PNM text does not end in white space, so its last number may be cut")
