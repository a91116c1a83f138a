"""Losses beyond the common ones: slow loops, closed forms, CTC's paths and second derivatives, misuse."""

import itertools
import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import DTypeError, OpError, OptionError, OutOfBoundsError, ShapeError
from sensorium.nn import functional as F

RNG = np.random.default_rng(0)


def values(*shape):
    return sn.tensor(RNG.normal(size=shape))


# -- margins by slow loops -----------------------------------------------------------------------
@pytest.mark.parametrize("p", [1, 2])
def test_multi_margin_loss_compares_the_label_with_every_other_class(p):
    x, labels, weight = RNG.normal(size=(5, 4)), [0, 3, 1, 1, 2], [0.5, 1.0, 2.0, 3.0]
    wanted = [
        sum(weight[y] * max(0, 0.7 - row[y] + row[k]) ** p for k in range(4) if k != y) / 4
        for row, y in zip(x, labels)
    ]
    found = F.multi_margin_loss(
        sn.tensor(x), sn.tensor(labels), p, 0.7, sn.tensor(weight).double(), reduction="none"
    )
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12)


def test_multilabel_margin_loss_stops_at_the_first_minus_one():
    x = RNG.normal(size=(3, 4))
    target = np.array([[3, 0, -1, 1], [-1, 2, 2, 2], [1, 2, 3, 0]])
    wanted = []
    for row, places in zip(x, target):
        own = list(itertools.takewhile(lambda y: y >= 0, places))
        rest = [k for k in range(4) if k not in own]
        wanted.append(sum(max(0, 1 - row[y] + row[k]) for y in own for k in rest) / 4)
    found = F.multilabel_margin_loss(sn.tensor(x), sn.tensor(target), reduction="none")
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12)


def test_soft_margins_of_far_values_are_finite():
    x = sn.tensor([1e4, -1e4], requires_grad=True)
    loss = F.soft_margin_loss(x, sn.tensor([-1.0, 1.0]), reduction="sum")
    loss.backward()
    assert loss.item() == 2e4
    np.testing.assert_array_equal(x.grad.numpy(), [1.0, -1.0])


def test_a_distance_of_ones_own_is_called():
    a, p, n = values(3, 2), values(3, 2), values(3, 2)
    loss = sn.nn.TripletMarginWithDistanceLoss(
        distance_function=lambda x, y: (x - y).abs().sum(1), margin=2.0, reduction="none"
    )
    near, far = (np.abs((a - b).numpy()).sum(1) for b in (p, n))
    np.testing.assert_allclose(loss(a, p, n).numpy(), np.maximum(2 + near - far, 0), rtol=1e-12)


# -- likelihoods ---------------------------------------------------------------------------------
def test_gaussian_nll_is_the_logarithm_of_the_density():
    mean, at, var = 0.3, 1.1, 0.7
    density = math.exp(-((at - mean) ** 2) / (2 * var)) / math.sqrt(2 * math.pi * var)
    loss = F.gaussian_nll_loss(*(sn.tensor([v]).double() for v in (mean, at, var)), full=True)
    assert loss.item() == pytest.approx(-math.log(density), rel=1e-6)


def test_the_limit_of_the_variance_leaves_it_a_gradient():
    var = sn.zeros(1, requires_grad=True)
    F.gaussian_nll_loss(sn.zeros(1), sn.zeros(1), var, eps=0.5).backward()
    assert var.grad.item() == 1.0  # 1 / (2 var) at var = 0.5
    assert var.item() == 0.0


def test_poisson_nll_is_the_logarithm_of_the_probability_up_to_stirlings_error():
    rate, count = 40.0, 50
    wanted = rate - count * math.log(rate) + math.lgamma(count + 1)
    loss = F.poisson_nll_loss(sn.tensor([rate]), sn.tensor([50.0]), log_input=False, full=True)
    assert loss.item() == pytest.approx(wanted, abs=1 / (12 * count))


