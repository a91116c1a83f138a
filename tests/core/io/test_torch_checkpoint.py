"""PyTorch's two containers: tensors where their strides say, and only inside their storages."""

import struct
import sys

import numpy as np
import pytest

from sensorium.errors import (
    CorruptError,
    FormatError,
    LimitError,
    TruncatedError,
)
from sensorium.io import Limits, load, load_object, load_state_dict
from sensorium.io.torch_checkpoint import read_object

SIX = struct.pack("<6f", *range(6))


def read(data, **options):
    return read_object(memoryview(data), **options)


def view(build, size, stride, offset=0, count=6, data=SIX, container="zip"):
    """A tensor over the six floats 0..5, through either container."""
    if container == "zip":
        pickle = build.pkl(build.tensor("FloatStorage", "0", count, offset, size, stride))
        return build.torch_zip(pickle, {"0": data})
    pickle = build.pkl(build.tensor("FloatStorage", "0", count, offset, size, stride, b"N"))
    return build.torch_stream(pickle, {"0": (count, data)})


@pytest.mark.parametrize("container", ["zip", "stream"])
@pytest.mark.parametrize(
    ("size", "stride", "offset", "expected"),
    [
        ((2, 3), (3, 1), 0, [[0, 1, 2], [3, 4, 5]]),
        ((3, 2), (1, 3), 0, [[0, 3], [1, 4], [2, 5]]),
        ((2,), (2,), 1, [1, 3]),
        ((), (), 5, 5),
        ((2, 2), (0, 1), 4, [[4, 5], [4, 5]]),
        ((3, 2), (1, 1), 0, [[0, 1], [1, 2], [2, 3]]),
        ((0, 4), (4, 1), 0, np.empty((0, 4))),
        ((0,), (1,), 6, np.empty(0)),
        ((1, 1), (10**30, 10**30), 3, [[3]]),
    ],
)
def test_strided_views_are_read(container, size, stride, offset, expected, build):
    array = read(view(build, size, stride, offset, container=container))
    np.testing.assert_array_equal(array, np.asarray(expected, np.float32), strict=True)
    assert array.flags.aligned


@pytest.mark.parametrize("container", ["zip", "stream"])
@pytest.mark.parametrize(
    ("size", "stride", "offset", "error"),
    [
        ((7,), (1,), 0, CorruptError),
        ((6,), (1,), 1, CorruptError),
        ((2, 3), (4, 1), 0, CorruptError),
        ((2,), (6,), 0, CorruptError),
        ((), (), 6, CorruptError),
        ((2,), (-1,), 1, CorruptError),
        ((-1,), (1,), 0, CorruptError),
        ((-1, -6), (1, 1), 0, CorruptError),
        ((2,), (1,), -1, CorruptError),
        ((2, 3), (3,), 0, CorruptError),
        ((2,), (2**63,), 0, CorruptError),
        ((2,), (2**64,), 0, CorruptError),
        ((2,), (1,), 2**64, CorruptError),
        ((2**31, 2**31), (0, 0), 0, LimitError),
        ((2**62, 4), (0, 0), 0, LimitError),
        ((0, 2**63), (1, 1), 0, LimitError),
        ((2**40,), (0,), 0, LimitError),
        ((1,) * 65, (1,) * 65, 0, LimitError),
    ],
)
def test_views_outside_their_storage_are_refused(container, size, stride, offset, error, build):
    with pytest.raises(error) as caught:
        read(view(build, size, stride, offset, container=container))
    assert type(caught.value) is error


def test_bytes_of_all_views_together_are_limited(build):
    one = build.tensor("FloatStorage", "0", 6, 0, (1000,), (0,))
    data = build.torch_zip(build.pkl(b"](" + one * 3 + b"e"), {"0": SIX})
    assert len(read(data)) == 3
    with pytest.raises(LimitError, match="span more bytes"):
        read(data, limits=Limits(free_bytes=0, view_factor=2))


