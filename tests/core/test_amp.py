"""autocast: types and values as of explicit casts, gradients, regions, threads, cost."""

from __future__ import annotations

import threading
from types import FunctionType

import numpy as np
import pytest

import sensorium as sn
from sensorium.amp import _gates, _lists, custom_bwd, custom_fwd, is_autocast_available
from sensorium.errors import DeviceError, OptionError
from sensorium.nn import functional as F

BF16, F16, F32 = sn.bfloat16, sn.float16, sn.float32


def rand(*shape, dtype=F32, grad=False):
    return sn.rand(*shape).to(dtype).requires_grad_(grad)


def equal(a, b):
    return a.dtype == b.dtype and sn.equal(a, b)


@pytest.fixture(autouse=True)
def _nothing_stays_on():
    sn.manual_seed(0)
    yield
    assert not sn.is_autocast_enabled("cpu") and not _gates._threads and not _gates.state.cache
    for place in _gates._places.values():
        assert place.function.__code__ is not place.gate


# -- which type ----------------------------------------------------------------------------------
@pytest.mark.parametrize("low", [BF16, F16])
def test_products_run_in_the_lower_type(low):
    a, b, c = rand(4, 4), rand(4, 4), rand(4)
    x, w = rand(2, 3, 7, 7), rand(4, 3, 3, 3)
    with sn.autocast("cpu", dtype=low):
        got = [a @ b, sn.mm(a, b), a.matmul(b), F.linear(a, b, c), F.conv2d(x, w, stride=2)]
        got += [F.scaled_dot_product_attention(x, x, x), sn.einsum("ij,jk->ik", a, b)]
    a, b, c, x, w = (t.to(low) for t in (a, b, c, x, w))
    want = [a @ b, sn.mm(a, b), a.matmul(b), F.linear(a, b, c), F.conv2d(x, w, stride=2)]
    want += [F.scaled_dot_product_attention(x, x, x), sn.einsum("ij,jk->ik", a, b)]
    assert all(g.dtype == low for g in got) and all(map(equal, got, want))


def test_delicate_ops_run_in_float32():
    x, y = rand(3, 4, dtype=BF16), rand(3, 4, dtype=BF16)
    with sn.autocast("cpu"):
        got = [F.mse_loss(x, y), x.prod(), F.kl_div(x, y, reduction="sum"), sn.fft.rfft(x).real]
        assert F.max_pool2d(rand(1, 1, 4, 4, dtype=BF16), 2).dtype == BF16  # on neither list
    x, y = x.float(), y.float()
    want = [F.mse_loss(x, y), x.prod(), F.kl_div(x, y, reduction="sum"), sn.fft.rfft(x).real]
    assert all(g.dtype == F32 for g in got) and all(map(equal, got, want))


@pytest.mark.parametrize("low", [BF16, F16])
def test_norms_compute_in_float32_and_give_the_type_they_got(low):
    x, w, b = rand(600, 4) + 3, rand(4), rand(4)
    mean, var = sn.zeros(4), sn.ones(4)
    with sn.autocast("cpu", low):
        got = [F.batch_norm(x.to(low), mean, var, w, b, True), F.layer_norm(x.to(low), (4,), w, b)]
        got += [F.group_norm(x.to(low)[None].mT, 2), F.rms_norm(x.to(low), (4,), w)]
        assert F.layer_norm(x, (4,), w, b).dtype == F32
    y = x.to(low).float()
    want = [F.batch_norm(y, None, None, w, b, True), F.layer_norm(y, (4,), w, b)]
    want += [F.group_norm(y[None].mT, 2), F.rms_norm(y, (4,), w)]
    assert all(equal(g, v.to(low)) for g, v in zip(got, want))
    assert mean.dtype == F32 and sn.allclose(mean, 0.1 * y.mean(0))


def test_fused_steps_of_inference_give_the_lower_type():
    net = sn.nn.Sequential(sn.nn.Conv2d(3, 4, 3), sn.nn.BatchNorm2d(4), sn.nn.ReLU()).eval()
    x = rand(2, 3, 8, 8)
    with sn.autocast("cpu"):
        recorded = net(x)
        with sn.no_grad():
            fused = net(x)
    assert recorded.dtype == fused.dtype == BF16
    assert sn.allclose(recorded.float(), fused.float(), atol=2e-2)


