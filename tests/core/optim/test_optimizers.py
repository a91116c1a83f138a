"""SGD, Adam, AdamW: closed forms, state dicts, groups, blocks; twenty steps against PyTorch."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn, optim
from sensorium.optim import _blocks


def parameter(values, grad=None):
    p = nn.Parameter(sn.tensor(np.asarray(values, np.float64)))
    if grad is not None:
        p.grad = sn.tensor(np.asarray(grad, np.float64))
    return p


# -- formulas ------------------------------------------------------------------------------------
def test_sgd_with_momentum_and_decay_by_hand():
    p = parameter([1.0, -2.0])
    optimizer = optim.SGD([p], lr=0.1, momentum=0.5, weight_decay=0.2, dampening=0.25)
    x, v = np.array([1.0, -2.0]), None
    for g in ([1.0, 2.0], [-3.0, 0.5], [0.0, 1.0]):
        p.grad = sn.tensor(np.array(g))
        optimizer.step()
        d = np.array(g) + 0.2 * x
        v = d if v is None else 0.5 * v + 0.75 * d
        x = x - 0.1 * v
        np.testing.assert_allclose(p.detach().numpy(), x, rtol=1e-14)


def test_the_first_adam_step_is_the_learning_rate_whatever_the_gradient():
    p = parameter([1.0, 1.0, 1.0], [1e-3, -5.0, 100.0])
    optim.Adam([p], lr=0.01).step()
    np.testing.assert_allclose(p.detach().numpy(), [0.99, 1.01, 0.99], rtol=1e-6)


def test_adamw_decays_apart_from_the_gradient():
    p = parameter([2.0], [0.0])
    optim.AdamW([p], lr=0.1, weight_decay=0.5).step()
    assert p.item() == pytest.approx(2 * (1 - 0.05))


def test_maximize_goes_up():
    for kind in (optim.SGD, optim.Adam, optim.AdamW):
        p = parameter([1.0], [2.0])
        kind([p], lr=0.1, maximize=True).step()
        assert p.item() > 1


def test_half_precision_is_computed_in_float32():
    p = nn.Parameter(sn.ones(4, dtype="bfloat16"))
    p.grad = sn.ones(4, dtype="bfloat16")
    optimizer = optim.AdamW([p], lr=0.25)
    optimizer.step()
    assert p.dtype == sn.bfloat16 and p.grad.tolist() == [1] * 4
    assert optimizer.state[p]["exp_avg"].dtype == sn.bfloat16
    np.testing.assert_allclose(p.detach().float().numpy(), 0.7475, rtol=4e-3)


# -- groups, closures, hooks ---------------------------------------------------------------------
def test_groups_have_options_of_their_own():
    a, b, c = (parameter([1.0], [1.0]) for _ in range(3))
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": [c], "momentum": 0.9})
    optimizer.step()
    assert [a.item(), b.item(), c.item()] == [0.9, 0.5, 0.9]
    assert [g["momentum"] for g in optimizer.param_groups] == [0, 0, 0.9]
    assert "lr: 0.5" in repr(optimizer)


def test_parameters_without_gradient_are_left_alone():
    a, b = parameter([1.0]), parameter([1.0], [1.0])
    optimizer = optim.Adam([a, b])
    optimizer.step()
    assert a.item() == 1 and a not in optimizer.state and b.item() != 1
    optimizer.zero_grad(set_to_none=False)
    assert b.grad.tolist() == [0]
    optimizer.zero_grad()
    assert b.grad is None


def test_a_closure_computes_the_loss_with_gradients():
    p = parameter([3.0])
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with sn.no_grad():
        assert optimizer.step(closure).item() == 9
    assert p.item() == pytest.approx(2.4)


def test_step_hooks_and_version():
    p, calls = parameter([1.0], [1.0]), []
    optimizer = optim.SGD([p])
    optimizer.register_step_pre_hook(lambda o, a, k: calls.append("pre"))
    handle = optimizer.register_step_post_hook(lambda o, a, k: calls.append("post"))
    before = p._version
    optimizer.step()
    assert calls == ["pre", "post"] and p._version > before
    handle.remove()
    optimizer.step()
    assert calls == ["pre", "post", "pre"]


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda p: optim.SGD([]), ValueError, "got no parameters"),
        (lambda p: optim.SGD(p), TypeError, "must be several tensors or groups, got one Parameter"),
        (lambda p: optim.SGD([p, p]), UserWarning, "parameter 1 .* is there twice"),
        (lambda p: optim.SGD([{"params": p}, {"params": p}]), ValueError, "0 .* in another group"),
        (lambda p: optim.SGD([3]), TypeError, "parameter 0 must be a Tensor, got int"),
        (lambda p: optim.SGD([p * 1]), ValueError, "computed by mul; want a leaf"),
        (lambda p: optim.SGD([{"lr": 1}]), TypeError, 'must be a dict with "params"'),
        (lambda p: optim.SGD([p], lr=-1), ValueError, "lr must be at least 0, got -1"),
        (lambda p: optim.SGD([p], momentum=float("nan")), ValueError, "momentum must be at least 0"),
        (lambda p: optim.SGD([p], nesterov=True), ValueError, "nesterov wants a positive momentum"),
        (lambda p: optim.Adam([p], betas=(0.9, 1.0)), ValueError, r"betas\[1\] must lie in"),
        (lambda p: optim.AdamW([p], eps=-1), ValueError, "AdamW: eps must be at least 0"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(make, error, match):
    with pytest.raises(error, match=match):
        make(parameter([1.0]))


# -- blocks --------------------------------------------------------------------------------------
LAYOUTS = {
    "flat": lambda a: a,
    "transposed": lambda a: np.asfortranarray(a),
    "channels-last": lambda a: (
        np.ascontiguousarray(np.moveaxis(a, 1, -1)).swapaxes(1, -1).swapaxes(-1, 1)
        if a.ndim < 3
        else np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
    ),
}


@pytest.mark.parametrize("grad_layout", LAYOUTS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(7, 11, 3), (1, 230), (231,)])
def test_blocks_give_what_whole_arrays_give(monkeypatch, shape, layout, grad_layout):
    monkeypatch.setattr(_blocks, "BLOCK", 16)
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=shape), rng.normal(size=shape)
    arranged = LAYOUTS[layout] if x.ndim > 1 else LAYOUTS["flat"]
    p = nn.Parameter(sn.Tensor(arranged(x.copy())))
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9, nesterov=True)
    v = 0
    for _ in range(3):
        p.grad = sn.Tensor((LAYOUTS[grad_layout] if x.ndim > 1 else LAYOUTS["flat"])(g.copy()))
        optimizer.step()
        v = 0.9 * v + g
        x = x - 0.1 * (g + 0.9 * v)
        np.testing.assert_allclose(p.detach().numpy(), x, rtol=1e-13)


def test_a_step_makes_no_temporaries_of_the_parameters_size():
    import tracemalloc

    p = nn.Parameter(sn.zeros(1 << 20))
    p.grad = sn.ones(1 << 20)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.1)
    optimizer.step()
    tracemalloc.start()
    optimizer.step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000  # a parameter is 4 MiB


# -- state dicts ---------------------------------------------------------------------------------
def trained(kind, steps, **options):
    p, q = parameter([1.0, 2.0]), parameter([[3.0]])
    optimizer = kind([{"params": [p]}, {"params": [q], "lr": 0.3}], **options)
    advance(optimizer, (p, q), steps, 0)
    return optimizer, (p, q)


def advance(optimizer, parameters, steps, seed):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for p in parameters:
            p.grad = sn.tensor(rng.normal(size=p.shape))
        optimizer.step()


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW])
def test_a_loaded_state_goes_on_like_the_original(kind):
    options = {"momentum": 0.9} if kind is optim.SGD else {"amsgrad": True}
    first, ours = trained(kind, 3, **options)
    again, theirs = trained(kind, 0, **options)
    for a, b in zip(ours, theirs):
        b.data = a.detach().clone()
    again.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    assert again.param_groups[1]["lr"] == 0.3
    for optimizer, parameters in ((first, ours), (again, theirs)):
        advance(optimizer, parameters, 2, 1)
    for a, b in zip(ours, theirs):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_a_state_that_does_not_fit_is_refused_whole():
    optimizer, _ = trained(optim.Adam, 1)
    before = copy.deepcopy(optimizer.state_dict())
    bad = copy.deepcopy(before)
    bad["state"][1]["exp_avg"] = sn.zeros(5)
    bad["param_groups"][0]["lr"] = 99
    with pytest.raises(
        sn.errors.StateDictError, match=r"exp_avg of parameter 1 is \(5,\), wanted \(1, 1\)"
    ):
        optimizer.load_state_dict(bad)
    assert optimizer.param_groups[0]["lr"] == before["param_groups"][0]["lr"]
    bad["param_groups"].pop()
    with pytest.raises(
        sn.errors.StateDictError, match=r"groups of \[1\] parameters in the dict, \[1, 1\]"
    ):
        optimizer.load_state_dict(bad)


def test_optimisers_can_be_copied_with_their_parameters():
    optimizer, _ = trained(optim.Adam, 2)
    again = copy.deepcopy(optimizer)
    p = again.param_groups[0]["params"][0]
    assert p in again.state and p not in optimizer.state


# -- against PyTorch -----------------------------------------------------------------------------
CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "maximize": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.02}),
    ("Adam", {"lr": 0.02, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.1, "amsgrad": True}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.3}),
    ("AdamW", {"lr": 0.02, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.02, "weight_decay": 0.3, "decoupled_weight_decay": True}),
]


def torch_and_ours(torch, name, options, dtype):
    rng = np.random.default_rng(1)
    starts = [rng.normal(size=s).astype(dtype) for s in [(3, 4), (5,), ()]]
    ours = [nn.Parameter(sn.tensor(s)) for s in starts]
    theirs = [torch.nn.Parameter(torch.tensor(s)) for s in starts]
    return (
        getattr(optim, name)(ours, **options), ours,
        getattr(torch.optim, name)(theirs, **options), theirs,
    )  # fmt: skip


def both_step(torch, ours, theirs, optimizers, rng, dtype):
    for p, q in zip(ours, theirs):
        g = rng.normal(size=tuple(p.shape)).astype(dtype)
        p.grad, q.grad = sn.tensor(g), torch.tensor(g)
    for optimizer in optimizers:
        optimizer.step()


@pytest.mark.peer
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_twenty_steps_are_pytorchs(name, options, dtype):
    torch = pytest.importorskip("torch")
    a, ours, b, theirs = torch_and_ours(torch, name, options, dtype)
    rng = np.random.default_rng(2)
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    for _ in range(20):
        both_step(torch, ours, theirs, (a, b), rng, dtype)
        for p, q in zip(ours, theirs):
            np.testing.assert_allclose(
                p.detach().numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance
            )


def torch_state(torch, state):
    """A state dict of ours with torch tensors."""
    return {
        "state": {
            n: {k: torch.tensor(v.numpy()) for k, v in s.items()} for n, s in state["state"].items()
        },
        "param_groups": state["param_groups"],
    }


@pytest.mark.peer
@pytest.mark.parametrize(("name", "options"), CASES)
def test_state_dicts_go_both_ways(name, options):
    torch = pytest.importorskip("torch")
    a, ours, b, theirs = torch_and_ours(torch, name, options, "float64")
    both_step(torch, ours, theirs, (a, b), np.random.default_rng(3), "float64")
    mine, other = a.state_dict(), b.state_dict()
    for number, state in mine["state"].items():
        for key, value in state.items():
            want = other["state"][number][key]
            assert (tuple(value.shape), str(value.dtype)) == (
                tuple(want.shape), str(want.dtype).split(".")[1],
            )  # fmt: skip
    fresh = getattr(optim, name)(ours, lr=9)
    fresh.load_state_dict(
        {
            "state": {n: {k: v.numpy() if hasattr(v, "numpy") else v for k, v in s.items()}
                      for n, s in other["state"].items()},
            "param_groups": other["param_groups"],
        }
    )  # fmt: skip
    back = getattr(torch.optim, name)(theirs, lr=9)
    back.load_state_dict(torch_state(torch, mine))
    rng = np.random.default_rng(4)
    for _ in range(3):
        both_step(torch, ours, theirs, (fresh, back), rng, "float64")
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-12)
