"""Fold, shuffles, unpooling, pools, grid_sample, bags: their laws, and what they refuse."""

import numpy as np
import pytest

import sensorium as sn
from sensorium.errors import DTypeError, OutOfBoundsError, ShapeError

F = sn.nn.functional
RNG = np.random.default_rng(4)


def rand(*shape):
    return sn.tensor(RNG.normal(size=shape))


def close(a, b, **options):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=1e-12, **options)


# -- fold ------------------------------------------------------------------------------------------
def test_a_convolution_is_a_product_with_the_columns():
    x, w = rand(2, 3, 7, 6), rand(4, 3, 3, 2)
    options = {"dilation": (1, 2), "padding": 1, "stride": (2, 1)}
    columns = F.unfold(x, (3, 2), **options)
    y = sn.matmul(w.reshape(4, -1), columns)
    close(y, F.conv2d(x, w, **options).reshape(2, 4, -1))


def test_fold_is_the_adjoint_of_unfold():
    x, options = rand(2, 3, 7, 6), {"kernel_size": (3, 2), "stride": 2, "padding": 1}
    columns = F.unfold(x, **options)
    c = rand(*columns.shape)
    found = (F.fold(c, (7, 6), **options) * x).sum()
    np.testing.assert_allclose(found.item(), (columns * c).sum().item())


def test_windows_side_by_side_fold_back_to_the_image():
    x = rand(2, 3, 6, 4)
    close(F.fold(F.unfold(x, 2, stride=2), (6, 4), 2, stride=2), x)


