"""One pass over all parameters of a group: any number of threads, any layout, shared memory, forks.

The reference is the formula, written once more with whole float64 arrays.
"""

from __future__ import annotations

import copy
import os
import pickle
import threading

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn, optim
from sensorium.backends.cpu import library, prepack
from sensorium.optim import _blocks

SIZES = (_blocks.LONG + 3, 70_001, _blocks.SHORT, _blocks.SHORT - 1, 5000, 4096, 37, 16, 1, 0)
KINDS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 1e-6, "weight_decay": 0.5}),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "maximize": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.02, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.3, "maximize": True}),
    ("AdamW", {"lr": 0.9, "weight_decay": 0.9}),
]  # fmt: skip
with_onednn = pytest.mark.skipif(not library.available(), reason="oneDNN is not here")


@pytest.fixture(autouse=True)
def threads():
    """The number of threads as it was."""
    before = sn.get_num_threads()
    yield
    sn.set_num_threads(before)


def parameters(dtype="float32", sizes=SIZES, seed=0):
    rng = np.random.default_rng(seed)
    return [nn.Parameter(sn.Tensor(rng.normal(size=n).astype(dtype))) for n in sizes]


def run(name, options, ps, steps=3):
    """The parameters and states after some steps; the gradients depend on their place alone."""
    optimizer = getattr(optim, name)(ps, **options)
    rng = np.random.default_rng(1)
    for _ in range(steps):
        for p in ps:
            p.grad = sn.Tensor(rng.normal(size=tuple(p.shape)).astype(str(p.dtype)))
        optimizer.step()
    return optimizer


def values(optimizer, ps):
    state = optimizer.state_dict()["state"]
    found = [p.detach().numpy().copy() for p in ps]
    return found + [t.numpy().copy() for s in state.values() for t in s.values()]


# -- the numbers ---------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "options"), KINDS)
def test_every_size_is_updated_as_in_float64(name, options):
    narrow, wide = parameters(), parameters("float32")
    for p in wide:
        p.data = p.data.double()
    run(name, options, narrow)
    run(name, options, wide)
    for p, q in zip(narrow, wide):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-5, atol=3e-6)


@with_onednn
@pytest.mark.parametrize(("name", "options"), KINDS)
def test_the_number_of_threads_does_not_change_a_bit(name, options):
    found = []
    for n in (1, 2, 5):
        sn.set_num_threads(n)
        ps = parameters()
        found.append(values(run(name, options, ps), ps))
    for a, b, c in zip(*found):
        assert np.array_equal(a, b) and np.array_equal(a, c)


@with_onednn
def test_onednn_and_numpy_agree(monkeypatch):
    ps, qs = parameters(), parameters()
    run("AdamW", {"lr": 0.01}, ps)
    monkeypatch.setattr(_blocks.library, "available", lambda: False)
    run("AdamW", {"lr": 0.01}, qs)
    for p, q in zip(ps, qs):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-6, atol=1e-7)


@with_onednn
def test_long_rows_reach_onednn(monkeypatch):
    sizes = []
    original = _blocks.Step.run
    monkeypatch.setattr(
        _blocks.Step, "run", lambda self, n, a: (sizes.append(n), original(self, n, a))
    )
    run("SGD", {"lr": 0.1}, parameters(sizes=(_blocks.LONG + (1 << 15) + 5,)), steps=1)
    assert sizes == [_blocks.LONG, 1 << 15]
    sizes.clear()
    run("Adam", {"lr": 0.1}, parameters(sizes=(100,) * 200), steps=1)
    assert sizes == [1 << 15]  # 20000 numbers of 200 parameters, together


def test_nan_and_infinity_stay_where_they_are():
    for size in (40, 1 << 15):
        p, q = parameters(sizes=(size, 3))
        optimizer = optim.AdamW([p, q], lr=0.1)
        g = np.ones(size, np.float32)
        g[[1, 2]] = np.nan, np.inf
        p.grad, q.grad = sn.Tensor(g), sn.ones(3)
        optimizer.step()
        bad = ~np.isfinite(p.detach().numpy())
        assert np.flatnonzero(bad).tolist() == [1, 2] and sn.isfinite(q).all()


