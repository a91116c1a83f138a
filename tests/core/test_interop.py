"""Memory shared with NumPy, DLPack and Python buffers: what is shared, copied and refused."""

import array

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import AutogradError, DTypeError, ExportError, ShapeError
from sensorium.utils import dlpack

NAMES = """
    bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64
    complex128
""".split()  # noqa: SIM905


def some(name, shape=(2, 3)):
    return sn.arange(int(np.prod(shape))).reshape(shape).to(name)


# -- NumPy ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_numpy_and_from_numpy_share_memory_in_every_type(name):
    x = some(name)
    a = np.asarray(x)
    assert a.dtype == x.dtype
    a[0, 0] = 1
    assert x[0, 0].item() == 1
    assert sn.from_numpy(a).array is a


@pytest.mark.parametrize(
    "view", [lambda x: x.T, lambda x: x[1:], lambda x: x[:, ::2], lambda x: x[0]]
)
def test_the_array_interface_of_a_view_shares_its_memory(view):
    x = view(some("float32", (4, 6)))
    a = np.asarray(x)
    assert np.shares_memory(a, x.array)
    assert a.strides == x.array.strides
    assert np.array_equal(a, x.array)


def test_an_array_outlives_the_memory_of_its_tensor_being_replaced():
    x = sn.arange(4)
    a = np.asarray(x)
    x.data = sn.zeros(1)
    del x
    assert a.tolist() == [0, 1, 2, 3]
    assert isinstance(a.base, np.ndarray)


def test_array_takes_a_type_and_a_wish_for_a_copy():
    x = sn.ones(2)
    assert x.__array__(np.float64).dtype == np.float64
    assert not np.shares_memory(x.__array__(copy=True), x.array)
    assert x.__array__(copy=False) is not None
    with pytest.raises(ShapeError, match="without a copy"):
        x.__array__(np.int32, copy=False)


def test_a_tensor_with_gradient_is_not_handed_out():
    x = sn.ones(2, requires_grad=True)
    for call in (x.numpy, x.__array__, lambda: np.asarray(x), lambda: x.__array_interface__):
        with pytest.raises(AutogradError, match="requires a gradient; call detach"):
            call()
    assert x.numpy(force=True).tolist() == [1.0, 1.0]


def test_numpy_leaves_operators_to_the_tensor():
    assert isinstance(np.ones(2) * sn.ones(2), sn.Tensor)
    assert sn.Tensor.__array_priority__ == 1000


# -- DLPack --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_dlpack_there_and_back_shares_memory(name):
    x = some(name)
    for y in (sn.from_dlpack(x), sn.from_dlpack(dlpack.to_dlpack(x)), dlpack.from_dlpack(x)):
        assert y.dtype == x.dtype
        assert y.data_ptr() == x.data_ptr()
        assert y.tolist() == x.tolist()


@pytest.mark.parametrize("version", [None, (0, 8), (1, 0), (1, 1)])
@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_the_capsule_has_the_version_asked_for(version, name):
    capsule = some(name).__dlpack__(max_version=version)
    new = version is not None and version[0] >= 1
    assert ("dltensor_versioned" if new else '"dltensor"') in repr(capsule)


def test_dlpack_keeps_strides_and_copies_on_demand():
    x = some("int32").T
    assert sn.from_dlpack(x).stride() == (1, 3)
    assert sn.from_dlpack(x, copy=True).data_ptr() != x.data_ptr()
    fresh = np.from_dlpack(type("P", (), {"__dlpack__": lambda s, **k: x.__dlpack__(copy=True, **k),
                                          "__dlpack_device__": lambda s: (1, 0)})())  # fmt: skip
    assert not np.shares_memory(fresh, x.array)
    assert x.__dlpack_device__() == (1, 0)


def test_expanded_memory_is_handed_out_read_only_or_not_at_all():
    x = sn.ones(1).expand(3)
    assert not np.from_dlpack(x).flags.writeable
    with pytest.raises(ExportError, match="read-only"):
        dlpack.to_dlpack(x)


@pytest.mark.parametrize(
    "call,text",
    [
        (lambda x: x.requires_grad_().__dlpack__(), "requires a gradient"),
        (lambda x: x.__dlpack__(stream=1), "has no stream"),
        (lambda x: x.__dlpack__(dl_device=(2, 0)), r"device \(1, 0\), not \(2, 0\)"),
    ],
)
def test_what_dlpack_cannot_hand_out_is_a_buffer_error(call, text):
    with pytest.raises(BufferError, match=text) as caught:
        call(sn.ones(2))
    assert isinstance(caught.value, RuntimeError)


def test_from_dlpack_refuses_what_is_no_array():
    with pytest.raises(DTypeError, match="int has no __dlpack__"):
        sn.from_dlpack(3)
    capsule = dlpack.to_dlpack(sn.ones(2))
    sn.from_dlpack(capsule)
    with pytest.raises(DTypeError, match="consumed already"):
        sn.from_dlpack(capsule)


