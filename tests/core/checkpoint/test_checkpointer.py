"""Checkpointer: what is saved comes back; what must stay stays; mistakes are errors at the start."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest

import sensorium as sn
from sensorium.checkpoint import Checkpointer, CheckpointError
from sensorium.errors import OptionError, StateDictError
from sensorium.nn import functional as F


def network(width=4, seed=0):
    sn.manual_seed(seed)
    return sn.nn.Sequential(
        sn.nn.Linear(3, width), sn.nn.BatchNorm1d(width), sn.nn.ReLU(), sn.nn.Linear(width, 1)
    )


def trained(model, optimizer, steps=2):
    for k in range(steps):
        optimizer.zero_grad()
        F.mse_loss(model(sn.full((5, 3), float(k)) + sn.rand(5, 3)), sn.ones(5, 1)).backward()
        optimizer.step()


def same(a, b):
    """Bitwise equal trees of tensors, arrays and plain values."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (sn.Tensor, np.ndarray)):
        a, b = np.asarray(a), np.asarray(b)
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and repr(a) == repr(b)  # nan is nan


def copied(tree):
    from sensorium.checkpoint._parts import owned

    return owned(tree)


def steps(checkpointer):
    return [c.step for c in checkpointer.checkpoints]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


# -- what comes back -----------------------------------------------------------------------------
def test_everything_comes_back_bitwise(folder):
    model = network()
    optimizer = sn.optim.AdamW(model.parameters(), lr=1e-2)
    scheduler = sn.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
    average = sn.optim.swa_utils.AveragedModel(model)
    trained(model, optimizer)
    average.update_parameters(model)
    scheduler.step(0.3)
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    with Checkpointer(folder, **parts, others={"ema": average}) as checkpointer:
        checkpointer.state = {"log": [0.5, float("nan")], "best": (1, None), "x": sn.arange(3)}
        sn.rand(3), random.random(), np.random.random()
        want = {n: copied(p.state_dict()) for n, p in checkpointer._parts.items()}
        checkpointer.save(7, {"loss": 0.25})
        drawn = sn.rand(4), random.random(), np.random.random(), np.random.normal()
        trained(model, optimizer)
        checkpointer.state = {}
        assert checkpointer.restore() == 7
        assert same({n: p.state_dict() for n, p in checkpointer._parts.items()}, want)
        assert same((sn.rand(4), random.random(), np.random.random(), np.random.normal()), drawn)
        assert same(
            checkpointer.state, {"log": [0.5, float("nan")], "best": (1, None), "x": sn.arange(3)}
        )


SCHEDULES = [
    ("StepLR", {"step_size": 2}), ("CosineAnnealingLR", {"T_max": 5}), ("ExponentialLR", {"gamma": 0.9}),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 9}), ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "cycle_momentum": False}),
    ("LambdaLR", {"lr_lambda": lambda k: 1 / (k + 1)}), ("MultiStepLR", {"milestones": [1, 3]}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3}), ("LinearLR", {}), ("PolynomialLR", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), SCHEDULES, ids=[n for n, _ in SCHEDULES])
def test_schedules_go_on(folder, name, options):
    def made():
        optimizer = sn.optim.SGD([sn.zeros(1, requires_grad=True)], lr=1.0)
        return optimizer, getattr(sn.optim.lr_scheduler, name)(optimizer, **options)

    def rates(optimizer, scheduler, count):
        out = []
        for _ in range(count):
            optimizer.step()
            scheduler.step()
            out.append(optimizer.param_groups[0]["lr"])
        return out

    optimizer, scheduler = made()
    rates(optimizer, scheduler, 3)
    with Checkpointer(folder, optimizer=optimizer, scheduler=scheduler) as checkpointer:
        checkpointer.save(3)
    want = rates(optimizer, scheduler, 4)
    optimizer, scheduler = made()
    with Checkpointer(folder, optimizer=optimizer, scheduler=scheduler) as checkpointer:
        assert checkpointer.restore() == 3
    assert rates(optimizer, scheduler, 4) == want


