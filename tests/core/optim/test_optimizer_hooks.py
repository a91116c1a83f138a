"""Hooks, names, copies and optimisers of one's own: what surrounds a step; against PyTorch."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn, optim
from sensorium.optim import optimizer as base


def one(value=1.0, grad=1.0, library=sn):
    p = library.nn.Parameter(library.tensor([value]))
    p.grad = library.tensor([grad])
    return p


class Sign(optim.Optimizer):
    """An optimiser that defines step itself."""

    def __init__(self, params, lr=base.required):
        super().__init__(params, {"lr": lr})

    @sn.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad.sign() * group["lr"])
                self.state[p]["seen"] = sn.ones(3, 2)


def test_an_optimiser_with_a_step_of_its_own_has_hooks_and_counts():
    p, seen = one(), []
    optimizer = Sign([p], lr=0.5)
    optimizer.register_step_pre_hook(lambda o, a, k: seen.append((o is optimizer, a == (o,), k)))
    optimizer.register_step_post_hook(lambda o, a, k: seen.append(p.item()))
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    schedule.step()
    assert seen == [(True, True, {}), 0.5] and optimizer.param_groups[0]["lr"] == 0.25
    other = Sign([one()], lr=0.1)
    other.load_state_dict(optimizer.state_dict())
    assert other.state[other.param_groups[0]["params"][0]]["seen"].shape == (3, 2)
    with pytest.raises(ValueError, match="the group does not say lr"):
        Sign([one()])


def test_a_step_that_calls_its_parents_runs_the_hooks_once():
    class Twice(optim.SGD):
        def step(self, closure=None):
            super().step()
            return super().step(closure)

    p, calls = one(), []
    optimizer = Twice([p], lr=0.25)
    optimizer.register_step_post_hook(lambda o, a, k: calls.append(1))
    optimizer.step()
    assert p.item() == 0.5 and calls == [1]


def test_a_pre_hook_may_replace_the_arguments():
    p = one()
    optimizer = optim.SGD([p], lr=0.5)
    optimizer.register_step_pre_hook(lambda o, a, k: ((o, lambda: 7.0), {}))
    assert optimizer.step() == 7.0
    optimizer.register_step_pre_hook(lambda o, a, k: 3)
    with pytest.raises(RuntimeError, match=r"must return None or \(args, kwargs\), got int"):
        optimizer.step()


def test_hooks_on_every_optimiser_are_removed_by_their_handles():
    calls = []
    before = base.register_optimizer_step_pre_hook(lambda o, a, k: calls.append("pre"))
    after = base.register_optimizer_step_post_hook(lambda o, a, k: calls.append("post"))
    optim.SGD([one()]).step()
    before.remove(), after.remove()
    optim.Adam([one()]).step()
    assert calls == ["pre", "post"]


def test_hooks_of_state_dicts():
    optimizer, calls = optim.SGD([one()]), []
    optimizer.register_state_dict_pre_hook(lambda o: calls.append("pre"))
    optimizer.register_state_dict_post_hook(lambda o, s: {**s, "more": 1})
    optimizer.register_state_dict_post_hook(lambda o, s: calls.append("first"), prepend=True)
    state = optimizer.state_dict()
    assert state["more"] == 1 and calls == ["pre", "first"]

    def rate(o, s):
        s["param_groups"] = [{**s["param_groups"][0], "lr": 5.0}]

    optimizer.register_load_state_dict_pre_hook(rate)
    optimizer.register_load_state_dict_post_hook(lambda o: calls.append("loaded"))
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 5.0 and calls[-1] == "loaded"
    assert state["param_groups"][0]["lr"] == 1e-3


def test_copies_leave_the_hooks_behind():
    optimizer = optim.Adam([one()])
    optimizer.register_step_pre_hook(lambda o, a, k: 3)
    optimizer.register_step_post_hook(lambda o, a, k: None)
    for again in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        again.param_groups[0]["params"][0].grad = sn.ones(1)
        again.step()
    assert again.state_dict()["state"][0]["step"].item() == 1


def test_named_parameters_keep_their_names():
    layer = nn.Linear(2, 1)
    optimizer = optim.SGD(layer.named_parameters(), lr=0.1)
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    with pytest.raises(ValueError, match="the new group has no parameter names"):
        optimizer.add_param_group({"params": [one()]})
    other = optim.SGD(layer.parameters(), lr=0.1)
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["param_names"] == ["weight", "bias"]


@pytest.mark.peer
def test_state_dicts_of_groups_names_and_tensor_rates_are_pytorchs():
    torch = pytest.importorskip("torch")
    found = []
    for library in (sn, torch):
        p, q = one(library=library), one(library=library)
        rate = library.tensor(0.5)
        optimizer = library.optim.Adam(
            [{"params": [("a", p)], "lr": rate}, {"params": [("b", q)], "betas": (0.5, 0.6)}]
        )
        optimizer.step()
        found.append(optimizer.state_dict())
    ours, theirs = found
    for a, b in zip(ours["param_groups"], theirs["param_groups"]):
        assert {k: float(v) if k == "lr" else v for k, v in a.items()} == {
            k: float(v) if k == "lr" else v for k, v in b.items()
        }
    again = optim.Adam([{"params": [("a", one())]}, {"params": [("b", one())]}])
    again.load_state_dict(theirs)
    assert isinstance(again.param_groups[0]["lr"], sn.Tensor)
    again.step()
    np.testing.assert_allclose(again.state_dict()["state"][0]["step"].item(), 2)
