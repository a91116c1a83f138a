"""Checkpointing: bitwise the plain run's gradients, fewer arrays kept, and what it refuses."""

import contextlib

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn
from sensorium.autograd.node import Node
from sensorium.errors import AutogradError, OptionError
from sensorium.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    set_checkpoint_early_stop,
)

WAYS = [True, False]


def leaf(*values):
    return sn.tensor(list(values), dtype=sn.float64, requires_grad=True)


class Block(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 8)
        self.norm, self.drop = nn.LayerNorm(8), nn.Dropout(p)

    def forward(self, x):
        return x + self.drop(self.second(nn.functional.gelu(self.first(self.norm(x)))))


def gradients(run, net, x):
    sn.manual_seed(3)
    x = x.detach().requires_grad_()
    net.zero_grad()
    run(net, x).square().sum().backward()
    after = sn.get_rng_state().tolist()
    return [x.grad.array, *(p.grad.array for p in net.parameters())], after


def kept_bytes(y):
    """Bytes of the distinct arrays that the graph behind y keeps for backward."""
    seen, found, stack = set(), {}, [y.node]
    while stack:
        node = stack.pop()
        if not isinstance(node, Node) or node in seen:
            continue
        seen.add(node)
        stack.extend(node.edges)
        values = list(node.saved) if isinstance(node.saved, tuple) else []
        for value in [
            v for part in values for v in (part if isinstance(part, (list, tuple)) else [part])
        ]:
            array = getattr(value, "array", value)
            if isinstance(array, np.ndarray):
                while array.base is not None:
                    array = array.base
                found[id(array)] = array
    return sum(a.nbytes for a in found.values())


# -- the same gradients --------------------------------------------------------------------------
@pytest.mark.parametrize("reentrant", WAYS)
def test_gradients_are_bitwise_those_of_the_plain_run(reentrant):
    sn.manual_seed(0)
    net = nn.Sequential(Block(), Block(), Block())
    x = sn.randn(4, 8)

    def checkpointed(net, x):
        for block in net:
            x = checkpoint(block, x, use_reentrant=reentrant)
        return x

    plain, state = gradients(lambda net, x: net(x), net, x)
    found, same = gradients(checkpointed, net, x)
    assert state == same, "the random stream stands elsewhere afterwards"
    for a, b in zip(plain, found):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("reentrant", WAYS)
@pytest.mark.parametrize("segments", [1, 2, 3])
def test_sequences_in_segments(reentrant, segments):
    sn.manual_seed(0)
    net, x = nn.Sequential(*[Block() for _ in range(3)]), sn.randn(4, 8)
    plain, _ = gradients(lambda net, x: net(x), net, x)
    found, _ = gradients(
        lambda net, x: checkpoint_sequential(net, segments, x, use_reentrant=reentrant), net, x
    )
    for a, b in zip(plain, found):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("reentrant", WAYS)
def test_nested(reentrant):
    sn.manual_seed(0)
    net, x = nn.Sequential(Block(), Block(), Block()), sn.randn(4, 8)

    def inner(net, x):
        for block in net:
            x = checkpoint(block, x, use_reentrant=reentrant)
        return x

    plain, _ = gradients(lambda net, x: net(x), net, x)
    found, _ = gradients(
        lambda net, x: checkpoint(inner, net, x * 1, use_reentrant=reentrant), net, x
    )
    for a, b in zip(plain, found):
        np.testing.assert_array_equal(a, b)


def test_without_its_random_state_the_masks_differ():
    x = sn.ones(64, requires_grad=True)

    def run(preserve):
        x.grad = None
        y = checkpoint(
            lambda x: nn.functional.dropout(x.exp()) * x,
            x,
            use_reentrant=False,
            preserve_rng_state=preserve,
        )
        kept = (y.array != 0).astype(np.float32)
        y.sum().backward()
        return np.array_equal(x.grad.array != 0, kept != 0)

    assert run(True) and not run(False)


# -- memory --------------------------------------------------------------------------------------
@pytest.mark.parametrize("reentrant", WAYS)
def test_less_is_kept(reentrant):
    net, x = nn.Sequential(*[Block(0.0) for _ in range(4)]), sn.randn(256, 8).requires_grad_()
    plain = kept_bytes(net(x))
    y = x
    for block in net:
        y = checkpoint(block, y, use_reentrant=reentrant)
    assert kept_bytes(y) < plain / 4


