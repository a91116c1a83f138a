"""The older names of tensor types: what they make, and what they answer to isinstance."""

import numpy as np
import pytest

import sensorium as sn

TYPES = {
    "FloatTensor": sn.float32,
    "DoubleTensor": sn.float64,
    "HalfTensor": sn.float16,
    "BFloat16Tensor": sn.bfloat16,
    "ByteTensor": sn.uint8,
    "CharTensor": sn.int8,
    "ShortTensor": sn.int16,
    "IntTensor": sn.int32,
    "LongTensor": sn.int64,
    "BoolTensor": sn.bool,
}


@pytest.mark.parametrize("name, dtype", TYPES.items())
def test_data_takes_the_type_and_sizes_make_room(name, dtype):
    made = getattr(sn, name)
    for value, shape in [(made([1, 0]), (2,)), (made(2, 3), (2, 3)), (made(), (0,))]:
        assert (value.dtype, tuple(value.shape)) == (dtype, shape)
    assert made([[1, 0]]).tolist() == [[1, 0]]


@pytest.mark.parametrize("name, dtype", TYPES.items())
def test_isinstance_asks_for_the_element_type(name, dtype):
    assert isinstance(sn.zeros(1, dtype=dtype), getattr(sn, name))
    others = [other for other in TYPES if other != name]
    assert not any(isinstance(sn.zeros(1, dtype=dtype), getattr(sn, other)) for other in others)
    assert not isinstance(np.zeros(1), getattr(sn, name))


def test_a_parameter_is_a_float_tensor_too():
    assert isinstance(sn.nn.Parameter(sn.zeros(2)), sn.FloatTensor)


def test_fractions_are_cut_as_in_a_cast():
    assert sn.LongTensor([1.9, -1.9]).tolist() == [1, -1]


def test_a_size_makes_room_and_an_array_is_copied():
    data = np.ones(2, np.float32)
    made = sn.FloatTensor(data)
    data[0] = 5
    assert made.tolist() == [1, 1] and sn.IntTensor(sn.Size([2, 3])).shape == (2, 3)


@pytest.mark.parametrize("data", [(2.5,), (None,), ([1], [2])])
def test_what_is_neither_data_nor_sizes_is_refused(data):
    with pytest.raises(TypeError, match="FloatTensor: want data or sizes"):
        sn.FloatTensor(*data)


@pytest.mark.peer
@pytest.mark.parametrize("name", TYPES)
def test_calls_make_what_pytorchs_make(name):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(sn, name), getattr(torch, name)
    for data in [(), (3,), (2, 0, 3), ([1, 0, 1],), ([[True], [False]],), ([],), ((1, 0),)]:
        mine, want = ours(*data), theirs(*data)
        assert str(want.dtype) == f"torch.{mine.dtype}" and mine.shape == tuple(want.shape), data
        if data and not isinstance(data[0], int):
            assert mine.tolist() == want.tolist()
    with pytest.raises(TypeError):
        theirs(2.5)
    with pytest.raises(TypeError):
        ours(2.5)
