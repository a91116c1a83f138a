"""The cache on disk: content under its own sha256, and small entries that point to it.

::

    blobs/<sha256>           bytes; the name is computed here, never taken from a server
    index/<key>.json         (source, expected digits) -> sha256, with a stamp of the blob
    tmp/<place>-<pid>-<id>   downloads under way
    locks/<key>.lock         save bandwidth, nothing else
    corrupt/<name>.<id>      what did not verify, for whoever wants to look

A hit needs no write: the entry names a blob whose size, modification time and inode are those
stamped when its hash was computed, both files being regular and owned by this user or root.
Anything else is hashed again, and moved to ``corrupt/`` if it is wrong. Files are replaced by
rename only, so a process that maps an old one keeps it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from sensorium.errors import CacheError

from . import sink
from .expect import Expect, git_blob_sha1
from .sources import file_name, redact

_VERSION = 1
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TRANSIENT = {errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR}
_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n"  # https://bford.info/cachedir/


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the index. ``stamp`` is (size, mtime in ns, inode) of the blob when hashed."""

    source: str
    expected: str
    sha256: str
    name: str
    stamp: tuple[int, int, int]
    version: int = _VERSION


def key(source: str, digits: str) -> str:
    """The index key of a source and the digits expected; passwords do not enter it."""
    try:
        parts = urlsplit(source)
        source = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:
        pass
    text = json.dumps([source, digits])
    return hashlib.sha256(text.encode()).hexdigest()


class Store:
    """The files under ``root``; ``sensorium.hub.cache`` is its public face."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def blob(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise CacheError(f"a blob is named by 64 hexadecimal digits, not {digest[:80]!r}")
        return self.root / "blobs" / digest

    def entry_path(self, source: str, digits: str) -> Path:
        return self.root / "index" / f"{key(source, digits)}.json"

    def lock_path(self, source: str, digits: str) -> Path:
        return self.root / "locks" / f"{key(source, digits)}.lock"

    # -- reading -------------------------------------------------------------------------------
    def find(self, source: str, expect: Expect) -> Path | None:
        """The verified blob for a source, or None. Writes nothing if all is as it was left."""
        path = self.entry_path(source, expect.known)
        found = read_entry(path)
        if found is None:
            return self._adopt(source, expect)
        entry, owned = found
        blob = self.blob(entry.sha256)
        if not expect.matches(entry.sha256):
            return None
        now = _stamp(blob)
        if now is None:
            self._set_aside(blob)
            return None
        if owned and now == (entry.stamp, True):
            return blob
        return self._check(blob, entry.sha256, source, expect, entry.name)

    def _adopt(self, source: str, expect: Expect) -> Path | None:
        """A blob that another source brought, if the full hash names it."""
        if expect.sha256 is None or not os.path.lexists(self.blob(expect.sha256)):
            return None
        name = file_name(source)
        return self._check(self.blob(expect.sha256), expect.sha256, source, expect, name)

    def _check(
        self, blob: Path, digest: str, source: str, expect: Expect, name: str
    ) -> Path | None:
        """Hash a blob whose stamp proves nothing; stamp it anew, or put it aside."""
        if file_digest(blob) != digest:
            self._set_aside(blob)
            return None
        if expect.git_sha1 and git_digest(blob) != expect.git_sha1:
            return None  # a whole blob, but not the one that this entry may stand for
        with contextlib.suppress(CacheError):  # a read-only cache hashes every time
            self._point(source, expect, digest, name)
        return blob

    def _set_aside(self, path: Path) -> None:
        """Move what does not verify out of the way; never followed, never deleted."""
        if not os.path.lexists(path):
            return
        target = self.root / "corrupt" / f"{path.name}.{uuid.uuid4().hex[:8]}"
        with sink.disk_errors(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(path, target)
        warnings.warn(f"cache entry {path} was damaged: moved to {target}", stacklevel=2)

    def recheck(self, entry: Entry) -> bool:
        """Hash an entry's blob whatever its stamp says; a wrong one is put aside."""
        blob = self.blob(entry.sha256)
        right = file_digest(blob) == entry.sha256
        if not right:
            self._set_aside(blob)
        return right

    # -- writing -------------------------------------------------------------------------------
    def receive(self) -> contextlib.AbstractContextManager[sink.Sink]:
        """A temporary file for a download; see ``commit``."""
        self._begin()
        return sink.temporary(self.root / "tmp")

    def commit(self, received: sink.Sink, source: str, expect: Expect, name: str) -> Path:
        """Publish a verified download and point the source to it."""
        digest = received.digest()
        blob = self.blob(digest)
        with sink.disk_errors(blob):
            blob.parent.mkdir(parents=True, exist_ok=True)
        if blob.is_symlink() or (os.path.lexists(blob) and not blob.is_file()):
            self._set_aside(blob)
        try:
            received.publish(blob)
        except CacheError:  # some network disks report failure after success: look, then decide
            if file_digest(blob) != digest:
                raise
        self._point(source, expect, digest, name)
        return blob

    def _point(self, source: str, expect: Expect, digest: str, name: str) -> None:
        stamp = _stamp(self.blob(digest))
        if stamp is None:
            raise CacheError(f"{self.blob(digest)}: vanished while it was being stored; try again")
        entry = Entry(redact(source), expect.known, digest, name[:200], stamp[0])
        data = json.dumps(asdict(entry), indent=1).encode()
        target = self.entry_path(source, expect.known)
        try:
            self.put(target, data)
        except CacheError:  # as in ``commit``: what stands there decides
            found = read_entry(target)
            if found is None or found[0] != entry:
                raise

    def put(self, target: Path, data: bytes) -> None:
        """Replace a small file of the cache by ``data``, whole or not at all."""
        with sink.temporary(self.root / "tmp") as file, sink.disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            file.write(data)
            file.publish(target)

    def _begin(self) -> None:
        tag = self.root / "CACHEDIR.TAG"
        with sink.disk_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):  # backups skip tagged folders; nothing depends on it
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            with open(os.open(tag, flags, 0o644), "wb") as file:
                file.write(_TAG)

    # -- the whole -----------------------------------------------------------------------------
    def entries(self) -> Iterator[tuple[Path, Entry]]:
        """Every readable entry with the path of its file, in order of name."""
        with sink.disk_errors(self.root):
            paths = sorted((self.root / "index").glob("*.json"))
        for path in paths:
            found = read_entry(path)
            if found is not None:
                yield path, found[0]


