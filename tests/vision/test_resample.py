"""Resampling against slow loops written from the filters' definitions, and against Pillow."""

import math

import numpy as np
import pytest
from PIL import Image

import sensorium as sn
from sensorium.errors import DTypeError, ShapeError
from sensorium.vision.transforms import InterpolationMode, functional as F
from sensorium.vision.transforms._resample import FILTERS, taps

SIZES = [
    ((7, 9), (3, 4)),
    ((5, 6), (11, 13)),
    ((40, 3), (7, 8)),
    ((1, 1), (4, 5)),
    ((8, 5), (1, 1)),
]


def image(shape, seed=0, dtype=np.float32):
    values = np.random.default_rng(seed).random(shape)
    return (values * 255).astype(dtype) if np.dtype(dtype).kind in "iu" else values.astype(dtype)


def cubic(t, a):
    t = abs(t)
    if t < 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def slow_line(old, n_out, filter, support):
    """One row, antialiased: a normalised sum over every old pixel under the stretched filter."""
    scale = len(old) / n_out
    stretch = max(scale, 1.0)
    new = []
    for i in range(n_out):
        centre = (i + 0.5) * scale
        first = max(int(centre - support * stretch + 0.5), 0)
        last = min(int(centre + support * stretch + 0.5), len(old))
        weights = [filter((j + 0.5 - centre) / stretch) for j in range(first, last)]
        total = sum(w * old[j] for w, j in zip(weights, range(first, last)))
        new.append(total / sum(weights))
    return new


def slow(x, height, width, line):
    rows = np.apply_along_axis(line, 1, x.astype(np.float64), width)
    return np.apply_along_axis(line, 0, rows, height)


LOOPS = {
    "bilinear": (lambda t: max(1 - abs(t), 0.0), 1),
    "bicubic": (lambda t: cubic(t, -0.5), 2),
    "box": (lambda t: float(-0.5 < t <= 0.5), 0.5),
}


@pytest.mark.parametrize("mode", LOOPS)
@pytest.mark.parametrize("old,new", SIZES)
def test_antialiased_resize_is_the_normalised_filter_sum(mode, old, new):
    x = image(old)
    want = slow(x, *new, lambda row, n: np.array(slow_line(row, n, *LOOPS[mode])))
    got = F.resize(x[None], new, mode)[0]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, atol=2e-6)


def slow_plain(old, n_out, mode):
    """One row without antialiasing: neighbours of the exact position, border repeated."""
    new = []
    for i in range(n_out):
        at = (i + 0.5) * len(old) / n_out - 0.5
        at = max(at, 0.0) if mode == "bilinear" else at
        below = math.floor(at)
        reach = range(below, below + 2) if mode == "bilinear" else range(below - 1, below + 3)
        weigh = (lambda t: 1 - abs(t)) if mode == "bilinear" else (lambda t: cubic(t, -0.75))
        new.append(sum(weigh(at - j) * old[min(max(j, 0), len(old) - 1)] for j in reach))
    return np.array(new)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("old,new", SIZES)
def test_plain_resize_interpolates_neighbours(mode, old, new):
    x = image(old)
    want = slow(x, *new, lambda row, n: slow_plain(row, n, mode))
    np.testing.assert_allclose(F.resize(x[None], new, mode, antialias=False)[0], want, atol=2e-6)


@pytest.mark.parametrize("mode", sorted(FILTERS))
@pytest.mark.parametrize("old,new", SIZES)
def test_float_resize_is_pillows(mode, old, new):
    x = image(old)
    resampling = Image.Resampling[mode.upper()]
    want = np.asarray(Image.fromarray(x).resize(new[::-1], resampling))
    np.testing.assert_allclose(F.resize(x[None], new, mode)[0], want, atol=2e-6)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos"])
