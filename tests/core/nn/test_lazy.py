"""Lazy layers: shapes come from the first input or a state dict; then a layer is ordinary."""

import copy
import pickle

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import ShapeError, StateDictError
from sensorium.nn.parameter import is_lazy

LAYERS = [  # lazy class, its arguments, input shape, the size it sees
    ("Linear", (4,), (2, 5), {"in_features": 5}),
    ("Conv1d", (4, 3), (2, 6, 7), {"in_channels": 6}),
    ("Conv2d", (4, 3, 1, 1, 1, 2), (2, 6, 7, 5), {"in_channels": 6}),
    ("Conv3d", (4, 2), (6, 3, 4, 5), {"in_channels": 6}),
    ("ConvTranspose1d", (4, 3), (2, 6, 7), {"in_channels": 6}),
    ("ConvTranspose2d", (4, 3, 2, 1, 1, 2), (2, 6, 4, 5), {"in_channels": 6}),
    ("ConvTranspose3d", (4, 2), (1, 6, 3, 2, 3), {"in_channels": 6}),
    ("BatchNorm1d", (), (4, 6), {"num_features": 6}),
    ("BatchNorm2d", (), (4, 6, 3, 3), {"num_features": 6}),
    ("BatchNorm3d", (), (2, 6, 2, 3, 2), {"num_features": 6}),
    ("InstanceNorm1d", (), (6, 5), {"num_features": 6}),
    ("InstanceNorm2d", (), (2, 6, 3, 4), {"num_features": 6}),
    ("InstanceNorm3d", (), (6, 3, 4, 2), {"num_features": 6}),
]
IDS = [name for name, *_ in LAYERS]


def make(name, args):
    return getattr(sn.nn, f"Lazy{name}")(*args)


@pytest.mark.parametrize("name, args, shape, sees", LAYERS, ids=IDS)
def test_becomes_an_ordinary_layer(name, args, shape, sees):
    layer = make(name, args)
    assert layer.has_uninitialized_params() and repr(layer).startswith(f"Lazy{name}(")
    x = sn.randn(*shape)
    y = layer(x)
    assert type(layer) is getattr(sn.nn, name)
    assert {k: getattr(layer, k) for k in sees} == sees
    ordinary = copy.deepcopy(layer)
    assert type(layer.weight) is sn.nn.Parameter and not layer._hooks
    assert "_initialize_hook" not in layer.__dict__
    same = (
        type(layer)(*sees.values(), *args)
        if args
        else type(layer)(*sees.values(), affine=True, track_running_stats=True)
    )
    assert {k: v.shape for k, v in layer.state_dict().items()} == {
        k: v.shape for k, v in same.state_dict().items()
    }
    assert repr(layer) == repr(same)
    np.testing.assert_allclose(
        ordinary(x).detach().numpy(), y.detach().numpy(), rtol=1e-5, atol=1e-6
    )
    y.sum().backward()
    assert layer.weight.grad.shape == layer.weight.shape


def test_draws_what_an_ordinary_layer_draws():
    sn.manual_seed(3)
    lazy = sn.nn.LazyLinear(4)
    lazy(sn.ones(1, 5))
    sn.manual_seed(3)
    plain = sn.nn.Linear(5, 4)
    assert sn.equal(lazy.weight, plain.weight) and sn.equal(lazy.bias, plain.bias)


@pytest.mark.parametrize("name, args, shape, sees", LAYERS, ids=IDS)
def test_takes_its_shapes_from_a_state_dict(name, args, shape, sees):
    trained = make(name, args)
    x = sn.randn(*shape)
    trained(x)
    layer = make(name, args)
    keys = layer.load_state_dict(trained.state_dict())
    assert not keys.missing_keys and not layer.has_uninitialized_params()
    np.testing.assert_array_equal(
        trained.eval()(x).detach().numpy(), layer.eval()(x).detach().numpy()
    )
    assert type(layer) is type(trained) and {k: getattr(layer, k) for k in sees} == sees


