"""NumPy's files: what NumPy wrote is read, what it would only read with pickle is refused."""

import io
import os

import ml_dtypes
import numpy as np
import pytest

from sensorium.errors import (
    CorruptError,
    DTypeError,
    FormatError,
    LimitError,
    TruncatedError,
    UnsafeContentError,
)
from sensorium.io import Limits, load, load_npy, load_npz, save_npz
from sensorium.io.npz import read_npy

DTYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")


def saved(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return memoryview(file.getvalue())


@pytest.mark.parametrize("code", DTYPES)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 4)])
def test_what_numpy_saves_is_read(code, order, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(order + code)
    for version in (array, np.asfortranarray(array)):
        loaded = read_npy(saved(version))
        assert loaded.dtype == np.dtype(code)
        assert loaded.dtype.isnative
        np.testing.assert_array_equal(loaded, array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_header_version_is_read(version):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.arange(3), version=version)
    np.testing.assert_array_equal(read_npy(memoryview(file.getvalue())), np.arange(3))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_of_numpy_are_read(save, tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "deep/b": np.array(True)}
    save(tmp_path / "x.npz", **arrays)
    for loaded in (load_npz(tmp_path / "x.npz"), load(tmp_path / "x.npz")):
        assert loaded.keys() == arrays.keys()
        for key, array in arrays.items():
            np.testing.assert_array_equal(loaded[key], array, strict=True)
            assert loaded[key].flags.writeable
            assert loaded[key].flags.aligned


def test_numpy_reads_what_we_write(tmp_path):
    arrays = {code: np.ones((2, 2), code) for code in DTYPES}
    save_npz(tmp_path / "x", arrays)
    first = (tmp_path / "x").read_bytes()
    with np.load(tmp_path / "x", allow_pickle=False) as loaded:
        assert {key: loaded[key].tolist() for key in loaded} == {
            key: array.tolist() for key, array in arrays.items()
        }
    save_npz(tmp_path / "x", load_npz(tmp_path / "x"))  # onto its own map
    assert (tmp_path / "x").read_bytes() == first


@pytest.mark.parametrize(
    "array", [np.array(["x"]), np.array([None]), np.zeros(1, ml_dtypes.bfloat16), np.zeros(1, "V2")]
)
def test_types_that_npz_lacks_are_refused(array, tmp_path):
    with pytest.raises(DTypeError, match="'a'"):
        save_npz(tmp_path / "x", {"a": array})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["", "a\0", 1])
def test_names_that_a_zip_cannot_hold_are_refused(name, tmp_path):
    with pytest.raises(DTypeError, match="non-empty string"):
        save_npz(tmp_path / "x", {name: np.zeros(1)})


def header(descr="'<f4'", order="False", shape="(1,)", more=""):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, {more}}}"


MALFORMED = {
    "objects": (header("'|O'"), UnsafeContentError, "Python objects"),
    "text": (header("'<U3'"), FormatError, "not a plain number"),
    "record": (header("[('x', '<f4')]"), FormatError, "not a plain number"),
    "long double": (header("'<f16'"), FormatError, "not a plain number"),
    "void": (header("'|V2147483648'"), FormatError, "not a plain number"),
    "date": (header("'<M8[s]'"), FormatError, "not a plain number"),
    "junk first": (" " + header(), CorruptError, "damaged"),
    "negative": (header(shape="(-1,)"), CorruptError, "damaged"),
    "boolean dimension": (header(shape="(True,)"), CorruptError, "damaged"),
    "list shape": (header(shape="[1]"), CorruptError, "damaged"),
    "call": (header(shape="(print(1),)"), CorruptError, "damaged"),
    "arithmetic": (header(shape="(9**9**9,)"), CorruptError, "damaged"),
    "huge": (header(shape="(9223372036854775807, 9223372036854775807)"), LimitError, "exceeds"),
    "zero hides huge": (header(shape="(0, 9223372036854775807)"), LimitError, "exceeds"),
    "200 GiB": (header(shape="(53687091200,)"), TruncatedError, "214748364800 bytes expected"),
    "65 dimensions": (header(shape="(" + "1," * 65 + ")"), LimitError, "65 dimensions"),
    "deep": ("{" + "(" * 9000, CorruptError, "damaged"),
    "long": (header(more=" " * 60000), LimitError, "header of 60"),
    "extra field": (header(more="'x': True"), CorruptError, "damaged"),
    "field twice": (header(more="'shape': (1,)"), CorruptError, "'shape' appears twice"),
    "field missing": ("{'descr': '<f4', 'shape': (1,)}", CorruptError, "damaged"),
    "fields swapped": (header(order="'<f4'"), CorruptError, "damaged"),
    "shape is text": (header(shape="'(1,)'"), CorruptError, "damaged"),
    "order is a shape": (header(order="(1,)"), CorruptError, "damaged"),
    "empty": ("", CorruptError, "damaged"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_header_is_refused_with_its_reason(case, build):
    text, error, message = MALFORMED[case]
    data = build.npy(text, b"1234", version=2)
    with pytest.raises(error, match=message) as caught:
        read_npy(memoryview(data))
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", TruncatedError, "cut off"),
        (b"\x93NUM", TruncatedError, "cut off"),
        (b"\x93NUMPX\1\0\0\0\0\0", FormatError, "no .npy header"),
        (b"\x93NUMPY\4\0\0\0\0\0", FormatError, "version 4.0"),
        (b"\x93NUMPY\1\0\xff\0\0\0", TruncatedError, "cut off in the header"),
    ],
)
def test_bytes_that_are_no_npy_are_refused(data, error, message):
    with pytest.raises(error, match=message):
        read_npy(memoryview(data))


def test_size_must_be_exact(build):
    with pytest.raises(TruncatedError, match="4 bytes expected, 3 are there"):
        read_npy(memoryview(build.npy_of("<f4", "(1,)", b"123")))
    with pytest.raises(CorruptError, match="1 bytes follow"):
        read_npy(memoryview(build.npy_of("<f4", "(1,)", b"12345")))
    with pytest.raises(CorruptError, match="boolean"):
        read_npy(memoryview(build.npy_of("|b1", "(1,)", b"\2")))


def test_python_2_headers_are_read(build):
    data = build.npy_of("<f4", "(1L,)", b"\0\0\x80?")
    np.testing.assert_array_equal(read_npy(memoryview(data)), [1.0])


def test_member_that_is_no_array_is_refused(build, put):
    good = build.npy_of("|b1", "(1,)", b"\1")
    archive = [build.record("a.npy", good), build.record("__MACOSX/._a", b"x")]
    with pytest.raises(FormatError, match=r"'__MACOSX/._a' is not an .npy"):
        load_npz(put(build.zip_file(archive)))
    with pytest.raises(UnsafeContentError, match=r"checkpoint: b.npy: .*Python objects"):
        load_npz(put(build.zip_file([build.record("b.npy", bytes(saved(np.array([None]))))])))


def test_deflate_bomb_is_refused_before_it_expands(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(10**6, np.int8))
    with pytest.raises(LimitError, match="expands to 1000"):
        load_npz(tmp_path / "x.npz", limits=Limits(free_bytes=10**5))


def test_single_array_has_its_own_reader(tmp_path, put):
    path = put(bytes(saved(np.arange(3))))
    np.testing.assert_array_equal(load_npy(path), np.arange(3))
    with pytest.raises(FormatError, match="load_npy"):
        load(path)
