"""Stored tensors of ONNX files: messages written byte by byte, damage, and onnx's own files."""

from __future__ import annotations

from contextlib import suppress

import ml_dtypes
import numpy as np
import pytest

from sensorium.errors import CorruptError, FormatError, LimitError, TruncatedError
from sensorium.io.limits import Limits
from sensorium.io.onnx_weights import DTYPES, load_onnx_weights, read_onnx_weights


def varint(number):
    number &= (1 << 64) - 1
    groups = [number & 127]
    while number := number >> 7:
        groups[-1] |= 128
        groups.append(number & 127)
    return bytes(groups)


def number(field, value):
    return varint(field << 3) + varint(value)


def block(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor(name, dims, code, *rest):
    shape = b"".join(number(1, d) for d in dims)
    return shape + number(2, code) + block(8, name.encode()) + b"".join(rest)


def model(*tensors):
    graph = block(2, b"net") + b"".join(block(5, t) for t in tensors)
    return memoryview(number(1, 8) + block(2, b"test") + block(7, graph))


def same(array, want):
    assert array.dtype == want.dtype and array.shape == want.shape
    assert array.tobytes() == want.tobytes()


@pytest.mark.parametrize("code", DTYPES)
def test_raw_numbers_of_every_type(code):
    want = np.array([[1, 0, 1], [0, 0, 1]]).astype(DTYPES[code])
    data = model(tensor("w", (2, 3), code, block(9, want.tobytes())))
    same(read_onnx_weights(data)["w"], want)


@pytest.mark.parametrize(
    ("code", "field", "packed", "want"),
    [
        (1, 4, np.float32([1.5, -2]).tobytes(), np.float32([1.5, -2])),
        (11, 10, np.float64([1.5, -2]).tobytes(), np.float64([1.5, -2])),
        (14, 4, np.float32([1, 2, 3, 4]).tobytes(), np.complex64([1 + 2j, 3 + 4j])),
        (3, 5, varint(5) + varint(-3), np.int8([5, -3])),
        (6, 5, varint(70_000) + varint(-1), np.int32([70_000, -1])),
        (7, 7, varint(1 << 40) + varint(-9), np.int64([1 << 40, -9])),
        (13, 11, varint((1 << 64) - 1) + varint(1), np.uint64([(1 << 64) - 1, 1])),
        (10, 5, varint(0x3C00) + varint(0xC000), np.float16([1, -2])),
        (16, 5, varint(0x3F80) + varint(0xC000), np.array([1, -2], ml_dtypes.bfloat16)),
        (9, 5, varint(1) + varint(0), np.array([True, False])),
    ],
)
def test_typed_numbers(code, field, packed, want):
    same(read_onnx_weights(model(tensor("w", (2,), code, block(field, packed))))["w"], want)


def test_sizes_and_numbers_may_be_packed_or_stand_alone():
    packed = block(1, varint(1) + varint(2)) + number(2, 7) + block(8, b"a") + block(7, b"\5\6")
    alone = tensor("b", (1, 2), 7, number(7, 5), number(7, 6))
    arrays = read_onnx_weights(model(packed, alone))
    assert arrays["a"].tolist() == arrays["b"].tolist() == [[5, 6]]


def test_a_number_and_an_empty_array():
    arrays = read_onnx_weights(
        model(tensor("s", (), 1, block(9, np.float32(3).tobytes())), tensor("e", (0, 4), 1))
    )
    assert arrays["s"].shape == () and arrays["s"] == 3 and arrays["e"].shape == (0, 4)


def test_fields_that_are_not_known_are_passed_over():
    strange = varint(99 << 3 | 1) + bytes(8) + varint(98 << 3 | 5) + bytes(4)
    data = model(strange + tensor("w", (2,), 3, block(9, b"\1\2")))
    assert read_onnx_weights(data)["w"].tolist() == [1, 2]


WHOLE = tensor("w", (2,), 3, block(9, b"\1\2"))


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (model(WHOLE, WHOLE), CorruptError, "tensor 'w' appears twice"),
        (model(tensor("w", (3,), 3, block(9, b"\1\2"))), CorruptError, "is 3 bytes, not 2"),
        (model(tensor("w", (-2,), 3, block(9, b"\1\2"))), CorruptError, "is negative"),
        (model(tensor("w", (1 << 40, 1 << 40), 1)), LimitError, "exceeds any memory"),
        (model(tensor("w", (2,), 8, block(6, b"a"))), FormatError, "element type 8"),
        (model(tensor("w", (2,), 1, number(14, 1))), FormatError, "in another file"),
        (model(b"\x0b" + WHOLE), CorruptError, "wire type 3"),
        (memoryview(number(1, 8)), FormatError, "there are none"),
        (memoryview(number(7, 8)), CorruptError, "field 7 of the model is no message"),
        (memoryview(b"\x08" + b"\xff" * 12), CorruptError, "does not end"),
    ],
)
def test_what_contradicts_itself_is_refused(data, error, message):
    with pytest.raises(error, match=message):
        read_onnx_weights(data)


def test_every_cut_is_refused_or_leaves_no_half_tensor():
    data = model(WHOLE)
    for size in range(len(data)):
        with pytest.raises((TruncatedError, CorruptError, FormatError)):
            read_onnx_weights(data[:size])


def test_damaged_bytes_end_in_an_error_of_ours_or_in_arrays():
    whole, rng = (
        bytes(model(WHOLE, tensor("v", (2,), 1, block(4, bytes(8))))),
        np.random.default_rng(0),
    )
    for _ in range(500):
        data = bytearray(whole)
        data[rng.integers(len(data))] = rng.integers(256)
        with suppress(FormatError):
            read_onnx_weights(memoryview(bytes(data)))


def test_more_tensors_than_the_limit_are_refused():
    data = model(WHOLE, tensor("v", (2,), 3, block(9, b"\1\2")))
    with pytest.raises(LimitError, match="more than 1 tensors"):
        read_onnx_weights(data, limits=Limits(records=1))


def test_errors_begin_with_the_name_of_the_file(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(bytes(model(WHOLE))[:-1])
    with pytest.raises(TruncatedError, match=r"net\.onnx"):
        load_onnx_weights(path)


@pytest.mark.peer
def test_a_file_of_onnx_itself(tmp_path):
    onnx = pytest.importorskip("onnx")
    rng = np.random.default_rng(0)
    want = {
        "a": rng.normal(size=(2, 3)).astype(np.float32),
        "b": rng.integers(-9, 9, (4,)),
        "c": rng.normal(size=(2,)).astype(np.float16),
    }
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in want.items()]
    tensors += [onnx.helper.make_tensor("d", onnx.TensorProto.FLOAT16, (2,), [1.0, -2.5])]
    graph = onnx.helper.make_graph([], "net", [], [], tensors)
    path = tmp_path / "net.onnx"
    onnx.save(onnx.helper.make_model(graph), path)
    arrays = load_onnx_weights(path)
    for name, value in want.items():
        same(arrays[name], value)
    assert arrays["d"].tolist() == [1.0, -2.5]
