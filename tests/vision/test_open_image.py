"""``open_image`` and ``decode_image`` on good files: each kind of file has one documented result."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

import sensorium as sn
from sensorium.errors import DecodeError, DTypeError, ShapeError
from sensorium.vision.io import (
    ImageReadMode,
    decode_image,
    open_image,
    read_image,
    write_jpeg,
    write_png,
)


def picture(height=6, width=8, channels=3, seed=0):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(pixels, format="PNG", **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png(width, height, depth, colour, rows, extra=b""):
    """A PNG written by hand from unfiltered rows."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    body = chunk(b"IHDR", head) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


# -- sources -------------------------------------------------------------------------------------
def test_path_string_bytes_and_file_give_the_same_pixels(tmp_path):
    data = encoded(picture())
    path = tmp_path / "a.png"
    path.write_bytes(data)
    sources = [path, str(path), data, bytearray(data), memoryview(data), io.BytesIO(data)]
    for source in sources:
        assert np.array_equal(np.asarray(open_image(source)), picture())


def test_result_is_detached_from_its_file():
    image = open_image(encoded(picture()))
    assert type(image) is Image.Image
    assert np.array_equal(np.asarray(open_image(encoded(picture()), mode=None)), picture())


def test_format_is_told_by_content_not_by_name(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(picture(), "PNG"))
    assert np.array_equal(np.asarray(open_image(path)), picture())


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_round_trip(format):
    assert np.array_equal(np.asarray(open_image(encoded(picture(), format))), picture())


def test_lossless_webp_round_trips():
    data = encoded(picture(), "WEBP", lossless=True)
    assert np.array_equal(np.asarray(open_image(data)), picture())


# -- orientation ---------------------------------------------------------------------------------
@pytest.mark.parametrize("tag", range(1, 9))
def test_exif_orientation_is_applied(tag):
    exif = Image.Exif()
    exif[0x0112] = tag
    data = encoded(picture(), "PNG", exif=exif)
    want = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert np.array_equal(np.asarray(open_image(data)), np.asarray(want))
    as_stored = open_image(data, apply_exif_orientation=False)
    assert np.array_equal(np.asarray(as_stored), picture())


