"""Pages, error bodies and pointers that arrive where weights were expected.

A captive portal, a login page or an error document comes with status 200 often enough. The first
bytes tell them apart from every checkpoint, image and archive format; a file whose own name says
that it is such a text is left alone. ``whole`` is the check for a file with no published hash: its
container must account for every byte.
"""

from __future__ import annotations

import json
import os
import zlib

from sensorium.errors import SensoriumError

HEAD = 512  # bytes that sniffing looks at
_PAGES = {".html", ".htm", ".xml", ".svg", ".txt", ".md"}
_BINARY = {
    *(".pth", ".pt", ".bin", ".safetensors", ".ckpt", ".npz", ".npy", ".onnx", ".h5", ".model"),
    *(".zip", ".whl", ".gz", ".tar", ".tgz", ".xz", ".png", ".jpg", ".jpeg", ".webp", ".gif"),
    *(".wav", ".flac", ".ogg", ".mp3"),
}
_MARKS = (
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<head", "an HTML page"),
    (b"<?xml", "an XML document"),
    (b"<error", "an XML document"),
    (b"{", "a JSON document"),
    (b"[", "a JSON document"),
)
_POINTER = b"version https://git-lfs.github.com/spec/"


def wrong_content(head: bytes, content_type: str, name: str) -> str | None:
    """What the first bytes are, if they cannot be the file called ``name``; else None.

    >>> wrong_content(b"<!DOCTYPE html><p>log in", "text/html", "resnet18-f37072fd.pth")
    "an HTML page (content-type text/html, begins '<!DOCTYPE html><p>log in')"
    """
    if head.startswith(_POINTER):
        return "a git-lfs pointer, not the file it points to"
    if b"\0" in head[:16]:  # no text; a safetensors length may well begin with the byte of "{"
        return None
    suffix = os.path.splitext(name)[1].lower()
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    found = next((what for mark, what in _MARKS if start.startswith(mark)), None)
    if found is None or suffix in _PAGES:
        return None
    if found == "a JSON document" and suffix not in _BINARY:
        return None
    shown = head[:24].decode("latin-1")
    kind = content_type.partition(";")[0].strip()[:60] or "none"
    return f"{found} (content-type {kind}, begins {shown!r})"


def whole(path: str) -> str | None:
    """The container that accounts for every byte of a file, or None if none does.

    safetensors (offsets tile the file), zip (every checksum), JSON (one document).
    """
    if _is_safetensors(path):
        return "safetensors"
    if _is_zip(path):
        return "zip"
    return "JSON" if _is_json(path) else None


def _is_safetensors(path: str) -> bool:
    from sensorium.io.safetensors import load_safetensors

    try:
        load_safetensors(path)
    except (SensoriumError, OSError):
        return False
    return True


def _is_zip(path: str) -> bool:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return bool(archive.infolist()) and archive.testzip() is None
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return False


def _is_json(path: str) -> bool:
    if os.path.getsize(path) > 64 << 20:
        return False
    try:
        with open(path, encoding="utf-8") as file:
            json.load(file)
    except (ValueError, RecursionError):
        return False
    return True
