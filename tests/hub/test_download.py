"""Laws of a transfer: whole and right, or a typed error and nothing kept; never poisoned.

Every fault is followed by the same call against the healthy server, which must succeed with no
clean-up (the fixtures check blobs and temporary files besides).
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import pickle

import fault_server as fs
import pytest

from sensorium.errors import (
    AuthError,
    DownloadError,
    HubError,
    IntegrityError,
    NotFoundError,
    RateLimitError,
)
from sensorium.hub import download, sink
from sensorium.hub.expect import Expect
from sensorium.hub.fetching import fetch_with
from sensorium.hub.replies import Version
from sensorium.hub.transport import Broken

CUTS = [0, 1, 65535, 65536, 65537, 100_000, 199_999]


def heals(server, get, path, body, **known):
    """The same call against the healthy server gives the file."""
    server.plan(path, fs.ok)
    assert get(server.url(path), **known).read_bytes() == body


def fails(get, kind, url, *words, **known):
    """The call raises exactly ``kind``, its message names each of ``words`` and it pickles."""
    with pytest.raises(HubError) as caught:
        get(url, **known)
    assert type(caught.value) is kind, repr(caught.value)
    for word in words:
        assert word in str(caught.value)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is kind and str(copy) == str(caught.value)


# -- 1, 2, 5, 6: cut bodies, ranges and versions ---------------------------------------------------
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("end", ["fin", "rst"])
@pytest.mark.parametrize("count", CUTS)
def test_cut_body_is_completed_within_the_call(server, get, body, count, end, framing):
    url, digest = server.publish("/a.bin", body, fs.cut(count, end, framing), fs.ok)
    assert get(url, sha256=digest).read_bytes() == body
    second = server.requests()[1].headers
    if framing == "length" and end == "fin" and count:  # RST may drop bytes not yet read
        assert second["range"] == f"bytes={count}-" and second["if-range"] == fs.ETAG


@pytest.mark.parametrize("count", [0, 100_000])
def test_stalled_body_is_completed_within_the_call(server, get, body, count):
    url, digest = server.publish("/a.bin", body, fs.cut(count, "stall"), fs.ok)
    assert get(url, sha256=digest).read_bytes() == body


def test_five_cuts_are_the_end_and_say_how_far_it_came(server, get, body, clock):
    url, digest = server.publish("/a.bin", body, fs.cut(1000))
    fails(get, DownloadError, url, "5000 of 200000 bytes", "5 attempts", sha256=digest)
    assert len(server.log) == 5 and len(clock.sleeps) == 4
    heals(server, get, "/a.bin", body, sha256=digest)


def test_a_cut_is_not_counted_when_a_megabyte_came(server, get, clock):
    body = bytes(range(256)) * 4 * 1024 * 8  # 8 MiB
    url, digest = server.publish("/a.bin", body, fs.cut(1 << 20))
    assert get(url, sha256=digest).read_bytes() == body
    assert len(server.log) == 8


def test_cut_without_length_or_hash_is_refused(server, get, body):
    url, _ = server.publish("/a.bin", body, fs.cut(9, framing="close"))
    fails(get, IntegrityError, url, "neither length nor hash")


def test_cut_without_length_is_found_by_the_hash(server, get, body):
    url, digest = server.publish("/a.bin", body, fs.cut(1000, framing="close"))
    fails(get, IntegrityError, url, digest, "downloaded twice", sha256=digest)
    heals(server, get, "/a.bin", body, sha256=digest)


@pytest.mark.parametrize("whole", [fs.chunked, fs.until_close, fs.ok])
def test_every_framing_is_read(server, get, body, whole):
    url, digest = server.publish("/a.bin", body, whole)
    assert get(url, hash_prefix=digest[:8]).read_bytes() == body


def test_an_empty_answer_is_asked_again(server, get):
    empty = fs.status("200 OK", "Transfer-Encoding: chunked", body=b"0\r\n\r\n")
    url, _ = server.publish("/a.json", b"[1]", empty, fs.ok)
    assert get(url).read_bytes() == b"[1]"


def test_a_short_body_is_noticed_even_if_the_client_library_does_not(policy, tmp_path):
    class Short:
        url, pieces = "https://host/a.bin", [b"abc", b""]

        def read(self):
            return self.pieces.pop(0)

        def header(self, name):
            return ""

    with sink.temporary(tmp_path) as file:
        job = download._Job(None, file, Expect(), "a.bin", policy, lambda *_: None, 1e9)
        job.version = Version(total=5)
        with pytest.raises(Broken, match="closed early"):
            download._copy(job, Short())


def _range_reply(*lines):
    return fs.status("206 Partial Content", *lines, body=b"x" * 100)


@pytest.mark.parametrize(
    "second",
    [
        fs.version('"version-1"', b"ignored"),
        fs.status("416 Range Not Satisfiable", "Content-Range: bytes */10"),
        _range_reply("Content-Range: bytes 0-99/200000", f"ETag: {fs.ETAG}"),
        _range_reply("Content-Range: bytes 100000-199999/300000", f"ETag: {fs.ETAG}"),
        _range_reply("Content-Range: bytes 100000-100099/200000", f"ETag: {fs.ETAG}"),
        _range_reply("Content-Range: bytes 100000-199999/200000", 'ETag: "other"'),
        _range_reply("Content-Range: nonsense", f"ETag: {fs.ETAG}"),
        _range_reply(f"ETag: {fs.ETAG}"),
        _range_reply("Content-Type: multipart/byteranges; boundary=x", f"ETag: {fs.ETAG}"),
    ],
    ids=["200", "416", "start", "total", "short", "etag", "garbage", "none", "multipart"],
)
def test_a_range_answered_wrongly_is_never_appended(server, get, body, second):
    url, digest = server.publish("/a.bin", body, fs.cut(100_000), second, fs.ok)
    try:
        assert get(url, sha256=digest).read_bytes() == body
    except IntegrityError:  # the 200 with other bytes: whole, but not what was published
        heals(server, get, "/a.bin", body, sha256=digest)


@pytest.mark.parametrize("start", [0, 69_999, 70_001])
def test_a_wrong_range_is_not_spliced_even_without_a_hash(server, get, start):
    text = b'"' + b"a" * 150_000 + b'"'
    lines = [f"Content-Range: bytes {start}-{len(text) - 1}/{len(text)}", f"ETag: {fs.ETAG}"]
    plan = [fs.cut(70_000), fs.status("206 Partial Content", *lines, body=b"x" * 100), fs.ok]
    url, _ = server.publish("/a.json", text, *plan)
    assert get(url).read_bytes() == text
    assert "range" not in server.requests()[2].headers


def test_unasked_range_is_refused(server, get, body):
    lines = ("Content-Range: bytes 5-104/105", f"ETag: {fs.ETAG}")
    url, digest = server.publish("/a.bin", body, _range_reply(*lines), fs.ok)
    assert get(url, sha256=digest).read_bytes() == body


@pytest.mark.parametrize("known", [True, False])
def test_two_versions_are_never_spliced(server, get, known):
    old, new = b'"' + b"a" * 150_000 + b'"', b'"' + b"b" * 150_000 + b'"'
    url, _ = server.publish("/a.json", old, fs.cut(70_000), fs.version('"version-2"', new))
    digest = fs.hashlib.sha256(new).hexdigest()
    assert get(url, **({"sha256": digest} if known else {})).read_bytes() == new


def test_no_validator_means_no_resume(server, get, body):
    def cut(request, data):
        request.head("200 OK", f"Content-Length: {len(data)}", 'ETag: W/"weak"')
        request.send(data[:1000])

    url, digest = server.publish("/a.bin", body, cut, fs.ok)
    assert get(url, sha256=digest).read_bytes() == body
    assert "range" not in server.requests()[1].headers


@pytest.mark.slow
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("end", ["fin", "rst", "stall"])
def test_every_cut_by_end_by_framing_by_answer(server, get, body, end, framing):
    """7 cuts x 3 ends x 3 framings x 4 second answers = 252 combinations, all healed in the call."""
    seconds = {
        "206": fs.ok,
        "200": lambda request, data: fs.until_close(request, data),
        "416": fs.status("416 Range Not Satisfiable"),
        "etag": None,  # the same bytes under another tag: begun anew
    }
    for count, name in itertools.product(CUTS, seconds):
        path = f"/{count}-{name}.bin"
        content = body + path.encode()
        second = fs.version('"version-2"', content) if name == "etag" else seconds[name]
        url, digest = server.publish(path, content, fs.cut(count, end, framing), second, fs.ok)
        assert get(url, sha256=digest).read_bytes() == content


# -- 3, 4: wrong content ---------------------------------------------------------------------------
def test_one_wrong_byte_is_downloaded_anew_once(server, get, body):
    url, digest = server.publish("/a.bin", body, fs.wrong_byte, fs.ok)
    assert get(url, sha256=digest).read_bytes() == body
    assert "range" not in server.requests()[1].headers


@pytest.mark.parametrize("digits", [64, 8])
def test_a_wrong_byte_twice_is_an_integrity_error(server, get, body, digits):
    url, digest = server.publish("/a.bin", body, fs.wrong_byte)
    known = {"sha256": digest} if digits == 64 else {"hash_prefix": digest[:8]}
    fails(get, IntegrityError, url, digest[:digits], "got ", **known)
    assert len(server.log) == 2
    heals(server, get, "/a.bin", body, **known)


PAGES = {
    "login": (b"<!DOCTYPE html><title>Sign in</title>" + b" " * 2000, "HTML"),
    "small page": (b"\xef\xbb\xbf \n<html>", "HTML"),
    "json": (b'{"error": "quota"}', "JSON"),
    "s3": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "git-lfs pointer"),
    "empty": (b"", "empty"),
}


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("page", PAGES)
def test_pages_and_pointers_are_told_from_weights(server, get, body, page, hashed):
    content, word = PAGES[page]
    url, digest = server.publish("/model.safetensors", body, fs.answer(content))
    known = {"sha256": digest} if hashed else {}
    fails(get, DownloadError, url, word, **known)
    heals(server, get, "/model.safetensors", body, sha256=digest)


def test_json_is_no_fault_where_json_was_asked_for(server, get):
    url, _ = server.publish("/config.json", b'{"layers": 6}')
    assert get(url).read_bytes() == b'{"layers": 6}'


def test_a_safetensors_length_that_looks_like_a_brace_is_no_json(server, get):
    header = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'.ljust(0x7B)
    content = len(header).to_bytes(8, "little") + header + b"\0"
    assert content[:1] == b"{"
    url, _ = server.publish("/m.safetensors", content)
    assert get(url).read_bytes() == content


def test_unhashed_file_must_vouch_for_itself(server, get, body):
    url, _ = server.publish("/a.bin", body)
    fails(get, IntegrityError, url, "pass sha256=")


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


# -- 9: slowness -----------------------------------------------------------------------------------
def test_a_drip_is_too_slow_whatever_the_read_timeout(server, get, body, clock):
    clock.step = 5.0  # each look at the clock costs five seconds
    url, digest = server.publish("/a.bin", body, fs.drip(30, 0.005), fs.ok)
    assert get(url, sha256=digest).read_bytes() == body
    url, digest = server.publish("/b.bin", body[1:], fs.drip(30, 0.005))
    fails(get, DownloadError, url, "slower than 1024 bytes per second", sha256=digest)


def test_the_total_deadline_ends_a_steady_drip(server, get, body, clock):
    clock.step = 2000.0
    url, digest = server.publish("/a.bin", body, fs.drip(3, 0.01))
    fails(get, DownloadError, url, "deadline passed after", sha256=digest)


def test_no_attempt_is_waited_for_beyond_the_deadline(server, policy, body, clock):
    hasty = dataclasses.replace(policy, deadline=30.0)
    url, digest = server.publish("/a.bin", body, fs.status("503 X", "Retry-After: 40"))
    with pytest.raises(DownloadError, match="leaves no time for another attempt"):
        fetch_with(hasty, [url], Expect(digest), None)
    assert clock.sleeps == []


def test_dripping_headers_are_cut_off(server, get, body):
    url, digest = server.publish("/a.bin", body, fs.drip(60, 0.01, headers=True), fs.ok)
    assert get(url, sha256=digest).read_bytes() == body


def test_silence_is_cut_off(server, get, body):
    url, digest = server.publish("/a.bin", body, fs.silence, fs.ok)
    assert get(url, sha256=digest).read_bytes() == body


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
