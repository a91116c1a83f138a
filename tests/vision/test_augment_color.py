"""Colour adjustments: slow loops over pixels, ``colorsys``, Pillow's ``ImageEnhance``, closed forms."""

import colorsys
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image, ImageEnhance, ImageOps

import sensorium as sn
from sensorium.errors import DTypeError, OptionError, ShapeError
from sensorium.vision.transforms import functional as F

FACTORS = [0.0, 0.4, 1.0, 1.7]


def pixels(height=7, width=9, channels=3):
    return np.random.default_rng(0).integers(0, 256, (channels, height, width)).astype(np.uint8)


def floats(*shape):
    return np.random.default_rng(1).random(shape or (3, 7, 9), dtype=np.float32)


def pil(array):
    return Image.fromarray(np.ascontiguousarray(array.transpose(1, 2, 0)).squeeze())


def luma(rgb):
    return 0.2989 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


def blended(x, other, factor, high):
    """The published formula, pixel by pixel in Python's floats."""
    out = np.empty(x.shape)
    for at in np.ndindex(*x.shape):
        out[at] = min(max(factor * float(x[at]) + (1 - factor) * float(other[at]), 0.0), high)
    return out


# -- blends --------------------------------------------------------------------------------------
@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_floats_are_blended_by_the_published_formula(name, factor):
    x = floats()
    gray = np.stack([luma(x.astype(np.float64))] * 3)
    other = {"brightness": 0 * gray, "contrast": 0 * gray + gray.mean(), "saturation": gray}[name]
    got = getattr(F, f"adjust_{name}")(x, factor)
    np.testing.assert_allclose(got, blended(x, other, factor, 1.0), atol=3e-7)
    assert got.dtype == np.float32 and got.min() >= 0 and got.max() <= 1


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_bytes_are_blended_with_whole_grays_and_cut(name, factor):
    x = pixels()
    gray = np.stack([np.floor(luma(x.astype(np.float64)) + 1e-6)] * 3)
    other = {"brightness": 0 * gray, "contrast": 0 * gray + gray.mean(), "saturation": gray}[name]
    got = getattr(F, f"adjust_{name}")(x, factor)
    want = blended(x, other, factor, 255.0)
    cut = np.floor(want)
    near = np.abs(want - np.rint(want)) < 1e-3  # there float32 may fall on either side
    assert got.dtype == np.uint8
    assert np.array_equal(got[~near], cut[~near]) and np.abs(got - cut).max() <= 1


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize(
    "name,enhance",
    [
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("saturation", ImageEnhance.Color),
        ("sharpness", ImageEnhance.Sharpness),
    ],
)
def test_pillow_images_are_enhanced_by_pillow(name, enhance, factor):
    image = pil(pixels())
    got = getattr(F, f"adjust_{name}")(image, factor)
    assert np.array_equal(got, enhance(image).enhance(factor))


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "sharpness"])
def test_arrays_are_near_pillow(name):
    """Pillow's gray has other weights in the fourth digit and rounds where arrays are cut."""
    x = pixels()
    for factor in (0.4, 1.7):
        adjust = getattr(F, f"adjust_{name}")
        theirs = np.asarray(adjust(pil(x), factor)).transpose(2, 0, 1).astype(int)
        assert np.abs(adjust(x, factor) - theirs).max() <= 2


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "sharpness"])
def test_factor_one_is_the_image_and_gray_images_keep_their_saturation(name):
    adjust = getattr(F, f"adjust_{name}")
    assert np.array_equal(adjust(pixels(), 1.0), pixels())
    np.testing.assert_allclose(adjust(floats(), 1.0), floats(), atol=2e-7)
    gray = pixels(channels=1)
    assert np.array_equal(F.adjust_saturation(gray, 0.3), gray)


def test_sharpness_blends_with_the_weighted_neighbours_and_keeps_the_border():
    x = floats()
    got = F.adjust_sharpness(x, 0.25)
    for c, i, j in np.ndindex(*x.shape):
        if i in (0, 6) or j in (0, 8):
            want = x[c, i, j]
        else:
            around = x[c, i - 1 : i + 2, j - 1 : j + 2]
            want = 0.25 * x[c, i, j] + 0.75 * (around.sum() + 4 * x[c, i, j]) / 13
        assert got[c, i, j] == pytest.approx(want, abs=1e-6)
    tiny = floats(3, 2, 5)
    assert np.array_equal(F.adjust_sharpness(tiny, 0.0), tiny)


# -- hue -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("turn", [-0.5, -0.21, 0.0, 0.1, 0.5])
def test_hue_turns_as_colorsys_has_it(turn):
    x = floats()
    x[:, 0, 0] = 0.5  # gray
    x[:, 0, 1] = 0.0
    got = F.adjust_hue(x, turn)
    for i, j in np.ndindex(7, 9):
        h, s, v = colorsys.rgb_to_hsv(*map(float, x[:, i, j]))
        want = colorsys.hsv_to_rgb((h + turn) % 1.0, s, v)
        np.testing.assert_allclose(got[:, i, j], want, atol=3e-6)


@pytest.mark.parametrize("turn", [-0.3, 0.0, 0.25])
def test_hue_of_bytes_goes_through_floats(turn):
    x = pixels()
    got = F.adjust_hue(x, turn)
    for i, j in np.ndindex(7, 9):
        h, s, v = colorsys.rgb_to_hsv(*(float(c) / 255 for c in x[:, i, j]))
        want = [int(c * 255.999) for c in colorsys.hsv_to_rgb((h + turn) % 1.0, s, v)]
        assert np.abs(got[:, i, j].astype(int) - want).max() <= 1
    assert turn != 0.0 or np.array_equal(got, x)


