"""The pickle machine: only data comes out, whatever opcodes go in."""

import struct
from collections import OrderedDict

import numpy as np
import pytest

from sensorium.errors import (
    CorruptError,
    FormatError,
    LimitError,
    TruncatedError,
    UnsafeContentError,
)
from sensorium.io import Limits
from sensorium.io.torch_checkpoint import read_object


def load(build, body, limits=None, **storages):
    """The value of a pickle whose body is given, inside a zip."""
    data = build.torch_zip(build.pkl(body), storages)
    return read_object(memoryview(data), limits=limits or Limits())


# -- values --------------------------------------------------------------------------------------
VALUES = [
    (b"N", None), (b"\x88", True), (b"\x89", False), (b"K\xff", 255), (b"M\xff\xff", 65535),
    (b"J\xff\xff\xff\xff", -1), (b"\x8a\x00", 0), (b"\x8a\x01\xff", -1), (b"\x8a\x02\x00\x01", 256),
    (b"\x8b\x01\x00\x00\x00\x07", 7), (b"G?\xf8\0\0\0\0\0\0", 1.5),
    (b"X\2\0\0\0\xc3\xa9", "é"), (b"\x8c\1a", "a"), (b"\x8d\1\0\0\0\0\0\0\0a", "a"),
    (b"C\1\xff", b"\xff"), (b"B\1\0\0\0\xff", b"\xff"), (b"\x8e\1\0\0\0\0\0\0\0\xff", b"\xff"),
    (b"\x96\1\0\0\0\0\0\0\0\xff", bytearray(b"\xff")), (b"U\1a", "a"), (b"T\1\0\0\0\xff", b"\xff"),
    (b")", ()), (b"K\1\x85", (1,)), (b"K\1K\2\x86", (1, 2)), (b"K\1K\2K\3\x87", (1, 2, 3)),
    (b"(K\1t", (1,)), (b"]", []), (b"]K\1a", [1]), (b"](K\1K\2e", [1, 2]), (b"}", {}),
    (b"}K\1K\2s", {1: 2}), (b"}(K\1K\2u", {1: 2}), (b"\x8f(K\1\x90", {1}),
    (b"}(K\1K\2\x86q\5h\5u", {(1, 2): (1, 2)}), (b"]\x94h\0\x86", ([], [])),
    (b"\x95\2\0\0\0\0\0\0\0K\1", 1), (b"](NU\0G\x7f\xf0\0\0\0\0\0\0e", [None, "", float("inf")]),
    (b"]r\xff\xff\xff\x7fj\xff\xff\xff\x7f\x86", ([], [])),
]  # fmt: skip


@pytest.mark.parametrize(("body", "value"), VALUES)
def test_each_opcode_gives_its_value(body, value, build):
    loaded = load(build, body)
    assert loaded == value
    assert type(loaded) is type(value)


def test_constructors_give_plain_values(build):
    pairs = b"](" + b"](" + build.text("k") + b"K\1ee"
    ordered = load(build, build.name("collections", "OrderedDict") + b"(" + pairs + b"tR")
    assert ordered == OrderedDict(k=1)
    assert type(ordered) is OrderedDict
    for body, value in [
        (build.call("torch", "Size", build.nums(2, 3)), (2, 3)),
        (build.call("torch", "device", build.text("cuda"), b"K\1"), "cuda:1"),
        (build.call("torch", "device", build.text("cpu")), "cpu"),
        (build.name("torch", "float16"), np.dtype(np.float16)),
        (build.call("_codecs", "encode", build.text("a\xff"), build.text("latin1")), b"a\xff"),
        (build.call("__builtin__", "bytearray", b"C\1a"), bytearray(b"a")),
        (build.call("builtins", "set", b"](K\1K\1e"), {1}),
        (build.call("builtins", "complex", b"G?\xf8\0\0\0\0\0\0" * 2), 1.5 + 1.5j),
        (build.call("collections", "Counter", b"}K\1K\2s"), {1: 2}),
    ]:
        assert load(build, body) == value


def numpy_type(build, code, order="<"):
    state = build.tup(b"K\3", build.text(order), b"NNN", build.num(-1), build.num(-1), b"K\0")
    return build.call("numpy", "dtype", build.text(code), b"\x89", b"\x88") + state + b"b"


