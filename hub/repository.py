"""Where the files of one model lie: a folder of this machine, or an ``hf://org/name`` repository.

Both answer one question, ``find(name)``: a ``File`` with its sources and hashes, or None. Names asked
for are ours or were checked by us; what a server lists is looked up, never used as a path.

A repository is asked once for all its files with their hashes (``/api/models/...?blobs=true``), and
everything then comes from that one commit. An endpoint without this list is asked file by file, and
says what it knows in headers (``X-Repo-Commit``, ``X-Linked-ETag``, ``ETag``). Hashes: sha256 of large
files, git's blob sha1 of small ones. The list is kept in the cache, so that a model once loaded
loads offline; for a full commit id it is not asked for again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sensorium.errors import (
    AuthError,
    CacheError,
    CardError,
    DownloadError,
    HubError,
    IntegrityError,
    NotFoundError,
    OfflineError,
    RateLimitError,
)

from . import replies, settings, sources
from .cards import File, file_name, strict_json
from .download import download
from .expect import Expect, git_blob_sha1
from .store import Store, read_own
from .transport import Broken, Policy, Reply, open_url

PENDING = ".saved"  # in a folder: files of a finished ``save`` that are not in their places yet
_LIMIT = 32 << 20
_FILES = 20_000
_SHA256, _SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


class Place(Protocol):
    """The files of one model."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def root(self) -> str:
        """What ``local:`` sources of a card are relative to."""

    def find(self, name: str) -> File | None: ...
    def remember(self) -> None: ...


# -- a folder ------------------------------------------------------------------------------------
class Folder:
    """Files of a folder, those of an unfinished ``save`` first. A link is followed if it stays
    inside, or leads from a snapshot of the Hugging Face cache to its blobs."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.abspath(os.path.expanduser(path)))
        self.name, self.root = os.fspath(path), str(self.path)

    def find(self, name: str) -> File | None:
        found = [self.path / part / name for part in (PENDING, "")]
        given = [self._real(path).as_uri() for path in found if path.is_file()]
        return File(sources=given) if given else None

    def remember(self) -> None:
        """Nothing: the folder itself is what is remembered."""

    def _real(self, path: Path) -> Path:
        real, base = Path(os.path.realpath(path)), Path(os.path.realpath(self.path))
        allowed = [base]
        if base.parent.name == "snapshots":  # models--org--name/snapshots/<commit>
            allowed.append(base.parents[1] / "blobs")
        if not any(real.is_relative_to(folder) for folder in allowed):
            raise NotFoundError(f"{path}: is a link that leaves its folder, which is not followed")
        return real


# -- a repository --------------------------------------------------------------------------------
@dataclass(slots=True)
class Listing:
    """What a repository holds at one revision; a name with None is known not to be there."""

    commit: str | None = None
    complete: bool = False
    files: dict[str, dict[str, Any] | None] = field(default_factory=dict)


class Repository:
    """``hf://org/name[@revision]``, the revision fixed to one commit when it is first asked."""

    def __init__(self, source: str, policy: Policy | None = None) -> None:
        self.repository, self.revision = sources.repository(source)
        self.name = f"hf://{self.repository}@{self.revision}"
        self.policy = policy or Policy()
        self.store = Store(settings.home())
        self.listing = self._open()

    @property
    def root(self) -> str:
        return f"hf://{self.repository}@{self.listing.commit or self.revision}"

    def find(self, name: str) -> File | None:
        """The file, or None; ``NotFoundError`` if there is no such repository or revision."""
        known = self.listing.files
        if name not in known and not self.listing.complete:
            if settings.offline():
                return None
            known[name] = self._ask(name)
        facts = known.get(name)
        return None if facts is None else File(sources=[f"{self.root}/{name}"], **facts)

    def remember(self) -> None:
        """Keep the list, now that everything in it which is needed has come."""
        table = {"version": 1, "source": self.name, **dataclasses.asdict(self.listing)}
        data = json.dumps(table).encode()
        try:
            if read_own(self._path(), _LIMIT) != data:
                self.store.put(self._path(), data)
        except CacheError:  # a read-only cache: this time the list came from the network
            return

    def _path(self) -> Path:
        text = json.dumps([settings.hf_endpoint(), self.repository, self.revision])
        return self.store.root / "models" / f"{hashlib.sha256(text.encode()).hexdigest()}.json"

    # -- the list of files ---------------------------------------------------------------------
    def _open(self) -> Listing:
        kept = read_listing(self._path())
        if settings.offline():
            if kept is None:
                raise OfflineError(
                    f"{self.name} was not loaded before and SENSORIUM_OFFLINE is set; load it "
                    "once online, or copy a filled cache"
                )
            return kept
        if kept is not None and kept.commit == self.revision:
            return kept  # a commit never changes
        try:
            return self._listed(attempts=1 if kept else 2)
        except (AuthError, RateLimitError):
            raise
        except NotFoundError as error:
            if any(text in str(error) for text in replies.MISSING.values()):
                raise
        except HubError as error:
            if kept is not None:
                warnings.warn(f"{self.name}: using what the cache knows ({error})", stacklevel=6)
                return kept
        return Listing()  # an endpoint without a list: asked file by file

    def _listed(self, attempts: int) -> Listing:
        address = sources.listing(self.repository, self.revision)
        memory, policy = Memory(), dataclasses.replace(self.policy, attempts=attempts)
        what = f"{self.repository} (its list of files).json"
        expect = Expect(size=_LIMIT)
        download(address, memory, expect, name=what, policy=policy, report=lambda *_: None)
        try:
            table = strict_json(bytes(memory.data), what)
        except CardError as error:
            raise DownloadError(str(error)) from None
        return _listing(table, what)

    # -- one file ------------------------------------------------------------------------------
    def _ask(self, name: str) -> dict[str, Any] | None:
        """What headers say of a file; None if there is none of the name."""
        (*_, address) = sources.addresses(f"{self.root}/{name}")
        for attempt in range(1, self.policy.attempts + 1):
            try:
                with open_url(address, {}, self.policy, head=True) as reply:
                    if reply.status not in replies.RETRY:
                        return self._told(reply)
                    problem = f"{reply.url}: status {reply.status}"
            except Broken as error:
                problem = str(error)
            self.policy.sleep(min(self.policy.backoff * 2.0**attempt, self.policy.backoff_cap))
        raise DownloadError(f"{problem}; {self.policy.attempts} attempts. Check the network")

    def _told(self, reply: Reply) -> dict[str, Any] | None:
        if reply.status in {404, 410} and reply.header("x-error-code") not in replies.MISSING:
            return None
        if reply.status >= 400:
            raise replies.refusal(reply)
        commit = reply.header("x-repo-commit").strip()
        if self.listing.commit is None and _SHA1.fullmatch(commit):
            self.listing.commit = commit  # what is asked from now on comes from it
        linked = reply.header("x-linked-etag")
        tag = linked or reply.header("etag") if commit else linked
        size = reply.header("x-linked-size") or ("" if linked else reply.header("content-length"))
        return _facts(tag.strip().removeprefix("W/").strip('"'), size)


