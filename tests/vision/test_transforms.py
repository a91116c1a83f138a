"""Sizes, crops, padding, conversion and normalisation: closed forms, and Pillow beside arrays."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

import sensorium as sn
from sensorium.errors import DTypeError, ShapeError
from sensorium.vision import transforms as T
from sensorium.vision.transforms import functional as F


def pixels(height=6, width=8, channels=3, dtype=np.uint8):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (channels, height, width)).astype(dtype)


def pil(array):
    return Image.fromarray(np.ascontiguousarray(array.transpose(1, 2, 0)).squeeze())


def first(image):
    return F.pil_to_tensor(image).numpy()


# -- sizes ---------------------------------------------------------------------------------------
@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 300))
def test_shorter_side_becomes_size_and_the_longer_is_cut(height, width, size):
    image = Image.new("L", (width, height))
    got = F.resize(image, size, "nearest").size
    short, long = sorted((height, width))
    assert sorted(got) == [size, int(size * long / short)]
    assert (got[0] >= got[1]) == (width >= height) or got[0] == got[1]


@pytest.mark.parametrize(
    "image,size,max_size,want",
    [
        ((480, 640), 256, None, (256, 341)),
        ((640, 480), [256], None, (341, 256)),
        ((480, 640), 256, 300, (225, 300)),
        ((480, 640), None, 320, (240, 320)),
        ((480, 640), (100, 7), None, (100, 7)),
        ((375, 500), 232, None, (232, 309)),
    ],
)
def test_resized_sizes_for_pillow_and_arrays_alike(image, size, max_size, want):
    array = np.zeros((1, *image), np.uint8)
    assert F.resize(array, size, "nearest", max_size).shape[1:] == want
    resized = F.resize(Image.new("L", image[::-1]), size, "nearest", max_size)
    assert resized.size == want[::-1]


def test_resize_to_the_same_size_is_the_image_itself():
    image, array = Image.new("L", (4, 6)), np.zeros((1, 6, 4))
    assert F.resize(image, (6, 4)) is image
    assert F.resize(array, (6, 4)) is array


def test_impossible_sizes_are_refused_with_both_values():
    for make in (lambda **k: T.Resize(**k), lambda **k: F.resize(Image.new("L", (4, 4)), **k)):
        with pytest.raises(ShapeError, match="positive sizes, got 0"):
            make(size=0)
        with pytest.raises(ShapeError, match=r"one or two numbers, got 3"):
            make(size=(1, 2, 3))
        with pytest.raises(DTypeError, match=r"whole numbers, got 2\.5"):
            make(size=2.5)
        with pytest.raises(ShapeError, match="max_size 5 must exceed the shorter side 5"):
            make(size=5, max_size=5)
        with pytest.raises(ShapeError, match="single size"):
            make(size=(5, 5), max_size=9)
        with pytest.raises(ShapeError, match="None"):
            make(size=None)


def test_a_thread_of_pixels_is_not_blown_up():
    with pytest.raises(ShapeError, match="20000 x 1 pixels would become 5120000 x 256"):
        F.resize(Image.new("RGB", (1, 20000)), 256)
    assert F.resize(Image.new("RGB", (1, 20000)), (16, 16)).size == (16, 16)


# -- crop and pad --------------------------------------------------------------------------------
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_center_crop_of_pillow_and_arrays_is_the_same(height, width, h, w):
    array = pixels(height, width)
    got = F.center_crop(array, (h, w))
    assert got.shape == (3, h, w)
    image = Image.fromarray(array.transpose(1, 2, 0).copy())
    assert np.array_equal(first(F.center_crop(image, (h, w))), got)


def test_center_crop_rounds_half_to_even_and_pads_with_zeros():
    line = np.arange(1, 6, dtype=np.uint8)[None, None]
    assert F.center_crop(line, (1, 2)).tolist() == [[[3, 4]]]  # 1.5 -> 2
    assert F.center_crop(line[..., :3], (1, 2)).tolist() == [[[1, 2]]]  # 0.5 -> 0
    assert F.center_crop(line, (1, 8)).tolist() == [[[0, 1, 2, 3, 4, 5, 0, 0]]]


def test_crop_outside_is_zero_and_far_outside_refused():
    array = pixels()
    got = F.crop(array, -1, 6, 3, 4)
    assert np.array_equal(got[:, 1:, :2], array[:, :2, 6:])
    assert got[:, 0].max() == 0
    assert got[:, :, 2:].max() == 0
    assert np.array_equal(first(F.crop(pil(array), -1, 6, 3, 4)), got)
    for image in (array, pil(array)):
        with pytest.raises(ShapeError, match="rows 6 to 8, columns 0 to 2 lie outside 6 x 8"):
            F.crop(image, 6, 0, 2, 2)


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric"])
def test_pad_modes_are_numpys(mode):
    array = pixels()
    want = np.pad(array, ((0, 0), (2, 4), (1, 3)), mode)
    assert np.array_equal(F.pad(array, [1, 2, 3, 4], padding_mode=mode), want)
    assert np.array_equal(first(F.pad(pil(array), [1, 2, 3, 4], padding_mode=mode)), want)
    batch = np.stack([array, array])
    assert np.array_equal(F.pad(batch, [1, 2, 3, 4], padding_mode=mode)[1], want)


@pytest.mark.parametrize("fill", [0, 7, (1, 2, 3)])
def test_pad_constant_for_pillow_and_arrays(fill):
    array = pixels()
    got = F.pad(array, [1, 2], fill)
    assert got.shape == (3, 10, 10)
    assert np.array_equal(got[:, 2:-2, 1:-1], array)
    assert (np.asarray(fill) == got[:, 0].T).all()
    assert np.array_equal(first(F.pad(pil(array), [1, 2], fill)), got)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "YCbCr", "I;16", "F"])
@pytest.mark.parametrize("how", ["constant", "reflect"])
def test_pad_keeps_a_pillow_image_s_mode(mode, how):
    image = Image.new(mode, (4, 3))
    got = F.pad(image, 2, padding_mode=how)
    assert (got.mode, got.size) == (mode, (8, 7))


def test_pad_refusals():
    with pytest.raises(ShapeError, match=r"reflect padding \[6, 6, 6, 6\] is too wide for 6 x 8"):
        F.pad(pixels(), 6, padding_mode="reflect")
    with pytest.raises(ShapeError, match="negative"):
        F.pad(pixels(), -1)
    with pytest.raises(ShapeError, match="1, 2 or 4 numbers, got 3"):
        T.Pad([1, 2, 3])
    with pytest.raises(DTypeError, match="'wrap' is not one of constant"):
        T.Pad(1, padding_mode="wrap")


# -- conversion ----------------------------------------------------------------------------------
def test_to_tensor_divides_bytes_by_255():
    array = pixels()
    got = F.to_tensor(pil(array))
    assert got.dtype == sn.float32
    assert np.array_equal(got.numpy(), array.astype(np.float32) / np.float32(255))
    assert np.array_equal(F.to_tensor(array.transpose(1, 2, 0)).numpy(), got.numpy())
    assert got.is_contiguous()


@pytest.mark.parametrize(
    "mode,dtype", [("L", "float32"), ("1", "float32"), ("I", "int32"), ("F", "float32"),
                   ("I;16", "uint16"), ("RGBA", "float32"), ("CMYK", "float32")],
)  # fmt: skip
def test_to_tensor_of_every_mode(mode, dtype):
    got = F.to_tensor(Image.new(mode, (3, 2)))
    assert str(got.dtype) == dtype
    assert tuple(got.shape) == (len(Image.new(mode, (1, 1)).getbands()), 2, 3)


def test_one_bit_to_tensor_is_zero_and_one():
    image = Image.fromarray(np.array([[True, False]]))
    assert F.to_tensor(image).tolist() == [[[1.0, 0.0]]]


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "I", "F"])
def test_pil_to_tensor_to_pil_is_the_identity(mode):
    array = np.asarray(Image.fromarray(pixels().transpose(1, 2, 0).copy()).convert("L"))
    image = Image.fromarray(array.astype(np.uint16)) if mode == "I;16" else Image.fromarray(array)
    image = image if mode == "I;16" else image.convert(mode)
    back = F.to_pil_image(F.pil_to_tensor(image), mode if mode == "F" else None)
    assert back.mode == mode
    assert back.tobytes() == image.tobytes()


def test_to_pil_image_of_floats_and_modes():
    assert F.to_pil_image(np.array([[0.0, 0.5, 1.0]])).tobytes() == bytes([0, 127, 255])
    four = np.arange(8, dtype=np.uint8).reshape(1, 2, 4)
    assert F.to_pil_image(four, "CMYK").tobytes() == four.tobytes()
    with pytest.raises(DTypeError, match="5 channels of uint8"):
        F.to_pil_image(np.zeros((2, 2, 5), np.uint8))
    with pytest.raises(DTypeError, match="'RGB', not 'CMYK'"):
        F.to_pil_image(np.zeros((2, 2, 3), np.uint8), "CMYK")


def test_to_image_reads_arrays_as_height_width_channels():
    assert tuple(F.to_image(np.zeros((4, 5, 3), np.uint8)).shape) == (3, 4, 5)
    assert tuple(F.to_image(np.zeros((4, 5), np.uint8)).shape) == (1, 4, 5)
    assert tuple(F.to_image(sn.Tensor(np.zeros((3, 4, 5)))).shape) == (3, 4, 5)


def test_to_dtype_scales_between_types():
    bytes_ = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    floats = F.to_dtype(bytes_, sn.float32, scale=True)
    np.testing.assert_allclose(floats, bytes_ / 255, atol=1e-7)
    assert np.array_equal(F.to_dtype(floats, "uint8", scale=True), bytes_)
    assert np.array_equal(F.to_dtype(bytes_, "uint16", scale=True), bytes_.astype(int) << 8)
    assert np.array_equal(F.to_dtype(bytes_, "int16", scale=True), bytes_.astype(int) << 7)
    wide = F.to_dtype(bytes_, "int32", scale=True)
    assert np.array_equal(F.to_dtype(wide, "uint8", scale=True), bytes_)
    assert np.array_equal(F.to_dtype(bytes_, sn.float32), bytes_.astype(np.float32))
    with pytest.raises(DTypeError, match="float32 cannot be scaled to int32"):
        F.to_dtype(floats, "int32", scale=True)


def test_scaling_a_tensor_that_wants_a_gradient_to_bytes_gives_a_tensor():
    x = sn.Tensor(np.ones((1, 1, 1), np.float32))
    x.requires_grad = True
    got = F.to_dtype(x, "uint8", scale=True)
    assert isinstance(got, sn.Tensor)
    assert got.tolist() == [[[255]]]


def test_pillow_images_pass_to_dtype():
    image = Image.new("L", (2, 2))
    assert T.ToDtype("float32", scale=True)(image) is image


# -- values --------------------------------------------------------------------------------------
def test_normalize_is_the_formula_out_of_place_and_in_place():
    x = np.random.default_rng(0).random((2, 3, 4, 5), dtype=np.float32)
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.6, 0.7])
    want = (x - mean.reshape(3, 1, 1)) / std.reshape(3, 1, 1)
    got = F.normalize(x, mean, std)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, atol=1e-6)
    tensor = sn.Tensor(x.copy())
    assert F.normalize(tensor, mean, std, inplace=True) is tensor
    np.testing.assert_allclose(tensor.numpy(), want, atol=1e-6)


def test_normalize_passes_gradients():
    x = sn.Tensor(np.ones((1, 2, 2), np.float32))
    x.requires_grad = True
    F.normalize(x, [0.5], [0.25]).sum().backward()
    assert (x.grad.numpy() == 4).all()


def test_normalize_refusals():
    with pytest.raises(DTypeError, match="float image, got uint8"):
        F.normalize(pixels(), [0.5] * 3, [0.5] * 3)
    with pytest.raises(DTypeError, match="to_tensor first"):
        F.normalize(Image.new("RGB", (2, 2)), [0.5] * 3, [0.5] * 3)
    with pytest.raises(ShapeError, match="mean has 2 values but the image has 3 channels"):
        F.normalize(pixels(dtype=np.float32), [0.5] * 2, [0.5] * 3)
    with pytest.raises(ShapeError, match="divide by zero"):
        T.Normalize([0.5], [0.0])


def test_grayscale_weights_are_bt601():
    array = np.zeros((3, 1, 3), np.float32)
    array[[0, 1, 2], 0, [0, 1, 2]] = 1.0
    gray = F.rgb_to_grayscale(array)
    np.testing.assert_allclose(gray, [[[0.2989, 0.587, 0.114]]], rtol=1e-6)
    assert F.rgb_to_grayscale(array, 3).shape == (3, 1, 3)
    bytes_ = pixels()
    near = F.rgb_to_grayscale(bytes_).astype(int) - first(F.rgb_to_grayscale(pil(bytes_)))
    assert np.abs(near).max() <= 1


def test_dimensions():
    for image in (pixels(), pil(pixels()), sn.Tensor(pixels())):
        assert F.get_dimensions(image) == [3, 6, 8]
        assert F.get_size(image) == [6, 8]
        assert F.get_num_channels(image) == 3


# -- objects -------------------------------------------------------------------------------------
def test_compose_applies_in_order_and_shows_its_parts():
    chain = T.Compose([T.Resize(4), T.CenterCrop((2, 3)), T.ToTensor(), T.Lambda(lambda x: x * 2)])
    assert tuple(chain(Image.new("RGB", (8, 6), (255, 0, 0))).shape) == (3, 2, 3)
    assert "Resize(size=[4]" in repr(chain)
    assert "CenterCrop(size=(2, 3))" in repr(chain)
    with pytest.raises(DTypeError, match="callables"):
        T.Compose([T.ToTensor(), 3])


def test_objects_call_their_functions():
    array, image = pixels(), pil(pixels())
    assert np.array_equal(T.Pad(1)(array), F.pad(array, 1))
    assert np.array_equal(T.PILToTensor()(image).numpy(), array)
    assert np.array_equal(T.ToImage()(image).numpy(), array)
    assert T.ToPILImage()(sn.Tensor(array)).tobytes() == image.tobytes()
    assert np.array_equal(T.Grayscale()(array), F.rgb_to_grayscale(array))
    assert T.ConvertImageDtype()(array).dtype == np.float32
    assert T.Identity()(image) is image
    with pytest.raises(ShapeError, match="2 is not 1 or 3"):
        T.Grayscale(2)
