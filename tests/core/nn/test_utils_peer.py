"""Module methods and nn.utils against PyTorch: pruning, fusion, orthogonal weights, older norms."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import sensorium as sn

pytestmark = pytest.mark.peer
torch = pytest.importorskip("torch")
pytest.importorskip("torch.nn.utils.prune")


def twins(make):
    """The same module of both libraries, in one state, float64."""
    torch.manual_seed(0)
    theirs = make(torch.nn).double()
    ours = make(sn.nn).double()
    ours.load_state_dict({k: v.numpy().copy() for k, v in theirs.state_dict().items()})
    return ours, theirs


def same_state(ours, theirs, tolerance=1e-10):
    found, wanted = ours.state_dict(), theirs.state_dict()
    assert list(found) == list(wanted)
    for key in found:
        np.testing.assert_allclose(found[key].numpy(), wanted[key].numpy(), atol=tolerance)


def same_output(ours, theirs, shape, tolerance=1e-10):
    x = np.random.default_rng(0).normal(size=shape)
    y, wanted = ours(sn.tensor(x)), theirs(torch.tensor(x))
    np.testing.assert_allclose(y.detach().numpy(), wanted.detach().numpy(), atol=tolerance)
    y.sum().backward()
    wanted.sum().backward()
    gradients = ({n: p.grad.numpy() for n, p in m.named_parameters()} for m in (ours, theirs))
    for (name, g), (other, h) in zip(*(sorted(g.items()) for g in gradients)):
        assert name == other
        np.testing.assert_allclose(g, h, atol=tolerance)


# -- pruning ---------------------------------------------------------------------------------------
PRUNINGS = {
    "identity": lambda p, m: p.identity(m, "weight"),
    "l1": lambda p, m: p.l1_unstructured(m, "weight", 0.3),
    "l1_count": lambda p, m: p.l1_unstructured(m, "weight", 4),
    "l1_twice": lambda p, m: p.l1_unstructured(p.l1_unstructured(m, "weight", 3), "weight", 0.5),
    "l2_slices": lambda p, m: p.ln_structured(m, "weight", 2, 2, 0),
    "l1_slices": lambda p, m: p.ln_structured(m, "weight", 0.5, 1, -1),
    "inf_slices": lambda p, m: p.ln_structured(m, "weight", 1, float("inf"), 1),
    "slices_then_elements": lambda p, m: p.l1_unstructured(
        p.ln_structured(m, "weight", 2, 2, 0), "weight", 5
    ),
    "slices_twice": lambda p, m: p.ln_structured(
        p.ln_structured(m, "weight", 1, 2, 0), "weight", 1, 2, 0
    ),
}


@pytest.mark.parametrize("name", PRUNINGS)
def test_pruning_chooses_what_pytorch_chooses(name):
    ours, theirs = twins(lambda nn: nn.Linear(5, 6))
    PRUNINGS[name](sn.nn.utils.prune, ours)
    PRUNINGS[name](torch.nn.utils.prune, theirs)
    same_state(ours, theirs)
    same_output(ours, theirs, (3, 5))
    assert sn.nn.utils.prune.is_pruned(ours)
    sn.nn.utils.prune.remove(ours, "weight")
    torch.nn.utils.prune.remove(theirs, "weight")
    same_state(ours, theirs)
    assert not sn.nn.utils.prune.is_pruned(ours)


def test_global_pruning_and_scores_and_masks():
    for step in range(2):
        ours, theirs = twins(lambda nn: nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3)))
        mask = np.random.default_rng(1).integers(0, 2, (5, 4)).astype(np.float64)
        for library, net in ((sn, ours), (torch, theirs)):
            prune = library.nn.utils.prune
            places = [(net[0], "weight"), (net[1], "weight"), (net[1], "bias")]
            if step:
                prune.custom_from_mask(net[0], "weight", library.tensor(mask))
                prune.global_unstructured(places, prune.L1Unstructured, amount=0.4)
            else:
                scores = {(net[0], "weight"): library.tensor(mask)}
                prune.global_unstructured(places, prune.L1Unstructured, scores, amount=11)
        same_state(ours, theirs)


def test_random_pruning_drops_the_number_asked_for():
    layer = sn.nn.Linear(10, 10)
    sn.nn.utils.prune.random_unstructured(layer, "weight", 0.37)
    assert (layer.weight_mask == 0).sum().item() == 37
    other = sn.nn.utils.prune.random_structured(sn.nn.Linear(10, 6), "weight", 2, dim=0)
    assert ((other.weight_mask == 0).sum(1) == 10).sum().item() == 2


@pytest.mark.parametrize("amount", [-1, 1.5, "x", 1000])
def test_pruning_refuses_what_pytorch_refuses(amount):
    for library in (sn, torch):
        with pytest.raises((ValueError, TypeError, IndexError)):
            library.nn.utils.prune.l1_unstructured(library.nn.Linear(2, 2), "weight", amount)


# -- fusion ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("bias", [True, False])
def test_fused_layers_have_pytorchs_weights(bias):
    rng = np.random.default_rng(2)
    stats = {"running_mean": rng.normal(size=4), "running_var": rng.uniform(0.5, 2, 4)}
    for layer in ("Conv2d", "ConvTranspose2d", "Linear"):
        size = (3, 4, 2) if layer != "Linear" else (3, 4)
        ours, theirs = twins(
            lambda nn, layer=layer, size=size: nn.Sequential(
                getattr(nn, layer)(*size, bias=bias),
                nn.BatchNorm1d(4) if layer == "Linear" else nn.BatchNorm2d(4),
            ).eval()
        )
        ours[1].load_state_dict({k: sn.tensor(v) for k, v in stats.items()}, strict=False)
        theirs[1].load_state_dict({k: torch.tensor(v) for k, v in stats.items()}, strict=False)
        made = []
        for library, net in ((sn, ours), (torch, theirs)):
            tools = library.nn.utils
            if layer == "Linear":
                made.append(tools.fuse_linear_bn_eval(*net))
            else:
                made.append(tools.fuse_conv_bn_eval(*net, transpose=layer != "Conv2d"))
        same_state(*made)
    with pytest.raises(sn.errors.OpError, match="must be in evaluation mode"):
        sn.nn.utils.fuse_linear_bn_eval(sn.nn.Linear(3, 4), sn.nn.BatchNorm1d(4))


# -- parametrizations ------------------------------------------------------------------------------
@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3)])
def test_orthogonal_weights_are_pytorchs(kind, shape, trivial):
    ours, theirs = twins(lambda nn: nn.Linear(*shape))
    for library, layer in ((sn, ours), (torch, theirs)):
        library.nn.utils.parametrizations.orthogonal(
            layer, orthogonal_map=kind, use_trivialization=trivial
        )
    assert repr(ours) == repr(theirs)
    if not trivial and kind != "householder":
        with pytest.raises(NotImplementedError, match="the tensor cannot be assigned"):
            ours.weight = ours.weight.detach()
    if trivial:  # what completes a base is drawn
        ours.load_state_dict({k: v.numpy().copy() for k, v in theirs.state_dict().items()})
    same_state(ours, theirs)
    for layer, library in ((ours, sn), (theirs, torch)):
        with library.no_grad():
            original = layer.parametrizations.weight.original
            step = np.random.default_rng(3).normal(size=tuple(original.shape)) * 0.1
            original += library.tensor(np.tril(step, -1) if kind == "householder" else step)
    same_output(ours, theirs, (3, shape[0]))
    w = ours.weight.detach().numpy()
    gram = w @ w.T if w.shape[0] < w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-10)


@pytest.mark.parametrize("dim", [0, 1, None])
def test_older_weight_norm_is_pytorchs(dim):
    ours, theirs = twins(lambda nn: nn.Conv1d(3, 4, 2))
    sn.nn.utils.weight_norm(ours, dim=dim)
    with pytest.warns(FutureWarning, match="deprecated"):
        torch.nn.utils.weight_norm(theirs, dim=dim)
    same_state(ours, theirs)
    same_output(ours, theirs, (2, 3, 5))
    sn.nn.utils.remove_weight_norm(ours)
    torch.nn.utils.remove_weight_norm(theirs)
    same_state(ours, theirs)
    with pytest.raises(sn.errors.OptionError, match="has none for 'weight'"):
        sn.nn.utils.remove_weight_norm(ours)


@pytest.mark.parametrize("layer", ["Linear", "ConvTranspose1d"])
def test_older_spectral_norm_is_pytorchs(layer):
    size = (4, 3) if layer == "Linear" else (4, 3, 2)
    ours, theirs = twins(lambda nn: getattr(nn, layer)(*size))
    sn.nn.utils.spectral_norm(ours, n_power_iterations=2)
    torch.nn.utils.spectral_norm(theirs, n_power_iterations=2)
    ours.load_state_dict({k: v.numpy().copy() for k, v in theirs.state_dict().items()})
    shape = (2, 4) if layer == "Linear" else (2, 4, 5)
    for training in (True, False):
        ours.train(training)
        theirs.train(training)
        same_output(ours, theirs, shape)
        same_state(ours, theirs)
    sn.nn.utils.remove_spectral_norm(ours)
    torch.nn.utils.remove_spectral_norm(theirs)
    same_state(ours, theirs)


# -- stateless calls, and methods of Module --------------------------------------------------------
def test_functional_call_uses_the_given_tensors_and_restores_the_modules():
    ours, theirs = twins(lambda nn: nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))
    before = copy.deepcopy(ours.state_dict())
    rng = np.random.default_rng(4)
    x, found = rng.normal(size=(4, 3)), []
    w = rng.normal(size=(3, 3))
    for library, net in ((sn, ours), (torch, theirs)):
        weight = library.tensor(w, requires_grad=True)
        given = {"0.weight": weight, "1.running_mean": library.tensor(np.ones(3))}
        call = (
            sn.nn.utils.stateless.functional_call if library is sn else torch.func.functional_call
        )
        y = call(net, given, (library.tensor(x),))
        (y**3).sum().backward()
        found.append((y.detach().numpy(), weight.grad.numpy(), given["1.running_mean"].numpy()))
        assert net[0].weight is not weight
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, atol=1e-10)
    for key in ("0.weight", "1.running_mean"):
        assert np.array_equal(ours.state_dict()[key].numpy(), before[key].numpy())


def test_functional_call_ties_weights_and_checks_names():
    tied = sn.nn.Sequential(sn.nn.Linear(2, 2), sn.nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    call, x = sn.nn.utils.stateless.functional_call, sn.ones(1, 2)
    zero = {"0.weight": sn.zeros(2, 2)}
    assert sn.equal(call(tied, zero, x), tied[1].bias.reshape(1, 2))
    assert not sn.equal(call(tied, zero, x, tie_weights=False), tied[1].bias.reshape(1, 2))
    with pytest.raises(sn.errors.StateDictError, match="strict=True, but"):
        call(tied, {"0.nothing": x}, x, strict=True)


def test_set_submodule_and_to_empty():
    for library in (sn, torch):
        nn = library.nn
        net = nn.Sequential(nn.Sequential(nn.Linear(2, 3)), nn.ReLU())
        net.set_submodule("0.0", nn.Tanh())
        net.set_submodule("0.new", nn.Tanh())
        assert [n for n, _ in net.named_modules()] == ["", "0", "0.0", "0.new", "1"]
        for target, strict, error in (("", False, ValueError), ("0.x", True, AttributeError),
                                      ("9.x", False, AttributeError)):  # fmt: skip
            with pytest.raises(error):
                net.set_submodule(target, nn.ReLU(), strict)
        layer = nn.Linear(2, 3)
        weight = layer.weight
        assert layer.to_empty(device="cpu").weight.shape == (3, 2)
        assert library is torch or layer.weight is weight


def test_skip_init_makes_the_module_without_drawing():
    layer = sn.nn.utils.skip_init(sn.nn.Linear, 4, out_features=5, bias=False)
    assert layer.weight.shape == (5, 4)
    assert layer.bias is None
    with pytest.raises(TypeError, match="takes no argument 'device'"):
        sn.nn.utils.skip_init(sn.nn.ReLU)


def test_casting_methods_leave_complex_parameters():
    for library in (sn, torch):
        layer = library.nn.Linear(2, 2, dtype=library.complex64)
        assert str(layer.half().weight.dtype).endswith("complex64")
