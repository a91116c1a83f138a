"""Losses: values and gradients equal PyTorch's; labels out of range are named."""

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium import ops
from sensorium.errors import DTypeError, OptionError, OutOfBoundsError, ShapeError

RNG = np.random.default_rng(0)
REDUCTIONS = ("none", "mean", "sum")


def sn_run(name, arrays, options, wrt):
    """Value and gradients of a loss; the sum of squares weighs the elements differently."""
    tensors = [sn.tensor(a) for a in arrays]
    for i in wrt:
        tensors[i].requires_grad = True
    options = {k: sn.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    y = getattr(ops, name)(*tensors, **options)
    (y * y).sum().backward()
    return y.detach().numpy(), [tensors[i].grad.numpy() for i in wrt]


def torch_run(name, arrays, options, wrt):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    tensors = [torch.from_numpy(np.array(a)) for a in arrays]
    for i in wrt:
        tensors[i].requires_grad_()
    options = {
        k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in options.items()
    }
    y = getattr(torch.nn.functional, name)(*tensors, **options)
    (y * y).sum().backward()
    return y.detach().numpy(), [tensors[i].grad.numpy() for i in wrt]


def same(name, arrays, options=None, wrt=(0,)):
    options = options or {}
    y, grads = sn_run(name, arrays, options, wrt)
    want_y, want_grads = torch_run(name, arrays, options, wrt)
    np.testing.assert_allclose(y, want_y, rtol=1e-10, atol=1e-12)
    assert y.shape == want_y.shape
    for g, want in zip(grads, want_grads, strict=True):
        np.testing.assert_allclose(g, want, rtol=1e-8, atol=1e-12)


def labelled(*shape):
    """Logits (N, K, ...) and labels, some of them the ignored -100 or 1."""
    x = RNG.normal(size=shape)
    labels = RNG.integers(0, shape[1], size=(shape[0], *shape[2:]))
    return x, labels


@pytest.mark.peer
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(5, 4), (3, 4, 6), (2, 3, 4, 5)])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_of_labels(reduction, smoothing, shape, weighted):
    x, labels = labelled(*shape)
    options = {"reduction": reduction, "label_smoothing": smoothing, "ignore_index": 1}
    if weighted:
        options["weight"] = RNG.uniform(0.5, 2, shape[1])
    same("cross_entropy", [x, labels], options)


@pytest.mark.peer
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4), (4,)])
def test_cross_entropy_of_probabilities(reduction, smoothing, shape):
    x, p = RNG.normal(size=shape), RNG.uniform(size=shape)
    weight = RNG.uniform(0.5, 2, shape[1] if len(shape) > 1 else shape[0])
    options = {"reduction": reduction, "label_smoothing": smoothing, "weight": weight}
    same("cross_entropy", [x, p], options, wrt=(0, 1))


@pytest.mark.peer
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_losses_of_one_unbatched_sample(name, reduction):
    same(name, [RNG.normal(size=(5,)), np.array(3)], {"reduction": reduction})


@pytest.mark.peer
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4, 2)])
@pytest.mark.parametrize("weighted", [False, True])
def test_nll_loss(reduction, shape, weighted):
    x, labels = labelled(*shape)
    options = {"reduction": reduction, "ignore_index": 0}
    if weighted:
        options["weight"] = RNG.uniform(0.5, 2, shape[1])
    same("nll_loss", [x, labels], options)


def test_mean_over_no_labels_is_nan():
    loss = ops.cross_entropy(sn.ones(2, 3), sn.tensor([-100, -100]))
    assert math.isnan(loss.item())


def test_cross_entropy_of_far_logits_is_finite():
    x = sn.tensor([[1000.0, 0.0], [-1000.0, 0.0]], requires_grad=True)
    loss = ops.cross_entropy(x, sn.tensor([1, 1]))
    loss.backward()
    assert loss.item() == 500.0
    np.testing.assert_allclose(x.grad.numpy(), [[0.5, -0.5], [0, 0]])


