"""NumPy's ``.npy`` and ``.npz``: a small text header, then the numbers; a zip of such files.

    \\x93NUMPY, version, header length, {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}

Follows https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. The header is a
Python literal; here three regular expressions read it and nothing is evaluated. Left out: element
types that are not plain numbers (objects, which would need pickle; records; strings; long double).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from ..errors import (
    CorruptError,
    DTypeError,
    FormatError,
    LimitError,
    TruncatedError,
    UnsafeContentError,
)
from . import _zip
from .atomic import atomic_write
from .dtypes import array_bytes, from_bytes
from .files import Path, naming, open_map
from .limits import DEFAULT, Limits

MAGIC = b"\x93NUMPY"
_DESCR = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|c8|c16)")
_TUPLE = r"\((?:[0-9]{1,19}L?, *)*(?:[0-9]{1,19}L?)?\)"  # L: written by Python 2
_FIELD = re.compile(
    rf"'(descr|fortran_order|shape)': *('[^'\n]{{1,64}}'|True|False|{_TUPLE}) *(,|(?=\}})) *"
)
_ANY_DESCR = re.compile(r"'descr': *(?:\[|'([^'\n]{1,64})')")


# -- reading -------------------------------------------------------------------------------------
def load_npz(path: Path, *, limits: Limits = DEFAULT) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz``, checksums verified; stored ones are views of the memory map.

    Raises ``FormatError`` and its kin naming the member; a compressed archive may expand to at
    most ``limits.inflate_factor`` times its size.
    """
    with naming(path):
        return read_npz(open_map(path), limits=limits)


def load_npy(path: Path, *, limits: Limits = DEFAULT) -> np.ndarray:
    """The array of an ``.npy`` file, a view of its memory map where possible."""
    with naming(path):
        return read_npy(open_map(path), limits=limits)


def read_npz(data: memoryview, *, limits: Limits = DEFAULT) -> dict[str, np.ndarray]:
    """As ``load_npz``, from bytes already in memory."""
    data = memoryview(data)
    arrays = {}
    for name, record in _zip.parse(data, limits).items():
        if not name.endswith(".npy"):
            raise FormatError(f"member {name!a} is not an .npy file; this is not an .npz archive")
        arrays[name[:-4]] = read_npy(_zip.read(data, record), limits=limits, what=name)
    return arrays


def read_npy(data: memoryview, *, limits: Limits = DEFAULT, what: str = "array") -> np.ndarray:
    """As ``load_npy``, from bytes already in memory.

    >>> import io
    >>> file = io.BytesIO()
    >>> np.save(file, np.arange(3))
    >>> read_npy(memoryview(file.getvalue()))
    array([0, 1, 2])
    """
    data = memoryview(data)
    begin, start = _header_bounds(data, limits, what)
    shape, descr, fortran = _header(str(data[begin:start], "latin-1").rstrip(), what)
    dtype = np.dtype(descr.lstrip("<>|="))
    size = array_bytes(shape, dtype, what)
    if len(data) < start + size:
        raise TruncatedError(f"{what}: {size} bytes expected, {len(data) - start} are there")
    if len(data) > start + size:
        raise CorruptError(f"{what}: {len(data) - start - size} bytes follow the array")
    order = "big" if descr[0] == ">" else "little"
    stored = shape[::-1] if fortran else shape
    array = from_bytes(data[start:], stored, dtype, what, order)
    return array.T if fortran else array


def _header_bounds(data: memoryview, limits: Limits, what: str) -> tuple[int, int]:
    """Where the header and the numbers begin; before: magic, version, the header's length."""
    if bytes(data[:6]) != MAGIC[: len(data)]:
        raise FormatError(f"{what}: no .npy header, it begins with {bytes(data[:8])!a}")
    if len(data) < 12:
        raise TruncatedError(f"{what}: {len(data)} bytes, cut off in the header")
    if data[6] not in (1, 2, 3) or data[7] != 0:
        raise FormatError(f"{what}: .npy version {data[6]}.{data[7]} is not supported")
    width = 2 if data[6] == 1 else 4
    length = int.from_bytes(data[8 : 8 + width], "little")
    if length > limits.npy_header_bytes:
        raise LimitError(f"{what}: header of {length} bytes; {limits.npy_header_bytes} are read")
    if 8 + width + length > len(data):
        raise TruncatedError(f"{what}: cut off in the header, at byte {len(data)}")
    return 8 + width, 8 + width + length


def _header(text: str, what: str) -> tuple[tuple[int, ...], str, bool]:
    """(shape, element type, whether the first index runs fastest)."""
    fields: dict[str, str] = {}
    position = 1
    while match := _FIELD.match(text, position):
        if match[1] in fields:
            raise CorruptError(f"{what}: field {match[1]!a} appears twice in the header")
        fields[match[1]], position = match[2], match.end()
    if text[:1] != "{" or text[position:] != "}" or len(fields) != 3:
        raise _strange(text, what)
    descr, shape = fields["descr"].strip("'"), fields["shape"]
    if not _DESCR.fullmatch(descr):
        raise _strange(text, what)
    if fields["fortran_order"] not in ("True", "False") or not shape.startswith("("):
        raise CorruptError(f"{what}: header {text[:80]!a} is damaged")
    return tuple(int(n) for n in re.findall("[0-9]+", shape)), descr, "T" in fields["fortran_order"]


def _strange(text: str, what: str) -> FormatError:
    """Say why a header cannot be read: objects, other element types, or damage."""
    match = _ANY_DESCR.search(text)
    if match and (match[1] or "").lstrip("<>|=").startswith("O"):
        return UnsafeContentError(
            f"{what}: an array of Python objects, which only pickle could restore; "
            "only numbers are read"
        )
    if match and not _DESCR.fullmatch(match[1] or ""):
        return FormatError(f"{what}: element type in {text[:80]!a} is not a plain number")
    return CorruptError(f"{what}: header {text[:80]!a} is damaged")


# -- writing -------------------------------------------------------------------------------------
def save_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays, uncompressed, to an ``.npz`` that ``numpy.load`` reads; atomic and durable.

    Raises ``DTypeError`` for types that NumPy's own format lacks, such as bfloat16.
    """
    for name, array in arrays.items():
        _check_writable(name, np.asarray(array))
    atomic_write(path, lambda file: _write_npz(file, arrays))


def _check_writable(name: object, array: np.ndarray) -> None:
    if not isinstance(name, str) or not name or "\0" in name:
        raise DTypeError(f"save_npz: name {name!a} is not a non-empty string")
    if not _DESCR.fullmatch(array.dtype.str) or array.dtype.isbuiltin != 1:
        raise DTypeError(
            f"save_npz: array {name!a} has element type {array.dtype}, which .npz lacks; "
            "use save_safetensors"
        )


def _write_npz(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    import zipfile  # writing only, and rarely: not worth the import time of everyone

    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            # A fixed date: equal arrays give equal files.
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
