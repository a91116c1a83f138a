"""Laws of ``save``: what comes back is what was saved, and who reads while it is being replaced, or
after it was cut off anywhere, has the old model or the new one."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pytest
import toys
from safetensors import safe_open

from sensorium import hub
from sensorium.errors import CacheError, CardError, IntegrityError, NotFoundError, OptionError
from sensorium.hub import registry, saving


@pytest.fixture(autouse=True)
def zoo(monkeypatch):
    monkeypatch.setattr(registry, "_installed", list)
    monkeypatch.setattr(registry, "_table", None)
    monkeypatch.setattr(registry, "_registered", [])
    made = toys.Zoo()
    hub.register(made)
    return made


FACTS = {"architecture": "toynet", "task": "toying"}


def toy(fill, classes=2):
    model = toys.Toy(num_classes=classes)
    model.values = {key: np.full(value.shape, fill) for key, value in model.values.items()}
    return model


def loaded(tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    for name, data in toys.files(2.0).items():
        (folder / name).write_bytes(data)
    return hub.load(str(folder))


# -- what comes back -----------------------------------------------------------------------------
def test_a_model_comes_back_with_tokenizer_and_labels(tmp_path):
    model = loaded(tmp_path)
    model.values["fc.weight"] = np.full((2, 3), 9.0)
    folder = hub.save(model, tmp_path / "run")
    again = hub.load(str(folder))
    assert again.fill == {"body.weight": 2.0, "fc.weight": 9.0}
    assert again.preprocess.files["tokenizer.json"] == b'{"version": "1.0"}'
    (row,) = again.card.weights
    assert row.labels == ["cat", "dog"] and row.name == "own" and row.metrics == {}
    assert again.card.architecture == "toynet" and again.card.config == {"size": 3}
    assert sorted(os.listdir(folder)) == [
        "card.json", "config.json", "model.safetensors", "tokenizer.json",
    ]  # fmt: skip


def test_another_head_with_names_of_ones_own(tmp_path):
    model = loaded(tmp_path)
    model = hub.load(str(tmp_path / "published"), num_classes=3)
    folder = hub.save(model, tmp_path / "run", labels=["a", "b", "c"], name="mine")
    again = hub.load(str(folder))
    assert again.values["fc.weight"].shape == (3, 3) and again.card.name == "mine"
    assert hub.pipeline(str(folder))("x") == ("x", ["a", "b", "c"])
    with pytest.raises(OptionError, match="2 labels for a model of 3 classes"):
        hub.save(model, folder, labels=["a", "b"])
    assert hub.load(str(folder)).card.default().labels == ["a", "b", "c"]


def test_a_model_that_the_hub_never_saw(tmp_path):
    folder = hub.save(
        toy(4.0, classes=3),
        tmp_path / "My Run",
        **FACTS,
        config={"num_classes": 3},
        preprocessing={"rate": 16000},
        labels=["x", "y", "z"],
        classifier="fc",
        licence="MIT",
    )
    again = hub.load(str(folder))
    assert again.fill["fc.weight"] == 4.0 and again.card.name == "my-run"
    (row,) = again.card.weights
    assert row.preprocessing == {"rate": 16000} and row.licence == "MIT"
    assert hub.load(str(folder), num_classes=5).values["fc.weight"].shape == (5, 3)


def test_facts_that_are_missing_or_unknown(tmp_path):
    with pytest.raises(CardError, match=r"Toy has no card.*give architecture= and task="):
        hub.save(toy(1.0), tmp_path / "run")
    with pytest.raises(NotFoundError, match="'toynets'; did you mean toynet"):
        hub.save(toy(1.0), tmp_path / "run", architecture="toynets", task="toying")
    with pytest.raises(CardError, match="lower-case letters"):
        hub.save(toy(1.0), tmp_path / "run", name="../x", **FACTS)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["card.json", "x.safetensors", "../x", "a/b/c", ""])
def test_companions_may_not_be_anything(zoo, tmp_path, monkeypatch, name):
    monkeypatch.setattr(zoo, "companions", lambda model, labels: {name: b"x"})
    with pytest.raises(CardError):
        hub.save(toy(1.0), tmp_path / "run", **FACTS)


def test_the_weights_say_that_they_are_pytorchs(tmp_path):
    """transformers refuses a safetensors file without this word."""
    hub.save(toy(1.0), tmp_path, **FACTS)
    with safe_open(tmp_path / "model.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt"}


def test_shards_and_back_to_one_file(tmp_path):
    hub.save(toy(3.0), tmp_path, **FACTS, max_shard_bytes=48)
    names = {f"model-0000{n}-of-00002.safetensors" for n in (1, 2)}
    assert {*os.listdir(tmp_path)} == names | {
        "card.json", "config.json", "model.safetensors.index.json"
    }  # fmt: skip
    assert hub.load(str(tmp_path)).fill["fc.weight"] == 3.0
    os.remove(tmp_path / "card.json")  # then it is any folder in the layout
    assert hub.load(str(tmp_path)).fill["fc.weight"] == 3.0
    hub.save(toy(3.0), tmp_path, **FACTS, max_shard_bytes=48)
    hub.save(toy(4.0), tmp_path, **FACTS)
    assert {*os.listdir(tmp_path)} == {"card.json", "config.json", "model.safetensors"}
    assert hub.load(str(tmp_path)).fill["fc.weight"] == 4.0


def test_other_files_of_the_folder_are_left_alone(tmp_path):
    (tmp_path / "log.txt").write_text("epoch 1")
    hub.save(toy(1.0), tmp_path, **FACTS)
    hub.save(toy(2.0), tmp_path, **FACTS)
    assert (tmp_path / "log.txt").read_text() == "epoch 1"


def test_any_changed_byte_is_found_out(tmp_path):
    hub.save(loaded(tmp_path), tmp_path / "run")
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        path = tmp_path / "run" / name
        good = path.read_bytes()
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        with pytest.raises(IntegrityError, match="expected sha256"):
            hub.load(str(tmp_path / "run"))
        path.write_bytes(good)
    assert hub.load(str(tmp_path / "run")).fill["fc.weight"] == 2.0


def test_a_saved_model_is_loaded_from_a_repository(tmp_path, server, monkeypatch):
    folder = hub.save(loaded(tmp_path), tmp_path / "run")
    monkeypatch.setenv("HF_ENDPOINT", server.url(""))
    toys.publish(server, "me/run", {path.name: path.read_bytes() for path in folder.iterdir()})
    model = hub.load("hf://me/run")
    assert model.fill["fc.weight"] == 2.0 and "tokenizer.json" in model.preprocess.files
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    assert hub.load("hf://me/run").fill["fc.weight"] == 2.0


def test_a_lost_companion_is_no_reason_to_lose_a_model(tmp_path, zoo, monkeypatch):
    model = loaded(tmp_path)
    monkeypatch.setattr(zoo, "companions", lambda model, labels: {})
    (tmp_path / "published" / "tokenizer.json").unlink()
    with pytest.warns(UserWarning, match=r"tokenizer\.json is left out"):
        hub.save(model, tmp_path / "run")
    assert hub.load(str(tmp_path / "run")).fill["fc.weight"] == 2.0


# -- replacing -----------------------------------------------------------------------------------
CALLS = [(call, None) for call in ("rename", "replace", "open", "fsync", "rmdir", "unlink")]


@pytest.mark.parametrize(("call", "shards"), [*CALLS, ("replace", 48), ("mkdir", 48)])
def test_cut_off_at_any_call_the_old_or_the_new_model_is_there(tmp_path, monkeypatch, call, shards):
    """For every k: the process ends at its k-th call of this kind. What is then in the folder loads,
    is of one version, and the next save heals it."""
    original, k, ended = getattr(os, call), 0, True

    class Cut(BaseException):
        """The end of the process: nothing is cleaned up after it."""

    while ended:
        k, ended, seen = k + 1, False, 0
        folder = tmp_path / f"{call}{shards}{k}"
        hub.save(toy(1.0), folder, **FACTS, max_shard_bytes=48)

        def cut(*args, last=k, **options):
            nonlocal seen, ended
            seen += 1
            if seen >= last:
                ended = True
                raise Cut
            return original(*args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(saving.shutil, "rmtree", lambda *args, **options: None)
            patch.setattr(os, call, cut)
            with contextlib.suppress(Cut):
                hub.save(toy(2.0), folder, **FACTS, max_shard_bytes=shards)
        assert hub.load(str(folder)).fill in (
            {"body.weight": 1.0, "fc.weight": 1.0},
            {"body.weight": 2.0, "fc.weight": 2.0},
        )
        hub.save(toy(3.0), folder, **FACTS)
        assert hub.load(str(folder)).fill["fc.weight"] == 3.0
        assert not (folder / ".saved").exists()
        assert not [*folder.glob("model-*")]
    assert k > 1


@pytest.mark.parametrize("call", ["rename", "replace", "mkdir", "fsync"])
def test_a_failing_disk_is_one_error_and_keeps_the_old_model(tmp_path, monkeypatch, call):
    hub.save(toy(1.0), tmp_path, **FACTS)

    def fail(*args, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(CacheError, match=r"No space left.*the model that was there"):
            hub.save(toy(2.0), tmp_path, **FACTS)
    assert hub.load(str(tmp_path)).fill["fc.weight"] == 1.0
    assert sorted(os.listdir(tmp_path)) == ["card.json", "config.json", "model.safetensors"]


def test_the_file_that_is_mapped_may_be_saved_over(tmp_path):
    hub.save(toy(1.0), tmp_path, **FACTS)
    model = hub.load(str(tmp_path))  # its arrays are the file
    hub.save(model, tmp_path)
    hub.save(toy(2.0), tmp_path, **FACTS)
    assert model.fill["fc.weight"] == 1.0 and hub.load(str(tmp_path)).fill["fc.weight"] == 2.0


def test_what_dead_processes_left_is_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".saving-{hub.saving.sink.place()}-{dead.pid}-00"
    alive = tmp_path / f".saving-{hub.saving.sink.place()}-{os.getpid()}-00"
    left.mkdir()
    alive.mkdir()
    hub.save(toy(1.0), tmp_path, **FACTS)
    assert not left.exists() and alive.exists()


def _save(folder, fills, enough):
    """Save the fills in turn, again and again, until the reader has seen enough; the last one ends it."""
    while not enough.is_set():
        for fill in fills:
            hub.save(toy(fill), folder, **FACTS, max_shard_bytes=None if fill % 2 else 48)


def test_readers_beside_two_writers_always_have_one_whole_model(tmp_path):
    hub.save(toy(1.0), tmp_path, **FACTS)
    fork = multiprocessing.get_context("fork")
    enough = fork.Event()
    fills = range(10, 20), range(50, 60)
    writers = [fork.Process(target=_save, args=(tmp_path, some, enough)) for some in fills]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        (fill,) = {*hub.load(str(tmp_path)).fill.values()}
        seen.add(fill)
        if len(seen) > 4:
            enough.set()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert hub.load(str(tmp_path)).fill["fc.weight"] in (19.0, 59.0) and len(seen) > 4
    assert not (tmp_path / ".saved").exists()


def test_a_card_tells_the_size_of_every_file(tmp_path):
    hub.save(toy(1.0), tmp_path, **FACTS)
    (model,) = json.loads((tmp_path / "card.json").read_text())["models"]
    (row,) = model["weights"]
    assert row["bytes"] == (tmp_path / "model.safetensors").stat().st_size
    assert row["files"]["config.json"]["bytes"] == (tmp_path / "config.json").stat().st_size