def test_state_dict_of_a_lazy_layer_holds_what_has_no_shape():
    state = sn.nn.LazyBatchNorm1d().state_dict()
    assert list(state) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert [is_lazy(v) for v in state.values()] == [True] * 4 + [False]
    other = sn.nn.LazyBatchNorm1d()
    assert not other.load_state_dict(state).missing_keys and other.has_uninitialized_params()


def test_a_load_that_does_not_fit_writes_nothing():
    layer = sn.nn.LazyLinear(2)
    with pytest.raises(StateDictError, match="missing"):
        layer.load_state_dict({"weight": np.ones((2, 3))})
    assert layer.has_uninitialized_params() and is_lazy(layer.weight)
    with pytest.raises(ShapeError, match="UninitializedParameter"):
        sn.nn.Linear(2, 2).load_state_dict(layer.state_dict())


def test_loads_into_a_network_of_lazy_layers():
    def net():
        return sn.nn.Sequential(sn.nn.LazyConv2d(4, 3), sn.nn.LazyBatchNorm2d(), sn.nn.ReLU())

    first, second = net(), net()
    x = sn.randn(2, 3, 6, 6)
    first(x)
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(
        first.eval()(x).detach().numpy(), second.eval()(x).detach().numpy()
    )


def test_type_and_device_can_be_chosen_before_the_shape():
    layer = sn.nn.LazyLinear(2).to(sn.float64)
    assert layer.weight.dtype == sn.float64 and is_lazy(layer.weight)
    assert layer(sn.ones(1, 3, dtype=sn.float64)).dtype == sn.float64
    assert sn.nn.LazyConv1d(2, 1, dtype=sn.float16).weight.dtype == sn.float16
    frozen = sn.nn.LazyLinear(2).requires_grad_(False)
    frozen(sn.ones(1, 3))
    assert not frozen.weight.requires_grad


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_lazy_layer_can_be_copied(again):
    layer = again(sn.nn.LazyBatchNorm1d(dtype=sn.float64))
    assert layer.has_uninitialized_params()
    assert layer(sn.randn(4, 3, dtype=sn.float64)).shape == (4, 3)
    assert type(layer) is sn.nn.BatchNorm1d


@pytest.mark.parametrize(
    "use",
    [
        lambda p: p.shape,
        lambda p: p + 1,
        lambda p: p.tolist(),
        lambda p: sn.zeros(2) * p,
        lambda p: p.sum(),
        lambda p: p.numel(),
    ],
)
def test_what_has_no_shape_cannot_be_computed_with(use):
    with pytest.raises(ShapeError, match="no shape and no values yet"):
        use(sn.nn.UninitializedParameter())


def test_materialize():
    p, b = sn.nn.UninitializedParameter(dtype=sn.float64), sn.nn.UninitializedBuffer()
    assert (repr(p), repr(b)) == ("<UninitializedParameter>", "<UninitializedBuffer>")
    p.materialize((2, 3))
    b.materialize((4,), dtype=sn.int32)
    assert type(p) is sn.nn.Parameter and p.requires_grad and p.dtype == sn.float64
    assert type(b) is sn.nn.Buffer and b.shape == (4,) and b.dtype == sn.int32


def test_an_input_that_does_not_fit_leaves_the_layer_lazy():
    layer = sn.nn.LazyConv2d(4, 3, groups=2)
    with pytest.raises(ShapeError, match="LazyConv2d: want 3 or 4 dimensions, got 2"):
        layer(sn.ones(2, 3))
    with pytest.raises(ShapeError, match=r"in_channels=3 is no multiple of groups=2"):
        layer(sn.ones(1, 3, 5, 5))
    assert layer.has_uninitialized_params()
    assert layer(sn.ones(1, 4, 5, 5)).shape == (1, 4, 3, 3)


def test_a_lazy_layer_of_ones_own():
    class Scale(sn.nn.lazy.LazyModuleMixin, sn.nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = sn.nn.UninitializedParameter()

        def initialize_parameters(self, x):
            self.factor.materialize((x.shape[-1],))
            sn.nn.init.constant_(self.factor, 2)

        def forward(self, x):
            return x * self.factor

    layer = Scale()
    assert layer(sn.ones(3)).tolist() == [2, 2, 2] and type(layer) is Scale
