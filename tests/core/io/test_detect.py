"""A file is what its bytes say; its name is never asked."""

import gzip
import io
import os
import struct
import tarfile

import numpy as np
import pytest

from sensorium.errors import FormatError, TruncatedError
from sensorium.io import KINDS, detect, load, load_object


def tar(*names, format=tarfile.PAX_FORMAT):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return file.getvalue()


def old_tar(name):
    """The header of before 1988: no magic, only the sum of its bytes."""
    header = bytearray(512)
    header[: len(name)] = name
    header[148:156] = b" " * 8
    header[148:155] = b"%06o\0" % sum(header)
    return bytes(header) + bytes(1024)


def npy():
    file = io.BytesIO()
    np.save(file, np.arange(3))
    return file.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5\n"
FILES = {
    "safetensors": lambda b: b.safetensors({}),
    "torch": lambda b: b.small_zip(),
    "torch-legacy": lambda b: b.small_stream(),
    "torchscript": lambda b: b.zip_file(
        [b.record("m/data.pkl", b""), b.record("m/constants.pkl", b"")]
    ),
    "torch-tar": lambda b: tar("sys_info", "pickle"),
    "tar": lambda b: tar("a"),
    "npz": lambda b: b.zip_file([b.record("a.npy", npy())]),
    "npy": lambda b: npy(),
    "ctranslate2": lambda b: struct.pack("<IH6sIII", 6, 6, b"ASpec\0", 1, 0, 0),
    "onnx": lambda b: bytes.fromhex("0808 3a0d 2a0b 0802 1003 420177 4a020304"),
    "zip": lambda b: b.zip_file([b.record("word/document.xml", b"")]),
    "gzip": lambda b: gzip.compress(b.small_zip()),
    "html": lambda b: b"\xef\xbb\xbf\n <!DOCTYPE html><html></html>",
    "xml": lambda b: b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "json": lambda b: b'{"error": "Invalid credentials"}',
    "git-lfs": lambda b: LFS,
    "pickle": lambda b: b.pkl(b"N"),
    "hdf5": lambda b: b"\x89HDF\r\n\x1a\n",
    "gguf": lambda b: b"GGUF\3\0\0\0",
    "empty": lambda b: b"",
    "text": lambda b: "über\n".encode(),
    "unknown": lambda b: b"\x00\x01\x02\xff",
}
READABLE = {"safetensors", "torch", "torch-legacy", "npz", "ctranslate2", "onnx"}


@pytest.mark.parametrize("kind", FILES)
def test_kind_is_told_from_the_content(kind, build, put):
    for name in ("x", "x.safetensors", "x.pth", "x.npz"):
        path = put(FILES[kind](build), name)
        assert detect(path) == kind
        if kind in READABLE:
            load(path)
        else:
            with pytest.raises(FormatError) as caught:
                load(path)
            assert KINDS[kind].split(",")[0][:20] in str(caught.value)
            assert name in str(caught.value)


def test_every_kind_is_tested():
    assert FILES.keys() == KINDS.keys()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (old_tar(b"sys_info"), "torch-tar"),
        (old_tar(b"a"), "tar"),
        (b"<html><head>", "html"),
        (b"[1, 2]", "json"),
        (b'[      {"a": 1}]', "json"),
        (("é" * 5000).encode(), "text"),
        (("aé" * 5000).encode(), "text"),
        (b"PK\3\4" + bytes(40), "zip"),
        (b"\x80", "unknown"),
    ],
)
def test_odd_spellings(data, kind, put):
    assert detect(put(data)) == kind


def test_cut_files_keep_their_kind(build, put):
    assert detect(put(build.small_zip()[:500])) == "torch"
    assert detect(put(build.safetensors({"a": {}})[:9])) == "safetensors"


def test_empty_file_is_truncated(put):
    with pytest.raises(TruncatedError, match=r"empty \(0 bytes\)"):
        load(put(b""))


def test_wrong_reader_says_what_the_file_is(build, put):
    with pytest.raises(
        FormatError, match="a PyTorch checkpoint expected; the file is a safetensors"
    ):
        load_object(put(build.safetensors({})))


def test_missing_file_is_the_systems_own_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


def test_folders_and_pipes_are_refused_without_waiting(tmp_path):
    with pytest.raises(FormatError, match="is a directory"):
        load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="not a regular file"):
        load(tmp_path / "pipe")
