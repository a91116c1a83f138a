"""Laws of ``fetch``: order of sources, mirrors, offline, files in place, messages."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time

import fault_server as fs
import pytest

from sensorium import hub
from sensorium.errors import (
    CacheError,
    DownloadError,
    IntegrityError,
    NotFoundError,
    OfflineError,
)
from sensorium.hub import settings, sources


def test_a_hit_makes_no_request_and_writes_nothing(server, get, body, home):
    url, digest = server.publish("/a.bin", body)
    path = get(url, sha256=digest)
    before = {p: p.stat().st_mtime_ns for p in home.rglob("*")}
    assert get(url, sha256=digest) == path and len(server.log) == 1
    assert {p: p.stat().st_mtime_ns for p in home.rglob("*")} == before


def test_a_full_hash_is_a_hit_from_any_source(server, get, body):
    url, digest = server.publish("/a.bin", body)
    path = get(url, sha256=digest)
    assert get("https://elsewhere.invalid/b.bin", sha256=digest) == path


def test_a_prefix_belongs_to_its_source(server, get, body):
    """Eight digits can be forged, so what one source brought does not answer for another."""
    url, digest = server.publish("/a.bin", body)
    get(url, hash_prefix=digest[:8])
    other, _ = server.publish("/b.bin", body)
    get(other, hash_prefix=digest[:8])
    assert [r.path for r in server.log] == ["/a.bin", "/b.bin"]


def test_sources_are_tried_in_order(server, get, body):
    good, digest = server.publish("/good.bin", body)
    bad, _ = server.publish("/bad.bin", body, fs.wrong_byte)
    missing = server.url("/missing.bin")
    assert get([missing, bad, good], sha256=digest).read_bytes() == body
    assert [r.path for r in server.log] == ["/missing.bin", "/bad.bin", "/bad.bin", "/good.bin"]


def test_when_every_source_fails_all_are_told(server, get, body):
    bad, digest = server.publish("/bad.bin", body, fs.wrong_byte)
    with pytest.raises(IntegrityError, match=r"all 2 sources failed: \(1\).*404.*\(2\).*twice"):
        get([server.url("/missing.bin"), bad], sha256=digest)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("ftp://host/x", "is no source"),
        ("x.pth", "is no source"),
        ("http://example.org/x", "127.0.0.1 and localhost only"),
        ("https://", "names a host"),
        ("https://host:port/x", "malformed"),
        ("https://[::1/x", "malformed"),
        ("hf://only-one/x", "write hf://"),
        ("hf://org/repo/../../x", "write hf://"),
        ("pypi://name/x", "write pypi://"),
        ("pypi://name>=1/x", "write pypi://"),
        ("file://elsewhere/x", "write file:///"),
        ("file://[/x", "malformed"),
    ],
)
def test_malformed_sources_are_named(get, source, words):
    with pytest.raises(NotFoundError, match=words):
        get(source, hash_prefix="0" * 8)


def test_no_source_at_all(get):
    with pytest.raises(NotFoundError, match="no source"):
        get([], hash_prefix="0" * 8)


@pytest.mark.parametrize(
    "known",
    [
        {"sha256": "abc"},
        {"hash_prefix": "1234567"},
        {"hash_prefix": "ABCDEF00"},
        {"size": 0},
        {"size": True},
    ],
)
def test_malformed_hashes_are_refused(known):
    with pytest.raises(IntegrityError):
        hub.fetch("https://host.invalid/x", **known)


# -- file: -----------------------------------------------------------------------------------------
def test_a_local_file_is_verified_where_it_is(tmp_path, get, home):
    path = tmp_path / "ünï côdé 日本.pth"
    path.write_bytes(b"abc")
    digest = hashlib.sha256(b"abc").hexdigest()
    assert get(path.as_uri(), sha256=digest) == path
    assert not home.exists()
    with pytest.raises(IntegrityError, match=digest):
        get(path.as_uri(), hash_prefix="0" * 8)


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo"])
def test_a_local_source_that_is_no_file(tmp_path, get, kind):
    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    if kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(NotFoundError, match="regular file"):
        get(path.as_uri(), hash_prefix="0" * 8)


# -- mirrors and hf --------------------------------------------------------------------------------
def test_mirrors_are_asked_by_host_and_path_then_by_name(server, get, body, monkeypatch):
    monkeypatch.setenv("SENSORIUM_MIRROR", server.url("/m/"))
    _, digest = server.publish("/m/a.pth", body)
    assert get("https://host.invalid/models/a.pth", sha256=digest).read_bytes() == body
    assert [r.path for r in server.log] == ["/m/host.invalid/models/a.pth", "/m/a.pth"]


def test_a_mirror_cannot_send_something_else(server, get, body, monkeypatch):
    monkeypatch.setenv("SENSORIUM_MIRROR", server.url(""))
    _, digest = server.publish("/a.pth", body, fs.wrong_byte)
    with pytest.raises(IntegrityError):
        get("https://host.invalid/a.pth", sha256=digest)


def test_a_mirror_never_sees_the_token(server, get, body, monkeypatch):
    monkeypatch.setenv("SENSORIUM_MIRROR", server.url("", "localhost"))
    monkeypatch.setenv("HF_ENDPOINT", server.url(""))
    monkeypatch.setenv("HF_TOKEN", "secret")
    _, digest = server.publish("/org/repo/resolve/v1/d/a.bin", body)
    assert get("hf://org/repo@v1/d/a.bin", sha256=digest).read_bytes() == body
    sent = [(r.headers["host"].split(":")[0], r.headers.get("authorization")) for r in server.log]
    assert sent == [("localhost", None), ("localhost", None), ("127.0.0.1", "Bearer secret")]


@pytest.mark.parametrize(
    ("code", "line", "words"),
    [
        ("GatedRepo", "403 X", "gated.*HF_TOKEN"),
        ("", "401 X", "HF_TOKEN"),
        ("RepoNotFound", "404 X", "no such repository"),
        ("RevisionNotFound", "404 X", "no such revision"),
        ("EntryNotFound", "404 X", "no such file"),
    ],
)
def test_hugging_face_says_what_is_missing(server, get, monkeypatch, code, line, words):
    monkeypatch.setenv("HF_ENDPOINT", server.url(""))
    server.publish("/o/r/resolve/main/a.bin", b"", fs.status(line, f"X-Error-Code: {code}"))
    with pytest.raises(OSError, match=words):
        get("hf://o/r/a.bin", hash_prefix="0" * 8)


# -- offline ---------------------------------------------------------------------------------------
def test_offline_uncached_fails_at_once_and_says_how_to_go_on(server, get, body, monkeypatch):
    url, digest = server.publish("/a.bin", body)
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    start = time.perf_counter()
    with pytest.raises(OfflineError, match=r"a\.bin is not in the cache.*SENSORIUM_OFFLINE.*fetch"):
        get(url, sha256=digest)
    assert time.perf_counter() - start < 0.05
    with pytest.raises(OfflineError):
        get("pypi://name==1/x", sha256=digest)
    assert server.log == []


_OFFLINE = """
import sys
events = []
sys.addaudithook(lambda name, args: events.append(name) if name.startswith("socket.") else None)
from sensorium import hub
from sensorium.errors import OfflineError
print(hub.fetch(sys.argv[1], sha256=sys.argv[2]))
try:
    hub.fetch("https://host.invalid/other.bin", sha256="0" * 64)
