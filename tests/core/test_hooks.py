"""Hooks of tensors, nodes and leaves, and the graph seen from outside."""

import gc
import weakref

import numpy as np
import pytest

import sensorium as sn
from sensorium.autograd import Function, grad
from sensorium.autograd.graph import (
    GradientEdge,
    Node,
    disable_saved_tensors_hooks,
    get_gradient_edge,
    register_multi_grad_hook,
    save_on_cpu,
    saved_tensors_hooks,
)
from sensorium.errors import AutogradError, DTypeError, OptionError, ShapeError


def leaf(*values, lib=sn):
    return lib.tensor(list(values), dtype=lib.float64, requires_grad=True)


# -- a tensor's hooks ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "made, error, text",
    [
        (lambda g: 3, DTypeError, "must return None or a Tensor, got int"),
        (
            lambda g: g[:1],
            ShapeError,
            r"returned a gradient of shape \(1,\) for one of shape \(2,\)",
        ),
        (lambda g: g.float(), DTypeError, "of type float32 for one of float64"),
    ],
)
def test_what_a_hook_returns_must_fit(made, error, text):
    x = leaf(1, 2)
    y = x * 2
    y.register_hook(made)
    with pytest.raises(error, match=text):
        y.sum().backward()


def test_retain_grad_sees_what_later_hooks_made():
    x = leaf(1.0)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.backward()
    assert y.grad.tolist() == [10.0] and x.grad.tolist() == [20.0]


def test_retain_grad_follows_the_value_through_writes():
    x = leaf(3.0)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(g.item()))
    y.retain_grad()
    y.mul_(5)
    y.backward()
    assert y.grad.tolist() == [1.0] and seen == [5.0]


def test_hooks_that_follow_accumulation():
    x, seen = leaf(1.0), []
    first = x.register_post_accumulate_grad_hook(lambda t: seen.append(("a", t.grad.item())))
    x.register_post_accumulate_grad_hook(lambda t: setattr(t, "grad", None))
    (x * 2).backward()
    assert seen == [("a", 2.0)] and x.grad is None
    first.remove()
    (x * 2).backward()
    assert len(seen) == 1
    grad((x * 2).sum(), x)
    assert len(seen) == 1
    with pytest.raises(AutogradError, match="want a leaf"):
        (x * 2).register_post_accumulate_grad_hook(print)
    with pytest.raises(AutogradError, match="requires no gradient"):
        sn.ones(1).register_post_accumulate_grad_hook(print)


# -- nodes ---------------------------------------------------------------------------------------
def test_nodes_are_seen_as_pytorch_shows_them():
    x = leaf(1.0, 2.0)
    y = (x * 2).exp()
    node = y.grad_fn
    assert isinstance(node, Node) and node.name() == "ExpBackward0"
    ((below, number),) = node.next_functions
    assert below.name() == "MulBackward0" and number == 0
    (end, _), (nothing, _) = below.next_functions
    assert end.name() == "torch::autograd::AccumulateGrad" and end.variable is x and nothing is None
    assert below.next_functions[0][0] is end and end.next_functions == ()


def test_outputs_of_one_node_are_numbered():
    q, r = sn.linalg.qr(sn.eye(2, dtype=sn.float64).requires_grad_())
    assert q.grad_fn is r.grad_fn and q.grad_fn.name() == "QrBackward0"
    assert (r * 2).grad_fn.next_functions[0] == (r.grad_fn, 1)


@pytest.mark.parametrize("recorded", [False, True])
def test_hooks_of_nodes(recorded):
    x, said = leaf(2.0), []
    y = x * x
    y.grad_fn.register_prehook(lambda outs: said.append(("pre", outs[0].item())) or (outs[0] * 3,))

    def after(ins, outs):
        said.append(("post", ins[0].item(), outs[0].item()))
        return tuple(g * 10 for g in ins)

    handle = y.grad_fn.register_hook(after)
    (g,) = grad(y.sum(), x, retain_graph=True, create_graph=recorded)
    assert g.tolist() == [2 * 3 * 2 * 10] and said == [("pre", 1.0), ("post", 6.0, 3.0)]
    handle.remove()
    assert grad(y.sum(), x)[0].tolist() == [12.0]


def test_hooks_of_nodes_see_gradients_as_they_arrive():
    a, b, seen = leaf(1, 2, 3), leaf(4), []
    y = a * b
    y.grad_fn.register_hook(lambda ins, outs: seen.append([tuple(g.shape) for g in ins]))
    y.sum().backward()
    assert seen == [[(3,), (1,)]]


def test_hooks_of_nodes_must_return_as_many():
    y = leaf(1.0) * 2
    y.grad_fn.register_hook(lambda ins, outs: (1, 2, 3))
    with pytest.raises(AutogradError, match=r"hook of mul: returned 3 gradients, want 2"):
        y.backward()