def _facts(tag: str, size: str) -> dict[str, Any]:
    """sha256 or git's sha1, whichever a tag is, and the size."""
    facts: dict[str, Any] = {}
    if _SHA256.fullmatch(tag):
        facts["sha256"] = tag
    elif _SHA1.fullmatch(tag):
        facts["git_sha1"] = tag
    if size.isascii() and size.isdigit() and int(size[:18]) > 0:
        facts["bytes"] = int(size[:18])
    return facts


def _listing(table: object, what: str) -> Listing:
    """The endpoint's answer: ``sha`` and ``siblings`` with ``rfilename, size, blobId, lfs``."""
    siblings = table.get("siblings") if isinstance(table, dict) else None
    commit = table.get("sha") if isinstance(table, dict) else None
    if not isinstance(siblings, list) or not isinstance(commit, str) or not _SHA1.fullmatch(commit):
        raise DownloadError(f"{what}: wanted a commit and its files, got something else")
    return Listing(commit, True, dict(_siblings(siblings)))


def _siblings(rows: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names that a model's file may have; others (deeper folders, odd letters) are passed over."""
    for row in rows[:_FILES]:
        name = row.get("rfilename") if isinstance(row, dict) else None
        if not isinstance(name, str):
            continue
        try:
            file_name(name, "")
        except CardError:
            continue
        lfs = row.get("lfs") if isinstance(row.get("lfs"), dict) else {}
        tag = lfs.get("sha256") or lfs.get("oid") if lfs else row.get("blobId")
        size = lfs.get("size", row.get("size"))
        facts = _facts(tag if isinstance(tag, str) else "", str(size) if type(size) is int else "")
        if size != 0:  # an empty file says nothing
            yield name, facts


def kept_lists(store: Store, wanted: Callable[[str], bool]) -> list[Path]:
    """Where the lists of repositories are kept whose name is wanted."""
    found = []
    for path in sorted((store.root / "models").glob("*.json")):
        with contextlib.suppress(ValueError, AttributeError, RecursionError):
            source = json.loads(read_own(path, _LIMIT) or b"{}").get("source")
            found += [path] if isinstance(source, str) and wanted(source) else []
    return found


def read_listing(path: Path) -> Listing | None:
    """A kept list; None if there is none, or it is damaged or another user's."""
    data = read_own(path, _LIMIT)
    try:
        table = json.loads(data or b"{}")
        version = table.get("version") if isinstance(table, dict) else None
        if type(version) is int and version > 1:
            raise CacheError(f"{path}: written by a newer version of Sensorium: upgrade")
        if version != 1:
            return None
        commit = table["commit"]
        files = {
            file_name(name, ""): None if row is None else _row(row)
            for name, row in table["files"].items()
        }
        if commit is not None and not _SHA1.fullmatch(commit):
            return None
        return Listing(commit, table["complete"] is True, files)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, IntegrityError):
        return None


def _row(row: dict[str, Any]) -> dict[str, Any]:
    known = {key: row[key] for key in row.keys() & {"sha256", "git_sha1", "bytes"}}
    Expect(known.get("sha256"), None, known.get("bytes"), known.get("git_sha1"))  # or it raises
    return known


class Memory:
    """Where a list arrives: it is not kept before it was read."""

    def __init__(self) -> None:
        self.data, self.count = bytearray(), 0

    def write(self, data: bytes) -> None:
        self.data += data
        self.count = len(self.data)

    def restart(self) -> None:
        self.data.clear()
        self.count = 0

    def need(self, total: int) -> None:
        if total > _LIMIT:
            raise DownloadError(f"a list of {total} bytes; at most {_LIMIT} are read")

    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def git_digest(self) -> str:
        return git_blob_sha1(io.BytesIO(self.data), len(self.data))

    def head(self) -> bytes:
        return bytes(self.data[:512])