def numpy_array(build, code, shape, data, order="<", fortran=b"\x89"):
    blank = build.call(
        "numpy.core.multiarray", "_reconstruct", build.name("numpy", "ndarray"), b"K\0\x85", b"C\1b"
    )
    raw = b"B" + struct.pack("<I", len(data)) + data
    return (
        blank
        + build.tup(b"K\1", build.nums(*shape), numpy_type(build, code, order), fortran, raw)
        + b"b"
    )


def test_numpy_scalars_and_arrays_are_read(build):
    raw = np.float64(2.5).tobytes()
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        scalar = load(build, build.call(module, "scalar", numpy_type(build, "f8"), b"C\x08" + raw))
        assert scalar == 2.5
        assert type(scalar) is np.float64
    data = np.arange(6, dtype=">i2")
    array = load(build, numpy_array(build, "i2", (2, 3), data.tobytes(), ">"))
    np.testing.assert_array_equal(array, [[0, 1, 2], [3, 4, 5]])
    assert array.dtype == np.int16
    columns = load(build, numpy_array(build, "i2", (2, 3), data.tobytes(), ">", b"\x88"))
    np.testing.assert_array_equal(columns, [[0, 2, 4], [1, 3, 5]])


def test_array_noted_before_its_content_is_found_with_it(build):
    body = numpy_array(build, "u1", (1,), b"\7").replace(b"C\1btR", b"C\1btRq\1", 1)
    first, second = load(build, b"(" + body + b"h\1t")
    assert first is second
    assert first[0] == 7