except OfflineError:
    assert not {"socket.connect", "socket.getaddrinfo"} & set(events), events
    assert "requests" not in sys.modules and "tqdm" not in sys.modules
    print("quiet")
"""


def test_offline_opens_no_socket(server, get, body, home, monkeypatch):
    """Proof by audit hook in a fresh process; a hit imports no web client either."""
    url, digest = server.publish("/a.bin", body)
    path = get(url, sha256=digest)
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    command = [sys.executable, "-c", _OFFLINE, url, digest]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert run.stdout.split() == [str(path), "quiet"], run.stderr


def test_an_unclear_offline_word_is_an_error(monkeypatch):
    monkeypatch.setenv("SENSORIUM_OFFLINE", "maybe")
    with pytest.raises(CacheError, match="'maybe'"):
        settings.offline()


# -- paths of the cache ----------------------------------------------------------------------------
def test_home_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("SENSORIUM_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert hub.cache.path() == tmp_path / "sensorium"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert hub.cache.path() == tmp_path / ".cache" / "sensorium"
    monkeypatch.setenv("SENSORIUM_HOME", "~/x")
    assert hub.cache.path() == tmp_path / "x"


def test_a_user_without_a_home_folder(monkeypatch):
    for name in ("SENSORIUM_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(CacheError, match="set SENSORIUM_HOME"):
        settings.home()


@pytest.mark.parametrize("name", ["ünï côdé 日本", "with space", "n" * 240, "bad\udcff"])
def test_cache_folders_with_unusual_names(server, get, body, monkeypatch, tmp_path, name):
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path / name))
    url, digest = server.publish("/a.bin", body)
    assert get(url, sha256=digest).read_bytes() == body
    assert get(url, sha256=digest).parent == tmp_path / name / "blobs"


def test_a_cache_behind_a_link(server, get, body, monkeypatch, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path / "link"))
    url, digest = server.publish("/a.bin", body)
    assert get(url, sha256=digest).read_bytes() == body


@pytest.mark.parametrize("bad", ["file", "too long", "x/../file/deeper"])
def test_a_cache_folder_that_cannot_be(server, get, body, monkeypatch, tmp_path, bad):
    (tmp_path / "file").write_text("")
    folder = str(tmp_path / bad) if bad != "too long" else str(tmp_path / ("d/" * 3000))
    monkeypatch.setenv("SENSORIUM_HOME", folder)
    url, digest = server.publish("/a.bin", body)
    with pytest.raises(CacheError, match="SENSORIUM_HOME"):
        get(url, sha256=digest)


def test_redaction():
    assert sources.redact("https://u:p@h/x?token=1#f") == "https://h/x"
    assert "p" not in sources.redact("https://u:p@[bad/x").replace("malformed address", "")


def test_progress_is_silent_without_a_terminal(server, get, body, capfd):
    url, digest = server.publish("/a.bin", body)
    get(url, sha256=digest)
    assert capfd.readouterr() == ("", "")


def test_progress_on_a_terminal(server, get, body, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    url, digest = server.publish("/a.bin", body, fs.cut(100), fs.ok)
    get(url, sha256=digest, name="the weights")
    assert "the weights" in capsys.readouterr().err


def test_a_download_error_is_an_oserror(server, get):
    with pytest.raises(OSError, match="status 400") as caught:
        server.publish("/a.bin", b"", fs.status("400 X"))
        get(server.url("/a.bin"), hash_prefix="0" * 8)
    assert type(caught.value) is DownloadError
