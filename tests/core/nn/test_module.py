"""Module: members, iteration, modes, conversion, copies, repr."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.last = nn.Linear(4, 2, bias=False)
        self.scale = nn.Parameter(sn.ones(1))
        self.register_buffer("seen", sn.zeros(2), persistent=False)

    def forward(self, x):
        return self.last(self.norm(self.first(x))) * self.scale


# -- members -------------------------------------------------------------------------------------
def test_members_are_found_in_the_order_of_registration():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "scale", "first.weight", "first.bias", "norm.weight", "norm.bias", "last.weight",
    ]  # fmt: skip
    assert [n for n, _ in net.named_buffers()] == [
        "seen", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
    ]  # fmt: skip
    assert [n for n, _ in net.named_modules()] == ["", "first", "norm", "last"]
    assert list(net.children()) == [net.first, net.norm, net.last]
    assert [n for n, _ in net.named_parameters(prefix="net", recurse=False)] == ["net.scale"]


def test_registries_and_attributes_are_one_place():
    net = Net()
    other = nn.Parameter(sn.zeros(1))
    net._parameters["scale"] = other
    assert net.scale is other
    net.scale = None
    assert net._parameters["scale"] is None and list(net.parameters(recurse=False)) == []
    del net._modules["last"]
    assert not hasattr(net, "last")
    assert net._non_persistent_buffers_set == {"seen"}


def test_assignment_follows_the_kind_of_the_value():
    net = Net()
    with pytest.raises(
        TypeError, match="scale is a parameter: assign a Parameter or None, got Tensor"
    ):
        net.scale = sn.ones(1)
    with pytest.raises(TypeError, match="first is a module"):
        net.first = 3
    with pytest.raises(TypeError, match="seen is a buffer"):
        net.seen = "much"
    net.seen = sn.ones(5)
    assert dict(net.named_buffers())["seen"].shape == (5,)
    net.first = nn.Parameter(sn.ones(2))  # a module's place taken by a parameter
    assert "first" in dict(net.named_parameters()) and "first" not in dict(net.named_modules())
    net.extra = nn.Buffer(sn.ones(1), persistent=False)
    assert "extra" in dict(net.named_buffers()) and "extra" not in net.state_dict()
    del net.scale
    assert "scale" not in dict(net.named_parameters()) and not hasattr(net, "scale")


def test_registering_checks_names_and_values():
    net = Net()
    for name in ("", "a.b"):
        with pytest.raises(KeyError, match="must not be empty or contain"):
            net.register_parameter(name, None)
    with pytest.raises(KeyError, match="has an attribute 'forward' already"):
        net.register_buffer("forward", None)
    with pytest.raises(TypeError, match="'x' must be a Parameter or None, got Tensor"):
        net.register_parameter("x", sn.ones(1))
    with pytest.raises(TypeError, match="'x' must be a Module or None, got int"):
        net.add_module("x", 3)
    with pytest.raises(TypeError, match="must be a string, got int"):
        net.add_module(3, nn.ReLU())
    with pytest.raises(AttributeError, match="has no attribute 'absent'"):
        net.absent  # noqa: B018


def test_forgetting_super_init_is_explained():
    class Early(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"Early: call super\(\).__init__\(\) before"):
        Early()

    class Never(nn.Module):
        def __init__(self):
            self.width = 3

    with pytest.raises(AttributeError, match=r"Never: call super\(\).__init__\(\) before using"):
        Never()(1)


def test_a_module_without_forward_says_so():
    with pytest.raises(TypeError, match=r"Module defines no forward\(\)"):
        nn.Module()(1)


def test_an_attribute_error_inside_forward_stays_itself():
    class Broken(nn.Module):
        def forward(self, x):
            return x.no_such_thing

    with pytest.raises(AttributeError, match="no_such_thing"):
        Broken()(3)


def test_shared_members_are_counted_once_unless_asked():
    net = nn.Module()
    net.a = nn.Linear(2, 2)
    net.b = net.a
    net.c = nn.Linear(2, 2)
    net.c.weight = net.a.weight
    assert [n for n, _ in net.named_parameters()] == ["a.weight", "a.bias", "c.bias"]
    assert [n for n, _ in net.named_modules()] == ["", "a", "c"]
    assert [n for n, _ in net.named_modules(remove_duplicate=False)] == ["", "a", "b", "c"]
    assert len(list(net.named_parameters(remove_duplicate=False))) == 6


def test_look_up_by_dotted_name():
    net = nn.Sequential(Net(), nn.ReLU())
    assert net.get_submodule("") is net
    assert net.get_submodule("0.first") is net[0].first
    assert net.get_parameter("0.first.weight") is net[0].first.weight
    assert net.get_buffer("0.norm.running_mean") is net[0].norm.running_mean
    with pytest.raises(
        AttributeError, match=r"Net has no module 'second'.*it has first, norm, last"
    ):
        net.get_submodule("0.second")
    with pytest.raises(AttributeError, match="Linear has no parameter 'w'; it has weight, bias"):
        net.get_parameter("0.first.w")


# -- modes and conversion ------------------------------------------------------------------------
def test_train_and_eval_reach_every_module():
    net = nn.Sequential(Net(), nn.Dropout())
    assert net.eval() is net and not any(m.training for m in net.modules())
    assert net.train() is net and all(m.training for m in net.modules())
    with pytest.raises(ValueError, match="mode must be True or False"):
        net.train("yes")


def test_requires_grad_and_zero_grad():
    net = Net()
    net(sn.ones(3, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert not any(p.requires_grad for p in net.requires_grad_(False).parameters())


def test_conversion_keeps_the_tensors_and_casts_gradients_but_not_integers():
    net = Net()
    net(sn.ones(3, 3)).sum().backward()
    weight = net.first.weight
    assert net.double() is net and net.first.weight is weight
    assert weight.dtype == sn.float64 and weight.grad.dtype == sn.float64
    assert net.norm.running_mean.dtype == sn.float64
    assert net.norm.num_batches_tracked.dtype == sn.int64
    for name in ("float", "half", "bfloat16"):
        assert getattr(net, name)().first.weight.dtype == getattr(
            sn, {"float": "float32", "half": "float16"}.get(name, name)
        )
    assert net.to(sn.ones(1, dtype="float64")).scale.dtype == sn.float64
    assert net.to("cpu", sn.float32).scale.dtype == sn.float32
    assert net.type(sn.float64).norm.num_batches_tracked.dtype == sn.float64
    with pytest.raises(TypeError, match=r"Net.to: want a floating-point type, got int64"):
        net.to(sn.int64)


def test_tied_parameters_stay_tied_through_conversion_and_copies():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    for made in (net.double(), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert made[1].weight is made[0].weight
        assert len(list(made.parameters())) == 3


def test_copies_share_nothing():
    net = Net()
    for made in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert isinstance(made.scale, nn.Parameter) and made.scale.requires_grad
        with sn.no_grad():
            made.scale += 1
        assert float(net.scale) == 1
        x = sn.ones(3, 3)
        assert made.eval()(x).shape == (3, 2)
        assert list(made.state_dict()) == list(net.state_dict())


def test_apply_goes_through_children_first():
    seen = []
    net = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh()))
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["ReLU", "Tanh", "Sequential", "Sequential"]


# -- parameters ----------------------------------------------------------------------------------
def test_a_parameter_shares_memory_and_version_with_its_data():
    data = sn.ones(2)
    p = nn.Parameter(data)
    data.add_(1)
    assert p.tolist() == [2, 2] and p._version == data._version
    assert p.is_leaf and p.requires_grad and isinstance(p * 1, sn.Tensor)
    assert not isinstance(p * 1, nn.Parameter)
    assert not nn.Parameter(sn.tensor([1]), requires_grad=False).requires_grad
    with pytest.raises(TypeError, match="want a Tensor or an array, got list"):
        nn.Parameter([1.0])
    assert repr(p) == "Parameter containing:\ntensor([2., 2.], requires_grad=True)"
    assert nn.Parameter().shape == (0,)


def test_buffers_survive_copies():
    b = nn.Buffer(sn.ones(2), persistent=False)
    for made in (copy.deepcopy(b), pickle.loads(pickle.dumps(b))):
        assert made.persistent is False and made.tolist() == [1, 1]


# -- containers ----------------------------------------------------------------------------------
def test_sequential_as_a_list():
    a, b, c = nn.Linear(1, 1), nn.ReLU(), nn.Tanh()
    net = nn.Sequential(a, b)
    assert net.append(c) is net and len(net) == 3 and list(net) == [a, b, c]
    assert net[-1] is c and net[0:2][1] is b and isinstance(net[:2], nn.Sequential)
    net.insert(1, nn.Sigmoid())
    assert [type(m).__name__ for m in net] == ["Linear", "Sigmoid", "ReLU", "Tanh"]
    del net[1]
    assert list(net._modules) == ["0", "1", "2"] and list(net) == [a, b, c]
    assert net.pop(2) is c and net.extend([c, c]) is net and len(net) == 4
    assert len(net + nn.Sequential(b)) == 5 and len(net * 2) == 8
    with pytest.raises(IndexError, match="index 9 is out of range for 4 members"):
        net[9]
    net[0] = b
    assert net[0] is b


def test_sequential_with_names_keeps_them_in_slices():
    net = nn.Sequential(OrderedDict(one=nn.ReLU(), two=nn.Tanh(), three=nn.ReLU()))
    assert list(net[1:]._modules) == ["two", "three"] and net.two is net[1]
    del net[0]
    assert list(net._modules) == ["two", "three"]


def test_module_list_and_dict_register_but_are_not_called():
    layers = nn.ModuleList([nn.Linear(1, 1)])
    layers += [nn.Linear(1, 1, bias=False)]
    assert [n for n, _ in layers.named_parameters()] == ["0.weight", "0.bias", "1.weight"]
    assert isinstance(layers[:1], nn.ModuleList) and len(layers + nn.ModuleList([nn.ReLU()])) == 3
    with pytest.raises(TypeError, match="ModuleList defines no forward"):
        layers(1)
    with pytest.raises(TypeError, match="must be a Module or None, got int"):
        layers.append(3)
    named = nn.ModuleDict({"a": nn.ReLU()})
    named["b"] = nn.Tanh()
    assert list(named) == list(named.keys()) == ["a", "b"] and "a" in named and len(named) == 2
    assert [k for k, _ in named.items()] == ["a", "b"] and len(list(named.values())) == 2
    assert isinstance(named.pop("a"), nn.ReLU) and "a" not in named
    with pytest.raises(KeyError, match="no 'a'; it has b"):
        named["a"]
    with pytest.raises(KeyError, match="has an attribute 'pop' already"):
        named["pop"] = nn.ReLU()
    named.clear()
    assert len(named) == 0


def test_containers_count_only_what_they_hold():
    net = nn.Sequential(nn.ReLU(), nn.Tanh())
    net.scale = nn.Parameter(sn.ones(1))
    assert len(net) == 2 and [type(m) for m in net] == [nn.ReLU, nn.Tanh]
    assert net(sn.zeros(1)).item() == 0 and "scale" in net.state_dict()
    del net[0]
    assert len(net) == 1 and net.scale is not None
    named = nn.ModuleDict({"a": nn.ReLU()})
    named.register_buffer("count", sn.zeros(1))
    assert list(named) == ["a"] and "count" not in named


def test_parameter_list_and_dict():
    listed = nn.ParameterList([nn.Parameter(sn.ones(2)), sn.zeros(3)])
    assert [type(p) for p in listed] == [nn.Parameter] * 2 and len(list(listed.parameters())) == 2
    assert "(1): Parameter containing: [float32 of size 3]" in repr(listed)
    named = nn.ParameterDict({"w": sn.ones(2)})
    assert [n for n, _ in named.named_parameters()] == ["w"]
    with pytest.raises(TypeError, match="want Parameters or Tensors, got int"):
        named["x"] = 3


def test_repr_is_nested_as_pytorchs():
    net = nn.Sequential(nn.Linear(1, 2), nn.Sequential(nn.ReLU(inplace=True)), nn.Sequential())
    assert repr(net) == (
        "Sequential(\n  (0): Linear(in_features=1, out_features=2, bias=True)\n"
        "  (1): Sequential(\n    (0): ReLU(inplace=True)\n  )\n  (2): Sequential()\n)"
    )


def test_dir_leaves_out_numbers():
    names = dir(nn.Sequential(nn.ReLU()))
    assert "0" not in names and "forward" in names and "training" in names


# -- in place ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "layer", ["ReLU", "ReLU6", "LeakyReLU", "ELU", "SiLU", "Hardswish", "Hardsigmoid"]
)
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "shared"])
def test_inplace_writes_into_the_input_and_differentiates(layer, alone):
    values = np.array([-2.5, -0.4, 0.3, 1.7])
    x = sn.tensor(values, requires_grad=True)
    plain = sn.tensor(values, requires_grad=True)
    h = x * 1
    keep = None if alone else h.array
    y = getattr(nn, layer)(inplace=True)(h)
    assert y is h
    if keep is not None:
        np.testing.assert_array_equal(keep, y.detach().numpy())  # the memory itself was written
    want = getattr(nn, layer)()(plain * 1)
    np.testing.assert_array_equal(y.detach().numpy(), want.detach().numpy())
    y.sum().backward(), want.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), plain.grad.numpy(), rtol=1e-14)


def test_inplace_on_a_leaf_that_wants_a_gradient_is_refused():
    with pytest.raises(sn.errors.AutogradError, match="relu_: a leaf"):
        nn.ReLU(inplace=True)(sn.ones(2, requires_grad=True))


def test_inplace_through_a_view_reaches_its_base():
    base = sn.tensor([-1.0, 2.0, -3.0])
    nn.functional.relu_(base[1:])
    assert base.tolist() == [-1, 2, 0]


def test_a_value_saved_for_backward_and_overwritten_is_noticed():
    x = sn.tensor([0.5, -0.5], requires_grad=True)
    y = x.exp()  # exp keeps its output
    nn.functional.relu_(y)
    with pytest.raises(sn.errors.AutogradError, match="changed by an in-place operation"):
        y.sum().backward()
