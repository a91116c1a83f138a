"""Flips, erasing, blur, rotation and affine maps: slow loops, transposition, Pillow."""

import math

import numpy as np
import pytest
from PIL import Image

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, ShapeError
from sensorium.vision.transforms import functional as F


def pixels(height=7, width=9, channels=3):
    return np.random.default_rng(0).integers(0, 256, (channels, height, width)).astype(np.uint8)


def floats(*shape):
    return np.random.default_rng(1).random(shape or (3, 7, 9), dtype=np.float32)


def pil(array):
    return Image.fromarray(np.ascontiguousarray(array.transpose(1, 2, 0)).squeeze())


def first(image):
    return np.atleast_3d(np.asarray(image)).transpose(2, 0, 1)


# -- flips ---------------------------------------------------------------------------------------
def test_flips_reverse_one_axis_for_every_kind():
    x = pixels()
    for flip, want in ((F.hflip, x[..., ::-1]), (F.vflip, x[..., ::-1, :])):
        assert np.array_equal(flip(x), want) and flip(x).flags.c_contiguous
        assert np.array_equal(flip(sn.tensor(x)).numpy(), want)
        assert np.array_equal(first(flip(pil(x))), want)
        assert np.array_equal(flip(np.stack([x, x]))[1], want)
        assert np.array_equal(flip(flip(x)), x)
    assert F.horizontal_flip is F.hflip and F.vertical_flip is F.vflip


# -- erase ---------------------------------------------------------------------------------------
def test_erase_writes_the_rectangle_and_nothing_else():
    x = pixels()
    got = F.erase(x, 2, 3, 4, 5, [[[1]], [[2]], [[3]]])
    want = x.copy()
    for c, i, j in np.ndindex(*x.shape):
        if 2 <= i < 6 and 3 <= j < 8:
            want[c, i, j] = c + 1
    assert np.array_equal(got, want) and np.array_equal(x, pixels())
    assert np.array_equal(first(F.erase(pil(x), 2, 3, 4, 5, [[[1]], [[2]], [[3]]])), want)


def test_erase_in_place_writes_into_what_it_was_given():
    for x in (pixels(), sn.tensor(pixels())):
        assert F.erase(x, 0, 0, 2, 2, 7, inplace=True) is x
        assert int(x[1, 1, 1]) == 7


def test_erase_beyond_the_border_is_cut_and_a_wrong_value_refused():
    assert F.erase(np.ones((1, 3, 3)), 2, 2, 5, 5, np.zeros((1, 5, 5))).sum() == 8
    assert F.erase(np.ones((1, 3, 3)), 3, 0, 2, 2, 0.0).sum() == 9
    with pytest.raises(ShapeError, match=r"v \(2, 1, 1\) does not broadcast to \(3, 2, 2\)"):
        F.erase(pixels(), 0, 0, 2, 2, np.zeros((2, 1, 1)))
    with pytest.raises(ShapeError, match="at least 0"):
        F.erase(pixels(), -1, 0, 2, 2, 0)


def test_erase_keeps_the_gradient_of_the_rest():
    x = sn.tensor(floats(1, 3, 3))
    x.requires_grad = True
    F.erase(x, 0, 0, 2, 2, 0.0).sum().backward()
    assert x.grad.numpy().tolist() == [[[0, 0, 1], [0, 0, 1], [1, 1, 1]]]


