"""Laws of the cache: what it returns verifies, whatever was done to its files; links, pipes and
other people's files are neither followed nor waited for; nothing has to be cleaned by hand."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys

import pytest

from sensorium import hub
from sensorium.errors import CacheError, OfflineError
from sensorium.hub import locks, sink, store
from sensorium.hub.expect import Expect
from sensorium.hub.store import Store


@pytest.fixture
def cached(server, get, body):
    """(path, get again) of one cached file."""
    url, digest = server.publish("/a.bin", body)
    return get(url, sha256=digest), lambda: get(url, sha256=digest)


def _rot(path, kind):
    data = path.read_bytes()
    path.unlink()
    if kind == "flipped":
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    elif kind == "short":
        path.write_bytes(data[:-1])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        (path.parent.parent / "victim").write_bytes(b"victim")
        path.symlink_to(path.parent.parent / "victim")
    elif kind == "dangling":
        path.symlink_to("nowhere")


ROT = ["flipped", "short", "empty", "folder", "fifo", "link", "dangling"]


@pytest.mark.parametrize("kind", ROT)
def test_a_damaged_blob_is_put_aside_and_fetched_anew(cached, body, home, kind):
    path, again = cached
    _rot(path, kind)
    with pytest.warns(UserWarning, match="was damaged: moved to"):
        assert again().read_bytes() == body
    assert len(list((home / "corrupt").iterdir())) == 1
    if kind == "link":
        assert (home / "victim").read_bytes() == b"victim"


@pytest.mark.parametrize("kind", ["flipped", "link"])
def test_a_damaged_blob_offline_is_an_error_not_a_result(cached, monkeypatch, kind):
    path, again = cached
    _rot(path, kind)
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    with pytest.warns(UserWarning, match="damaged"), pytest.raises(OfflineError):
        again()


def test_two_swapped_blobs(server, get, body):
    known = {}
    for name in "ab":
        url, digest = server.publish(f"/{name}.bin", body + name.encode())
        known[url] = digest, get(url, sha256=digest)
    (_, first), (_, second) = known.values()
    first.rename("/".join([str(first.parent), "swap"]))
    second.rename(first)
    (first.parent / "swap").rename(second)
    for url, (digest, path) in known.items():
        with pytest.warns(UserWarning, match="damaged"):
            assert get(url, sha256=digest) == path


def test_a_touched_blob_is_hashed_and_kept(cached, server):
    path, again = cached
    os.utime(path, (1, 1))
    assert again() == path and len(server.log) == 1
    assert again() == path


def test_same_size_and_time_is_caught_by_verify(cached, body, home):
    """The stamp cannot see this; ``verify`` does, and the next fetch heals."""
    path, again = cached
    status = path.stat()
    path.chmod(0o644)
    with open(path, "r+b") as file:
        file.write(bytes([body[0] ^ 1]))
    path.chmod(0o444)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.warns(UserWarning, match="damaged"):
        assert [good for _, good in hub.cache.verify()] == [False]
    assert again().read_bytes() == body
    assert [good for _, good in hub.cache.verify()] == [True]


def test_anothers_file_is_hashed_at_each_open(cached, monkeypatch, home):
    """A blob or entry that another user owns, or that others may write, is not taken on trust."""
    path, again = cached
    looked = []
    original = store.file_digest
    monkeypatch.setattr(store, "file_digest", lambda p: looked.append(p) or original(p))
    again()
    assert looked == []
    path.chmod(0o666)
    again()
    assert looked == [path]
    path.chmod(0o444)
    if os.getuid() == 0:
        os.chown(path, 65534, 65534)
        again()
        assert looked == [path, path]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 1}', b"\xff", b"[" * 60_000])
def test_a_damaged_entry_is_replaced(server, get, body, home, content):
    url, digest = server.publish("/a.bin", body)
    get(url, hash_prefix=digest[:8])
    (entry,) = (home / "index").iterdir()
    entry.unlink()
    entry.write_bytes(content)
    assert get(url, hash_prefix=digest[:8]).read_bytes() == body
    assert json.loads(entry.read_text())["sha256"] == digest


def test_an_entry_of_a_newer_version_is_left_alone(cached, home):
    _, again = cached
    (entry,) = (home / "index").iterdir()
    fields = json.loads(entry.read_text()) | {"version": 2}
    entry.unlink()
    entry.write_text(json.dumps(fields))
    with pytest.raises(CacheError, match=r"newer version.*upgrade"):
        again()


@pytest.mark.parametrize("field", ["sha256", "stamp", "source"])
def test_an_entry_that_lies_is_found_out(cached, home, body, field):
    _, again = cached
    (entry,) = (home / "index").iterdir()
    lies = {"sha256": "../../../etc/passwd", "stamp": [1, "x"], "source": None}
    fields = json.loads(entry.read_text()) | {field: lies[field]}
    entry.unlink()
    entry.write_text(json.dumps(fields))
    assert again().read_bytes() == body


def test_a_map_of_the_old_file_survives_its_replacement(cached, body):
    path, again = cached
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as old:
        os.utime(path, (1, 1))
        path.rename(path.with_name("0" * 64))
        path.with_name("0" * 64).unlink()
        again()
        assert old[:] == body


# -- hostile temporary files and locks ---------------------------------------------------------------
@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "stale", "held"])
def test_a_lock_that_cannot_be_had_is_done_without(server, get, body, home, kind, monkeypatch):
    url, digest = server.publish("/a.bin", body)
    lock = Store(home).lock_path(url, digest)
    lock.parent.mkdir(parents=True)
    victim = home / "victim"
    victim.write_text("precious")
    if kind == "link":
        lock.symlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(lock)
    elif kind == "folder":
        lock.mkdir()
    elif kind == "stale":
        lock.write_text("99999999")
    if kind == "held":
        monkeypatch.setattr(locks, "_try", lambda descriptor: None)
        monkeypatch.setattr(locks, "_WAIT", 0.1)
    assert get(url, sha256=digest).read_bytes() == body
    assert victim.read_text() == "precious"


def test_waiting_for_a_lock_is_told_every_ten_seconds(tmp_path, clock, monkeypatch, caplog):
    monkeypatch.setattr(locks, "_try", lambda descriptor: None)
    clock.step = 1.0
    with locks.hold(tmp_path / "l", wait=60, clock=clock, sleep=clock.sleep) as had:
        assert had is False
    told = [record.message for record in caplog.records]
    assert 4 <= len(told) <= 7 and "going on without it" in told[-1]


def test_temporary_files_of_dead_processes_are_removed(server, get, body, home):
    folder = home / "tmp"
    folder.mkdir(parents=True)
    place = sink._place()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    gone = folder / f"{place}-{dead.pid}-{'0' * 32}.tmp"
    old = folder / f"{'f' * 12}-1-{'1' * 32}.tmp"
    alive = folder / f"{place}-{os.getpid()}-{'2' * 32}.tmp"
    elsewhere = folder / f"{'f' * 12}-{dead.pid}-{'3' * 32}.tmp"
    foreign = folder / "keep.me"
    for path in (gone, old, alive, elsewhere, foreign):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    url, digest = server.publish("/a.bin", body)
    get(url, sha256=digest)
    assert set(folder.iterdir()) == {alive, elsewhere, foreign}
    for path in (alive, elsewhere, foreign):
        path.unlink()


def test_a_temporary_file_is_never_written_through_a_link(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    name = f"{sink._place()}-{os.getpid()}-{'0' * 32}.tmp"
    (tmp_path / name).symlink_to(victim)
    monkeypatch.setattr(sink.uuid, "uuid4", lambda: type("U", (), {"hex": "0" * 32}))
    with pytest.raises(CacheError), sink.temporary(tmp_path):
        pass
    assert victim.read_text() == "precious"
    (tmp_path / name).unlink()


# -- the public face ---------------------------------------------------------------------------------
def test_list_size_and_remove(server, get, body):
    kept = {}
    for name in ("one.bin", "two.bin"):
        url, digest = server.publish(f"/{name}", body + name.encode())
        kept[name] = digest, get(url, sha256=digest)
    assert [(c.name, c.sha256, c.path) for c in hub.cache.list("one*")] == [
        ("one.bin", *kept["one.bin"])
    ]
    assert {c.size for c in hub.cache.list()} == {200_007}
    assert 400_014 < hub.cache.size() < 410_000
    assert hub.cache.remove(kept["one.bin"][0][:12]) == 200_007
    assert [c.name for c in hub.cache.list()] == ["two.bin"]
    assert not kept["one.bin"][1].exists() and kept["two.bin"][1].exists()
    assert hub.cache.remove("nothing") == 0


def test_removing_one_of_two_names_keeps_the_file(server, get, body):
    for name in ("one.bin", "two.bin"):
        url, digest = server.publish(f"/{name}", body)
        path = get(url, sha256=digest)
    assert hub.cache.remove("one.bin") == 0 and path.exists()
    assert hub.cache.remove("two.bin") == 200_000 and not path.exists()


def test_an_empty_cache_is_no_error(home):
    assert hub.cache.list() == [] and hub.cache.size() == 0 and hub.cache.verify() == []
    assert hub.cache.path() == home and not home.exists()


def test_a_blob_is_named_by_a_digest_only(home):
    with pytest.raises(CacheError, match="64 hexadecimal digits"):
        Store(home).blob("../x")
    assert Store(home).find("https://host/x", Expect(sha256="0" * 64)) is None
