"""The tape: modes, hooks, retained and recorded graphs, in-place writes, and what it refuses."""

import gc
import threading
import weakref

import numpy as np
import pytest

import sensorium as sn
from sensorium.autograd import grad
from sensorium.errors import AutogradError, ShapeError


def leaf(*values):
    return sn.tensor(list(values), dtype=sn.float64, requires_grad=True)


# -- backward ------------------------------------------------------------------------------------
def test_gradients_accumulate():
    x = leaf(1, 2)
    (x * 3).sum().backward()
    (x * x).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]


def test_a_value_used_twice_collects_both_shares():
    x = leaf(2, 3)
    y = x * x
    (y * y + y).sum().backward()
    assert x.grad.tolist() == [4 * 8 + 4, 4 * 27 + 6]


def test_accumulation_does_not_reach_other_gradients():
    """Shares of one gradient array must not be added to in place."""
    x, z = leaf(1, 2), leaf(5, 6)
    y = x + z
    (y.sum() + (x * 2).sum()).backward()
    assert x.grad.tolist() == [3.0, 3.0] and z.grad.tolist() == [1.0, 1.0]
    x.grad.mul_(0)
    assert z.grad.tolist() == [1.0, 1.0]


def test_broadcast_gradients_are_summed():
    a, b = leaf(1, 2, 3), leaf(4)
    (a * b).sum().backward()
    assert b.grad.tolist() == [6.0] and a.grad.tolist() == [4.0] * 3


def test_gradient_starts_from_what_is_given():
    x = leaf(1, 2)
    (x * 2).backward(sn.tensor([1.0, 10.0], dtype=sn.float64))
    assert x.grad.tolist() == [2.0, 20.0]


def test_deep_graphs_need_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(10_000):
        y = y + 1
    y.backward()
    assert x.grad.tolist() == [1.0]
    del y
    gc.collect()


def test_a_graph_is_released_by_backward_and_with_its_result():
    x = leaf(1, 2)
    y = x.exp()
    held = weakref.ref(y.node)
    y.sum().backward()
    with pytest.raises(AutogradError, match="already used and released"):
        y.sum().backward()
    del y
    assert held() is None, "a cycle keeps the graph alive"


def test_retained_graphs_go_twice():
    x = leaf(1, 2)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4.0, 8.0]


def test_only_the_named_inputs_accumulate():
    x, z = leaf(1, 2), leaf(3, 4)
    y = x * z
    y.sum().backward(inputs=[x])
    assert x.grad.tolist() == [3.0, 4.0] and z.grad is None


def test_integers_have_no_gradient():
    with pytest.raises(sn.errors.DTypeError, match="int64"):
        sn.tensor([1]).requires_grad_()
    x = leaf(1.5)
    assert not x.long().requires_grad and not (x > 1).requires_grad


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda x: (x * 2).backward(), r"tensor 0 has shape \(2,\)"),
        (lambda x: x.detach().sum().backward(), "does not require a gradient"),
        (lambda x: (x * 2).backward(sn.ones(3)), r"shape \(3,\), its tensor \(2,\)"),
        (lambda x: grad((x * 2).sum(), leaf(1.0)), "do not depend on input 0"),
        (lambda x: grad((x * 2).sum(), x.detach()), "requires no gradient"),
        (lambda x: (x * 2).sum().backward(inputs=[]), "inputs is empty"),
        (lambda x: grad([x.sum()], [x], [None, None]), "1 tensors but 2 gradients"),
    ],
)
def test_misuse_is_named(call, text):
    with pytest.raises((AutogradError, ShapeError), match=text):
        call(leaf(1, 2))


# -- grad ----------------------------------------------------------------------------------------
def test_grad_leaves_leaves_alone():
    x = leaf(3.0)
    (g,) = grad(x * x, x)
    assert g.tolist() == [6.0] and x.grad is None and not g.requires_grad


def test_grad_of_intermediate_values():
    x = leaf(3.0)
    y = x * x
    gy, gx = grad((y * y).sum(), [y, x])
    assert gy.tolist() == [18.0] and gx.tolist() == [108.0]


def test_unused_inputs():
    x, z = leaf(1.0), leaf(1.0, 2.0)
    y = x * 2
    assert grad(y, [x, z], allow_unused=True, retain_graph=True)[1] is None
    assert grad(y, [x, z], materialize_grads=True)[1].tolist() == [0.0, 0.0]


def test_derivatives_of_any_order():
    x = leaf(2.0)
    y = x**5
    for wanted in (80.0, 160.0, 240.0, 240.0, 120.0):
        (y,) = grad(y, x, create_graph=True)
        assert y.tolist() == [wanted]


def test_create_graph_in_backward_records_the_gradient():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    (second,) = grad(x.grad, x)
    assert second.tolist() == [12.0]