def test_nested_checkpoints_keep_no_inner_inputs():
    held = []

    def inner(x):
        held.append(sn.autograd.graph.get_gradient_edge(x) and __import__("weakref").ref(x.array))
        return x.exp()

    def outer(x):
        for _ in range(3):
            x = checkpoint(inner, x * 2, use_reentrant=False)
        return x

    y = checkpoint(outer, leaf(0.1, 0.2), use_reentrant=False)
    assert [ref() for ref in held] == [None] * 3
    y.sum().backward()


# -- how it runs ---------------------------------------------------------------------------------
def test_recomputation_stops_early_once_and_as_told():
    ran = []

    def function(x):
        ran.append("start")
        y = x.exp()
        ran.append("end")
        return y

    def count(**options):
        ran.clear()
        checkpoint(function, leaf(1.0), use_reentrant=False, **options).backward()
        return ran.count("start"), ran.count("end")

    assert count() == (2, 1) and count(early_stop=False) == (2, 2)
    with set_checkpoint_early_stop(False):
        assert count() == (2, 2)


def test_keyword_arguments_structures_and_second_derivatives():
    x, w = leaf(0.5, 1.0), leaf(2.0, 3.0)

    def function(x, *, options):
        return {"y": (x * options["w"]).sin()}

    y = checkpoint(function, x, options={"w": w}, use_reentrant=False)["y"]
    (g,) = sn.autograd.grad(y.sum(), x, create_graph=True)
    (gg,) = sn.autograd.grad(g.sum(), w)
    u, v = x.array, w.array
    np.testing.assert_allclose(g.detach().array, v * np.cos(u * v), rtol=1e-14)
    np.testing.assert_allclose(gg.array, np.cos(u * v) - u * v * np.sin(u * v), rtol=1e-14)


def test_a_retained_graph_runs_again_each_time():
    x = leaf(0.5)
    y = checkpoint(lambda x: x.exp().sin(), x, use_reentrant=False)
    y.backward(retain_graph=True)
    once = x.grad.item()
    y.backward()
    assert x.grad.item() == 2 * once


def test_contexts_surround_the_two_runs():
    said = []

    @contextlib.contextmanager
    def note(word):
        said.append(word)
        yield
        said.append(f"end of {word}")

    y = checkpoint(
        lambda x: x.exp(), leaf(1.0), use_reentrant=False, context_fn=lambda: (note("a"), note("b"))
    )
    assert said == ["a", "end of a"]
    y.backward()
    assert said[2:] == ["b", "end of b"]


@pytest.mark.parametrize("reentrant", WAYS)
def test_the_second_run_has_the_first_ones_autocast(reentrant):
    net, x, kinds = nn.Linear(4, 4), sn.randn(2, 4), []

    def function(x):
        y = net(x)
        kinds.append(y.dtype)
        return y.float()

    with sn.autocast("cpu", dtype=sn.bfloat16):
        y = checkpoint(function, x.requires_grad_(), use_reentrant=reentrant, **options(reentrant))
    y.sum().backward()
    z = checkpoint(function, x, use_reentrant=reentrant, **options(reentrant))
    with sn.autocast("cpu", dtype=sn.bfloat16):
        z.sum().backward()
    assert kinds == [sn.bfloat16, sn.bfloat16, sn.float32, sn.float32]


def options(reentrant):
    return {} if reentrant else {"early_stop": False}


def test_parameters_get_gradients_though_no_input_wants_one():
    net = nn.Linear(2, 1)
    checkpoint(net, sn.ones(1, 2), use_reentrant=False).backward()
    assert net.weight.grad is not None
    with pytest.warns(UserWarning, match="none of the 1 inputs requires a gradient"):
        assert not checkpoint(net, sn.ones(1, 2), use_reentrant=True).requires_grad


def test_nothing_is_recorded_under_no_grad():
    with sn.no_grad():
        assert checkpoint(lambda x: x.exp(), leaf(1.0), use_reentrant=False).node is None