# -- CTC -----------------------------------------------------------------------------------------
def paths_loss(logp, labels, blank):
    """-log of the sum over all label paths that collapse to labels: logp (T, K)."""
    total = 0.0
    for path in itertools.product(range(logp.shape[1]), repeat=len(logp)):
        if [k for k, _ in itertools.groupby(path) if k != blank] == list(labels):
            total += math.exp(sum(logp[t, k] for t, k in enumerate(path)))
    return -math.log(total) if total else math.inf


def log_probs(*shape):
    x = RNG.normal(size=shape)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


@pytest.mark.parametrize("blank", [0, 2])
def test_ctc_sums_over_all_paths(blank):
    a, b = [k for k in range(3) if k != blank]
    x = log_probs(5, 4, 3)
    labels, times = [[a, a], [b, a], [], [b, b, a]], [5, 3, 4, 5]
    wanted = [paths_loss(x[:t, n], y, blank) for n, (t, y) in enumerate(zip(times, labels))]
    flat = sn.tensor([k for y in labels for k in y])
    found = F.ctc_loss(sn.tensor(x), flat, times, list(map(len, labels)), blank, "none")
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-10)


def test_ctc_gradient_equals_differences_of_logits():
    z = RNG.normal(size=(6, 2, 4))
    targets, times, counts = sn.tensor([[1, 1, 2], [3, 0, 0]]), [6, 4], [3, 1]

    def loss(z):
        return F.ctc_loss(sn.log_softmax(z, 2), targets, times, counts, reduction="sum")

    assert sn.autograd.gradcheck(loss, (sn.tensor(z, requires_grad=True),))


def test_ctc_has_a_second_derivative():
    z = sn.tensor(RNG.normal(size=(4, 1, 3)), requires_grad=True)
    way = sn.tensor(RNG.normal(size=(4, 1, 3)))

    def slope(z):
        loss = F.ctc_loss(sn.log_softmax(z, 2), sn.tensor([[1, 2]]), [4], [2])
        return sn.autograd.grad(loss, z, create_graph=True)[0]

    (found,) = sn.autograd.grad((slope(z) * way).sum(), z)
    ahead, behind = (slope((z.detach() + s * way).requires_grad_()) for s in (1e-5, -1e-5))
    wanted = (ahead.detach() - behind.detach()).numpy() / 2e-5
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-9)


def test_labels_that_do_not_fit_have_infinite_loss_or_none():
    x = sn.tensor(log_probs(2, 2, 3), requires_grad=True)
    args = sn.tensor([[1, 1], [1, 2]]), [2, 2], [2, 2]
    assert np.isinf(F.ctc_loss(x, *args, reduction="none").detach().numpy()).tolist() == [
        True,
        False,
    ]
    F.ctc_loss(x, *args, reduction="sum").backward()
    assert np.isnan(x.grad.numpy()).any(axis=(0, 2)).tolist() == [True, False]
    x.grad = None
    F.ctc_loss(x, *args, reduction="sum", zero_infinity=True).backward()
    assert not x.grad.numpy()[:, 0].any() and x.grad.numpy()[:, 1].any()


def test_times_beyond_a_samples_length_do_not_count():
    x = log_probs(6, 1, 3)
    other = x.copy()
    other[4:] = RNG.normal(size=(2, 1, 3))
    args = sn.tensor([[1, 2]]), [4], [2]
    a, b = (F.ctc_loss(sn.tensor(v, requires_grad=True), *args) for v in (x, other))
    assert a.item() == b.item()


def test_probability_zero_on_the_only_path_is_infinite_loss():
    x = np.log(np.array([[[0.0, 1.0]], [[1.0, 0.0]]]), where=np.array([[[0, 1]], [[1, 0]]]) > 0,
               out=np.full((2, 1, 2), -np.inf))  # fmt: skip
    assert F.ctc_loss(sn.tensor(x), sn.tensor([[1]]), [2], [1]).item() == 0.0
    assert F.ctc_loss(sn.tensor(x), sn.tensor([[1]]), [1], [0], reduction="sum").item() == math.inf


