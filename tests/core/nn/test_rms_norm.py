"""RMSNorm, Softmin and Softmax2d: closed forms, edge cases, and PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import DTypeError, ShapeError

F = sn.nn.functional


# -- rms norm ------------------------------------------------------------------------------------
def test_every_row_has_mean_square_one():
    x = sn.tensor(np.random.default_rng(0).normal(size=(4, 3, 5)) * 100)
    assert F.rms_norm(x, (5,)).square().mean(-1).flatten().tolist() == pytest.approx([1] * 12)
    assert F.rms_norm(x, (3, 5)).square().mean((-1, -2)).tolist() == pytest.approx([1] * 4)
    assert F.rms_norm(x, 5).equal(F.rms_norm(x, [5]))


def test_the_formula_in_numbers():
    y = F.rms_norm(sn.tensor([[3.0, 4.0]]), (2,), sn.tensor([1.0, 2.0]), eps=3.5)
    assert y.tolist() == [pytest.approx([3 / 4, 8 / 4])]  # sqrt((9 + 16) / 2 + 3.5) = 4


def test_scaling_the_input_changes_nothing():
    x = sn.tensor(np.random.default_rng(0).normal(size=(4, 5)), requires_grad=True)
    y = F.rms_norm(x, (5,), eps=0.0)
    np.testing.assert_allclose(F.rms_norm(x * 7, (5,), eps=0.0).detach(), y.detach(), rtol=1e-12)
    y.sum().backward()
    assert (x.grad * x).sum(-1).tolist() == pytest.approx([0] * 4, abs=1e-12)


@pytest.mark.parametrize(("dtype", "eps"), [("float16", 2**-23), ("bfloat16", 2**-23),
                                            ("float32", 2**-23), ("float64", 2**-52)])  # fmt: skip
def test_eps_is_the_precision_of_the_computation(dtype, eps):
    small = math.sqrt(eps)
    y = F.rms_norm(sn.tensor([small, small], dtype=sn.float64).to(dtype), (2,))
    assert str(y.dtype) == dtype
    assert y.double().tolist() == pytest.approx([math.sqrt(0.5)] * 2, rel=1e-2)


def test_half_precision_does_not_overflow():
    x = sn.full((8,), 600.0, dtype=sn.float16)  # 600^2 is beyond float16
    assert F.rms_norm(x, (8,)).tolist() == [1.0] * 8


def test_the_module_holds_a_weight_of_ones():
    layer = sn.nn.RMSNorm((2, 3), eps=1e-3)
    assert layer.weight.tolist() == [[1, 1, 1]] * 2
    assert repr(layer) == "RMSNorm((2, 3), eps=0.001, elementwise_affine=True)"
    assert sn.nn.RMSNorm(3, elementwise_affine=False).weight is None
    with sn.no_grad():
        layer.weight.zero_()
    layer.reset_parameters()
    assert layer.weight.tolist() == [[1, 1, 1]] * 2


def test_wrong_inputs_are_named():
    x = sn.ones(2, 4)
    with pytest.raises(ShapeError, match=r"rms_norm: x \(2, 4\) does not end in \(3,\)"):
        F.rms_norm(x, (3,))
    with pytest.raises(ShapeError, match=r"rms_norm: weight \(3,\) is not \(4,\)"):
        F.rms_norm(x, (4,), sn.ones(3))
    with pytest.raises(ShapeError, match=r"rms_norm: x \(2, 4\) does not end in \(\)"):
        F.rms_norm(x, ())
    with pytest.raises(DTypeError, match="rms_norm: x is int64, want a float"):
        F.rms_norm(sn.arange(4), (4,))


# -- softmax -------------------------------------------------------------------------------------
def test_softmin_is_softmax_of_the_negative():
    x = sn.tensor(np.random.default_rng(0).normal(size=(3, 4)))
    assert F.softmin(x, 1).tolist() == (-x).softmax(1).tolist()
    assert sn.nn.Softmin(dim=0)(x).tolist() == (-x).softmax(0).tolist()
    assert F.softmin(sn.tensor([1, 2]), 0, dtype=sn.float64).dtype == sn.float64


def test_softmax2d_is_over_the_channels():
    x = sn.tensor(np.random.default_rng(0).normal(size=(2, 3, 4, 5)))
    layer = sn.nn.Softmax2d()
    assert layer(x).equal(x.softmax(1)) and layer(x[0]).equal(x[0].softmax(0))
    with pytest.raises(ShapeError, match=r"Softmax2d: want .* got \(4, 5\)"):
        layer(x[0, 0])


# -- PyTorch -------------------------------------------------------------------------------------
CASES = [
    ((4, 5), (5,), True, None),
    ((2, 3, 4), (3, 4), True, 1e-3),
    ((2, 3, 4), (4,), False, None),
    ((0, 4), (4,), True, None),
    ((6,), (6,), True, 0.5),
]


def plain(tensor):
    """The values; PyTorch's lazy conjugates first made real."""
    return (tensor.resolve_conj() if hasattr(tensor, "resolve_conj") else tensor).detach().numpy()


@pytest.mark.peer
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize(("shape", "last", "weighted", "eps"), CASES)
def test_rms_norm_and_both_gradients_are_pytorchs(shape, last, weighted, eps, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)

    def draw(size):
        real = rng.normal(size=size)
        return (real + 1j * rng.normal(size=size) if dtype == "complex128" else real).astype(dtype)

    arrays = [draw(shape), draw(last)] if weighted else [draw(shape)]
    g, found = draw(shape), []
    for library in (sn, torch):
        leaves = [library.tensor(a, requires_grad=True) for a in arrays]
        y = library.nn.functional.rms_norm(leaves[0], last, *leaves[1:], eps=eps)
        pull = library.autograd.grad(y, leaves, library.tensor(g), create_graph=True)
        total = sum(
            (p * p.conj()).real.sum() if dtype == "complex128" else (p * p).sum() for p in pull
        )
        second = library.autograd.grad(total, leaves)
        found.append([plain(v) for v in (y, *pull, *second)])
    tolerance = 1e-4 if dtype == "float32" else 1e-9
    for mine, wanted in zip(*found):
        assert mine.dtype == wanted.dtype
        np.testing.assert_allclose(mine, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.peer
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_pytorchs(dtype):
    torch = pytest.importorskip("torch")
    x, w = np.random.default_rng(2).normal(size=(2, 6, 8)).astype("float32")
    w, found = w[0], []
    for library in (sn, torch):
        a, b = (library.tensor(v).to(getattr(library, dtype)).requires_grad_() for v in (x, w))
        y = library.nn.functional.rms_norm(a, (8,), b)
        y.float().square().sum().backward()
        found.append([v.detach().float().numpy() for v in (y, a.grad, b.grad)])
    bound = {"float16": 4e-3, "bfloat16": 4e-2}[dtype]
    for mine, wanted in zip(*found):
        np.testing.assert_allclose(mine, wanted, rtol=bound, atol=bound)


@pytest.mark.peer
def test_modules_are_pytorchs():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(3).normal(size=(2, 3, 4, 5))
    for name, args in [("RMSNorm", (5,)), ("RMSNorm", ((4, 5), 1e-2, False)), ("Softmin", (2,)),
                       ("Softmax2d", ())]:  # fmt: skip
        mine, other = getattr(sn.nn, name)(*args), getattr(torch.nn, name)(*args)
        assert repr(mine) == repr(other)
        assert list(mine.state_dict()) == list(other.state_dict())
        a, b = sn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, z = mine.double()(a), other.double()(b)
        y.square().sum().backward(), z.square().sum().backward()
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9, atol=1e-12)
