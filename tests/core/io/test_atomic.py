"""A write is all or nothing, in whatever step it fails."""

import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from sensorium.io import atomic, atomic_write, load_state, save_npz, save_safetensors, save_state

STEPS = ["open", "write", "fsync", "replace"]


class FailingOs:
    """The ``os`` module, except that one function raises ENOSPC; it notes every call."""

    def __init__(self, failing=None):
        self.failing, self.calls = failing, []

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in ("open", "fsync", "replace", "unlink", "close"):
            return real

        def call(*arguments):
            self.calls.append(name)
            if name == self.failing:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*arguments)

        return call


def fail_when_writing(file):
    file.write(b"half")
    raise OSError(errno.ENOSPC, "full")


@pytest.mark.parametrize("step", STEPS)
def test_failure_in_any_step_keeps_the_old_file(step, tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    writer = fail_when_writing if step == "write" else lambda file: file.write(b"new")
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "os", FailingOs(step))
        with pytest.raises(OSError, match=r"full|No space"):
            atomic_write(path, writer)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]
    atomic_write(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"new"


def test_order_is_write_sync_rename_sync(tmp_path, monkeypatch):
    """A rename before the data is durable can leave an empty file after a power cut."""
    spy = FailingOs()
    monkeypatch.setattr(atomic, "os", spy)
    atomic_write(tmp_path / "a", lambda file: file.write(b"x"))
    assert spy.calls == ["open", "fsync", "replace", "open", "fsync", "close"]


def test_interrupt_leaves_nothing_behind(tmp_path):
    def interrupted(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "a", interrupted)
    assert os.listdir(tmp_path) == []


def test_symbolic_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    atomic_write(tmp_path / "link", lambda file: file.write(b"x"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"x"


def test_permissions_follow_the_umask(tmp_path):
    atomic_write(tmp_path / "a", lambda file: None)
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_long_names_work(tmp_path):
    path = tmp_path / ("n" * 255)
    atomic_write(path, lambda file: file.write(b"x"))
    assert path.read_bytes() == b"x"


def leftover(tmp_path, process, place=None):
    name = f".a.{place or atomic.place()}.{process}.{'0' * 12}.tmp"
    (tmp_path / name).write_bytes(b"half")
    return tmp_path / name


def test_leftovers_of_the_dead_are_cleared_and_of_the_living_kept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    stale, alive = leftover(tmp_path, dead.pid), leftover(tmp_path, os.getpid())
    elsewhere = leftover(tmp_path, dead.pid, "deadbeef")
    other = tmp_path / ".b.tmp"
    other.touch()
    atomic_write(tmp_path / "a", lambda file: None)
    assert [path.exists() for path in (stale, alive, elsewhere, other)] == [False, True, True, True]
    old = time.time() - 25 * 3600
    os.utime(elsewhere, (old, old))
    atomic_write(tmp_path / "a", lambda file: None)
    assert not elsewhere.exists()


KILLED = """
import sys
from sensorium.io import save_state
import numpy as np
for step in range(10**6):
    save_state(sys.argv[1], {"step": step, "w": np.full(200_000, step)})
    print(step, flush=True)
"""


def test_killed_writer_leaves_the_last_good_file(tmp_path):
    """kill -9 at many moments: what was acknowledged is there, and it is whole."""
    path = tmp_path / "s"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for round_ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, env=environment, text=True
        )
        with process:
            process.stdout.readline()
            time.sleep(0.013 * (round_ + 1))
            process.send_signal(signal.SIGKILL)
            last = int((process.stdout.read().split() or ["0"])[-1])
        state = load_state(path)
        assert state["step"] >= last
        assert (state["w"] == state["step"]).all()
    save_state(path, 0)
    assert os.listdir(tmp_path) == ["s"]


def test_full_disk_keeps_the_old_file(tmp_path, python):
    """RLIMIT_FSIZE stands in for a full disk: the write itself fails."""
    save_state(tmp_path / "s", "good")
    script = """
import resource, signal, sys
import numpy as np
from sensorium.io import save_state
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    save_state(sys.argv[1], np.zeros(10**6))
except OSError as error:
    print(error.errno)
"""
    assert int(python(script, tmp_path / "s")) == errno.EFBIG
    assert load_state(tmp_path / "s") == "good"
    assert os.listdir(tmp_path) == ["s"]


def test_every_writer_is_atomic(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "os", FailingOs("replace"))
    arrays = {"a": np.ones(3)}
    for write in (save_safetensors, save_npz, save_state):
        with pytest.raises(OSError, match="No space"):
            write(tmp_path / "a", arrays)
        assert os.listdir(tmp_path) == []