# -- misuse --------------------------------------------------------------------------------------
BLANK = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n)C\1btR"
FROM_TYPE = b"ctorch._tensor\n_rebuild_from_type_v2\n("
BUFFER = b"cnumpy._core.numeric\n_frombuffer\n("
INT16 = b"cnumpy\ndtype\n(U\2i2tR"
MISUSE = {
    "nothing": (b"", CorruptError, "0 values"),
    "two values": (b"NN", CorruptError, "2 values"),
    "mark left": (b"(N", CorruptError, "values are left"),
    "empty stack": (b"\x85", CorruptError, "missing on the stack"),
    "no mark": (b"t", CorruptError, "MARK is missing"),
    "get without put": (b"h\7", CorruptError, "memo 7"),
    "put of nothing": (b"q\7", CorruptError, "missing on the stack"),
    "append to dict": (b"}Na", CorruptError, "appended to dict"),
    "append to tuple": (b")Na", CorruptError, "appended to tuple"),
    "appends to ordered dict": (b"ccollections\nOrderedDict\n)R(Ne", CorruptError, "OrderedDict"),
    "set item of list": (b"]K\0Ns", CorruptError, "set on list"),
    "set item of tuple": (b")K\0Ns", CorruptError, "set on tuple"),
    "set items of array": (b"ctorch\nfloat32\n(K\0Nu", CorruptError, "items set on"),
    "key without value": (b"}(Nu", CorruptError, "key without its value"),
    "key twice": (b"}(K\1NK\1Nu", CorruptError, "key 1 appears twice"),
    "list as key": (b"}]Ns", CorruptError, "a key should be"),
    "nested tuple as key": (b"}))\x86Ns", CorruptError, "a key should be"),
    "long tuple as key": (b"}(NNNNNNNNNtNs", CorruptError, "a key should be"),
    "array as key": (b"}ctorch\nfloat32\nNs", CorruptError, "a key should be"),
    "list in a set": (b"\x8f(]\x90", CorruptError, "a key should be"),
    "add to list": (b"](N\x90", CorruptError, "added to list"),
    "call of a tuple": (b"))R", UnsafeContentError, "not a tensor constructor"),
    "call of a result": (b"ccollections\nOrderedDict\n)R)R", UnsafeContentError, "not a tensor"),
    "call with a list": (b"ccollections\nOrderedDict\n]R", UnsafeContentError, "not a tensor"),
    "call of a dtype": (b"ctorch\nfloat32\n)R", UnsafeContentError, "not a tensor constructor"),
    "call of a class": (b"cnumpy\nndarray\n)R", UnsafeContentError, "not a tensor constructor"),
    "call of a storage class": (b"ctorch\nFloatStorage\n)R", UnsafeContentError, "not a tensor"),
    "too many arguments": (b"ctorch\nSize\n(NNtR", CorruptError, "got 2 arguments"),
    "constructor as value": (b"]ctorch\nSize\na", UnsafeContentError, "stands where a value"),
    "storage class as value": (b"ctorch\nFloatStorage\n", UnsafeContentError, "stands where"),
    "class as value": (b"ctorch\nTensor\n", UnsafeContentError, "stands where a value"),
    "unfinished array": (BLANK, UnsafeContentError, "without content"),
    "numpy type as value": (b"cnumpy\ndtype\n(U\2f4\x89\x88tR", UnsafeContentError, "NumPy type"),
    "build of a dict": (b"}}b", CorruptError, "state given to dict"),
    "build of a number": (b"K\1}b", CorruptError, "state given to int"),
    "global of numbers": (b"K\1K\2\x93", CorruptError, "other than text"),
    "persistent id of text": (b"U\1aQ", CorruptError, "other than a tuple"),
    "persistent module": (b"(U\6moduleNNNNtQ", FormatError, "other than a storage"),
    "OrderedDict of numbers": (b"ccollections\nOrderedDict\n(](K\1etR", CorruptError, "pairs"),
    "OrderedDict of a number": (b"ccollections\nOrderedDict\n(K\1tR", CorruptError, "pairs"),
    "Size of text": (b"ctorch\nSize\n(U\1a\x85tR", CorruptError, "other than integers"),
    "Size of a bool": (b"ctorch\nSize\n(\x88\x85tR", CorruptError, "other than integers"),
    "device of a number": (b"ctorch\ndevice\n(K\1tR", CorruptError, "should be str"),
    "set of a number": (b"c__builtin__\nset\n(K\1tR", CorruptError, "set wants a list"),
    "codec": (b"c_codecs\nencode\n(U\1aU\5rot13tR", CorruptError, "other than latin1"),
    "codec of wide text": (b"c_codecs\nencode\n(U\3\xe2\x82\xactR", CorruptError, "above 255"),
    "complex of text": (b"c__builtin__\ncomplex\n(U\1aU\1btR", CorruptError, "should be float"),
    "bytearray of a size": (b"c__builtin__\nbytearray\n(JAAAAtR", CorruptError, "should be bytes"),
    "counter of a list": (b"ccollections\nCounter\n(]tR", CorruptError, "should be dict"),
    "numpy objects": (b"cnumpy\ndtype\n(U\1OtR", CorruptError, "not a plain number"),
    "numpy order": (b"cnumpy\ndtype\n(U\2f4tR(K\3U\1?tb", CorruptError, "unknown state"),
    "numpy subclass": (
        BLANK.replace(b"numpy\nndarray", b"torch\nTensor"), CorruptError, "other than ndarray",
    ),
    "numpy state": (
        BLANK + b"Nb", CorruptError, "unknown state",
    ),
    "numpy array of other length": (
        BUFFER + b"C\1a" + INT16 + b"K\3\x85U\1CtR", CorruptError, "shape .3,. of int16 with other",
    ),
    "numpy array of negative shape": (
        BUFFER + b"C\0" + INT16 + b"J\xff\xff\xff\xff\x85U\1CtR", CorruptError, "with other bytes",
    ),
    "type of a tensor that is text": (
        b"ctorch._utils\n_rebuild_tensor_v3\n(NK\0))\x89NU\1atR", CorruptError,
        "element type is not one",
    ),
    "tensor without storage": (
        b"ctorch._utils\n_rebuild_tensor\n(NK\0))tR", CorruptError, "storage should be Storage",
    ),
    "parameter of text": (b"ctorch.nn.parameter\nParameter\n(U\1atR", CorruptError, "ndarray"),
    "name not UTF-8": (b"c\xff\n\n", CorruptError, "not UTF-8"),
    "text not UTF-8": (b"X\1\0\0\0\xff", CorruptError, "not UTF-8"),
    "subclass by another constructor": (
        FROM_TYPE + b"ctorch\nSize\nctorch\nTensor\n)NtR", CorruptError, "class other than Tensor",
    ),
    "tensor of another class": (
        FROM_TYPE + b"ctorch._utils\n_rebuild_tensor\ncnumpy\nndarray\n)NtR", CorruptError,
        "class other than Tensor",
    ),
    "name cut off": (b"ctorch", TruncatedError, "in the middle of a name"),
    "endless name": (b"c" + b"a" * 600 + b"\nb\n", LimitError, "longer than 512"),
    "straddled frame": (b"\x95\2\0\0\0\0\0\0\0M\1\1", CorruptError, "straddles the frame"),
    "frame past the end": (b"\x95\xff\0\0\0\0\0\0\0K\1", TruncatedError, "beyond the end"),
    "unknown opcode": (b"\xff", CorruptError, "0xff is not an opcode"),
    "protocol 1": (b"\x80\1N", FormatError, "protocol 1"),
    "protocol 6": (b"\x80\6N", FormatError, "protocol 6"),
    "cycle": (b"]q\1h\1a", CorruptError, "holds itself"),
    "cycle through a dict": (b"}q\1K\1]h\1as", CorruptError, "holds itself"),
    "string of 6 GiB": (b"\x8d\0\0\0\x80\1\0\0\0", TruncatedError, "6442450943 bytes|missing"),
    "bytes of 6 GiB": (b"\x8e\0\0\0\x80\1\0\0\0", TruncatedError, "are missing"),
    "integer of 2 GiB": (b"\x8b\xff\xff\xff\x7f", LimitError, "integer of 2147483647 bytes"),
    "integer of 255 bytes": (b"\x8a\xff" + b"\1" * 255, LimitError, "integer of 255 bytes"),
}  # fmt: skip
TEXT_OPCODES = b"ILFSVldpgP012\x91\x97\x98"


