"""Losses and distances beyond the common ones against PyTorch's: values, both gradients, names, state."""

import inspect

import numpy as np
import pytest

import sensorium as sn

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.peer

REDUCTIONS = ("none", "mean", "sum")
RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def signs(*shape):
    return RNG.choice([-1.0, 1.0], size=shape)


def run(library, name, arrays, options, wrt, twice):
    """The value, the gradients of the sum of squares, and the gradients of their sum of squares."""
    make = library.tensor
    tensors = [make(a) if isinstance(a, np.ndarray) else a for a in arrays]
    options = {k: make(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    for i in wrt:
        tensors[i].requires_grad_(True)
    where = library if name in ("cdist", "pdist") else library.nn.functional
    y = getattr(where, name)(*tensors, **options)
    leaves = [tensors[i] for i in wrt]
    first = library.autograd.grad((y * y).sum(), leaves, create_graph=twice)
    second = []
    if twice:
        total = sum((g * g).sum() for g in first)
        second = library.autograd.grad(total, leaves, allow_unused=True)
    rows = [y, *first, *second]
    return [None if t is None else t.detach().numpy() for t in rows]


def same(name, arrays, options=None, wrt=(0,), twice=True):
    ours = run(sn, name, arrays, options or {}, wrt, twice)
    theirs = run(torch, name, arrays, options or {}, wrt, twice)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if b is not None:
            assert a.shape == b.shape and a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


# -- margins -------------------------------------------------------------------------------------
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [0.3, 1.0])
def test_two_sided_losses(reduction, margin):
    options = {"reduction": reduction, "margin": margin}
    same("hinge_embedding_loss", [normal(4, 5), signs(4, 5)], options)
    same("margin_ranking_loss", [normal(6), normal(6), signs(6)], options, wrt=(0, 1))
    same("margin_ranking_loss", [normal(6, 1), normal(1, 4), signs(6, 4)], options, wrt=(0, 1))
    rows = [normal(5, 3), normal(5, 3), signs(5)]
    same("cosine_embedding_loss", rows, {"reduction": reduction, "margin": 0.2}, wrt=(0, 1))
    same("cosine_embedding_loss", [normal(3), normal(3), np.array(-1.0)], {"reduction": reduction})
    same("soft_margin_loss", [normal(4, 5), signs(4, 5)], {"reduction": reduction})


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weight", [None, np.array([0.5, 1.0, 2.0, 0.1])])
def test_multilabel_soft_margin(reduction, weight):
    target = RNG.integers(0, 2, (5, 4)).astype(float)
    options = {"reduction": reduction, "weight": weight}
    same("multilabel_soft_margin_loss", [normal(5, 4) * 5, target], options)
    same("multilabel_soft_margin_loss", [normal(4), target[0]], options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("weight", [None, np.array([0.5, 1.0, 2.0, 0.1])])
def test_multi_margin(reduction, p, weight):
    options = {"reduction": reduction, "p": p, "margin": 0.6, "weight": weight}
    same("multi_margin_loss", [normal(5, 4), RNG.integers(0, 4, 5)], options, twice=False)
    same("multi_margin_loss", [normal(4), np.array(2)], options, twice=False)
    same("multi_margin_loss", [normal(4), np.array([2])], options, twice=False)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_multilabel_margin(reduction):
    target = np.array([[3, 0, -1, 1], [-1, 2, 2, 2], [1, 2, 3, 0], [2, 2, -1, -1]])
    same("multilabel_margin_loss", [normal(4, 4), target], {"reduction": reduction}, twice=False)
    same("multilabel_margin_loss", [normal(4), target[0]], {"reduction": reduction}, twice=False)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("p", [1, 2, 3.5])
def test_triplets(reduction, swap, p):
    rows = [normal(5, 3), normal(5, 3), normal(5, 3)]
    options = {"reduction": reduction, "swap": swap, "margin": 0.8}
    same("triplet_margin_loss", rows, {**options, "p": p}, wrt=(0, 1, 2))
    same("triplet_margin_loss", [r[0] for r in rows], {**options, "p": p}, wrt=(0, 1, 2))
    same("triplet_margin_with_distance_loss", rows, options, wrt=(0, 1, 2))


# -- likelihoods ---------------------------------------------------------------------------------
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("shape", [(4, 5), (4,), (4, 1), (1, 5)])
def test_gaussian_nll(reduction, full, shape):
    var = RNG.uniform(0.01, 2, shape)
    options = {"reduction": reduction, "full": full, "eps": 0.2}
    same("gaussian_nll_loss", [normal(4, 5), normal(4, 5), var], options, wrt=(0, 1, 2))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("log_input", [False, True])
def test_poisson_nll(reduction, full, log_input):
    x = normal(4, 5) if log_input else RNG.uniform(0.1, 4, (4, 5))
    target = RNG.poisson(2.0, (4, 5)).astype(float)
    options = {"reduction": reduction, "full": full, "log_input": log_input}
    same("poisson_nll_loss", [x, target], options)


def test_gaussian_nll_with_a_number():
    same("gaussian_nll_loss", [normal(3), normal(3), 0.5], wrt=(0, 1))


# -- CTC -----------------------------------------------------------------------------------------
def log_probs(*shape):
    x = normal(*shape)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("zero_infinity", [False, True])
@pytest.mark.parametrize("blank", [0, 3])
def test_ctc(reduction, zero_infinity, blank):
    """Padded labels, repeated ones, none at all, too many for the times."""
    x = log_probs(9, 5, 6)
    targets = np.array([[1, 2, 2, 4], [5, 5, 5, 1], [1, 1, 1, 1], [2, 1, 2, 1], [2, 4, 1, 5]])
    counts, times = np.array([4, 3, 0, 4, 4]), np.array([9, 7, 5, 9, 3])
    options = {"reduction": reduction, "zero_infinity": zero_infinity, "blank": blank}
    for arrays in ([targets, times, counts], [flat(targets, counts), times, counts]):
        same("ctc_loss", [x, *arrays], options, twice=False)
    y, g = run(sn, "ctc_loss", [x, targets, times, counts], options, (0,), False)
    lists = [x, targets, times.tolist(), counts.tolist()]
    np.testing.assert_array_equal(run(sn, "ctc_loss", lists, options, (0,), False)[1], g)
    assert np.isfinite(y).all() == zero_infinity


def flat(targets, counts):
    return np.concatenate([row[:n] for row, n in zip(targets, counts)])


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_ctc_of_one_sample(reduction):
    x, labels = log_probs(7, 5), np.array([1, 3, 3])
    same("ctc_loss", [x, labels, np.array(7), np.array(3)], {"reduction": reduction}, twice=False)
    same("ctc_loss", [x, labels, (7,), (3,)], {"reduction": reduction}, twice=False)


def test_ctc_in_float32_and_a_long_sequence():
    x, labels = log_probs(200, 3, 20).astype(np.float32), RNG.integers(1, 20, (3, 30))
    ours, theirs = (
        run(t, "ctc_loss", [x, labels, [200, 180, 150], [30, 25, 10]], {}, (0,), False)
        for t in (sn, torch)
    )
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5)
    size = np.abs(theirs[1]).max()  # both are within 3e-4 of float64's
    np.testing.assert_allclose(ours[1], theirs[1], rtol=0, atol=5e-4 * size)


# -- distances -----------------------------------------------------------------------------------
def test_row_distances():
    for p in (0.5, 1, 2, 3, np.inf):
        options = {"p": float(p), "keepdim": p == 2}
        same("pairwise_distance", [normal(4, 3), normal(4, 3)], options, wrt=(0, 1))
    same("pairwise_distance", [normal(2, 1, 3), normal(4, 3)], wrt=(0, 1))
    same("pairwise_distance", [normal(3), normal(3)], wrt=(0, 1))


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cosine_similarity(dim):
    same("cosine_similarity", [normal(4, 3, 2), normal(4, 3, 2)], {"dim": dim}, wrt=(0, 1))
    same("cosine_similarity", [normal(4, 3), normal(1, 3)], {"eps": 2.0}, wrt=(0, 1))


def test_normalize():
    same("normalize", [normal(4, 3)])
    same("normalize", [normal(4, 3, 2)], {"p": 1, "dim": -1})
    same("normalize", [normal(4, 3, 2)], {"p": 3.0, "dim": (0, 2)}, twice=False)
    same("normalize", [normal(4, 3)], {"eps": 2.0})


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.0, np.inf])
def test_every_pair(p):
    same("cdist", [normal(4, 3), normal(5, 3)], {"p": p}, wrt=(0, 1), twice=False)
    same("cdist", [normal(2, 1, 4, 3), normal(6, 5, 3)], {"p": p}, wrt=(0, 1), twice=False)
    same("cdist", [normal(30, 3), normal(5, 3)], {"p": p}, wrt=(0, 1), twice=False)
    same("pdist", [normal(6, 3)], {"p": p}, twice=False)