def test_a_gradient_of_zero_without_eps_is_nan_only_there():
    ps = parameters(sizes=(30,) * 600)  # padded up to a power of 2
    optimizer = optim.Adam(ps, lr=0.1, eps=0.0)
    for p in ps:
        p.grad = sn.ones(30)
    ps[7].grad = sn.zeros(30)
    optimizer.step()
    assert [bool(sn.isnan(p).any()) for p in ps] == [i == 7 for i in range(600)]


# -- layouts -------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [24, 320])
@pytest.mark.parametrize("grad_layout", ["C", "F", "strided", "expanded"])
@pytest.mark.parametrize("layout", ["C", "F", "strided"])
def test_layouts_of_parameter_and_gradient_may_differ(layout, grad_layout, size):
    rng = np.random.default_rng(0)

    def arranged(a, how):
        if how == "strided":
            room = np.zeros((a.shape[0], 2 * a.shape[1]), a.dtype)
            room[:, ::2] = a
            return room[:, ::2]
        return np.broadcast_to(a[:1], a.shape) if how == "expanded" else np.array(a, order=how)

    x, g = (rng.normal(size=(size, size)).astype(np.float32) for _ in range(2))
    p, q = nn.Parameter(sn.Tensor(arranged(x, layout))), nn.Parameter(sn.ones(3))
    optimizer = optim.SGD([p, q], lr=0.1, momentum=0.9)
    given = arranged(g, grad_layout)
    for _ in range(2):
        p._grad, q.grad = sn.Tensor(given), sn.ones(3)
        optimizer.step()
    want = x - 0.1 * 2.9 * given
    np.testing.assert_allclose(p.detach().numpy(), want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(q.detach().numpy(), 1 - 0.29, rtol=1e-6)


@pytest.mark.parametrize("size", [8, 1 << 15])
def test_parameters_that_share_memory_are_updated_one_after_the_other(size):
    memory = np.ones(size, np.float32)
    ps = [nn.Parameter(sn.Tensor(a)) for a in (memory, memory[size // 2 :], memory)]
    optimizer = optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.5)
    for p in ps:
        p.grad = sn.ones_like(p)
    optimizer.step()
    once = 1 - 0.1 * 1.5
    twice = once - 0.1 * (1 + 0.5 * once)
    thrice = twice - 0.1 * (1 + 0.5 * twice)
    want = np.repeat([once - 0.1 * (1 + 0.5 * once), thrice], size // 2)
    np.testing.assert_allclose(memory, want, rtol=1e-6)


def test_a_parameter_given_twice_is_changed_twice():
    p = nn.Parameter(sn.zeros(4))
    with pytest.warns(UserWarning, match="is there twice"):
        optimizer = optim.SGD([p, p, nn.Parameter(sn.zeros(2))], lr=1.0, weight_decay=0.5)
    p.grad = sn.ones(4)
    optimizer.step()
    assert p.tolist() == [-1.5] * 4


def test_views_of_a_parameter_see_the_step_and_packed_weights_are_dropped():
    p = nn.Parameter(sn.zeros(1 << 15))
    small = [nn.Parameter(sn.zeros(3)) for _ in range(3)]
    optimizer = optim.SGD([p, *small], lr=1.0, momentum=0.5)
    view = p.detach()[5:7]
    versions = [q._version for q in (p, *small)]
    calls = []
    for q in (p, *small):
        prepack.packed(q.array, "test", lambda a: calls.append(a) or a)
        q.grad = sn.ones_like(q)
    optimizer.step()
    assert view.tolist() == [-1, -1]
    assert all(q._version > v for q, v in zip((p, *small), versions))
    for q in (p, *small):
        prepack.packed(q.array, "test", lambda a: calls.append(a) or a)
    assert len(calls) == 8


def test_memory_that_may_not_be_written_is_left_alone():
    held = np.ones(1 << 15, np.float32)
    held.flags.writeable = False
    p = nn.Parameter(sn.Tensor(held))
    p.grad = sn.Tensor(held)
    optim.SGD([p], lr=0.5).step()
    assert held.min() == 1 and p.detach().numpy().max() == 0.5


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "complex64", "float64"])
def test_types_may_be_mixed_in_a_group(dtype):
    shapes = (3, 50, 1 << 15)
    ps = [nn.Parameter(sn.ones(n, dtype=d)) for n in shapes for d in ("float32", dtype)]
    optimizer = optim.Adam(ps, lr=0.5)
    for p in ps:
        p.grad = sn.ones_like(p)
    optimizer.step()
    for p in ps:
        assert abs(p.detach().numpy().astype(np.complex128) - 0.5).max() < 1e-2


# -- state ---------------------------------------------------------------------------------------
def test_copies_and_pickles_go_on_alike_and_groups_may_come_later():
    ps = parameters(sizes=(40_000, 30, 5))
    optimizer = run("Adam", {"lr": 0.1}, ps)
    again, held = copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer.state_dict()))
    qs = again.param_groups[0]["params"]
    more = [parameters(sizes=(7, 20_000), seed=5) for _ in range(2)]
    for one, own, extra in ((optimizer, ps, more[0]), (again, qs, more[1])):
        one.add_param_group({"params": extra})
        for p in (*own, *extra):
            p.grad = sn.ones_like(p)
        one.step()
        assert [float(one.state[p]["step"]) for p in (*own, *extra)] == [4, 4, 4, 1, 1]
    for p, q in zip((*ps, *more[0]), (*qs, *more[1])):
        assert np.array_equal(p.detach().numpy(), q.detach().numpy())
    assert float(held["state"][0]["step"]) == 3