def test_hooks_of_where_gradients_accumulate():
    x, seen = leaf(1.0), []
    end = (x * 2).grad_fn.next_functions[0][0]
    end.register_prehook(lambda gs: (gs[0] * 2,))
    end.register_hook(lambda ins, outs: seen.append((ins, outs[0].item(), x.grad.item())))
    (x * 3).backward()
    assert seen == [((), 6.0, 6.0)]


def test_hooks_make_no_cycle_that_keeps_the_graph():
    y = leaf(1.0) * 2
    y.grad_fn.register_hook(print)
    held = weakref.ref(y.grad_fn)
    gc.disable()
    try:
        del y
        assert held() is None
    finally:
        gc.enable()


# -- several tensors -----------------------------------------------------------------------------
def test_one_hook_for_several_tensors():
    x, y, z, seen = leaf(1.0), leaf(2.0), leaf(3.0), []
    handle = register_multi_grad_hook(
        [x, y, z], lambda gs: seen.append([g and g.item() for g in gs])
    )
    (x * 2 + y * y).backward()
    assert seen == [[2.0, 4.0, None]]
    (x * y * z).backward()
    assert seen[1:] == [[6.0, 3.0, 2.0]]
    handle.remove()
    (x * y * z).backward()
    assert len(seen) == 2


def test_the_first_of_several_tensors():
    x, seen = leaf(1.0), []
    a, b = x * 2, x * 3
    register_multi_grad_hook([a, b], lambda g: seen.append(g.item()), mode="any")
    (a + b * 5).backward()
    assert len(seen) == 1
    with pytest.raises(OptionError, match="'all' or 'any', got 'some'"):
        register_multi_grad_hook([a], print, mode="some")


def test_places_without_values():
    x = leaf(3.0)
    y = x * x
    place = get_gradient_edge(y)
    assert isinstance(place, GradientEdge) and place.node is y.grad_fn
    assert grad(y * y, place)[0].tolist() == [18.0]
    assert (
        grad(GradientEdge(y.grad_fn, 0), get_gradient_edge(x), sn.ones(1).double())[0].item() == 6
    )
    _, r = sn.linalg.qr(sn.eye(2, dtype=sn.float64).requires_grad_())
    assert grad((r * 2).sum(), get_gradient_edge(r))[0].tolist() == [[2.0, 2.0]] * 2
    with pytest.raises(AutogradError, match="qr has 2 outputs"):
        grad(r.sum(), GradientEdge(r.grad_fn, 1))
    with pytest.raises(AutogradError, match="requires no gradient"):
        get_gradient_edge(sn.ones(1))


# -- what is kept --------------------------------------------------------------------------------
class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        y = x**3
        ctx.save_for_backward(x, y, None)
        return y

    @staticmethod
    def backward(ctx, g):
        x, _, nothing = ctx.saved_tensors
        assert nothing is None
        return 3 * x**2 * g


SAVING = {
    "input": lambda x: x.sin(),
    "output": lambda x: x.exp(),
    "both": lambda x: x**2.5,
    "list": lambda x: sn.cat([x, x * 2]).prod(),
    "several outputs": lambda x: x.sort()[0] * x,
    "matrix": lambda x: x.reshape(1, -1) @ x.reshape(-1, 1),
    "function": Cube.apply,
    "in place": lambda x: (x * 1).mul_(x).sin_(),
}


@pytest.mark.parametrize("name", SAVING)
def test_packed_values_give_the_same_gradients(name):
    function, packed = SAVING[name], []

    def pack(t):
        assert t.is_leaf and not t.requires_grad
        packed.append(t.shape)
        return t.array.copy()

    def run(x):
        y = function(x)
        (g,) = grad(y.sum(), x, create_graph=True)
        return g, grad(g.sum(), x)[0]

    plain = run(leaf(0.5, 1.5, 1.0))
    with saved_tensors_hooks(pack, lambda a: sn.tensor(a)):
        found = run(leaf(0.5, 1.5, 1.0))
    assert packed
    for a, b in zip(plain, found):
        np.testing.assert_array_equal(a.detach().array, b.detach().array)


def test_the_innermost_pair_acts_and_only_inside():
    said, x = [], leaf(1.0)

    def hooks(name):
        return saved_tensors_hooks(lambda t: said.append(name) or t, lambda t: t)

    with hooks("outer"):
        x.exp()
        with hooks("inner"):
            x.exp()
    x.exp()
    assert said == ["outer", "inner"]


def test_packed_originals_may_be_overwritten():
    x = leaf(1.0, 2.0)
    with saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        y = x * 1
        z = y.sin()
        y.mul_(5)
    z.sum().backward()
    np.testing.assert_allclose(x.grad.array, np.cos([1.0, 2.0]))


