"""Schedules: closed forms, resuming, chaining; fifty steps against PyTorch."""

from __future__ import annotations

import copy
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
    "MultiplicativeLR": (lambda i: 0.95,),
    "PolynomialLR": (17, 2.0),
    "CyclicLR": (0.1, 1.5, 7, 4),
    "CosineAnnealingWarmRestarts": (4, 2, 0.05),
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


LOSSES = [3, 2.5, 2.5, 2.49, 2.6, 2.6, 2.6, 2.6, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0] * 3 + [
    1,
    1,
]


@pytest.mark.peer
@pytest.mark.parametrize("options", [
    {"patience": 1}, {"patience": 2, "cooldown": 3, "factor": 0.5, "min_lr": [0.1, 0.3]},
    {"mode": "max", "patience": 0, "min_lr": 1e-3}, {"threshold": 0.3, "threshold_mode": "abs"},
    {"mode": "max", "threshold": 0.2, "threshold_mode": "abs", "patience": 1, "eps": 0.01},
])  # fmt: skip
def test_a_plateau_is_found_where_pytorch_finds_it(options):
    torch = pytest.importorskip("torch")
    found, states = [], []
    for library, module in ((sn, lr_scheduler), (torch, torch.optim.lr_scheduler)):
        o = optimizer(library.optim.SGD, library)
        schedule = module.ReduceLROnPlateau(o, **options)
        rates = []
        for loss in LOSSES:
            schedule.step(library.tensor(float(loss)))
            rates.append(schedule.get_last_lr())
        found.append(rates)
        states.append(schedule.state_dict())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)
    assert states[0] == states[1]


VARIANTS = {
    "triangular2": lambda m, o: m.CyclicLR(o, [0.1, 0.2], [1.0, 1.5], 6, mode="triangular2"),
    "exp_range": lambda m, o: m.CyclicLR(o, 0.1, 1.0, 6, 3, "exp_range", 0.97),
    "scale_fn": lambda m, o: m.CyclicLR(o, 0.1, 1.0, 6, scale_fn=lambda x: 1 / x),
    "chained": lambda m, o: m.ChainedScheduler(
        [m.ExponentialLR(o, 0.97), m.ConstantLR(o, 0.5, 7), m.StepLR(o, 5)]
    ),
    "sequence of three": lambda m, o: m.SequentialLR(
        o, [m.ConstantLR(o, 0.1, 3), m.ExponentialLR(o, 0.9), m.PolynomialLR(o, 30)], [4, 11]
    ),
    "sequence from 0": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o), m.CosineAnnealingLR(o, 9)], [0]
    ),
    "sequence with restarts": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o), m.CosineAnnealingWarmRestarts(o, 6)], [7]
    ),
    "lambdas": lambda m, o: m.LambdaLR(o, [lambda i: 0.9**i, lambda i: 1 / (1 + i)]),
    "multiplied": lambda m, o: m.MultiplicativeLR(o, [lambda i: 0.9, lambda i: 1 / (1 + i)]),
}


@pytest.mark.peer
@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize("name", VARIANTS)
def test_fifty_steps_of_variants_are_pytorchs(name, tensors):
    torch = pytest.importorskip("torch")
    found = []
    for library, module in ((sn, lr_scheduler), (torch, torch.optim.lr_scheduler)):
        lr = library.tensor(0.5, dtype=library.float64) if tensors else 0.5
        o = optimizer(library.optim.SGD, library, lr, momentum=0.9)
        schedule = VARIANTS[name](module, o)
        schedule.optimizer = o
        found.append(rates(schedule, 50).astype(float))
    # PyTorch keeps some rates in float32 when they are tensors
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6 if tensors else 1e-10, atol=1e-15)


