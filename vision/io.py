"""Image files in and out: ``open_image`` for Pillow images, torchvision's names for tensors.

``open_image`` is what pipelines use: whole, upright, RGB, or a ``DecodeError`` that names the file
and the reason. ``decode_image``, ``read_image``, ``write_png`` and ``write_jpeg`` follow
``torchvision.io``. Formats: JPEG, PNG, GIF, WebP, BMP, TIFF, PNM and, where Pillow has it, AVIF;
told apart by content. Left out: vector and PostScript formats, on purpose.

Every decoder sits behind the same three checks: the header's size against ``max_pixels`` before
any pixel is decoded, the container's own promises (strict), and one error type for everything that
goes wrong inside.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from sensorium.errors import DecodeError, DTypeError, ShapeError
from sensorium.tensor import Tensor

from ._containers import FORMATS, Damaged, check_whole, sniff
from ._modes import MODES, as_mode, as_stored, orientation

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "ImageReadMode",
    "decode_image",
    "open_image",
    "read_image",
    "write_jpeg",
    "write_png",
]

MAX_PIXELS = 50_000_000
"""Width times height that is decoded unless told otherwise: 150 MB as RGB, 600 MB as float32."""

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

# Opened through the plugin, not Image.open: that would try every format it knows, some of which run
# programs, and would warn about large images where this module decides.
_READERS = {
    "AVIF": ("AvifImagePlugin", "AvifImageFile"),
    "BMP": ("BmpImagePlugin", "BmpImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
    "JPEG": ("JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PngImagePlugin", "PngImageFile"),
    "PPM": ("PpmImagePlugin", "PpmImageFile"),
    "TIFF": ("TiffImagePlugin", "TiffImageFile"),
    "WEBP": ("WebPImagePlugin", "WebPImageFile"),
}


class ImageReadMode(Enum):
    """What ``decode_image`` converts to; the names of ``torchvision.io.ImageReadMode``."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4
    RGBA = RGB_ALPHA


_PILLOW_MODE = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}


# -- reading -------------------------------------------------------------------------------------
def open_image(
    source: Source,
    mode: str | None = "RGB",
    *,
    max_pixels: int = MAX_PIXELS,
    strict: bool = True,
    apply_exif_orientation: bool = True,
) -> Image.Image:
    """The first frame of an image file, decoded, upright, in mode L, LA, RGB or RGBA.

    source is a path, the file's bytes, or a binary file read from where it stands. mode None keeps
    Pillow's mode. 16-bit gray is scaled to 8 bits, alpha that mode lacks is dropped (see
    ``_modes.as_mode``), CMYK follows Adobe's inversion, colour profiles are ignored.

    DecodeError for what is not an image, has more than max_pixels, or is damaged; strict also
    refuses what decoders let pass: missing PNG rows and checksums, JPEG without an end. It is
    FileNotFoundError where there is no file.

    >>> open_image(b"P5 2 1 255 ab", mode="L").size
    (2, 1)
    """
    if mode is not None and mode not in MODES:
        raise DTypeError(f"open_image: mode {mode!r} is not None or one of {', '.join(MODES)}")
    name = _name(source)
    convert = (lambda image: image) if mode is None else (lambda image: as_mode(image, mode))
    data = _bytes(source, name, max_pixels)
    return _decode(data, name, convert, max_pixels, strict, apply_exif_orientation)


def decode_image(
    input: Source | Tensor,
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
    *,
    max_pixels: int = MAX_PIXELS,
    strict: bool = True,
) -> Tensor:
    """An image file, or its bytes in a uint8 tensor, as a tensor (C, H, W).

    uint8, or uint16 for 16-bit gray in mode UNCHANGED. UNCHANGED keeps gray, alpha and depth but
    looks palettes up and turns CMYK into RGB. Follows torchvision: orientation is applied only when
    asked for. Errors as for ``open_image``.

    >>> decode_image(b"P5 2 1 255 ab")
    tensor([[[97, 98]]], dtype=uint8)
    """
    wanted = _read_mode(mode)
    if isinstance(input, Tensor):
        input = _encoded_bytes(input)
    name = _name(input)
    target = _PILLOW_MODE.get(wanted)
    convert = as_stored if target is None else (lambda image: as_mode(image, target))
    data = _bytes(input, name, max_pixels)
    image = _decode(data, name, convert, max_pixels, strict, apply_exif_orientation)
    pixels = np.array(image)
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return Tensor(np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1)))


