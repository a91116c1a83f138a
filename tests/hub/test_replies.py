"""Laws of a single request: statuses, redirects, credentials, headers and connections.

Each fault is a typed error or is waited out; after it the same call to the healthy server succeeds.
"""

from __future__ import annotations

import contextlib

import fault_server as fs
import pytest
from laws import fails, heals

from sensorium.errors import (
    AuthError,
    DownloadError,
    HubError,
    IntegrityError,
    NotFoundError,
    RateLimitError,
)

# urllib3 refuses some headers while it reads them and leaves its socket, already told to close, to
# the garbage collector; Python 3.13 says so
pytestmark = pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <socket.socket \[closed\]:pytest.PytestUnraisableExceptionWarning"
)


# -- 7, 8: statuses --------------------------------------------------------------------------------
@pytest.mark.parametrize("line", ["429 Too Many", "503 Busy", "500 X", "502 X", "504 X", "408 X"])
def test_passing_trouble_is_waited_for(server, get, body, clock, line):
    url, digest = server.publish("/a.bin", body, fs.status(line), fs.status(line), fs.ok)
    assert get(url, sha256=digest).read_bytes() == body
    assert len(clock.sleeps) == 2 and 0.25 <= clock.sleeps[0] <= 0.5 < clock.sleeps[1] <= 1.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.5),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),  # the wall clock stands at 22:13:20
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.5),
        ("-5", 0.5),
        ("soon", 0.5),
        ("1e9", 0.5),
    ],
)
def test_retry_after_in_every_form(server, get, body, clock, value, seconds):
    line = f"Retry-After: {value}"
    url, digest = server.publish("/a.bin", body, fs.status("503 X", line), fs.ok)
    assert get(url, sha256=digest).read_bytes() == body
    assert clock.sleeps[0] == seconds or (seconds == 0.5 and 0.25 <= clock.sleeps[0] <= 0.5)


@pytest.mark.parametrize("value", ["61", "99999999", "9" * 400, "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_a_wait_over_the_cap_is_refused_at_once(server, get, body, clock, value):
    line = f"Retry-After: {value}"
    url, digest = server.publish("/a.bin", body, fs.status("429 Too Many", line))
    fails(get, RateLimitError, url, "try again later", sha256=digest)
    assert clock.sleeps == [] and len(server.log) == 1
    heals(server, get, "/a.bin", body, sha256=digest)


def test_trouble_for_ever_ends_after_five_attempts(server, get, body):
    url, digest = server.publish("/a.bin", body, fs.status("500 X"))
    fails(get, DownloadError, url, "status 500", "5 attempts", sha256=digest)
    assert len(server.log) == 5
    url, digest = server.publish("/b.bin", body, fs.status("429 X"))
    fails(get, RateLimitError, url, "status 429", "5 attempts", sha256=digest)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("401 X", AuthError),
        ("403 X", AuthError),
        ("404 X", NotFoundError),
        ("410 X", NotFoundError),
        ("451 X", NotFoundError),
        ("400 X", DownloadError),
        ("407 X", DownloadError),
        ("204 X", DownloadError),
        ("304 X", DownloadError),
        ("302 X", DownloadError),
    ],
)
def test_a_refusal_is_not_repeated(server, get, body, line, kind):
    url, digest = server.publish("/a.bin", body, fs.status(line))
    fails(get, kind, url, f"status {line[:3]}", sha256=digest)
    assert len(server.log) == 1
    heals(server, get, "/a.bin", body, sha256=digest)