@given(st.floats(-0.5, 0.5))
def test_hue_of_pillow_images_shifts_its_eight_bits(turn):
    image = pil(pixels())
    hsv = np.array(image.convert("HSV"))
    hsv[..., 0] = (hsv[..., 0].astype(int) + int(turn * 255)) % 256
    want = Image.frombytes("HSV", image.size, hsv.tobytes()).convert("RGB")
    assert np.array_equal(F.adjust_hue(image, turn), want)


def test_hue_keeps_alpha_and_gray():
    image = pil(pixels(channels=4))
    assert image.mode == "RGBA"
    got = F.adjust_hue(image, 0.2)
    assert got.mode == "RGBA" and np.array_equal(np.asarray(got)[..., 3], np.asarray(image)[..., 3])
    gray = Image.new("L", (2, 2), 7)
    assert F.adjust_hue(gray, 0.2) is gray
    assert F.adjust_hue(pixels(channels=1), 0.2).shape == (1, 7, 9)


# -- curves and gray -----------------------------------------------------------------------------
@pytest.mark.parametrize("gamma,gain", [(0.45, 1), (2.2, 1), (1.0, 1.5)])
def test_gamma_is_a_power(gamma, gain):
    x = floats()
    want = np.clip(gain * x.astype(np.float64) ** gamma, 0, 1)
    np.testing.assert_allclose(F.adjust_gamma(x, gamma, gain), want, atol=2e-7)
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    table = [int(min(gain * (v / 255) ** gamma, 1.0) * 255.999) for v in range(256)]
    assert np.abs(F.adjust_gamma(levels, gamma, gain).ravel().astype(int) - table).max() <= 1
    got = np.asarray(F.adjust_gamma(pil(levels), gamma, gain)).ravel()
    assert got.tolist() == [min(255, int(255.999 * gain * (v / 255) ** gamma)) for v in range(256)]


def test_the_negative_of_every_type():
    x = pixels()
    assert np.array_equal(F.invert(x), 255 - x)
    assert np.array_equal(F.invert(pil(x)), ImageOps.invert(pil(x)))
    np.testing.assert_array_equal(F.invert(floats()), 1 - floats())
    assert F.invert(np.array([[[0, 32767]]], np.int16)).tolist() == [[[32767, 0]]]
    rgba = pil(pixels(channels=4))
    assert np.array_equal(np.asarray(F.invert(rgba))[..., 3], np.asarray(rgba)[..., 3])


def test_gray_is_the_weighted_sum_and_has_as_many_channels_as_asked():
    x = pixels()
    want = np.floor(luma(x.astype(np.float64)) + 1e-5)
    assert np.abs(F.rgb_to_grayscale(x)[0] - want).max() <= 1
    three = F.rgb_to_grayscale(x, 3)
    assert three.shape == x.shape and np.array_equal(three[0], three[2])


# -- kinds of image ------------------------------------------------------------------------------
OPS = [
    lambda x: F.adjust_brightness(x, 0.7),
    lambda x: F.adjust_contrast(x, 0.7),
    lambda x: F.adjust_saturation(x, 0.7),
    lambda x: F.adjust_sharpness(x, 0.7),
    lambda x: F.adjust_hue(x, 0.1),
    lambda x: F.adjust_gamma(x, 1.3),
    F.invert,
]


@pytest.mark.parametrize("op", OPS)
def test_arrays_tensors_and_batches_agree(op):
    for x in (pixels(), floats()):
        one = op(x)
        assert one.dtype == x.dtype and one.shape == x.shape
        tensor = op(sn.tensor(x))
        assert isinstance(tensor, sn.Tensor) and np.array_equal(tensor.numpy(), one)
        batch = op(np.stack([x, x[:, ::-1].copy()]))
        assert np.array_equal(batch[0], one)
        np.testing.assert_allclose(batch[1].astype(float), op(x[:, ::-1].copy()), atol=1e-6)


@pytest.mark.parametrize("op", OPS)
def test_gradients_flow(op):
    x = sn.tensor(floats(3, 4, 5) * 0.8 + 0.1)
    x.requires_grad = True
    y = op(x)
    y.sum().backward()
    step, at = 1e-3, (1, 2, 3)
    up, down = x.detach().numpy().astype(np.float64), x.detach().numpy().astype(np.float64)
    up[at] += step
    down[at] -= step
    slope = (op(up).sum() - op(down).sum()) / (2 * step)
    assert float(x.grad[at]) == pytest.approx(slope, abs=2e-2)


def test_half_types_keep_their_type():
    half = sn.tensor(floats()).to(sn.bfloat16)
    for op in OPS:
        assert op(half).dtype == sn.bfloat16


# -- refusals ------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "sharpness"])
def test_negative_factors_and_odd_channels_are_refused(name):
    adjust = getattr(F, f"adjust_{name}")
    for factor in (-0.1, math.nan):
        with pytest.raises(OptionError, match=f"adjust_{name}: the factor"):
            adjust(pixels(), factor)
    with pytest.raises(ShapeError, match=r"1 or 3 channels, got 4"):
        adjust(pixels(channels=4), 0.5)
    with pytest.raises(DTypeError, match="mode 'P'"):
        adjust(Image.new("P", (2, 2)), 0.5)


def test_hue_and_gamma_out_of_range_are_refused():
    with pytest.raises(OptionError, match=r"hue_factor 0.6 is not within -0.5 to 0.5"):
        F.adjust_hue(pixels(), 0.6)
    with pytest.raises(OptionError, match="gamma must not be negative, got -1"):
        F.adjust_gamma(pixels(), -1)