def read_image(
    path: str | os.PathLike[str],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """The image file at path as a tensor (C, H, W): ``decode_image`` under its older name."""
    return decode_image(path, mode, apply_exif_orientation)


def _decode(
    data: bytes,
    name: str,
    convert: Callable[[Image.Image], Image.Image],
    max_pixels: int,
    strict: bool,
    turn: bool,
) -> Image.Image:
    """data as a converted Pillow image; whatever goes wrong is a DecodeError about name."""
    try:
        format = sniff(data)
        image = _reader(format)(io.BytesIO(data))
        _check_size(image.size, max_pixels)
        if strict:
            check_whole(data, format)
        image.load()
        how = orientation(image) if turn else None
        converted = convert(image)
        return _detached(converted if how is None else converted.transpose(how))
    except Damaged as error:
        raise DecodeError(f"{name}: {error}") from None
    except MemoryError:  # says something about the machine, not about the file
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise DecodeError(f"{name}: {_reason(error)}") from error


def _reader(format: str) -> Callable[[BinaryIO], Image.Image]:
    """The Pillow class that reads format; Damaged where this Pillow was built without it."""
    module, name = _READERS[format]
    try:
        return getattr(import_module(f"PIL.{module}"), name)
    except ImportError:
        raise Damaged(f"this build of Pillow cannot read {format}") from None


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise Damaged(
            f"{width} x {height} pixels are more than max_pixels={max_pixels}; "
            "raise max_pixels if the file is to be trusted"
        )


def _detached(image: Image.Image) -> Image.Image:
    """A plain Image that keeps neither the file's bytes nor its lazy reader alive."""
    return image.copy() if type(image) is not Image.Image else image


def _reason(error: Exception) -> str:
    text = str(error).strip()
    return f"{text} ({type(error).__name__})" if text else type(error).__name__


# -- sources -------------------------------------------------------------------------------------
def _name(source: object) -> str:
    """What error messages call source."""
    if isinstance(source, (str, os.PathLike)):
        return str(source)
    return str(getattr(source, "name", None) or f"<{type(source).__name__}>")


def _bytes(source: Source, name: str, max_pixels: int) -> bytes:
    """The content of source, refused when no image of max_pixels can need that much."""
    limit = 16 * max_pixels + (1 << 20)  # four float32 samples a pixel, and some metadata
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    elif isinstance(source, (str, os.PathLike)):
        data = _file_bytes(Path(source), limit)
    elif hasattr(source, "read"):
        data = source.read(limit + 1)
    else:
        raise DTypeError(
            f"open_image: want a path, bytes or a binary file, got {type(source).__name__}"
        )
    if not isinstance(data, bytes):
        raise DTypeError(f"open_image: {name} is open as text; open it in binary mode ('rb')")
    if len(data) > limit:
        raise DecodeError(f"{name}: more than {limit} bytes, too large for max_pixels={max_pixels}")
    return data


def _file_bytes(path: Path, limit: int) -> bytes:
    """At most limit + 1 bytes of a regular file."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such image file")
    if not path.is_file():
        what = "a directory" if path.is_dir() else "not a regular file"
        raise DecodeError(f"{path}: this is {what}, not an image file")
    with path.open("rb") as file:
        return file.read(limit + 1)


def _encoded_bytes(tensor: Tensor) -> bytes:
    if tensor.dtype != np.uint8 or tensor.ndim != 1:
        raise ShapeError(
            "decode_image: want the file's bytes as a one-dimensional uint8 tensor, got "
            f"{tensor.dtype} of shape {tuple(tensor.shape)}"
        )
    return tensor.numpy().tobytes()


def _read_mode(mode: ImageReadMode | str) -> ImageReadMode:
    if isinstance(mode, ImageReadMode):
        return mode
    try:
        return ImageReadMode[str(mode).upper()]
    except KeyError:
        names = ", ".join(ImageReadMode.__members__)
        raise DTypeError(f"decode_image: mode {mode!r} is not one of {names}") from None


# -- writing -------------------------------------------------------------------------------------
def write_png(input: Tensor, filename: str | os.PathLike[str], compression_level: int = 6) -> None:
    """Save a uint8 tensor (C, H, W) or (H, W), C = 1 or 3, as PNG; compression_level is 0 to 9."""
    _check_range("write_png", "compression_level", compression_level, 0, 9)
    _drawable("write_png", input).save(filename, "PNG", compress_level=compression_level)


def write_jpeg(input: Tensor, filename: str | os.PathLike[str], quality: int = 75) -> None:
    """Save a uint8 tensor (C, H, W) or (H, W), C = 1 or 3, as JPEG; quality is 1 to 100."""
    _check_range("write_jpeg", "quality", quality, 1, 100)
    _drawable("write_jpeg", input).save(filename, "JPEG", quality=quality)


def _check_range(op: str, name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise DTypeError(f"{op}: {name} {value} is not within {low} to {high}")


def _drawable(op: str, tensor: Tensor) -> Image.Image:
    """A uint8 tensor (1 or 3, H, W) or (H, W) as a Pillow image."""
    if not isinstance(tensor, Tensor) or tensor.dtype != np.uint8:
        kind = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        raise DTypeError(f"{op}: want a uint8 tensor, got {kind}")
    shape = tuple(tensor.shape)
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] not in (1, 3)) or 0 in shape:
        raise ShapeError(f"{op}: want shape (1 or 3, H, W) or (H, W), got {shape}")
    pixels = tensor.numpy(force=True)
    colour = len(shape) == 3 and shape[0] == 3
    pixels = pixels.transpose(1, 2, 0) if colour else pixels.reshape(shape[-2:])
    return Image.fromarray(np.ascontiguousarray(pixels))
