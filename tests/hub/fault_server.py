"""A web server on 127.0.0.1 that misbehaves by plan: one action per attempt, the last repeated.

An action is a function ``(request, body) -> None`` that writes raw bytes to the connection, so it
can break every rule of HTTP. ``server.log`` keeps (method, path, headers) of each request.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

ETAG = '"version-1"'


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    connection: socket.socket

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def head(self, status: str = "200 OK", *lines: str) -> None:
        self.send("\r\n".join([f"HTTP/1.1 {status}", *lines, "Connection: close", "", ""]).encode())

    def reset(self) -> None:
        """Close with RST: what the client has not read yet is lost."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


Action = Callable[[Request, bytes], None]


@dataclass
class Server:
    port: int
    files: dict[str, bytes] = field(default_factory=dict)
    plans: dict[str, list[Action]] = field(default_factory=dict)
    log: list[Request] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def publish(self, path: str, body: bytes, *plan: Action) -> tuple[str, str]:
        """Serve ``body``; returns (address, sha256)."""
        self.files[path], self.plans[path] = body, [*plan] or [ok]
        return self.url(path), hashlib.sha256(body).hexdigest()

    def plan(self, path: str, *plan: Action) -> None:
        self.plans[path] = [*plan]

    def requests(self, path: str | None = None) -> list[Request]:
        return [r for r in self.log if path in {None, r.path}]


@contextlib.contextmanager
def serve() -> Iterator[Server]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    server = Server(listener.getsockname()[1])
    threads: list[threading.Thread] = []

    def accept() -> None:
        while not server.stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:  # shut down below
                return
            thread = threading.Thread(target=_answer, args=(server, connection))
            threads.append(thread)
            thread.start()

    main = threading.Thread(target=accept)
    main.start()
    try:
        yield server
    finally:
        server.stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        main.join()
        for thread in threads:
            thread.join()
        listener.close()


def _answer(server: Server, connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        connection.settimeout(5)
        request = _read(connection)
        if request is None:
            return
        plan = server.plans.get(request.path, [status("404 Not Found")])
        attempt = len(server.requests(request.path))
        server.log.append(request)
        action = plan[min(attempt, len(plan) - 1)]
        action(request, server.files.get(request.path, b""))
        while getattr(action, "hold", 0) and not server.stop.wait(0.01):
            connection.send(b"")  # keep the connection open until the test is over


def _read(connection: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
        if data.startswith(b"\x16"):  # a TLS greeting
            return None
    lines = data.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    path = lines[0].split(" ")[1]
    return Request(path, {name.lower(): value for name, value in headers.items()}, connection)


# -- actions -------------------------------------------------------------------------------------
def ok(request: Request, body: bytes, *, etag: str = ETAG) -> None:
    """The right answer, ranges and If-Range included."""
    start = _start(request, etag)
    if start and start >= len(body):
        return request.head("416 Range Not Satisfiable", f"Content-Range: bytes */{len(body)}")
    if start:
        line = f"Content-Range: bytes {start}-{len(body) - 1}/{len(body)}"
        request.head("206 Partial Content", line, f"ETag: {etag}", _length(body[start:]))
    else:
        request.head("200 OK", f"ETag: {etag}", _length(body), "Accept-Ranges: bytes")
    request.send(body[start:])


def _start(request: Request, etag: str) -> int:
    asked = request.headers.get("range", "")
    if not asked or request.headers.get("if-range", etag) != etag:
        return 0
    return int(asked.removeprefix("bytes=").rstrip("-"))


def _length(body: bytes) -> str:
    return f"Content-Length: {len(body)}"


def version(etag: str, body: bytes) -> Action:
    """Another version of the file under another tag."""
    return lambda request, _: ok(request, body, etag=etag)


def held(action: Action) -> Action:
    """Leave the connection open afterwards."""
    action.hold = 1  # type: ignore[attr-defined]
    return action


def cut(count: int, end: str = "fin", framing: str = "length") -> Action:
    """``count`` bytes of the answer's body, then FIN, RST or silence."""

    def action(request: Request, body: bytes) -> None:
        start = _start(request, ETAG)
        lines = [f"ETag: {ETAG}"]
        if framing == "length":
            lines.append(_length(body[start:]))
        elif framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
        if start:
            lines.append(f"Content-Range: bytes {start}-{len(body) - 1}/{len(body)}")
        request.head("206 Partial Content" if start else "200 OK", *lines)
        piece = body[start : start + count]
        if framing == "chunked" and piece:
            request.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        else:
            request.send(piece)
        if end == "rst":
            time.sleep(0.01)
            request.reset()

    return held(action) if end == "stall" else action


def chunked(request: Request, body: bytes) -> None:
    request.head("200 OK", "Transfer-Encoding: chunked")
    for at in range(0, len(body), 1000):
        piece = body[at : at + 1000]
        request.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    request.send(b"0\r\n\r\n")


def until_close(request: Request, body: bytes) -> None:
    request.head("200 OK")
    request.send(body)


def wrong_byte(request: Request, body: bytes) -> None:
    request.head("200 OK", _length(body))
    request.send(body[:-1] + bytes([body[-1] ^ 1]))


def status(line: str, *headers: str, body: bytes = b"") -> Action:
    def action(request: Request, _: bytes) -> None:
        request.head(line, *headers, _length(body))
        request.send(body)

    return action


def answer(body: bytes, *headers: str) -> Action:
    """Status 200 with another body."""
    return status("200 OK", *headers, body=body)


def raw(data: bytes) -> Action:
    return lambda request, _: request.send(data)


def redirect(to: str, line: str = "302 Found") -> Action:
    return status(line, f"Location: {to}", "Set-Cookie: session=1")


def reset(request: Request, _: bytes) -> None:
    request.reset()


def drip(count: int, seconds: float, *, headers: bool = False) -> Action:
    """One byte at a time: of the body, or of the headers."""

    def action(request: Request, body: bytes) -> None:
        if headers:
            request.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        else:
            request.head("200 OK", _length(body))
        for at in range(count):
            request.send(b"a" if headers else body[at : at + 1])
            time.sleep(seconds)

    return action


@held
def silence(request: Request, _: bytes) -> None:
    """Accept and say nothing."""
