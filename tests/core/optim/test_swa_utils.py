"""Averaged weights: means by hand, batch statistics, the annealed rate; against PyTorch."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn, optim
from sensorium.optim import swa_utils


def weights(model):
    return {k: v.numpy() if hasattr(v, "numpy") else v for k, v in model.state_dict().items()}


def test_without_a_function_it_is_the_plain_mean():
    model = nn.Linear(2, 3)
    average, seen = swa_utils.AveragedModel(model), []
    rng = np.random.default_rng(0)
    for _ in range(4):
        with sn.no_grad():
            model.weight.copy_(sn.tensor(rng.normal(size=(3, 2))))
        seen.append(model.weight.detach().numpy().copy())
        average.update_parameters(model)
    got = average.module.weight.detach().numpy()
    np.testing.assert_allclose(got, np.mean(seen, 0), rtol=1e-6)
    assert average.n_averaged.item() == 4
    x = sn.ones(1, 2)
    np.testing.assert_array_equal(average(x).detach().numpy(), average.module(x).detach().numpy())


def test_an_exponential_average_forgets_at_its_rate():
    model = nn.Linear(1, 1, bias=False)
    averages = [
        swa_utils.AveragedModel(model, avg_fn=swa_utils.get_ema_avg_fn(0.75)),
        swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.75)),
    ]
    want = None
    for value in (1.0, 5.0, -3.0):
        nn.init.constant_(model.weight, value)
        want = value if want is None else 0.75 * want + 0.25 * value
        for average in averages:
            average.update_parameters(model)
    assert [a.module.weight.item() for a in averages] == [want, want]


def test_update_bn_sets_the_mean_of_the_batches_statistics():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU())
    model.eval()
    rng = np.random.default_rng(0)
    batches = [rng.normal(size=(8, 3)).astype(np.float32) for _ in range(3)]
    swa_utils.update_bn([(sn.tensor(b), "label") for b in batches], model)
    means = np.mean([b.mean(0) for b in batches], 0)
    variances = np.mean([b.var(0, ddof=1) for b in batches], 0)
    np.testing.assert_allclose(model[0].running_mean.numpy(), means, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(model[0].running_var.numpy(), variances, rtol=1e-5)
    assert model[0].momentum == 0.1 and not model.training


def test_misuse_is_refused():
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\], got 1.5"):
        swa_utils.get_ema_avg_fn(1.5)
    with pytest.raises(ValueError, match="takes avg_fn or multi_avg_fn, got both"):
        swa_utils.AveragedModel(nn.ReLU(), None, lambda a, b, n: a, lambda a, b, n: None)
    sgd = optim.SGD(nn.Linear(1, 1).parameters())
    with pytest.raises(ValueError, match="anneal_strategy must be cos or linear, got 'x'"):
        swa_utils.SWALR(sgd, 1.0, anneal_strategy="x")
    with pytest.raises(ValueError, match="2 values of swa_lr for 1 groups"):
        swa_utils.SWALR(sgd, [1.0, 2.0])


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["swa", "swa_multi", "ema", "ema_multi", "none", "own"])
@pytest.mark.parametrize("use_buffers", [False, True])
def test_averages_and_their_state_dicts_are_pytorchs(kind, use_buffers):
    torch = pytest.importorskip("torch")
    if kind == "swa_multi" and use_buffers:
        pytest.skip("PyTorch refuses the integer buffer")
    rng = np.random.default_rng(0)
    values = [{"0.weight": rng.normal(size=(3, 2)), "1.running_mean": rng.normal(size=3)}
              for _ in range(4)]  # fmt: skip
    found = []
    for library in (sn, torch):
        utils = library.optim.swa_utils
        options = {
            "swa": {"avg_fn": utils.get_swa_avg_fn()},
            "swa_multi": {"multi_avg_fn": utils.get_swa_multi_avg_fn()},
            "ema": {"avg_fn": utils.get_ema_avg_fn(0.9)},
            "ema_multi": {"multi_avg_fn": utils.get_ema_multi_avg_fn(0.9)},
            "own": {"avg_fn": lambda a, b, n: (a * n + b * 2) / (n + 2)},
        }.get(kind, {})
        model = library.nn.Sequential(
            library.nn.Linear(2, 3, bias=False), library.nn.BatchNorm1d(3)
        ).to(library.float64)
        average = utils.AveragedModel(model, use_buffers=use_buffers, **options)
        for value in values:
            state = {**model.state_dict(), **{k: library.tensor(v) for k, v in value.items()}}
            model.load_state_dict(state)
            average.update_parameters(model)
        found.append(weights(average))
    ours, theirs = found
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        assert ours[key].dtype == value.dtype
        # PyTorch's 1 / (n + 1) is a float32 tensor in this one
        tolerance = 1e-6 if kind == "swa_multi" else 1e-12
        np.testing.assert_allclose(ours[key], value, rtol=tolerance)


@pytest.mark.peer
@pytest.mark.parametrize("epochs", [0, 1, 7])
@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_fifty_rates_are_pytorchs(strategy, epochs):
    torch = pytest.importorskip("torch")
    found = []
    for library in (sn, torch):
        ps = [library.nn.Parameter(library.ones(1)) for _ in range(2)]
        o = library.optim.SGD([{"params": [ps[0]]}, {"params": [ps[1]], "lr": 3.0}], lr=1.0)
        first = library.optim.lr_scheduler.ExponentialLR(o, 0.9)
        schedule = library.optim.swa_utils.SWALR(o, [0.05, 0.1], epochs, strategy)
        rates = []
        for i in range(50):
            rates.append([g["lr"] for g in o.param_groups])
            o.step()
            (schedule if i > 10 else first).step()
        found.append((rates, copy.deepcopy(schedule.state_dict())))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-10)
    assert set(found[0][1]) == set(found[1][1])
