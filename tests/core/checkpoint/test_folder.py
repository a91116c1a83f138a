"""The folder of a run: one writer, disks that fail at any call, signals."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings

import pytest

import sensorium as sn
from sensorium.checkpoint import Checkpointer, CheckpointError, StopRequest


def network(width=4, seed=0):
    sn.manual_seed(seed)
    return sn.nn.Sequential(
        sn.nn.Linear(3, width), sn.nn.BatchNorm1d(width), sn.nn.ReLU(), sn.nn.Linear(width, 1)
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


# -- two processes -------------------------------------------------------------------------------
def attempt(folder, answers):
    try:
        Checkpointer(folder, model=network()).save(1)
        answers.put("saved")
    except CheckpointError as error:
        answers.put(f"{type(error).__name__}: {error}")


def asked(folder):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=attempt, args=(folder, answers))
    process.start()
    answer = answers.get(timeout=20)
    process.join()
    return answer


@pytest.mark.parametrize("locks", [True, False])
def test_a_second_process_is_refused_while_the_first_lives(folder, monkeypatch, locks):
    if not locks:
        import fcntl

        def none(*_):
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "lockf", none)
    first = Checkpointer(folder, model=network())
    second = Checkpointer(folder, model=network())  # of the same process: a notebook's next try
    assert f"in use by process {os.getpid()} on" in asked(folder)
    reader = Checkpointer(folder, model=network(), read_only=True)
    assert reader.restore() is None
    first.close()
    assert "in use" in asked(folder)
    second.close()
    assert asked(folder) == "saved"
    assert reader.restore() == 1
    first = Checkpointer(folder, model=network())
    assert first.save(2).serial == 2


OWNER = """
import sys, time
import sensorium as sn
from sensorium.checkpoint import Checkpointer
c = Checkpointer(sys.argv[1], model=sn.nn.Linear(1, 1), rng=False)
c.save(1)
import os
if os.fork() == 0:  # like a worker that outlives its parent
    time.sleep(20)
    os._exit(0)
print(flush=True)
time.sleep(60)
"""


def test_a_killed_owner_owns_nothing_whatever_its_children_do(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        process.stdout.readline()
        with pytest.raises(CheckpointError, match=f"in use by process {process.pid}"):
            Checkpointer(folder)
        process.kill()
        process.wait()
        with Checkpointer(folder, model=sn.nn.Linear(1, 1), rng=False) as checkpointer:
            assert checkpointer.restore() == 1
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()


def test_without_any_lock_two_writers_tear_nothing(folder, monkeypatch):
    """A lock is a courtesy: here nobody has one, and every save of three processes is whole."""
    from sensorium.checkpoint import _owner

    monkeypatch.setattr(_owner, "_try", lambda *_: True)
    context = multiprocessing.get_context("fork")
    Checkpointer(folder, model=network()).close()
    writers = [context.Process(target=saves, args=(folder, 15)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    found = Checkpointer(folder, read_only=True, rng=False).checkpoints
    assert len(found) == 45
    for checkpoint in found:
        checkpoint.verify()


def saves(folder, count):
    checkpointer = Checkpointer(folder, model=network(), keep=None)
    for step in range(count):
        checkpointer.save(step)


# -- failing disks -------------------------------------------------------------------------------
CALLS = ("mkdir", "open", "fsync", "replace", "rename")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("for_ever", [False, True])
def test_whatever_call_fails_the_earlier_ones_stay(folder, monkeypatch, code, for_ever):
    """The k-th system call of a save fails, for every k, once or from then on."""
    model = network()
    checkpointer = Checkpointer(folder, model=model, keep=2)
    checkpointer.save(0)
    count = {"calls": 0, "fail": None}

    def failing(real):
        def call(*args, **options):
            count["calls"] += 1
            k = count["fail"]
            if k is not None and (count["calls"] >= k if for_ever else count["calls"] == k):
                raise OSError(code, os.strerror(code))
            return real(*args, **options)

        return call

    step, k, failures = 0, 0, 0
    while True:
        k += 1
        with monkeypatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, failing(getattr(os, name)))
            count.update(calls=0, fail=k)
            try:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "Checkpointer: .* was not deleted")
                    made = checkpointer.save(step + 1)
            except CheckpointError as error:
                failures += 1
                assert error.errno == code and f"step {step + 1} was not saved" in str(error)
                assert count["calls"] >= k
                made = None
        newest = checkpointer.latest
        newest.verify()
        assert newest.step >= step
        if made is not None:
            step = made.step
            assert newest.step == step
            if count["calls"] < k:
                break
        step = (
            newest.step
        )  # a failed last fsync leaves a whole checkpoint that was not acknowledged
    assert failures > 15 and checkpointer.restore() == step
    checkpointer.save(step + 1)
    assert not [name for name in os.listdir(folder) if name.endswith(".tmp")]


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
import sensorium as sn
from sensorium.checkpoint import Checkpointer, CheckpointError
small, large = sn.nn.Linear(4, 4), sn.nn.Linear(300, 300)
with Checkpointer(sys.argv[1], model=small, rng=False) as c:
    c.save(1)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
with Checkpointer(sys.argv[1], model=large, rng=False) as c:
    try:
        c.save(2)
    except CheckpointError as error:
        print(error)
with Checkpointer(sys.argv[1], model=small, rng=False) as c:
    print(c.restore())
"""


def test_a_file_that_finds_no_room(folder):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(folder)], capture_output=True, text=True, check=False
    )
    assert "step 2 was not saved (File too large); step 1 is still there" in done.stdout, (
        done.stderr
    )
    assert done.stdout.endswith("\n1\n")
    assert sorted(os.listdir(folder)) == ["owner.json", "run.json", "step_00000001"]


# -- signals -------------------------------------------------------------------------------------
STOPPED = """
import os, sys, time
import sensorium as sn
from sensorium.checkpoint import Checkpointer, StopRequest
model = sn.nn.Linear(200, 200)
step = 0
with StopRequest() as stop, Checkpointer(sys.argv[1], model=model, every=10**6) as checkpointer:
    print(flush=True)
    while True:
        step += 1
        time.sleep(0.001)
        if stop and sys.argv[2] == "polls":
            checkpointer.save(step, force=True)
            raise SystemExit(stop.exit_code)
        checkpointer.save(step, force=True) if sys.argv[2] == "saves" else None
"""


@pytest.mark.parametrize(
    ("number", "how", "times", "code"),
    [(signal.SIGTERM, "polls", 1, 143), (signal.SIGINT, "polls", 1, 130),
     (signal.SIGTERM, "saves", 2, -signal.SIGTERM)],
)  # fmt: skip
def test_a_signal_ends_a_run_with_a_whole_checkpoint(folder, number, how, times, code):
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(folder), how], stdout=subprocess.PIPE
    )
    process.stdout.readline()
    for _ in range(times):
        time.sleep(0.1)
        process.send_signal(number)
    assert process.wait(20) == code
    process.stdout.close()
    with Checkpointer(folder, model=sn.nn.Linear(200, 200)) as checkpointer:
        assert checkpointer.restore() > 0


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest([signal.SIGTERM]) as stop:
        assert signal.getsignal(signal.SIGTERM) == stop._note and not stop and stop.exit_code == 0
    assert signal.getsignal(signal.SIGTERM) == before
