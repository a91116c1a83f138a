"""Worker processes: order, seeds, errors, deaths; nothing is left behind."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import sensorium as sn
from sensorium.data import DataLoader, Dataset, WorkerError, _shared, get_worker_info
from sensorium.data._channel import wait_for

pytestmark = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="these datasets are local"
)
FORK = {"multiprocessing_context": "fork"}


class Numbers(Dataset):
    """i, but what ``act`` does comes first."""

    def __init__(self, n, act=lambda i: None):
        self.n, self.act = n, act

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        self.act(i)
        return np.full(3, i)


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    yield
    assert multiprocessing.active_children() == []


def first_of(loader):
    return [b[:, 0].tolist() for b in loader]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_batches_come_in_order_whoever_is_slow(workers):
    data = Numbers(11, lambda i: time.sleep(0.03 * (i % 3 == 0)))
    got = first_of(DataLoader(data, 2, num_workers=workers, prefetch_factor=1, **FORK))
    assert got == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10]]


def test_a_loader_can_be_passed_through_again_and_abandoned():
    loader = DataLoader(Numbers(40), 1, num_workers=2, **FORK)
    assert len(first_of(loader)) == 40
    for batch in loader:  # left early: the workers go with the iterator
        assert batch[0, 0].item() == 0
        break
    assert len(first_of(loader)) == 40


def test_more_workers_than_batches():
    assert first_of(DataLoader(Numbers(2), 2, num_workers=3, **FORK)) == [[0, 1]]
    assert first_of(DataLoader(Numbers(0), 2, num_workers=2, **FORK)) == []


def test_a_large_batch_is_no_obstacle():
    data = [np.zeros((1 << 20) // 8) for _ in range(6)]
    assert len(list(DataLoader(data, 3, num_workers=2, **FORK))) == 2


# -- seeds and threads ---------------------------------------------------------------------------
class Draws(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        info = get_worker_info()
        return (
            float(sn.rand(1)), np.random.rand(), random.random(), info.id, info.num_workers,
            sn.get_num_threads(),
        )  # fmt: skip


def draws(seed, passes=1):
    loader = DataLoader(
        Draws(), 1, num_workers=2, generator=sn.Generator().manual_seed(seed), **FORK
    )
    return [[[v.item() for v in row] for row in loader] for _ in range(passes)]


def test_workers_draw_different_numbers_that_a_seed_repeats():
    first, second = draws(5, passes=2)
    assert [row[3:] for row in first] == [[0, 2, 1], [1, 2, 1], [0, 2, 1], [1, 2, 1]]
    for kind in range(3):
        assert len({row[kind] for row in first + second}) == 8
    assert draws(5, passes=2) == [first, second]


def test_worker_init_runs_in_every_worker():
    def init(worker_id):
        os.environ["SEEN"] = str(10 + worker_id)

    class Seen(Numbers):
        def __getitem__(self, i):
            return int(os.environ["SEEN"])

    got = list(DataLoader(Seen(4), 1, num_workers=2, worker_init_fn=init, **FORK))
    assert [b.item() for b in got] == [10, 11, 10, 11]


# -- errors --------------------------------------------------------------------------------------
def fail(i):
    if i == 3:
        raise FileNotFoundError("no file number 3")


def test_an_error_arrives_at_its_batch_with_its_traceback():
    loader, got = DataLoader(Numbers(8, fail), 1, num_workers=2, **FORK), []
    with pytest.raises(FileNotFoundError, match=r"(?s)worker 1.*in fail.*no file number 3"):
        for batch in loader:
            got.append(batch[0, 0].item())
    assert got == [0, 1, 2]


def test_errors_that_cannot_be_made_again_arrive_all_the_same():
    class Demanding(Exception):
        def __init__(self, a, b):
            super().__init__(f"{a} and {b}")

    def demand(i):
        raise Demanding(1, 2)

    def miss(i):
        return {}["absent"]

    with pytest.raises(WorkerError, match=r"(?s)Demanding in DataLoader worker 0.*1 and 2"):
        list(DataLoader(Numbers(2, demand), num_workers=1, **FORK))
    with pytest.raises(KeyError, match=r"(?s)Original traceback:\nTraceback.*absent"):
        list(DataLoader(Numbers(2, miss), num_workers=1, **FORK))
    with pytest.raises(Exception, match=r"(?s)pickle"):  # a batch that cannot be sent
        list(DataLoader([lambda: 0], collate_fn=lambda b: b, num_workers=1, **FORK))

    def bad_init(worker_id):
        raise ValueError("no start")

    with pytest.raises(ValueError, match="no start"):
        list(DataLoader(Numbers(2), num_workers=1, worker_init_fn=bad_init, **FORK))


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed by signal 9"),
        (lambda: os._exit(3), "exited with 3"),
    ],
)
def test_a_worker_that_dies_is_an_error_within_seconds(end, how):
    data = Numbers(8, lambda i: end() if i == 5 else None)
    start = time.monotonic()
    with pytest.raises(WorkerError, match=f"worker 1 .*{how} before its batch was done"):
        list(DataLoader(data, 1, num_workers=2, **FORK))
    assert time.monotonic() - start < 5


def test_a_worker_that_dies_in_the_middle_of_sending(monkeypatch):
    """Killed from outside while its answer, larger than a socket holds, is half sent."""
    monkeypatch.setattr(_shared, "_AVAILABLE", False)
    data = [np.zeros(1 << 22) for _ in range(2)]
    iterator = iter(DataLoader(data, 1, num_workers=1, **FORK))
    worker = iterator._pool.workers[0]
    assert wait_for([worker.channel], time.monotonic() + 10)
    os.kill(worker.process.pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="was killed by signal 9"):
        next(iterator)


def test_a_worker_that_hangs_is_an_error_after_the_timeout():
    data = Numbers(4, lambda i: time.sleep(60) if i == 1 else None)
    start = time.monotonic()
    with pytest.raises(WorkerError, match=r"gave no batch within timeout=0.5 s"):
        list(DataLoader(data, 1, num_workers=2, timeout=0.5, **FORK))
    assert time.monotonic() - start < 10


SCRIPT = """
import os, sys
from sensorium.data import DataLoader
class Data:
    def __len__(self): return 100
    def __getitem__(self, i): return i
if __name__ == "__main__":
    it = iter(DataLoader(Data(), 1, num_workers=2, multiprocessing_context=sys.argv[1]))
    print(next(it).item(), *(w.pid for w in it._pool.workers), flush=True)
    if sys.argv[2] == "die":
        os._exit(1)
"""


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into /proc")
@pytest.mark.parametrize("how", ["die", "leave"])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_no_worker_outlives_its_parent(tmp_path, method, how):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), method, how],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    first, *pids = done.stdout.split()
    assert first == "0" and len(pids) == 2, done.stderr
    end = time.monotonic() + 8
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(map(alive, pids))
    assert "Traceback" not in done.stderr
