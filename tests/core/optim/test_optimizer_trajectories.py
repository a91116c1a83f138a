"""Every optimiser against PyTorch: trajectories, state dicts both ways, arguments and defaults."""

from __future__ import annotations

import copy
import inspect
import itertools

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn, optim

pytestmark = pytest.mark.peer


def rosenbrock(p):
    x, y = p[0], p[1]
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def combinations(**options):
    keys = list(options)
    return [dict(zip(keys, values)) for values in itertools.product(*options.values())]


DECAYED = {"weight_decay": (0, 0.1), "maximize": (False, True)}
CASES = [
    (name, options)
    for name, grid in {
        "SGD": combinations(lr=[0.1], momentum=[0, 0.9], dampening=[0, 0.2], **DECAYED)
        + combinations(lr=[0.1], momentum=[0.7], nesterov=[True], **DECAYED),
        "Adam": combinations(
            lr=[0.02], amsgrad=[False, True], decoupled_weight_decay=[False, True], **DECAYED
        ),
        "AdamW": combinations(lr=[0.02], amsgrad=[False, True], betas=[(0.5, 0.7)], **DECAYED),
        "Adadelta": combinations(rho=[0.9, 0.5], lr=[1.0, 0.3], **DECAYED),
        "Adagrad": combinations(
            lr_decay=[0, 0.1], initial_accumulator_value=[0, 0.3], lr=[0.1], **DECAYED
        ),
        "Adamax": combinations(betas=[(0.9, 0.999), (0.5, 0.8)], lr=[0.05], **DECAYED),
        "ASGD": combinations(lambd=[1e-4, 0.3], t0=[1e6, 2], lr=[0.05], **DECAYED),
        "NAdam": combinations(
            momentum_decay=[4e-3, 0.1], decoupled_weight_decay=[False, True], lr=[0.02], **DECAYED
        ),
        "RAdam": combinations(
            betas=[(0.9, 0.999), (0.8, 0.7)], decoupled_weight_decay=[False, True], **DECAYED
        ),
        "RMSprop": combinations(momentum=[0, 0.9], centered=[False, True], lr=[0.02], **DECAYED),
        "Rprop": combinations(etas=[(0.5, 1.2), (0.3, 2.0)], maximize=[False, True], lr=[0.1]),
        "Adafactor": combinations(
            eps=[(None, 1e-3), (1e-3, 0.1)], d=[1.0, 1.5], beta2_decay=[-0.8, -0.3], **DECAYED
        ),
    }.items()
    for options in grid
]
SHAPES = [(3, 4), (5,), (), (2, 3, 4)]


class Pair:
    """One optimiser of ours and PyTorch's on the same parameters, fed the same gradients."""

    def __init__(self, torch, name, options, shapes=SHAPES, kind=np.float64):
        self.torch, self.rng = torch, np.random.default_rng(1)
        starts = [self.draw(s, kind) for s in shapes]
        self.kind = kind
        self.ours = [nn.Parameter(sn.tensor(s)) for s in starts]
        self.theirs = [torch.nn.Parameter(torch.tensor(s)) for s in starts]
        self.a = getattr(optim, name)(self.ours, **options)
        self.b = getattr(torch.optim, name)(self.theirs, **options)

    def draw(self, shape, kind):
        x = self.rng.normal(size=shape)
        return (x + 1j * self.rng.normal(size=shape) if kind == np.complex128 else x).astype(kind)

    def step(self):
        for p, q in zip(self.ours, self.theirs):
            g = self.draw(tuple(p.shape), self.kind)
            p.grad, q.grad = sn.tensor(g), self.torch.tensor(g)
        self.a.step(), self.b.step()

    def check(self, tolerance=1e-10):
        for p, q in zip(self.ours, self.theirs):
            np.testing.assert_allclose(
                p.detach().numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance
            )


@pytest.mark.parametrize(("name", "options"), CASES)
def test_ten_steps_are_pytorchs(name, options):
    pair = Pair(pytest.importorskip("torch"), name, options)
    for _ in range(10):
        pair.step()
        pair.check()


@pytest.mark.parametrize(("name", "options"), [c for c in CASES if c[0] != "Adafactor"][::3])
def test_ten_complex_steps_are_pytorchs(name, options):
    pair = Pair(pytest.importorskip("torch"), name, options, kind=np.complex128)
    for _ in range(10):
        pair.step()
        pair.check()


@pytest.mark.parametrize("options", combinations(
    nesterov=[False, True], adjust_lr_fn=[None, "match_rms_adamw"], weight_decay=[0, 0.1],
))  # fmt: skip
def test_muon_is_pytorchs_to_the_precision_of_its_bfloat16(options):
    pair = Pair(pytest.importorskip("torch"), "Muon", {"lr": 0.1, **options}, [(3, 4), (5, 2)])
    for _ in range(10):
        pair.step()
        pair.check(0.02)


