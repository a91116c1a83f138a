"""What the status and headers of a reply promise, checked before a byte of its body is kept.

``accept`` answers with the version being sent, the sink placed where the body continues, or raises:
``Broken`` where a clean attempt may do better, a typed error where it will not. Follows RFC 9110:
a 206 counts only if it is exactly the range asked for, of the version begun with.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Protocol

from sensorium.errors import AuthError, DownloadError, HubError, IntegrityError, NotFoundError

from .expect import Expect
from .sources import is_hugging_face
from .transport import Broken, Reply

# What Hugging Face says is missing when it is not just the file
MISSING = {"RepoNotFound": "no such repository", "RevisionNotFound": "no such revision"}
RETRY = {408, 425, 429, 500, 502, 503, 504}
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


class Sink(Protocol):
    """Where bytes go: counted and hashed as they arrive."""

    count: int

    def write(self, data: bytes) -> None: ...
    def restart(self) -> None: ...
    def need(self, total: int) -> None: ...
    def digest(self) -> str: ...
    def git_digest(self) -> str: ...
    def head(self) -> bytes: ...


@dataclass(slots=True)
class Version:
    """What the server says it is sending: a validator to resume with, and the total size."""

    validator: str = ""
    total: int | None = None
    delimited: bool = True  # False: only the closing of the connection ends the body


def accept(reply: Reply, sink: Sink, version: Version, expect: Expect) -> Version:
    """The version this reply sends, the sink placed where its body continues."""
    if reply.status == 206:
        return _continue(reply, sink, version)
    if reply.status == 416:  # what was kept is no part of the file any more
        sink.restart()
        raise Broken(f"{reply.url}: the file changed while it was being resumed (416)")
    if reply.status != 200:
        raise refusal(reply)
    sink.restart()
    _check_encoding(reply)
    fresh = Version(_validator(reply), _length(reply))
    fresh.delimited = fresh.total is not None or "chunked" in reply.header("transfer-encoding")
    _check_size(reply.url, fresh.total, expect, sink)
    return fresh


def _continue(reply: Reply, sink: Sink, version: Version) -> Version:
    """206: the range asked for, of the version begun with; anything else starts anew."""
    match = _CONTENT_RANGE.fullmatch(reply.header("content-range").strip())
    start, last, total = map(int, match.groups()) if match else (-1, -1, -1)
    known = version.total if version.total is not None else total
    same = _validator(reply) in {"", version.validator}
    if not (sink.count > 0 and start == sink.count and last == total - 1 == known - 1 and same):
        shown = reply.header("content-range")[:80]
        had = sink.count
        sink.restart()
        raise Broken(f"{reply.url}: asked for bytes {had}-, got content-range {shown!r}")
    _check_encoding(reply)
    version.total = total
    return version


def _validator(reply: Reply) -> str:
    """A strong entity tag, else the modification date, else nothing."""
    tag = reply.header("etag").strip()
    if len(tag) >= 2 and tag[0] == tag[-1] == '"' and tag.isprintable() and tag.isascii():
        return tag
    date = reply.header("last-modified").strip()
    return date if date.isascii() and date.isprintable() and not tag else ""


def _length(reply: Reply) -> int | None:
    """Content-Length as one decimal number; None when absent (or overruled by chunking)."""
    text = reply.header("content-length").strip()
    if not text or "chunked" in reply.header("transfer-encoding"):
        return None
    values = {value.strip() for value in text.split(",")}
    value = values.pop()
    if values or not (value.isascii() and value.isdigit()) or len(value) > 18:
        raise DownloadError(f"{reply.url}: content-length {text[:60]!r} is no number of bytes")
    return int(value)


def _check_encoding(reply: Reply) -> None:
    encoding = reply.header("content-encoding").strip().lower()
    if encoding not in {"", "identity"}:
        raise DownloadError(
            f"{reply.url}: sent with content-encoding {encoding[:40]!r} although identity was "
            "asked for; a proxy may be rewriting downloads"
        )


def _check_size(url: str, total: int | None, expect: Expect, sink: Sink) -> None:
    if total is None:
        return
    if expect.size is not None and total > expect.size:
        raise IntegrityError(
            f"{url}: the server announces {total} bytes, at most {expect.size} were expected; "
            "nothing was kept"
        )
    if total == 0:
        raise DownloadError(f"{url}: the server sent an empty file; proxy or login page?")
    sink.need(total)


def refusal(reply: Reply) -> HubError:
    """A status that another attempt will not change."""
    code = reply.header("x-error-code")  # Hugging Face says what exactly is missing
    where = f"{reply.url}: status {reply.status}"
    if reply.status in {401, 403}:
        return AuthError(f"{where}; {_how_to_log_in(reply, code)}")
    if reply.status in {404, 410, 451}:
        return NotFoundError(f"{where}; {MISSING.get(code, 'no such file')}")
    hint = "; the proxy wants credentials: see HTTPS_PROXY" if reply.status == 407 else ""
    return DownloadError(f"{where}, expected 200{hint}")


def _how_to_log_in(reply: Reply, code: str) -> str:
    if not is_hugging_face(reply.url):
        return "the server wants credentials or refuses this address"
    if code == "GatedRepo":
        return "the repository is gated: accept its terms on its page, then set HF_TOKEN"
    return "no such repository, or it is private: set HF_TOKEN to a token that may read it"


def retry_after(reply: Reply, now: float) -> float | None:
    """Seconds to wait as the server asks, from 0 up; None when it does not say or makes no
    sense. ``now`` is the wall clock."""
    text = reply.header("retry-after").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    from email.utils import parsedate_to_datetime

    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    return None
