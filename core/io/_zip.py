"""A zip archive read by one strict parser, used for the check and for the reading alike.

The archive must be exactly its records, its central directory and its end record: nothing before,
between or after. Every local header must say what the directory says, every checksum is verified
when a record is read. Follows PKWARE's APPNOTE.TXT 6.3.10 (section numbers below); left out:
encryption, spanned disks, comments at the end, every method but stored and deflate.

    local header, name, extra, data [, data descriptor]   for each record       (4.3.7-4.3.9)
    central directory header, name, extra, comment        for each record       (4.3.12)
    [zip64 end record, zip64 locator,] end record                               (4.3.14-4.3.16)
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from ..errors import CorruptError, FormatError, LimitError, TruncatedError
from .limits import Limits

STORED, DEFLATED = 0, 8
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF
_DESCRIPTOR, _UTF8 = 0x0008, 0x0800
_KNOWN_FLAGS = _DESCRIPTOR | _UTF8 | 0x0006  # 0x0006: how hard deflate tried
_BLOCK = 1 << 20
_DAMAGED = "the file is damaged, fetch it again"
_NO_CHECKSUM = "damaged, or saved with checksums off (torch.serialization.set_crc32_options)"


@dataclass(frozen=True, slots=True)
class Record:
    """One member: where its bytes lie in the file and what they must be."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    header: int
    start: int = 0


# -- the table of records ------------------------------------------------------------------------
def parse(data: memoryview, limits: Limits) -> dict[str, Record]:
    """The records by name, in the directory's order; the whole layout is checked.

    Raises ``TruncatedError`` when the end record is missing, ``CorruptError`` for contradictions,
    ``FormatError`` for features left out, ``LimitError`` for sizes.
    """
    begin, end, count = _directory(data)
    if count > limits.records:
        raise LimitError(f"zip of {count} records; at most {limits.records} are read")
    records: dict[str, Record] = {}
    position = begin
    for _ in range(count):
        record, position = _central(data, position, end)
        if record.name in records:
            raise CorruptError(f"zip record {record.name!a} appears twice")
        records[record.name] = record
    if position != end:
        raise CorruptError(f"zip directory ends at byte {position}, its end record says {end}")
    _check_sizes(records, len(data), limits)
    return _tile(data, records, begin)


def _directory(data: memoryview) -> tuple[int, int, int]:
    """First and last byte of the central directory, and its number of records (4.3.16)."""
    at = len(data) - _END.size
    if at < 0 or bytes(data[at : at + 4]) != b"PK\5\6":
        raise _no_end(data)
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack_from(data, at)
    locator = at - _LOCATOR.size
    if locator >= 0 and bytes(data[locator : locator + 4]) == b"PK\6\7":
        at, wide = _directory64(data, locator)
        for narrow, full, top in zip(
            (here, count, size, offset), wide, (_MAX16,) * 2 + (_MAX32,) * 2
        ):
            if narrow not in (full, top):
                raise CorruptError(f"zip end record says {narrow}, its zip64 record {full}")
        here, count, size, offset = wide
    if disk or first_disk or comment or here != count:
        raise CorruptError("zip end record names other disks, a comment or another count")
    if offset + size != at:
        raise CorruptError(f"zip directory [{offset}, {offset + size}] should end at byte {at}")
    return offset, at, count


def _no_end(data: memoryview) -> FormatError:
    tail = bytes(data[-(_END.size + _MAX16) :])
    found = tail.rfind(b"PK\5\6")
    if found < 0:
        return TruncatedError(f"zip without its end record: cut off at byte {len(data)}?")
    return CorruptError(f"{len(tail) - found - _END.size} bytes around the end record of the zip")