def test_writes_to_what_hooks_keep_as_it_is_are_noticed():
    x = leaf(1.0, 2.0)
    with saved_tensors_hooks(lambda t: t, lambda t: t):
        y = x * 1
        z = y.sin()
    y.mul_(5)
    with pytest.raises(AutogradError, match="changed by an in-place operation"):
        z.sum().backward()


def test_nothing_but_the_packed_value_is_kept():
    x = leaf(*range(100))
    with saved_tensors_hooks(lambda t: t.float(), lambda t: t.double()):
        y = (x * 2).exp()
        held = weakref.ref(y.array)
        y = y.sum()
    assert held() is None
    y.backward()


def test_save_on_cpu_changes_nothing_on_the_cpu():
    for pinned in (False, True):
        x = leaf(1.0)
        with save_on_cpu(pin_memory=pinned):
            y = x.exp()
        y.backward()
        assert x.grad.item() == pytest.approx(np.e)


@pytest.mark.parametrize(
    "pack, unpack, error, text",
    [
        (lambda t: t, lambda t: 3, DTypeError, "unpack must return a Tensor, got int"),
        (lambda t: t, lambda t: t[:1], ShapeError, r"unpack returned shape \(1,\)"),
        (lambda t: t.mul_(2), lambda t: t, AutogradError, r"pack changed its input"),
    ],
)
def test_bad_hooks_are_named(pack, unpack, error, text):
    with pytest.raises(error, match=text), saved_tensors_hooks(pack, unpack):
        leaf(1.0, 2.0).exp().sum().backward()


def test_writes_from_outside_can_be_counted():
    x = leaf(1.0) * 1
    y = x.sin()
    sn.autograd.graph.increment_version([x])
    with pytest.raises(AutogradError, match="1 writes, 0 when it was saved"):
        y.backward()


def test_hooks_can_be_forbidden():
    refused = pytest.raises(AutogradError, match="no hooks here")
    with disable_saved_tensors_hooks("no hooks here"), refused, save_on_cpu():
        pass
    with save_on_cpu(), pytest.raises(AutogradError, match="none now"):
        disable_saved_tensors_hooks("none now").__enter__()
    with save_on_cpu():
        pass


def test_nothing_watches_afterwards():
    from sensorium.autograd import engine

    slot, before = Node.__dict__["sequence"], list(engine.watchers)
    with save_on_cpu():
        assert Node.__dict__["sequence"] is not slot
    assert Node.__dict__["sequence"] is slot
    with sn.autograd.detect_anomaly():
        assert len(engine.watchers) > len(before)
    assert Node.__dict__["sequence"] is slot and engine.watchers == before


# -- order, against PyTorch ----------------------------------------------------------------------
@pytest.mark.peer
def test_the_order_of_everything_equals_torch():
    torch = pytest.importorskip("torch")
    found = []
    for lib in (sn, torch):
        said = []

        def say(name, said=said, change=None):
            def hook(*args):
                flat = [g for a in args for g in (a if isinstance(a, tuple) else (a,))]
                said.append((name, [None if g is None else g.detach().sum().item() for g in flat]))
                return change

            return hook

        x = leaf(2.0, 3.0, lib=lib)
        y = x * 3
        z = y.sin()
        y.retain_grad()
        y.grad_fn.register_hook(say("y node"))
        y.grad_fn.register_prehook(say("y node pre"))
        y.register_hook(say("y"))
        z.grad_fn.register_hook(say("z node"))
        x.register_post_accumulate_grad_hook(lambda t, said=said: said.append("done"))
        x.register_hook(say("x"))
        z.register_hook(say("z second"))
        z.sum().backward()
        found.append((said, y.grad.tolist(), x.grad.tolist()))
    ours, theirs = found
    flat = [[(e if isinstance(e, str) else e[0]) for e in run[0]] for run in found]
    assert flat[0] == flat[1]
    for a, b in zip(ours[0], theirs[0]):
        if not isinstance(a, str):
            assert [None if v is None else pytest.approx(v) for v in a[1]] == b[1]
    np.testing.assert_allclose(ours[1:], theirs[1:])


@pytest.mark.peer
def test_packing_happens_as_often_as_in_torch():
    torch = pytest.importorskip("torch")
    counts = []
    for lib in (sn, torch):
        packed, unpacked = [], []

        def unpack(t, unpacked=unpacked):
            unpacked.append(0)
            return t

        x = leaf(0.5, 1.0, lib=lib)
        with lib.autograd.graph.saved_tensors_hooks(lambda t, p=packed: p.append(0) or t, unpack):
            y = (x * x).sin().exp().tanh().sum()
        y.backward()
        counts.append((len(packed), len(unpacked)))
    assert counts[0] == counts[1]
