"""One HTTP request done carefully: redirects by hand, credentials kept at home, bounded headers.

- At most 5 redirects; never from https to http, never to another scheme; ``Authorization`` and
  cookies stay at the origin they were meant for (RFC 9110 section 15.4, RFC 6454).
- Bodies are asked for and accepted unencoded, so the bytes counted are the bytes hashed.
- A read returns what one ``recv`` brought, so the caller's clock is looked at even when bytes
  drip. Headers that drip are cut off by a timer: socket timeouts start anew with every byte.
- Proxies and certificates are found as ``requests`` finds them; ``.netrc`` is not used.

requests and urllib3 are imported when the first address is opened.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from sensorium.errors import DownloadError

from .sources import LOOPBACK, Address, redact

BLOCK = 1 << 16
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient a transfer is. Seconds and bytes; clocks are here so that tests can turn them."""

    attempts: int = 5  # without progress; one that brings PROGRESS bytes is not counted
    progress: int = 1 << 20
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    header_timeout: float = 60.0
    deadline: float = 3600.0  # for a whole file, or its size at 64 kB/s where that is longer
    low_speed: float = 1024.0  # bytes per second ...
    low_speed_time: float = 30.0  # ... over this long is a stall
    backoff: float = 0.5
    backoff_cap: float = 8.0
    retry_after_cap: float = 60.0
    redirects: int = 5
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    rng: Callable[[], float] = random.random


class Broken(Exception):
    """A connection failed in a way that another attempt may mend; never leaves the hub."""


class Reply:
    """Status, headers and a body read in pieces; ``url`` is redacted, for messages."""

    def __init__(self, response: Any, url: str) -> None:
        self.status: int = response.status_code
        self.url = redact(url)
        self._raw = response.raw
        # urllib3 1.x has no read1: then small blocks, so that a drip is noticed all the same.
        self._read = getattr(self._raw, "read1", None) or functools.partial(_read_small, self._raw)

    def header(self, name: str) -> str:
        """The value, empty when absent; several are joined by a comma."""
        return str(self._raw.headers.get(name, ""))

    def read(self) -> bytes:
        """Some bytes, at most ``BLOCK``; empty at the end. ``Broken`` when the connection is."""
        with breaking(self.url):
            return self._read(BLOCK, decode_content=False)


def _read_small(raw: Any, size: int, decode_content: bool) -> bytes:
    return raw.read(min(size, 1024), decode_content=decode_content)


@contextlib.contextmanager
def open_url(
    address: Address, headers: Mapping[str, str], policy: Policy, *, head: bool = False
) -> Iterator[Reply]:
    """GET, redirects followed; the connection is closed on leaving.

    ``head`` asks for headers alone, and follows redirects within the origin only: the answer that
    points elsewhere is then the reply, with what the origin says of the file.

    ``Broken`` for a fault worth another attempt, ``DownloadError`` for one that is not.
    """
    url, token = address.url, address.token
    chain = [redact(url)]
    with contextlib.ExitStack() as stack:
        while True:
            response = stack.enter_context(_send(url, token, headers, policy, head))
            target = response.headers.get("location")
            if response.status_code not in _REDIRECTS or not target:
                break
            following = _redirect(url, target, chain)
            if head and _origin(following) != _origin(url):
                break
            if len(chain) > policy.redirects + 1:
                raise DownloadError(f"more than {policy.redirects} redirects: {' -> '.join(chain)}")
            if _origin(following) != _origin(url):
                token = None
            url = following
        yield Reply(response, url)


def _redirect(url: str, target: str, chain: list[str]) -> str:
    """The next address, checked; ``chain`` grows by its redacted form."""
    try:
        following = urljoin(url, target)
        parts = urlsplit(following)
        _ = parts.port
    except ValueError:
        raise DownloadError(f"{chain[-1]} redirects to a malformed address") from None
    chain.append(redact(following))
    shown = " -> ".join(chain)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise DownloadError(f"redirect to another scheme refused: {shown}")
    stays = _origin(following) == _origin(url) or parts.hostname in LOOPBACK
    if parts.scheme == "http" and (urlsplit(url).scheme == "https" or not stays):
        raise DownloadError(f"redirect to plain http refused: {shown}")
    # An address in the answer of a server may not bring its own credentials.
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