def _directory64(data: memoryview, locator: int) -> tuple[int, tuple[int, int, int, int]]:
    """Position of the zip64 end record, and (count here, count, size, offset) (4.3.14-15)."""
    _, disk, at, disks = _LOCATOR.unpack_from(data, locator)
    if disk or disks > 1 or at + _END64.size != locator:
        raise CorruptError(f"zip64 locator at byte {locator} points to byte {at}")
    sign, length, _, _, disk, first_disk, *wide = _END64.unpack_from(data, at)
    if sign != b"PK\6\6" or length != _END64.size - 12 or disk or first_disk:
        raise CorruptError(f"zip64 end record at byte {at} is damaged")
    here, count, size, offset = wide
    return at, (here, count, size, offset)


def _central(data: memoryview, position: int, end: int) -> tuple[Record, int]:
    """The record described at ``position`` of the directory, and where the next one begins."""
    if position + _CENTRAL.size > end:
        raise CorruptError(f"zip directory holds fewer records than its end record says ({end})")
    fields = _CENTRAL.unpack_from(data, position)
    sign, _, _, flags, method, _, _, crc, packed, size, named, extra, comment, disk, _, _, at = (
        fields
    )
    names = position + _CENTRAL.size
    following = names + named + extra + comment
    if sign != b"PK\1\2" or following > end:
        raise CorruptError(f"zip directory is damaged at byte {position}")
    name = _name(bytes(data[names : names + named]), flags)
    _check_features(name, flags, method, disk)
    extras = data[names + named : names + named + extra]
    size, packed, at = _widen(extras, (size, packed, at), name)
    return Record(name, flags, method, crc, packed, size, at), following


def _name(raw: bytes, flags: int) -> str:
    try:
        name = raw.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError:
        raise CorruptError(f"zip record name {raw[:80]!a} is not text") from None
    if not name or "\0" in name:
        raise CorruptError(f"zip record name {name[:80]!a} is empty or holds a NUL")
    return name


def _check_features(name: str, flags: int, method: int, disk: int) -> None:
    if flags & 0x2041:
        raise FormatError(f"zip record {name!a} is encrypted")
    if flags & ~_KNOWN_FLAGS or disk:
        raise FormatError(f"zip record {name!a} uses flags {flags:#06x}, which are not supported")
    if method not in (STORED, DEFLATED):
        raise FormatError(f"zip record {name!a} uses compression method {method}; not supported")


