"""Writing at indices: against slow loops, values and gradients, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, OutOfBoundsError, ShapeError

REDUCTIONS = ["sum", "prod", "mean", "amax", "amin"]


# -- the slow way --------------------------------------------------------------------------------
def combined(values: list[float], reduce: str) -> tuple[float, list[float]]:
    """The value of a cell and its derivative by each of the values in it."""
    n = len(values)
    if reduce == "sum":
        return math.fsum(values), [1.0] * n
    if reduce == "mean":
        return math.fsum(values) / n, [1.0 / n] * n
    if reduce == "prod":
        return math.prod(values), [math.prod(values[:i] + values[i + 1 :]) for i in range(n)]
    best = max(values) if reduce == "amax" else min(values)
    ties = sum(v == best for v in values)
    return best, [1.0 / ties if v == best else 0.0 for v in values]


def slow_reduce(x, cells, src, reduce, include_self, g):
    """Flat input and src with a cell for every value: result, gradients by input and by src."""
    y, gx, gs = x.copy(), g.copy(), np.zeros_like(src)
    for cell in range(len(x)):
        members = [k for k, c in enumerate(cells) if c == cell]
        if not members:
            continue
        own = [x[cell]] if include_self else []
        y[cell], slopes = combined(own + [src[k] for k in members], reduce)
        gx[cell] = g[cell] * slopes[0] if include_self else 0.0
        gs[members] = g[cell] * np.array(slopes[len(own) :])
    return y, gx, gs


def flat_cells(shape, index, dim):
    """The place in the flattened input that index[i, j, ...] names along dim."""
    cells = [
        np.ravel_multi_index((*place[:dim], index[place], *place[dim + 1 :]), shape)
        for place in np.ndindex(*index.shape)
    ]
    return np.array(cells, int)


def leaves(*arrays):
    return [sn.tensor(a, requires_grad=True) for a in arrays]


@st.composite
def places(draw, whole_slices=False):
    """(seed, shape, dim, index, shape of src): small, with repeats, zeros and ties."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    dim = draw(st.integers(0, len(shape) - 1))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(0, 6))
    if whole_slices:
        index = rng.integers(0, shape[dim], count)
        return rng, shape, dim, index, (*shape[:dim], count, *shape[dim + 1 :])
    sizes = [count if d == dim else draw(st.integers(0, n)) for d, n in enumerate(shape)]
    return rng, shape, dim, rng.integers(0, shape[dim], sizes), tuple(n + 1 for n in sizes)


def small_numbers(rng, shape):
    return rng.integers(-2, 4, shape).astype(float)


# -- reductions ----------------------------------------------------------------------------------
@given(places(), st.sampled_from(REDUCTIONS), st.booleans())
def test_scatter_reduce_is_a_slow_loop_with_its_gradients(case, reduce, include_self):
    rng, shape, dim, index, src_shape = case
    x, src, g = (small_numbers(rng, s) for s in (shape, src_shape, shape))
    used = tuple(slice(0, n) for n in index.shape)
    y, gx, gs = slow_reduce(
        x.ravel(), flat_cells(shape, index, dim), src[used].ravel(), reduce, include_self, g.ravel()
    )
    a, b = leaves(x, src)
    found = sn.scatter_reduce(a, dim, sn.tensor(index), b, reduce, include_self=include_self)
    np.testing.assert_allclose(found.detach().numpy(), y.reshape(shape), atol=1e-12)
    found.backward(sn.tensor(g))
    whole = np.zeros(src_shape)
    whole[used] = gs.reshape(index.shape)
    np.testing.assert_allclose(a.grad.numpy(), gx.reshape(shape), atol=1e-12)
    np.testing.assert_allclose(b.grad.numpy(), whole, atol=1e-12)


