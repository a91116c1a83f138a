"""Misuse of autograd, side by side with PyTorch: the class, and what the message must say.

Each case is run in both. Ours names the operation, the rule and both values, is of a class that a
handler of PyTorch's error catches, and leaves inputs, gradients and the random stream as they were.
"""

import re
from copy import deepcopy

import numpy as np
import pytest

import sensorium as sn


def tensor(lib, *values, **options):
    return lib.tensor(list(values), dtype=lib.float64, **options)


def leaf(lib, *values):
    return tensor(lib, *values, requires_grad=True)


def function(lib, **methods):
    """A Function that doubles its input, with some methods of its own."""

    def forward(ctx, x):
        return x * 2

    def backward(ctx, g):
        return g * 2

    found = {"forward": forward, "backward": backward, **methods}
    return type("Mine", (lib.autograd.Function,), {k: staticmethod(v) for k, v in found.items()})


def saved_then_written(L, x):
    y = x * 1
    z = y.exp().sin()
    y.exp().add_(1)
    w = y.sin()
    y.add_(1)
    (z + w).sum().backward()


def used_twice(L, x):
    y = (x * x).sum()
    y.backward()
    x.grad = None
    y.backward()


def twice_marked(L, x):
    def backward(ctx, g):
        return g * 2

    F = function(L, backward=L.autograd.function.once_differentiable(backward))
    w = leaf(L, 3.0, 4.0)
    (g,) = L.autograd.grad((F.apply(x) * w).sum(), x, create_graph=True)
    g.sum().backward()


