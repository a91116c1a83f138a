"""Changing modules after they were made: containers' words, submodules, pruning, fusion, older norms."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
from sensorium.nn.utils import prune


def test_a_module_list_shows_equal_neighbours_once():
    relus = [sn.nn.ReLU(), sn.nn.ReLU()]
    shown = sn.nn.ModuleList([*relus, sn.nn.Sequential(sn.nn.Tanh()), sn.nn.ReLU()])
    assert repr(shown) == (
        "ModuleList(\n"
        "  (0-1): 2 x ReLU()\n"
        "  (2): Sequential(\n    (0): Tanh()\n  )\n"
        "  (3): ReLU()\n"
        ")"
    )
    assert repr(sn.nn.ModuleList()) == "ModuleList()"


def test_a_parameter_dict_is_a_dict():
    held = sn.nn.ParameterDict({"a": sn.ones(1), "b": sn.zeros(2)})
    other = held.copy()
    assert held.get("c") is None
    assert held.get("a") is held["a"] is other["a"]
    assert held.setdefault("c", sn.ones(3)).shape == (3,)
    assert held.popitem()[0] == "c"
    assert list(held | {"d": sn.ones(1)}) == ["a", "b", "d"]
    held |= {"e": sn.ones(1)}
    assert [name for name, _ in held.named_parameters()] == ["a", "b", "e"]
    assert list(held.fromkeys("xy", sn.ones(1))) == ["x", "y"]
    with pytest.raises(KeyError, match="nothing in it"):
        sn.nn.ParameterDict().popitem()


def test_pruning_keeps_the_largest_and_passes_no_gradient_to_the_rest():
    layer = sn.nn.Linear(4, 1, bias=False)
    with sn.no_grad():
        layer.weight.copy_(sn.tensor([[1.0, -4.0, 2.0, -3.0]]))
    prune.l1_unstructured(layer, "weight", 2)
    assert layer.weight.tolist() == [[0.0, -4.0, 0.0, -3.0]]
    layer(sn.ones(1, 4)).sum().backward()
    assert layer.weight_orig.grad.tolist() == [[0.0, 1.0, 0.0, 1.0]]
    sn.optim.SGD(layer.parameters(), 1.0).step()
    assert layer(sn.ones(1, 4)).item() == -9.0
    prune.remove(layer, "weight")
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    with pytest.raises(sn.errors.OpError, match="'weight' of Linear is not pruned"):
        prune.remove(layer, "weight")


def test_a_second_pruning_chooses_among_what_is_left():
    layer = sn.nn.Linear(10, 1)
    for _ in range(2):
        prune.l1_unstructured(layer, "weight", 0.5)
    assert (layer.weight_mask == 0).sum().item() == 7  # 5, then round(2.5) of the other 5
    assert len(next(m for _, m in prune.hooks(layer))) == 2


def test_pruned_slices_are_those_of_the_smallest_norm():
    conv = sn.nn.Conv2d(2, 3, 1)
    with sn.no_grad():
        conv.weight.copy_(sn.tensor([[3.0, 4.0], [1.0, 1.0], [5.0, 0.0]]).reshape(3, 2, 1, 1))
    prune.ln_structured(conv, "weight", 1, n=2, dim=0)
    assert conv.weight_mask[:, 0, 0, 0].tolist() == [1.0, 0.0, 1.0]
    with pytest.raises(sn.errors.OutOfBoundsError, match="amount 9 is more than the 2 there are"):
        prune.ln_structured(conv, "weight", 9, 2, 0)


def test_fused_layers_do_what_the_two_did():
    sn.manual_seed(0)
    conv, bn = sn.nn.Conv1d(3, 4, 2).double(), sn.nn.BatchNorm1d(4).double()
    bn(conv(sn.randn(5, 3, 6, dtype=sn.float64)))
    conv.eval(), bn.eval()
    x = sn.randn(2, 3, 5, dtype=sn.float64)
    one = sn.nn.utils.fuse_conv_bn_eval(conv, bn)
    np.testing.assert_allclose(one(x).detach().numpy(), bn(conv(x)).detach().numpy(), atol=1e-12)
    with pytest.raises(sn.errors.OptionError, match="has no running statistics"):
        sn.nn.utils.fuse_conv_bn_eval(conv, sn.nn.BatchNorm1d(4, track_running_stats=False).eval())


@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (2, 5, 3)])
def test_orthogonal_matrices_stay_so_in_training(kind, shape):
    module = sn.nn.Module()
    module.weight = sn.nn.Parameter(sn.randn(*shape, dtype=sn.float64))
    sn.nn.utils.parametrizations.orthogonal(module, orthogonal_map=kind)
    aim = sn.randn(*shape, dtype=sn.float64)
    optimizer = sn.optim.SGD(module.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        ((module.weight - aim) ** 2).sum().backward()
        optimizer.step()
    w = module.weight.detach().numpy()
    w = w.swapaxes(-1, -2) if shape[-2] < shape[-1] else w
    gram = w.swapaxes(-1, -2) @ w
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(w.shape[-1]), gram.shape), atol=1e-10)


def test_an_orthogonal_weight_can_be_assigned():
    layer = sn.nn.utils.parametrizations.orthogonal(sn.nn.Linear(3, 3))
    wanted = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0].astype(np.float32)
    layer.weight = sn.tensor(wanted)
    np.testing.assert_allclose(layer.weight.detach().numpy(), wanted, atol=1e-6)


def test_a_weight_of_spectral_norm_has_1_for_its_largest_singular_value():
    sn.manual_seed(0)
    layer = sn.nn.utils.spectral_norm(sn.nn.Linear(5, 4), n_power_iterations=50)
    layer(sn.ones(1, 5))
    top = np.linalg.svd(layer.weight.detach().numpy(), compute_uv=False)[0]
    assert abs(top - 1) < 1e-3
    with pytest.raises(sn.errors.OpError, match="has one already"):
        sn.nn.utils.spectral_norm(layer)


def test_batch_norm_refuses_an_eps_of_0_in_training_only():
    layer = sn.nn.BatchNorm1d(2, eps=0.0)
    with pytest.raises(sn.errors.OptionError, match="batch_norm: eps must be positive in training"):
        layer(sn.ones(3, 2))
    assert layer.eval()(sn.ones(3, 2)).shape == (3, 2)
    assert layer.num_batches_tracked.item() == 0