@pytest.mark.parametrize(
    "name", ["SGD", "Adam", "Adagrad", "RMSprop", "Adadelta", "NAdam", "RAdam", "ASGD", "Rprop",
             "Adafactor", "LBFGS"],
)  # fmt: skip
def test_optimizers_go_on(folder, name):
    def made():
        sn.manual_seed(1)
        model = sn.nn.Linear(3, 2)
        return model, getattr(sn.optim, name)(model.parameters(), lr=0.01)

    def closed(model, optimizer, count):
        def closure():
            optimizer.zero_grad()
            loss = (model(sn.ones(2, 3)) ** 2).sum()
            loss.backward()
            return loss

        for _ in range(count):
            optimizer.step(closure)

    model, optimizer = made()
    closed(model, optimizer, 3)
    with Checkpointer(folder, model=model, optimizer=optimizer) as checkpointer:
        checkpointer.save(3)
    closed(model, optimizer, 2)
    again, other = made()
    with Checkpointer(folder, model=again, optimizer=other) as checkpointer:
        checkpointer.restore()
    closed(again, other, 2)
    assert same(again.state_dict(), model.state_dict())
    assert same(other.state_dict(), optimizer.state_dict())


def test_files_are_safetensors_and_json_with_their_sha256(folder):
    import hashlib

    from safetensors.numpy import load_file

    model = network()
    with Checkpointer(folder, model=model) as checkpointer:
        made = checkpointer.save(12, {"loss": float("inf")})
    manifest = json.loads((folder / "step_00000012" / "manifest.json").read_text())
    assert set(os.listdir(made.path)) == {*manifest["files"], "manifest.json"}
    for name, entry in manifest["files"].items():
        data = (Path(made.path) / name).read_bytes()
        assert entry == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    read = load_file(Path(made.path) / "model.safetensors")
    assert same(dict(model.state_dict()), {k: sn.tensor(v) for k, v in read.items()})
    assert made.metrics == {"loss": float("inf")} == checkpointer.latest.metrics


def test_only_the_model_can_be_asked_for(folder):
    model = network()
    optimizer = sn.optim.Adam(model.parameters())
    with Checkpointer(folder, model=model, optimizer=optimizer) as checkpointer:
        checkpointer.save(1)
    other = network(seed=5)
    assert Checkpointer(folder, model=other, rng=False, read_only=True).restore() == 1
    assert same(other.state_dict(), model.state_dict())
    with pytest.raises(StateDictError, match=r"holds model, optimizer, rng, state, but not scaler"):
        Checkpointer(folder, others={"scaler": model}, read_only=True).restore()


# -- when ----------------------------------------------------------------------------------------
def test_every_keep_latest_and_best(folder):
    options = {"keep": 2, "every": 10, "monitor": "accuracy", "mode": "max"}
    with Checkpointer(folder, model=network(), **options) as checkpointer:
        assert checkpointer.latest is checkpointer.best is checkpointer.restore() is None
        for step, accuracy in [
            (10, 0.5),
            (15, 1.0),
            (20, 0.9),
            (30, 0.7),
            (40, 0.9),
            (50, float("nan")),
        ]:
            made = checkpointer.save(step, {"accuracy": accuracy})
            assert (made is None) == (step == 15)
        assert steps(checkpointer) == [20, 40, 50]
        assert (checkpointer.latest.step, checkpointer.best.step) == (50, 20)
        assert checkpointer.save(55, {"accuracy": 0}, force=True).step == 55
        assert checkpointer.restore(20) == 20
        assert steps(checkpointer) == [20, 50, 55]


def test_a_step_saved_again_replaces_nothing_before_it_is_whole(folder):
    with Checkpointer(folder, model=network(), keep=1) as checkpointer:
        first = checkpointer.save(3)
        second = checkpointer.save(3)
        assert first.path != second.path and [c.serial for c in checkpointer.checkpoints] == [2]
        assert checkpointer.save(1).serial == 3  # after going back to an earlier step
        assert checkpointer.latest.step == 1 == checkpointer.restore()


