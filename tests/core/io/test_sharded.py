"""Laws of shards: an index is checked whole before any file is touched; all tensors or none."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from sensorium.errors import CorruptError, FormatError, LimitError, TruncatedError
from sensorium.io import load_index, load_sharded, save_safetensors, save_sharded, sharded

PARTS = {
    "a.safetensors": {"x": np.arange(3.0), "y": np.ones((2, 2), np.float32)},
    "b.safetensors": {"z": np.zeros(4, np.int64)},
}
MAP = {"z": "b.safetensors", "x": "a.safetensors", "y": "a.safetensors"}


def write(folder, weight_map=None, parts=None, **more):
    for name, arrays in (PARTS if parts is None else parts).items():
        save_file(arrays, folder / name)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": MAP if weight_map is None else weight_map, **more}))
    return index


def test_every_tensor_in_the_order_of_the_index(tmp_path):
    found = load_sharded(write(tmp_path, metadata={"total_size": 1}))
    assert [*found] == ["z", "x", "y"]
    for arrays in PARTS.values():
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype


def test_shards_may_lie_anywhere_if_they_are_given(tmp_path):
    index = write(tmp_path)
    moved = {}
    for n, name in enumerate(PARTS):
        moved[name] = tmp_path / f"blob{n}"
        os.rename(tmp_path / name, moved[name])
    assert load_sharded(index, files=moved)["x"][2] == 2.0
    with pytest.raises(TruncatedError, match=r"2 shards are missing: a\.safe.*, b\.safe"):
        load_sharded(index)
    with pytest.raises(TruncatedError, match=r"1 shards are missing: b\.safetensors"):
        load_sharded(index, files={"a.safetensors": moved["a.safetensors"]})


@pytest.mark.parametrize(
    "name", ["../a", "/a", "a/b", "a\\b", "..", ".", "", ".hidden", "a b", 1, []]
)
def test_names_that_are_no_plain_file_names(tmp_path, name):
    index = write(tmp_path, weight_map={"x": name})
    with pytest.raises(CorruptError, match=r"index\.json: shard index: tensor 'x' lies in"):
        load_index(index)


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", TruncatedError, "0 bytes"),
        (b"{", CorruptError, "not JSON"),
        (b"\xff", CorruptError, "not UTF-8"),
        (b"[]", CorruptError, "no weight_map"),
        (b"{}", CorruptError, "no weight_map"),
        (b'{"weight_map": {}}', CorruptError, "no weight_map"),
        (b'{"weight_map": ["a"]}', CorruptError, "no weight_map"),
        (b'{"weight_map": {"x": "a", "x": "b"}}', CorruptError, "'x' appears twice"),
        (b'{"weight_map": {"x": "a", "y": "A"}}', CorruptError, "differ in case only"),
        (b'{"weight_map": ' + b"[" * 50, LimitError, "nested deeper"),
    ],
)
def test_what_is_no_index(tmp_path, data, kind, words):
    (tmp_path / "i.json").write_bytes(data)
    with pytest.raises(kind, match=words):
        load_index(tmp_path / "i.json")


def test_limits(monkeypatch):
    many = json.dumps({"weight_map": {str(n): f"s{n}" for n in range(6)}}).encode()
    for name, value in (("MAX_TENSORS", 5), ("MAX_SHARDS", 5), ("MAX_BYTES", 50)):
        with monkeypatch.context() as patch:
            patch.setattr(sharded, name, value)
            with pytest.raises(LimitError):
                sharded.read_index(many)
    assert len(sharded.read_index(many).shards) == 6


def test_a_shard_that_lacks_or_adds_a_tensor(tmp_path):
    with pytest.raises(CorruptError, match=r"b\.safetensors lacks 1 tensors \('w'\)"):
        load_sharded(write(tmp_path, weight_map=MAP | {"w": "b.safetensors"}))
    with pytest.raises(CorruptError, match=r"a\.safetensors also holds 1 tensors \('y'\)"):
        load_sharded(write(tmp_path, weight_map={k: v for k, v in MAP.items() if k != "y"}))


def test_a_tensor_in_two_shards(tmp_path):
    parts = PARTS | {"b.safetensors": {"z": np.zeros(4), "x": np.ones(3)}}
    with pytest.raises(CorruptError, match=r"b\.safetensors also holds 1 tensors \('x'\)"):
        load_sharded(write(tmp_path, parts=parts))


def test_a_damaged_shard_is_named(tmp_path):
    index = write(tmp_path)
    data = (tmp_path / "b.safetensors").read_bytes()
    (tmp_path / "b.safetensors").write_bytes(data[:-1])
    with pytest.raises(FormatError, match=r"b\.safetensors"):
        load_sharded(index)


def test_links_that_leave_the_folder(tmp_path):
    (tmp_path / "in").mkdir()
    save_safetensors(tmp_path / "secret", PARTS["b.safetensors"])
    index = write(tmp_path / "in")
    (tmp_path / "in" / "b.safetensors").unlink()
    (tmp_path / "in" / "b.safetensors").symlink_to(tmp_path / "secret")
    with pytest.raises(FormatError, match=r"b\.safetensors is a link that leaves its folder"):
        load_sharded(index)


# -- writing -------------------------------------------------------------------------------------
@pytest.mark.parametrize("most", [1, 24, 40, 72, 73, 10**9])
def test_what_is_saved_is_loaded(tmp_path, most):
    arrays = {name: array for part in PARTS.values() for name, array in part.items()}
    names = save_sharded(tmp_path, arrays, max_shard_bytes=most, metadata={"format": "pt"})
    assert sorted(names) == sorted(os.listdir(tmp_path))
    if names == ["model.safetensors"]:
        found = load_file(tmp_path / names[0])
        assert most >= 72
    else:
        found = load_sharded(tmp_path / names[0])
        assert [*found] == [*arrays]
        for name in names[1:]:
            part = load_file(tmp_path / name)
            assert len(part) == 1 or sum(array.nbytes for array in part.values()) <= most
        total = json.loads((tmp_path / names[0]).read_text())["metadata"]["total_size"]
        assert total == 72
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_size_below_one_byte(tmp_path):
    with pytest.raises(FormatError, match="max_shard_bytes is 0"):
        save_sharded(tmp_path, {"a": np.zeros(1)}, max_shard_bytes=0)
