"""The classification preset: the chain it stands for, from every kind of image."""

import numpy as np
import pytest
from PIL import Image

import sensorium as sn
from sensorium.errors import DecodeError, FormatError, ShapeError
from sensorium.vision.transforms import (
    CenterCrop,
    Compose,
    ImageClassification,
    InterpolationMode,
    Normalize,
    Resize,
    ToTensor,
)

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def photo(mode="RGB"):
    y, x = np.mgrid[:60, :80]
    pixels = np.stack([x * 3, y * 4, (x * y) % 256], axis=-1).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def test_preset_is_the_chain_of_its_parts():
    preset = ImageClassification(crop_size=24, resize_size=32)
    chain = Compose([Resize(32), CenterCrop(24), ToTensor(), Normalize(MEAN, STD)])
    got = preset(photo())
    assert got.dtype == sn.float32
    np.testing.assert_allclose(got.numpy(), chain(photo()).numpy(), atol=1e-6)


def test_tensors_batches_and_arrays_agree_with_pillow():
    preset = ImageClassification(crop_size=24, resize_size=32)
    pixels = np.asarray(photo()).transpose(2, 0, 1)
    want = preset(photo()).numpy()
    level = 1 / 255 / min(STD) * 1.01
    for image in (pixels, sn.Tensor(pixels.copy())):
        assert np.abs(preset(image).numpy() - want).max() <= level
    batch = preset(sn.Tensor(np.stack([pixels, pixels])))
    assert tuple(batch.shape) == (2, 3, 24, 24)
    floats = preset(pixels.astype(np.float32) / 255)
    assert np.abs(floats.numpy() - want).max() <= level


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1"])
def test_other_pillow_modes_are_converted(mode):
    preset = ImageClassification(crop_size=8, resize_size=8)
    want = preset(photo(mode).convert("RGB"))
    np.testing.assert_array_equal(preset(photo(mode)).numpy(), want.numpy())


def test_gray_preset_takes_colour_images():
    preset = ImageClassification(crop_size=8, resize_size=8, mean=[0.5], std=[0.5])
    assert tuple(preset(photo()).shape) == (1, 8, 8)


def test_unscaled_samples_and_wrong_layout_are_refused():
    preset = ImageClassification(crop_size=8)
    with pytest.raises(DecodeError, match="unknown range"):
        preset(Image.new("F", (9, 9)))
    with pytest.raises(ShapeError, match=r"got \(60, 80, 3\); to_image turns"):
        preset(np.asarray(photo()))


def test_card_round_trip():
    card = {"resize": 232, "crop": 224, "interpolation": "bicubic", "mean": MEAN, "std": STD}
    preset = ImageClassification.from_dict(card)
    assert preset.interpolation is InterpolationMode.BICUBIC
    assert (preset.resize_size, preset.crop_size) == ([232], [224])
    assert repr(ImageClassification.from_dict(preset.to_dict())) == repr(preset)
    pair = ImageClassification.from_dict({"resize": [16, 20], "crop": [8, 10]})
    assert tuple(pair(photo()).shape) == (3, 8, 10)


def test_card_with_wrong_keys_is_refused():
    with pytest.raises(FormatError, match=r"unknown keys.*resample"):
        ImageClassification.from_dict({"crop": 224, "resample": "bilinear"})
    with pytest.raises(FormatError, match="crop is missing"):
        ImageClassification.from_dict({"resize": 224})
    with pytest.raises(ShapeError, match="as many std as mean"):
        ImageClassification.from_dict({"crop": 224, "mean": MEAN, "std": [0.5]})


def test_repr_is_torchvisions():
    assert repr(ImageClassification(crop_size=224)) == (
        "ImageClassification(\n    crop_size=[224]\n    resize_size=[256]\n"
        "    mean=[0.485, 0.456, 0.406]\n    std=[0.229, 0.224, 0.225]\n"
        "    interpolation=InterpolationMode.BILINEAR\n)"
    )