@given(places(whole_slices=True), st.sampled_from(REDUCTIONS[1:]), st.booleans())
def test_index_reduce_is_a_slow_loop_with_its_gradients(case, reduce, include_self):
    rng, shape, dim, index, src_shape = case
    x, src, g = (small_numbers(rng, s) for s in (shape, src_shape, shape))
    spread = index.reshape([-1 if d == dim else 1 for d in range(len(shape))])
    cells = flat_cells(shape, np.broadcast_to(spread, src_shape), dim)
    y, gx, gs = slow_reduce(x.ravel(), cells, src.ravel(), reduce, include_self, g.ravel())
    a, b = leaves(x, src)
    found = sn.index_reduce(a, dim, sn.tensor(index), b, reduce, include_self=include_self)
    np.testing.assert_allclose(found.detach().numpy(), y.reshape(shape), atol=1e-12)
    found.backward(sn.tensor(g))
    np.testing.assert_allclose(a.grad.numpy(), gx.reshape(shape), atol=1e-12)
    np.testing.assert_allclose(b.grad.numpy(), gs.reshape(src_shape), atol=1e-12)


@given(places(), st.sampled_from([None, "add", "multiply"]))
def test_scatter_is_a_slow_loop_with_its_gradients(case, reduce):
    rng, shape, dim, index, src_shape = case
    x, src, g = (small_numbers(rng, s) for s in (shape, src_shape, shape))
    cells, used = flat_cells(shape, index, dim), tuple(slice(0, n) for n in index.shape)
    a, b = leaves(x, src)
    found = sn.scatter(a, dim, sn.tensor(index), b, reduce=reduce)
    if reduce is None:  # the last of repeated ones stays
        y, values = x.ravel().copy(), src[used].ravel()
        for cell, value in zip(cells, values):
            y[cell] = value
        np.testing.assert_array_equal(found.detach().numpy(), y.reshape(shape))
        gx = np.where(np.isin(np.arange(x.size), cells), 0.0, g.ravel())
    else:
        name = {"add": "sum", "multiply": "prod"}[reduce]
        y, gx, _ = slow_reduce(x.ravel(), cells, src[used].ravel(), name, True, g.ravel())
        np.testing.assert_allclose(found.detach().numpy(), y.reshape(shape), atol=1e-12)
    found.backward(sn.tensor(g))
    np.testing.assert_allclose(a.grad.numpy(), gx.reshape(shape), atol=1e-12)


def test_products_have_second_derivatives_where_two_values_are_zero():
    """d2(a b c) / da db = c, also at a = b = 0: PyTorch refuses this one."""
    src = sn.tensor([0.0, 0.0, 5.0], dtype=sn.float64, requires_grad=True)
    x, index = sn.ones(1, dtype=sn.float64), sn.tensor([0, 0, 0])
    (first,) = sn.autograd.grad(
        sn.scatter_reduce(x, 0, index, src, "prod").sum(), src, create_graph=True
    )
    assert first.tolist() == [0.0, 0.0, 0.0]
    (second,) = sn.autograd.grad(first[0], src)
    assert second.tolist() == [0.0, 5.0, 0.0]


def test_integer_means_round_down():
    x, index, src = sn.tensor([0, 7]), sn.tensor([0, 0]), sn.tensor([-3, -4])
    found = sn.scatter_reduce(x, 0, index, src, "mean")
    assert found.tolist() == [-3, 7] and found.dtype == sn.int64


@pytest.mark.parametrize("reduce", REDUCTIONS)
@pytest.mark.parametrize("dtype", [sn.int32, sn.float32, sn.float16, sn.bfloat16])
def test_reductions_keep_the_type(reduce, dtype):
    x, src = sn.ones(2).to(dtype), sn.tensor([3.0, 4.0]).to(dtype)
    assert sn.scatter_reduce(x, 0, sn.tensor([0, 0]), src, reduce).dtype == dtype


# -- writes --------------------------------------------------------------------------------------
def test_index_fill_counts_a_repeated_slice_once():
    x = sn.zeros(2, 3, dtype=sn.float64, requires_grad=True)
    value = sn.tensor(5.0, dtype=sn.float64, requires_grad=True)
    y = sn.index_fill(x, 1, sn.tensor([0, 0, -1]), value)
    assert y.tolist() == [[5, 0, 5], [5, 0, 5]]
    y.sum().backward()
    assert value.grad.item() == 4 and x.grad.tolist() == [[0, 1, 0], [0, 1, 0]]


