"""GradScaler: what is scaled, what is skipped, how the scale moves; against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
from sensorium.amp import GradScaler
from sensorium.errors import DTypeError, OpError, OptionError

F16 = sn.float16


def scaled(**options):
    w = sn.ones(2, requires_grad=True)
    return w, sn.optim.SGD([w], lr=1.0), GradScaler("cpu", **{"init_scale": 8.0, **options})


def stepped(w, optimizer, scaler, factor=1.0):
    optimizer.zero_grad()
    scaler.scale((w * factor).sum()).backward()
    scaler.step(optimizer)
    scaler.update()


def test_gradients_are_scaled_and_steps_are_not():
    w, optimizer, scaler = scaled()
    scaler.scale((w * 3).sum()).backward()
    assert w.grad.tolist() == [24.0, 24.0]
    scaler.unscale_(optimizer)
    assert w.grad.tolist() == [3.0, 3.0]
    sn.nn.utils.clip_grad_norm_([w], 1.0)
    assert scaler.step(optimizer) is None
    scaler.update()
    assert np.allclose(w.tolist(), 1 - 0.5**0.5, atol=1e-6)


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_steps_with_inf_or_nan_are_skipped_and_the_scale_falls(bad):
    w, optimizer, scaler = scaled(growth_interval=2, growth_factor=4.0, backoff_factor=0.25)
    scales = []
    for factor in (1.0, bad, 1.0, 1.0, 1.0, bad):
        before = w.tolist()
        stepped(w, optimizer, scaler, factor)
        assert (w.tolist() == before) == (factor is bad)
        scales.append((scaler.get_scale(), scaler.state_dict()["_growth_tracker"]))
    assert scales == [(8.0, 1), (2.0, 0), (2.0, 1), (8.0, 0), (8.0, 1), (2.0, 0)]


def test_the_scale_never_grows_to_infinity():
    w, optimizer, scaler = scaled(init_scale=2.0**127, growth_interval=1)
    stepped(w, optimizer, scaler, 0.0)
    assert scaler.get_scale() == 2.0**127


def test_one_optimizer_of_two_may_be_skipped():
    a, first, scaler = scaled()
    b = sn.ones(1, requires_grad=True)
    second = sn.optim.SGD([b], lr=1.0)
    for loss in scaler.scale([(a * float("inf")).sum(), b.sum()]):
        loss.backward()
    scaler.step(first), scaler.step(second)
    scaler.update()
    assert a.tolist() == [1.0, 1.0] and b.tolist() == [0.0] and scaler.get_scale() == 4.0


def test_state_options_and_disabled():
    w, optimizer, scaler = scaled(growth_interval=3)
    stepped(w, optimizer, scaler)
    state = scaler.state_dict()
    other = GradScaler("cpu")
    other.load_state_dict(state)
    assert other.state_dict() == state and other.get_scale() == 8.0
    scaler.update(32.0)
    assert scaler.get_scale() == 32.0
    scaler.update(sn.tensor(2.0))
    assert scaler.get_scale() == 2.0
    off = GradScaler("cpu", enabled=False)
    loss = w.sum()
    assert off.scale(loss) is loss and off.state_dict() == {} and not off.is_enabled()
    loss.backward()
    off.unscale_(optimizer), off.step(optimizer), off.update(), off.load_state_dict({})
    assert w.tolist() == [-2.0, -2.0] and off.get_scale() == 1.0
    for name, value in [("growth_factor", 3.0), ("backoff_factor", 0.1), ("growth_interval", 9)]:
        getattr(scaler, f"set_{name}")(value)
        assert getattr(scaler, f"get_{name}")() == value


def test_misuse_of_a_scaler():
    w, optimizer, scaler = scaled()
    for call in (lambda: scaler.step(optimizer), scaler.update, lambda: scaler.unscale_(optimizer)):
        with pytest.raises(OpError, match=r"nothing was scaled; call scale\(loss\) before"):
            call()
    scaler.scale(w.sum())
    with pytest.raises(OpError, match="no parameter of the optimizer has a gradient"):
        scaler.step(optimizer)
    with pytest.raises(OpError, match="no gradients were checked"):
        scaler.update()
    scaler = GradScaler("cpu")
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(OpError, match=r"unscale_: was already called"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(OpError, match=r"step: was already called"):
        scaler.step(optimizer)
    with pytest.raises(OpError, match=r"after step\(\)"):
        scaler.unscale_(optimizer)
    with pytest.raises(OpError, match="closure"):
        scaler.step(optimizer, lambda: w.sum())
    half = sn.ones(1, dtype=F16, requires_grad=True)
    scaler.scale(half.sum()).backward()
    with pytest.raises(DTypeError, match="gradients are float16"):
        scaler.unscale_(sn.optim.SGD([half], lr=1.0))
    for options, text in [
        ({"growth_factor": 1.0}, "growth_factor must be above 1"),
        ({"backoff_factor": 1.0}, "backoff_factor must be below 1"),
    ]:
        with pytest.raises(OptionError, match=text):
            GradScaler("cpu", **options)
    with pytest.raises(OpError, match="the state is empty"):
        scaler.load_state_dict({})
    with pytest.raises(OptionError, match="want tensors, got int"):
        scaler.scale(3)
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert not GradScaler().is_enabled()


def test_float16_training_needs_the_scaler():
    """A gradient of 1e-9 is 0 in float16; scaled it arrives."""
    w = sn.full((4, 4), 1e-4, requires_grad=True)
    x = sn.full((4, 4), 1e-4)

    def gradient(scale):
        w.grad = None
        with sn.autocast("cpu", F16):
            loss = (x @ w).float().mean() * 1e-3
        (loss * scale).backward()
        return float(w.grad.max() / scale)

    assert gradient(1.0) == 0.0 and gradient(2.0**16) == pytest.approx(2.5e-8, rel=1e-2)


@pytest.mark.peer
def test_the_scaler_follows_pytorch():
    torch = pytest.importorskip("torch")
    options = {
        "init_scale": 1000.0,
        "growth_factor": 1.7,
        "backoff_factor": 0.3,
        "growth_interval": 3,
    }
    factors = [1.0, 2.0, float("inf"), 0.1, 0.2, 0.3, 1.0, float("nan"), 1.0, 1.0, 1.0, 1.0]

    def run(lib, scaler):
        w = lib.tensor([0.3, -0.7], requires_grad=True)
        optimizer = lib.optim.Adam([w], lr=0.1)
        seen = []
        for factor in factors:
            optimizer.zero_grad()
            scaler.scale(((w - 1) ** 2).sum() * factor).backward()
            scaler.step(optimizer)
            scaler.update()
            seen.append((w.tolist(), scaler.state_dict()))
        return seen

    want, got = (
        run(torch, torch.amp.GradScaler("cpu", **options)),
        run(sn, GradScaler("cpu", **options)),
    )
    for (w, state), (v, other) in zip(want, got):
        assert state == other and np.allclose(w, v, atol=1e-6)