def test_long_sequences_do_not_underflow():
    loss = F.ctc_loss(sn.log_softmax(sn.zeros(500, 1, 30), 2), sn.tensor([[3] * 40]), [500], [40])
    assert 30 < loss.item() < 45  # per label; the probabilities are around 1e-700


def test_ctc_of_float16_accumulates_in_float32():
    x = sn.tensor(log_probs(50, 1, 5))
    half = F.ctc_loss(x.half(), sn.tensor([[1, 2]]), [50], [2])
    assert half.dtype == sn.float16
    assert half.item() == pytest.approx(
        F.ctc_loss(x, sn.tensor([[1, 2]]), [50], [2]).item(), rel=2e-3
    )


# -- distances -----------------------------------------------------------------------------------
def test_distances_of_every_pair_agree_with_row_by_row_ones():
    x, y = RNG.normal(size=(30, 3)), RNG.normal(size=(28, 3))
    for p in (0, 1, 1.5, 2, math.inf):
        wanted = np.array([[np.linalg.norm(a - b, p) for b in y] for a in x])
        np.testing.assert_allclose(
            sn.cdist(sn.tensor(x), sn.tensor(y), p).numpy(), wanted, rtol=1e-9
        )
        i, j = np.triu_indices(30, 1)
        own = np.array([np.linalg.norm(x[a] - x[b], p) for a, b in zip(i, j)])
        np.testing.assert_allclose(sn.pdist(sn.tensor(x), p).numpy(), own, rtol=1e-12)


def test_a_zero_vector_has_cosine_zero_and_a_finite_gradient():
    x = sn.zeros(1, 3, requires_grad=True)
    y = F.cosine_similarity(x, sn.ones(1, 3))
    y.sum().backward()
    assert y.item() == 0 and np.isfinite(x.grad.numpy()).all()


def test_normalize_gives_unit_vectors_and_leaves_zero():
    y = F.normalize(sn.tensor([[3.0, -4.0], [0.0, 0.0]]), p=1)
    np.testing.assert_allclose(y.numpy(), [[3 / 7, -4 / 7], [0, 0]], rtol=1e-6)


def test_one_hot_rows():
    y = F.one_hot(sn.tensor([[2], [0]]))
    assert y.tolist() == [[[0, 0, 1]], [[1, 0, 0]]] and y.dtype == sn.int64


# -- adaptive softmax ----------------------------------------------------------------------------
def test_adaptive_softmax_is_a_distribution_and_agrees_with_itself():
    sn.manual_seed(0)
    layer = sn.nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], div_value=2.0).double()
    x, target = values(20, 8), RNG.integers(0, 12, 20)
    logp = layer.log_prob(x).detach().numpy()
    np.testing.assert_allclose(np.exp(logp).sum(1), 1, rtol=1e-12)
    output, loss = layer(x, sn.tensor(target))
    np.testing.assert_allclose(output.detach().numpy(), logp[np.arange(20), target], rtol=1e-12)
    assert loss.item() == pytest.approx(-output.detach().numpy().mean())
    assert layer.predict(x).numpy().tolist() == logp.argmax(1).tolist()


