"""embedding_bag and EmbeddingBag: PyTorch's values and gradients in every mode."""

import numpy as np
import pytest

import sensorium as sn

F = sn.nn.functional
pytestmark = pytest.mark.peer
torch = pytest.importorskip("torch")
torch.set_num_threads(1)
RNG = np.random.default_rng(6)
FLAT = np.array([3, 1, 1, 4, 0, 2, 1, 5, 3])


def grads(module, weight, factors, input, offsets, options, seed):
    """The result and the gradients of weight and factors, as NumPy arrays."""
    make = torch.tensor if module is torch else sn.tensor
    given = [make(a, requires_grad=True) for a in (weight, factors) if a is not None]
    if factors is not None:
        options = {**options, "per_sample_weights": given[1]}
    y = module.nn.functional.embedding_bag(
        make(input), given[0], None if offsets is None else make(offsets), **options
    )
    w = np.random.default_rng(seed).normal(size=tuple(y.shape))
    (y * make(w)).sum().backward()
    return [y.detach().numpy(), *(t.grad.numpy() for t in given)]


@pytest.mark.parametrize("padding_idx", [None, 1, -2])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("offsets, include_last", [
    ([0, 2, 2, 5, 9], False), ([0, 2, 2, 5], False), ([0, 1, 4, 9], True), ([0], False),
    (None, False),
])  # fmt: skip
def test_equals_torch(mode, offsets, include_last, padding_idx):
    weight = RNG.normal(size=(6, 4))
    input = FLAT.reshape(3, 3) if offsets is None else FLAT
    offsets = None if offsets is None else np.array(offsets)
    options = {"mode": mode, "padding_idx": padding_idx, "include_last_offset": include_last}
    ours = grads(sn, weight, None, input, offsets, options, 1)
    theirs = grads(torch, weight, None, input, offsets, options, 1)
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("padding_idx", [None, 1])
@pytest.mark.parametrize("offsets", [[0, 2, 2, 5], None])
def test_per_sample_weights(offsets, padding_idx):
    input = FLAT.reshape(3, 3) if offsets is None else FLAT
    offsets = None if offsets is None else np.array(offsets)
    weight, factors = RNG.normal(size=(6, 4)), RNG.normal(size=input.shape)
    options = {"mode": "sum", "padding_idx": padding_idx}
    for a, b in zip(grads(sn, weight, factors, input, offsets, options, 2),
                    grads(torch, weight, factors, input, offsets, options, 2)):  # fmt: skip
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_types(mode, dtype, index):
    weight = RNG.integers(-4, 5, size=(6, 4))
    arrays = FLAT.astype(index), np.array([0, 4], index)
    y = F.embedding_bag(
        sn.tensor(arrays[0]), sn.tensor(weight, dtype=getattr(sn, dtype)), sn.tensor(arrays[1]),
        mode=mode,
    )  # fmt: skip
    wanted = torch.nn.functional.embedding_bag(
        torch.tensor(arrays[0]), torch.tensor(weight, dtype=getattr(torch, dtype)),
        torch.tensor(arrays[1]), mode=mode,
    )  # fmt: skip
    assert str(wanted.dtype) == f"torch.{y.dtype}"
    np.testing.assert_allclose(
        y.to(sn.float64).numpy(), wanted.to(torch.float64).numpy(), rtol=1e-2
    )


def test_max_norm_shrinks_rows_in_place():
    weight = RNG.normal(size=(6, 4)) * 3
    ours, theirs = sn.tensor(weight), torch.tensor(weight)
    y = F.embedding_bag(sn.tensor([[0, 1], [1, 3]]), ours, max_norm=1.5)
    wanted = torch.nn.functional.embedding_bag(torch.tensor([[0, 1], [1, 3]]), theirs, max_norm=1.5)
    np.testing.assert_allclose(y.numpy(), wanted.numpy(), rtol=1e-6)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"mode": "max", "padding_idx": -1},
                                     {"mode": "sum", "include_last_offset": True}])  # fmt: skip
def test_layer_equals_torch(options):
    theirs = torch.nn.EmbeddingBag(7, 3, **options, dtype=torch.float64)
    ours = sn.nn.EmbeddingBag(7, 3, **options, dtype=sn.float64)
    assert repr(ours) == repr(theirs)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    if options.get("padding_idx") is not None:
        assert ours.weight[-1].tolist() == [0, 0, 0]
    ours.load_state_dict({k: v.numpy() for k, v in state.items()})
    offsets = np.array([0, 3, 9])
    y = ours(sn.tensor(FLAT), sn.tensor(offsets))
    wanted = theirs(torch.tensor(FLAT), torch.tensor(offsets))
    np.testing.assert_allclose(y.detach().numpy(), wanted.detach().numpy(), rtol=1e-12)


def test_from_pretrained():
    rows = RNG.normal(size=(5, 2))
    for freeze in (True, False):
        bag = sn.nn.EmbeddingBag.from_pretrained(sn.tensor(rows), freeze, mode="sum")
        other = torch.nn.EmbeddingBag.from_pretrained(torch.tensor(rows), freeze, mode="sum")
        assert bag.weight.requires_grad == other.weight.requires_grad
        wanted = other(torch.tensor([[1, 4]])).detach().numpy()
        np.testing.assert_allclose(bag(sn.tensor([[1, 4]])).detach().numpy(), wanted)