def _widen(extras: memoryview, values: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Replace each 0xFFFFFFFF by its 64-bit value from extra field 1, in order (4.5.3)."""
    if _MAX32 not in values:
        return values
    field = _zip64_field(extras, name)
    needed = 8 * values.count(_MAX32)
    if len(field) < needed:
        raise CorruptError(f"zip record {name!a}: 64-bit sizes are missing")
    wide = iter(struct.unpack_from(f"<{needed // 8}Q", field))
    return tuple(next(wide) if value == _MAX32 else value for value in values)


def _zip64_field(extras: memoryview, name: str) -> memoryview:
    position, found = 0, None
    while position + 4 <= len(extras):
        kind, length = struct.unpack_from("<2H", extras, position)
        if kind == 1 and found is not None:
            raise CorruptError(f"zip record {name!a}: two sets of 64-bit sizes")
        if kind == 1:
            found = extras[position + 4 : position + 4 + length]
        position += 4 + length
    return extras[:0] if found is None else found


def _check_sizes(records: dict[str, Record], file_bytes: int, limits: Limits) -> None:
    for record in records.values():
        if record.method == STORED and record.size != record.packed:
            raise CorruptError(
                f"zip record {record.name!a}: {record.size} bytes stored as {record.packed}"
            )
    inflated = sum(record.size for record in records.values() if record.method == DEFLATED)
    allowed = limits.max_inflated_bytes(file_bytes)
    if inflated > allowed:
        raise LimitError(
            f"zip of {file_bytes} bytes expands to {inflated}; at most {allowed} are read"
        )


# -- local headers -------------------------------------------------------------------------------
def _tile(data: memoryview, records: dict[str, Record], end: int) -> dict[str, Record]:
    """Each record with its data's position; together they fill the file up to the directory."""
    ordered = sorted(records.values(), key=lambda record: record.header)
    bounds = [record.header for record in ordered] + [end]
    if bounds[0] != 0:
        raise CorruptError(f"zip begins with {bounds[0]} bytes that belong to no record")
    placed = {}
    for record, following in zip(ordered, bounds[1:]):
        start = _local(data, record, following)
        placed[record.name] = Record(
            record.name, record.flags, record.method, record.crc,
            record.packed, record.size, record.header, start,
        )  # fmt: skip
    return {name: placed[name] for name in records}


def _local(data: memoryview, record: Record, end: int) -> int:
    """Check the local header against the directory; the position of the record's data."""
    at, name = record.header, record.name
    if at + _LOCAL.size > end:
        raise CorruptError(f"zip record {name!a} at byte {at} overlaps its neighbour at {end}")
    sign, _, flags, method, _, _, crc, packed, size, named, extra = _LOCAL.unpack_from(data, at)
    names = at + _LOCAL.size
    start = names + named + extra
    if sign != b"PK\3\4":
        raise CorruptError(f"zip record {name!a}: no local header at byte {at}")
    if start + record.packed > end:
        raise CorruptError(
            f"zip record {name!a}: {record.packed} bytes at {start} overlap what begins at {end}"
        )
    same_name = bytes(data[names : names + named]) == name.encode()
    size, packed = _widen(data[names + named : start], (size, packed), name)
    sizes = (crc, packed, size)
    known = (record.crc, record.packed, record.size)
    late = bool(flags & _DESCRIPTOR)  # sizes follow the data, zeros stand here
    if (
        (flags, method) != (record.flags, record.method)
        or not same_name
        or not (sizes == known or (late and sizes == (0, 0, 0)))
    ):
        raise CorruptError(f"zip record {name!a}: local header at byte {at} and directory differ")
    _check_descriptor(bytes(data[start + record.packed : end][:25]), known, late, name)
    return start


def _check_descriptor(tail: bytes, known: tuple[int, int, int], late: bool, name: str) -> None:
    """What stands between a record's data and the next record: nothing, or its sizes (4.3.9)."""
    expected = [b""]
    if late:
        crc, packed, size = known
        wide = struct.pack("<LQQ", crc, packed, size)
        expected = [wide, b"PK\7\10" + wide]
        if max(packed, size) <= _MAX32:
            narrow = struct.pack("<3L", crc, packed, size)
            expected += [narrow, b"PK\7\10" + narrow]
    if tail not in expected:
        raise CorruptError(f"zip record {name!a}: bytes after its data belong to no record")


# -- the bytes of a record -----------------------------------------------------------------------
def read(data: memoryview, record: Record) -> memoryview:
    """The record's bytes, checksum verified: a view if stored, else a buffer of its own."""
    raw = data[record.start : record.start + record.packed]
    if record.method == DEFLATED:
        raw = _inflate(raw, record)
    checksum = zlib.crc32(raw)
    if checksum != record.crc:
        raise CorruptError(
            f"zip record {record.name!a}: bad checksum (crc32 {checksum:08x}, "
            f"expected {record.crc:08x}); {_NO_CHECKSUM if record.crc == 0 else _DAMAGED}"
        )
    return raw


def _inflate(raw: memoryview, record: Record) -> memoryview:
    """Decompress in blocks into a buffer of the declared size, never one byte more."""
    buffer, filled = bytearray(record.size), 0
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        rest: bytes | memoryview = raw
        while not engine.eof:
            block = engine.decompress(rest, min(_BLOCK, record.size - filled + 1))
            rest = engine.unconsumed_tail
            if filled + len(block) > record.size or not (block or rest or engine.eof):
                break
            buffer[filled : filled + len(block)] = block
            filled += len(block)
    except zlib.error as error:
        raise CorruptError(f"zip record {record.name!a}: {error}") from None
    if not engine.eof or filled != record.size or engine.unused_data:
        raise CorruptError(f"zip record {record.name!a} does not expand to {record.size} bytes")
    return memoryview(buffer)