@pytest.mark.parametrize("container", ["zip", "stream"])
def test_small_state_dict_is_read(container, build, put):
    data = build.small_zip() if container == "zip" else build.small_stream()
    for loaded in (load(put(data)), load_state_dict(put(data)), load_object(put(data))):
        assert list(loaded) == ["w", "t", "n"]
        np.testing.assert_array_equal(loaded["w"], [[0, 1, 2], [3, 4, 5]])
        np.testing.assert_array_equal(loaded["t"], loaded["w"].T)
        assert np.shares_memory(loaded["w"], loaded["t"])
        assert loaded["n"] == 7
        assert loaded["n"].dtype == np.int64


def test_arrays_are_views_of_the_map_and_leave_the_file_alone(build, put):
    data = build.torch_zip(
        build.pkl(build.tensor("ByteStorage", "0", 4096, 0, (4096,), (1,))), {"0": bytes(4096)}
    )
    path = put(data)
    load_object(path)[:] = 1
    assert path.read_bytes() == data


# -- the zip container ---------------------------------------------------------------------------
def archive(build, *, drop=(), more=(), rename=None):
    records = [
        record for record in build.torch_records(build.small_pickle(), build.SMALL)
        if record[1]["name"].decode() not in drop
    ]  # fmt: skip
    return build.zip_file(records + [build.record(name, data) for name, data in more])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"drop": ["archive/data/1"]}, CorruptError, "record 'data/1' is missing"),
        ({"more": [("b/data.pkl", b"")]}, CorruptError, "2 records named data.pkl"),
        ({"more": [("other/x", b"")]}, CorruptError, "lies outside 'archive/'"),
        ({"more": [("archive/constants.pkl", b"")]}, FormatError, "TorchScript"),
        ({"more": [("archive/code/a.py", b"")]}, FormatError, "TorchScript"),
        (
            {"drop": ["archive/byteorder"], "more": [("archive/byteorder", b"middle")]},
            CorruptError,
            "byteorder says b'middle'",
        ),
    ],
)
def test_wrong_records_are_refused(change, error, message, build):
    with pytest.raises(error, match=message):
        read(archive(build, **change))


def test_records_that_torch_adds_are_ignored(build):
    more = [("archive/.data/serialization_id", b"123"), ("archive/.format_version", b"1")]
    assert len(read(archive(build, drop=["archive/byteorder"], more=more))) == 3


def test_compressed_records_are_refused(build):
    records = [*build.torch_records(build.small_pickle(), build.SMALL)]
    records.append(build.record("archive/x", b"", l_method=8, c_method=8))
    with pytest.raises(FormatError, match="'archive/x' is compressed"):
        read(build.zip_file(records))


def test_bytes_after_the_pickle_are_refused(build):
    with pytest.raises(CorruptError, match=r"goes on after its end at byte 4"):
        read(build.torch_zip(build.pkl(b"N") + b"N", {}))


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "9", ""])
def test_storage_keys_are_names_of_records_and_nothing_else(key, build):
    pickle = build.pkl(build.tensor("FloatStorage", key, 6, 0, (6,), (1,)))
    with pytest.raises(CorruptError, match="is missing"):
        read(build.torch_zip(pickle, {"0": SIX}))


def persistent(build, *parts):
    return build.call(
        "torch._utils", "_rebuild_tensor", build.tup(*parts) + b"Q", b"K\0", b")", b")"
    )


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ("sFkcn", None),
        ("mFkcn", "other than a storage"),
        ("sFkc", "other than a storage"),
        ("sFkcnn", "other than a storage"),
        ("sNkcn", "known element type"),
        ("sFNcn", "neither text nor a number"),
        ("sFkcN", "number of elements"),
        ("sFkc-", "number of elements"),
        ("sFkct", "number of elements"),
        ("sFkc7", "its record holds 24"),
    ],
)
def test_persistent_ids_are_checked(parts, message, build):
    spelled = {
        "s": build.text("storage"), "m": build.text("module"), "k": build.text("0"), "N": b"N",
        "F": build.name("torch", "FloatStorage"), "c": build.text("cpu"), "n": b"K\6", "7": b"K\7",
        "-": build.num(-1), "t": b"\x88",
    }  # fmt: skip
    data = build.torch_zip(build.pkl(persistent(build, *map(spelled.get, parts))), {"0": SIX})
    if message is None:
        assert read(data) == 0
    else:
        with pytest.raises(FormatError, match=message):
            read(data)