@contextlib.contextmanager
def _send(
    url: str, token: str | None, headers: Mapping[str, str], policy: Policy, head: bool
) -> Iterator[Any]:
    """One request, no redirect followed; its headers have arrived within ``header_timeout``."""
    clean, own = _take_credentials(url)
    fields = {"Accept-Encoding": "identity", "User-Agent": "sensorium-hub", **headers}
    if token or own:
        fields["Authorization"] = f"Bearer {token}" if token else str(own)
    watch = _Watch(policy.header_timeout)
    with _session(watch) as session, contextlib.ExitStack() as stack:
        with breaking(redact(url)), watch:
            response = session.request(
                "HEAD" if head else "GET",
                clean,
                headers=fields,
                stream=True,
                allow_redirects=False,
                timeout=(policy.connect_timeout, policy.read_timeout),
                auth=lambda request: request,  # keeps .netrc and the address's user out
            )
            # Headers that end with the connection look complete to http.client: close those too.
            stack.enter_context(contextlib.closing(response))
        yield response


def _take_credentials(url: str) -> tuple[str, str | None]:
    """``https://user:password@host`` as the address without them and a Basic header."""
    parts = urlsplit(url)
    pair, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    encoded = base64.b64encode(unquote(pair).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), f"Basic {encoded}"


class _Watch:
    """Ends a wait that no socket timeout ends: shuts the socket down after ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.socket: socket.socket | None = None
        self.late = False

    def __enter__(self) -> None:
        self._timer = threading.Timer(self.seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()
        self._timer.join()
        if self.late:
            raise TimeoutError(f"no complete headers within {self.seconds:g} s")

    def _cut(self) -> None:
        self.late = True
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)


def _session(watch: _Watch) -> Any:
    """A fresh requests session that keeps no cookies and shows its sockets to ``watch``.

    Connections through a proxy are made by urllib3's proxy manager and are not watched.
    """
    from http.cookiejar import DefaultCookiePolicy

    import requests
    from requests.adapters import HTTPAdapter
    from requests.cookies import RequestsCookieJar

    class Session(requests.Session):
        def get_redirect_target(self, resp: Any) -> None:
            """None: every redirect is looked at here, not there."""

    session = Session()
    session.cookies = RequestsCookieJar(DefaultCookiePolicy(allowed_domains=[]))
    adapter = HTTPAdapter(max_retries=0)
    adapter.poolmanager.pool_classes_by_scheme = _watched_pools(watch)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _watched_pools(watch: _Watch) -> dict[str, type]:
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            watch.socket = self.sock

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            watch.socket = self.sock

    plain = type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": Plain})
    secure = type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": Secure})
    return {"http": plain, "https": secure}


@contextlib.contextmanager
def breaking(url: str) -> Iterator[None]:
    """Turn every fault of requests, urllib3, http.client and the socket into ``Broken``."""
    from http.client import HTTPException

    from requests import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
        root = _root(error)
        if type(root).__name__ == "SSLCertVerificationError":  # will not mend itself
            raise DownloadError(
                f"{url}: {reason(error)}; behind a company proxy, set REQUESTS_CA_BUNDLE to its "
                "certificates"
            ) from None
        raise Broken(f"{url}: {reason(error)}") from None


_ADDRESS = re.compile(r"https?://\S+")


def reason(error: BaseException) -> str:
    """The innermost cause in a few words, addresses redacted."""
    root = _root(error)
    text = _ADDRESS.sub(lambda match: redact(match[0]), str(root)) or type(root).__name__
    return f"{type(root).__name__}: {text[:200]}"


def _root(error: BaseException) -> BaseException:
    """What the libraries' exceptions were raised from, followed to the end."""
    while True:
        inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
        if not isinstance(inner, BaseException) or inner is error:
            return error
        error = inner
