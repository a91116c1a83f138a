"""sensorium.linalg against torch.linalg: values, types, shapes, gradients, and which errors arise."""

import inspect

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import SensoriumError

pytestmark = pytest.mark.peer
torch = pytest.importorskip("torch")


def matrix(seed, *shape, kind="float64"):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    return x + 1j * rng.normal(size=shape) if kind == "complex128" else x.astype(kind)


def square(kind, *batch, n=4):
    return matrix(1, *batch, n, n, kind=kind) + 3 * np.eye(n)


def definite(x):
    return x @ x.conj().swapaxes(-1, -2) + np.eye(x.shape[-1])


def through_cholesky(la, x):
    return la.cholesky(x @ x.mT.conj() + 1)


CASES = {
    "det": lambda la, x: la.det(x),
    "slogdet": lambda la, x: la.slogdet(x),
    "inv": lambda la, x: la.inv(x),
    "inv_ex": lambda la, x: la.inv_ex(x)[0],
    "solve": lambda la, x: la.solve(x, x[..., :2] ** 2),
    "solve_right": lambda la, x: la.solve(x, x[..., :2, :] ** 2, left=False),
    "solve_vector": lambda la, x: la.solve(x, x[..., 0] ** 2),
    "solve_triangular": lambda la, x: la.solve_triangular(x, x[..., :3] ** 2, upper=True),
    "solve_triangular_right": lambda la, x: la.solve_triangular(
        x, x[..., :3, :] ** 2, upper=False, left=False, unitriangular=True
    ),
    "cholesky": lambda la, x: la.cholesky(x @ x.mT.conj()),
    "cholesky_upper": lambda la, x: la.cholesky(x @ x.mT.conj(), upper=True),
    "qr": lambda la, x: la.qr(x),
    "qr_wide": lambda la, x: la.qr(x[..., :3, :]),
    "qr_tall": lambda la, x: la.qr(x[..., :3]),
    "svdvals": lambda la, x: la.svdvals(x[..., :3]),
    "svd": lambda la, x: abs_each(la.svd(x[..., :3], full_matrices=False)),
    "svd_wide": lambda la, x: abs_each(la.svd(x[..., :2, :], full_matrices=False)),
    "eigh": lambda la, x: abs_each(la.eigh(x + x.mT.conj())),
    "eigh_one_triangle": lambda la, x: abs_each(la.eigh(x)),
    "eigh_upper": lambda la, x: abs_each(la.eigh(x, "U")),
    "eigvalsh": lambda la, x: la.eigvalsh(x),
    "eig": lambda la, x: abs_each(la.eig(x)),
    "eigvals": lambda la, x: la.eigvals(x).abs(),
    "pinv": lambda la, x: la.pinv(x[..., :3]),
    "pinv_wide": lambda la, x: la.pinv(x[..., :2, :]),
    "pinv_hermitian": lambda la, x: la.pinv(x + x.mT.conj(), hermitian=True),
    "lstsq": lambda la, x: la.lstsq(x[..., :3], x[..., 2:])[0],
    "matrix_exp": lambda la, x: la.matrix_exp(x),
    "matrix_power": lambda la, x: la.matrix_power(x, 5),
    "matrix_power_minus": lambda la, x: la.matrix_power(x, -3),
    "lu": lambda la, x: la.lu(x)[1:],
    "lu_tall": lambda la, x: la.lu(x[..., :3])[1:],
    "lu_wide": lambda la, x: la.lu(x[..., :2, :])[1:],
    "lu_factor": lambda la, x: la.lu_factor(x)[0],
    "lu_solve": lambda la, x: la.lu_solve(*la.lu_factor(x), x[..., :2] ** 2),
    "lu_solve_right": lambda la, x: la.lu_solve(*la.lu_factor(x), x[..., :2, :] ** 2, left=False),
    "lu_solve_adjoint": lambda la, x: la.lu_solve(*la.lu_factor(x), x[..., :2] ** 2, adjoint=True),
    "lu_solve_right_adjoint": lambda la, x: la.lu_solve(
        *la.lu_factor(x), x[..., :2, :] ** 2, left=False, adjoint=True
    ),
    "cond": lambda la, x: la.cond(x),
    "cond_1": lambda la, x: la.cond(x.detach(), 1),  # PyTorch's own backward fails here
    "cond_fro": lambda la, x: la.cond(x.detach(), "fro"),
    "norm": lambda la, x: la.norm(x),
    "norm_columns": lambda la, x: la.norm(x, 3, dim=-1, keepdim=True),
    "vector_norm_0": lambda la, x: la.vector_norm(x.detach(), 0),
    "vector_norm_inf": lambda la, x: la.vector_norm(x, float("inf"), dim=-2),
    "vector_norm_least": lambda la, x: la.vector_norm(x, -float("inf"), dim=-2),
    "vector_norm_half": lambda la, x: la.vector_norm(x, 0.5, dim=-1),
    "vector_norm_minus": lambda la, x: la.vector_norm(x, -2.5, dim=-1),
    **{
        f"matrix_norm_{p}": lambda la, x, p=p: la.matrix_norm(x, p, keepdim=True)
        for p in ("fro", "nuc", 1, -1, 2, -2, float("inf"), -float("inf"))
    },
    "cross": lambda la, x: la.cross(x[..., :3], x[..., 1:4]),
    "vecdot": lambda la, x: la.vecdot(x, x[..., 0:1, :] * 2),
    "multi_dot": lambda la, x: la.multi_dot([last(x)[0], last(x), last(x)[:, :2], last(x)[:2, 0]]),
    "diagonal": lambda la, x: la.diagonal(x, offset=-1),
    "vander": lambda la, x: la.vander(x[..., 0], N=3),
    "tensorinv": lambda la, x: la.tensorinv(last(x).reshape(2, 2, 4), 2),
    "tensorsolve": lambda la, x: la.tensorsolve(last(x).reshape(2, 2, 2, 2), last(x)[:2, :2]),
    "householder_product": lambda la, x: la.householder_product(x, x[..., 0, :3]),
}