def test_masked_scatter_takes_the_first_values_in_order():
    mask = sn.tensor([[True, False], [True, True]])
    source = sn.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    x = sn.zeros(2, 2)
    y = sn.masked_scatter(x, mask, source)
    assert y.tolist() == [[1, 0], [2, 3]]
    y.sum().backward()
    assert source.grad.tolist() == [1, 1, 1, 0]
    assert x.masked_scatter_(mask, source.detach()) is x and x.tolist() == y.tolist()


def test_put_takes_places_from_both_ends_and_adds_up():
    x, places = sn.zeros(2, 2), sn.tensor([-1, 3, 0])
    assert sn.put(x, places, sn.tensor([1.0, 2.0, 5.0]), True).tolist() == [[5, 0], [0, 3]]
    assert x.put_(sn.tensor([1]), sn.tensor([9.0])).tolist() == [[0, 9], [0, 0]]


def test_parts_are_replaced_where_the_view_reads_them():
    rng = np.random.default_rng(0)
    x = sn.tensor(rng.normal(size=(3, 4, 4)))
    pairs = [
        (lambda t: t.select(1, 2), lambda t, s: sn.select_scatter(t, s, 1, 2)),
        (lambda t: t[:, 1:4:2], lambda t, s: sn.slice_scatter(t, s, 1, 1, 4, 2)),
        (lambda t: t.diagonal(1, 1, 2), lambda t, s: sn.diagonal_scatter(t, s, 1, 1, 2)),
    ]
    for read, replace in pairs:
        src = sn.tensor(rng.normal(size=tuple(read(x).shape)))
        wanted = x.clone()
        read(wanted).copy_(src)
        assert replace(x, src).equal(wanted) and not replace(x, src).equal(x)


def test_fill_ends_the_gradient_but_not_the_graph():
    x = sn.ones(2, requires_grad=True)
    y = (x * 2).fill_(3.0)
    assert y.requires_grad
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]
    value = sn.tensor(2.0, requires_grad=True)
    sn.fill(x, value).sum().backward()
    assert value.grad.item() == 2.0


# -- single values and empty indices -------------------------------------------------------------
def test_a_single_value_is_a_vector_of_one_for_an_index():
    x, at = sn.tensor(3.0), sn.tensor(0)
    assert sn.gather(x, 0, at).shape == () and sn.gather(x, 0, sn.tensor([0])).shape == (1,)
    assert sn.index_select(x, 0, sn.tensor([0])).shape == ()
    assert sn.scatter(x, 0, at, 5.0).item() == 5 and sn.scatter(x, 0, at, 5.0).shape == ()
    assert sn.scatter_add(x, 0, at, sn.tensor(1.0)).item() == 4
    assert sn.index_add(x, 0, sn.tensor([0]), sn.tensor(2.0), alpha=2).item() == 7
    assert sn.nonzero(x).shape == (1, 0) and sn.nonzero(x * 0).shape == (0, 0)
    assert sn.nonzero(x, as_tuple=True)[0].tolist() == [0]
    assert sn.masked_select(x, sn.tensor(True)).tolist() == [3]
    assert x[sn.tensor(False)].shape == (0,)


def test_an_empty_index_takes_nothing_and_writes_nothing():
    x, none = sn.arange(6).reshape(2, 3), sn.zeros(0, 5, dtype=sn.uint8)
    assert sn.gather(x, 0, none).shape == (0, 5)
    assert sn.scatter(x, 0, sn.zeros(0, 3, dtype=sn.int64), x).equal(x)
    assert sn.index_add(x, 1, sn.zeros(0, dtype=sn.int64), x[:, :0]).equal(x)


