"""Our checkpoints: the tree that is read is the tree that was written."""

import json
import math
import os
from collections import OrderedDict

import ml_dtypes
import numpy as np
import pytest

from sensorium.errors import CorruptError, DTypeError, FormatError, LimitError
from sensorium.io import load, load_safetensors, load_state, save_safetensors, save_state

NESTED = {
    "epoch": 3, "rate": 0.1, "whole": 1.0, "big": 2**64, "negative": -(2**100), "huge": 10**5000,
    "inf": math.inf, "minus": -math.inf, "text": "é\n\"{}", "flag": True, "none": None,
    "list": [1, [2.5, []]], "tuple": (1, (), [(2,)]), "bytes": b"\x00\xff",
    "complex": complex(1, math.inf),
    "optimizer": {"state": {0: {"step": 1}, 1: {}}, "betas": (0.9, 0.999)}, "empty": {},
    (1, "a"): "tuple key", None: 1, True: 2, 2.5: 3, "tags": {"array": 1, "tuple": [2], "dict": {}},
    "ordered": OrderedDict(b=1, a=2), "ordered pairs": OrderedDict({2: 1, 1: 2}), "": "empty key",
}  # fmt: skip


def types(value):
    if isinstance(value, dict):
        return type(value), [(type(key), types(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [types(item) for item in value]
    return type(value)


def round_trip(value, tmp_path, **hooks):
    save_state(tmp_path / "s", value, **hooks)
    return load_state(tmp_path / "s")


def test_nested_state_round_trips_with_its_types_and_order(tmp_path):
    loaded = round_trip(NESTED, tmp_path)
    assert loaded == NESTED
    assert types(loaded) == types(NESTED)


def test_nan_round_trips(tmp_path):
    assert math.isnan(round_trip({"x": math.nan}, tmp_path)["x"])


@pytest.mark.parametrize("value", [None, 1, "a", [], (), {}, 1.5, b"", np.arange(3)])
def test_root_may_be_anything(value, tmp_path):
    loaded = round_trip(value, tmp_path)
    assert type(loaded) is type(value)
    np.testing.assert_array_equal(loaded, value)


def test_arrays_and_scalars_round_trip(tmp_path):
    arrays = {
        "c16": np.array([[1 + 2j]]), "c16.0d": np.array(3j), "bf16": np.ones(3, ml_dtypes.bfloat16),
        "empty": np.empty((0, 2)), "transposed": np.arange(6).reshape(2, 3).T, "b": np.array(True),
    }  # fmt: skip
    scalars = {"f8": np.float64(0.1), "i2": np.int16(-3), "bf": ml_dtypes.bfloat16(2)}
    loaded = round_trip({"deep": [arrays, scalars]}, tmp_path)["deep"]
    for key, array in arrays.items():
        np.testing.assert_array_equal(loaded[0][key], array, strict=True)
    for key, scalar in scalars.items():
        assert loaded[1][key] == scalar
        assert type(loaded[1][key]) is type(scalar)


def test_flat_dict_is_a_plain_safetensors_file(tmp_path):
    state = {"layer.w": np.ones((2, 2), np.float32), "layer.b": np.zeros(2, np.float16)}
    save_state(tmp_path / "s", state)
    for loaded in (load_safetensors(tmp_path / "s"), load(tmp_path / "s")):
        assert list(loaded) == list(state)
        for key, array in state.items():
            np.testing.assert_array_equal(loaded[key], array, strict=True)


@pytest.mark.peer
def test_official_library_reads_it(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    save_state(tmp_path / "s", {"model": {"w": np.arange(3)}, "step": 1})
    np.testing.assert_array_equal(numpy.load_file(tmp_path / "s")["model.w"], np.arange(3))


def test_shared_array_is_stored_once_and_shared_again(tmp_path):
    weight = np.arange(1000) * (1 + 1j)
    state = {"a": weight, "b": {"c": weight[:]}, "other": weight.copy(), "part": weight[:10]}
    loaded = round_trip(state, tmp_path)
    assert list(load_safetensors(tmp_path / "s")) == ["a", "other", "part"]
    assert loaded["a"] is loaded["b"]["c"]
    assert not np.shares_memory(loaded["a"], loaded["other"])


def test_names_that_collide_are_kept_apart(tmp_path):
    state = {"a": {"b": np.zeros(1)}, "a.b": np.ones(2), 1: np.ones(3), "1": np.ones(4)}
    state["__metadata__"] = np.ones(5)
    loaded = round_trip(state, tmp_path)
    assert [v["b"].size if isinstance(v, dict) else v.size for v in loaded.values()] == [
        1,
        2,
        3,
        4,
        5,
    ]


class Box:
    def __init__(self, array):
        self.array = array


def unbox(value):
    return (value.array, "box") if isinstance(value, Box) else None


def test_hooks_carry_objects_of_another_library(tmp_path):
    shared = Box(np.arange(3))
    state = {"x": [shared, shared], "raw": np.ones(1), "z": Box(np.array([1j]))}
    save_state(tmp_path / "s", state, to_array=unbox)
    loaded = load_state(tmp_path / "s", from_array=lambda array, kind: (kind, Box(array)))
    assert loaded["x"][0][0] == "box"
    assert loaded["x"][0] is loaded["x"][1]
    np.testing.assert_array_equal(loaded["x"][0][1].array, np.arange(3))
    assert isinstance(loaded["raw"], np.ndarray)
    assert loaded["z"][1].array[0] == 1j
    assert isinstance(load_state(tmp_path / "s")["x"][0], np.ndarray)


def test_foreign_safetensors_file_is_a_dict_of_tensors(tmp_path):
    save_safetensors(tmp_path / "s", {"w": np.ones(2)}, {"format": "pt"})
    assert load_state(tmp_path / "s")["w"].sum() == 2
    assert load_state(tmp_path / "s", from_array=lambda a, kind: kind) == {"w": "tensor"}


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": [0, {1, 2}]}, r"state\['a'\]\[1\] is a builtins.set"),
        ({"f": print}, r"state\['f'\] is a builtins.builtin_function_or_method"),
        ({"o": np.array([None])}, r"state\['o'\] is an array of object"),
        ({"s": np.array(["x"])}, r"state\['s'\] is an array of <U1"),
        ({"x": {b"k": 1}}, r"key b'k' of state\['x'\] is a builtins.bytes"),
        (Box(1), "state is a .*Box"),
    ],
)
def test_what_cannot_be_written_is_named_and_nothing_is_lost(value, place, tmp_path):
    save_state(tmp_path / "s", "good")
    with pytest.raises(DTypeError, match=place):
        save_state(tmp_path / "s", value)
    assert load_state(tmp_path / "s") == "good"
    assert os.listdir(tmp_path) == ["s"]


def test_cycles_and_depth_are_refused(tmp_path):
    cycle = []
    cycle.append(cycle)
    with pytest.raises(LimitError, match="nested too deep, or in itself"):
        save_state(tmp_path / "s", cycle)
    deep = []
    for _ in range(63):
        deep = [{0: (deep,)}] if len(deep) == 0 else [deep]
    assert round_trip(deep[0], tmp_path) == deep[0]


TREES = {
    "not json": "{",
    "nan": '{"version":1,"tree":NaN}',
    "no tree": '{"version":1}',
    "list": "[]",
    "unknown tag": '{"version":1,"tree":{"eval":"1"}}',
    "no tag": '{"version":1,"tree":{}}',
    "two tags": '{"version":1,"tree":{"int":"1","float":"nan"}}',
    "missing array": '{"version":1,"tree":{"array":"x"}}',
    "array of list": '{"version":1,"tree":{"array":["w"]}}',
    "array with more": '{"version":1,"tree":{"array":"w","code":"x"}}',
    "kind of number": '{"version":1,"tree":{"array":"w","kind":1}}',
    "view of floats": '{"version":1,"tree":{"array":"w","view":"complex128"}}',
    "scalar of array": '{"version":1,"tree":{"scalar":"w"}}',
    "base64": '{"version":1,"tree":{"bytes":"?"}}',
    "bytes of number": '{"version":1,"tree":{"bytes":1}}',
    "float": '{"version":1,"tree":{"float":"1"}}',
    "float of list": '{"version":1,"tree":{"float":[]}}',
    "int": '{"version":1,"tree":{"int":"z"}}',
    "complex": '{"version":1,"tree":{"complex":[1]}}',
    "complex of text": '{"version":1,"tree":{"complex":"ab"}}',
    "tuple": '{"version":1,"tree":{"tuple":{"a":1}}}',
    "pairs": '{"version":1,"tree":{"dict":[[1]]}}',
    "pairs of numbers": '{"version":1,"tree":{"dict":[1]}}',
    "dict of text": '{"version":1,"tree":{"dict":"ab"}}',
    "list as key": '{"version":1,"tree":{"dict":[[[1],2]]}}',
    "dict as key": '{"version":1,"tree":{"dict":[[{"dict":{}},2]]}}',
    "array as key": '{"version":1,"tree":{"dict":[[{"array":"w"},2]]}}',
    "key twice": '{"version":1,"tree":{"dict":[[1,2],[1,3]]}}',
    "json key twice": '{"version":1,"tree":{"dict":{"a":1,"a":2}}}',
    "surrogate": '{"version":1,"tree":"\\ud800"}',
    "long int": '{"version":1,"tree":' + "1" * 5000 + "}",
    "large float": '{"version":1,"tree":1e999}',
}


@pytest.mark.parametrize("case", TREES)
def test_damaged_trees_are_refused(case, tmp_path):
    save_safetensors(tmp_path / "s", {"w": np.ones((2, 3))}, {"sensorium": TREES[case]})
    with pytest.raises(CorruptError, match=r"s: state"):
        load_state(tmp_path / "s")


def test_deep_tree_and_later_version_are_refused(tmp_path):
    save_safetensors(tmp_path / "s", {}, {"sensorium": "[" * 10**5})
    with pytest.raises(LimitError, match="deeper than"):
        load_state(tmp_path / "s")
    save_safetensors(tmp_path / "s", {}, {"sensorium": json.dumps({"version": 2, "tree": 1})})
    with pytest.raises(FormatError, match="version 2, this is version 1: upgrade"):
        load_state(tmp_path / "s")
