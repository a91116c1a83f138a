"""Laws under many processes and sudden death: no survivor errs, no reader sees a wrong byte, the
next call heals; all of it with locks that work and with locks that do nothing."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import fault_server as fs
import pytest

_FETCH = """
import hashlib, sys
if sys.argv[1] == "no locks":
    import fcntl
    fcntl.flock = lambda descriptor, operation: None
from sensorium import hub
print("ready", flush=True)
sys.stdin.readline()
for pair in sys.argv[2:]:
    url, digest = pair.split("=")
    data = hub.fetch(url, sha256=digest).read_bytes()
    assert hashlib.sha256(data).hexdigest() == digest
print("good", flush=True)
"""


def _start(mode, *pairs):
    return subprocess.Popen(
        [sys.executable, "-c", _FETCH, mode, *pairs],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _go(processes):
    """Wait until each is ready, then let all run at once."""
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()


def _end(process):
    out, err = process.communicate(timeout=60)
    return out, err


def _slow(request, body):
    """In pieces, so that the others find the download under way."""
    request.head("200 OK", f"Content-Length: {len(body)}", f"ETag: {fs.ETAG}")
    for at in range(0, len(body), 20_000):
        request.send(body[at : at + 20_000])
        time.sleep(0.005)


@pytest.mark.parametrize("mode", ["locks", "no locks"])
def test_eight_processes_fetch_the_same_files(server, body, mode):
    pairs = []
    for n in range(5):
        url, digest = server.publish(f"/{n}.bin", body + bytes([n]), _slow)
        pairs.append(f"{url}={digest}")
    processes = [_start(mode, *pairs) for _ in range(8)]
    _go(processes)
    assert [_end(process) for process in processes] == [("good\n", "")] * 8
    downloads = len(server.log)
    assert downloads == 5 if mode == "locks" else 5 <= downloads <= 40


@pytest.mark.parametrize("mode", ["locks", "no locks"])
def test_survivors_of_killed_neighbours(server, get, body, mode):
    """Two of six are killed in the middle of a download; the other four finish."""
    url, digest = server.publish("/a.bin", body, _slow)
    processes = [_start(mode, f"{url}={digest}") for _ in range(6)]
    _go(processes)
    while not server.log:
        time.sleep(0.001)
    for process in processes[:2]:
        process.kill()
    ends = [_end(process) for process in processes]
    assert ends[2:] == [("good\n", "")] * 4
    server.plan("/b.bin", fs.ok)
    url, digest = server.publish("/b.bin", body[1:])
    get(url, sha256=digest)  # clears what the killed left


def _kill_at(server, home, body, seconds, path):
    url, digest = server.publish(path, body, _slow)
    process = _start("locks", f"{url}={digest}")
    _go([process])
    while not server.requests(path):
        time.sleep(0.0005)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    for blob in (home / "blobs").glob("*"):
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    assert len(list((home / "tmp").glob("*"))) <= 1
    return url, digest


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.045])
def test_kill_9_in_the_middle_of_a_download(server, get, body, home, seconds):
    url, digest = _kill_at(server, home, body, seconds, "/a.bin")
    server.plan("/a.bin", fs.ok)
    assert get(url, sha256=digest).read_bytes() == body


@pytest.mark.slow
def test_kill_9_at_two_hundred_points(server, get, body, home):
    rng = random.Random(0)
    for n in range(200):
        path = f"/{n}.bin"
        url, digest = _kill_at(server, home, body + path.encode(), rng.random() * 0.07, path)
        server.plan(path, fs.ok)
        assert get(url, sha256=digest).read_bytes() == body + path.encode()


def test_ctrl_c_leaves_no_temporary_file(server, get, body, home):
    url, digest = server.publish("/a.bin", body, fs.cut(1000, "stall"), fs.ok)
    process = _start("locks", f"{url}={digest}")
    _go([process])
    while not (list((home / "tmp").glob("*")) if home.exists() else []):
        time.sleep(0.001)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert not list((home / "tmp").glob("*"))
    assert get(url, sha256=digest).read_bytes() == body


def test_the_order_of_publishing(server, get, body, home, monkeypatch):
    """fsync of the file before its rename, fsync of the folder after it: what a power cut needs
    and what kill -9 cannot show."""
    calls = []
    originals = {name: getattr(os, name) for name in ("fsync", "replace")}

    def fsync(descriptor):
        calls.append(("fsync", os.readlink(f"/proc/self/fd/{descriptor}").split("/")[-2]))
        originals["fsync"](descriptor)

    def replace(source, target):
        calls.append(("replace", str(target).split("/")[-2]))
        originals["replace"](source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    url, digest = server.publish("/a.bin", body)
    get(url, sha256=digest)
    assert calls == [
        ("fsync", "tmp"),
        ("replace", "blobs"),
        ("fsync", home.name),  # the folder blobs/ itself
        ("fsync", "tmp"),
        ("replace", "index"),
        ("fsync", home.name),
    ]


def test_no_thread_or_descriptor_is_left(server, get, body):
    import threading

    url, digest = server.publish("/a.bin", body, fs.cut(10), fs.reset, fs.ok)
    get(url, sha256=digest)
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for n in range(3):
        url, digest = server.publish(f"/{n}.bin", body, fs.cut(10), fs.reset, fs.wrong_byte, fs.ok)
        get(url, sha256=digest)
    time.sleep(0.1)  # the server's own connections
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) <= before