# -- what is refused -----------------------------------------------------------------------------
X, I = sn.zeros(2, 3), sn.tensor([0, 1])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: sn.scatter(X, 0, I, sn.zeros(2, 3)), ShapeError, r"scatter: .*\(2,\).*\(2, 3\)"),
        (lambda: sn.scatter(X, 0, I[None], X.double()), DTypeError, "float64 but input float32"),
        (lambda: sn.scatter(X, 0, I[None], X, reduce="max"), OptionError, "'max'"),
        (lambda: sn.scatter(X, 0, I[None]), OptionError, "src or value"),
        (lambda: sn.scatter(X, 0, I[None], 1j), DTypeError, "complex"),
        (lambda: sn.scatter_reduce(X, 0, I[None], X, "max"), OptionError, "'max'"),
        (lambda: sn.scatter_reduce(X, 0, I[None] + 1, X, "sum"), OutOfBoundsError, "index 2"),
        (lambda: sn.index_reduce(X, 0, I, X, "sum"), OptionError, "'sum'"),
        (lambda: sn.index_add(X, 0, I, sn.zeros(2)), ShapeError, r"shape \(2, 3\), got \(2,\)"),
        (lambda: sn.index_add(X, 0, I, X.long()), DTypeError, "int64 but input float32"),
        (lambda: sn.index_copy(X, 0, I - 1, X), OutOfBoundsError, "index -1"),
        (lambda: sn.index_select(X, 0, I * 1.0), DTypeError, "integer"),
        (lambda: sn.index_fill(X, 0, I, sn.zeros(1)), ShapeError, r"shape \(1,\)"),
        (lambda: sn.index_fill(X, 0, sn.tensor([-3]), 0), OutOfBoundsError, "index -1|index -3"),
        (lambda: sn.masked_fill(X, X == 0, sn.zeros(1)), ShapeError, r"shape \(1,\)"),
        (lambda: sn.masked_fill(X.long(), X == 0, math.nan), DTypeError, "nan .* int64"),
        (lambda: sn.masked_scatter(X, X == 0, sn.zeros(5)), ShapeError, "6 values .* 5"),
        (lambda: sn.put(X, sn.tensor([6]), sn.ones(1)), OutOfBoundsError, "place 6 .* 6 elements"),
        (lambda: sn.select_scatter(X, X, 0, 0), ShapeError, r"\(3,\), src \(2, 3\)"),
        (lambda: sn.slice_scatter(X, X, 1, 0, 2), ShapeError, r"\(2, 2\), src \(2, 3\)"),
        (lambda: sn.narrow(X, 0, sn.tensor(True), 1), DTypeError, "bool"),
        (lambda: sn.repeat_interleave(I, I, output_size=9), ShapeError, "1, not to .* 9"),
        (lambda: sn.repeat_interleave(X, sn.tensor([1, 2, 3]), 0), ShapeError, "2 slices"),
    ],
)
def test_refusals_name_the_rule_and_the_values(call, error, text):
    with pytest.raises(error, match=text):
        call()


# -- PyTorch beyond its operator database --------------------------------------------------------
@pytest.mark.peer
@pytest.mark.parametrize("reduce", REDUCTIONS)
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce_on_ties_and_zeros_is_pytorchs(reduce, include_self):
    torch = pytest.importorskip("torch")
    x, src = np.array([2.5, 0.0, 3.0, 1.0]), np.array([0.5, 2.0, 4.0, 4.0, 0.0, 7.0])
    index, g = np.array([0, 0, 1, 1, 2, 2]), np.array([1.0, -2.0, 3.0, 0.5])
    a, b = leaves(x, src)
    y = sn.scatter_reduce(a, 0, sn.tensor(index), b, reduce, include_self=include_self)
    y.backward(sn.tensor(g))
    c, d = (torch.tensor(v, requires_grad=True) for v in (x, src))
    z = torch.scatter_reduce(c, 0, torch.tensor(index), d, reduce, include_self=include_self)
    z.backward(torch.tensor(g))
    for ours, theirs in ((y.detach(), z.detach()), (a.grad, c.grad), (b.grad, d.grad)):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12)
