"""Views that share memory: diagonals, windows, adjoints, and tensors that change shape in place."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import AutogradError, DTypeError, OptionError, OutOfBoundsError, ShapeError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# -- diagonal ------------------------------------------------------------------------------------
@pytest.mark.parametrize("offset", [-9, -1, 0, 1, 2, 9])
@pytest.mark.parametrize("dims", [(0, 1), (1, 0), (2, 0), (-1, -2)])
def test_diagonal_is_numpys_and_a_view(rng, offset, dims):
    x = sn.tensor(rng.normal(size=(3, 4, 5)))
    y = sn.diagonal(x, offset, *dims)
    np.testing.assert_array_equal(y.numpy(), np.diagonal(x.numpy(), offset, *dims))
    before = x.clone()
    y.mul_(2)
    assert x.sum().item() == pytest.approx((before.sum() + y.sum() / 2).item())
    assert sn.diagonal_copy(x, offset, *dims).mul_(0).sum() == 0 and not x.equal(x * 0)


def test_a_write_into_a_diagonal_reaches_the_base_and_its_gradient():
    w = sn.ones(2, 2, dtype=sn.float64, requires_grad=True)
    v = sn.tensor([5.0, 7.0], dtype=sn.float64, requires_grad=True)
    x = w * 3
    x.diagonal().mul_(v)
    assert x.tolist() == [[15, 3], [3, 21]]
    (x * x).sum().backward()
    assert w.grad.tolist() == [[2 * 15 * 15, 18], [18, 2 * 21 * 21]]
    assert v.grad.tolist() == [2 * 15 * 3, 2 * 21 * 3]


def test_diag_embed_puts_rows_where_diagonal_reads_them(rng):
    x = sn.tensor(rng.normal(size=(2, 3)))
    for offset in (-2, 0, 1):
        y = sn.diag_embed(x, offset, 0, 2)
        assert y.shape == (3 + abs(offset), 2, 3 + abs(offset))
        assert y.diagonal(offset, 0, 2).equal(x) and y.sum().item() == pytest.approx(x.sum().item())
    assert sn.diagflat(x).equal(sn.diag(x.reshape(-1)))


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (7, 3), (3, 3, 3)])
@pytest.mark.parametrize("wrap", [False, True])
def test_fill_diagonal_is_numpys(shape, wrap):
    wanted = np.zeros(shape)
    np.fill_diagonal(wanted, 2.0, wrap)
    assert sn.zeros(*shape).fill_diagonal_(2, wrap).tolist() == wanted.tolist()


def test_fill_diagonal_stops_the_gradient_there():
    w = sn.ones(2, 2, requires_grad=True)
    (w * 2).fill_diagonal_(9).sum().backward()
    assert w.grad.tolist() == [[0, 2], [2, 0]]


@pytest.mark.parametrize(
    ("rows", "columns", "offset"), [(3, 4, 0), (4, 2, -1), (0, 3, 0), (3, 3, 5)]
)
def test_triangle_indices_are_numpys(rows, columns, offset):
    for ours, numpys in ((sn.tril_indices, np.tril_indices), (sn.triu_indices, np.triu_indices)):
        found = ours(rows, columns, offset)
        np.testing.assert_array_equal(found.numpy(), np.stack(numpys(rows, offset, columns)))
        assert found.dtype == sn.int64


# -- unfold --------------------------------------------------------------------------------------
@pytest.mark.parametrize(("size", "step"), [(1, 1), (3, 1), (3, 2), (2, 3), (7, 1), (0, 2)])
@pytest.mark.parametrize("dim", [0, -1])
def test_unfold_is_a_loop_over_windows(rng, size, step, dim):
    x = rng.normal(size=(7, 8))
    starts = range(0, x.shape[dim] - size + 1, step)
    rows = [np.moveaxis(np.take(x, range(i, i + size), dim), dim, -1) for i in starts]
    found = sn.tensor(x).unfold(dim, size, step)
    np.testing.assert_array_equal(found.numpy(), np.stack(rows, dim if dim == 0 else 1))


def test_windows_that_do_not_overlap_can_be_written_and_reach_the_base():
    w = sn.ones(7, dtype=sn.float64, requires_grad=True)
    x = w * 1
    windows = x.unfold(0, 2, 3)
    windows.mul_(sn.tensor([10.0, 100.0], dtype=sn.float64))
    assert x.tolist() == [10, 100, 1, 10, 100, 1, 1]
    x.sum().backward()
    assert w.grad.tolist() == x.tolist()


def test_a_write_to_the_base_shows_in_windows_and_their_gradient():
    w = sn.ones(4, requires_grad=True)
    x = w * 1
    windows = x.unfold(0, 2, 1)
    x.mul_(3)
    assert windows.tolist() == [[3, 3]] * 3
    windows.sum().backward()
    assert w.grad.tolist() == [3, 6, 6, 3]


def test_overlapping_windows_are_read_only():
    with pytest.raises(ShapeError, match="clone it first"):
        sn.zeros(4).unfold(0, 2, 1).add_(1)


# -- adjoint -------------------------------------------------------------------------------------
def test_the_adjoint_is_a_view_of_real_values_and_conjugates_complex_ones(rng):
    x = sn.zeros(2, 3)
    x.mH[0, 1] = 5
    assert x[1, 0] == 5 and x.H.equal(x.T) and x.adjoint().is_set_to(x.mT)
    z = rng.normal(size=(2, 2, 3)) + 1j * rng.normal(size=(2, 2, 3))
    np.testing.assert_array_equal(sn.adjoint(sn.tensor(z)).numpy(), z.conj().swapaxes(-1, -2))
    with pytest.raises(ShapeError, match="mH"):
        _ = sn.tensor(z).H


# -- as_strided ----------------------------------------------------------------------------------
def test_as_strided_is_numpys_over_the_same_memory(rng):
    x = sn.tensor(rng.normal(size=(4, 6)))
    found = x.as_strided((3, 2, 2), (2, 7, 1), 3)
    steps = tuple(8 * n for n in (2, 7, 1))
    flat = x.numpy().reshape(-1)[3:]
    np.testing.assert_array_equal(
        found.numpy(), np.lib.stride_tricks.as_strided(flat, (3, 2, 2), steps)
    )
    x.mul_(2)
    assert found[0, 0, 0] == x[0, 3]
    assert x[2:].as_strided((2,), (1,), 0).equal(x[0, :2])  # places count from the memory's start
    assert x[2:].as_strided((2,), (1,)).equal(x[2, :2])


def test_as_strided_adds_up_the_gradient_of_each_element():
    w = sn.ones(4, dtype=sn.float64, requires_grad=True)
    x = w * 1
    windows = x.as_strided((3, 2), (1, 1))
    x.mul_(3)
    assert windows.tolist() == [[3, 3]] * 3
    windows.sum().backward()
    assert w.grad.tolist() == [3, 6, 6, 3]


def test_as_strided_is_written_to_under_no_grad_only():
    x = sn.zeros(4)
    with pytest.raises(ShapeError, match="read-only"):
        x.as_strided((2,), (2,)).fill_(1)
    with sn.no_grad():
        x.as_strided((2,), (2,)).fill_(1)
    assert x.tolist() == [1, 0, 1, 0] and x._version == 1
    y = sn.as_strided_scatter(x.reshape(2, 2).t(), sn.tensor([8.0, 9.0]), (2,), (1,), 1)
    assert y.tolist() == [[1, 9], [8, 0]]


@pytest.mark.peer
@pytest.mark.parametrize("turned", [False, True])
def test_the_gradient_of_as_strided_is_pytorchs(rng, turned):
    torch = pytest.importorskip("torch")
    x, g = rng.normal(size=(3, 4)), rng.normal(size=(3, 2))
    grads = []
    for library in (sn, torch):
        w = library.tensor(x, requires_grad=True)
        part = ((w * 1).T if turned else w * 1)[1:]
        y = library.as_strided(part, (3, 2), (2, 1), 2)
        (y * y).backward(library.tensor(g))
        grads.append(w.grad.numpy())
    np.testing.assert_allclose(*grads, rtol=1e-12)


# -- copies --------------------------------------------------------------------------------------
def test_copies_have_memory_of_their_own():
    x = sn.arange(6).reshape(2, 3)
    made = [
        sn.alias_copy(x), sn.expand_copy(x, (2, 3)), sn.view_copy(x, (3, 2)), sn.t_copy(x),
        sn.permute_copy(x, (1, 0)), sn.transpose_copy(x, 0, 1), sn.squeeze_copy(x, 0),
        sn.unsqueeze_copy(x, 0), sn.narrow_copy(x, 1, 0, 2), sn.select_copy(x, 0, 0),
        sn.slice_copy(x, 1, 0, 3, 2), sn.unfold_copy(x, 1, 2, 1), sn.detach_copy(x),
        *sn.unbind_copy(x), *sn.split_copy(x, 1), *sn.split_with_sizes_copy(x, [1, 2], 1),
        sn.view_copy(x, dtype=sn.float64),
    ]  # fmt: skip
    for y in made:
        y.zero_()
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]


# -- shape changes in place ----------------------------------------------------------------------
def test_a_base_turned_in_place_keeps_its_views_right():
    w = sn.arange(6, dtype=sn.float64).reshape(2, 3).requires_grad_()
    x = w * 1
    row = x[0]
    assert x.t_() is x and x.shape == (3, 2)
    x.mul_(2)
    assert row.tolist() == [0, 2, 4]
    row.mul_(10)
    assert x[:, 0].tolist() == [0, 20, 40]
    (x.sum() + row.sum()).backward()
    assert w.grad.tolist() == [[40, 40, 40], [2, 2, 2]]


def test_a_view_turned_in_place_still_writes_through():
    w = sn.ones(2, 3, dtype=sn.float64, requires_grad=True)
    x = w * 1
    part = x[:, :2]
    part.transpose_(0, 1).unsqueeze_(0)
    part.mul_(sn.tensor([[3.0], [5.0]], dtype=sn.float64))
    assert x.tolist() == [[3, 5, 1]] * 2
    x.sum().backward()
    assert w.grad.tolist() == [[3, 5, 1]] * 2


def test_a_change_of_shape_is_recorded_even_without_recording():
    w = sn.ones(2, 3, requires_grad=True)
    y = w * 2
    with sn.no_grad():
        y.t_()
    (y * sn.arange(6.0).reshape(3, 2)).sum().backward()
    assert w.grad.tolist() == [[0, 4, 8], [2, 6, 10]]


def test_a_retained_gradient_has_the_new_shape():
    y = sn.ones(2, 3, requires_grad=True) * 2
    y.retain_grad()
    y.t_().mul(sn.arange(6.0).reshape(3, 2)).sum().backward()
    assert y.grad.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_squeezing_in_place():
    x = sn.ones(1, 2, 1)
    assert x.squeeze_(-1).shape == (1, 2) and x.squeeze_().shape == (2,)
    assert x.unsqueeze_(-1).shape == (2, 1) and x.swapaxes_(0, 1).shape == (1, 2)


@pytest.mark.parametrize("change", ["t_", "squeeze_", "resize_"])
def test_leaves_that_want_gradients_keep_their_shape(change):
    w = sn.ones(2, 3, requires_grad=True)
    with sn.no_grad(), pytest.raises(AutogradError, match=rf"{change}: a (leaf|tensor)"):
        getattr(w, change)(*((2,) if change == "resize_" else ()))
    assert w.shape == (2, 3)


def test_resize_keeps_what_fits():
    x = sn.arange(4)
    assert x.resize_(2, 1).tolist() == [[0], [1]]
    assert x.resize_as_(sn.ones(2, 3))[0, :2].tolist() == [0, 1] and x.shape == (2, 3)
    part = x[0]
    with pytest.raises(ShapeError, match="shares its memory"):
        x.resize_(9)
    with pytest.raises(ShapeError, match="shares its memory"):
        part.resize_(9)


# -- by a function, and facts --------------------------------------------------------------------
def test_functions_of_python_are_applied_to_each_element():
    x = sn.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.t().apply_(lambda v: v + 0.5).tolist() == [[1.5, 3.5], [2.5, 4.5]]
    assert x.map_(sn.tensor([10.0, 20.0]), lambda a, b: a + b).tolist()[0] == [11.5, 22.5]
    with pytest.raises(AutogradError, match="no gradient"):
        (sn.ones(1, requires_grad=True) * 1).apply_(abs)


def test_where_a_tensor_lies():
    x = sn.arange(6).reshape(2, 3)
    assert x[1].storage_offset() == 3 and x.T[1].storage_offset() == 1
    assert x.is_set_to(x[:]) and not x.is_set_to(x.clone()) and not x.is_set_to(x.T)
    assert x.get_device() == -1 and x.ndimension() == 2 and x.is_same_size(x + 1)
    assert x.where(x > 2, -1).tolist() == [[-1, -1, -1], [3, 4, 5]]


# -- several tensors, indices --------------------------------------------------------------------
def test_tensordot_is_numpys(rng):
    a, b = rng.normal(size=(3, 4, 5)), rng.normal(size=(5, 4, 2))
    for dims in (0, 1, ([1], [1]), ([2, 1], [0, 1])):
        found = sn.tensordot(sn.tensor(a), sn.tensor(b), dims)
        np.testing.assert_allclose(found.numpy(), np.tensordot(a, b, dims), atol=1e-12)


def test_index_functions_are_numpys(rng):
    x = rng.integers(0, 2, (3, 4, 2))
    t = sn.tensor(x)
    np.testing.assert_array_equal(sn.argwhere(t).numpy(), np.argwhere(x))
    found = sn.nonzero_static(t, size=30, fill_value=-7).numpy()
    assert found.shape == (30, 3) and (found[len(np.argwhere(x)) :] == -7).all()
    places = rng.integers(0, 24, (2, 5))
    for ours, numpys in zip(
        sn.unravel_index(sn.tensor(places), x.shape), np.unravel_index(places, x.shape), strict=True
    ):
        np.testing.assert_array_equal(ours.numpy(), numpys)
    np.testing.assert_array_equal(sn.fliplr(t).numpy(), np.fliplr(x))
    np.testing.assert_array_equal(sn.flipud(t).numpy(), np.flipud(x))


def test_block_diag_passes_each_block_its_gradient():
    a, b = sn.ones(1, 2, requires_grad=True), sn.tensor(3.0, requires_grad=True)
    y = sn.block_diag(a, b)
    assert y.tolist() == [[1, 1, 0], [0, 0, 3]]
    (y * sn.arange(6.0).reshape(2, 3)).sum().backward()
    assert a.grad.tolist() == [[0, 1]] and b.grad.item() == 5


def test_a_hash_is_the_exclusive_or_of_the_bits(rng):
    x = rng.normal(size=(3, 4))
    bits = np.bitwise_xor.reduce(x.view(np.uint64), axis=1)
    assert sn.hash_tensor(sn.tensor(x), 1).tolist() == bits.tolist()
    flipped = sn.hash_tensor(sn.tensor(x[::-1, ::-1].copy()))
    assert flipped.equal(sn.hash_tensor(sn.tensor(x))) and flipped.dtype == sn.uint64


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: sn.diagonal(x, 0, 1, 1), ShapeError, "dim1 1 and dim2 1"),
        (lambda x: sn.diagonal(x, 0, 0, 5), OutOfBoundsError, "dim 5"),
        (lambda x: sn.diag(x[None]), ShapeError, r"\(1, 2, 3\)"),
        (lambda x: sn.diagonal_scatter(x, x), ShapeError, r"\(2,\), src \(2, 3\)"),
        (lambda x: x.unfold(1, 4, 1), ShapeError, "size of 0 to 3"),
        (lambda x: x.as_strided((3,), (3,)), OutOfBoundsError, "element 6 of a memory of 6"),
        (lambda x: x.as_strided((3,), (1, 1)), ShapeError, "as many strides"),
        (lambda x: sn.as_strided_scatter(x[1:], x, (2, 3), (3, 1), 0), OutOfBoundsError, "reach"),
        (lambda x: sn.adjoint(x[0]), ShapeError, "2 dimensions"),
        (lambda x: x.sum_to_size(3, 3), ShapeError, r"\(3, 3\) .* \(2, 3\)"),
        (lambda x: sn.tensordot(x, x, 1), ShapeError, r"\[3\] and \[2\]"),
        (lambda x: sn.combinations(x), ShapeError, r"vector .* \(2, 3\)"),
        (lambda x: sn.cartesian_prod(x[0], x), ShapeError, r"vectors, got \(2, 3\)"),
        (lambda x: sn.unravel_index(x, (2, 3)), DTypeError, "float32"),
        (lambda x: sn.hash_tensor(x, mode=1), OptionError, "mode is 0"),
        (lambda x: sn.tril_indices(-1, 2), ShapeError, "-1 x 2"),
        (lambda x: sn.block_diag(x[None]), ShapeError, "at most 2"),
        (lambda x: x.t_().squeeze_().unsqueeze_(9), OutOfBoundsError, "unsqueeze_: dim 9"),
    ],
)
def test_refusals_name_the_rule_and_the_values(call, error, text):
    with pytest.raises(error, match=text):
        call(sn.ones(2, 3))


# -- random programs against PyTorch -------------------------------------------------------------
VIEWS = {
    "select": lambda t, r: t.select(int(r.integers(t.ndim)), 0),
    "slice": lambda t, r: t[int(r.integers(2)) :],
    "transpose": lambda t, r: t.transpose(0, -1),
    "diagonal": lambda t, r: t.diagonal(int(r.integers(-1, 2))),
    "unfold": lambda t, r: t.unfold(0, 1, 2),
    "unsqueeze": lambda t, r: t.unsqueeze(int(r.integers(t.ndim))),
    "squeeze": lambda t, r: t.squeeze(),
}
TURNS = {
    "transpose_": lambda t, r: t.transpose_(0, int(r.integers(t.ndim))),
    "unsqueeze_": lambda t, r: t.unsqueeze_(int(r.integers(t.ndim))),
    "squeeze_": lambda t, r: t.squeeze_(),
}
WRITES = {
    "mul_": lambda t, r: t.mul_(float(r.integers(1, 4))),
    "square": lambda t, r: t.mul_(t.detach().clone()),
    "zero_": lambda t, r: t.zero_(),
    "fill_": lambda t, r: t[0].fill_(0.5),
}


def run(tensor, seed, with_grad):
    """One random program of views, changes of shape and writes; its tensors and its leaf."""
    r = np.random.default_rng(seed)
    w = tensor(r.normal(size=(2, 3, 3)))
    w.requires_grad = with_grad
    family = [w * 1]
    kinds = {**VIEWS, **TURNS, **WRITES}
    for _ in range(12):
        t = family[r.integers(len(family))]
        name = sorted(kinds)[r.integers(len(kinds))]
        chance = np.random.default_rng(r.integers(1 << 30))
        if t.ndim == 0 or 0 in t.shape or (t.ndim < 2 and name == "diagonal"):
            continue
        made = kinds[name](t, chance)
        if name in VIEWS:
            family.append(made)
    return w, family


@pytest.mark.peer
@pytest.mark.parametrize("seed", range(150))
def test_random_programs_of_views_and_writes_are_pytorchs(seed):
    torch = pytest.importorskip("torch")
    w, ours = run(lambda a: sn.tensor(a), seed, True)
    v, theirs = run(lambda a: torch.tensor(a), seed, True)
    total, wanted = 0, 0
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)
        weights = np.random.default_rng(i).normal(size=tuple(b.shape))
        total = total + (a * sn.tensor(weights)).sum()
        wanted = wanted + (b * torch.tensor(weights)).sum()
    total.backward()
    wanted.backward()
    np.testing.assert_allclose(w.grad.numpy(), v.grad.numpy(), rtol=1e-10, atol=1e-12)


# -- expand --------------------------------------------------------------------------------------
def test_expand_that_repeats_nothing_can_be_written_to():
    """A buffer of positions is ``arange(n).expand(1, -1)`` in many models, and is loaded in place."""
    x = sn.arange(3)
    x.expand(1, -1).copy_(sn.tensor([[5, 6, 7]]))
    assert x.tolist() == [5, 6, 7]
    with pytest.raises(ShapeError, match="expanded"):
        x.expand(2, 3).zero_()


def test_a_write_into_such_a_view_has_its_gradient():
    w = sn.ones(3, requires_grad=True)
    y = w * 2
    y.expand(1, 3).mul_(3)
    y.sum().backward()
    assert w.grad.tolist() == [6, 6, 6]
