"""CTranslate2's model.bin: files written here by hand from the format's description are read back;
every cut and every contradiction is a typed error."""

import struct

import ml_dtypes
import numpy as np
import pytest

from sensorium.errors import CorruptError, FormatError, LimitError, TruncatedError
from sensorium.io import Limits, detect, load, load_ctranslate2
from sensorium.io.ctranslate2 import read_ctranslate2

CODES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4, "bfloat16": 5}


def text(value):
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def variable(name, array, code=None, size=None):
    code = CODES[array.dtype.name] if code is None else code
    head = text(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    size = array.nbytes if size is None else size
    return head + struct.pack("<BI", code, size) + array.tobytes()


def model(*variables, aliases=(), version=6, count=None, spec="WhisperSpec"):
    count = len(variables) if count is None else count
    data = struct.pack("<I", version) + text(spec) + struct.pack("<II", 3, count)
    pairs = b"".join(text(a) + text(b) for a, b in aliases)
    return data + b"".join(variables) + struct.pack("<I", len(aliases)) + pairs


def read(data, **options):
    return read_ctranslate2(memoryview(data), **options)


W = np.arange(6, dtype=np.float16).reshape(2, 3)
SMALL = model(variable("a/w", W), variable("n", np.array(4, np.int8)), aliases=[("b", "a/w")])


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 4)])
@pytest.mark.parametrize("version", [4, 5, 6])
def test_every_type_and_shape_is_read(name, shape, version):
    dtype = np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    found = read(model(variable("odd", array), variable("x", array), version=version))
    for key in ("odd", "x"):
        np.testing.assert_array_equal(found[key], array, strict=True)
        assert found[key].flags.aligned


def test_an_alias_is_the_same_array_and_brings_its_scale(put):
    scale = np.ones(2, np.float32)
    data = model(variable("w", W.astype(np.int8)), variable("w_scale", scale), aliases=[("v", "w")])
    path = put(data, "model.bin")
    for found in (load(path), load_ctranslate2(path)):
        assert found["v"] is found["w"]
        assert found["v_scale"] is found["w_scale"]
    assert detect(path) == "ctranslate2"


def test_every_cut_is_told():
    for stop in range(len(SMALL)):
        with pytest.raises(TruncatedError, match="expected at byte"):
            read(SMALL[:stop])


def test_every_changed_byte_is_read_or_a_format_error():
    for place in range(len(SMALL)):
        for value in (0, 1, 0x7F, 0xFF):
            data = bytearray(SMALL)
            data[place] = value
            try:
                read(bytes(data))
            except FormatError:
                continue


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (model(version=3), FormatError, "version 3"),
        (model(version=7), FormatError, "version 7"),
        (model(variable("w", W), variable("w", W)), CorruptError, "'w' appears twice"),
        (model(variable("w", W), aliases=[("w", "w")]), CorruptError, "'w' appears twice"),
        (model(variable("w", W), aliases=[("v", "u")]), CorruptError, "'u', which is no variable"),
        (model(variable("w", W, code=9)), CorruptError, "element type 9"),
        (model(variable("w", W, code=0)), CorruptError, "24 bytes, not 12"),
        (model(variable("w", W, size=11)), CorruptError, "12 bytes, not 11"),
        (SMALL + b"\0", CorruptError, "1 bytes follow"),
        (model(count=2**31), LimitError, "variables"),
        (model(spec="a\0Spec"), CorruptError, "NUL"),
    ],
)
def test_contradictions_are_named(data, kind, words):
    with pytest.raises(kind, match=words):
        read(data)


def test_limits_are_the_caller_s():
    assert len(read(SMALL, limits=Limits(records=2))) == 3
    with pytest.raises(LimitError, match="at most 1"):
        read(SMALL, limits=Limits(records=1))


def test_a_shape_beyond_memory_is_refused():
    head = (
        text("w") + struct.pack("<B4I", 4, *[2**32 - 1] * 4) + struct.pack("<BI", 0, 4) + bytes(4)
    )
    with pytest.raises(LimitError, match="exceeds any memory"):
        read(model(head))


def test_messages_begin_with_the_file(put):
    path = put(SMALL[:-1], "model.bin")
    with pytest.raises(TruncatedError, match=r"model\.bin: the target of alias 0"):
        load(path)