# -- 10: redirects ---------------------------------------------------------------------------------
def test_redirects_are_followed_up_to_five(server, get, body):
    _, digest = server.publish("/5", body)
    for n in range(5):
        server.publish(f"/{n}", b"", fs.redirect(f"/{n + 1}"))
    assert get(server.url("/0"), sha256=digest).read_bytes() == body
    assert not any("cookie" in request.headers for request in server.log)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("/a.bin?token=SECRET", ["more than 5 redirects", "/a.bin -> "]),
        ("file:///etc/passwd", ["another scheme", "file:///etc/passwd"]),
        ("ftp://127.0.0.1/x", ["another scheme"]),
        ("http://192.0.2.1/x", ["plain http"]),
        ("http://[bad/x", ["malformed"]),
        ("http://127.0.0.1:notaport/x", ["malformed"]),
    ],
)
def test_redirects_elsewhere_are_refused(server, get, body, target, words):
    url, digest = server.publish("/a.bin", body, fs.redirect(target))
    server.plans["/a.bin?token=SECRET"] = [fs.redirect(target)]
    fails(get, DownloadError, url, *words, sha256=digest)
    with pytest.raises(HubError) as caught:
        get(url, sha256=digest)
    assert "SECRET" not in str(caught.value)
    heals(server, get, "/a.bin", body, sha256=digest)


def test_https_to_http_is_refused():
    from sensorium.hub import transport

    with pytest.raises(DownloadError, match="plain http"):
        transport._redirect("https://host/a", "http://127.0.0.1/b", ["https://host/a"])


def test_credentials_stay_at_their_origin(server, get, body, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.url(""))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    path = "/org/repo/resolve/main/a.bin"
    other = server.url("/elsewhere", "localhost")
    server.publish(path, b"", fs.redirect(f"{path}2"))
    server.publish(f"{path}2", b"", fs.redirect(other))
    server.publish("/elsewhere", b"", fs.redirect(server.url("/back")))
    _, digest = server.publish("/back", body)
    assert get("hf://org/repo/a.bin", sha256=digest).read_bytes() == body
    sent = [request.headers.get("authorization") for request in server.log]
    assert sent == ["Bearer hf_secret", "Bearer hf_secret", None, None]


def test_user_and_password_are_sent_but_never_told(server, get, body, home):
    address, digest = server.publish("/a.bin?token=SECRET", body, fs.status("403 X"), fs.ok)
    url = address.replace("http://", "http://user:pa%20ss@")
    with pytest.raises(AuthError) as caught:
        get(url, sha256=digest)
    get(url, sha256=digest)
    assert server.log[0].headers["authorization"] == "Basic dXNlcjpwYSBzcw=="
    (entry,) = (home / "index").iterdir()
    for text in (str(caught.value), entry.read_text()):
        assert "/a.bin" in text
        assert not any(word in text for word in ("SECRET", "user", "pa%20ss", "pa ss"))


# -- 11 to 14: headers, sizes, connections ----------------------------------------------------------
@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "/abs",
        "C:\\x",
        "a" * 300,
        "con",
        ".",
        "",
        "\u202e.pth".encode().decode("latin-1"),
    ],
)
def test_headers_never_become_paths(server, get, body, home, tmp_path, name):
    before = sorted(tmp_path.iterdir())
    lines = [f"Content-Length: {len(body)}", f'ETag: "{name}"', f"X-Commit: {name}"]
    lines.append(f'Content-Disposition: attachment; filename="{name}"')

    def action(request, data):
        request.connection.sendall(
            "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode("latin-1")
        )
        request.send(data)

    url, digest = server.publish("/..%2F..%2Fx", body, action)
    assert get(url, sha256=digest) == home / "blobs" / digest
    assert set(tmp_path.iterdir()) - set(before) <= {home}
    names = {path.relative_to(home).parts[0] for path in home.rglob("*")}
    assert names <= {"blobs", "index", "tmp", "locks", "CACHEDIR.TAG"}


def test_encoded_bodies_are_refused(server, get, body):
    import gzip

    packed = gzip.compress(b"\0" * 10_000_000)
    url, digest = server.publish("/a.bin", body, fs.answer(packed, "Content-Encoding: gzip"))
    fails(get, DownloadError, url, "content-encoding 'gzip'", sha256=digest)
    heals(server, get, "/a.bin", body, sha256=digest)


