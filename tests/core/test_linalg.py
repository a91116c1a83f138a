"""sensorium.linalg keeps the laws of linear algebra; its errors name the operation and the matrix.

Values, first and second gradients of every op stand against independent references in
``test_ops_registry.py``; here are results that are combined from several ops.
"""

import numpy as np
import pytest

import sensorium as sn
from sensorium.autograd import gradcheck, gradgradcheck
from sensorium.errors import DTypeError, LinAlgError, OptionError, ShapeError

KINDS = ["float64", "complex128"]


def matrix(seed, *shape, kind="float64"):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    return x + 1j * rng.normal(size=shape) if kind == "complex128" else x


def leaf(x):
    return sn.tensor(x, requires_grad=True)


def h(x):
    return np.conj(np.swapaxes(x, -1, -2))


def close(a, b):
    np.testing.assert_allclose(a.numpy(), b, rtol=1e-10, atol=1e-10)


# -- products of the factors -----------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 4, 3), (0, 3, 3)])
def test_factors_multiply_to_the_matrix(shape, kind):
    x = matrix(0, *shape, kind=kind)
    A = sn.tensor(x)
    q, r = sn.linalg.qr(A)
    close(q @ r, x)
    close(r.tril(-1), 0 * r.numpy())
    close(q.mT.conj() @ q, np.broadcast_to(np.eye(q.shape[-1]), (*shape[:-2], *2 * q.shape[-1:])))
    p, low, up = sn.linalg.lu(A)
    close(p @ low @ up, x)
    for full in (False, True):
        u, s, vh = sn.linalg.svd(A, full_matrices=full)
        k = s.shape[-1]
        close(u[..., :k] * s[..., None, :] @ vh[..., :k, :], x)
    close(sn.linalg.svdvals(A), s.numpy())
    q, r = sn.linalg.qr(A, "complete")
    assert q.shape[-1] == shape[-2]
    close(q @ r, x)


@pytest.mark.parametrize("kind", KINDS)
def test_spectra_rebuild_the_matrix(kind):
    x = matrix(1, 2, 4, 4, kind=kind)
    values, vectors = sn.linalg.eig(sn.tensor(x))
    close(vectors * values[..., None, :] @ sn.linalg.inv(vectors), x)
    hermitian = x + h(x)
    for uplo, part in (("L", np.tril), ("U", np.triu)):
        values, vectors = sn.linalg.eigh(sn.tensor(part(hermitian)), uplo)
        close(vectors * values[..., None, :] @ vectors.mT.conj(), hermitian)
        close(sn.linalg.eigvalsh(sn.tensor(part(hermitian)), uplo), values.numpy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 31, 80])
def test_triangles_are_solved_in_blocks(n, kind):
    t = np.tril(matrix(2, n, n, kind=kind)) / n + np.eye(n)
    x = matrix(3, n, 2, kind=kind)
    solve = sn.linalg.solve_triangular
    close(solve(sn.tensor(t), sn.tensor(t @ x), upper=False), x)
    close(solve(sn.tensor(t.T), sn.tensor(t.T @ x), upper=True), x)
    close(solve(sn.tensor(t), sn.tensor(x.T @ t), upper=False, left=False), x.T)
    unit = np.tril(t, -1) + np.eye(n)
    close(solve(sn.tensor(t), sn.tensor(unit @ x), upper=False, unitriangular=True), x)


@pytest.mark.parametrize("kind", KINDS)
def test_lu_solve_in_all_directions(kind):
    a, b = matrix(4, 2, 5, 5, kind=kind), matrix(5, 2, 5, 5, kind=kind)
    for adjoint, op in ((False, a), (True, h(a))):
        factors = sn.linalg.lu_factor(sn.tensor(a))
        x = sn.linalg.lu_solve(*factors, sn.tensor(b), adjoint=adjoint)
        close(sn.tensor(op) @ x, b)
        x = sn.linalg.lu_solve(*factors, sn.tensor(b), adjoint=adjoint, left=False)
        close(x @ sn.tensor(op), b)


