"""Hooks: order, arguments, replacement, removal; the same calls as PyTorch makes."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn
from sensorium.errors import AutogradError


class Two(nn.Module):
    """Two inputs, two outputs."""

    def forward(self, a, b, k=1.0):
        return a * b * k, a + b


def test_forward_hooks_replace_arguments_and_results():
    layer = nn.Identity()
    layer.register_forward_pre_hook(lambda m, args: (args[0] + 1,))
    layer.register_forward_pre_hook(lambda m, args: args[0] * 10)
    layer.register_forward_pre_hook(lambda m, args: args[0] - 1, prepend=True)
    last = layer.register_forward_hook(lambda m, args, out: -out)
    assert layer(sn.tensor(2.0)).item() == -20
    last.remove()
    last.remove()
    assert layer(sn.tensor(2.0)).item() == 20


def test_hooks_with_kwargs():
    layer, seen = Two(), []
    layer.register_forward_pre_hook(lambda m, a, k: (a, {"k": 3.0}), with_kwargs=True)
    layer.register_forward_hook(lambda m, a, k, out: seen.append(k), with_kwargs=True)
    assert layer(sn.tensor(1.0), sn.tensor(2.0), k=5.0)[0].item() == 6
    assert seen == [{"k": 3.0}]
    layer.register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True)
    with pytest.raises(TypeError, match=r"must return None or \(args, kwargs\), got int"):
        layer(1, 2)


def test_always_call_runs_after_an_error():
    class Fails(nn.Module):
        def forward(self):
            raise ValueError("no")

    layer, seen = Fails(), []
    layer.register_forward_hook(lambda m, a, out: seen.append("never"))
    layer.register_forward_hook(lambda m, a, out: seen.append(out), always_call=True)
    with pytest.raises(ValueError, match="no"):
        layer()
    assert seen == [None]


def test_a_handle_is_a_context_manager():
    layer, seen = nn.Identity(), []
    with layer.register_forward_hook(lambda *a: seen.append(1)):
        layer(1)
    layer(1)
    assert seen == [1] and not layer._hooks


def test_no_grad_runs_no_backward_hooks():
    layer = nn.Linear(1, 1)
    layer.register_full_backward_hook(lambda *a: pytest.fail("called"))
    with sn.no_grad():
        assert not layer(sn.ones(1, 1)).requires_grad


def test_a_backward_hook_that_changes_the_number_of_gradients_is_refused():
    layer = nn.Linear(1, 1)
    layer.register_full_backward_hook(lambda m, i, o: (o[0], o[0]))
    with pytest.raises(sn.errors.AutogradError, match="grad_input, which has 1 entries, got 2"):
        layer(sn.ones(1, 1, requires_grad=True)).sum().backward()


def test_backward_hooks_allow_a_second_derivative():
    layer, seen = Two(), []
    layer.register_full_backward_hook(lambda m, i, o: seen.append([g.item() for g in i]))
    a, b = sn.tensor(2.0, requires_grad=True), sn.tensor(3.0, requires_grad=True)
    y, _ = layer(a * a, b)
    (g,) = sn.autograd.grad(y, a, create_graph=True)  # 2 a b
    assert sn.autograd.grad(g, a)[0].item() == 6 and seen[0] == [3, 4]


def record(library, module, calls):
    """Hooks of every kind that note what they see."""

    def plain(values):
        return [None if v is None else np.asarray(v.detach()).round(6).tolist() for v in values]

    def note(name):
        return lambda m, *rest: calls.append((name, *[plain(r) for r in rest]))

    module.register_full_backward_pre_hook(note("backward_pre"))
    module.register_full_backward_hook(note("backward"))
    module.register_forward_pre_hook(note("pre"))
    module.register_forward_hook(lambda m, args, out: calls.append(("post", plain(args))))


@pytest.mark.peer
@pytest.mark.parametrize("wanting", ["ab", "a", "b", ""])
def test_hooks_see_what_pytorchs_see_in_the_same_order(wanting):
    torch = pytest.importorskip("torch")

    class Theirs(torch.nn.Module):
        forward = Two.forward

    found = []
    for library, module in ((sn, Two()), (torch, Theirs())):
        calls = []
        record(library, module, calls)
        a = library.tensor([1.0, 2.0], requires_grad="a" in wanting)
        b = library.tensor([3.0, 4.0], requires_grad="b" in wanting)
        y, z = module(a, b)
        if wanting:
            (y + 2 * z).sum().backward()
        found.append((calls, [None if t.grad is None else t.grad.tolist() for t in (a, b)]))
    assert found[0] == found[1]


@pytest.mark.peer
def test_replaced_gradients_go_on_as_in_pytorch():
    torch = pytest.importorskip("torch")
    found = []
    for library in (sn, torch):
        net = library.nn.Sequential(library.nn.Linear(2, 2), library.nn.Linear(2, 1))
        with library.no_grad():
            for i, p in enumerate(net.parameters()):
                p.copy_(library.ones(*p.shape) * (i + 1))
        net[1].register_full_backward_pre_hook(lambda m, o: (o[0] * 3,))
        net[1].register_full_backward_hook(lambda m, i, o: (i[0] * 2,))
        x = library.ones(1, 2, requires_grad=True)
        net(x).sum().backward()
        found.append([x.grad.tolist(), *[p.grad.tolist() for p in net.parameters()]])
    assert found[0] == found[1]


def test_an_inplace_layer_behind_backward_hooks_is_refused():
    layer = nn.ReLU(inplace=True)
    layer.register_full_backward_hook(lambda module, inputs, outputs: None)
    x = sn.tensor([1.0, -1.0], requires_grad=True) * 2
    with pytest.raises(AutogradError, match=r"relu_.*\(2,\).*backward hooks.*inplace=False"):
        layer(x)
    assert x.tolist() == [2.0, -2.0]