def plain(value, torch):
    """A saved value with torch's tensors (or ours) as torch's."""
    if isinstance(value, (list, tuple)):
        return type(value)(plain(v, torch) for v in value)
    if isinstance(value, dict):
        return {k: plain(v, torch) for k, v in value.items()}
    return torch.tensor(value.numpy()) if isinstance(value, sn.Tensor) else value


SAVED = [next(c for c in reversed(CASES) if c[0] == name) for name in dict.fromkeys(c[0] for c in CASES)]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), SAVED)
def test_state_dicts_go_both_ways(name, options):
    torch = pytest.importorskip("torch")
    pair = Pair(torch, name, options)
    for _ in range(3):
        pair.step()
    mine, other = copy.deepcopy(pair.a.state_dict()), copy.deepcopy(pair.b.state_dict())
    for number, state in other["state"].items():
        assert set(mine["state"][number]) == set(state)
        for key, value in state.items():
            ours = mine["state"][number][key]
            assert tuple(ours.shape) == tuple(value.shape), key
            assert str(ours.dtype) == str(value.dtype).split(".")[1], key
    assert [set(g) for g in mine["param_groups"]] == [set(g) for g in other["param_groups"]]
    pair.a = getattr(optim, name)(pair.ours, lr=9)
    pair.a.load_state_dict(other)
    pair.b = getattr(torch.optim, name)(pair.theirs, lr=9)
    pair.b.load_state_dict(plain(mine, torch))
    # PyTorch turns NAdam's product of momenta and ASGD's rate to float64 when it loads them
    tolerance = 1e-6 if name in ("NAdam", "ASGD") else 1e-10
    for _ in range(3):
        pair.step()
        pair.check(tolerance)


class Minimising:
    """L-BFGS of one library on Rosenbrock's function and a sum of squares."""

    def __init__(self, library, options):
        start = [np.array([-1.2, 1.0]), np.array([[3.0]])]
        self.ps = [library.nn.Parameter(library.tensor(s)) for s in start]
        self.make = lambda: library.optim.LBFGS(self.ps, **options)
        self.optimizer = self.make()

    def closure(self):
        self.optimizer.zero_grad()
        loss = rosenbrock(self.ps[0]) + (self.ps[1] ** 2).sum()
        loss.backward()
        return loss

    def step(self):
        self.optimizer.step(self.closure)
        return np.concatenate([p.detach().numpy().ravel() for p in self.ps])


@pytest.mark.parametrize("options", [
    {"line_search_fn": "strong_wolfe", "max_iter": 4},
    {"line_search_fn": "strong_wolfe", "max_iter": 4, "history_size": 2, "lr": 0.5},
    {"line_search_fn": "strong_wolfe", "max_iter": 6, "max_eval": 5},
    {"lr": 1e-3, "max_iter": 5}, {"lr": 2e-3, "max_iter": 3, "history_size": 1},
])  # fmt: skip
def test_lbfgs_takes_pytorchs_steps(options):
    torch = pytest.importorskip("torch")
    a, b = Minimising(sn, options), Minimising(torch, options)
    for _ in range(5):
        np.testing.assert_allclose(a.step(), b.step(), rtol=1e-8, atol=1e-10)
    for key in ("func_evals", "n_iter"):
        assert a.optimizer.state[a.ps[0]][key] == b.optimizer.state[b.ps[0]][key]
    mine, other = (copy.deepcopy(m.optimizer.state_dict()) for m in (a, b))
    assert set(mine["state"][0]) == set(other["state"][0])
    a.optimizer, b.optimizer = a.make(), b.make()
    a.optimizer.load_state_dict(other)
    b.optimizer.load_state_dict(plain(mine, torch))
    for _ in range(2):
        np.testing.assert_allclose(a.step(), b.step(), rtol=1e-8, atol=1e-9)


def test_arguments_and_defaults_are_pytorchs():
    torch = pytest.importorskip("torch")
    names = [c[0] for c in SAVED] + ["Muon", "LBFGS"]
    for module, theirs, found in (
        (optim, torch.optim, names),
        (optim.lr_scheduler, torch.optim.lr_scheduler, optim.lr_scheduler.__all__),
        (optim.swa_utils, torch.optim.swa_utils, optim.swa_utils.__all__),
    ):
        for name in found:
            ours, want = (inspect.signature(getattr(m, name)).parameters for m in (module, theirs))
            assert {(k, v.default, v.kind) for k, v in ours.items()} == {
                (k, v.default, v.kind) for k, v in want.items()
            }, name