# -- finite --------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_last_finite_one_outlives_any_number_of_others(folder, value):
    model = network()
    with Checkpointer(folder, model=model, keep=2) as checkpointer:
        checkpointer.save(1)
        good = copied(model.state_dict())
        with sn.no_grad():
            model[0].weight[1, 2] = value
        for step in range(2, 7):
            made = checkpointer.save(step)
            assert not made.finite and made.not_finite == (f"model: 0.weight[1, 2] is {value}",)
        assert steps(checkpointer) == [1, 5, 6]
        with pytest.warns(
            RuntimeWarning, match=r"step_0000000[56] \(not finite: model: 0.weight\[1, 2\]"
        ):
            assert checkpointer.restore() == 1
        assert same(model.state_dict(), good)
        assert checkpointer.restore(finite=False) == 6 and checkpointer.restore(5) == 5


def test_only_checkpoints_that_are_not_finite_are_an_error(folder):
    model = network()
    with sn.no_grad():
        model[0].bias.fill_(float("nan"))
    with Checkpointer(folder, model=model) as checkpointer:
        checkpointer.save(1)
        with pytest.warns(RuntimeWarning), pytest.raises(CheckpointError, match="finite=False"):
            checkpointer.restore()
        assert checkpointer.restore(finite=False) == 1


def test_masks_of_infinities_are_no_fault_and_nan_in_state_is(folder):
    model = network()
    model.register_buffer("mask", sn.full((2,), float("-inf")))
    optimizer = sn.optim.Adam(model.parameters())
    trained(model, optimizer)
    with Checkpointer(folder, model=model, optimizer=optimizer) as checkpointer:
        assert checkpointer.save(1).finite
        optimizer.state[model[0].bias]["exp_avg"][1] = float("nan")
        assert checkpointer.save(2).not_finite == ("optimizer: state.1.exp_avg[1] is nan",)
        model.mask[0] = float("nan")
        assert "model: mask[0] is nan" in checkpointer.save(3).not_finite


# -- misuse --------------------------------------------------------------------------------------
def test_mistakes_are_errors_at_the_start(folder):
    model = network()
    for options, text in [
        ({"keep": 0}, "keep must be a whole number from 1, got 0"),
        ({"every": 1.5}, "every must be"),
        ({"mode": "largest"}, "mode must be 'min' or 'max'"),
        ({"model": 3}, r"model \(int\) has no state_dict\(\)"),
        ({"others": {"rng": model}}, "others\\['rng'\\]"),
        ({"others": {"../x": model}}, "must be named"),
    ]:
        with pytest.raises(OptionError, match=text):
            Checkpointer(folder, **options)

    class Endless(sn.data.IterableDataset):
        def __iter__(self):
            return iter(range(3))

    with pytest.raises(OptionError, match="IterableDataset"):
        Checkpointer(folder, loader=sn.data.DataLoader(Endless()))
    assert not folder.exists()
    with Checkpointer(folder, model=model, monitor="los") as checkpointer:
        with pytest.raises(OptionError, match=r"monitor is 'los', but metrics has \['loss'\]"):
            checkpointer.save(1, {"loss": 1.0})
        with pytest.raises(OptionError, match="step must be"):
            checkpointer.save(-1, {"los": 1.0})
        checkpointer.state["f"] = {1, 2}
        with pytest.raises(sn.errors.DTypeError, match="state"):
            checkpointer.save(1, {"los": 1.0})
        assert checkpointer.restore() is None
        with pytest.raises(CheckpointError, match="nothing was saved"):
            checkpointer.restore(required=True)
        with pytest.raises(CheckpointError, match="no usable step 3; steps there: none"):
            checkpointer.restore(3)
    with pytest.raises(CheckpointError, match="closed"):
        checkpointer.save(1, {"los": 1.0})
    with pytest.raises(CheckpointError, match="read-only"):
        Checkpointer(folder, model=model, read_only=True).save(1)
    assert sorted(os.listdir(folder)) == ["owner.json", "run.json"]
