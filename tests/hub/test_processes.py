"""Laws under many processes and sudden death: no survivor errs, no reader sees a wrong byte, the
next call heals; all of it with locks that work and with locks that do nothing."""

from __future__ import annotations

import contextlib
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
import hashlib, os, sys, traceback
mode, count, *pairs = sys.argv[1:]
if mode == "no locks":
    import fcntl
    fcntl.flock = lambda descriptor, operation: None
import requests
from sensorium import hub

def work():
    for pair in pairs:
        url, digest = pair.split("=")
        data = hub.fetch(url, sha256=digest).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest

children = []
for _ in range(int(count)):
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    children.append(child)
print(*children, flush=True)
print(*[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def _start(mode, count, *pairs):
    """A process that forks ``count`` more, each fetching all pairs; and their process ids."""
    command = [sys.executable, "-W", "ignore", "-c", _FETCH, mode, str(count), *pairs]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return process, [int(child) for child in process.stdout.readline().split()]


def _end(process):
    """(exit code of each child, what they said)."""
    out, err = process.communicate(timeout=60)
    return [int(code) for code in out.split()], err


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
    process, _ = _start(mode, 8, *pairs)
    assert _end(process) == ([0] * 8, "")
    assert len(server.log) == 5 if mode == "locks" else 5 <= len(server.log) <= 40


@pytest.mark.parametrize("mode", ["locks", "no locks"])
def test_survivors_of_killed_neighbours(server, get, body, mode):
    """Two of eight are killed in the middle of a download; the other six finish."""
    url, digest = server.publish("/a.bin", body, _slow)
    process, children = _start(mode, 8, f"{url}={digest}")
    while not server.log:
        time.sleep(0.001)
    for child in children[:2]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    codes, said = _end(process)
    assert set(codes[:2]) <= {0, -9} and codes[2:] == [0] * 6 and said == ""
    url, digest = server.publish("/b.bin", body[1:])
    get(url, sha256=digest)  # clears what the killed left


_ONE_BY_ONE = (
    _FETCH.partition("children = []")[0]
    + """
for line in sys.stdin:
    pairs = [line.strip()]
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""
)


@pytest.fixture
def killer(server, body, home):
    """killer(path, seconds): begin a download of ``path`` in a process, kill it that much later."""
    command = [sys.executable, "-W", "ignore", "-c", _ONE_BY_ONE, "locks", "1"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}

    def kill(path, seconds):
        url, digest = server.publish(path, body + path.encode(), _slow)
        process.stdin.write(f"{url}={digest}\n")
        process.stdin.flush()
        child = int(process.stdout.readline())
        while not server.requests(path):
            time.sleep(0.0005)
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):  # it was done already
            os.kill(child, signal.SIGKILL)
        assert process.stdout.readline() == "ended\n"
        for blob in (home / "blobs").glob("*"):
            assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
        assert len(list((home / "tmp").glob("*"))) <= 1
        server.plan(path, fs.ok)
        return url, digest

    with subprocess.Popen(command, **pipes, text=True) as process:
        yield kill
        process.stdin.close()


def test_kill_9_in_the_middle_of_a_download(get, body, killer):
    for n, seconds in enumerate([0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06]):
        url, digest = killer(f"/{n}.bin", seconds)
        assert get(url, sha256=digest).read_bytes() == body + f"/{n}.bin".encode()


@pytest.mark.slow
def test_kill_9_at_two_hundred_points(get, body, killer):
    rng = random.Random(0)
    for n in range(200):
        url, digest = killer(f"/{n}.bin", rng.random() * 0.08)
        assert get(url, sha256=digest).read_bytes() == body + f"/{n}.bin".encode()


def test_ctrl_c_leaves_no_temporary_file(server, get, body, home):
    url, digest = server.publish("/a.bin", body, fs.cut(1000, "stall"), fs.ok)
    process, (child,) = _start("locks", 1, f"{url}={digest}")
    while not (list((home / "tmp").glob("*")) if home.exists() else []):
        time.sleep(0.001)
    time.sleep(0.05)
    os.kill(child, signal.SIGINT)
    codes, said = _end(process)
    assert codes == [1] and "KeyboardInterrupt" in said
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