# -- what it refuses -----------------------------------------------------------------------------
def test_functions_that_change_their_mind_are_found_out():
    runs = []

    def function(x):
        runs.append(0)
        return (x.exp() if len(runs) % 2 else x[:1].exp()).sin()

    with pytest.raises(
        CheckpointError, match=r"value 0 .* \(\(2,\), 'float64', 'cpu'\) at first, \(\(1,\)"
    ):
        checkpoint(function, leaf(1.0, 2.0), use_reentrant=False).sum().backward()

    def fewer(x):
        runs.append(0)
        return x.exp().exp() if len(runs) % 2 else x.exp()

    with pytest.raises(CheckpointError, match="2 values were kept for backward at first, 1 when"):
        checkpoint(fewer, leaf(1.0), use_reentrant=False).backward()
    with pytest.raises(
        CheckpointError, match="ExpBackward0 ExpBackward0\nsecond run: ExpBackward0"
    ):
        runs.append(0)
        runs.append(0)
        checkpoint(fewer, leaf(1.0), use_reentrant=False, debug=True).backward()


def test_inputs_changed_in_place_are_noticed():
    x = leaf(1.0) * 2
    y = checkpoint(lambda x: x.exp(), x, use_reentrant=False)
    x.add_(1)
    with pytest.raises(AutogradError, match="1 writes, 0 when the function ran first"):
        y.backward()


def test_reentrant_checkpoints_only_go_backward():
    x = leaf(1.0)
    with pytest.raises(AutogradError, match=r"not grad\(\) or backward\(inputs=...\)"):
        sn.autograd.grad(checkpoint(lambda x: x.exp(), x, use_reentrant=True), x)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda x: checkpoint(len, x, use_reentrant=True, key=1), "no keyword arguments, got key"),
        (lambda x: checkpoint(len, x, use_reentrant=True, debug=True), "need use_reentrant=False"),
        (lambda x: checkpoint(len, x, use_reentrant=False, determinism_check="x"), "got 'x'"),
        (lambda x: checkpoint_sequential([len], 2, x, use_reentrant=False), "want 1 to 1 segments"),
    ],
)
def test_misuse_is_named(call, text):
    with pytest.raises(OptionError, match=text):
        call(leaf(1.0))


def test_the_way_should_be_given():
    with pytest.warns(UserWarning, match="pass use_reentrant explicitly"):
        checkpoint(lambda x: x * 2, leaf(1.0))


# -- against PyTorch -----------------------------------------------------------------------------
def runs(lib, checkpoint, case):
    """How often each part of a checkpointed computation ran, and the gradient."""
    said = []

    def part(name, inner=None):
        def run(x, scale=1.0):
            said.append(name)
            y = inner(x) if inner else x
            return (y * scale).sin().exp()

        return run

    x = lib.tensor([0.3, 0.7], dtype=lib.float64, requires_grad=True)
    case(lib, checkpoint, part, x)
    return said, x.grad.tolist()


COUNTS = {
    "plain": lambda L, c, part, x: c(part("a"), x, use_reentrant=False).sum().backward(),
    "reentrant": lambda L, c, part, x: c(part("a"), x, use_reentrant=True).sum().backward(),
    "keyword": lambda L, c, p, x: c(p("a"), x, scale=2.0, use_reentrant=False).sum().backward(),
    "nested": lambda L, c, part, x: (
        c(part("a", lambda x: c(part("b"), x, use_reentrant=False)), x, use_reentrant=False)
        .sum()
        .backward()
    ),
    "nested reentrant": lambda L, c, part, x: (
        c(part("a", lambda x: c(part("b"), x, use_reentrant=True)), x, use_reentrant=True)
        .sum()
        .backward()
    ),
    "nested thrice": lambda L, c, part, x: (
        c(
            part(
                "a",
                lambda x: c(
                    part("b", lambda x: c(part("c"), x, use_reentrant=False)),
                    x,
                    use_reentrant=False,
                ),
            ),
            x,
            use_reentrant=False,
        )
        .sum()
        .backward()
    ),
    "in a row": lambda L, c, part, x: (
        c(part("b"), c(part("a"), x, use_reentrant=False), use_reentrant=False).sum().backward()
    ),
    "retained": lambda L, c, part, x: again(c(part("a"), x, use_reentrant=False).sum()),
}


def again(y):
    y.backward(retain_graph=True)
    y.backward()


@pytest.mark.peer
@pytest.mark.parametrize("name", COUNTS)
def test_functions_run_as_often_as_in_torch(name):
    torch = pytest.importorskip("torch")
    from torch.utils.checkpoint import checkpoint as theirs

    ours_said, ours = runs(sn, checkpoint, COUNTS[name])
    theirs_said, wanted = runs(torch, theirs, COUNTS[name])
    assert ours_said == theirs_said
    np.testing.assert_allclose(ours, wanted, rtol=1e-12)
