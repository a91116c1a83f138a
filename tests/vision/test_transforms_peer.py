"""Transforms beside PyTorch's ``interpolate`` and a torchvision-like pipeline on photographs."""

import io

import numpy as np
import pytest
from PIL import Image

import sensorium as sn
from sensorium.vision.io import decode_image, open_image
from sensorium.vision.transforms import ImageClassification, functional as F

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peer

CASES = [((33, 47), (11, 20)), ((20, 11), (47, 33)), ((64, 64), (63, 65)), ((5, 90), (5, 17))]


def rand(shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def interpolate(x, size, mode, antialias):
    torch.set_num_threads(1)
    smooth = mode in ("bilinear", "bicubic")
    options = {"align_corners": False, "antialias": antialias} if smooth else {}
    batch = torch.from_numpy(x)[None] if x.ndim == 3 else torch.from_numpy(x)
    out = torch.nn.functional.interpolate(batch, size=size, mode=mode, **options)
    return out.numpy().reshape(*x.shape[:-2], *size)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest", "nearest-exact"])
@pytest.mark.parametrize("old,new", CASES)
def test_float_resize_is_interpolate(mode, antialias, old, new):
    x = rand((2, 3, *old))
    want = interpolate(x, new, mode, antialias)
    np.testing.assert_allclose(F.resize(x, new, mode, antialias=antialias), want, atol=1e-5)


@pytest.mark.parametrize("n", range(2, 40))
def test_nearest_picks_the_same_pixel_for_every_ratio(n):
    x = np.arange(37, dtype=np.float32)[None, None]
    for mode in ("nearest", "nearest-exact"):
        assert np.array_equal(F.resize(x, (1, n), mode), interpolate(x, (1, n), mode, False))


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_uint8_resize_is_within_one_level(mode, antialias):
    x = (rand((3, 61, 83)) * 255).astype(np.uint8)
    want = interpolate(x, (29, 40), mode, antialias).astype(int)
    assert np.abs(F.resize(x, (29, 40), mode, antialias=antialias) - want).max() <= 1


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_gradient_of_resize_is_interpolates(mode):
    data, weight = rand((1, 3, 30, 20)), rand((1, 3, 11, 27), 1)
    theirs = torch.from_numpy(data.copy()).requires_grad_()
    out = torch.nn.functional.interpolate(theirs, (11, 27), mode=mode, antialias=True)
    (out * torch.from_numpy(weight)).sum().backward()
    ours = sn.Tensor(data)
    ours.requires_grad = True
    (F.resize(ours, (11, 27), mode) * sn.Tensor(weight)).sum().backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), atol=1e-5)


def to_dtype(x, dtype):
    """torchvision's rule, written in torch."""
    if dtype.is_floating_point:
        return x.to(dtype) / torch.iinfo(x.dtype).max
    return x.mul(torch.iinfo(dtype).max + 1.0 - 1e-3).to(dtype)


def test_to_dtype_is_torchvisions():
    floats = rand((3, 40, 40))
    want = to_dtype(torch.from_numpy(floats), torch.uint8).numpy()
    assert np.array_equal(F.to_dtype(floats, "uint8", scale=True), want)
    back = to_dtype(torch.from_numpy(want), torch.float32).numpy()
    np.testing.assert_allclose(F.to_dtype(want, "float32", scale=True), back, atol=1e-7)


# -- photographs ---------------------------------------------------------------------------------
PHOTOS = ["chelsea", "coffee", "rocket", "astronaut"]


def photograph(name):
    return getattr(pytest.importorskip("skimage.data"), name)()


def reference(image, resize, crop, resample):
    """Pillow resizes, torch does the rest: what torchvision's preset computes."""
    short = min(image.size)
    size = tuple(resize if side == short else int(resize * side / short) for side in image.size)
    image = image.resize(size, resample)
    left, top = (round((side - crop) / 2) for side in image.size)
    image = image.crop((left, top, left + crop, top + crop))
    x = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((x - mean[:, None, None]) / std[:, None, None]).numpy()


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("mode,resample", [("bilinear", 2), ("bicubic", 3)])
def test_photograph_through_the_preset(name, mode, resample):
    pixels = photograph(name)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    image = open_image(file.getvalue())
    assert np.array_equal(np.asarray(image), pixels)
    preset = ImageClassification(crop_size=224, resize_size=256, interpolation=mode)
    want = reference(image, 256, 224, resample)
    np.testing.assert_allclose(preset(image).numpy(), want, atol=1e-5)
    as_tensor = preset(decode_image(file.getvalue()))
    assert np.abs(as_tensor.numpy() - want).max() <= 1.01 / 255 / 0.224


@pytest.mark.parametrize("name", PHOTOS)
def test_photograph_tensor_resize_is_interpolate(name):
    x = photograph(name).transpose(2, 0, 1).astype(np.float32) / 255
    size = F.get_size(F.resize(x, 256))
    np.testing.assert_allclose(F.resize(x, 256), interpolate(x, size, "bilinear", True), atol=1e-5)
