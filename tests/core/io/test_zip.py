"""The zip parser: an archive is exactly its records, and each says the same thing twice."""

import io
import struct
import zipfile
import zlib

import pytest

from sensorium.errors import CorruptError, FormatError, LimitError, TruncatedError
from sensorium.io import Limits, _zip


def records_of(data, limits=None):
    view = memoryview(data)
    return {n: bytes(_zip.read(view, r)) for n, r in _zip.parse(view, limits or Limits()).items()}


def deflated(data):
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return engine.compress(data) + engine.flush()


def packed_record(build, data, **fields):
    fields = {"l_method": 8, "c_method": 8, "packed": deflated(data), **fields}
    return build.record("a", data, **fields)


def resized(build, packed):
    """A deflated record of 99 zeros whose compressed bytes are others than they should be."""
    size = len(packed)
    return packed_record(build, bytes(99), packed=packed, l_packed=size, c_packed=size)


def late(crc, packed, size, wide=False, sign=b"PK\7\10"):
    return sign + struct.pack("<LQQ" if wide else "<3L", crc, packed, size)


LATE = {"l_flags": 8, "c_flags": 8, "l_crc": 0, "l_packed": 0, "l_size": 0}
CRC = zlib.crc32(b"hello")


@pytest.mark.parametrize("wide", [False, True])
def test_archive_of_two_records_is_read(build, wide):
    data = build.zip_file(
        [build.record("a", b"hello"), build.record("é", b"", l_flags=0x800, c_flags=0x800)],
        wide=wide,
    )
    assert records_of(data) == {"a": b"hello", "é": b""}


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("sign", [b"", b"PK\7\10"])
def test_sizes_after_the_data_are_read(build, wide, sign):
    tail = late(CRC, 5, 5, wide, sign)
    assert records_of(build.zip_file([build.record("a", b"hello", **LATE, tail=tail)])) == {
        "a": b"hello"
    }


def test_deflated_records_are_read(build):
    data = bytes(1000) + b"end"
    assert records_of(build.zip_file([packed_record(build, data)])) == {"a": data}


def test_64_bit_sizes_in_the_extra_field_are_read(build):
    extra = struct.pack("<2H2Q", 1, 16, 5, 5)
    top = 0xFFFFFFFF
    fields = {"l_extra": extra, "c_extra": extra}
    fields |= {"l_size": top, "l_packed": top, "c_size": top, "c_packed": top}
    assert records_of(build.zip_file([build.record("a", b"hello", **fields)])) == {"a": b"hello"}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("force", [False, True])
def test_archives_of_the_standard_library_are_read(compression, force):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name in ("x", "y/z"):
            with archive.open(name, "w", force_zip64=force) as member:
                member.write(name.encode() * 100)
    assert records_of(file.getvalue()) == {n: n.encode() * 100 for n in ("x", "y/z")}


