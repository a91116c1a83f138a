"""The arithmetic of sizes: which size a resize has, where a crop lies, what padding it needs.

One place for Pillow images, arrays and tensors, so that all three agree to the pixel. Follows
torchvision, including which way halves are rounded. Sizes are (height, width) throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sensorium.errors import DTypeError, ShapeError

MAX_DERIVED_PIXELS = 1 << 27
"""What a resize by its shorter side may grow to; only a very long, thin image gets there."""

Size = int | Sequence[int]
Pair = tuple[int, int]


def _whole(op: str, value: Any, name: str) -> int:
    """value as a positive int."""
    try:
        number = value.__index__()
    except (AttributeError, TypeError):
        raise DTypeError(f"{op}: {name} wants whole numbers, got {value!r}") from None
    if number < 1:
        raise ShapeError(f"{op}: {name} wants positive sizes, got {value!r}")
    return number


def sizes(op: str, size: Size, name: str = "size") -> list[int]:
    """size as a list of one or two positive ints.

    >>> sizes("resize", 224), sizes("resize", (224, 320))
    ([224], [224, 320])
    """
    values = list(size) if isinstance(size, Sequence) and not isinstance(size, str) else [size]
    if len(values) not in (1, 2):
        raise ShapeError(f"{op}: {name} wants one or two numbers, got {len(values)} ({size!r})")
    return [_whole(op, value, name) for value in values]


def check_limits(op: str, size: Size | None, max_size: int | None) -> None:
    """What can be refused about size and max_size before an image is seen."""
    if max_size is not None:
        _whole(op, max_size, "max_size")
    if size is None:
        if max_size is None:
            raise ShapeError(f"{op}: size None wants max_size, which is None too")
        return
    wanted = sizes(op, size)
    if max_size is None:
        return
    if len(wanted) == 2:
        raise ShapeError(f"{op}: max_size goes with a single size, got size {size!r}")
    if max_size <= wanted[0]:
        raise ShapeError(f"{op}: max_size {max_size} must exceed the shorter side {wanted[0]}")


def resized(image: Pair, size: Size | None, max_size: int | None = None) -> Pair:
    """(height, width) after a resize.

    Two sizes are taken as they are. One is the new shorter side; the longer is scaled alike and cut
    to whole pixels, and where it would pass max_size both are scaled down to it. With size None the
    longer side becomes max_size.

    >>> resized((480, 641), 256), resized((480, 641), 256, max_size=300), resized((9, 3), (2, 5))
    ((256, 341), (225, 300), (2, 5))
    """
    check_limits("resize", size, max_size)
    wanted = [] if size is None else sizes("resize", size)
    if len(wanted) == 2:
        return wanted[0], wanted[1]
    short, long = sorted(image)
    new_short, new_long = (wanted[0], int(wanted[0] * long / short)) if wanted else (short, long)
    if max_size is not None and (new_long > max_size or not wanted):
        new_short, new_long = int(max_size * new_short / new_long), max_size
    new = (new_long, new_short) if image[1] <= image[0] else (new_short, new_long)
    return _check_derived(image, new)


def _check_derived(image: Pair, new: Pair) -> Pair:
    """new, unless it has no pixels or far too many."""
    if min(new) < 1 or new[0] * new[1] > MAX_DERIVED_PIXELS:
        raise ShapeError(
            f"resize: {image[0]} x {image[1]} pixels would become {new[0]} x {new[1]}, want 1 to "
            f"{MAX_DERIVED_PIXELS} pixels; pass the size as (height, width)"
        )
    return new


def crop_origin(image: Pair, crop: Pair) -> Pair:
    """(top, left) of a crop in the middle; a half pixel goes to the even neighbour.

    >>> crop_origin((5, 8), (2, 2))
    (2, 3)
    """
    return round((image[0] - crop[0]) / 2.0), round((image[1] - crop[1]) / 2.0)


def crop_padding(image: Pair, crop: Pair) -> list[int]:
    """[left, top, right, bottom] that makes the image at least as large as the crop.

    >>> crop_padding((5, 8), (8, 2))
    [0, 1, 0, 2]
    """
    down, across = max(crop[0] - image[0], 0), max(crop[1] - image[1], 0)
    return [across // 2, down // 2, (across + 1) // 2, (down + 1) // 2]


def padding_ltrb(padding: Size) -> list[int]:
    """[left, top, right, bottom] from one number, [left/right, top/bottom] or all four.

    >>> padding_ltrb(2), padding_ltrb([1, 3])
    ([2, 2, 2, 2], [1, 3, 1, 3])
    """
    values = list(padding) if isinstance(padding, Sequence) else [padding]
    if not all(isinstance(value, int) for value in values):
        raise DTypeError(f"pad: padding wants whole numbers, got {padding!r}")
    if len(values) not in (1, 2, 4):
        raise ShapeError(f"pad: padding wants 1, 2 or 4 numbers, got {len(values)} ({padding!r})")
    return values * (4 // len(values))
