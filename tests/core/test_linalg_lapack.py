"""LDL, Householder products, triangles, low rank and vector norms: laws, and PyTorch's results."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sensorium as sn


def symmetric(rng: np.random.Generator, n: int, kind: str) -> np.ndarray:
    """Indefinite matrices that need exchanges and blocks of order 2; kind: real, complex, hermitian."""
    x = rng.normal(size=(n, n))
    if kind != "real":
        x = x + 1j * rng.normal(size=(n, n))
    whole = x + (x.conj().T if kind == "hermitian" else x.T)
    return np.where(np.eye(n, dtype=bool), whole * 1e-3, whole)


KINDS = ("real", "complex", "hermitian")


@pytest.mark.parametrize("kind", KINDS)
def test_ldl_solve_inverts_what_ldl_factor_read(kind):
    rng = np.random.default_rng(0)
    for n in range(1, 9):
        a, b = symmetric(rng, n, kind), rng.normal(size=(2, n, 3))
        option = {"hermitian": kind == "hermitian"}
        ld, pivots = sn.linalg.ldl_factor(sn.tensor(np.tril(a)), **option)
        x = sn.linalg.ldl_solve(ld, pivots, sn.tensor(b.astype(a.dtype)), **option)
        np.testing.assert_allclose(a @ x.numpy(), b, atol=1e-9)


def test_a_zero_in_d_is_reported():
    found = sn.linalg.ldl_factor_ex(sn.tensor([[0.0, 0.0], [0.0, 1.0]]))
    assert found.info.item() == 1
    with pytest.raises(sn.errors.LinAlgError, match="ldl_factor: D is singular, info 1"):
        sn.linalg.ldl_factor(sn.zeros(2, 2))
    with pytest.raises(sn.errors.ShapeError, match=r"ldl_solve: pivots \(3,\) are not one for"):
        sn.linalg.ldl_solve(sn.eye(2), sn.zeros(3, dtype=sn.int32), sn.ones(2, 1))


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 4, 3), (0, 3), (3, 0)])
def test_ormqr_multiplies_with_the_whole_q_of_geqrf(shape):
    rng = np.random.default_rng(1)
    x = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    a, tau = sn.geqrf(sn.tensor(x))
    m = shape[-2]
    one = sn.eye(m, dtype=sn.complex128).expand(*shape[:-2], m, m)
    q = sn.ormqr(a, tau, one).numpy()
    r = np.triu(a.numpy())
    np.testing.assert_allclose(q @ r, x, atol=1e-12)
    np.testing.assert_allclose(q.conj().swapaxes(-1, -2) @ q, one.numpy(), atol=1e-12)
    c = sn.tensor(rng.normal(size=(*shape[:-2], m, m)) + 0j)
    for left in (True, False):
        for transpose in (True, False):
            side = q.conj().swapaxes(-1, -2) if transpose else q
            wanted = side @ c.numpy() if left else c.numpy() @ side
            found = sn.ormqr(a, tau, c, left, transpose)
            np.testing.assert_allclose(found.numpy(), wanted, atol=1e-12)


def test_triangular_solve_reads_one_triangle_and_transposes_without_conjugating():
    rng = np.random.default_rng(2)
    a = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)) + 3 * np.eye(3)
    b = rng.normal(size=(3, 2)) + 0j
    for upper in (True, False):
        t = np.triu(a) if upper else np.tril(a)
        x, copy = sn.triangular_solve(sn.tensor(b), sn.tensor(a), upper, True)
        np.testing.assert_allclose(t.T @ x.numpy(), b, atol=1e-12)
        assert np.array_equal(copy.numpy(), a)


def test_low_rank_factors_rebuild_a_matrix_of_that_rank():
    rng = np.random.default_rng(3)
    sn.manual_seed(0)
    for m, n in ((9, 6), (6, 9)):
        x = rng.normal(size=(2, m, 3)) @ rng.normal(size=(2, 3, n))
        u, s, v = sn.svd_lowrank(sn.tensor(x), q=4)
        np.testing.assert_allclose((u * s[:, None] @ v.transpose(-1, -2)).numpy(), x, atol=1e-10)
    u, s, v = sn.pca_lowrank(sn.tensor(x), q=4)
    centred = x - x.mean(-2, keepdims=True)
    np.testing.assert_allclose((u * s[:, None] @ v.transpose(-1, -2)).numpy(), centred, atol=1e-10)
    with pytest.raises(sn.errors.OptionError, match="pca_lowrank: q must be from 0 to 6, got 7"):
        sn.pca_lowrank(sn.tensor(x), q=7)


@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, math.inf, -math.inf])
def test_the_gradient_of_a_norm_at_zero_is_zero(p):
    x = sn.zeros(2, 3, dtype=sn.float64, requires_grad=True)
    sn.linalg.vector_norm(x, p, 1).sum().backward()
    assert np.array_equal(x.grad.numpy(), np.zeros((2, 3)))


def test_norms_of_matrices_without_elements():
    for shape, orders in (((0, 0), (1, 2, math.inf, "nuc")), ((0, 3), (2, math.inf))):
        for order in orders:
            assert sn.linalg.matrix_norm(sn.zeros(*shape), order).item() == 0
    with pytest.raises(sn.errors.ShapeError, match="no extreme of an empty dimension"):
        sn.linalg.matrix_norm(sn.zeros(0, 3), -2)


# -- PyTorch's ---------------------------------------------------------------------------------------
@pytest.mark.peer
@pytest.mark.parametrize("kind", KINDS)
def test_ldl_takes_lapacks_pivots(kind):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(4)
    for n in range(12):
        a = symmetric(rng, n, kind)
        option = {"hermitian": kind == "hermitian"}
        ours = sn.linalg.ldl_factor_ex(sn.tensor(a), **option)
        theirs = torch.linalg.ldl_factor_ex(torch.tensor(a), **option)
        np.testing.assert_allclose(ours.LD.numpy(), theirs.LD.numpy(), rtol=1e-9, atol=1e-9)
        assert ours.pivots.tolist() == theirs.pivots.tolist()
        assert ours.info.item() == theirs.info.item()


@pytest.mark.peer
@pytest.mark.parametrize("driver", [None, "gels", "gelsy", "gelsd", "gelss"])
@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (3, 3)])
def test_lstsq_parts_require_gradients_as_pytorchs_do(driver, shape):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=shape), rng.normal(size=(shape[0], 2))
    found = []
    for library in (sn, torch):
        x = library.tensor(a, requires_grad=True)
        parts = library.linalg.lstsq(x, library.tensor(b), driver=driver)
        found.append([(tuple(p.shape), p.requires_grad) for p in parts])
    assert found[0] == found[1]