# case -> (archive, error, part of the message); b is the builder module
HOSTILE = {
    "empty": (lambda b: b"", TruncatedError, "without its end record"),
    "no end record": (lambda b: b.small_zip()[:-22], TruncatedError, "without its end record"),
    "junk before": (
        lambda b: b.zip_file([b.record("a", b"hello")], before=b"#!x"),
        CorruptError,
        "belong to no record",
    ),
    "junk before, offsets not moved": (
        lambda b: b"#!x" + b.small_zip(),
        CorruptError,
        "should end at",
    ),
    "junk after": (lambda b: b.small_zip() + b"x", CorruptError, "1 bytes around the end record"),
    "comment": (lambda b: b.zip_file([], comment=b"hi"), CorruptError, "around the end record"),
    "comment that is an end record": (
        lambda b: b.zip_file([b.record("a", b"x")], comment=b.zip_file([])),
        CorruptError,
        "comment|should end|another",
    ),
    "junk between": (
        lambda b: b.zip_file([b.record("a", b"x", tail=b"junk"), b.record("b", b"y")]),
        CorruptError,
        "belong to no record",
    ),
    "bad checksum": (
        lambda b: b.zip_file([b.record("a", b"hello", l_crc=1, c_crc=1)]),
        CorruptError,
        "bad checksum",
    ),
    "duplicate name": (
        lambda b: b.zip_file([b.record("a", b"x"), b.record("a", b"y")]),
        CorruptError,
        "'a' appears twice",
    ),
    "overlap": (
        lambda b: b.zip_file([b.record("a", b"hello"), b.record("b", b"x", c_offset=0)]),
        CorruptError,
        "overlap|differ",
    ),
    "overlap of headers": (
        lambda b: b.zip_file([b.record("a", b"hello"), b.record("b", b"x", c_offset=10)]),
        CorruptError,
        "overlaps its neighbour at 10",
    ),
    "offset past the end": (
        lambda b: b.zip_file([b.record("a", b"hello", c_offset=10**6)]),
        CorruptError,
        "belong to no record",
    ),
    "local name differs": (
        lambda b: b.zip_file([b.record("a", b"x", l_name=b"b")]),
        CorruptError,
        "differ",
    ),
    "local size differs": (
        lambda b: b.zip_file([b.record("a", b"hello", l_size=4, l_packed=4)]),
        CorruptError,
        "differ",
    ),
    "local crc differs": (
        lambda b: b.zip_file([b.record("a", b"hello", l_crc=4)]),
        CorruptError,
        "differ",
    ),
    "local flags differ": (
        lambda b: b.zip_file([b.record("a", b"hello", l_flags=0x800)]),
        CorruptError,
        "differ",
    ),
    "local method differs": (
        lambda b: b.zip_file([b.record("a", b"hello", l_method=8)]),
        CorruptError,
        "differ",
    ),
    "late sizes differ": (
        lambda b: b.zip_file([b.record("a", b"hello", **LATE, tail=late(CRC, 5, 6))]),
        CorruptError,
        "belong to no record",
    ),
    "late sizes missing": (
        lambda b: b.zip_file([b.record("a", b"hello", **LATE)]),
        CorruptError,
        "belong to no record",
    ),
    "entry past the end": (
        lambda b: b.zip_file(
            [b.record("a", b"hello", l_size=99, l_packed=99, c_size=99, c_packed=99)]
        ),
        CorruptError,
        "overlap",
    ),
    "stored but sizes differ": (
        lambda b: b.zip_file([b.record("a", b"hello", l_size=9, c_size=9)]),
        CorruptError,
        "9 bytes stored as 5",
    ),
    "encrypted": (
        lambda b: b.zip_file([b.record("a", b"x", l_flags=1, c_flags=1)]),
        FormatError,
        "encrypted",
    ),
    "unknown flag": (
        lambda b: b.zip_file([b.record("a", b"x", l_flags=32, c_flags=32)]),
        FormatError,
        "flags 0x0020",
    ),
    "lzma": (
        lambda b: b.zip_file([b.record("a", b"x", l_method=14, c_method=14)]),
        FormatError,
        "method 14",
    ),
    "other disk": (
        lambda b: b.zip_file([b.record("a", b"x", c_disk=1)]),
        FormatError,
        "not supported",
    ),
    "end on other disk": (
        lambda b: b.zip_file([b.record("a", b"x")], disk=1),
        CorruptError,
        "other disks",
    ),
    "more records claimed": (
        lambda b: b.zip_file([b.record("a", b"x")], count=2),
        CorruptError,
        "fewer records",
    ),
    "fewer records claimed": (
        lambda b: b.zip_file([b.record("a", b"x"), b.record("b", b"y")], count=1),
        CorruptError,
        "directory ends at",
    ),
    "directory size lies": (
        lambda b: b.zip_file([b.record("a", b"x")], size=3),
        CorruptError,
        "should end at",
    ),
    "directory offset lies": (
        lambda b: b.zip_file([b.record("a", b"x")], offset=1),
        CorruptError,
        "should end at",
    ),
    "zip64 contradicts": (
        lambda b: b.zip_file([b.record("a", b"x")], wide=True, offset64=1),
        CorruptError,
        "zip64 record 1",
    ),
    "zip64 locator points elsewhere": (
        lambda b: b.zip_file([], wide=True).replace(
            struct.pack("<LQL", 0, 0, 1), struct.pack("<LQL", 0, 9, 1)
        ),
        CorruptError,
        "locator",
    ),
    "zip64 end record damaged": (
        lambda b: b.zip_file([b.record("a", b"x")], wide=True).replace(b"PK\6\6", b"PK\6\0"),
        CorruptError,
        "damaged",
    ),
    "64-bit sizes missing": (
        lambda b: b.zip_file([b.record("a", b"x", c_size=2**32 - 1)]),
        CorruptError,
        "64-bit sizes are missing",
    ),
    "64-bit sizes twice": (
        lambda b: b.zip_file(
            [b.record("a", b"x", c_size=2**32 - 1, c_extra=struct.pack("<2HQ", 1, 8, 1) * 2)]
        ),
        CorruptError,
        "two sets",
    ),
    "empty name": (lambda b: b.zip_file([b.record("", b"x")]), CorruptError, "empty or holds"),
    "NUL in name": (lambda b: b.zip_file([b.record("a\0b", b"x")]), CorruptError, "empty or holds"),
    "name not text": (
        lambda b: b.zip_file([b.record("a", b"x", c_name=b"\xff", l_name=b"\xff")]),
        CorruptError,
        "not text",
    ),
    "directory damaged": (
        lambda b: b.zip_file([b.record("a", b"x")]).replace(b"PK\1\2", b"PK\1\0"),
        CorruptError,
        "damaged at byte",
    ),
    "no local header": (
        lambda b: b.zip_file([b.record("a", b"x")]).replace(b"PK\3\4", b"PK\3\0"),
        CorruptError,
        "no local header",
    ),
    "deflate longer than said": (
        lambda b: b.zip_file([packed_record(b, bytes(99), l_size=98, c_size=98)]),
        CorruptError,
        "expand to 98",
    ),
    "deflate shorter than said": (
        lambda b: b.zip_file([packed_record(b, bytes(99), l_size=100, c_size=100)]),
        CorruptError,
        "expand to 100",
    ),
    "deflate damaged": (
        lambda b: b.zip_file([packed_record(b, b"x", packed=b"\xff" * 9, l_packed=9, c_packed=9)]),
        CorruptError,
        "Error -3",
    ),
    "deflate cut off": (
        lambda b: b.zip_file([resized(b, deflated(bytes(99))[:-1])]),
        CorruptError,
        "expand to",
    ),
    "junk after deflate": (
        lambda b: b.zip_file([resized(b, deflated(bytes(99)) + b"!")]),
        CorruptError,
        "expand to",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_contradictions_are_refused_with_their_reason(case, build):
    make, error, message = HOSTILE[case]
    with pytest.raises(error, match=message) as caught:
        records_of(make(build))
    assert type(caught.value) is error


def test_number_of_records_is_limited(build):
    data = build.zip_file([build.record(str(i), b"") for i in range(5)])
    with pytest.raises(LimitError, match="5 records; at most 4"):
        records_of(data, Limits(records=4))


def test_expansion_is_limited_before_it_happens(build):
    data = build.zip_file([packed_record(build, bytes(10**6))])
    with pytest.raises(LimitError, match="expands to 1000000; at most"):
        records_of(data, Limits(free_bytes=1000, inflate_factor=2))
    assert len(records_of(data)["a"]) == 10**6


def test_every_flipped_bit_of_the_data_is_found(build):
    data = build.zip_file([build.record("a", bytes(range(250)))])
    start = data.index(bytes(range(250)))
    for position in range(start, start + 250):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(CorruptError, match="fetch it again"):
            records_of(bytes(damaged))
