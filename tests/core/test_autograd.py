"""The tape: modes, hooks, retained and recorded graphs, and what it refuses."""

import gc
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


def test_a_gradient_that_nobody_shares_is_not_copied(monkeypatch):
    copies = []
    copy = np.array
    monkeypatch.setattr(np, "array", lambda a, **k: copies.append(a.shape) or copy(a, **k))
    x = sn.ones(4, requires_grad=True)
    x.exp().sum().backward()
    assert (4,) not in copies and x.grad is not None
    z = sn.ones(4, requires_grad=True)
    held = sn.ones(4)
    z.backward(held)
    assert (4,) in copies and z.grad.array is not held.array


def test_broadcast_gradients_are_summed():
    a, b = leaf(1, 2, 3), leaf(4)
    (a * b).sum().backward()
    assert b.grad.tolist() == [6.0] and a.grad.tolist() == [4.0] * 3


def test_gradient_starts_from_what_is_given():
    x = leaf(1, 2)
    (x * 2).backward(sn.tensor([1.0, 10.0], dtype=sn.float64))
    assert x.grad.tolist() == [2.0, 20.0]


@pytest.mark.parametrize("run", ["backward", "grad", "hook"])
def test_gradients_of_single_values_are_arrays(run):
    """NumPy's arithmetic on 0-d arrays leaves scalars, which cannot be written to."""
    x, seen = sn.tensor(3.0, requires_grad=True), []
    y = x * x
    if run == "hook":
        x.register_hook(seen.append)
    g = grad(y * y, x)[0] if run == "grad" else (y * y).backward() or x.grad
    for value in [g, *seen]:
        assert isinstance(value.array, np.ndarray) and value.shape == () and repr(value)
    assert g.add_(1).item() == 109.0


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


# -- complex -------------------------------------------------------------------------------------
HOLOMORPHIC = (
    "exp log sqrt rsqrt square reciprocal sin cos tan tanh expm1 log1p log2 log10 atan sgn sigmoid"
)
COMPLEX = {
    **{name: (lambda z, name=name: getattr(z, name)().real) for name in HOLOMORPHIC.split()},
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