def test_pseudoinverse_has_penrose_s_four_properties():
    x = matrix(6, 5, 2) @ matrix(7, 2, 4)
    p = sn.linalg.pinv(sn.tensor(x)).numpy()
    for a, b in ((x @ p @ x, x), (p @ x @ p, p), ((x @ p).T, x @ p), ((p @ x).T, p @ x)):
        np.testing.assert_allclose(a, b, atol=1e-10)
    assert sn.linalg.matrix_rank(sn.tensor(x)).item() == 2


def test_exponential_of_a_sum_that_commutes_is_a_product():
    x = sn.tensor(matrix(8, 3, 3))
    close(sn.linalg.matrix_exp(x) @ sn.linalg.matrix_exp(-2 * x), sn.linalg.matrix_exp(-x).numpy())
    turn = sn.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=sn.float64) * 2.5
    close(sn.linalg.matrix_exp(turn)[0], [np.cos(2.5), -np.sin(2.5)])


def test_powers_chains_and_tensor_equations():
    x = matrix(9, 3, 3) + 2 * np.eye(3)
    A = sn.tensor(x)
    for n in (0, 1, 2, 7):
        close(sn.linalg.matrix_power(A, n), np.linalg.matrix_power(x, n))
    close(sn.linalg.matrix_power(A, -2) @ A @ A, np.eye(3))
    chain = [matrix(i, *s) for i, s in enumerate([(2, 9), (9, 3), (3, 8), (8, 4)])]
    close(
        sn.linalg.multi_dot(list(map(sn.tensor, chain))), chain[0] @ chain[1] @ chain[2] @ chain[3]
    )
    t = matrix(10, 2, 3, 6)
    solved = sn.linalg.tensorsolve(sn.tensor(t), sn.tensor(matrix(11, 2, 3)))
    np.testing.assert_allclose(np.tensordot(t, solved.numpy(), 1), matrix(11, 2, 3), atol=1e-10)
    inverse = sn.linalg.tensorinv(sn.tensor(t), 2).numpy()
    np.testing.assert_allclose(np.tensordot(inverse, t, 2), np.eye(6), atol=1e-10)


def test_norms_of_a_known_matrix():
    a = sn.tensor([[1.0, -2.0], [3.0, 4.0]], dtype=sn.float64)
    for ord, wanted in {"fro": 30**0.5, 1: 6, -1: 4, float("inf"): 7, -float("inf"): 3}.items():
        assert sn.linalg.matrix_norm(a, ord).item() == pytest.approx(wanted)
    s = np.linalg.svd(a.numpy())[1]
    for ord, wanted in {"nuc": s.sum(), 2: s[0], -2: s[1]}.items():
        assert sn.linalg.norm(a, ord).item() == pytest.approx(wanted)
    for ord, wanted in {
        0: 4,
        1: 10,
        3: 100 ** (1 / 3),
        -1: 1 / (1 + 1 / 2 + 1 / 3 + 1 / 4),
    }.items():
        assert sn.linalg.vector_norm(a, ord).item() == pytest.approx(wanted)
    assert sn.linalg.cond(a).item() == pytest.approx(s[0] / s[1])
    assert sn.linalg.cond(sn.zeros(2, 2), 1).item() == float("inf")


# -- gradients -------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_hermitian_functions(kind):
    A = leaf(matrix(12, 3, 3, kind=kind))

    def check(function):
        assert gradcheck(function, A)
        assert gradgradcheck(function, A)

    check(lambda a: sn.linalg.cholesky(a @ a.mT.conj()))
    check(lambda a: sn.linalg.eigvalsh(a + a.mT.conj()))
    check(lambda a: sn.linalg.eigh(a + a.mT.conj())[1].abs())


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_that_do_not_see_phases(kind):
    A = leaf(matrix(13, 4, 3, kind=kind))
    assert gradcheck(lambda a: sn.linalg.svd(a, False)[0].abs(), A)
    assert gradgradcheck(lambda a: sn.linalg.svd(a, False)[2].abs(), A)
    B = leaf(matrix(14, 3, 3, kind=kind))
    assert gradcheck(lambda a: sn.linalg.eig(a)[1].abs(), B)
    assert gradgradcheck(lambda a: sn.linalg.eig(a)[0].abs(), B)