def read_entry(path: Path) -> tuple[Entry, bool] | None:
    """An entry and whether its file can be trusted without hashing; None if absent or damaged.

    ``CacheError`` for one that a newer version wrote: it is not ours to overwrite.
    """
    data = _read_regular(path)
    if data is None:
        return None
    text, trusted = data
    try:
        fields = json.loads(text)
        version = fields["version"]
        if type(version) is int and version > _VERSION:
            raise CacheError(
                f"{path}: written by a newer version of Sensorium (format {version}, this one "
                f"knows {_VERSION}): upgrade, or set SENSORIUM_HOME to another folder"
            )
        stamp = tuple(int(part) for part in fields["stamp"])
        strings = [str(fields[field]) for field in ("source", "expected", "sha256", "name")]
        if version != _VERSION or len(stamp) != 3 or not _DIGEST.fullmatch(strings[2]):
            return None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    source, expected, digest, name = strings
    return Entry(source, expected, digest, name, (stamp[0], stamp[1], stamp[2])), trusted


def _open_regular(path: Path) -> tuple[int, os.stat_result] | None:
    """A descriptor and status; None for what is no regular file. A FIFO does not block, a
    symbolic link is not followed."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = _open_again(path, flags)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in _TRANSIENT:  # says nothing about the file
            raise CacheError(f"{path}: {error}; the file was left as it is, try again") from None
        return None
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        return descriptor, status
    os.close(descriptor)
    return None


def _open_again(path: Path, flags: int) -> int:
    """Open; on a network disk a handle may be stale once, after another host replaced the file."""
    for _ in range(3):
        try:
            return os.open(path, flags)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
    return os.open(path, flags)


def _read_regular(path: Path, limit: int = 65536) -> tuple[bytes, bool] | None:
    opened = _open_regular(path)
    if opened is None:
        return None
    descriptor, status = opened
    with open(descriptor, "rb") as file:
        return (file.read(limit), _is_ours(status)) if status.st_size <= limit else None


def read_own(path: Path, limit: int) -> bytes | None:
    """The bytes of a file that nobody but this user or root can have written; else None."""
    found = _read_regular(path, limit)
    return found[0] if found and found[1] else None


def _stamp(path: Path) -> tuple[tuple[int, int, int], bool] | None:
    """(size, mtime, inode) and whether the owner can be trusted; None for no regular file."""
    opened = _open_regular(path)
    if opened is None:
        return None
    os.close(opened[0])
    status = opened[1]
    return (status.st_size, status.st_mtime_ns, status.st_ino), _is_ours(status)


def _is_ours(status: os.stat_result) -> bool:
    """Owned by this user or root, and writable for nobody else."""
    if not hasattr(os, "getuid"):
        return True
    return status.st_uid in {os.getuid(), 0} and not status.st_mode & 0o022


def file_digest(path: Path) -> str | None:
    """sha256 of a regular file's bytes; None if it is none, or cannot be read."""
    opened = _open_regular(path)
    if opened is None:
        return None
    with open(opened[0], "rb", buffering=0) as file, contextlib.suppress(OSError):
        return hashlib.file_digest(file, "sha256").hexdigest()
    return None


def git_digest(path: Path) -> str | None:
    """git's blob sha1 of a regular file; None if it is none, or cannot be read."""
    opened = _open_regular(path)
    if opened is None:
        return None
    with open(opened[0], "rb") as file, contextlib.suppress(OSError):
        return git_blob_sha1(file, opened[1].st_size)
    return None
