"""Schedules: closed forms, resuming, chaining; fifty steps against PyTorch."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

import sensorium as sn
from sensorium.optim import SGD, Adam, lr_scheduler


def optimizer(kind=SGD, library=sn, lr=0.5, **options):
    p, q = (library.nn.Parameter(library.ones(1)) for _ in range(2))
    return kind([{"params": [p]}, {"params": [q], "lr": 2 * lr}], lr=lr, **options)


def rates(schedule, steps):
    found = []
    for _ in range(steps):
        group = schedule.optimizer.param_groups[0]
        found.append([g["lr"] for g in schedule.optimizer.param_groups]
                     + [group.get("momentum", group.get("betas", (0,))[0])])  # fmt: skip
        schedule.optimizer.step()
        schedule.step()
    return np.array(found)


def test_step_and_cosine_follow_their_formulas():
    got = rates(lr_scheduler.StepLR(optimizer(), 3, 0.1), 10)[:, 0]
    np.testing.assert_allclose(got, [0.5 * 0.1 ** (i // 3) for i in range(10)])
    schedule = lr_scheduler.CosineAnnealingLR(optimizer(), 8, eta_min=0.1)
    got = rates(schedule, 20)[:, 0]
    want = [0.1 + 0.4 * (1 + math.cos(math.pi * i / 8)) / 2 for i in range(20)]
    np.testing.assert_allclose(got, want, rtol=1e-12)
    assert schedule.get_last_lr() == [g["lr"] for g in schedule.optimizer.param_groups]


def test_linear_warm_up_ends_at_the_base_rate():
    got = rates(lr_scheduler.LinearLR(optimizer(), 0.2, 1.0, 4), 7)[:, 0]
    np.testing.assert_allclose(got, [0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5])


def test_schedules_chain_and_a_rate_set_by_hand_goes_on():
    o = optimizer()
    a, b = lr_scheduler.ExponentialLR(o, 0.5), lr_scheduler.StepLR(o, 2, 0.1)
    o.step()
    a.step(), b.step()
    assert o.param_groups[0]["lr"] == 0.25
    o.param_groups[0]["lr"] = 8.0
    a.step(), b.step()
    assert o.param_groups[0]["lr"] == pytest.approx(0.4)


KINDS = {
    "StepLR": (3, 0.7),
    "MultiStepLR": ([2, 5, 5, 30], 0.5),
    "ExponentialLR": (0.9,),
    "ConstantLR": (0.4, 7),
    "LinearLR": (0.3, 0.9, 11),
    "CosineAnnealingLR": (13, 0.05),
    "LambdaLR": (lambda i: 0.95**i,),
    "OneCycleLR": (1.5, 60),
}


@pytest.mark.parametrize("name", KINDS)
def test_resuming_from_a_state_dict_goes_on_alike(name):
    kind = getattr(lr_scheduler, name)
    whole = rates(kind(optimizer(momentum=0.9), *KINDS[name]), 20)
    o = optimizer(momentum=0.9)
    schedule = kind(o, *KINDS[name])
    first = rates(schedule, 8)
    saved = pickle.dumps((schedule.state_dict(), o.state_dict()))
    o2 = optimizer(momentum=0.9)
    again = kind(o2, *KINDS[name])
    state, options = pickle.loads(saved)
    o2.load_state_dict(options)
    again.load_state_dict(state)
    np.testing.assert_array_equal(np.concatenate([first, rates(again, 12)]), whole)


def test_lambda_objects_keep_their_attributes_in_the_state():
    class Slow:
        power = 2

        def __call__(self, i):
            return 1 / (1 + i) ** self.power

    schedule = lr_scheduler.LambdaLR(optimizer(), [Slow(), Slow()])
    schedule.lr_lambdas[0].power = 3
    state = schedule.state_dict()
    assert state["lr_lambdas"] == [{"power": 3}, {}]
    other = lr_scheduler.LambdaLR(optimizer(), [Slow(), Slow()])
    other.load_state_dict(state)
    assert other.lr_lambdas[0].power == 3


def test_misuse_is_refused():
    o = optimizer()
    with pytest.raises(TypeError, match="StepLR: want an Optimizer, got int"):
        lr_scheduler.StepLR(3, 1)
    with pytest.raises(KeyError, match="group 0 of the optimiser has no 'initial_lr'"):
        lr_scheduler.StepLR(optimizer(), 1, last_epoch=4)
    with pytest.raises(ValueError, match="3 functions for 2 groups"):
        lr_scheduler.LambdaLR(o, [math.exp] * 3)
    with pytest.raises(ValueError, match="say total_steps, or epochs and steps_per_epoch"):
        lr_scheduler.OneCycleLR(o, 1.0)
    with pytest.raises(ValueError, match=r"the optimiser has no momentum|must lie in"):
        lr_scheduler.OneCycleLR(o, 1.0, 10, pct_start=2)
    schedule = lr_scheduler.OneCycleLR(optimizer(momentum=0.9), 1.0, 3)
    rates(schedule, 2)
    with pytest.raises(ValueError, match="step 4 of a schedule of 3 steps"):
        rates(schedule, 5)
    with pytest.warns(UserWarning, match=r"StepLR.step\(\) was called before the optimiser's"):
        lr_scheduler.StepLR(optimizer(), 1).step()


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", [*KINDS, "three phases", "linear cycle", "Sequential"])
def test_fifty_steps_are_pytorchs(name, kind):
    torch = pytest.importorskip("torch")
    options = {"momentum": 0.9} if kind == "SGD" else {}
    found = []
    for library, module in ((sn, lr_scheduler), (torch, torch.optim.lr_scheduler)):
        o = optimizer(getattr(library.optim, kind), library, **options)
        if name == "three phases":
            schedule = module.OneCycleLR(o, [1.0, 2.0], 52, three_phase=True, pct_start=0.25)
        elif name == "linear cycle":
            schedule = module.OneCycleLR(
                o, 1.0, epochs=4, steps_per_epoch=13, anneal_strategy="linear", cycle_momentum=False
            )
        elif name == "Sequential":
            warm = module.LinearLR(o, 0.1, 1.0, 5)
            schedule = module.SequentialLR(o, [warm, module.CosineAnnealingLR(o, 30)], [5])
            schedule.optimizer = o
        else:
            schedule = getattr(module, name)(o, *KINDS[name])
        found.append(rates(schedule, 50))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-10, atol=1e-15)


def test_adam_cycles_its_first_beta():
    schedule = lr_scheduler.OneCycleLR(optimizer(Adam), 1.0, 20)
    momenta = rates(schedule, 20)[:, 2]
    assert momenta[0] == 0.95 and momenta.min() == pytest.approx(0.85)