@pytest.mark.peer
@pytest.mark.parametrize("name", NAMES)
def test_torch_and_sensorium_read_each_other(name):
    torch = pytest.importorskip("torch")
    x = some(name).T
    theirs = torch.from_dlpack(x)
    assert (theirs.data_ptr(), theirs.stride()) == (x.data_ptr(), x.stride())
    assert theirs.dtype == getattr(torch, name)
    back = sn.from_dlpack(theirs)
    assert (back.data_ptr(), back.stride(), back.dtype) == (x.data_ptr(), x.stride(), x.dtype)
    old = sn.from_dlpack(torch.utils.dlpack.to_dlpack(theirs))
    assert old.tolist() == x.tolist()


# -- buffers, numbers, columns -------------------------------------------------------------------
def test_frombuffer_shares_the_bytes():
    raw = bytearray(np.arange(4, dtype=np.int32).tobytes())
    x = sn.frombuffer(raw, dtype=sn.int32, count=2, offset=4)
    assert x.tolist() == [1, 2]
    x[0] = 7
    assert raw[4] == 7
    assert sn.frombuffer(bytearray(8), dtype=sn.bfloat16).shape == (4,)
    assert sn.frombuffer(
        array.array("f", [1.0]), dtype=sn.float32, requires_grad=True
    ).requires_grad


@pytest.mark.parametrize(
    "args,text",
    [
        ({"buffer": b"abc", "dtype": sn.float32}, "3 bytes from offset 0 are no multiple of the 4"),
        ({"buffer": b"abcd", "dtype": sn.int16, "count": 3}, "want 6 bytes, the buffer has 4"),
        ({"buffer": b"abcd", "dtype": sn.int16, "offset": 9}, "offset 9 lies outside the 4 bytes"),
        ({"buffer": b"", "dtype": sn.int16}, "0 bytes and count -1 leave no elements"),
        ({"buffer": 3, "dtype": sn.int16}, "int is no contiguous Python buffer"),
    ],
)
def test_frombuffer_names_both_sizes(args, text):
    with pytest.raises((ShapeError, DTypeError), match=text):
        sn.frombuffer(**args)


def test_read_only_bytes_cannot_be_written():
    x = sn.frombuffer(b"abcd", dtype=sn.uint8)
    with pytest.raises(ShapeError, match="read-only"):
        x.add_(1)


def test_tensor_takes_buffers_as_numbers():
    assert sn.tensor(b"abc").tolist() == [97, 98, 99]
    assert sn.tensor(bytearray(b"a")).dtype == sn.int64
    assert sn.tensor(memoryview(np.ones((2, 2)))).shape == (2, 2)
    assert sn.tensor(array.array("d", [0.5])).dtype == sn.float32


class Column:
    """What a pandas Series shows of itself."""

    def __init__(self, values):
        self.values, self.dtype = values, values.dtype

    def __array__(self, dtype=None, copy=None):
        return self.values

    def __len__(self):
        return len(self.values)


def test_a_column_keeps_its_type():
    for make in (sn.tensor, sn.as_tensor, sn.asarray):
        assert make(Column(np.array([1.5, 2.5]))).dtype == sn.float64


@pytest.mark.peer
def test_pandas_columns_equal_torch():
    pandas, torch = pytest.importorskip("pandas"), pytest.importorskip("torch")
    table = pandas.DataFrame({"a": [1.5, 2.5], "b": [3, 4], "c": [True, False]})
    for name in table:
        ours, theirs = sn.tensor(table[name]), torch.tensor(table[name])
        assert ours.tolist() == theirs.tolist()
        assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")
    assert sn.tensor(table[["a", "b"]]).tolist() == [[1.5, 3.0], [2.5, 4.0]]


def test_asarray_shares_where_it_can():
    a = np.ones(2, np.float32)
    x = sn.ones(2, requires_grad=True)
    assert sn.asarray(a).array is a
    assert sn.asarray(x) is x
    assert sn.asarray(x, requires_grad=False).requires_grad is False
    assert sn.asarray(x * 2).grad_fn is not None
    assert sn.asarray(a, copy=True).array is not a
    assert sn.asarray(a, dtype=sn.float64, requires_grad=True).requires_grad
    assert sn.asarray(bytearray(8), dtype=sn.int32).tolist() == [0, 0]
    assert sn.asarray([1, 2.5]).dtype == sn.float32
    with pytest.raises(ShapeError, match="copy=False"):
        sn.asarray(a, dtype=sn.int64, copy=False)


@pytest.mark.peer
@pytest.mark.parametrize(
    "data",
    [3, 2.5, True, 1j, [1, 2.5], [[1], [2]], range(3), np.float64(2), np.arange(3), b"abcdefgh"],
)
@pytest.mark.parametrize("name", ["asarray", "as_tensor", "tensor"])
def test_conversions_equal_torch(name, data):
    torch = pytest.importorskip("torch")
    data = bytearray(data) if isinstance(data, bytes) else data
    ours, theirs = getattr(sn, name)(data), getattr(torch, name)(data)
    assert ours.tolist() == theirs.tolist()
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")
