"""safetensors: what is read back is what was written; every malformed header is refused."""

import contextlib
import itertools
import os
import struct

import ml_dtypes
import numpy as np
import pytest

from sensorium.errors import (
    CorruptError,
    DTypeError,
    FormatError,
    LimitError,
    TruncatedError,
)
from sensorium.io import (
    Limits,
    load,
    load_metadata,
    load_safetensors,
    safetensors as st,
    save_safetensors,
)
from sensorium.io.dtypes import SAFETENSORS


def one(dtype="F32", shape=(1,), offsets=(0, 4), name="a"):
    return {name: {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


def spec(shape="[1]", offsets="[0,4]", dtype='"F32"'):
    return f'{{"a":{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}}}}}'.encode()


HALF = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}

# (bytes of the header or a dict, data, error, part of its message)
MALFORMED = {
    "not an object": (b"[]", b"", CorruptError, "begins with"),
    "space first": (b" {}", b"", CorruptError, "begins with"),
    "byte order mark": (b"\xef\xbb\xbf{}", b"", CorruptError, "begins with"),
    "not UTF-8": (b'{"\xff":1}', b"", CorruptError, "UTF-8"),
    "NUL padding": (b"{}\0\0", b"", CorruptError, "after its closing brace"),
    "newline padding": (b"{}\n", b"", CorruptError, "after its closing brace"),
    "second object": (b"{}{}", b"", CorruptError, "after its closing brace"),
    "unclosed": (b'{"a":', b"", CorruptError, "description expected"),
    "no colon": (b'{"a" 1}', b"", CorruptError, "':' expected"),
    "comma first": (b"{,}", b"", CorruptError, "name in quotes"),
    "comma last": (spec()[:-1] + b",}", b"1234", CorruptError, "name in quotes"),
    "no comma": (spec()[:-1] + b'"b":1}', b"1234", CorruptError, "',' or '}' expected"),
    "unquoted name": (b"{a:1}", b"", CorruptError, "name in quotes"),
    "raw newline in name": (b'{"a\nb":1}', b"", CorruptError, "name in quotes"),
    "bad escape": (b'{"\\x":1}', b"", CorruptError, "not valid JSON"),
    "lone surrogate": (b'{"\\ud800":1}', b"", CorruptError, "not valid JSON"),
    "number for a tensor": (b'{"a":1}', b"", CorruptError, "description expected"),
    "same tensor twice": (
        spec()[:-1] + b"," + spec(offsets="[4,8]")[1:],
        b"12345678",
        CorruptError,
        "'a' appears twice",
    ),
    "same tensor twice by escape": (
        spec()[:-1] + b"," + spec(offsets="[4,8]")[1:].replace(b'"a"', b'"\\u0061"'),
        b"12345678",
        CorruptError,
        "'a' appears twice",
    ),
    "same field twice": (
        spec(shape='[1],"shape":[1]'),
        b"1234",
        CorruptError,
        "not dtype, shape, data_offsets",
    ),
    "dtype twice": (
        spec(dtype='"F32","dtype":"F32"'),
        b"1234",
        CorruptError,
        "'dtype' appears twice",
    ),
    "metadata key twice": (
        b'{"__metadata__":{"k":"1","k":"2"}}',
        b"",
        CorruptError,
        "'k' appears twice",
    ),
    "metadata twice": (
        b'{"__metadata__":{},"__metadata__":{}}',
        b"",
        CorruptError,
        "'__metadata__' appears twice",
    ),
    "metadata number": (b'{"__metadata__":{"k":1}}', b"", CorruptError, "'k' is not a string"),
    "metadata without comma": (
        b'{"__metadata__":{"a":"b" "c":"d"}}',
        b"",
        CorruptError,
        "__metadata__: ',' or '}' expected",
    ),
    "metadata null": (b'{"__metadata__":null}', b"", CorruptError, "not an object"),
    "metadata unclosed": (b'{"__metadata__":{"k":"v"', b"", CorruptError, "expected at"),
    "unknown field": ({"a": {**HALF, "device": "cpu"}}, b"1234", CorruptError, "fields"),
    "missing field": (
        {"a": {"dtype": "F32", "shape": [], "strides": []}},
        b"",
        CorruptError,
        "fields",
    ),
    "unknown dtype": (one("F33"), b"1234", CorruptError, "unknown element type 'F33'"),
    "dtype number": (one(7), b"1234", CorruptError, "unknown element type 7"),
    "dtype below a byte": (one("F4", (8,)), b"1234", FormatError, "not supported"),
    "bool dimension": (spec("[true]"), b"1234", CorruptError, "shape"),
    "float dimension": (spec("[1.0]"), b"1234", CorruptError, "shape"),
    "string dimension": (spec('["1"]'), b"1234", CorruptError, "shape"),
    "negative dimensions": (spec("[-1,-1]"), b"1234", CorruptError, "shape"),
    "NaN dimension": (spec("[NaN]"), b"1234", CorruptError, "NaN"),
    "infinite dimension": (spec("[1e999]"), b"1234", CorruptError, "1e999"),
    "4301-digit dimension": (spec(f"[{'1' * 4301}]"), b"1234", CorruptError, "description"),
    "40-digit dimension": (spec(f"[{'1' * 40}]"), b"1234", CorruptError, "40 digits"),
    "nested shape": (spec("[[1]]"), b"1234", CorruptError, "not dtype, shape"),
    "deep nesting": (
        spec("[" * 10**5 + "]" * 10**5),
        b"1234",
        CorruptError,
        "description expected",
    ),
    "65 dimensions": (one(shape=[1] * 65), b"1234", LimitError, "65 dimensions"),
    "product overflows": (one(shape=[2**32, 2**32]), b"1234", LimitError, "exceeds any memory"),
    "zero hides overflow": (
        one(shape=[0, 2**64 - 1, 2], offsets=(0, 0)),
        b"",
        LimitError,
        "exceeds",
    ),
    "size is not the product": (one(shape=[2]), b"1234", CorruptError, "takes 8 bytes"),
    "offsets reversed": (one(offsets=(4, 0)), b"1234", CorruptError, "data_offsets"),
    "one offset": (one(offsets=(4,)), b"1234", CorruptError, "data_offsets"),
    "negative offset": (one(offsets=(-4, 0)), b"1234", CorruptError, "data_offsets"),
    "hole at the start": (one(offsets=(4, 8)), b"12345678", CorruptError, "leaves a hole"),
    "overlap": ({**one(), **one(name="b", offsets=(2, 6))}, b"123456", CorruptError, "overlaps"),
    "same bytes twice": ({**one(), **one(name="b")}, b"1234", CorruptError, "overlaps"),
    "trailing bytes": (one(), b"12345", CorruptError, "1 bytes follow"),
    "data cut off": (one(), b"123", TruncatedError, "take 4 bytes, the file holds 3"),
    "boolean 2": (one("BOOL", offsets=(0, 1)), b"\2", CorruptError, "other than 0 and 1"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_header_is_refused_with_its_reason(case, build):
    header, data, error, message = MALFORMED[case]
    with pytest.raises(error) as caught:
        st.read(memoryview(build.safetensors(header, data)))
    assert type(caught.value) is error
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", TruncatedError),
        (b"1234567", TruncatedError),
        (struct.pack("<Q", 0), CorruptError),
        (struct.pack("<Q", 1) + b"{", CorruptError),
        (struct.pack("<Q", 3) + b"{}", TruncatedError),
        (struct.pack("<Q", 10**8 + 1) + b"{}", LimitError),
        (struct.pack("<Q", 2**64 - 1) + b"{}", LimitError),
    ],
)
def test_header_length_is_checked_before_use(data, error):
    with pytest.raises(error):
        st.read(memoryview(data))


def test_header_beyond_the_file_says_both_ends():
    with pytest.raises(TruncatedError, match="header ends at byte 11, the file at 10"):
        st.read(memoryview(struct.pack("<Q", 3) + b"{}"))


def test_limits_bound_the_header(build):
    with pytest.raises(LimitError, match="at most 10 are read"):
        st.read(memoryview(build.safetensors(b"{}" + b" " * 20)), limits=Limits(header_bytes=10))


def test_error_names_file_tensor_and_offsets(build, put):
    path = put(build.safetensors(one(offsets=(4, 8), name="layer.w"), b"12345678"))
    with pytest.raises(CorruptError, match=r"checkpoint: tensor 'layer.w' .* begins at 4"):
        load(path)


@pytest.mark.parametrize("name", sorted(SAFETENSORS))
def test_every_type_and_shape_round_trips(name, tmp_path):
    dtype = SAFETENSORS[name]
    values = np.arange(12) % 2 if name in ("BOOL", "F8_E8M0") else np.arange(12)
    arrays = {
        "matrix": values.reshape(3, 4).astype(dtype),
        "scalar": values[1].astype(dtype).reshape(()),
        "empty": np.empty((0, 5), dtype),
        "strided": values.astype(dtype)[::3],
        "transposed": values.reshape(3, 4).astype(dtype).T,
    }
    save_safetensors(tmp_path / "a", arrays)
    loaded = load_safetensors(tmp_path / "a")
    assert list(loaded) == list(arrays)
    for key, array in arrays.items():
        assert loaded[key].dtype == dtype
        assert loaded[key].shape == array.shape
        assert loaded[key].flags.aligned
        assert loaded[key].tobytes() == array.tobytes()


def test_big_endian_arrays_are_written_little_endian():
    array = np.array([1, 2], ">i4")
    assert st.dumps({"a": array}) == st.dumps({"a": array.astype("<i4")})


def test_a_host_of_the_other_byte_order_swaps_before_writing(monkeypatch):
    """Here every number is native little-endian, so a host said to be big writes it reversed."""
    monkeypatch.setattr("sensorium.io.dtypes.sys.byteorder", "big")
    data = st.dumps({"a": np.array([1 + 2j], np.complex64)})
    assert data[-8:] == struct.pack(">2f", 1, 2)


def test_bytes_depend_on_the_arrays_and_their_order_only():
    a, b = np.ones(3, np.float16), np.ones(2, np.float64)
    assert st.dumps({"a": a, "b": b}) == st.dumps({"a": a.copy(), "b": b.copy()})
    assert list(st.read(memoryview(st.dumps({"b": b, "a": a})))) == ["b", "a"]


def test_metadata_round_trips(tmp_path):
    metadata = {"format": "np", 'quote"': "é\n{}"}
    save_safetensors(tmp_path / "a", {"w": np.zeros(1)}, metadata)
    assert load_metadata(tmp_path / "a") == metadata


def test_arrays_share_the_map_and_writing_to_them_leaves_the_file_alone(tmp_path):
    path = tmp_path / "a"
    save_safetensors(path, {"w": np.arange(1000, dtype=np.float32)})
    before = path.read_bytes()
    first, second = load_safetensors(path)["w"], load_safetensors(path)["w"]
    assert not first.flags.owndata
    first[:] = -1
    assert second[0] == 0
    assert path.read_bytes() == before


def test_saving_over_the_file_that_is_mapped_keeps_both(tmp_path):
    path = tmp_path / "a"
    save_safetensors(path, {"w": np.arange(10**5)})
    mapped = load_safetensors(path)
    mapped["w"] += 1
    save_safetensors(path, mapped)
    np.testing.assert_array_equal(load_safetensors(path)["w"], np.arange(10**5) + 1)
    np.testing.assert_array_equal(mapped["w"], np.arange(10**5) + 1)


def test_unaligned_data_is_copied_not_refused(build):
    header = one("F64", offsets=(0, 8))
    for padding in range(8):
        raw = build.safetensors(
            str(header).replace("'", '"').encode() + b" " * padding, struct.pack("<d", 2.5)
        )
        array = st.read(memoryview(raw))["a"]
        assert array.flags.aligned
        assert array[0] == 2.5


@pytest.mark.parametrize(
    ("arrays", "error"),
    [
        ({"a": np.zeros(1, np.complex128)}, DTypeError),
        ({"a": np.array(["x"])}, DTypeError),
        ({"a": np.array([None])}, DTypeError),
        ({"a": np.zeros(1, "M8[s]")}, DTypeError),
        ({"a": np.zeros(1, ml_dtypes.int4)}, DTypeError),
        ({1: np.zeros(1)}, DTypeError),
        ({"__metadata__": np.zeros(1)}, FormatError),
        ({"\ud800": np.zeros(1)}, FormatError),
    ],
)
def test_what_the_format_lacks_is_refused_and_writes_nothing(arrays, error, tmp_path):
    with pytest.raises(error):
        save_safetensors(tmp_path / "a", arrays)
    assert os.listdir(tmp_path) == []


def test_metadata_must_be_strings(tmp_path):
    with pytest.raises(DTypeError, match="3 is not a string"):
        save_safetensors(tmp_path / "a", {}, {"step": 3})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f4", "c8", ml_dtypes.bfloat16, ml_dtypes.float8_e5m2])
def test_check_finite_names_tensor_and_index(value, dtype, tmp_path):
    array = np.zeros((2, 3), dtype)
    array[1, 2] = value
    save_safetensors(tmp_path / "a", {"fine": np.zeros(2, np.int8), "w": array})
    load(tmp_path / "a")
    with pytest.raises(FormatError, match=r"w\[1, 2\] is "):
        load(tmp_path / "a", check_finite=True)


# -- against the reference implementation --------------------------------------------------------
OURS_STRICTER = {
    "space first", "same tensor twice", "same tensor twice by escape", "metadata key twice",
    "metadata twice", "unknown field", "65 dimensions", "zero hides overflow", "boolean 2",
    "dtype below a byte", "newline padding", "metadata null",
}  # fmt: skip


@pytest.mark.peer
def test_reference_refuses_what_we_refuse_but_for_a_written_list(build):
    official = pytest.importorskip("safetensors")
    accepted = set()
    for case, (header, data, _, _) in MALFORMED.items():
        with contextlib.suppress(official.SafetensorError):
            official.deserialize(build.safetensors(header, data))
            accepted.add(case)
    assert accepted <= OURS_STRICTER, accepted - OURS_STRICTER


@pytest.mark.peer
def test_reference_reads_what_we_write(tmp_path):
    official = pytest.importorskip("safetensors")
    arrays = {
        f"{name}.{count}": np.zeros((count, 2), SAFETENSORS[name])
        for name, count in itertools.product(SAFETENSORS, (0, 1, 3))
    }
    read = dict(official.deserialize(st.dumps(arrays, {"k": "v"})))
    assert read.keys() == arrays.keys()
    for key, array in arrays.items():
        assert read[key]["dtype"] == key.split(".")[0]
        assert read[key]["shape"] == list(array.shape)
        assert bytes(read[key]["data"]) == array.tobytes()


@pytest.mark.peer
def test_we_read_what_the_reference_writes(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    arrays = {"b": np.arange(5.0), "a": np.ones((2, 2), np.float16), "e": np.empty((0,), np.int8)}
    numpy.save_file(arrays, tmp_path / "a", metadata={"x": "y"})
    loaded = load_safetensors(tmp_path / "a")
    assert loaded.keys() == arrays.keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(loaded[key], array, strict=True)
    assert load_metadata(tmp_path / "a") == {"x": "y"}
