"""Laws of the cache: what it returns verifies, whatever was done to its files; links, pipes and
other people's files are neither followed nor waited for; nothing has to be cleaned by hand."""

from __future__ import annotations

import errno
import json
import mmap
import os
import subprocess
import sys

import pytest

from sensorium import hub
from sensorium.errors import CacheError, OfflineError, OptionError
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
    place = sink.place()
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
    name = f"{sink.place()}-{os.getpid()}-{'0' * 32}.tmp"
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


# -- pruning -----------------------------------------------------------------------------------------
def _three(server, get, body):
    """Three cached files, the first used longest ago."""
    kept = []
    for n in range(3):
        url, digest = server.publish(f"/{n}.bin", body + bytes([n]))
        path = get(url, sha256=digest)
        os.utime(path, (1000 + n, 1000 + n))
        kept.append((path, url, digest))
    return kept


def test_prune_removes_what_was_used_longest_ago(server, get, body):
    kept = _three(server, get, body)
    assert hub.cache.prune(10**9) == 0
    assert hub.cache.prune(450_000) == 200_001
    assert [path.exists() for path, _, _ in kept] == [False, True, True]
    assert len(hub.cache.list()) == 2
    assert hub.cache.prune(0) == 400_002 and hub.cache.list() == []
    for path, url, digest in kept:
        assert get(url, sha256=digest) == path
    with pytest.raises(OptionError, match="max_bytes is -1"):
        hub.cache.prune(-1)


def test_prune_takes_files_without_an_entry_first(server, get, body, home):
    kept = _three(server, get, body)
    orphan = home / "blobs" / hub.fetching.file_digest(kept[2][0])
    for entry in (home / "index").iterdir():
        if orphan.name in entry.read_text():
            entry.unlink()
    assert hub.cache.prune(10**9) == 200_001
    assert [path.exists() for path, _, _ in kept] == [True, True, False]


@pytest.mark.parametrize("k", range(1, 7))
def test_a_prune_cut_off_leaves_valid_entries_only(server, get, body, home, monkeypatch, k):
    kept = _three(server, get, body)
    original, count = os.unlink, 0

    class Cut(BaseException):
        pass

    def unlink(path, *args, **options):
        nonlocal count
        count += 1
        if count >= k:
            raise Cut
        return original(path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", unlink)
        with pytest.raises(Cut):
            hub.cache.prune(0)
    assert all(right for _, right in hub.cache.verify())
    for path, url, digest in kept:
        assert get(url, sha256=digest) == path


def test_a_file_pruned_while_it_is_mapped_stays_readable(cached, body):
    path, again = cached
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as old:
        assert hub.cache.prune(0) == len(body)
        assert old[:] == body
    assert again().read_bytes() == body


# -- odd folders and network disks -------------------------------------------------------------------
@pytest.mark.parametrize(
    "name", ["ünï côdé 日本", "with space", "x" * 240, "ü" * 120, "a\udc80b", "%41#?"]
)
def test_a_cache_of_any_name_works(server, get, body, tmp_path, monkeypatch, name):
    monkeypatch.setenv("SENSORIUM_HOME", os.path.join(tmp_path, name))
    url, digest = server.publish("/a.bin", body)
    assert get(url, sha256=digest).read_bytes() == body
    assert get(url, sha256=digest).read_bytes() == body and len(server.log) == 1
    assert [right for _, right in hub.cache.verify()] == [True]


@pytest.mark.parametrize("kind", ["file", "long", "long name"])
def test_a_cache_that_cannot_be_is_one_line(server, get, body, tmp_path, monkeypatch, kind):
    (tmp_path / "file").write_bytes(b"x")
    places = {"file": "file", "long": "/".join(["x" * 200] * 25), "long name": "x" * 300}
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path / places[kind]))
    url, digest = server.publish("/a.bin", body)
    with pytest.raises(CacheError, match="SENSORIUM_HOME") as caught:
        get(url, sha256=digest)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_a_cache_behind_a_link_and_blobs_on_another_disk(server, get, body, tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path / "link"))
    url, digest = server.publish("/a.bin", body)
    assert get(url, sha256=digest).read_bytes() == body
    other, digest = server.publish("/b.bin", body + b"b")

    def cross(source, target):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    with monkeypatch.context() as patch:
        patch.setattr(sink.os, "replace", cross)
        with pytest.raises(CacheError, match="cross-device"):
            get(other, sha256=digest)
    assert get(other, sha256=digest).read_bytes() == body + b"b"


def test_a_stale_handle_is_opened_again_and_nothing_is_put_aside(cached, body, home, monkeypatch):
    path, again = cached
    original, left = os.open, 2

    def stale(*args, **options):
        nonlocal left
        if str(args[0]) == str(path) and left:
            left -= 1
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return original(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(store.os, "open", stale)
        assert again() == path and left == 0
        left = 99
        with pytest.raises(CacheError, match="left as it is"):
            again()
    assert not (home / "corrupt").exists() and again() == path


def test_an_entry_whose_rename_reports_failure_after_success(server, get, body, monkeypatch):
    url, digest = server.publish("/a.bin", body)
    original = os.replace

    def replace(source, target):
        original(source, target)
        if "index" in str(target):
            raise OSError(errno.ENOENT, "the reply was lost and the call repeated")

    with monkeypatch.context() as patch:
        patch.setattr(sink.os, "replace", replace)
        assert get(url, sha256=digest).read_bytes() == body
    assert get(url, sha256=digest).read_bytes() == body and len(server.log) == 1
