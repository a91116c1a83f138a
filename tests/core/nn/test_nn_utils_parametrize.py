"""nn.utils.parametrize: the computed tensor, its originals, and the ready parametrizations."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn
from sensorium.errors import OpError, OptionError, OutOfBoundsError
from sensorium.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).T


class Exponential(nn.Module):
    def forward(self, x):
        return x.exp()

    def right_inverse(self, value):
        return value.log()


class Cut(nn.Module):
    def forward(self, x):
        return x[:1]


def array(x):
    return x.detach().numpy()


# -- parametrize -----------------------------------------------------------------------------------
def test_the_original_is_trained_and_the_weight_is_computed():
    layer = nn.Linear(3, 3)
    weight = layer.weight
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert layer.parametrizations.weight.original is weight
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    assert type(layer).__name__ == "ParametrizedLinear" and isinstance(layer, nn.Linear)
    layer(sn.ones(2, 3)).sum().backward()
    assert np.array_equal(weight.grad.numpy(), [[2, 4, 4], [0, 2, 4], [0, 0, 2]])
    assert "Symmetric()" in repr(layer)


def test_assigning_goes_through_the_right_inverse():
    layer = parametrize.register_parametrization(
        nn.Linear(2, 2, dtype=sn.float64), "bias", Exponential(), unsafe=True
    )
    with sn.no_grad():
        layer.bias = sn.tensor([1.0, 2.0], dtype=sn.float64)
    assert array(layer.bias) == pytest.approx([1, 2])
    assert array(layer.parametrizations.bias.original) == pytest.approx(np.log([1, 2]))
    with pytest.raises(KeyError, match="bias is parametrized"):
        layer.bias = nn.Parameter(sn.ones(2))


def test_several_are_applied_in_order():
    layer = nn.Linear(2, 2)
    with sn.no_grad():
        layer.weight.fill_(2.0)
    parametrize.register_parametrization(layer, "weight", Exponential())
    assert array(layer.weight) == pytest.approx(np.full((2, 2), 2.0))
    parametrize.register_parametrization(layer, "weight", Exponential())
    assert array(layer.weight) == pytest.approx(np.full((2, 2), np.exp(2)))


@pytest.mark.parametrize("leave", [True, False])
def test_removing_leaves_an_ordinary_layer(leave):
    layer = nn.Linear(3, 3)
    weight, before = layer.weight, array(layer.weight).copy()
    parametrize.register_parametrization(layer, "weight", Symmetric())
    computed = array(layer.weight).copy()
    parametrize.remove_parametrizations(layer, "weight", leave)
    assert type(layer) is nn.Linear and not hasattr(layer, "parametrizations")
    assert layer.weight is weight and isinstance(weight, nn.Parameter)
    assert np.array_equal(array(layer.weight), computed if leave else before)
    assert sorted(layer.state_dict()) == ["bias", "weight"]


def test_questions_about_a_module():
    layer = nn.Linear(3, 3)
    assert not parametrize.is_parametrized(layer)
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert parametrize.is_parametrized(layer)
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    assert parametrize.type_before_parametrizations(layer) is nn.Linear


def test_cached_computes_once_and_forgets_at_the_end():
    layer = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    with parametrize.cached():
        first = layer.weight
        with parametrize.cached():
            assert layer.weight is first
        assert layer.weight is first
    assert layer.weight is not first


def test_copies_are_independent_and_pickles_refused():
    layer = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    copied = copy.deepcopy(layer)
    with sn.no_grad():
        copied.parametrizations.weight.original.zero_()
    assert (array(copied.weight) == 0).all() and not (array(layer.weight) == 0).all()
    with pytest.raises(OpError, match="cannot be pickled"):
        pickle.dumps(layer)


def test_what_cannot_be_registered():
    with pytest.raises(OptionError, match="must keep type and shape"):
        parametrize.register_parametrization(nn.Linear(3, 3), "weight", Cut())
    layer = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Cut(), unsafe=True)
    assert layer.weight.shape == (1, 3)
    with pytest.raises(OptionError, match="no parameter, buffer or parametrized tensor 'nothing'"):
        parametrize.register_parametrization(nn.Linear(3, 3), "nothing", Symmetric())
    with pytest.raises(OptionError, match="no parametrization of 'bias'"):
        parametrize.remove_parametrizations(layer, "bias")
    with pytest.raises(OpError, match="Cut has no right_inverse"):
        layer.weight = sn.zeros(3, 3)


# -- weight norm and spectral norm -----------------------------------------------------------------
@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm_is_length_times_direction(dim):
    layer = nn.Linear(3, 4, dtype=sn.float64)
    before = array(layer.weight).copy()
    parametrizations.weight_norm(layer, dim=dim)
    assert array(layer.weight) == pytest.approx(before)
    held = layer.parametrizations.weight
    with sn.no_grad():
        held.original0.mul_(2)
        held.original1.mul_(5)
    assert array(layer.weight) == pytest.approx(2 * before)
    axes = {0: 1, 1: 0, None: None}[dim]
    assert np.linalg.norm(array(layer.weight), axis=axes) == pytest.approx(
        abs(array(held.original0)).reshape(-1) if dim is not None else array(held.original0)
    )


def test_weight_norm_loads_the_older_keys():
    new = parametrizations.weight_norm(nn.Linear(2, 3))
    state = {"bias": sn.zeros(3), "weight_g": sn.ones(3, 1), "weight_v": sn.ones(3, 2)}
    new.load_state_dict(state)
    assert array(new.weight) == pytest.approx(np.full((3, 2), 0.5**0.5))


def test_weight_norm_is_removed_as_a_whole():
    layer = parametrizations.weight_norm(nn.Linear(2, 3))
    with pytest.raises(OptionError, match="made of 2 tensors"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    parametrize.remove_parametrizations(layer, "weight")
    assert isinstance(layer.weight, nn.Parameter) and layer.weight.is_leaf


@pytest.mark.parametrize(
    "layer", [nn.Linear(3, 4), nn.Conv2d(2, 3, 2), nn.ConvTranspose2d(2, 3, 2)]
)
def test_spectral_norm_brings_the_largest_singular_value_to_one(layer):
    sn.manual_seed(0)
    layer = copy.deepcopy(layer)
    parametrizations.spectral_norm(layer, n_power_iterations=50)
    weight = array(layer.weight)
    if isinstance(layer, nn.ConvTranspose2d):
        weight = weight.swapaxes(0, 1)
    singular = np.linalg.svd(weight.reshape(len(weight), -1), compute_uv=False)
    assert singular[0] == pytest.approx(1, abs=1e-4)


def test_spectral_norm_iterates_in_training_only():
    layer = parametrizations.spectral_norm(nn.Linear(30, 40)).eval()
    u = layer.parametrizations.weight[0]._u
    before = array(u).copy()
    assert np.array_equal(array(layer.weight), array(layer.weight))
    assert np.array_equal(array(u), before)
    loss = layer.train()(sn.ones(2, 30)).sum() + layer(sn.ones(2, 30)).sum()
    assert not np.array_equal(array(u), before)
    loss.backward()  # both readings of the weight, though the second wrote to the buffers
    assert np.isfinite(layer.parametrizations.weight.original.grad.numpy()).all()


def test_options_that_cannot_be():
    with pytest.raises(OptionError, match="no parameter or buffer 'w'"):
        parametrizations.spectral_norm(nn.Linear(2, 2), "w")
    with pytest.raises(OptionError, match="must be positive, got 0"):
        parametrizations.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)
    with pytest.raises(OutOfBoundsError, match="out of range"):
        parametrizations.spectral_norm(nn.Linear(2, 2), dim=2)
    with pytest.raises(OutOfBoundsError, match="dim must lie in -1 to 1"):
        parametrizations.weight_norm(nn.Linear(2, 2), dim=2)


# -- PyTorch ---------------------------------------------------------------------------------------
@pytest.mark.peer
@pytest.mark.parametrize("kind, options", [("weight_norm", {"dim": d}) for d in (0, 1, -1, None)])
@pytest.mark.parametrize("name", ["Linear", "Conv2d"])
def test_weight_norm_is_pytorchs(kind, options, name):
    check_peer(kind, options, name)


@pytest.mark.peer
@pytest.mark.parametrize("options", [{}, {"n_power_iterations": 3}, {"dim": 1}])
@pytest.mark.parametrize("name", ["Linear", "Conv2d", "ConvTranspose2d"])
def test_spectral_norm_is_pytorchs(options, name):
    check_peer("spectral_norm", options, name)


def check_peer(kind, options, name):
    torch = pytest.importorskip("torch")
    sizes = (3, 4) if name == "Linear" else (3, 4, 2)
    theirs = getattr(torch.nn, name)(*sizes, dtype=torch.float64)
    theirs = getattr(torch.nn.utils.parametrizations, kind)(theirs, **options)
    ours = getattr(nn, name)(*sizes, dtype=sn.float64)
    getattr(parametrizations, kind)(ours, **options)
    state = {k: sn.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state) and repr(ours) == repr(theirs)
    ours.load_state_dict(state)
    x = np.random.default_rng(0).normal(size=(2, 3) if name == "Linear" else (2, 3, 4, 4))
    for _ in range(2):
        a, b = ours(sn.from_numpy(x)), theirs(torch.from_numpy(x))
        np.testing.assert_allclose(array(a), array(b), atol=1e-12)
        a.sin().sum().backward()
        b.sin().sum().backward()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert p.shape == q.shape
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), atol=1e-10)
    for p, q in zip(ours.buffers(), theirs.buffers(), strict=True):
        np.testing.assert_allclose(array(p), array(q), atol=1e-12)
