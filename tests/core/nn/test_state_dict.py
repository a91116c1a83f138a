"""State dicts: what is saved, what loading refuses, and that a refused load changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn
from sensorium.errors import StateDictError


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def values(module):
    return {k: v.numpy().copy() for k, v in module.state_dict().items()}


def unchanged(module, before):
    after = values(module)
    assert list(after) == list(before)
    for key in before:
        np.testing.assert_array_equal(after[key], before[key])


def test_round_trip_and_sharing():
    a, b = net(), net()
    assert str(b.load_state_dict(a.state_dict())) == "<All keys matched successfully>"
    unchanged(b, values(a))
    state = a.state_dict()
    assert state["0.weight"].array is a[0].weight.array and not state["0.weight"].requires_grad
    assert a.state_dict(keep_vars=True)["0.weight"] is a[0].weight
    with sn.no_grad():
        a[0].weight += 1
    assert not (b[0].weight == a[0].weight).any()


def test_all_differences_are_listed_at_once_and_nothing_is_written():
    module = net()
    before = values(module)
    state = module.state_dict()
    del state["0.bias"], state["2.weight"]
    state["0.weight"] = sn.zeros(4, 5)
    state["1.num_batches_tracked"] = sn.tensor(1.5)
    state["stray"] = sn.zeros(1)
    state["2.bias"] = sn.zeros(2)
    with pytest.raises(StateDictError) as caught:
        module.load_state_dict(state)
    text = str(caught.value)
    for part in (
        "Sequential, which was left as it is",
        "missing: 2: 0.bias, 2.weight",
        "unexpected: 1: stray",
        "0.weight: shape (4, 5) in the dict, (4, 3) in the module",
        "1.num_batches_tracked: type float32 in the dict, int64 in the module",
    ):
        assert part in text
    unchanged(module, before)


def test_not_strict_reports_keys_but_still_refuses_shapes():
    module = net()
    state = module.state_dict()
    del state["0.bias"]
    state["stray"] = sn.zeros(1)
    keys = module.load_state_dict(state, strict=False)
    assert keys.missing_keys == ["0.bias"] and keys.unexpected_keys == ["stray"]
    before = values(module)
    with pytest.raises(StateDictError, match="wrong shape or type"):
        module.load_state_dict({"0.weight": sn.zeros(1), "0.bias": sn.ones(4)}, strict=False)
    unchanged(module, before)


def test_arrays_and_other_float_types_are_taken():
    module = nn.Linear(2, 1)
    module.load_state_dict({"weight": np.array([[1, 2]]), "bias": np.array([3.0])})
    assert module.weight.tolist() == [[1, 2]] and module.weight.dtype == sn.float32
    with pytest.raises(StateDictError, match="weight: want a Tensor or an array, got str"):
        module.load_state_dict({"weight": "x", "bias": np.array([3.0])})
    with pytest.raises(StateDictError, match="complex128 in the dict"):
        module.load_state_dict({"weight": np.ones((1, 2), complex), "bias": np.array([3.0])})
    with pytest.raises(TypeError, match="want a dict of names and tensors, got list"):
        module.load_state_dict([1])


def test_long_lists_are_cut():
    with pytest.raises(StateDictError, match=r"missing: 60: .* and 40 more"):
        nn.ModuleList([nn.Linear(1, 1) for _ in range(30)]).load_state_dict({})


def test_loading_counts_a_write():
    module = nn.Linear(2, 1)
    y = module(sn.ones(1, 2, requires_grad=True))  # keeps the weight
    before = module.weight._version
    module.load_state_dict(module.state_dict())
    assert module.weight._version > before
    with pytest.raises(sn.errors.AutogradError, match="in-place"):
        y.backward()


def test_read_only_members_get_memory_of_their_own():
    module = nn.Linear(2, 1)
    frozen = np.zeros((1, 2), np.float32)
    frozen.flags.writeable = False
    module.weight.array = frozen
    module.load_state_dict({"weight": np.ones((1, 2)), "bias": np.zeros(1)})
    assert module.weight.tolist() == [[1, 1]] and (frozen == 0).all()


def test_assign_takes_the_tensors_themselves():
    module = nn.Linear(2, 1).requires_grad_(False)
    state = {"weight": sn.ones(1, 2, dtype="float64"), "bias": sn.zeros(1, dtype="float64")}
    module.load_state_dict(state, assign=True)
    assert module.weight.array is state["weight"].array and isinstance(module.weight, nn.Parameter)
    assert module.weight.dtype == sn.float64 and not module.weight.requires_grad


def test_batch_norm_of_before_num_batches_tracked():
    module = nn.BatchNorm1d(2)
    state = {k: v for k, v in module.state_dict().items() if k != "num_batches_tracked"}
    assert module.load_state_dict(state).missing_keys == []  # no metadata: any version
    full = module.state_dict()
    del full["num_batches_tracked"]
    with pytest.raises(StateDictError, match="missing: 1: num_batches_tracked"):
        module.load_state_dict(full)  # its metadata say version 2


def test_one_element_vectors_fit_numbers():
    module = nn.Module()
    module.register_buffer("n", sn.tensor(1.0))
    module.load_state_dict({"n": np.array([5.0])})
    assert module.n.item() == 5 and module.n.shape == ()


def test_extra_state_travels_with_the_tensors():
    class Counted(nn.Linear):
        seen = 0

        def get_extra_state(self):
            return {"seen": self.seen}

        def set_extra_state(self, state):
            self.seen = state["seen"]

    a, b = nn.Sequential(Counted(1, 1)), nn.Sequential(Counted(1, 1))
    a[0].seen = 7
    assert "0._extra_state" in a.state_dict()
    b.load_state_dict(a.state_dict())
    assert b[0].seen == 7
    with pytest.raises(StateDictError, match=r"missing: 1: 0._extra_state"):
        b.load_state_dict(nn.Sequential(nn.Linear(1, 1)).state_dict())


def test_hooks_around_saving_and_loading():
    module, calls = nn.Sequential(nn.Linear(1, 1)), []
    module[0].register_state_dict_pre_hook(lambda m, prefix, keep: calls.append(("pre", prefix)))

    def double(m, state, prefix, metadata):
        state[prefix + "weight"] = state[prefix + "weight"] * 2

    handle = module[0].register_state_dict_post_hook(double)
    state = module.state_dict()
    assert calls == [("pre", "0.")]
    assert float(state["0.weight"]) == 2 * float(module[0].weight)
    handle.remove()

    def rename(m, state, prefix, *_):
        state[prefix + "weight"] = state.pop(prefix + "kernel")

    module[0].register_load_state_dict_pre_hook(rename)
    module.register_load_state_dict_post_hook(lambda m, keys: calls.append(keys.missing_keys))
    given = {"0.kernel": sn.ones(1, 1), "0.bias": sn.zeros(1)}
    module.load_state_dict(given)
    assert module[0].weight.item() == 1 and "0.kernel" in given  # the caller's dict is left alone
    assert calls[-1] == []