def last(x):
    return x if x.ndim == 2 else x[0]


def abs_each(values):
    """Moduli, which the free phase of vectors does not change."""
    return [v.abs() if v.dtype.kind == "c" or v.ndim > 1 else v for v in values] if hasattr(
        values[0].dtype, "kind"
    ) else [v.abs() if v.is_complex() or v.ndim > 1 else v for v in values]  # fmt: skip


def listed(y):
    return [y] if hasattr(y, "dtype") else list(y)


def run(library, la, function, x):
    """The results, and the gradient of a weighted sum of them."""
    leaf = (
        library.tensor(x, requires_grad=True)
        if library is sn
        else library.tensor(x).requires_grad_()
    )
    results = listed(function(la, leaf))
    total = 0
    for k, y in enumerate(results):
        if y.requires_grad:
            weights = np.cos(np.arange(np.prod(y.shape, dtype=int)) + k).reshape(tuple(y.shape))
            total = (
                total
                + (library.tensor(weights) * (y.abs() if "complex" in str(y.dtype) else y)).sum()
            )
    gradient = None
    if not isinstance(total, int):
        total.backward()
        gradient = leaf.grad.numpy()
    if library is torch:
        results = [y.resolve_conj() for y in results]
    return [y.detach().numpy() for y in results], gradient


@pytest.mark.parametrize("batch", [(), (2,)], ids=["one", "batch"])
@pytest.mark.parametrize("kind", ["float64", "complex128"])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_pytorch_s(name, kind, batch):
    x = square(kind, *batch)
    found, slope = run(sn, sn.linalg, CASES[name], x)
    wanted, other = run(torch, torch.linalg, CASES[name], x)
    assert [(y.shape, y.dtype) for y in found] == [(y.shape, y.dtype) for y in wanted]
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    assert (slope is None) == (other is None)
    if slope is not None:
        np.testing.assert_allclose(slope, other, rtol=1e-8, atol=1e-8 * np.abs(other).max() + 1e-12)