def test_distances_of_nothing():
    for shapes in [((0, 3), (2, 3)), ((2, 0), (3, 0)), ((0, 4, 3), (0, 2, 3))]:
        ours = sn.cdist(*(sn.zeros(*s) for s in shapes))
        theirs = torch.cdist(*(torch.zeros(*s) for s in shapes))
        assert tuple(ours.shape) == tuple(theirs.shape) and not ours.numpy().any()
    assert sn.pdist(sn.zeros(1, 3)).shape == (0,)


@pytest.mark.parametrize("count", [-1, 5])
def test_one_hot(count):
    labels = RNG.integers(0, 4, (2, 3))
    ours = sn.nn.functional.one_hot(sn.tensor(labels), count)
    theirs = torch.nn.functional.one_hot(torch.tensor(labels), count)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert ours.dtype == sn.int64


# -- modules -------------------------------------------------------------------------------------
MODULES = """
    AdaptiveLogSoftmaxWithLoss CTCLoss CosineEmbeddingLoss CosineSimilarity GaussianNLLLoss
    HingeEmbeddingLoss MarginRankingLoss MultiLabelMarginLoss MultiLabelSoftMarginLoss
    MultiMarginLoss PairwiseDistance PoissonNLLLoss SoftMarginLoss TripletMarginLoss
    TripletMarginWithDistanceLoss
""".split()  # noqa: SIM905  (a list a name would fill the page)
FUNCTIONS = """
    cosine_embedding_loss ctc_loss gaussian_nll_loss hinge_embedding_loss margin_ranking_loss
    multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss normalize poisson_nll_loss
    soft_margin_loss triplet_margin_loss triplet_margin_with_distance_loss
""".split()  # noqa: SIM905  (as above)
ARGUMENTS = {
    "AdaptiveLogSoftmaxWithLoss": (64, 12, [3, 7]),
}