@pytest.mark.parametrize("container", ["zip", "stream"])
def test_storage_used_with_two_types_is_refused(container, build):
    none = None if container == "zip" else b"N"
    pickle = build.pkl(
        b"(" + build.tensor("FloatStorage", "0", 6, 0, (6,), (1,), none)
        + build.tensor("IntStorage", "0", 6, 0, (6,), (1,), none) + b"t"
    )  # fmt: skip
    make = build.torch_zip if container == "zip" else build.torch_stream
    with pytest.raises(CorruptError, match="6 x float32 and elsewhere 6 x int32"):
        read(make(pickle, {"0": SIX if container == "zip" else (6, SIX)}))


def test_big_endian_checkpoints_are_read(build):
    records = list(build.torch_records(
        build.pkl(build.tensor("FloatStorage", "0", 6, 0, (2, 3), (3, 1))),
        {"0": struct.pack(">6f", *range(6))},
    ))  # fmt: skip
    records[1] = build.record("archive/byteorder", b"big")
    np.testing.assert_array_equal(read(build.zip_file(records)), np.arange(6.0).reshape(2, 3))
    pickle = build.pkl(build.tensor("ComplexFloatStorage", "0", 1, 0, (), (), b"N"))
    stream = build.torch_stream(
        pickle, {"0": (0, b"")}, system=build.pkl(build.mapping(little_endian=b"\x89"))
    ).removesuffix(bytes(8))
    stream += struct.pack(">q2f", 1, 1, 2)
    assert read(stream) == 1 + 2j


def test_element_types_without_a_storage_class_are_read(build):
    """uint16 and the 8-bit floats travel as bytes and name their type in the tensor."""
    pickle = build.pkl(build.call(
        "torch._utils", "_rebuild_tensor_v3", build.storage("UntypedStorage", "0", 4),
        b"K\0", build.nums(2), build.nums(1), b"\x89", build.ORDERED, build.name("torch", "uint16"),
    ))  # fmt: skip
    data = build.torch_zip(pickle, {"0": struct.pack("<2H", 1, 65535)})
    np.testing.assert_array_equal(read(data), np.array([1, 65535], np.uint16), strict=True)


def test_boolean_bytes_are_checked(build):
    pickle = build.pkl(build.tensor("BoolStorage", "0", 2, 0, (2,), (1,)))
    assert read(build.torch_zip(pickle, {"0": b"\0\1"})).tolist() == [False, True]
    with pytest.raises(CorruptError, match="boolean"):
        read(build.torch_zip(pickle, {"0": b"\0\2"}))


@pytest.mark.parametrize("bit", ["conj", "neg"])
def test_lazy_bits_are_carried_out(bit, build):
    pickle = build.pkl(build.call(
        "torch._utils", "_rebuild_tensor_v2", build.storage("ComplexFloatStorage", "0", 1),
        b"K\0", b")", b")", b"\x89", build.ORDERED, b"}" + build.text(bit) + b"\x88s",
    ))  # fmt: skip
    value = read(build.torch_zip(pickle, {"0": struct.pack("<2f", 1, 2)}))
    assert value == (1 - 2j if bit == "conj" else -1 - 2j)
    assert type(value) is np.ndarray


# -- the old stream ------------------------------------------------------------------------------
def test_storage_that_is_part_of_another_is_read(build):
    part = build.tup(build.text("p"), b"K\2", b"K\3")
    pickle = build.pkl(build.tensor("FloatStorage", "0", 6, 1, (2,), (1,), part))
    np.testing.assert_array_equal(read(build.torch_stream(pickle, {"0": (6, SIX)})), [3, 4])


@pytest.mark.parametrize(
    ("part", "size", "message"),
    [
        ((b"K\5", b"K\2"), 1, "of 6 elements"),
        ((b"K\2", b"K\3"), 4, "reach element 3"),
        ((b"N", b"K\3"), 1, "not made of numbers"),
        ((b"J\xff\xff\xff\xff", b"K\3"), 1, "not made of numbers"),
        ((b"K\0",), 1, "not \\(key"),
    ],
)
def test_part_must_lie_inside_the_whole(part, size, message, build):
    piece = build.tup(build.text("p"), *part)
    pickle = build.pkl(build.tensor("FloatStorage", "0", 6, 0, (size,), (1,), piece))
    with pytest.raises(CorruptError, match=message):
        read(build.torch_stream(pickle, {"0": (6, SIX)}))


