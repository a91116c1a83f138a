"""What audio files say about themselves: their format by content, and whether they are whole.

``inspect`` tells the format from the first bytes, never from the name, and walks the container far
enough to know what its own header promises. Decoders do not: libsndfile quietly recomputes the
length of a cut WAV from the size of the file, and drops damaged Ogg pages and MP3 frames.

Read here: WAV with its relatives RIFX, RF64 and W64, AIFF and AU (``_riff``); FLAC, Ogg and MP3
(``_streams``). Left out, on purpose: headerless formats, which cannot be told from noise, and the
rarely seen others that libsndfile could open, whose parsers see few damaged files.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from . import _riff, _streams
from ._layout import Layout
from ._sources import Damaged, Source

_Check = Callable[[Source, int], Layout]

_MAGIC: tuple[tuple[str, re.Pattern[bytes], _Check], ...] = tuple(
    (name, re.compile(pattern, re.DOTALL), check)
    for name, pattern, check in (
        ("WAV", rb"RIF[FX].{4}WAVE|RF64.{4}WAVE", _riff.wave),
        ("W64", re.escape(_riff.W64_RIFF), _riff.wave64),
        ("AIFF", rb"FORM.{4}AIF[FC]", _riff.aiff),
        ("AU", rb"\.snd|dns\.", _riff.au),
        ("FLAC", rb"fLaC", _streams.flac),
        ("OGG", rb"OggS", _streams.ogg),
        ("MP3", rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", _streams.mp3),
    )
)

_OTHERS = (
    (re.compile(rb"\s*<(!doctype\s+html|html|head|body)", re.IGNORECASE), "an HTML page"),
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer, not the file it points to"),
    (re.compile(rb".{4}ftyp", re.DOTALL), "MPEG-4 (M4A, AAC), which is not read here"),
    (re.compile(rb"\x1aE\xdf\xa3"), "Matroska or WebM, which is not read here"),
    (re.compile(rb"RIFF.{4}AVI ", re.DOTALL), "an AVI video"),
    (re.compile(rb"PK\x03\x04"), "a zip archive"),
    (re.compile(rb"\x1f\x8b"), "gzip-compressed data"),
    (re.compile(rb"\x00+\Z"), "nothing but zero bytes"),
)

FORMATS = tuple(name for name, _, _ in _MAGIC)
"""The formats that are read."""


def inspect(source: Source) -> Layout:
    """What the container says of itself; Damaged for what is not audio at all."""
    if source.size == 0:
        raise Damaged("the file is empty")
    start = after_id3(source)
    head = source.read_at(start, 512)
    for _, pattern, check in _MAGIC:
        if pattern.match(head):
            return check(source, start)
    for pattern, what in _OTHERS:
        if pattern.match(head):
            raise Damaged(f"this is {what}")
    raise Damaged(f"no audio format known here starts with {head[:8]!r} (want {_known()})")


def _known() -> str:
    return ", ".join(FORMATS)


def after_id3(source: Source) -> int:
    """Where the audio starts: behind an ID3v2 tag, if there is one.

    ID3v2.4 section 3.1: "ID3", version, flags, and the size as four bytes of seven bits; a flag
    announces a footer of ten bytes more.
    """
    at = 0
    while (head := source.read_at(at, 10))[:3] == b"ID3" and len(head) == 10:
        if max(head[6:10]) > 0x7F:
            raise Damaged("the size of the ID3 tag is not a number")
        size = sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0)))
        at += 10 + size + (10 if head[5] & 0x10 else 0)
        if at >= source.size:
            raise Damaged(f"the file ends inside its ID3 tag ({source.size} of {at} bytes)")
    return at