CASES = {
    "second backward": (used_twice, r"backward of mul.*retain_graph=True"),
    "many values": (lambda L, x: (x * 2).backward(), r"backward: .* one value.* shape \(2,\)"),
    "complex value": (
        lambda L, x: (x.sum() * (1 + 2j)).backward(),
        r"backward: .* real value.* complex128",
    ),
    "no graph": (
        lambda L, x: x.detach().sum().backward(),
        r"backward: tensor 0 \(shape \(\)\) does",
    ),
    "start of another shape": (
        lambda L, x: (x * 2).backward(L.ones(3, dtype=L.float64)),
        r"backward: gradient 0 has shape \(3,\), its tensor \(2,\)",
    ),
    "start that is no tensor": (
        lambda L, x: (x * 2).backward(3.0),
        r"backward: gradients .* float",
    ),
    "no inputs": (lambda L, x: x.sum().backward(inputs=[]), r"backward: inputs is empty"),
    "outputs that are none": (lambda L, x: L.autograd.grad(1.0, x), r"grad: outputs .* float"),
    "inputs that are none": (lambda L, x: L.autograd.grad(x.sum(), 1.0), r"grad: inputs .* float"),
    "input without gradient": (
        lambda L, x: L.autograd.grad(x.sum(), L.ones(4)),
        r"grad: input 0 \(shape \(4,\)\) requires no gradient",
    ),
    "unused input": (
        lambda L, x: L.autograd.grad(x.sum(), leaf(L, 1.0)),
        r"grad: .*do not depend on input 0 \(shape \(1,\)\)",
    ),
    "integers": (
        lambda L, x: L.tensor([1]).requires_grad_(),
        r"requires_grad: only floating-point .* int64",
    ),
    "integers from the start": (
        lambda L, x: L.tensor([1], requires_grad=True),
        r"requires_grad: only floating-point .* int64",
    ),
    "a result told to want none": (
        lambda L, x: setattr(x * 2, "requires_grad", False),
        r"requires_grad: .* leaf tensors, this one was made by mul",
    ),
    "write to a leaf": (lambda L, x: x.add_(1), r"add_: a leaf .* \(shape \(2,\)\)"),
    "item of a leaf": (lambda L, x: x.__setitem__(0, 1.0), r"setitem: a leaf .* \(shape \(2,\)\)"),
    "write to a view of a leaf": (lambda L, x: x[:1].add_(1), r"add_: .* view of a leaf .*\(2,\)"),
    "write to a saved value": (saved_then_written, r"backward of sin.*: 1 writes, 0 when"),
    "write to an expanded tensor": (
        lambda L, x: (x * 1)[:1].expand(3).add_(1),
        r"add_: .* \(shape \(3,\)\) is read-only or shared",
    ),
    "numpy": (lambda L, x: x.numpy(), r"numpy: .* requires a gradient; call detach\(\)"),
    "deepcopy": (lambda L, x: deepcopy(x * 2), r"deepcopy: only leaf tensors"),
    "grad of another shape": (
        lambda L, x: setattr(x, "grad", L.ones(3, dtype=L.float64)),
        r"grad: shape \(3,\) is not the tensor's \(2,\)",
    ),
    "grad of another type": (
        lambda L, x: setattr(x, "grad", L.ones(2, dtype=L.float32)),
        r"grad: type float32 is not the tensor's float64",
    ),
    "grad that is no tensor": (lambda L, x: setattr(x, "grad", 3), r"grad: want a Tensor .* int"),
    "hook without gradient": (
        lambda L, x: x.detach().register_hook(print),
        r"register_hook: the tensor \(shape \(2,\)\) does not require",
    ),
    "retain without gradient": (
        lambda L, x: x.detach().retain_grad(),
        r"retain_grad: the tensor \(shape \(2,\)\) does not require",
    ),
    "hook after accumulation of no leaf": (
        lambda L, x: (x * 2).register_post_accumulate_grad_hook(print),
        r"register_post_accumulate_grad_hook: want a leaf .* is none",
    ),
    "hook that returns another shape": (
        lambda L, x: x.register_hook(lambda g: g[:1]) and x.sum().backward(),
        r"hook '<lambda>': .* shape \(1,\) for one of shape \(2,\)",
    ),
    "too few gradients": (
        lambda L, x: function(L, backward=lambda ctx, g: ()).apply(x).sum().backward(),
        r"Mine.backward: returned 0 gradients for 1 arguments",
    ),
    "too many gradients": (
        lambda L, x: function(L, backward=lambda ctx, g: (g, g)).apply(x).sum().backward(),
        r"Mine.backward: returned 2 gradients for 1 arguments",
    ),
    "gradients of another shape": (
        lambda L, x: function(L, backward=lambda ctx, g: L.ones(5)).apply(x).sum().backward(),
        r"Mine.backward: gradient 0 has shape \(5,\), its argument \(2,\)",
    ),
    "gradients that are none": (
        lambda L, x: function(L, backward=lambda ctx, g: 3).apply(x).sum().backward(),
        r"Mine.backward: gradient 0 must be a Tensor or None, got int",
    ),
    "numbers saved": (
        lambda L, x: function(L, forward=lambda ctx, x: ctx.save_for_backward(3)).apply(x),
        r"save_for_backward: want tensors, got int",
    ),
    "no forward": (lambda L, x: type("Bare", (L.autograd.Function,), {}).apply(x), r"forward"),
    "twice": (twice_marked, r"once_differentiable: .* cannot be differentiated again"),
    "place without gradient": (
        lambda L, x: L.autograd.graph.get_gradient_edge(x.detach()),
        r"get_gradient_edge: the tensor \(shape \(2,\)\) requires no gradient",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_misuse_is_named_and_changes_nothing(name):
    case, text = CASES[name]
    x = leaf(sn, 1.0, 2.0)
    state = sn.get_rng_state().tolist()
    with pytest.raises(sn.errors.SensoriumError) as caught:
        case(sn, x)
    assert re.search(text, str(caught.value), re.DOTALL), str(caught.value)
    assert x.tolist() == [1.0, 2.0] and x.grad is None and x.is_leaf and x._version == 0
    assert sn.get_rng_state().tolist() == state and sn.is_grad_enabled()


@pytest.mark.peer
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_handlers_of_pytorchs_errors_catch_ours(name):
    torch = pytest.importorskip("torch")
    raised = []
    for lib in (sn, torch):
        with pytest.raises(Exception) as caught:
            CASES[name][0](lib, leaf(lib, 1.0, 2.0))
        raised.append(caught.value)
    ours, theirs = raised
    family = RuntimeError if isinstance(theirs, NotImplementedError) else type(theirs)
    assert isinstance(ours, family), (theirs, ours)


@pytest.mark.peer
def test_gradients_start_where_torch_lets_them():
    """What looks like misuse and is not."""
    torch = pytest.importorskip("torch")
    found = []
    for lib in (sn, torch):
        x = leaf(lib, 1.0, 2.0)
        x.sum().reshape(1, 1).backward()
        (x * 1j).sum().backward(lib.tensor(1j, dtype=lib.complex128))
        found.append(np.array(x.grad.tolist()))
    np.testing.assert_allclose(*found)