# -- shuffles --------------------------------------------------------------------------------------
def test_pixel_shuffle_puts_channels_where_the_formula_says():
    x = sn.arange(2 * 12 * 2 * 3).reshape(2, 12, 2, 3)
    y = sn.pixel_shuffle(x, 2)
    for n, c, h, w in np.ndindex(2, 3, 4, 6):
        assert y[n, c, h, w] == x[n, c * 4 + 2 * (h % 2) + w % 2, h // 2, w // 2]
    assert sn.equal(sn.pixel_unshuffle(y, 2), x)


def test_channel_shuffle_twice_with_complementary_groups_is_the_identity():
    x = rand(2, 6, 4)
    close(sn.channel_shuffle(sn.channel_shuffle(x, 2), 3), x)


# -- unpooling -------------------------------------------------------------------------------------
def test_pooling_what_was_unpooled_gives_it_back():
    x = sn.tensor(RNG.permutation(96).reshape(2, 2, 4, 6) + 1.0)
    y, places = F.max_pool2d(x, 2, return_indices=True)
    z = F.max_unpool2d(y, places, 2)
    assert z.shape == x.shape and sn.equal(F.max_pool2d(z, 2), y)
    assert (z != 0).sum().item() == y.numel()


def test_output_size_chooses_among_the_sizes_a_pool_rounds_to_one():
    x = sn.tensor(RNG.permutation(49).reshape(1, 7, 7) * 1.0)
    y, places = F.max_pool2d(x, 2, return_indices=True)
    assert F.max_unpool2d(y, places % 36, 2).shape == (1, 6, 6)
    assert sn.nn.MaxUnpool2d(2)(y, places, output_size=x.shape[1:]).shape == (1, 7, 7)


# -- pools -----------------------------------------------------------------------------------------
def test_lp_pool_goes_from_the_sum_to_the_maximum():
    x = sn.tensor(RNG.uniform(1, 2, size=(1, 2, 6)))
    close(F.lp_pool1d(x, 1, 3), F.avg_pool1d(x, 3) * 3)
    close(F.lp_pool1d(x, float("inf"), 3), F.max_pool1d(x, 3))
    np.testing.assert_allclose(
        F.lp_pool1d(x, 200.0, 3).numpy(), F.max_pool1d(x, 3).numpy(), rtol=1e-2
    )


def test_lp_pool_has_no_gradient_where_all_is_zero():
    x = sn.zeros(1, 1, 4, dtype=sn.float64, requires_grad=True)
    F.lp_pool1d(x, 1, 2).sum().backward()
    assert x.grad.tolist() == [[[0, 0, 0, 0]]]


def test_fractional_max_pool_takes_maxima_of_windows_that_cover_the_ends():
    x = sn.arange(100.0).reshape(1, 1, 10, 10)
    for _ in range(5):
        y, places = F.fractional_max_pool2d(x, 2, output_size=6, return_indices=True)
        assert y[0, 0, -1, -1].item() == 99  # the last window ends where the image ends
        assert sn.equal(x.flatten()[places.flatten()].reshape(y.shape), y)
        assert (y[0, 0, 1:] > y[0, 0, :-1]).all()
    sn.manual_seed(0)
    a = F.fractional_max_pool2d(x, 2, output_size=6)
    sn.manual_seed(0)
    assert sn.equal(a, F.fractional_max_pool2d(x, 2, output_size=6))


def test_local_response_norm_by_a_slow_loop():
    x = RNG.normal(size=(2, 6, 3))
    for size in (1, 2, 3, 5):
        wanted = np.zeros_like(x)
        for c in range(6):
            near = x[:, max(c - size // 2, 0) : c + (size - 1) // 2 + 1]
            wanted[:, c] = x[:, c] / (2 + 0.5 / size * (near**2).sum(1)) ** 0.75
        y = F.local_response_norm(sn.tensor(x), size, alpha=0.5, k=2.0)
        np.testing.assert_allclose(y.numpy(), wanted)


# -- grid_sample -----------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("align", [False, True])
def test_the_identity_grid_reads_the_image_itself(mode, align):
    x = rand(2, 3, 5, 4)
    theta = sn.tensor([[[1.0, 0, 0], [0, 1.0, 0]]] * 2, dtype=sn.float64)
    grid = F.affine_grid(theta, x.shape, align_corners=align)
    close(F.grid_sample(x, grid, mode=mode, align_corners=align), x, rtol=1e-9)


def test_a_mirrored_grid_flips_a_volume():
    x = rand(1, 2, 3, 4, 5)
    theta = sn.tensor([[[-1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]], dtype=sn.float64)
    y = F.grid_sample(x, F.affine_grid(theta, x.shape))
    close(y, x.flip(4), rtol=1e-9)


def test_padding_modes_far_outside():
    x = sn.tensor([[[[1.0, 2.0, 4.0]]]])
    grid = sn.tensor([[[[-9.0, 0.0], [9.0, 0.0], [float("nan"), 0.0]]]])
    assert F.grid_sample(x, grid).flatten().tolist() == [0, 0, 0]
    assert F.grid_sample(x, grid, padding_mode="border").flatten().tolist()[:2] == [1, 4]
    y = F.grid_sample(x, sn.tensor([[[[2.0, 0.0]]]]), "nearest", "reflection")
    assert y.item() == 2  # one pixel beyond the edge mirrors to the last, two to the one before


def test_outside_pixels_do_not_bring_in_what_is_not_finite():
    x = sn.tensor([[[[float("inf"), 2.0]]]])
    assert F.grid_sample(x, sn.tensor([[[[1.0, 0.0]]]])).item() == 1.0


def test_grid_sample_has_second_derivatives():
    x, grid = rand(1, 2, 4, 5), sn.tensor(RNG.uniform(-0.9, 0.9, size=(1, 3, 2, 2)))
    x.requires_grad = grid.requires_grad = True
    for mode in ("bilinear", "bicubic"):
        assert sn.autograd.gradcheck(lambda a, b, m=mode: F.grid_sample(a, b, m), (x, grid))
        assert sn.autograd.gradgradcheck(lambda a, b, m=mode: F.grid_sample(a, b, m), (x, grid))


# -- bags ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode, reduce", [("sum", np.sum), ("mean", np.mean), ("max", np.max)])
def test_embedding_bag_by_a_slow_loop(mode, reduce):
    weight = RNG.normal(size=(6, 3))
    items, starts = [3, 1, 4, 4, 0, 2], [0, 2, 2, 5]
    y = F.embedding_bag(sn.tensor(items), sn.tensor(weight), sn.tensor(starts), mode=mode)
    for b, (a, z) in enumerate(zip(starts, [*starts[1:], len(items)])):
        wanted = reduce(weight[items[a:z]], axis=0) if z > a else np.zeros(3)
        np.testing.assert_allclose(y[b].numpy(), wanted)


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_scale_grad_by_freq_divides_a_row_s_gradient_by_how_often_it_was_used(mode):
    items = sn.tensor([[1, 1, 2], [0, 1, 4]])
    plain, scaled = (rand(5, 2).requires_grad_() for _ in range(2))
    F.embedding_bag(items, plain, mode=mode).sum().backward()
    F.embedding_bag(items, scaled, mode=mode, scale_grad_by_freq=True).sum().backward()
    counts = sn.tensor([1.0, 3.0, 1.0, 1.0, 1.0], dtype=sn.float64)
    close(scaled.grad, plain.grad / counts[:, None])


def test_embedding_bag_has_second_derivatives():
    weight, factors = rand(5, 2).requires_grad_(), rand(2, 3).requires_grad_()
    items = sn.tensor([[1, 1, 2], [0, 1, 4]])

    def bag(w, f):
        return F.embedding_bag(items, w, mode="sum", per_sample_weights=f, padding_idx=2)

    assert sn.autograd.gradgradcheck(bag, (weight, factors))


# -- refusals --------------------------------------------------------------------------------------
ITEMS, ROWS = sn.tensor([0, 1, 2]), sn.ones(3, 2)
IMAGE, GRID = sn.ones(1, 2, 4, 4), sn.ones(1, 3, 3, 2)
REFUSED = [
    (lambda: F.unfold(sn.ones(4, 4), 2), ShapeError, r"unfold: want \(N, C, H, W\).*\(4, 4\)"),
    (
        lambda: F.unfold(IMAGE, 5),
        ShapeError,
        r"unfold: no window of kernel_size \(5, 5\).*\(4, 4\)",
    ),
    (lambda: F.unfold(IMAGE, 0), ShapeError, "unfold: kernel_size must be at least 1, got 0"),
    (lambda: F.unfold(IMAGE.to(sn.int64), 2), DTypeError, "unfold: want a floating.*int64"),
    (lambda: F.fold(sn.ones(1, 5, 9), 4, 2), ShapeError, r"fold: .*kh kw = 4, got \(1, 5, 9\)"),
    (
        lambda: F.fold(sn.ones(1, 4, 8), 4, 2),
        ShapeError,
        r"fold: output_size \(4, 4\) has 9 windows.*8 columns",
    ),
    (
        lambda: F.pixel_shuffle(IMAGE, 2),
        ShapeError,
        r"pixel_shuffle: 2 channels.*4 \(input \(1, 2, 4, 4\)\)",
    ),
    (
        lambda: F.pixel_shuffle(IMAGE, 0),
        ShapeError,
        "upscale_factor must be a positive integer, got 0",
    ),
    (lambda: F.pixel_unshuffle(IMAGE, 3), ShapeError, "height 4 and width 4 must be multiples.*3"),
    (lambda: F.channel_shuffle(IMAGE, 3), ShapeError, "2 channels are no multiple of groups 3"),
    (
        lambda: F.max_unpool2d(IMAGE, sn.zeros(1, 2, 4, 4), 2),
        DTypeError,
        "indices must be int64, got float32",
    ),
    (
        lambda: F.max_unpool2d(IMAGE, sn.zeros(1, 2, 4, 3, dtype=sn.int64), 2),
        ShapeError,
        r"\(1, 2, 4, 3\) and input \(1, 2, 4, 4\)",
    ),
    (
        lambda: F.max_unpool2d(IMAGE, sn.full((1, 2, 4, 4), 64), 2),
        OutOfBoundsError,
        r"index 64 is out of range for output size \(8, 8\)",
    ),
    (
        lambda: F.max_unpool2d(IMAGE, sn.zeros(1, 2, 4, 4, dtype=sn.int64), 2, output_size=(8, 12)),
        ShapeError,
        "dimension 1 must be 7 to 9, got 12",
    ),
    (lambda: F.lp_pool2d(IMAGE, 0, 2), OutOfBoundsError, "norm_type must not be 0"),
    (lambda: F.fractional_max_pool2d(IMAGE, 2), ShapeError, "give output_size or output_ratio"),
    (
        lambda: F.fractional_max_pool2d(IMAGE, 3, 3),
        ShapeError,
        r"\(3, 3\) windows of kernel_size \(3, 3\) do not fit into \(4, 4\)",
    ),
    (
        lambda: F.fractional_max_pool2d(IMAGE, 2, output_ratio=1.5),
        ShapeError,
        "between 0 and 1, got 1.5",
    ),
    (
        lambda: F.local_response_norm(sn.ones(2, 3), 2),
        ShapeError,
        r"want 3 or more dimensions.*\(2, 3\)",
    ),
    (lambda: F.grid_sample(IMAGE, GRID, mode="cubic"), DTypeError, "mode must be one of.*'cubic'"),
    (
        lambda: F.grid_sample(IMAGE, GRID, padding_mode="same"),
        DTypeError,
        "padding_mode must be one of.*'same'",
    ),
    (
        lambda: F.grid_sample(IMAGE, sn.ones(2, 3, 3, 2)),
        ShapeError,
        r"got input \(1, 2, 4, 4\) and grid \(2, 3, 3, 2\)",
    ),
    (
        lambda: F.grid_sample(IMAGE, GRID.to(sn.float64)),
        DTypeError,
        "one floating-point type, got float32 and float64",
    ),
    (
        lambda: F.grid_sample(sn.ones(1, 1, 2, 2, 2), sn.ones(1, 2, 2, 2, 3), "bicubic"),
        ShapeError,
        "'bicubic' wants 4 dimensions",
    ),
    (
        lambda: F.affine_grid(sn.ones(1, 2, 3), (2, 1, 4, 4)),
        ShapeError,
        r"got theta \(1, 2, 3\) and size \(2, 1, 4, 4\)",
    ),
    (lambda: F.embedding_bag(ITEMS, ROWS), ShapeError, "1-D input wants 1-D offsets, got None"),
    (lambda: F.embedding_bag(ITEMS[None], ROWS, ITEMS), ShapeError, "offsets must be None"),
    (
        lambda: F.embedding_bag(ITEMS, ROWS, sn.tensor([1, 2])),
        OutOfBoundsError,
        r"offsets must start at 0.*\[1, 2\]",
    ),
    (
        lambda: F.embedding_bag(ITEMS + 1, ROWS, sn.tensor([0])),
        OutOfBoundsError,
        "index 3 is out of range for 3 rows",
    ),
    (
        lambda: F.embedding_bag(ITEMS, ROWS, sn.tensor([0]), mode="min"),
        DTypeError,
        "mode must be one of.*'min'",
    ),
    (
        lambda: F.embedding_bag(ITEMS, ROWS, sn.tensor([0]), per_sample_weights=sn.ones(3)),
        DTypeError,
        "for mode 'sum', got mode 'mean'",
    ),
    (
        lambda: F.embedding_bag(
            ITEMS, ROWS, sn.tensor([0]), mode="sum", per_sample_weights=sn.ones(2)
        ),
        ShapeError,
        r"must be \(3,\) float32.*got \(2,\)",
    ),
    (
        lambda: F.embedding_bag(ITEMS, ROWS, sn.tensor([0]), padding_idx=5),
        OutOfBoundsError,
        "padding_idx 5 is out of range",
    ),
    (
        lambda: F.embedding_bag(ITEMS, ROWS, sn.tensor([0]), mode="max", sparse=True),
        DTypeError,
        "for sum and mean, got mode 'max'",
    ),
    (
        lambda: F.max_pool2d(sn.ones(1, 0, 4, 4), 2),
        ShapeError,
        r"max_pool2d: only the batch may be 0, got \(1, 0, 4, 4\)",
    ),
    (lambda: F.max_pool1d(sn.ones(0, 4), 2), ShapeError, "max_pool1d: only the batch may be 0"),
]


@pytest.mark.parametrize("call, error, text", REFUSED, ids=[text[:25] for *_, text in REFUSED])
def test_refusals_name_the_rule_and_both_values(call, error, text):
    with pytest.raises(error, match=text):
        call()
