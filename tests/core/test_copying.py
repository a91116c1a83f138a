"""copy, deepcopy and pickle of tensors: what is shared stays shared, graphs do not travel."""

import copy
import multiprocessing
import pickle

import pytest

import sensorium as sn
from sensorium.errors import AutogradError


def through_pickle(value):
    return pickle.loads(pickle.dumps(value, protocol=5))


@pytest.mark.parametrize("again", [copy.deepcopy, through_pickle])
@pytest.mark.parametrize("name", ["float32", "bfloat16", "complex128", "bool", "int8"])
def test_views_of_one_memory_stay_views_of_one_memory(again, name):
    base = sn.zeros(2, 3).to(name)
    whole, row, turned = again([base, base[1], base.T])
    row.fill_(1)
    assert whole.tolist() == [[0, 0, 0], [1, 1, 1]]
    assert turned.tolist() == [[0, 1], [0, 1], [0, 1]]
    assert base.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert turned.stride() == base.T.stride()


@pytest.mark.parametrize("again", [copy.deepcopy, through_pickle])
def test_strides_flags_and_classes_survive(again):
    x = sn.arange(24.0).reshape(1, 2, 3, 4).contiguous(memory_format=sn.channels_last)
    assert again(x).stride() == x.stride()
    assert again(sn.ones(2, requires_grad=True)).requires_grad
    weight = sn.nn.Parameter(sn.ones(2))
    assert type(again(weight)) is sn.nn.Parameter
    assert not again(sn.nn.Parameter(sn.ones(2), requires_grad=False)).requires_grad
    assert again(sn.ones(3)[::2]).tolist() == [1.0, 1.0]
    assert again(sn.ones(1).expand(3)).tolist() == [1.0, 1.0, 1.0]


def test_deepcopy_takes_the_gradient_along_and_each_tensor_once():
    x = sn.ones(2, requires_grad=True)
    x.grad = sn.full((2,), 3.0)
    one, two = copy.deepcopy([x, x])
    assert one is two
    assert one.grad.tolist() == [3.0, 3.0]
    one.grad.zero_()
    assert x.grad.tolist() == [3.0, 3.0]


def test_copy_shares_the_memory():
    x = sn.zeros(2, requires_grad=True)
    y = copy.copy(x)
    with sn.no_grad():
        y.fill_(1.0)
    assert x.tolist() == [1.0, 1.0]
    assert y.requires_grad
    part = copy.copy(x.detach()[1:])
    part.fill_(2.0)
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("again", [copy.deepcopy, through_pickle])
def test_a_tensor_of_a_graph_is_refused(again):
    with pytest.raises(AutogradError, match="only leaf tensors"):
        again(sn.ones(2, requires_grad=True) * 2)


@pytest.mark.peer
def test_deepcopy_refuses_and_copies_what_torch_does():
    torch = pytest.importorskip("torch")
    for lib in (sn, torch):
        x = lib.ones(2, requires_grad=True)
        with pytest.raises(RuntimeError):
            copy.deepcopy(x * 2)
        base = lib.zeros(4)
        whole, part = copy.deepcopy([base, base[1:3]])
        part.fill_(5.0)
        assert whole.tolist() == [0.0, 5.0, 5.0, 0.0]
        assert copy.copy(base).data_ptr() == base.data_ptr()


def test_tensors_cross_to_a_spawned_process_and_back():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (z,) = pool.map(copy.copy, [sn.arange(6).reshape(2, 3).T])
    assert z.tolist() == [[0, 3], [1, 4], [2, 5]]