@pytest.mark.peer
@pytest.mark.parametrize("name", [*KINDS, *VARIANTS])
def test_state_dicts_go_both_ways(name):
    torch = pytest.importorskip("torch")
    modules = ((sn, lr_scheduler), (torch, torch.optim.lr_scheduler))

    def make(library, module):
        o = optimizer(library.optim.SGD, library, momentum=0.9)
        if name in VARIANTS:
            schedule = VARIANTS[name](module, o)
        else:
            schedule = getattr(module, name)(o, *KINDS[name])
        schedule.optimizer = o
        return o, schedule

    made = [make(*m) for m in modules]
    for _, schedule in made:
        rates(schedule, 8)
    saved = [copy.deepcopy((s.state_dict(), o.state_dict())) for o, s in made]
    assert set(saved[0][0]) == set(saved[1][0])
    whole = rates(made[1][1], 30)
    for module, (state, options) in zip(modules, saved[::-1]):
        o, again = make(*module)
        o.load_state_dict(options)
        again.load_state_dict(state)
        np.testing.assert_allclose(rates(again, 30), whole, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(
    "name",
    [n for n in KINDS if n not in ("LambdaLR", "OneCycleLR", "CyclicLR", "MultiplicativeLR")],
)
def test_going_to_a_step_gives_the_rate_that_stepping_there_gives(name):
    kind = getattr(lr_scheduler, name)
    o = optimizer()
    there = kind(optimizer(), *KINDS[name])
    rates(there, 9)
    schedule = kind(o, *KINDS[name])
    o.step()
    if name == "CosineAnnealingWarmRestarts":
        schedule.step(9)
    else:
        with pytest.warns(UserWarning, match=r"step\(epoch\) is deprecated"):
            schedule.step(9)
    np.testing.assert_allclose(schedule.get_last_lr(), there.get_last_lr(), rtol=1e-12)


def test_warnings_about_the_order_of_steps_and_about_get_lr():
    o = optimizer()
    o.step()  # before the schedule is there: does not count
    schedule = lr_scheduler.StepLR(o, 2)
    with pytest.warns(UserWarning, match="was called before the optimiser's"):
        schedule.step()
    with pytest.warns(UserWarning, match=r"get_last_lr\(\) has the present ones"):
        schedule.get_lr()


def test_a_tensor_rate_is_changed_in_place():
    rate = sn.tensor(1.0)
    o = SGD([sn.nn.Parameter(sn.ones(1))], lr=rate)
    schedule = lr_scheduler.ExponentialLR(o, 0.5)
    o.step(), schedule.step()
    assert o.param_groups[0]["lr"] is rate and rate.item() == 0.5
    assert schedule.base_lrs[0].item() == 1.0


def test_a_group_added_later_is_scheduled_or_refused():
    for kind, options in ((lr_scheduler.StepLR, (1, 0.5)), (lr_scheduler.LambdaLR, (float,))):
        o = optimizer()
        schedule = kind(o, *options)
        o.add_param_group({"params": [sn.nn.Parameter(sn.ones(1))], "lr": 8.0})
        o.step()
        if kind is lr_scheduler.StepLR:
            schedule.step()
            assert o.param_groups[2]["lr"] == 4.0
        else:
            with pytest.raises(ValueError, match="2 rates for 3 groups"):
                schedule.step()


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda m, o: m.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor must be below 1"),
        (lambda m, o: m.ReduceLROnPlateau(o, "x"), ValueError, "want mode min or max"),
        (lambda m, o: m.ReduceLROnPlateau(o, min_lr=[1]), ValueError, "1 values of min_lr for 2"),
        (lambda m, o: m.CyclicLR(o, 0.1, 1.0, mode="x"), ValueError, "mode must be triangular"),
        (lambda m, o: m.CosineAnnealingWarmRestarts(o, 0), ValueError, "T_0 must be a positive"),
        (lambda m, o: m.MultiplicativeLR(o, 0.5), TypeError, "want a function, got float"),
        (lambda m, o: m.ChainedScheduler([]), ValueError, "at least one schedule, got none"),
        (lambda m, o: m.ChainedScheduler([3]), TypeError, "schedule 0 is a int"),
        (lambda m, o: m.SequentialLR(o, [m.StepLR(optimizer(), 1)], []), ValueError, "another"),
        (lambda m, o: m.SequentialLR(o, [m.ReduceLROnPlateau(o)], []), ValueError, "measured"),
        (lambda m, o: m.SequentialLR(o, [m.StepLR(o, 1)], [3]), ValueError, "want 0 milestones"),
    ],
)
def test_wrong_schedules_are_refused(make, error, match):
    with pytest.raises(error, match=match):
        make(lr_scheduler, optimizer())


def test_adam_cycles_its_first_beta():
    schedule = lr_scheduler.OneCycleLR(optimizer(Adam), 1.0, 20)
    momenta = rates(schedule, 20)[:, 2]
    assert momenta[0] == 0.95 and momenta.min() == pytest.approx(0.85)