def test_hessian_of_a_mixed_function():
    x, y = leaf(2.0), leaf(3.0)
    gx, gy = grad(x * x * y + x * sn.exp(y), [x, y], create_graph=True)
    (xy,) = grad(gx, y, retain_graph=True)
    (yx,) = grad(gy, x)
    assert xy.item() == pytest.approx(4 + np.exp(3)) == yx.item()


# -- hooks ---------------------------------------------------------------------------------------
def test_hooks_replace_gradients_in_order():
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: g + 1)
    second = y.register_hook(lambda g: g * 10)
    y.sum().backward(retain_graph=True)
    assert x.grad.tolist() == [40.0]
    second.remove()
    x.grad = None
    y.sum().backward()
    assert x.grad.tolist() == [4.0]


def test_leaf_hooks_see_the_whole_gradient_once():
    x, seen = leaf(1.0), []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * 2 + x * 3).sum().backward()
    assert seen == [5.0] and x.grad.tolist() == [5.0]


def test_retained_gradients_of_intermediate_values():
    x = leaf(3.0)
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [12.0] and y.retains_grad and not x.retains_grad


def test_hooks_want_a_gradient():
    with pytest.raises(AutogradError, match="register_hook"):
        sn.ones(1).register_hook(print)
    with pytest.raises(AutogradError, match="retain_grad"):
        sn.ones(1).retain_grad()


# -- modes ---------------------------------------------------------------------------------------
def test_modes_nest():
    x = leaf(1.0)
    with sn.no_grad():
        assert not (x * 2).requires_grad
        with sn.enable_grad():
            assert (x * 2).requires_grad
        with sn.set_grad_enabled(True):
            assert sn.is_grad_enabled()
        assert not sn.is_grad_enabled()
    assert sn.is_grad_enabled()
    with sn.inference_mode():
        assert sn.is_inference_mode_enabled() and not (x * 2).requires_grad


def test_modes_end_with_an_exception():
    with pytest.raises(KeyError), sn.no_grad():
        raise KeyError
    assert sn.is_grad_enabled()


def test_modes_decorate_functions():
    @sn.no_grad()
    def called(x):
        return (x * 2).requires_grad

    @sn.no_grad
    def bare(x):
        return (x * 2).requires_grad

    @sn.inference_mode()
    def inferred():
        return sn.is_inference_mode_enabled()

    assert not called(leaf(1.0)) and not bare(leaf(1.0)) and inferred()
    assert called.__name__ == "called"


def test_modes_hold_in_generators_only_while_they_run():
    @sn.no_grad()
    def steps():
        yield sn.is_grad_enabled()
        yield sn.is_grad_enabled()

    for enabled in steps():
        assert not enabled and sn.is_grad_enabled()


def test_modes_belong_to_their_thread():
    seen = {}

    def other():
        seen["other"] = sn.is_grad_enabled()
        with sn.no_grad():
            barrier.wait(5)
            barrier.wait(5)

    barrier = threading.Barrier(2)
    with sn.no_grad():
        thread = threading.Thread(target=other)
        thread.start()
        barrier.wait(5)
    seen["here"] = sn.is_grad_enabled()
    barrier.wait(5)
    thread.join()
    assert seen == {"other": True, "here": True}


def test_threads_differentiate_side_by_side():
    found = []

    def work(k):
        x = leaf(*range(50))
        for _ in range(20):
            y = x
            for _ in range(5):
                y = y * k
            x.grad = None
            y.sum().backward()
        found.append((k, x.grad.tolist() == [float(k**5)] * 50))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(found) == [(k, True) for k in range(1, 5)]


# -- detach and in-place writes ------------------------------------------------------------------
def test_detached_tensors_share_memory_but_no_graph():
    x = leaf(1.0, 2.0)
    d = (x * 2).detach()
    assert not d.requires_grad and d.is_leaf
    y = x * 1
    z = y.detach()
    z[0] = 9
    assert y.tolist() == [9.0, 2.0]


def test_overwritten_values_are_noticed():
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y * y
    y.add_(1)
    with pytest.raises(AutogradError, match=r"backward of mul.*changed by an in-place operation"):
        z.sum().backward()


def test_overwriting_through_a_detached_tensor_is_noticed():
    x = leaf(1.0)
    y = x.exp()
    y.detach().zero_()
    with pytest.raises(AutogradError, match="in-place"):
        y.backward()


def test_overwriting_what_no_gradient_needs_is_fine():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.add_(1)
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_leaves_that_want_gradients_are_not_overwritten():
    x = leaf(1.0, 2.0)
    for write in (lambda: x.add_(1), lambda: x.zero_(), lambda: x[0:1].mul_(2)):
        with pytest.raises(AutogradError, match="leaf"):
            write()
    with pytest.raises(AutogradError, match="leaf"):
        x[0] = 1
    assert x.tolist() == [1.0, 2.0]
    with sn.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0, 3.0]


PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@program
def write_after_use(x, lib):
    y = x * 2
    z = y + 1
    y.mul_(3)
    return z + y


@program
def write_slice(x, lib):
    y = x * 1
    y[0:2] = y[1:3] * 2
    return y


@program
def write_number(x, lib):
    y = x * x
    y[1] = 5.0
    return y


@program
def write_view(x, lib):
    y = x * 2
    v = y[1:]
    v.mul_(4)
    return y * y


@program
def view_follows_base(x, lib):
    y = x * 2
    v = y[1:]
    y.mul_(3)
    return v * v


@program
def view_of_view(x, lib):
    y = (x * 1).reshape(2, 2)
    y[0][1:].add_(y[1][:1] * 3)
    return y * y


@program
def sibling_views(x, lib):
    y = x * 1
    a, b = y[:2], y[1:]
    a.mul_(2)
    return a.sum() + (b * b).sum()


@program
def write_transposed(x, lib):
    y = (x * 1).reshape(2, 2)
    y.t()[0].mul_(5)
    return y * y


@program
def copy_into(x, lib):
    y = lib.zeros(4, dtype=x.dtype)
    y[:2].copy_(x[2:] * 3)
    return y * y


@program
def mask_fill(x, lib):
    y = x * 2
    y.masked_fill_(x > 2.5, 7.0)
    return y * x


@program
def mask_assign(x, lib):
    y = x * 2
    y[x > 2.5] = (x * x)[x > 2.5]
    return y


@program
def index_assign(x, lib):
    y = x * 2
    y[[3, 0]] = x[:2] * 10
    return y * y


@program
def self_product(x, lib):
    y = x * 1
    y *= x
    y -= 1
    y /= 2
    return y


@program
def activations_in_place(x, lib):
    y = (x - 2.5).clone()
    y.relu_()
    z = x.clone().sigmoid_()
    return y * z


@program
def fill_cuts(x, lib):
    y = x * 2
    y.fill_(3.0)
    return y * x


@program
def chain_of_columns(x, lib):
    y = (x * 1).reshape(2, 2)
    y[:, 0] = y[:, 1] * 3
    y[:, 1] += y[:, 0]
    return y


@program
def expanded_source(x, lib):
    y = lib.zeros(3, 4, dtype=x.dtype)
    y += x
    y[1] = x[0]
    return y * y


@program
def unsqueezed_view(x, lib):
    y = x * 1
    v = y.unsqueeze(0)
    v.mul_(x)
    return y * 2


@pytest.mark.peer
@pytest.mark.parametrize("name", PROGRAMS)
def test_in_place_programs_equal_torch(name):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    results = []
    for lib in (sn, torch):
        x = lib.tensor([1.0, 2.0, 3.0, 4.0], dtype=lib.float64, requires_grad=True)
        y = PROGRAMS[name](x, lib)
        (y * y).sum().backward()
        results.append((y.detach().numpy(), x.grad.numpy()))
    (y, g), (wanted_y, wanted_g) = results
    np.testing.assert_allclose(y, wanted_y, rtol=1e-12)
    np.testing.assert_allclose(g, wanted_g, rtol=1e-12)


@pytest.mark.peer
@pytest.mark.parametrize("name", PROGRAMS)
def test_in_place_programs_equal_differences(name):
    x = leaf(1.0, 2.0, 3.0, 4.0)
    assert sn.autograd.gradcheck(lambda x: PROGRAMS[name](x, sn), x)


# -- complex -------------------------------------------------------------------------------------
HOLOMORPHIC = ["exp", "log", "sqrt", "rsqrt", "square", "reciprocal", "sin", "cos", "tan", "tanh", "expm1", "log1p", "log2", "log10", "atan", "sgn", "abs"]
COMPLEX = {
    **{
        name: (lambda z, name=name: getattr(z, name)().real)
        for name in HOLOMORPHIC
        if name != "abs"
    },
    "abs": lambda z: z.abs(),
    "modulus": lambda z: (z * z.conj()).real,
    "product": lambda z: (z * z * (2 + 1j)).imag,
    "quotient": lambda z: (z / (z + 3)).real,
    "dot": lambda z: (z @ z).real,
    "power": lambda z: (z**3).real,
    "sum": lambda z: (z.sum() * z).imag,
}


@pytest.mark.peer
@pytest.mark.parametrize("name", COMPLEX)
def test_complex_gradients_equal_torch(name):
    torch = pytest.importorskip("torch")
    values, found = np.array([1 + 2j, -0.5 + 0.3j, 2 - 1j]), []
    for lib in (sn, torch):
        z = lib.tensor(values, requires_grad=True)
        COMPLEX[name](z).sum().backward()
        found.append(z.grad.numpy())
    np.testing.assert_allclose(*found, rtol=1e-10)