def test_joining_takes_the_widest():
    x, y = rand(3, dtype=BF16), rand(3)
    with sn.autocast("cpu"):
        assert equal(sn.cat([x, y]), sn.cat([x.float(), y]))
        assert sn.stack((y, x)).dtype == F32 and sn.stack((x, x)).dtype == BF16
        assert sn.stack((x, rand(3, dtype=F16))).dtype == F32


def test_other_types_and_raw_arrays_are_left_alone():
    wide, whole = sn.rand(3, 3).double(), sn.ones(3, 3, dtype=sn.int64)
    with sn.autocast("cpu"):
        assert (wide @ wide).dtype == sn.float64 and (whole @ whole).dtype == sn.int64
        assert (
            sn.matmul(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32)).dtype == np.float32
        )
        assert (rand(3) + rand(3)).dtype == F32 and (rand(3) + rand(3, dtype=BF16)).dtype == F32


def test_in_place_forms_are_not_cast():
    a, b = rand(8, 8), rand(8, 8)
    want = a.clone().addmm_(a, b)
    with sn.autocast("cpu"):
        assert equal(a.clone().addmm_(a, b), want)


def test_every_listed_name_that_is_here_has_a_gate():
    assert set(_lists.ONLY) <= set(_lists.policies())
    found = {name for name in _lists.policies() if _gates.functions_of(name)}
    assert len(found) > 100
    with sn.autocast("cpu"):
        for name in found:
            for function in _gates.functions_of(name):
                assert isinstance(function, FunctionType)
                assert function.__code__ is _gates._places[id(function)].gate, name


# -- gradients -----------------------------------------------------------------------------------
def test_weights_stay_float32_and_get_float32_gradients():
    w, b, x = rand(4, 3, grad=True), rand(4, grad=True), rand(5, 3, grad=True)
    with sn.autocast("cpu"):
        loss = F.mse_loss(F.relu(F.linear(x, w, b)), sn.zeros(5, 4))
    loss.backward()
    got = [t.grad for t in (w, b, x)]
    w, b, x = (t.detach().clone().requires_grad_() for t in (w, b, x))
    y = F.relu(F.linear(x.to(BF16), w.to(BF16), b.to(BF16))).float()
    F.mse_loss(y, sn.zeros(5, 4)).backward()
    assert all(equal(g, t.grad) and g.dtype == F32 for g, t in zip(got, (w, b, x)))


def test_a_weight_is_cast_once_in_a_region(monkeypatch):
    w, x = rand(3, 3, grad=True), rand(2, 3)
    made = []
    monkeypatch.setattr(_gates, "_from", lambda x, array: made.append(array) or real(x, array))
    with sn.autocast("cpu"):
        F.linear(x, w), F.linear(x, w)
        with sn.autocast("cpu"):
            F.linear(x, w)
        assert len({id(a) for a in made}) == 1
        with sn.no_grad():
            w.mul_(2)
        assert equal(F.linear(x, w), F.linear(x.to(BF16), w.detach().to(BF16)))
        assert len({id(a) for a in made}) == 2
        sn.clear_autocast_cache()
        F.linear(x, w)
        assert len({id(a) for a in made}) == 3
    made.clear()
    with sn.autocast("cpu", cache_enabled=False):
        assert not sn.is_autocast_cache_enabled()
        F.linear(x, w)
    assert made == [] and sn.is_autocast_cache_enabled()


real = _gates._from


def test_several_backward_passes_share_a_cast_weight():
    w, x = rand(3, 3, grad=True), rand(2, 3)
    with sn.autocast("cpu"):
        with sn.no_grad():
            F.linear(x, w)  # first met where no gradient is wanted
        first, second = F.linear(x, w).sum(), F.linear(x, w).sum()
        first.backward()
        second.backward()
        F.linear(x, w).sum().backward()
    assert equal(w.grad, 3 * x.to(BF16).float().sum(0).to(BF16).float().expand(3, 3))


def test_second_gradients():
    x = rand(3, 3, grad=True)
    with sn.autocast("cpu"):
        (g,) = sn.autograd.grad((x @ x).float().pow(2).sum(), x, create_graph=True)
        g.sum().backward()
    assert g.dtype == x.grad.dtype == F32 and x.grad.isfinite().all()


# -- regions -------------------------------------------------------------------------------------
def kind():
    return (sn.ones(1, 1) @ sn.ones(1, 1)).dtype