@pytest.mark.parametrize("name", sn.linalg.__all__)
def test_arguments_are_pytorch_s(name):
    theirs = getattr(torch.linalg, name)
    ours = inspect.signature(getattr(sn.linalg, name)) if name != "LinAlgError" else None
    text = (theirs.__doc__ or "").strip().splitlines()[0].split("->")[0]
    if ours is None or "(" not in text or "..." in text:
        return
    given = (
        text[text.index("(") + 1 : text.rindex(")")]
        .replace("bool ", "")
        .replace("(-2, -1)", "")
        .split(",")
    )
    wanted = [a.strip().split("=")[0] for a in given if a.strip() and a.strip() != "*"]
    older = {"pinv": "rcond", "matrix_rank": "tol"}  # of before ``atol`` and ``rtol``, positional
    if name in older:
        wanted = [wanted[0], older[name], "hermitian", *(w for w in wanted[1:] if w != "hermitian")]
    assert [p for p in ours.parameters if p != "out"] == [w for w in wanted if w != "out"]
    assert "out" in ours.parameters or "out" not in wanted


@pytest.mark.parametrize("kind", ["float16", "int64", "bool"])
@pytest.mark.parametrize("name", ["det", "inv", "cholesky", "qr", "svd", "eigh", "eig"])
def test_what_pytorch_refuses_is_refused(name, kind):
    with pytest.raises(RuntimeError):
        getattr(torch.linalg, name)(torch.ones(2, 2, dtype=getattr(torch, kind)))
    with pytest.raises(SensoriumError):
        getattr(sn.linalg, name)(sn.ones(2, 2, dtype=getattr(sn, kind)))


@pytest.mark.parametrize("name", ["inv", "cholesky"])
def test_failing_matrices_are_marked_alike(name):
    x = np.stack([np.eye(3), np.diag([1.0, 0, 2]), np.diag([1.0, 1, -1 if name[0] == "c" else 0])])
    found = getattr(sn.linalg, f"{name}_ex")(sn.tensor(x)).info
    wanted = getattr(torch.linalg, f"{name}_ex")(torch.tensor(x)).info
    assert found.dtype == sn.int32 and found.tolist() == wanted.tolist()
    with pytest.raises(sn.linalg.LinAlgError):
        getattr(sn.linalg, name)(sn.tensor(x))


def test_rank_and_lstsq():
    x = matrix(2, 5, 3) @ matrix(3, 3, 4)
    for options in ({}, {"atol": 1.0}, {"rtol": 0.5}, {"atol": 0.5, "rtol": 0.1}):
        found = sn.linalg.matrix_rank(sn.tensor(x), **options)
        wanted = torch.linalg.matrix_rank(torch.tensor(x), **options)
        assert found.item() == wanted.item() and found.dtype == sn.int64
        ours, theirs = (la.pinv(t, **options).numpy()
                        for la, t in ((sn.linalg, sn.tensor(x)), (torch.linalg, torch.tensor(x))))  # fmt: skip
        np.testing.assert_allclose(ours, theirs, atol=1e-10)
    a, b = matrix(4, 6, 3), matrix(5, 6, 2)
    for driver in (None, "gels", "gelsy", "gelsd", "gelss"):
        found = sn.linalg.lstsq(sn.tensor(a), sn.tensor(b), driver=driver)
        wanted = torch.linalg.lstsq(torch.tensor(a), torch.tensor(b), driver=driver)
        for ours, theirs in zip(found, wanted, strict=True):
            assert tuple(ours.shape) == tuple(theirs.shape)
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-10)


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's deprecations
def test_older_names():
    x, b = square("float64"), matrix(6, 4, 2)
    low = np.linalg.cholesky(definite(x))
    for call in (
        lambda t, v: t.inverse(v),
        lambda t, v: t.logdet(v),
        lambda t, v: t.pinverse(v),
        lambda t, v: t.svd(v[:, :3]).S,
        lambda t, v: t.svd(v[:, :3], compute_uv=False).V,
        lambda t, v: t.qr(v[:, :3], some=False).R,
        lambda t, v: t.trace(v),
        lambda t, v: t.cross(v[:3], v[1:]),
        lambda t, v: t.chain_matmul(v, v, v),
        lambda t, v: t.vdot(v[0], v[1]),
        lambda t, v: t.lu_unpack(*t.linalg.lu_factor(v)).L,
        lambda t, v: t.cholesky_solve(t.tensor(b), t.tensor(low)),
        lambda t, v: t.cholesky_inverse(t.tensor(low)),
        lambda t, v: v.det() + v.slogdet().logabsdet + v.trace() + v.matrix_power(2).sum(),
    ):
        ours, theirs = call(sn, sn.tensor(x)), call(torch, torch.tensor(x))
        assert tuple(ours.shape) == tuple(theirs.shape)
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-9)