def test_parameters_that_join_later_keep_steps_of_their_own():
    a, b = parameters(sizes=(30, 30))
    optimizer = optim.Adam([a, b], lr=0.1)
    a.grad = sn.ones(30)
    optimizer.step()
    before = b.detach().numpy().copy()
    b.grad = sn.full((30,), 7.0)
    optimizer.step()
    np.testing.assert_allclose(b.detach().numpy(), before - 0.1, rtol=1e-5)
    assert float(optimizer.state[a]["step"]) == 2 and float(optimizer.state[b]["step"]) == 1


def test_a_state_of_the_wrong_shape_never_reaches_memory():
    (p,) = parameters(sizes=(1 << 15,))
    optimizer = run("SGD", {"lr": 0.1, "momentum": 0.9}, [p])
    optimizer.state[p]["momentum_buffer"] = sn.zeros(1 << 14)
    with pytest.raises(ValueError):
        optimizer.step()


# -- threads and processes -----------------------------------------------------------------------
def test_python_threads_may_have_an_optimizer_each():
    sizes, found, errors = (30_000, 200, 3), {}, []

    def work(i):
        try:
            ps = parameters(sizes=sizes, seed=3)
            found[i] = values(run("AdamW", {"lr": 0.1}, ps, steps=5), ps)
        except (RuntimeError, ValueError) as error:
            errors.append(error)

    running = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(60)
    assert len(found) == 4 and not errors and not any(thread.is_alive() for thread in running)
    for i in range(1, 4):
        assert all(np.array_equal(a, b) for a, b in zip(found[0], found[i]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_updates_as_its_parent_does():
    ps = parameters(sizes=(100_000, 300, 3))
    optimizer = run("Adam", {"lr": 0.1}, ps)

    def advance():
        for p in ps:
            p.grad = sn.ones_like(p)
        optimizer.step()
        return b"".join(p.detach().numpy().tobytes() for p in ps)

    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            import hashlib

            os.write(writer, hashlib.sha256(advance()).digest())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        theirs = pipe.read()
    _, status = os.waitpid(child, 0)
    import hashlib

    assert status == 0 and theirs == hashlib.sha256(advance()).digest()
