"""Every optimiser: its formula in a slow loop, misuse, complex and half-precision parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn, optim

GRADIENTS = ([1.0, -2.0], [0.5, 0.25], [-3.0, 0.0], [0.1, 4.0], [2.0, 2.0], [1.0, -1.0])


def steps(kind, options, start=(1.0, -2.0)):
    """The values after each step with the gradients above."""
    p = nn.Parameter(sn.tensor(np.array(start)))
    optimizer = kind([p], **options)
    found = []
    for g in GRADIENTS:
        p.grad = sn.tensor(np.array(g))
        optimizer.step()
        found.append(p.detach().numpy().copy())
    return np.array(found)


def by_hand(update, start=(1.0, -2.0)):
    """update(x, g, t, s) for every element on its own; s is a dict that starts empty."""
    columns = []
    for i, x in enumerate(start):
        s, path = {}, []
        for t, g in enumerate(GRADIENTS, 1):
            x = update(x, g[i], t, s)
            path.append(x)
        columns.append(path)
    return np.array(columns).T


# -- formulas ------------------------------------------------------------------------------------
def adadelta(x, g, t, s):
    s["v"] = 0.8 * s.get("v", 0) + 0.2 * g * g
    d = g * math.sqrt(s.get("a", 0) + 1e-3) / math.sqrt(s["v"] + 1e-3)
    s["a"] = 0.8 * s.get("a", 0) + 0.2 * d * d
    return x - 2 * d


def adagrad(x, g, t, s):
    s["v"] = s.get("v", 0.5) + g * g
    return x - 0.1 / (1 + (t - 1) * 0.2) * g / (math.sqrt(s["v"]) + 1e-3)


def adamax(x, g, t, s):
    s["m"] = 0.7 * s.get("m", 0) + 0.3 * g
    s["u"] = max(0.9 * s.get("u", 0), abs(g) + 1e-3)
    return x - 0.1 / (1 - 0.7**t) * s["m"] / s["u"]


def asgd(x, g, t, s):
    eta = 0.125 if t == 1 else np.float32(0.125 / (1 + 0.25 * 0.125 * (t - 1)) ** 0.75)
    return x * (1 - 0.25 * float(eta)) - float(eta) * g


def nadam(x, g, t, s):
    def u(n):
        return 0.8 * (1 - 0.5 * 0.96 ** (n * 0.1))

    s["m"] = 0.8 * s.get("m", 0) + 0.2 * g
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g * g
    done = math.prod(u(n) for n in range(1, t + 1))
    c1, c2 = (1 - u(t)) / (1 - done), u(t + 1) / (1 - done * u(t + 1))
    return x - 0.1 * (c1 * g + c2 * s["m"]) / (math.sqrt(s["v"] / (1 - 0.9**t)) + 1e-3)


def radam(x, g, t, s):
    s["m"] = 0.8 * s.get("m", 0) + 0.2 * g
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g * g
    m, most = s["m"] / (1 - 0.8**t), 2 / 0.1 - 1
    n = most - 2 * t * 0.9**t / (1 - 0.9**t)
    if n <= 5:
        return x - 0.1 * m
    r = math.sqrt((n - 4) * (n - 2) * most / ((most - 4) * (most - 2) * n))
    return x - 0.1 * r * m * math.sqrt(1 - 0.9**t) / (math.sqrt(s["v"]) + 1e-3)


def rmsprop(x, g, t, s):
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g * g
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["b"] = 0.5 * s.get("b", 0) + g / (math.sqrt(s["v"] - s["m"] ** 2) + 1e-3)
    return x - 0.1 * s["b"]


def rprop(x, g, t, s):
    kept = g * s.get("g", 0)
    size = s.get("s", 0.1) * (1.2 if kept > 0 else 0.5 if kept < 0 else 1)
    s["s"] = min(max(size, 0.06), 0.13)
    s["g"] = 0 if kept < 0 else g
    return x - np.sign(s["g"]) * s["s"]


BY_HAND = {
    "Adadelta": (adadelta, {"lr": 2, "rho": 0.8, "eps": 1e-3}),
    "Adagrad": (
        adagrad,
        {"lr": 0.1, "lr_decay": 0.2, "initial_accumulator_value": 0.5, "eps": 1e-3},
    ),
    "Adamax": (adamax, {"lr": 0.1, "betas": (0.7, 0.9), "eps": 1e-3}),
    "ASGD": (asgd, {"lr": 0.125, "lambd": 0.25}),
    "NAdam": (nadam, {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "momentum_decay": 0.1}),
    "RAdam": (radam, {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3}),
    "RMSprop": (
        rmsprop,
        {"lr": 0.1, "alpha": 0.9, "eps": 1e-3, "centered": True, "momentum": 0.5},
    ),
    "Rprop": (rprop, {"lr": 0.1, "step_sizes": (0.06, 0.13)}),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_every_element_follows_the_formula(name):
    update, options = BY_HAND[name]
    tolerance = 1e-7 if name == "NAdam" else 1e-12  # the product of momenta is kept in float32
    np.testing.assert_allclose(
        steps(getattr(optim, name), options), by_hand(update), rtol=tolerance
    )


def test_asgd_keeps_the_mean_of_its_path():
    p = nn.Parameter(sn.tensor(np.array([1.0])))
    optimizer, path = optim.ASGD([p], lr=0.1, t0=1), []
    for g in (1.0, -2.0, 0.5, 3.0):
        p.grad = sn.tensor(np.array([g]))
        optimizer.step()
        path.append(p.item())
    assert optimizer.state[p]["ax"].item() == pytest.approx(np.mean(path[2:]), rel=1e-6)


def test_adafactor_keeps_a_row_and_a_column_of_a_matrix():
    x, g = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([[1.0, 2.0], [3.0, -4.0]])
    p = nn.Parameter(sn.tensor(x))
    p.grad = sn.tensor(g)
    optimizer = optim.Adafactor([p], lr=0.1, weight_decay=0.5)
    optimizer.step()
    rows, columns = (g * g).mean(1, keepdims=True), (g * g).mean(0, keepdims=True)
    u = g / np.sqrt(rows * columns / rows.mean())
    rms = [math.sqrt((a * a).mean()) for a in (x, u)]
    want = x * (1 - 0.05) - rms[0] * 0.1 * u / max(1, rms[1])
    np.testing.assert_allclose(p.detach().numpy(), want, rtol=1e-12)
    assert {k: tuple(v.shape) for k, v in optimizer.state[p].items()} == {
        "step": (), "row_var": (2, 1), "col_var": (1, 2),
    }  # fmt: skip


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
def test_muon_goes_along_a_nearly_orthogonal_matrix(shape):
    rng = np.random.default_rng(0)
    p = nn.Parameter(sn.zeros(*shape))
    p.grad = sn.tensor(rng.normal(size=shape).astype(np.float32))
    optim.Muon([p], lr=1.0, weight_decay=0).step()
    values = np.linalg.svd(p.detach().numpy(), compute_uv=False)
    scale = math.sqrt(max(1, shape[0] / shape[1]))
    assert np.all((values / scale > 0.5) & (values / scale < 1.35))


def rosenbrock(p):
    x, y = p[0], p[1]
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def test_lbfgs_finds_the_minimum_of_rosenbrocks_function():
    p = nn.Parameter(sn.tensor(np.array([-1.2, 1.0])))
    optimizer = optim.LBFGS([p], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(p)
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(p.detach().numpy(), [1, 1], atol=1e-4)
    assert optimizer.state[p]["func_evals"] < 100


# -- options -------------------------------------------------------------------------------------
ELEMENTWISE = [*BY_HAND, "SGD", "Adam", "AdamW"]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_complex_parameter_is_two_real_ones(name):
    options = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 2))
    real = nn.Parameter(sn.tensor(start))
    both = nn.Parameter(sn.tensor(start.view(np.complex128)[:, 0]))
    optimizers = [getattr(optim, name)([p], lr=0.1, **options) for p in (real, both)]
    for _ in range(4):
        g = rng.normal(size=(3, 2))
        real.grad, both.grad = sn.tensor(g), sn.tensor(g.view(np.complex128)[:, 0])
        for optimizer in optimizers:
            optimizer.step()
    got = both.detach().numpy()[:, None].view(np.float64)
    np.testing.assert_allclose(got, real.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_scalar_and_a_transposed_parameter_step_like_flat_ones(name):
    rng = np.random.default_rng(0)
    start = rng.normal(size=(4, 3))
    shaped = nn.Parameter(sn.Tensor(np.asfortranarray(start)))
    flat = [nn.Parameter(sn.tensor(np.array(v))) for v in start.ravel()]
    ours, theirs = (getattr(optim, name)(ps) for ps in ([shaped], flat))
    for _ in range(3):
        g = rng.normal(size=(4, 3))
        shaped.grad = sn.tensor(g)
        for p, v in zip(flat, g.ravel()):
            p.grad = sn.tensor(np.array(v))
        ours.step(), theirs.step()
    got = shaped.detach().numpy().ravel()
    np.testing.assert_allclose(got, [p.item() for p in flat], rtol=1e-12)


@pytest.mark.parametrize("name", [*ELEMENTWISE, "Adafactor", "Muon"])
def test_going_up_and_half_precision(name):
    kind, lr = getattr(optim, name), 10 if name == "Adadelta" else 0.1
    p, q = (nn.Parameter(sn.ones(2, 2, dtype="bfloat16")) for _ in range(2))
    down = kind([p], lr=lr)
    up = kind([q], lr=lr, **({} if name == "Muon" else {"maximize": True}))
    for optimizer, r in ((down, p), (up, q)):
        r.grad = sn.ones(2, 2, dtype="bfloat16")
        optimizer.step()
    assert p.dtype == sn.bfloat16 and p[0, 0].item() < 1
    assert name == "Muon" or q[0, 0].item() >= 1 - 0.1 * 0.1  # AdamW and ASGD decay as well


@pytest.mark.parametrize("name", [*ELEMENTWISE, "Adafactor", "LBFGS"])
def test_a_rate_may_be_a_tensor(name):
    found = []
    for lr in (0.25, sn.tensor(0.25)):
        p = nn.Parameter(sn.ones(2))
        optimizer = getattr(optim, name)([p], lr=lr)

        def closure(p=p, optimizer=optimizer):
            optimizer.zero_grad()
            loss = ((p - 3) ** 2).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        optimizer.step(closure)
        found.append(p.detach().numpy().copy())
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("name", [*ELEMENTWISE, "Adafactor", "Muon", "LBFGS"])
def test_a_second_array_library_steps_alike(name, fake_cupy):
    start, found = np.random.default_rng(0).normal(size=(3, 4)), []
    for move in (np.copy, lambda a: fake_cupy.Array(a.copy())):
        p = nn.Parameter(sn.Tensor(move(start)))
        optimizer = getattr(optim, name)([p])

        def closure(p=p, move=move):
            host = getattr(p.array, "_host", p.array)
            p.grad = sn.Tensor(move(2 * (host - 1) * [1, 2, 3, 4]))
            return ((host - 1) ** 2 * [1, 2, 3, 4]).sum()

        for _ in range(3):
            optimizer.step(closure)
        optimizer.load_state_dict(optimizer.state_dict())
        optimizer.step(closure)
        found.append(getattr(p.array, "_host", p.array))
    np.testing.assert_array_equal(*found)


def test_a_parameter_in_read_only_memory_gets_memory_of_its_own():
    array = np.ones(3)
    array.flags.writeable = False
    p = nn.Parameter(sn.Tensor(array))
    p.grad = sn.tensor(np.ones(3))
    optim.SGD([p], lr=0.5).step()
    assert p.tolist() == [0.5] * 3 and array.tolist() == [1] * 3


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda p: optim.Adam([p], capturable=True), TypeError, "capturable=True is refused"),
        (lambda p: optim.SGD([p], differentiable=True), ValueError, "differentiable=True is refused"),
        (lambda p: optim.SGD([p], fused=True, foreach=True), RuntimeError, "exclude each other"),
        (lambda p: optim.Adam([p], lr=sn.ones(2)), ValueError, "lr must be one number"),
        (lambda p: optim.Adam([p], lr=sn.tensor(0.1), foreach=True), ValueError, "got lr as a tensor"),
        (lambda p: optim.Adam([p], betas=(0.9, sn.tensor(0.9))), ValueError, "two numbers or two"),
        (lambda p: optim.Adadelta([p], rho=1.1), ValueError, r"rho must lie in \[0, 1\], got 1.1"),
        (lambda p: optim.Adagrad([p], lr_decay=-0.5), ValueError, "lr_decay must be at least 0"),
        (lambda p: optim.Adamax([p], betas=(0.0, 1.0)), ValueError, r"betas\[1\] must lie"),
        (lambda p: optim.NAdam([p], momentum_decay=-0.2), ValueError, "momentum_decay must be"),
        (lambda p: optim.RMSprop([p], momentum=-1), ValueError, "momentum must be at least 0"),
        (lambda p: optim.Rprop([p], etas=(1.0, 0.5)), ValueError, "etas"),
        (lambda p: optim.Adafactor([p], beta2_decay=0.8), ValueError, "beta2_decay must be at most"),
        (lambda p: optim.Adafactor([p], d=0), ValueError, "d must be at least 1"),
        (lambda p: optim.Muon([p]), ValueError, r"parameter 0 must be a matrix, got \(1,\)"),
        (lambda p: optim.Muon([p], adjust_lr_fn="x"), ValueError, "adjust_lr_fn must be"),
        (lambda p: optim.LBFGS([p], line_search_fn="x"), ValueError, "line_search_fn must be"),
        (lambda p: optim.LBFGS([{"params": [p]}, {"params": []}]), ValueError, "takes one group"),
        (lambda p: optim.SGD([("a", p), nn.Parameter(sn.ones(1))]), ValueError, "1 of 2 parameters"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(make, error, match):
    with pytest.raises(error, match=match):
        make(nn.Parameter(sn.ones(1)))