def listed(function):
    found = inspect.signature(function).parameters.values()
    return [(p.name, p.default) for p in found if p.name not in ("args", "kwargs")]


@pytest.mark.parametrize("name", MODULES)
def test_modules_have_pytorchs_arguments_and_repr(name):
    ours, theirs = getattr(sn.nn, name), getattr(torch.nn, name)
    assert listed(ours) == listed(theirs)
    assert listed(ours.forward) == listed(theirs.forward)
    args = ARGUMENTS.get(name, ())
    assert repr(ours(*args)) == repr(theirs(*args))
    assert list(ours(*args).state_dict()) == list(theirs(*args).state_dict())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_have_pytorchs_arguments(name):
    ours, theirs = getattr(sn.nn.functional, name), getattr(torch.nn.functional, name)
    assert listed(ours) == listed(theirs)


@pytest.mark.parametrize(
    ("name", "options", "arrays"),
    [
        ("HingeEmbeddingLoss", {"margin": 0.5}, [normal(3, 2), signs(3, 2)]),
        ("MarginRankingLoss", {"margin": 0.5}, [normal(3), normal(3), signs(3)]),
        ("CosineEmbeddingLoss", {"margin": 0.1}, [normal(3, 2), normal(3, 2), signs(3)]),
        ("SoftMarginLoss", {"size_average": False}, [normal(3, 2), signs(3, 2)]),
        ("MultiLabelMarginLoss", {"reduction": "none"}, [normal(2, 3), np.array([[1, -1, 0]] * 2)]),
        ("MultiLabelSoftMarginLoss", {"weight": normal(2)}, [normal(3, 2), signs(3, 2)]),
        ("MultiMarginLoss", {"p": 2, "margin": 2.0, "weight": normal(2) ** 2}, [normal(3, 2), np.array([0, 1, 1])]),
        ("TripletMarginLoss", {"p": 1.0, "swap": True}, [normal(3, 2), normal(3, 2), normal(3, 2)]),
        ("TripletMarginWithDistanceLoss", {"swap": True}, [normal(3, 2), normal(3, 2), normal(3, 2)]),
        ("GaussianNLLLoss", {"full": True}, [normal(3), normal(3), normal(3) ** 2]),
        ("PoissonNLLLoss", {"full": True, "eps": 1e-4}, [normal(3), normal(3) ** 2]),
        ("CTCLoss", {"blank": 1}, [log_probs(5, 2, 3), np.array([[0, 2], [2, 2]]), np.array([5, 4]), np.array([2, 2])]),
        ("PairwiseDistance", {"p": 3.0, "keepdim": True}, [normal(3, 2), normal(3, 2)]),
        ("CosineSimilarity", {"dim": 0}, [normal(3, 2), normal(3, 2)]),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:size_average and reduce args")
def test_modules_give_pytorchs_values(name, options, arrays):
    found = []
    for library in (sn, torch):
        ready = {
            k: library.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()
        }
        y = getattr(library.nn, name)(**ready)(*(library.tensor(a) for a in arrays))
        found.append(y.numpy())
    np.testing.assert_allclose(*found, rtol=1e-10)


@pytest.mark.parametrize("head_bias", [False, True])
def test_adaptive_softmax_with_pytorchs_weights(head_bias):
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 9, 15], 1.5, head_bias).double()
    ours = sn.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 9, 15], 1.5, head_bias).double()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x, target = normal(30, 8), RNG.integers(0, 20, 30)
    a, b = sn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = ours(a, sn.tensor(target)), theirs(b, torch.tensor(target))
    assert y._fields == z._fields
    np.testing.assert_allclose(y.output.detach().numpy(), z.output.detach().numpy(), rtol=1e-12)
    assert y.loss.item() == pytest.approx(z.loss.item(), rel=1e-12)
    y.loss.backward(), z.loss.backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-8, atol=1e-14)
    for (key, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        np.testing.assert_allclose(
            p.grad.numpy(), q.grad.numpy(), rtol=1e-8, atol=1e-14, err_msg=key
        )
    np.testing.assert_array_equal(ours.predict(a).numpy(), theirs.predict(b).numpy())
    one, other = ours(a[0], sn.tensor(17)), theirs(b[0], torch.tensor(17))
    assert one.output.shape == () and one.output.item() == pytest.approx(other.output.item())


@pytest.mark.parametrize(
    "call",
    [
        lambda t, f: f.multi_margin_loss(t.ones(2, 3), t.tensor([0, 1]), p=3),
        lambda t, f: f.triplet_margin_loss(t.ones(2), t.ones(2), t.ones(2), margin=0),
        lambda t, f: f.gaussian_nll_loss(t.ones(2), t.ones(2), -t.ones(2)),
        lambda t, f: f.gaussian_nll_loss(t.ones(2, 3), t.ones(2, 3), t.ones(3)),
        lambda t, f: t.nn.AdaptiveLogSoftmaxWithLoss(4, 9, [5, 3]),
    ],
)
def test_both_refuse_with_a_value_error(call):
    for library in (torch, sn):
        with pytest.raises(ValueError):
            call(library, library.nn.functional)


@pytest.mark.parametrize(
    "call",
    [
        lambda t, f: f.margin_ranking_loss(t.ones(2), t.ones(2), t.ones(1, 2)),
        lambda t, f: f.multilabel_margin_loss(t.ones(2, 3), t.tensor([0, 1])),
        lambda t, f: f.cosine_embedding_loss(t.ones(2), t.ones(2), t.ones(2)),
        lambda t, f: f.ctc_loss(t.zeros(4, 2, 3), t.tensor([1, 2, 1]), [4, 4], [1, 1]),
        lambda t, f: f.ctc_loss(t.zeros(4, 2, 3), t.tensor([[1], [2]]), [4, 5], [1, 1]),
        lambda t, f: t.cdist(t.ones(2, 3), t.ones(2, 4)),
        lambda t, f: t.pdist(t.ones(3)),
        lambda t, f: f.cosine_similarity(t.tensor([[1]]), t.tensor([[1]])),
    ],
)
def test_both_refuse_with_a_runtime_error(call):
    for library in (torch, sn):
        with pytest.raises(RuntimeError):
            call(library, library.nn.functional)