def test_regions_nest_and_end_with_errors():
    with sn.autocast("cpu"):
        assert kind() == BF16 == sn.get_autocast_dtype("cpu") and sn.is_autocast_enabled("cpu")
        with sn.autocast("cpu", enabled=False):
            assert kind() == F32 and not sn.is_autocast_enabled("cpu")
            with sn.autocast("cpu", F16):
                assert kind() == F16 == sn.get_autocast_dtype("cpu")
            assert kind() == F32
        with pytest.raises(ZeroDivisionError), sn.autocast("cpu", F16):
            1 / 0  # noqa: B018
        with pytest.raises(sn.errors.ShapeError):
            sn.ones(2, 3) @ sn.ones(2, 3)
        assert kind() == BF16
    assert kind() == F32 and sn.get_autocast_dtype("cpu") == BF16


def test_decorators_recursion_and_the_functions_behind():
    @sn.autocast("cpu")
    def down(n):
        return [kind(), *(down(n - 1) if n else [])]

    assert down(2) == [BF16] * 3 and kind() == F32
    with pytest.raises(OptionError, match="decorates functions, got Tensor"):
        sn.autocast("cpu")(sn.ones(1))
    sn.set_autocast_enabled("cpu", True)
    sn.set_autocast_dtype("cpu", F16)
    assert kind() == F16 and sn.is_autocast_enabled("cpu")
    sn.set_autocast_enabled("cpu", False)
    sn.set_autocast_dtype("cpu", BF16)
    assert kind() == F32
    assert [sn.autocast_increment_nesting(), sn.autocast_decrement_nesting()] == [1, 0]


def test_mistakes():
    assert is_autocast_available("cpu") and not is_autocast_available("mps")
    with pytest.raises(DeviceError, match="device_type 'mps' has no autocast"):
        sn.autocast("mps")
    with pytest.raises(OptionError, match="device_type must be a str"):
        sn.autocast(sn.float16)
    with pytest.warns(UserWarning, match="float64 is neither bfloat16 nor float16: disabled"):
        region = sn.autocast("cpu", sn.float64)
    with region:
        assert kind() == F32
    with pytest.warns(UserWarning, match="CUDA is not available"), sn.autocast("cuda"):
        assert kind() == F32


def test_the_state_is_the_thread_s():
    """One thread in and out of regions, others computing: each sees its own types throughout."""
    stop, wrong = threading.Event(), []

    def outside():
        while not stop.is_set():
            if kind() != F32 or sn.is_autocast_enabled("cpu"):
                wrong.append("outside")

    def inside():
        while not stop.is_set():
            with sn.autocast("cpu", F16):
                if kind() != F16:
                    wrong.append("inside")

    threads = [threading.Thread(target=f) for f in (outside, outside, inside, inside)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        with sn.autocast("cpu"):
            assert kind() == BF16
        assert kind() == F32
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_outside_a_region_nothing_is_left():
    """The very code objects are back: autocast costs nothing where it is off."""
    with sn.autocast("cpu"):
        kind()
    functions = [f for _, _, f in _gates._listed()]
    before = [f.__code__ for f in functions]
    with sn.autocast("cpu"):
        assert all(f.__code__ is not c for f, c in zip(functions, before))
    assert all(f.__code__ is c for f, c in zip(functions, before))
    assert sn.matmul.__defaults__ is None and sn.cat([sn.ones(1)]).tolist() == [1.0]


# -- functions with a gradient of their own ------------------------------------------------------
@pytest.mark.parametrize("inputs", [None, F32, F16])
def test_custom_functions_run_backward_as_forward(inputs):
    seen = []

    class Product(sn.autograd.Function):
        @staticmethod
        @custom_fwd(device_type="cpu", cast_inputs=inputs)
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            seen.append((a.dtype, sn.is_autocast_enabled("cpu")))
            return a @ b

        @staticmethod
        @custom_bwd(device_type="cpu")
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            seen.append((kind(), sn.is_autocast_enabled("cpu")))
            return g @ b.t(), a.t() @ g

    a = rand(3, 3, grad=True)
    with sn.autocast("cpu"):
        y = Product.apply(a, rand(3, 3))
    y.float().sum().backward()
    if inputs is None:
        assert seen == [(F32, True), (BF16, True)] and y.dtype == BF16
    else:
        assert seen == [(inputs, False), (F32, False)] and y.dtype == inputs
    assert a.grad.dtype == F32
    seen.clear()
    Product.apply(a, rand(3, 3)).sum().backward()
    assert seen == [(F32, False), (F32, False)]
