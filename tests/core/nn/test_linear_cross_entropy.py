"""linear_cross_entropy is cross_entropy of linear, whole or in chunks; the latter without all logits."""

import tracemalloc
import warnings

import numpy as np
import pytest

import sensorium as sn
from sensorium.autograd import gradcheck, gradgradcheck
from sensorium.errors import SensoriumError
from sensorium.nn import LinearCrossEntropyLoss, LinearCrossEntropyOptions, functional as F

RNG = np.random.default_rng(0)


def parts(n=6, e=3, k=5):
    x, w, b = (sn.tensor(RNG.normal(size=s), requires_grad=True) for s in ((n, e), (k, e), (k,)))
    return x, w, b, sn.tensor(RNG.integers(0, k, size=n))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("chunk", [None, 1, 4, 100])
def test_equals_the_two_steps(reduction, chunk):
    x, w, b, target = parts()
    target[2] = -100
    weight = sn.tensor(RNG.uniform(0.5, 2, size=5))
    options = chunk and LinearCrossEntropyOptions(batch_chunk_size=chunk)
    found = F.linear_cross_entropy(x, w, target, linear_bias=b, weight=weight, reduction=reduction,
                                   options=options)  # fmt: skip
    wanted = F.cross_entropy(F.linear(x, w, b), target, weight, reduction=reduction)
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=1e-12)
    seed = sn.tensor(RNG.normal(size=tuple(found.shape)))
    for a, c in zip(
        sn.autograd.grad(found, (x, w, b), seed), sn.autograd.grad(wanted, (x, w, b), seed)
    ):
        np.testing.assert_allclose(a.numpy(), c.numpy(), rtol=1e-11, atol=1e-13)


def test_chunks_have_both_derivatives():
    x, w, b, target = parts(4, 2, 3)
    options = LinearCrossEntropyOptions(batch_chunk_size=2)

    def loss(x, w, b):
        return F.linear_cross_entropy(x, w, target, linear_bias=b, options=options)

    assert gradcheck(loss, (x, w, b)) and gradgradcheck(loss, (x, w, b))


def test_chunks_do_not_hold_all_logits():
    x, w = sn.rand(512, 4, requires_grad=True), sn.rand(2000, 4, requires_grad=True)
    target, options = sn.zeros(512, dtype=sn.int64), LinearCrossEntropyOptions(batch_chunk_size=16)
    F.linear_cross_entropy(x, w, target, options=options).backward()  # makes what is made once
    tracemalloc.start()
    F.linear_cross_entropy(x, w, target, options=options).backward()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 512 * 2000 * 4 / 4  # a quarter of the logits in float32


def test_more_dimensions_probabilities_and_one_row():
    x, w, _, _ = parts(4, 3, 5)
    deep = sn.tensor(RNG.normal(size=(5, 2, 3)))
    logits = sn.einsum("ne,kde->nkd", x, deep)
    target = sn.tensor(RNG.integers(0, 5, size=(4, 2)))
    found = F.linear_cross_entropy(x, deep, target).item()
    assert found == pytest.approx(F.cross_entropy(logits, target).item(), rel=1e-12)
    soft = sn.tensor(RNG.dirichlet(np.ones(5), size=4))
    found = F.linear_cross_entropy(x, w, soft, label_smoothing=0.1).item()
    wanted = F.cross_entropy(x @ w.T, soft, label_smoothing=0.1).item()
    assert found == pytest.approx(wanted, rel=1e-12)
    single = F.linear_cross_entropy(x[0], w, sn.tensor(1), reduction="none",
                                    options=LinearCrossEntropyOptions())  # fmt: skip
    assert single.shape == () and single.item() == pytest.approx(
        F.cross_entropy(w @ x[0], sn.tensor(1)).item()
    )


def test_what_cannot_be_chunked_warns_and_is_computed_whole():
    x, w, _, target = parts()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found = F.linear_cross_entropy(x, w, target, label_smoothing=0.2,
                                       options=LinearCrossEntropyOptions())  # fmt: skip
    assert len(seen) == 1 and "label_smoothing" in str(seen[0].message)
    wanted = F.cross_entropy(x @ w.T, target, label_smoothing=0.2)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-12)


def test_module():
    loss = LinearCrossEntropyLoss(3, 5, out_features=(2,), bias=True, dtype=sn.float64)
    assert {k: tuple(v.shape) for k, v in loss.state_dict().items()} == {
        "linear.weight": (10, 3), "linear.bias": (10,)
    }  # fmt: skip
    x, target = sn.rand(4, 3, dtype=sn.float64), sn.zeros(4, 2, dtype=sn.int64)
    wanted = F.cross_entropy(loss.linear(x).reshape(4, 5, 2), target)
    assert loss(x, target).item() == pytest.approx(wanted.item(), rel=1e-12)


def test_misuse():
    x, w, _, target = parts()
    for call in (
        lambda: F.linear_cross_entropy(x[None], w, target),
        lambda: F.linear_cross_entropy(x, w[:, :2], target),
        lambda: F.linear_cross_entropy(x, w, target, linear_bias=sn.ones(4)),
        lambda: F.linear_cross_entropy(x, w, sn.ones(6, 5), ignore_index=0),
        lambda: F.linear_cross_entropy(x, w, target + 5, options=LinearCrossEntropyOptions()),
        lambda: LinearCrossEntropyOptions(batch_chunk_size=0),
        lambda: LinearCrossEntropyOptions(chunking_method="aspect"),
        lambda: LinearCrossEntropyOptions(acc_policy="best"),
        lambda: LinearCrossEntropyLoss(2, 3, weight=sn.ones(2)),
    ):
        with pytest.raises(SensoriumError):
            call()


@pytest.mark.peer
def test_chunks_are_as_large_as_pytorch_s():
    torch = pytest.importorskip("torch")
    from sensorium.ops.linear_entropy import _rows

    for options in ({}, {"batch_chunk_size": 7}, {"chunking_method": "aspect_ratio:4"},
                    {"chunking_method": None}):  # fmt: skip
        for n, e, k in ((1, 3, 4), (100, 8, 1000), (4096, 64, 64), (33, 100, 7)):
            theirs = torch.nn.LinearCrossEntropyOptions(**options)._adjust(
                n, e, k, torch.float32, torch.device("cpu")
            )
            ours = _rows(LinearCrossEntropyOptions(**options), n, e, k, np.dtype("float32"))
            assert ours == theirs.batch_chunk_size, (options, n, e, k)