def test_gradient_of_cross_entropy_is_softmax_minus_onehot():
    x, labels = RNG.normal(size=(6, 5)), RNG.integers(0, 5, 6)
    t = sn.tensor(x, requires_grad=True)
    ops.cross_entropy(t, sn.tensor(labels), reduction="sum").backward()
    e = np.exp(x)
    np.testing.assert_allclose(
        t.grad.numpy(), e / e.sum(1, keepdims=True) - np.eye(5)[labels], atol=1e-12
    )


@pytest.mark.peer
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "name, options",
    [
        ("mse_loss", {}),
        ("l1_loss", {}),
        ("smooth_l1_loss", {"beta": 0.7}),
        ("smooth_l1_loss", {"beta": 0.0}),
        ("huber_loss", {"delta": 0.6}),
    ],
)
def test_distances(name, options, reduction):
    x, t = RNG.normal(size=(4, 5)) * 2, RNG.normal(size=(4, 5))
    same(name, [x, t], {**options, "reduction": reduction}, wrt=(0, 1))


@pytest.mark.peer
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weight", [None, RNG.uniform(size=(4, 5))])
def test_binary_cross_entropy(reduction, weight):
    x, t = RNG.uniform(0.01, 0.99, size=(4, 5)), RNG.uniform(size=(4, 5))
    options = {"reduction": reduction, "weight": weight}
    same("binary_cross_entropy", [x, t], options, wrt=(0, 1))


@pytest.mark.peer
def test_binary_cross_entropy_at_the_ends():
    x, t = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0])
    same("binary_cross_entropy", [x, t], {"reduction": "none"})


@pytest.mark.peer
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("pos_weight", [None, RNG.uniform(0.5, 3, size=(5,))])
def test_binary_cross_entropy_with_logits(reduction, pos_weight):
    x, t = RNG.normal(size=(4, 5)) * 30, RNG.uniform(size=(4, 5))
    options = {"reduction": reduction, "pos_weight": pos_weight}
    same("binary_cross_entropy_with_logits", [x, t], options, wrt=(0, 1))


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div(reduction, log_target):
    x, t = RNG.normal(size=(4, 5)), RNG.uniform(size=(4, 5))
    t = np.log(t) if log_target else np.where(t < 0.2, 0.0, t)
    options = {"reduction": reduction, "log_target": log_target}
    same("kl_div", [x, t], options, wrt=(0,))


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:size_average and reduce args")
def test_old_reduction_flags():
    x, t = RNG.normal(size=(3,)), RNG.normal(size=(3,))
    same("mse_loss", [x, t], {"size_average": False})
    same("mse_loss", [x, t], {"reduce": False})


def test_broadcasting_a_target_is_said():
    with pytest.warns(UserWarning, match=r"mse_loss: input \(3, 1\) and target \(3,\)"):
        ops.mse_loss(sn.ones(3, 1), sn.ones(3))


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: ops.cross_entropy(sn.ones(2, 3), sn.tensor([0, 3])), OutOfBoundsError, "label 3 is out of range for 3 classes"),
        (lambda: ops.nll_loss(sn.ones(2, 3), sn.tensor([0, -1])), OutOfBoundsError, "label -1 is out of range"),
        (lambda: ops.cross_entropy(sn.ones(2, 3), sn.tensor([0])), ShapeError, r"wants labels of shape \(2,\), got \(1,\)"),
        (lambda: ops.cross_entropy(sn.ones(2, 3), sn.ones(2)), ShapeError, "class probabilities"),
        (lambda: ops.cross_entropy(sn.ones(2, 3), sn.tensor([0, 1]), weight=sn.ones(2)), ShapeError, r"weight \(2,\)"),
        (lambda: ops.cross_entropy(sn.tensor([[1, 2]]), sn.tensor([0])), DTypeError, "floating-point input, got int64"),
        (lambda: ops.mse_loss(sn.ones(2), sn.ones(2), reduction="avg"), OptionError, "got 'avg'"),
        (lambda: ops.binary_cross_entropy(sn.tensor([2.0]), sn.tensor([1.0])), OutOfBoundsError, r"must lie in \[0, 1\]"),
        (lambda: ops.huber_loss(sn.ones(1), sn.ones(1), delta=0), OutOfBoundsError, "delta must be positive, got 0"),
    ],
)  # fmt: skip
def test_misuse_is_named(call, error, text):
    with pytest.raises(error, match=text):
        call()