# -- blur ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "size,sigma", [((3, 5), (0.8, 1.5)), ((1, 3), (1.0, 0.5)), ((7, 7), (2, 2))]
)
def test_blur_is_the_two_dimensional_window_over_mirrored_pixels(size, sigma):
    x = floats(2, 8, 9)
    (across, down), (sx, sy) = size, sigma
    window = np.array(
        [
            [
                math.exp(
                    -((j - across // 2) ** 2) / (2 * sx**2) - (i - down // 2) ** 2 / (2 * sy**2)
                )
                for j in range(across)
            ]
            for i in range(down)
        ]
    )
    window /= window.sum()
    got = F.gaussian_blur(x, size, sigma)
    for c, i, j in np.ndindex(*x.shape):
        want = 0.0
        for a, b in np.ndindex(down, across):
            row, column = i + a - down // 2, j + b - across // 2
            row = -row if row < 0 else 14 - row if row > 7 else row
            column = -column if column < 0 else 16 - column if column > 8 else column
            want += window[a, b] * x[c, row, column]
        assert got[c, i, j] == pytest.approx(want, abs=1e-6)


def test_blur_keeps_flat_images_and_rounds_bytes():
    flat = np.full((3, 6, 6), 77, np.uint8)
    assert np.array_equal(F.gaussian_blur(flat, 5), flat)
    x = pixels()
    exact = F.gaussian_blur(x.astype(np.float64), 3, 1.0)
    assert np.abs(F.gaussian_blur(x, 3, 1.0) - exact).max() <= 0.5 + 1e-3
    assert np.array_equal(first(F.gaussian_blur(pil(x), 3, 1.0)), F.gaussian_blur(x, 3, 1.0))
    default = F.gaussian_blur(x, 3, 3 * 0.15 + 0.35)
    assert np.array_equal(F.gaussian_blur(x, 3), default)


@pytest.mark.parametrize("size,sigma", [(2, 1.0), (0, 1.0), (3, 0.0), (3, -1.0), ((3, 3, 3), 1.0)])
def test_blur_refuses_even_windows_and_no_width(size, sigma):
    with pytest.raises(OptionError, match="gaussian_blur"):
        F.gaussian_blur(pixels(), size, sigma)


# -- rotation and affine maps --------------------------------------------------------------------
def slow_affine(x, angle, shift, scale, shear, center, fill, mode):
    """Every new pixel looked up by inverting T C RSS C^-1 numerically."""
    _, height, width = x.shape
    a, sx, sy = (math.radians(v) for v in (angle, *shear))
    cx, cy = (width / 2, height / 2) if center is None else center
    grow = np.diag([scale, scale, 1.0])
    to = np.array([[1, 0, cx + shift[0]], [0, 1, cy + shift[1]], [0, 0, 1.0]])
    back = np.array([[1, 0, -cx], [0, 1, -cy], [0, 0, 1.0]])
    # x' leans by tan(sx) of y', which itself is turned by a; the y shear turns the first column
    first_column = np.array([math.cos(a - sy), math.sin(a - sy)]) / math.cos(sy)
    second = -first_column * math.tan(sx) + np.array([-math.sin(a), math.cos(a)])
    middle = np.eye(3)
    middle[:2, :2] = np.column_stack([first_column, second])
    inverse = np.linalg.inv(to @ middle @ grow @ back)
    out = np.empty(x.shape)
    for i, j in np.ndindex(height, width):
        u, v, _ = inverse @ (j + 0.5, i + 0.5, 1)
        out[:, i, j] = look_up(x, v - 0.5, u - 0.5, fill, mode)
    return out


def look_up(x, row, column, fill, mode):
    def at(i, j):
        inside = 0 <= i < x.shape[1] and 0 <= j < x.shape[2]
        return (x[:, i, j].astype(np.float64), 1.0) if inside else (np.zeros(x.shape[0]), 0.0)

    if mode == "nearest":
        value, inside = at(round(row), round(column))
        return value if inside or fill is None else np.full(x.shape[0], fill)
    i, j = math.floor(row), math.floor(column)
    total, covered = np.zeros(x.shape[0]), 0.0
    for di, dj in np.ndindex(2, 2):
        weight = (row - i if di else 1 - row + i) * (column - j if dj else 1 - column + j)
        value, inside = at(i + di, j + dj)
        total, covered = total + weight * value, covered + weight * inside
    return total if fill is None else covered * (total - fill) + fill


CASES = [
    (20.0, (0, 0), 1.0, (0, 0), None),
    (-35.0, (2, -1), 1.3, (0, 0), None),
    (10.0, (0, 1), 0.8, (12, -7), None),
    (50.0, (0, 0), 1.1, (5, 0), (2, 3)),
]


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("fill", [None, 0.25])
@pytest.mark.parametrize("angle,shift,scale,shear,center", CASES)
def test_affine_looks_every_pixel_up(angle, shift, scale, shear, center, fill, mode):
    x = floats()
    got = F.affine(x, angle, shift, scale, shear, mode, fill, center)
    want = slow_affine(x, angle, shift, scale, shear, center, fill, mode)
    np.testing.assert_allclose(got, want, atol=2e-6)


@pytest.mark.parametrize("angle,shift,scale,shear,center", CASES)
def test_affine_of_bytes_is_pillows_up_to_rounding(angle, shift, scale, shear, center):
    x = np.kron(pixels(4, 5), np.ones((1, 4, 4))).astype(np.uint8)
    ours = F.affine(x, angle, shift, scale, shear, "nearest", None, center)
    theirs = first(F.affine(pil(x), angle, shift, scale, shear, "nearest", None, center))
    assert np.mean(ours != theirs) < 0.02  # ties between two pixels


def test_affine_shifts_by_whole_pixels_exactly():
    x = pixels()
    got = F.affine(x, 0.0, (2, -1), 1.0, 0.0)
    want = np.zeros_like(x)
    want[:, :-1, 2:] = x[:, 1:, :-2]
    assert np.array_equal(got, want)


@pytest.mark.parametrize("quarter", [0, 1, 2, 3, 5, -1])
def test_quarter_turns_move_pixels_without_resampling(quarter):
    x, angle = pixels(6, 6), 90.0 * quarter
    want = np.rot90(x, quarter, (1, 2))
    assert np.array_equal(F.rotate(x, angle), want)
    assert np.array_equal(F.rotate(sn.tensor(x), angle).numpy(), want)
    assert np.array_equal(first(F.rotate(pil(x), angle)), want)
    tall = pixels(4, 7)
    assert np.array_equal(F.rotate(tall, angle, expand=True), np.rot90(tall, quarter, (1, 2)))


def test_a_half_turn_of_a_tall_image_keeps_its_size():
    tall = pixels(4, 7)
    assert np.array_equal(F.rotate(tall, 180), tall[:, ::-1, ::-1])
    assert F.rotate(tall, 90).shape == tall.shape  # without expand: looked up


@pytest.mark.parametrize("angle", [15.0, 45.0, 130.0, -80.0])
def test_rotation_is_against_the_clock_like_pillows(angle):
    x = np.kron(pixels(5, 4), np.ones((1, 4, 4))).astype(np.uint8)
    for expand in (False, True):
        ours = F.rotate(x, angle, expand=expand, fill=9)
        theirs = first(F.rotate(pil(x), angle, expand=expand, fill=9))
        assert ours.shape == theirs.shape
        assert np.mean(ours != theirs) < 0.03
    assert np.allclose(
        F.rotate(floats(), angle, "bilinear"),
        F.affine(floats(), -angle, (0, 0), 1.0, (0, 0), "bilinear"),
    )


def test_gradient_of_rotation_sums_the_weights():
    x = sn.tensor(floats(1, 5, 5))
    x.requires_grad = True
    F.rotate(x, 30.0, "bilinear").sum().backward()
    ones = np.zeros((1, 5, 5))
    for at in np.ndindex(1, 5, 5):
        unit = np.zeros((1, 5, 5))
        unit[at] = 1
        ones[at] = F.rotate(unit, 30.0, "bilinear").sum()
    np.testing.assert_allclose(x.grad.numpy(), ones, atol=1e-6)


def test_batches_turn_as_their_images():
    batch = np.stack([floats(), floats()[:, ::-1]])
    for op in (
        lambda x: F.rotate(x, 33.0, "bilinear", fill=0.5),
        lambda x: F.affine(x, 5.0, (1, 1), 1.1, 3.0),
        lambda x: F.gaussian_blur(x, 3),
        lambda x: F.erase(x, 1, 1, 2, 2, 0.5),
    ):
        got = op(batch)
        assert np.allclose(got[0], op(batch[0])) and np.allclose(got[1], op(batch[1]))


def test_options_that_cannot_be_are_refused():
    with pytest.raises(DTypeError, match="rotate: interpolation 'bicubic' is not one of nearest"):
        F.rotate(pixels(), 10, "bicubic")
    with pytest.raises(OptionError, match="affine: scale wants a positive number, got 0"):
        F.affine(pixels(), 0, (0, 0), 0, 0)
    with pytest.raises(ShapeError, match="two numbers for translate"):
        F.affine(pixels(), 0, (0, 0, 0), 1.0, 0)
    with pytest.raises(ShapeError, match="fill has 2 values but the image has 3 channels"):
        F.affine(pixels(), 5, (0, 0), 1.0, 0, fill=(1, 2))
    with pytest.raises(ShapeError, match="fill has 2 values but mode RGB has 3"):
        F.rotate(pil(pixels()), 5, fill=(1, 2))
