"""A save that is killed: what was acknowledged is there, whole, and nothing torn is ever loaded.

``SENSORIUM_KILLS=200 pytest tests/core/checkpoint/test_crash.py`` kills that often (default 10).
"""

from __future__ import annotations

import os
import random
import select
import signal
import time

import numpy as np
import pytest

import sensorium as sn
from sensorium.checkpoint import Checkpointer

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="wants fork")
KILLS = int(os.environ.get("SENSORIUM_KILLS", "10"))
SIZE = 1 << 18  # numbers in the model: a save takes some milliseconds


class Counter(sn.nn.Module):
    """A model every number of which is the step it was saved at."""

    def __init__(self):
        super().__init__()
        self.weight = sn.nn.Parameter(sn.zeros(SIZE))
        self.register_buffer("count", sn.zeros(1, dtype=sn.int64))

    def become(self, step):
        with sn.no_grad():
            self.weight.fill_(float(step))
            self.count.fill_(step)


def made(folder):
    model = Counter()
    return model, Checkpointer(folder, model=model, keep=2)


def saving(folder, pipe):
    """Save step after step; each one that has returned is written to the pipe."""
    model, checkpointer = made(folder)
    step = checkpointer.restore() or 0
    while True:
        step += 1
        model.become(step)
        checkpointer.state["step"] = step
        checkpointer.save(step)
        os.write(pipe, step.to_bytes(8, "little"))


def forked(function, *args):
    """The process id of a child that runs function(*args), which never returns."""
    child = os.fork()
    if child == 0:
        try:
            function(*args)
        finally:
            os._exit(9)
    return child


def acknowledged(pipe):
    """The last step that arrived, 0 for none."""
    data = b""
    while select.select([pipe], [], [], 0)[0]:
        more = os.read(pipe, 1 << 16)
        if not more:
            break
        data += more
    return int.from_bytes(data[-8:], "little")


def checked(folder, least):
    """The newest checkpoint is at least that step and consistent; its step."""
    model, checkpointer = made(folder)
    with checkpointer:
        step = checkpointer.restore() or 0
        assert step >= least
        assert np.array_equal(np.asarray(model.weight.detach()), np.full(SIZE, step, np.float32))
        assert model.count.item() == step == checkpointer.state.get("step", 0)
        for checkpoint in checkpointer.checkpoints:
            checkpoint.verify()
    return step


@pytest.mark.filterwarnings("error")  # of checkpoints that had to be skipped
def test_killed_at_random_points_of_a_save(tmp_path):
    rng = random.Random(7)
    least = 0
    for _ in range(KILLS):
        receiver, sender = os.pipe()
        child = forked(saving, tmp_path, sender)
        os.close(sender)
        select.select([receiver], [], [], 30)  # its first save
        time.sleep(rng.random() * 0.03)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        least = checked(tmp_path, max(least, acknowledged(receiver)))
        os.close(receiver)
    assert least >= KILLS
    made(tmp_path)[1].save(least + 1)
    assert sorted(os.listdir(tmp_path))[:-2] == ["owner.json", "run.json"]  # no litter


# -- at every call -------------------------------------------------------------------------------
CALLS = ("mkdir", "open", "fsync", "replace", "rename", "unlink", "rmdir")


def dying(folder, k):
    """Die at the k-th system call of a save; leave with 5 if it takes fewer."""
    model, checkpointer = made(folder)
    step = (checkpointer.restore() or 0) + 1
    model.become(step)
    checkpointer.state["step"] = step
    calls = 0

    def counted(real):
        def call(*args, **options):
            nonlocal calls
            calls += 1
            if calls == k:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)

        return call

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))
    checkpointer.save(step)
    os._exit(5)


@pytest.mark.filterwarnings("error")
def test_killed_at_every_system_call_of_a_save(tmp_path):
    for step in range(1, 4):  # so that saving deletes one, too
        model, checkpointer = made(tmp_path)
        with checkpointer:
            model.become(step)
            checkpointer.state["step"] = step
            checkpointer.save(step)
    least, k, code = 3, 0, None
    while code != 5:
        k += 1
        code = os.waitstatus_to_exitcode(os.waitpid(forked(dying, tmp_path, k), 0)[1])
        assert code in (5, -signal.SIGKILL)
        least = checked(tmp_path, least + (code == 5))
    assert k > 30


# -- losing power --------------------------------------------------------------------------------
def test_everything_is_on_the_disk_before_it_is_named_and_the_name_before_save_returns(
    tmp_path, monkeypatch
):
    """The order write, fsync, rename, fsync of the folder, for each file, then for the checkpoint."""
    checkpointer = made(tmp_path)[1]
    checkpointer.save(1)
    log, real_open = [], os.open
    names = {}

    def opened(path, flags, *rest, **options):
        descriptor = real_open(path, flags, *rest, **options)
        names[descriptor] = os.fspath(path)
        if flags & (os.O_WRONLY | os.O_RDWR):
            log.append(("write", os.fspath(path)))
        return descriptor

    real_sync = os.fsync
    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "fsync", lambda d: (real_sync(d), log.append(("sync", names[d]))))
    for name in ("rename", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda a, b, real=real: (real(a, b), log.append(("name", str(a), str(b))))
        )
    path = checkpointer.save(2).path
    monkeypatch.undo()
    named = [entry for entry in log if entry[0] == "name"]
    last = log.index(next(e for e in named if e[2] == path))
    hidden = log[last][1]
    assert log[last + 1] == ("sync", str(tmp_path))
    written = {e[2]: e[1] for e in named if os.path.dirname(e[2]) == hidden}
    assert {os.path.basename(p) for p in written} == set(os.listdir(path))
    for final, temporary in written.items():
        places = [
            log.index(e)
            for e in (("write", temporary), ("sync", temporary), ("name", temporary, final))
        ]
        assert places == sorted(places) and ("sync", hidden) in log[places[-1] : last]