def test_exif_orientation_of_a_16_bit_image_keeps_the_scaling():
    exif = Image.Exif()
    exif[0x0112] = 6
    samples = np.array([[0, 257], [65535, 514], [1028, 771]], np.uint16)
    data = encoded(Image.fromarray(samples), "PNG", exif=exif)
    want = np.rot90(samples // 257, -1)
    assert np.array_equal(np.asarray(open_image(data, mode="L")), want)


def test_broken_exif_costs_nothing():
    data = encoded(picture(), "JPEG")
    broken = data[:2] + b"\xff\xe1\x00\x10Exif\x00\x00garbage!"[:18] + data[2:]
    assert open_image(broken).size == (8, 6)


# -- modes ---------------------------------------------------------------------------------------
def test_16_bit_gray_is_scaled_not_clipped():
    rows = [struct.pack(">4H", 0, 128, 0x8000, 0xFFFF)]
    data = png(4, 1, 16, 0, rows)
    want = [round(v / 257) for v in (0, 128, 0x8000, 0xFFFF)]
    assert np.asarray(open_image(data, mode="L"))[0].tolist() == want
    assert np.asarray(open_image(data))[0, :, 1].tolist() == want


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_16_bit_gray_of_every_format(format):
    samples = np.array([[0, 1000, 40000, 65535]], np.uint16)
    by_hand = b"P5 4 1 65535 " + samples.astype(">u2").tobytes()
    data = by_hand if format == "PPM" else encoded(Image.fromarray(samples), format)
    assert np.array_equal(np.asarray(open_image(data, mode="L")), np.rint(samples / 257))


def test_16_bit_rgb_keeps_the_high_byte():
    data = png(1, 1, 16, 2, [struct.pack(">3H", 0x12FF, 0x8000, 0xFFFF)])
    assert np.asarray(open_image(data))[0, 0].tolist() == [0x12, 0x80, 0xFF]


def test_one_bit_image_is_black_and_white():
    data = encoded(Image.fromarray(np.array([[True, False]])), "PNG")
    assert np.asarray(open_image(data))[0].tolist() == [[255] * 3, [0] * 3]


def test_palette_is_looked_up_and_its_transparency_dropped():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    plain = encoded(image, "PNG")
    clear = encoded(image, "PNG", transparency=b"\x00\x80")
    for data in (plain, clear):
        assert np.asarray(open_image(data))[0].tolist() == [[10, 20, 30], [200, 100, 50]]
    got = np.asarray(open_image(clear, mode="RGBA"))[0, :, 3]
    assert got.tolist() == [0, 0x80]


@pytest.mark.parametrize("mode,channels", [("LA", 2), ("RGBA", 4)])
def test_alpha_is_dropped_not_composed(mode, channels):
    pixels = picture(channels=channels)
    got = np.asarray(open_image(encoded(Image.fromarray(pixels), "PNG")))
    assert np.array_equal(got, np.broadcast_to(pixels[..., : channels - 1], got.shape))
    assert np.array_equal(np.asarray(open_image(encoded(pixels), mode=mode)), pixels)


@pytest.mark.parametrize("ink", [(255, 0, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255), (0, 0, 0, 0)])
def test_cmyk_jpeg_with_adobes_inversion_has_the_ink_s_colour(ink):
    data = encoded(Image.new("CMYK", (16, 16), ink), "JPEG", quality=100)
    want = [(255 - c) * (255 - ink[3]) / 255 for c in ink[:3]]
    assert np.abs(np.asarray(open_image(data))[8, 8] - np.array(want)).max() <= 3


def test_gray_to_rgb_repeats_the_channel():
    pixels = picture(channels=1)
    got = np.asarray(open_image(encoded(pixels)))
    assert np.array_equal(got, np.repeat(pixels[..., None], 3, axis=2))


def test_samples_without_a_known_white_are_refused():
    data = encoded(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF")
    with pytest.raises(DecodeError, match="floats of unknown range"):
        open_image(data)
    assert open_image(data, mode=None).mode == "F"


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_animation_gives_its_first_frame(format):
    frames = [Image.new("RGB", (9, 9), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert np.asarray(open_image(data))[4, 4].tolist() == [255, 0, 0]


@pytest.mark.parametrize("size", [(1, 1), (1, 20000), (20000, 1)])
def test_extreme_shapes(size):
    assert open_image(encoded(Image.new("RGB", size)), mode="RGB").size == size


def test_broken_colour_profile_is_ignored():
    data = encoded(picture(), "PNG", icc_profile=b"not a profile")
    assert np.array_equal(np.asarray(open_image(data)), picture())


def test_unknown_mode_names_the_known_ones():
    with pytest.raises(DTypeError, match=r"LAB.*RGBA"):
        open_image(encoded(picture()), mode="LAB")


# -- tensors -------------------------------------------------------------------------------------
def test_decode_image_unchanged_keeps_channels_and_depth():
    for channels in (1, 3, 4):
        pixels = picture(channels=channels)
        got = decode_image(encoded(pixels))
        want = pixels.reshape(6, 8, channels).transpose(2, 0, 1)
        assert got.dtype == sn.uint8
        assert np.array_equal(got.numpy(), want)
    sixteen = decode_image(png(2, 1, 16, 0, [struct.pack(">2H", 7, 65535)]))
    assert sixteen.dtype == np.uint16
    assert sixteen.numpy().tolist() == [[[7, 65535]]]


@pytest.mark.parametrize(
    "mode,channels",
    [("GRAY", 1), ("GRAY_ALPHA", 2), ("RGB", 3), ("RGBA", 4), (ImageReadMode.RGB_ALPHA, 4)],
)
def test_decode_image_modes(mode, channels):
    assert tuple(decode_image(encoded(picture()), mode).shape) == (channels, 6, 8)


def test_decode_image_turns_only_when_asked():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(picture(), "PNG", exif=exif)
    assert tuple(decode_image(data).shape) == (3, 6, 8)
    assert tuple(decode_image(data, apply_exif_orientation=True).shape) == (3, 8, 6)


def test_decode_image_of_a_byte_tensor():
    data = sn.Tensor(np.frombuffer(encoded(picture()), np.uint8))
    assert np.array_equal(decode_image(data).numpy(), picture().transpose(2, 0, 1))
    with pytest.raises(ShapeError, match="one-dimensional uint8"):
        decode_image(sn.Tensor(np.zeros((2, 2), np.uint8)))


def test_written_png_reads_back(tmp_path):
    pixels = sn.Tensor(picture().transpose(2, 0, 1).copy())
    write_png(pixels, tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png").numpy(), pixels.numpy())
    write_jpeg(sn.Tensor(np.full((16, 16), 90, np.uint8)), tmp_path / "a.jpg")
    assert np.abs(read_image(tmp_path / "a.jpg").numpy().astype(int) - 90).max() <= 1


def test_writers_name_what_they_refuse(tmp_path):
    with pytest.raises(ShapeError, match=r"\(2, 3, 4\)"):
        write_png(sn.Tensor(np.zeros((2, 3, 4), np.uint8)), tmp_path / "a.png")
    with pytest.raises(DTypeError, match="float32"):
        write_png(sn.Tensor(np.zeros((3, 3, 4), np.float32)), tmp_path / "a.png")
    with pytest.raises(DTypeError, match="quality 101"):
        write_jpeg(sn.Tensor(np.zeros((3, 3, 4), np.uint8)), tmp_path / "a.jpg", quality=101)
