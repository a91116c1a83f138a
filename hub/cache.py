"""The cache, for people and scripts: where it is, what is in it, whether it is right.

path()    the folder                    size()     bytes in it
list()    one ``Cached`` per entry      verify()   hash everything again
remove()  entries by name, source or digest
prune()   the files used longest ago, down to a size
"""

from __future__ import annotations

import builtins
import contextlib
import fnmatch
import os
from dataclasses import dataclass
from pathlib import Path

from sensorium.errors import OptionError

from . import repository, settings, sink
from .store import Entry, Store


@dataclass(frozen=True, slots=True)
class Cached:
    """One cached file: its name, source, digest, size in bytes and where it lies."""

    name: str
    source: str
    sha256: str
    size: int
    path: Path


def path() -> Path:
    """The cache folder (``SENSORIUM_HOME``); it need not exist yet."""
    return settings.home()


def list(pattern: str = "*") -> builtins.list[Cached]:
    """Entries whose name, source or digest matches a shell pattern or begins with it."""
    store = Store(settings.home())
    return [_cached(store, entry) for _, entry in _matching(store, pattern)]


def size() -> int:
    """Bytes of all files in the cache, temporary and damaged ones included."""
    total = 0
    for folder, _, names in os.walk(settings.home()):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def verify(pattern: str = "*") -> builtins.list[tuple[Cached, bool]]:
    """Hash every matching file again: (entry, whether it is right).

    A wrong file is moved to ``corrupt/``, so the next ``fetch`` downloads it anew.
    """
    store = Store(settings.home())
    return [(_cached(store, entry), store.recheck(entry)) for _, entry in _matching(store, pattern)]


def remove(pattern: str) -> int:
    """Remove matching entries, and the files that no entry is left for. Returns bytes freed."""
    store = Store(settings.home())
    matching = [*_matching(store, pattern)]
    doomed = {place for place, _ in matching}
    kept = {entry.sha256 for place, entry in store.entries() if place not in doomed}
    for place in doomed:
        with sink.disk_errors(place):
            place.unlink(missing_ok=True)
    for place in repository.kept_lists(store, lambda source: _matches(pattern, source)):
        with sink.disk_errors(place):
            place.unlink(missing_ok=True)
    digests = {entry.sha256 for _, entry in matching} - kept
    return sum(_unlink(store.blob(digest)) for digest in digests)


def prune(max_bytes: int) -> int:
    """Remove files, those used longest ago first, until at most ``max_bytes`` are left.

    Files that no entry names go first of all. An entry goes before its file, so whatever is left
    is valid if this is interrupted. A process that has such a file open or mapped keeps it; one
    that is about to open it fetches it again. Returns the bytes freed.
    """
    if type(max_bytes) is not int or max_bytes < 0:
        raise OptionError(f"prune: max_bytes is {max_bytes!r}, want a whole number from 0 up")
    store = Store(settings.home())
    places: dict[str, builtins.list[Path]] = {}
    for place, entry in store.entries():
        places.setdefault(entry.sha256, []).append(place)
    blobs = _by_age(store, places)
    left = sum(status.st_size for _, status in blobs)
    freed = 0
    for blob, _ in blobs:
        if left - freed <= max_bytes and blob.name in places:
            break
        for place in places.get(blob.name, []):
            with sink.disk_errors(place):
                place.unlink(missing_ok=True)
        freed += _unlink(blob)
    return freed


def _by_age(
    store: Store, places: dict[str, builtins.list[Path]]
) -> builtins.list[tuple[Path, os.stat_result]]:
    """Blobs, orphans first, then by when they were last read as far as the disk keeps note."""
    found = []
    for blob in (store.root / "blobs").glob("*"):
        with contextlib.suppress(OSError):
            found.append((blob, os.lstat(blob)))

    def age(item: tuple[Path, os.stat_result]) -> tuple[bool, float]:
        return item[0].name in places, max(item[1].st_atime, item[1].st_mtime)

    return sorted(found, key=age)


def _unlink(blob: Path) -> int:
    with sink.disk_errors(blob):
        if not os.path.lexists(blob):
            return 0
        freed = os.lstat(blob).st_size
        os.unlink(blob)
    return freed


def _matching(store: Store, pattern: str) -> builtins.list[tuple[Path, Entry]]:
    return [
        (place, entry)
        for place, entry in store.entries()
        if _matches(pattern, entry.name, entry.source, entry.sha256)
    ]


def _matches(pattern: str, *texts: str) -> bool:
    return any(fnmatch.fnmatchcase(text, pattern) or text.startswith(pattern) for text in texts)


def _cached(store: Store, entry: Entry) -> Cached:
    return Cached(entry.name, entry.source, entry.sha256, entry.stamp[0], store.blob(entry.sha256))