def test_gradient_of_det_at_singular_matrices_is_the_cofactors():
    A = leaf(np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]]))
    assert gradcheck(sn.linalg.det, A)
    zero = leaf(np.zeros((2, 2)))
    sn.linalg.det(zero).backward()
    assert zero.grad.abs().max().item() == 0


def test_gradients_of_wide_qr_lstsq_and_pinv():
    A, B = leaf(matrix(15, 2, 4)), leaf(matrix(16, 4, 2))
    assert gradcheck(lambda a: sn.linalg.qr(a)[1], A)
    right = sn.tensor(matrix(17, 4, 2))
    assert gradgradcheck(lambda b: sn.linalg.lstsq(b, right)[0], B)
    assert gradgradcheck(sn.linalg.pinv, A)


# -- errors ----------------------------------------------------------------------------------------
def test_singular_matrices_are_named():
    x = np.stack([np.eye(2), np.ones((2, 2))])
    for call in (sn.linalg.inv, lambda a: sn.linalg.solve(a, sn.ones(2, 2, dtype=sn.float64))):
        with pytest.raises(LinAlgError, match=r"matrix \(1,\) of the batch is singular"):
            call(sn.tensor(x))
    with pytest.raises(LinAlgError, match=r"cholesky: matrix \(0,\).*order 2"):
        sn.linalg.cholesky(sn.tensor(x[1:]))
    inverse, info = sn.linalg.inv_ex(sn.tensor(x))
    assert info.tolist() == [0, 2] and inverse[0].tolist() == [[1, 0], [0, 1]]
    assert inverse[1].isnan().all()
    factor, info = sn.linalg.cholesky_ex(sn.tensor(x))
    assert info.tolist() == [0, 2] and factor[0].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: sn.linalg.inv(sn.ones(2, 3)), ShapeError, "linalg.inv: .*2 by 3"),
        (lambda: sn.linalg.det(sn.ones(2)), ShapeError, "linalg.det: .*2 dimensions"),
        (lambda: sn.linalg.qr(sn.ones(2, 2).half()), DTypeError, "linalg.qr: float16"),
        (lambda: sn.linalg.eigh(sn.ones(2, 2).long()), DTypeError, "linalg.eigh: .*int64"),
        (lambda: sn.linalg.qr(sn.ones(2, 2), "all"), OptionError, "linalg.qr: mode .*'all'"),
        (lambda: sn.linalg.eigh(sn.eye(2), "X"), OptionError, "UPLO .*'X'"),
        (lambda: sn.linalg.solve(sn.eye(2), sn.ones(3, 1)), ShapeError, r"\(2, 2\).*\(3, 1\)"),
        (
            lambda: sn.linalg.solve(sn.eye(2), sn.ones(2).double()),
            DTypeError,
            "float32 and float64",
        ),
        (lambda: sn.linalg.cross(sn.ones(2), sn.ones(2)), ShapeError, "3 elements"),
        (lambda: sn.linalg.multi_dot([sn.eye(2)]), ShapeError, "at least 2"),
        (lambda: sn.linalg.matrix_norm(sn.eye(2), 3), OptionError, "ord .*3"),
        (lambda: sn.linalg.lu(sn.eye(2), pivot=False), OptionError, "pivot"),
    ],
)
def test_errors_name_the_operation_and_what_was_given(call, error, text):
    with pytest.raises(error, match=text):
        call()