def test_uint8_resize_is_within_one_level_of_pillows(mode):
    x = image((3, 50, 64), dtype=np.uint8)
    pil = Image.fromarray(x.transpose(1, 2, 0)).resize((20, 31), Image.Resampling[mode.upper()])
    got = F.resize(x, (31, 20), mode)
    assert got.dtype == np.uint8
    assert np.abs(got.astype(int) - np.asarray(pil).transpose(2, 0, 1)).max() <= 1


@pytest.mark.parametrize("mode", sorted(FILTERS))
@pytest.mark.parametrize("n_in,n_out", [(1, 7), (7, 1), (300, 97), (97, 300), (5, 5)])
def test_weights_sum_to_one_and_index_the_image(mode, n_in, n_out):
    index, weight = taps(n_in, n_out, mode, True)
    np.testing.assert_allclose(weight.sum(axis=1), 1.0)
    assert index.min() >= 0
    assert index.max() < n_in


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest", "nearest-exact"])
def test_constant_stays_constant_in_every_type(mode, antialias):
    for dtype in (np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float16, np.float64):
        x = np.full((1, 9, 11), 99, dtype)
        got = F.resize(x, (4, 20), mode, antialias=antialias)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, 99, rtol=0 if got.dtype.kind in "iu" else 1e-3)


def test_integers_are_clipped_where_a_cubic_overshoots():
    x = np.zeros((1, 1, 8), np.uint8)
    x[..., 4:] = 255
    got = F.resize(x, (1, 32), "bicubic")
    assert got.min() == 0
    assert got.max() == 255
    assert (np.diff(got[0, 0].astype(int)) >= 0).all()
    large = np.where(x > 0, np.iinfo(np.int64).max, np.iinfo(np.int64).min).astype(np.int64)
    assert (np.diff(F.resize(large, (1, 32), "bicubic")[0, 0].astype(float)) >= 0).all()


def test_nearest_copies_by_index():
    x = image((2, 5, 6))
    got = F.resize(x, (3, 4), "nearest")
    rows = [math.floor(i * 5 / 3) for i in range(3)]
    columns = [math.floor(i * 6 / 4) for i in range(4)]
    assert np.array_equal(got, x[:, rows][:, :, columns])
    exact = F.resize(x, (3, 4), InterpolationMode.NEAREST_EXACT)
    rows = [math.floor((i + 0.5) * 5 / 3) for i in range(3)]
    columns = [math.floor((i + 0.5) * 6 / 4) for i in range(4)]
    assert np.array_equal(exact, x[:, rows][:, :, columns])


def test_batches_and_layouts_do_not_matter():
    x = image((2, 4, 3, 40, 50))
    got = F.resize(x, (9, 70))
    assert got.shape == (2, 4, 3, 9, 70)
    for a in range(2):
        for b in range(4):
            np.testing.assert_allclose(got[a, b], F.resize(x[a, b], (9, 70)), atol=1e-6)
    strided = np.asfortranarray(x)[..., ::-1]
    again = F.resize(np.ascontiguousarray(strided), (9, 70))
    np.testing.assert_allclose(F.resize(strided, (9, 70)), again, atol=1e-6)


@pytest.mark.parametrize("mode", ["bilinear", "lanczos"])
def test_bands_give_the_whole_matrix_product(mode):
    x = image((3, 150, 500), dtype=np.float64)
    for axis, n_out in ((-1, 130), (-2, 211)):
        index, weight = taps(x.shape[axis], n_out, mode, True)
        dense = np.zeros((n_out, x.shape[axis]))
        np.add.at(dense, (np.arange(n_out)[:, None], index), weight)
        want = x @ dense.T if axis == -1 else dense @ x
        size = (150, n_out) if axis == -1 else (n_out, 500)
        np.testing.assert_allclose(F.resize(x, size, mode), want, atol=1e-12)


def test_tensor_in_tensor_out():
    x = image((3, 12, 10))
    got = F.resize(sn.Tensor(x), 6)
    assert isinstance(got, sn.Tensor)
    np.testing.assert_array_equal(got.numpy(), F.resize(x, 6))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest"])