@pytest.mark.parametrize(
    ("storages", "after", "error", "message"),
    [
        ({"0": (6, SIX)}, b"x", CorruptError, "1 bytes follow"),
        ({"0": (6, SIX[:-1])}, b"", TruncatedError, "ends at byte"),
        ({"0": (5, SIX)}, b"", CorruptError, "6 elements declared, 5 stored"),
        ({"0": (-1, SIX)}, b"", CorruptError, "6 elements declared"),
        ({}, b"", CorruptError, "storage keys"),
        ({"0": (6, SIX), "1": (6, SIX)}, b"", CorruptError, "storage keys"),
        ({"1": (6, SIX)}, b"", CorruptError, "storage keys"),
    ],
)
def test_stream_ends_where_its_storages_end(storages, after, error, message, build):
    pickle = build.pkl(build.tensor("FloatStorage", "0", 6, 0, (6,), (1,), b"N"))
    with pytest.raises(error, match=message):
        read(build.torch_stream(pickle, storages, after=after))


def test_other_protocol_of_the_stream_is_refused(build):
    with pytest.raises(CorruptError, match="protocol"):
        read(build.small_stream().replace(build.PROTOCOL, b"\x80\2M\xe8\3.", 1))


def test_storage_outside_the_object_is_refused(build):
    system = build.pkl(build.storage("FloatStorage", "0", 6, b"N"))
    with pytest.raises(CorruptError, match="storage where none can be"):
        read(build.small_stream().replace(build.SYSTEM, system, 1))


# -- state dicts inside --------------------------------------------------------------------------
def nested(build):
    tensor = build.tensor("FloatStorage", "0", 6, 0, (6,), (1,))
    inner = build.mapping(a=tensor, b=tensor)
    return build.torch_zip(
        build.pkl(build.mapping(epoch=b"K\3", state_dict=inner, deep=build.mapping(model=inner))),
        {"0": SIX},
    )


def test_nothing_is_unwrapped_by_guessing(build, put):
    path = put(nested(build), "run.pth")
    message = (
        r"run.pth: holds \{'epoch': int, 'state_dict': dict of 2 tensors.*pass key='state_dict'"
    )
    for reader in (load, load_state_dict):
        with pytest.raises(FormatError, match=message):
            reader(path)
        assert list(reader(path, key="state_dict")) == ["a", "b"]
        assert list(reader(path, key=["deep", "model"])) == ["a", "b"]
        with pytest.raises(FormatError, match="no key 'ema' in"):
            reader(path, key="ema")
        with pytest.raises(FormatError, match="holds a int, not a state dict"):
            reader(path, key="epoch")
    assert load_object(path)["epoch"] == 3


def test_single_tensor_is_no_state_dict(build, put):
    with pytest.raises(FormatError, match=r"a tensor of shape \(2, 3\), not a state dict"):
        load(put(view(build, (2, 3), (3, 1))))


def test_description_of_what_is_not_a_state_dict(build, put):
    tensor = build.tensor("FloatStorage", "0", 6, 0, (6,), (1,))
    body = build.mapping(w=tensor, step=b"K\1", **{f"k{i}": b"N" for i in range(30)})
    path = put(build.torch_zip(build.pkl(body), {"0": SIX}))
    with pytest.raises(
        FormatError, match=r"'w': tensor \(6,\), 'step': int.* and 12 more.*load_object"
    ):
        load(path)
    with pytest.raises(FormatError, match="no key 'x' in 2 tensors"):
        load(put(nested(build)), key=["state_dict", "x"])


def test_key_is_for_checkpoints_that_nest(build, put):
    with pytest.raises(FormatError, match="only PyTorch checkpoints nest"):
        load(put(build.safetensors({})), key="x")


def test_reading_is_the_same_on_a_host_of_the_other_byte_order(build, monkeypatch):
    """The host's order only decides whether bytes are swapped."""
    other = "big" if sys.byteorder == "little" else "little"
    monkeypatch.setattr("sensorium.io.dtypes.sys.byteorder", other)
    array = read(view(build, (6,), (1,)))
    np.testing.assert_array_equal(array.view(np.uint32).byteswap().view(np.float32), np.arange(6.0))