@pytest.mark.parametrize("case", MISUSE)
def test_misuse_is_refused_with_its_reason(case, build):
    body, error, message = MISUSE[case]
    with pytest.raises(error, match=message) as caught:
        load(build, body)
    assert type(caught.value) is error
    assert "data.pkl at byte " in str(caught.value)


@pytest.mark.parametrize("code", [bytes([code]) for code in TEXT_OPCODES])
def test_opcodes_that_torch_never_writes_are_called_unsupported(code, build):
    with pytest.raises(
        FormatError, match=r"at byte 2: opcode \w+, which .* not supported"
    ) as caught:
        load(build, code)
    assert type(caught.value) is FormatError


def test_state_is_dropped(build):
    """BUILD could shadow ``items`` of a dict; here attributes do not exist."""
    state = b"}" + build.text("items") + b"K\1s"
    assert load(build, build.ORDERED + state + b"b") == OrderedDict()
    tensor = build.tensor("FloatStorage", "0", 1, 0, (1,), (1,))
    array = load(build, tensor + state + b"b", **{"0": b"\0\0\0\0"})
    assert type(array) is np.ndarray


@pytest.mark.parametrize("wrap", [b"\x85", b"](%se", b"}K\1%ss"])
def test_depth_is_limited(wrap, build):
    def nested(depth):
        if b"%s" not in wrap:
            return b")" + wrap * (depth - 1)
        head, tail = wrap.split(b"%s")
        return head * (depth - 1) + b"]" + tail * (depth - 1)

    load(build, nested(64))
    with pytest.raises(LimitError, match="deeper than 64"):
        load(build, nested(65))
    load(build, nested(65), Limits(depth=65))


def test_shared_parts_are_counted_each_time(build):
    doubled = b"]" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(40))
    with pytest.raises(LimitError, match="shared parts counted anew"):
        load(build, doubled)


def test_number_of_nodes_is_limited(build):
    body = b"](" + b"]" * 100 + b"e"
    assert len(load(build, body, Limits(nodes=103, bytes_per_node=2**40))) == 100
    with pytest.raises(LimitError, match="than the file can justify"):
        load(build, body, Limits(nodes=101, bytes_per_node=2**40))


def test_unknown_lazy_bits_and_bare_storages_are_refused(build):
    tensor = build.tensor("FloatStorage", "0", 1, 0, (1,), (1,))
    unknown = tensor.replace(
        build.ORDERED + b"tR", build.ORDERED + b"}" + build.text("x") + b"NstR"
    )
    with pytest.raises(CorruptError, match="other than conj and neg"):
        load(build, unknown, **{"0": b"\0\0\0\0"})
    with pytest.raises(UnsafeContentError, match="bare storage '0' stands where"):
        load(build, build.storage("FloatStorage", "0", 1), **{"0": b"\0\0\0\0"})