def test_gradient_of_resize_is_its_transpose(mode):
    x = sn.Tensor(image((1, 40, 6), dtype=np.float64))
    x.requires_grad = True
    g = image((1, 35, 9), seed=1, dtype=np.float64)
    y = F.resize(x, (35, 9), mode)
    (y * sn.Tensor(g)).sum().backward()
    # <g, R x'> = <Rᵀ g, x'> for any x', since resizing is linear
    other = image((1, 40, 6), seed=2, dtype=np.float64)
    left = (g * F.resize(other, (35, 9), mode)).sum()
    assert left == pytest.approx((x.grad.numpy() * other).sum(), rel=1e-10)


class Foreign(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of another library: known to NumPy by its protocols only, as CuPy's is."""

    def __init__(self, array):
        self.inner = array

    dtype = property(lambda self: self.inner.dtype)
    shape = property(lambda self: self.inner.shape)
    strides = property(lambda self: self.inner.strides)
    ndim = property(lambda self: self.inner.ndim)

    def __array__(self, *_, **__):
        raise TypeError("implicit conversion to a NumPy array is not allowed")

    def astype(self, dtype, order="K", copy=True):
        return Foreign(self.inner.astype(dtype, order=order, copy=copy))

    def __getitem__(self, index):
        return Foreign(self.inner[tuple(map(self.unwrap, index))])

    @classmethod
    def unwrap(cls, value):
        if isinstance(value, (list, tuple)):
            return type(value)(cls.unwrap(v) for v in value)
        assert not (isinstance(value, np.ndarray) and value.ndim), (
            "a NumPy array among foreign ones"
        )
        return value.inner if isinstance(value, Foreign) else value

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return Foreign(getattr(ufunc, method)(*self.unwrap(inputs), **options))

    def __array_function__(self, function, types, inputs, options):
        if function in (np.asarray, np.ascontiguousarray):  # np.asarray(array, like=foreign)
            return Foreign(function(*inputs, **options))
        return Foreign(function(*self.unwrap(inputs), **options))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_arrays_of_another_library_stay_there(dtype):
    x = image((3, 40, 50), dtype=dtype)
    calls = [lambda x, m=m: F.resize(x, (21, 60), m) for m in ("bilinear", "bicubic", "nearest")]
    calls += [
        lambda x: F.center_crop(x, (60, 20)),
        lambda x: F.pad(x, 3, fill=(1, 2, 3)),
        lambda x: F.pad(x, 3, padding_mode="reflect"),
        lambda x: F.rgb_to_grayscale(x, 3),
        lambda x: F.normalize(F.to_dtype(x, "float32", scale=True), [0.5] * 3, [0.2] * 3),
        lambda x: F.to_dtype(x, "uint16", scale=True),
    ]
    for call in calls:
        got = call(Foreign(x))
        assert isinstance(got, Foreign)
        np.testing.assert_array_equal(got.inner, call(x))


def test_refusals_name_both_values():
    with pytest.raises(DTypeError, match="'cubic' is not one of nearest"):
        F.resize(image((1, 4, 4)), 2, "cubic")
    with pytest.raises(DTypeError, match="lanczos wants antialias=True"):
        F.resize(image((1, 4, 4)), 2, "lanczos", antialias=False)
    with pytest.raises(DTypeError, match="bilinear is not defined for bool"):
        F.resize(np.ones((1, 4, 4), bool), 2)
    with pytest.raises(ShapeError, match=r"want an image of shape \(..., C, H, W\), got \(4, 4\)"):
        F.resize(image((4, 4)), 2)
    with pytest.raises(ShapeError, match="no pixels"):
        F.resize(image((1, 0, 4)), 2)
    with pytest.raises(DTypeError, match="got list"):
        F.resize([[1.0]], 2)