# -- misuse --------------------------------------------------------------------------------------
X3 = sn.log_softmax(sn.zeros(4, 2, 3), 2)


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: F.multi_margin_loss(sn.ones(2, 3), sn.tensor([0, 3])), OutOfBoundsError, "label 3 is out of range for 3"),
        (lambda: F.multi_margin_loss(sn.ones(2, 3), sn.tensor([0])), ShapeError, r"wants 2 labels, got \(1,\)"),
        (lambda: F.multi_margin_loss(sn.ones(2, 3), sn.tensor([0, 1]), p=3), OptionError, "p must be 1 or 2, got 3"),
        (lambda: F.multi_margin_loss(sn.ones(2, 3), sn.tensor([0, 1]), weight=sn.ones(2)), ShapeError, r"weight \(2,\)"),
        (lambda: F.multi_margin_loss(sn.ones(2, 3), sn.ones(2)), DTypeError, "must be integers, got float32"),
        (lambda: F.multilabel_margin_loss(sn.ones(2, 3), sn.tensor([0, 1])), ShapeError, r"target \(2,\)"),
        (lambda: F.margin_ranking_loss(sn.ones(2), sn.ones(2), sn.ones(1, 2)), ShapeError, r"\(2,\) and \(1, 2\)"),
        (lambda: F.triplet_margin_loss(sn.ones(2), sn.ones(2), sn.ones(2), margin=0), OptionError, "margin must be greater than 0, got 0"),
        (lambda: sn.nn.TripletMarginLoss(-1.0), OptionError, "got -1.0"),
        (lambda: F.triplet_margin_loss(sn.ones(2), sn.ones(2), sn.ones(1, 2)), ShapeError, "equally many dimensions"),
        (lambda: F.cosine_embedding_loss(sn.ones(2), sn.ones(2), sn.ones(2)), ShapeError, r"target \(N\)"),
        (lambda: F.gaussian_nll_loss(sn.ones(2), sn.ones(2), -sn.ones(2)), OptionError, "values down to -1.0"),
        (lambda: F.gaussian_nll_loss(sn.ones(2, 3), sn.ones(2, 3), sn.ones(3)), ShapeError, r"var \(3,\) does not fit input \(2, 3\)"),
        (lambda: F.poisson_nll_loss(sn.ones(1), sn.ones(1), reduction="avg"), OptionError, "got 'avg'"),
        (lambda: F.ctc_loss(X3, sn.tensor([[1], [3]]), [4, 4], [1, 1]), OutOfBoundsError, "label 3 is out of range for 3"),
        (lambda: F.ctc_loss(X3, sn.tensor([[1], [2]]), [4, 5], [1, 1]), ShapeError, r"input_lengths must be in \[0, 4\], got 5"),
        (lambda: F.ctc_loss(X3, sn.tensor([[1], [2]]), [4], [1, 1]), ShapeError, "1 values for a batch of 2"),
        (lambda: F.ctc_loss(X3, sn.tensor([1, 2, 1]), [4, 4], [1, 1]), ShapeError, "3 labels but target_lengths add up to 2"),
        (lambda: F.ctc_loss(X3, sn.tensor([[1], [2]]), [4, 4], [1, 2]), ShapeError, r"want targets \(2, at least 2\)"),
        (lambda: F.ctc_loss(X3, sn.ones(2, 1), [4, 4], [1, 1]), DTypeError, "targets must be integers"),
        (lambda: F.ctc_loss(X3, sn.tensor([[1], [2]]), [4, 4], [1, 1], blank=3), OutOfBoundsError, "blank 3 is out of range for 3"),
        (lambda: F.one_hot(sn.tensor([0, 4]), 3), OutOfBoundsError, "label 4 is out of range for 3"),
        (lambda: F.one_hot(sn.ones(2)), DTypeError, "got float32"),
        (lambda: sn.cdist(sn.ones(2, 3), sn.ones(2, 4)), ShapeError, r"\(2, 3\) and x2 \(2, 4\)"),
        (lambda: sn.cdist(sn.ones(2, 3), sn.ones(2, 3), -1.0), OpError, "got -1.0"),
        (lambda: sn.pdist(sn.ones(3)), ShapeError, r"got shape \(3,\)"),
        (lambda: F.cosine_similarity(sn.tensor([[1]]), sn.tensor([[1]])), DTypeError, "got int64"),
        (lambda: sn.nn.AdaptiveLogSoftmaxWithLoss(4, 9, [5, 3]), OptionError, r"got \[5, 3\]"),
        (lambda: sn.nn.AdaptiveLogSoftmaxWithLoss(4, 9, [3])(sn.ones(1, 4), sn.tensor([9])), OutOfBoundsError, r"in \[0, 8\]"),
        (lambda: sn.nn.AdaptiveLogSoftmaxWithLoss(4, 9, [3])(sn.ones(2, 4), sn.tensor([1])), ShapeError, r"\(2, 4\) and \(1,\)"),
    ],
)  # fmt: skip
def test_misuse_is_named(call, error, text):
    with pytest.raises(error, match=text):
        call()
