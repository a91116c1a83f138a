"""Laws of a transfer: whole and right, or a typed error and nothing kept; never poisoned.

Every fault is followed by the same call against the healthy server, which must succeed with no
clean-up (the fixtures check blobs and temporary files besides).
"""

from __future__ import annotations

import dataclasses
import itertools

import fault_server as fs
import pytest
from laws import fails, heals

from sensorium.errors import (
    DownloadError,
    IntegrityError,
)
from sensorium.hub import download, sink
from sensorium.hub.expect import Expect
from sensorium.hub.fetching import fetch_with
from sensorium.hub.replies import Version
from sensorium.hub.transport import Broken

CUTS = [0, 1, 65535, 65536, 65537, 100_000, 199_999]


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
    assert len(server.log) == 1
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
