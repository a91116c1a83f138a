"""Checkpoints that are damaged, foreign or of another model: skipped by name or refused, never half
loaded."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import sensorium as sn
from sensorium.checkpoint import Checkpointer, CheckpointError
from sensorium.errors import StateDictError


def network(width=4, seed=0):
    sn.manual_seed(seed)
    return sn.nn.Sequential(
        sn.nn.Linear(3, width), sn.nn.BatchNorm1d(width), sn.nn.ReLU(), sn.nn.Linear(width, 1)
    )


def bits(model):
    return {name: np.asarray(value).tobytes() for name, value in model.state_dict().items()}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


# -- damage --------------------------------------------------------------------------------------
def damaged(path, name="model.safetensors"):
    file = Path(path) / name
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)


DAMAGE = {
    "a flipped bit": (damaged, "sha256"),
    "a file cut short": (lambda p: os.truncate(f"{p}/model.safetensors", 40), "40 bytes, the manifest"),
    "an empty file": (lambda p: os.truncate(f"{p}/rng.safetensors", 0), "0 bytes, the manifest"),
    "a missing file": (lambda p: os.unlink(f"{p}/model.safetensors"), "the file is missing"),
    "no manifest": (lambda p: os.unlink(f"{p}/manifest.json"), "its save was not finished"),
    "an empty manifest": (lambda p: os.truncate(f"{p}/manifest.json", 0), "not JSON"),
    "half a manifest": (lambda p: os.truncate(f"{p}/manifest.json", 200), "not JSON"),
    "an empty folder": (lambda p: [os.unlink(e) for e in os.scandir(p)], "was not finished"),
    "a changed manifest": (lambda p: changed(p, step=99), "its own check sum"),
    "a manifest of the future": (lambda p: changed(p, version=2), "version 2, this is version 1"),
    "another's manifest": (lambda p: changed(p, format="other"), "no manifest of a checkpoint"),
    "a name that leaves the folder": (
        lambda p: signed(p, files={"../../etc/passwd": {"bytes": 1, "sha256": "0" * 64}}), "no file of"),
    "a folder for a file": (
        lambda p: (os.unlink(f"{p}/model.safetensors"), os.mkdir(f"{p}/model.safetensors")), "director"),
    "another run": (lambda p: signed(p, run="0" * 16), "is of run 00000000"),
    "odd metrics": (lambda p: signed(p, metrics={"a": [1]}), "is not a number"),
    "deep metrics": (lambda p: changed(p, metrics=nested(100)), "nested deeper"),
}  # fmt: skip


def nested(depth):
    return [nested(depth - 1)] if depth else 0


def changed(path, **fields):
    file = Path(path) / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def signed(path, **fields):
    """A manifest whose check sum is right."""
    from sensorium.checkpoint import _manifest

    changed(path, **fields)
    body = json.loads((Path(path) / "manifest.json").read_text())
    del body["check"]
    changed(path, check=_manifest._check(body))


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_is_damaged_is_skipped_by_name_and_reason(folder, kind):
    hurt, reason = DAMAGE[kind]
    model = network()
    with Checkpointer(folder, model=model) as checkpointer:
        checkpointer.save(1)
        good = bits(model)
        with sn.no_grad():
            model[0].weight.add_(1)
        hurt(checkpointer.save(2).path)
        with pytest.warns(RuntimeWarning, match=f"skipped step_00000002 .*{reason}"):
            assert checkpointer.restore() == 1
        assert bits(model) == good
        shutil.rmtree(folder / "step_00000001")
        with (
            pytest.warns(RuntimeWarning),
            pytest.raises(CheckpointError, match=f"no checkpoint in .* can be used .*{reason}"),
        ):
            checkpointer.restore()
        checkpointer.save(3)  # life goes on
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the damaged folder may still be there
            assert checkpointer.restore() == 3


def test_a_clock_that_went_back_and_names_that_lie_do_not_matter(folder, monkeypatch):
    with Checkpointer(folder, model=network()) as checkpointer:
        checkpointer.save(1)
        monkeypatch.setattr("time.time", lambda: 5.0)
        checkpointer.save(2)
        os.rename(folder / "step_00000002", folder / "aaa")
        os.rename(folder / "step_00000001", folder / "step_99999999")
        assert checkpointer.restore() == 2


def test_a_checkpoint_of_another_model_names_keys_and_shapes_and_changes_nothing(folder):
    model = network()
    optimizer = sn.optim.Adam(model.parameters())
    model(sn.ones(2, 3)).sum().backward()
    optimizer.step()
    with Checkpointer(folder, model=model, optimizer=optimizer) as checkpointer:
        checkpointer.save(4)
    other = network(width=6)
    other.append(sn.nn.Linear(1, 1))
    before = bits(other)
    with Checkpointer(folder, model=other) as checkpointer:
        rng = sn.get_rng_state()
        with pytest.raises(StateDictError) as caught:
            checkpointer.restore()
        for text in (
            "model: ",
            "4.weight",
            "0.weight: shape (4, 3) in the dict, (6, 3) in the module",
        ):
            assert text in str(caught.value)
        assert bits(other) == before and sn.equal(sn.get_rng_state(), rng)


def test_a_part_that_refuses_leaves_the_others_as_they_were(folder):
    model = network()
    optimizer = sn.optim.Adam(model.parameters())
    model(sn.ones(2, 3)).sum().backward()
    optimizer.step()
    with Checkpointer(folder, model=model, optimizer=optimizer) as checkpointer:
        checkpointer.save(4)
    other = network(seed=9)
    before = bits(other)
    with Checkpointer(
        folder, model=other, optimizer=sn.optim.Adam(list(other.parameters())[:2])
    ) as c:
        c.state["mine"] = 1
        with pytest.raises(StateDictError, match=r"restore: optimizer: .*groups of"):
            c.restore()
        assert bits(other) == before and c.state == {"mine": 1}


def test_a_damaged_finite_one_does_not_count_as_the_last(folder):
    """keep=1: the newest are not finite, the one before is damaged: the one before that stays."""
    model = network()
    with Checkpointer(folder, model=model, keep=2) as checkpointer:
        checkpointer.save(1), checkpointer.save(2)
        damaged(checkpointer.latest.path)
        checkpointer.keep = 1
        with sn.no_grad():
            model[0].bias.fill_(float("nan"))
        checkpointer.save(3)
        assert [c.step for c in checkpointer.checkpoints] == [1, 3]
        with pytest.warns(RuntimeWarning, match="not finite"):
            assert checkpointer.restore() == 1