@pytest.mark.parametrize("value", ["-1", "many", "1e3", "10, 20", "0x10", "9" * 30, "+5"])
def test_a_length_that_is_no_number_is_refused(server, get, body, value):
    action = fs.raw(f"HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\n".encode() + b"x" * 5)
    url, digest = server.publish("/a.bin", body, action)
    with pytest.raises(DownloadError):
        get(url, sha256=digest)
    heals(server, get, "/a.bin", body, sha256=digest)


def test_two_lengths_are_refused(server, get, body):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 200000\r\n\r\n"
    url, digest = server.publish("/a.bin", body, fs.raw(head + body))
    with pytest.raises(DownloadError):
        get(url, sha256=digest)
    heals(server, get, "/a.bin", body, sha256=digest)


def test_a_length_over_the_size_is_refused_before_the_body(server, get, body):
    url, digest = server.publish(
        "/a.bin", body, fs.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000000\r\n\r\n")
    )
    fails(get, IntegrityError, url, "10000000000000", "200000", sha256=digest, size=200_000)
    assert len(server.log) == 1
    heals(server, get, "/a.bin", body, sha256=digest, size=200_000)


def test_more_bytes_than_the_size_stop_the_transfer(server, get, body):
    url, digest = server.publish(
        "/a.bin", body, lambda request, data: fs.until_close(request, data * 9)
    )
    fails(get, IntegrityError, url, "more than the 200000 bytes", sha256=digest, size=200_000)
    heals(server, get, "/a.bin", body, sha256=digest, size=200_000)


def test_a_body_longer_than_declared_ends_where_declared(server, get, body):
    def action(request, data):
        request.head("200 OK", f"Content-Length: {len(data)}")
        request.send(data + b"more")

    url, digest = server.publish("/a.bin", body, action)
    assert get(url, sha256=digest).read_bytes() == body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 10_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
    ids=["nothing", "text", "status", "long header", "many headers", "chunk garbage", "tls"],
)
def test_broken_http_is_a_download_error(server, get, body, data):
    url, digest = server.publish("/a.bin", body, fs.raw(data))
    fails(get, DownloadError, url, "5 attempts", sha256=digest)
    heals(server, get, "/a.bin", body, sha256=digest)


def test_reset_before_headers_is_tried_again(server, get, body):
    url, digest = server.publish("/a.bin", body, fs.reset, fs.ok)
    assert get(url, sha256=digest).read_bytes() == body


def test_refused_connection_and_unknown_host(get, server, body):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    fails(
        get,
        DownloadError,
        f"http://127.0.0.1:{port}/a.bin",
        "refused",
        "5 attempts",
        hash_prefix="0" * 8,
    )
    fails(
        get, DownloadError, "https://no-such-host.invalid/a.bin", "5 attempts", hash_prefix="0" * 8
    )


def test_tls_trouble_is_never_tried_over_http(server, get, body):
    url, digest = server.publish("/a.bin", body)
    fails(get, DownloadError, url.replace("http://", "https://"), "SSL", sha256=digest)
    assert server.requests("/a.bin") == []


def test_an_untrusted_certificate_is_not_tried_again(get, tmp_path, clock):
    import shutil
    import socket
    import ssl
    import subprocess
    import threading

    if not shutil.which("openssl"):
        pytest.skip("needs the openssl command to make a certificate")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-keyout", key, "-out", certificate, "-subj", "/CN=localhost"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def answer():
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection, context.wrap_socket(connection, server_side=True):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        thread = threading.Thread(target=answer)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/a.bin"
        fails(
            get, DownloadError, url, "CERTIFICATE_VERIFY_FAILED", "CA_BUNDLE", hash_prefix="0" * 8
        )
        thread.join()
    assert clock.sleeps == []


def test_a_proxy_that_refuses_is_named(server, get, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", server.url(""))
    monkeypatch.setenv("NO_PROXY", "")
    fails(get, DownloadError, "https://host.invalid/a.bin", "404", hash_prefix="0" * 8)
