"""What a file is, told from its content; names and extensions are never asked."""

from __future__ import annotations

import re

from ..errors import FormatError, TruncatedError
from . import _zip
from .files import Path, open_map
from .limits import DEFAULT, Limits

# PROTO n, LONG1 of ten bytes: 0x1950a86a20f9469cfc6c, little-endian
_LEGACY = re.compile(
    rb"\x80[\x02-\x05](?:\x95.{8})?\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", re.DOTALL
)
# u32 version, u16 length, the specification's name (WhisperSpec, TransformerSpec, ...) with its NUL
_CTRANSLATE2 = re.compile(rb"[\x01-\x20]\0\0\0[\x05-\x60]\0[A-Za-z0-9_]+Spec\0")
# field 1, the IR version, then one of ModelProto's next fields: texts, numbers, the graph
_ONNX = re.compile(rb"\x08[\x01-\x20][\x12\x1a\x22\x28\x32\x3a\x42]")
_PICKLE = re.compile(rb"\x80[\x00-\x05]")
_HEAD = 4096

# What a kind is called in messages; the keys are all that ``detect`` answers.
KINDS = {
    "safetensors": "a safetensors file",
    "torch": "a PyTorch checkpoint",
    "torch-legacy": "a PyTorch checkpoint (old stream)",
    "torchscript": "a TorchScript archive, which is not supported; save its state_dict() instead",
    "torch-tar": "a PyTorch tar file of 2016, which is not supported; save it again with PyTorch",
    "tar": "a tar archive; unpack it first",
    "npz": "an .npz archive",
    "ctranslate2": "a CTranslate2 model",
    "onnx": "an ONNX model",
    "npy": "a single .npy array, which load_npy reads",
    "zip": "a zip archive of something else; unpack it first",
    "gzip": "gzip-compressed; unpack it first",
    "html": "an HTML page; was a login, proxy or error page downloaded instead of the file?",
    "xml": "an XML text; was an error message downloaded instead of the file?",
    "json": "a JSON text",
    "git-lfs": "a git-lfs pointer: run `git lfs pull` to fetch the file it stands for",
    "pickle": "a bare pickle, not written by torch.save; pickles of other makers are not read",
    "hdf5": "an HDF5 file, which is not supported",
    "gguf": "a GGUF file, which is not supported",
    "empty": "empty (0 bytes)",
    "text": "a text",
    "unknown": "of no kind that is known here",
}

_MAGICS = (
    (b"\x93NUMPY", "npy"),
    (b"\x1f\x8b", "gzip"),
    (b"\x89HDF", "hdf5"),
    (b"GGUF", "gguf"),
    (b"version https://git-lfs", "git-lfs"),
)


def detect(path: Path) -> str:
    """One of ``KINDS``, from the file's content.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".pth") as file:
    ...     _ = file.write(b"<!doctype html><title>Sign in</title>")
    ...     file.flush()
    ...     detect(file.name)
    'html'
    """
    return detect_bytes(open_map(path))


def detect_bytes(data: memoryview, limits: Limits = DEFAULT) -> str:
    """As ``detect``, from bytes already in memory."""
    head = bytes(data[:_HEAD])
    if not head:
        return "empty"
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return _zip_kind(data, limits)
    if _LEGACY.match(head):
        return "torch-legacy"
    # No length below 2**48 is text, so a JSON text cannot be mistaken for a header.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**48:
        return "safetensors"
    if _CTRANSLATE2.match(head):
        return "ctranslate2"
    if _ONNX.match(head):
        return "onnx"
    for magic, kind in _MAGICS:
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar" or _is_old_tar(head):
        return "torch-tar" if _tar_name(head) in _TAR_NAMES else "tar"
    return "pickle" if _PICKLE.match(head) and len(head) > 2 else _text_kind(head)


_TAR_NAMES = (b"sys_info", b"pickle", b"tensors", b"storages")


def _tar_name(head: bytes) -> bytes:
    return head[:100].rstrip(b"\0").removeprefix(b"./")


def _is_old_tar(head: bytes) -> bool:
    """Tar from before POSIX has no magic, only the octal sum of its 512-byte header."""
    field = head[148:156].strip(b" \0")
    if len(head) < 512 or not head[0] or not re.fullmatch(b"[0-7]+", field):
        return False
    return int(field, 8) == sum(head[:148]) + 8 * ord(" ") + sum(head[156:512])


def _zip_kind(data: memoryview, limits: Limits) -> str:
    """By the names inside; a damaged archive by its first name, so that its reader can tell."""
    try:
        names = list(_zip.parse(data, limits))
    except FormatError:
        length = int.from_bytes(data[26:28], "little")
        names = [bytes(data[30 : 30 + length]).decode("ascii", "replace")]
    folders = [name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")]
    if folders:
        code = (f"{folders[0]}constants.pkl", f"{folders[0]}code/")
        return "torchscript" if any(name.startswith(code) for name in names) else "torch"
    return "npz" if names and all(name.endswith(".npy") for name in names) else "zip"


def _text_kind(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "html"
    if text.startswith(b"<?xml"):
        return "html" if b"<html" in text else "xml"
    if not _is_text(head):
        return "unknown"
    return "json" if text.startswith((b"{", b"[")) else "text"


def _is_text(head: bytes) -> bool:
    """Printable UTF-8; a head cut from a longer file may end in part of a character."""
    for cut in range(4 if len(head) == _HEAD else 1):
        try:
            decoded = head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
        return not any(ord(c) < 32 and c not in "\t\n\r\f\v" for c in decoded)
    return False


def refusal(kind: str, wanted: str, data: memoryview) -> FormatError:
    """The error for a file of ``kind`` where ``wanted`` was expected."""
    if kind == "empty":
        return TruncatedError(f"{wanted} expected; the file is {KINDS[kind]}")
    start = bytes(data[:16])
    return FormatError(f"{wanted} expected; the file is {KINDS[kind]} (it begins with {start!a})")
