"""Damaged, hostile and mislabelled image files: a DecodeError that says why, never a part."""

import contextlib
import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile, features

from sensorium.errors import DecodeError, DTypeError
from sensorium.vision.io import decode_image, open_image


def smooth(height=13, width=17):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 15, y * 19, (x + y) * 8], axis=-1).astype(np.uint8)


def encoded(format, image=None, **options):
    file = io.BytesIO()
    (image or Image.fromarray(smooth())).save(file, format, **options)
    return file.getvalue()


FILES = {
    "png": lambda: encoded("PNG"),
    "png palette": lambda: encoded("PNG", Image.fromarray(smooth()).convert("P")),
    "jpeg": lambda: encoded("JPEG"),
    "jpeg progressive": lambda: encoded("JPEG", progressive=True),
    "gif": lambda: encoded("GIF", Image.fromarray(smooth()[..., 0])),
    "bmp": lambda: encoded("BMP"),
    "webp": lambda: encoded("WEBP"),
    "webp lossless": lambda: encoded("WEBP", lossless=True),
    "tiff": lambda: encoded("TIFF"),
    "tiff lzw": lambda: encoded("TIFF", compression="tiff_lzw"),
    "ppm": lambda: encoded("PPM"),
    "pgm text": lambda: b"P2\n3 2\n255\n10 20 30\n140 150 160\n",
}

if "avif" in features.modules and features.check("avif"):
    FILES["avif"] = lambda: encoded("AVIF")


def chunk(kind, body, crc=None):
    crc = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def gray_png(width, height, raw, interlace=0):
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlace)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


# -- cut short -----------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
def test_file_cut_at_every_byte_is_whole_or_refused(name):
    data = FILES[name]()
    whole = np.asarray(open_image(data))
    for length in range(len(data)):
        try:
            got = np.asarray(open_image(data[:length]))
        except DecodeError:
            continue
        assert np.array_equal(got, whole), f"{length} of {len(data)} bytes gave another picture"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["png", "jpeg"])
def test_cut_file_is_refused_even_if_pillow_was_told_to_accept_it(name, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = FILES[name]()
    for length in range(0, len(data), 7):
        with pytest.raises(DecodeError):
            open_image(data[:length])


def test_png_with_missing_rows_is_refused():
    raw = (b"\0" + b"\x7f" * 4) * 2
    data = gray_png(4, 4, raw)
    with pytest.raises(DecodeError, match="10 of the 20 bytes its rows need"):
        open_image(data)
    lenient = np.asarray(open_image(data, strict=False))
    assert lenient[:, 0, 0].tolist() == [0x7F, 0x7F, 0, 0]


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (5, 5), (8, 8), (9, 17)])
def test_interlaced_png_needs_the_rows_of_its_seven_passes(size):
    width, height = size
    starts = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4)]
    starts += [(1, 0, 2, 2), (0, 1, 1, 2)]
    rows = [
        bytes(1 + len(range(x, width, dx)))
        for x, y, dx, dy in starts
        for _ in range(y, height, dy)
        if x < width
    ]
    assert open_image(gray_png(width, height, b"".join(rows), 1)).size == size
    with pytest.raises(DecodeError, match="rows need"):
        open_image(gray_png(width, height, b"".join(rows)[:-1], 1))


@pytest.mark.parametrize("depth,colour,bits", [(1, 0, 1), (2, 3, 2), (8, 6, 32), (16, 4, 32)])
def test_png_row_size_follows_depth_and_colour(depth, colour, bits):
    head = struct.pack(">IIBBBBB", 5, 3, depth, colour, 0, 0, 0)
    row = 1 + (5 * bits + 7) // 8
    palette = chunk(b"PLTE", bytes(12)) if colour == 3 else b""

    def file(size):
        data = chunk(b"IDAT", zlib.compress(bytes(size)))
        ends = chunk(b"IHDR", head) + palette + data + chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + ends

    assert open_image(file(3 * row), mode="L").size == (5, 3)
    with pytest.raises(DecodeError, match="rows need"):
        open_image(file(3 * row - 1), mode="L")


def test_jpeg_without_its_end_marker_is_refused():
    data = FILES["jpeg"]()
    assert data.endswith(b"\xff\xd9")
    with pytest.raises(DecodeError):
        open_image(data[:-2])
    assert open_image(data + b"trailing bytes of a camera").size == (17, 13)


# -- flipped bits --------------------------------------------------------------------------------
def test_flipped_bit_in_a_png_is_always_seen():
    data = FILES["png"]()
    for at in range(0, len(data) - 12, 5):
        hurt = bytearray(data)
        hurt[at] ^= 1 << (at % 8)
        with pytest.raises(DecodeError):
            open_image(hurt)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
def test_flipped_bits_raise_nothing_but_decode_error(name):
    data = FILES[name]()
    for at in range(0, len(data), 16):
        hurt = bytearray(data)
        hurt[at] ^= 1 << (at % 8)
        with contextlib.suppress(DecodeError):
            open_image(hurt, max_pixels=1_000_000)


# -- not an image --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "content,reason",
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"\n  <html>", "HTML"),
        (b"<?xml version='1.0'?><svg/>", "XML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"PK\x03\x04....", "zip"),
        (bytes(100), "zero bytes"),
        (b"hello world", "no image format known here starts with b'hello wo'"),
    ],
)
def test_other_content_is_named(tmp_path, content, reason):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(DecodeError, match=reason) as caught:
        open_image(path)
    assert str(path) in str(caught.value)


def test_directory_missing_file_and_pipe(tmp_path):
    with pytest.raises(DecodeError, match="directory"):
        open_image(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such image file"):
        open_image(tmp_path / "absent.png")
    if not hasattr(os, "mkfifo"):  # Windows
        return
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DecodeError, match="not a regular file"):
        open_image(tmp_path / "pipe")


def test_text_file_and_wrong_kinds_are_refused():
    with pytest.raises(DTypeError, match="binary mode"):
        open_image(io.StringIO("P5"))
    with pytest.raises(DTypeError, match="got int"):
        open_image(3)


def test_decode_image_wraps_too():
    with pytest.raises(DecodeError, match="HTML"):
        decode_image(b"<html>")


# -- bombs ---------------------------------------------------------------------------------------
def bomb_png(side):
    return gray_png(side, side, b"")


@pytest.mark.parametrize("side", [8000, 13000, 60000])
def test_bomb_is_an_error_before_any_pixel_and_without_a_warning(side):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DecodeError, match=f"{side} x {side} pixels are more than max_pixels"):
            open_image(bomb_png(side), strict=False)


@pytest.mark.parametrize("format", ["JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_max_pixels_holds_for_every_format(format):
    data = encoded(format)
    with pytest.raises(DecodeError, match="17 x 13 pixels are more than max_pixels=220"):
        open_image(data, max_pixels=220)
    assert open_image(data, max_pixels=221).size == (17, 13)


def test_large_image_that_is_allowed_does_not_warn():
    data = encoded("PNG", Image.new("1", (10_000, 9_500)))
    assert open_image(data, mode=None, max_pixels=100_000_000).size == (10_000, 9_500)


def test_file_larger_than_any_allowed_image_is_not_read_whole():
    class Endless(io.RawIOBase):
        def read(self, size=-1):
            assert size >= 0
            return b"\0" * size

    with pytest.raises(DecodeError, match="too large"):
        open_image(Endless(), max_pixels=1000)
