"""Faults of workers, parents and data: a typed error soon, and nothing left: no process, no
descriptor, no shared memory. By fork and by spawn."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import sensorium as sn
from sensorium.data import DataLoader, Dataset, WorkerError, _shared
from sensorium.data._worker import get_worker_info

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
METHODS = ["fork", pytest.param("spawn", marks=pytest.mark.slow)]
BOTH = pytest.mark.parametrize("method", METHODS)
SOON = 2.0  # seconds within which an error must be there


class Demanding(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


class Holding(Exception):
    def __init__(self):
        super().__init__("holds much")
        self.much = np.zeros(1 << 24)


class Acts(Dataset):
    """Sample i is 3 numbers i, or 2 MB of them; at sample ``at`` something happens first."""

    def __init__(self, what="", at=5, n=12, size=3):
        self.what, self.at, self.n, self.size = what, at, n, size

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i == self.at and self.what:
            getattr(self, self.what)()
        return np.full(self.size, i)

    def killed(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def crashed(self):
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)

    def left(self):
        os._exit(3)

    def stopped(self):
        os.kill(os.getpid(), signal.SIGSTOP)

    def busy(self):
        while True:
            pass

    def exits(self):
        sys.exit(1)

    def interrupts(self):
        raise KeyboardInterrupt

    def ends(self):
        raise StopIteration("in the dataset")

    def demands(self):
        raise Demanding(1, 2)

    def holds(self):
        raise Holding

    def misses(self):
        open("/absent/file")  # noqa: SIM115

    def garbles(self):
        b"\xff".decode()


class Lengths(Dataset):
    def __getitem__(self, text):
        return text


def bad_collate(samples):
    raise LookupError("no collating")


def bad_init(worker):
    raise ValueError(f"no start of {worker}")


def dying_init(worker):
    os._exit(4)


def open_files():
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    gc.collect()
    files, shared = open_files(), set(os.listdir("/dev/shm"))
    yield
    gc.collect()
    assert multiprocessing.active_children() == []
    assert open_files() <= files + 2  # multiprocessing's own helper stays open after a spawn
    assert set(os.listdir("/dev/shm")) == shared


def failed(loader):
    """The WorkerError of a pass, and how long the pass took to fail once its batches were due."""
    with pytest.raises(WorkerError) as caught:
        for _ in loader:
            start = time.monotonic()
    assert time.monotonic() - start < SOON
    return caught.value


# -- death ---------------------------------------------------------------------------------------
@BOTH
@pytest.mark.parametrize(
    ("what", "how", "code"),
    [("killed", "was killed by signal 9", -9), ("crashed", "was killed by signal 11", -11),
     ("left", "exited with 3", 3)],
)  # fmt: skip
def test_a_worker_that_dies(method, what, how, code):
    loader = DataLoader(Acts(what), 1, num_workers=2, multiprocessing_context=method)
    error = failed(loader)
    assert how in str(error) and "(samples 5)" in str(error)
    assert (error.worker, error.exitcode, error.samples) == (1, code, [5]) and error.pid > 0


def test_a_worker_that_dies_in_its_start():
    loader = DataLoader(Acts(), 1, num_workers=2, worker_init_fn=dying_init)
    with pytest.raises(WorkerError, match="exited with 4"):
        list(loader)


def killed_in_transfer(method, moment, shared):
    """Kill a worker while it makes and sends batches of 8 MB; the error and the seconds it took."""
    data = Acts(n=200, size=1 << 19)
    loader = DataLoader(data, 2, num_workers=2, multiprocessing_context=method)
    batches = iter(loader)
    next(batches)
    victim = batches._pool.workers[random.Random(moment).randrange(2)]
    killed = []

    def kill():
        os.kill(victim.pid, signal.SIGKILL)
        killed.append(time.monotonic())

    timer = threading.Timer(moment, kill)
    timer.start()
    with pytest.raises(WorkerError, match="was killed by signal 9"):
        for _ in batches:
            pass
    took = time.monotonic() - killed[0]
    timer.join()
    return took


@pytest.mark.parametrize("shared", [True, False])
def test_killed_in_the_middle_of_a_transfer(monkeypatch, shared):
    monkeypatch.setattr(_shared, "_AVAILABLE", shared)
    assert max(killed_in_transfer("fork", 0.02 * k, shared) for k in range(3)) < SOON


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_killed_fifty_times_in_the_middle_of_a_transfer(monkeypatch, shared):
    monkeypatch.setattr(_shared, "_AVAILABLE", shared)
    assert max(killed_in_transfer("fork", 0.002 * k, shared) for k in range(50)) < SOON


# -- silence -------------------------------------------------------------------------------------
@BOTH
@pytest.mark.parametrize("what", ["busy", "stopped"])
def test_a_worker_that_hangs_is_asked_what_it_does(method, what):
    loader = DataLoader(
        Acts(what, at=3), 1, num_workers=2, timeout=5, multiprocessing_context=method
    )
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    loader.timeout = batches._timeout = 0.3
    start = time.monotonic()
    with pytest.raises(
        WorkerError, match=r"worker 1 .*within timeout=0.3 s \(samples 3\)"
    ) as caught:
        next(batches)
    assert time.monotonic() - start < 0.3 + SOON
    wanted = "in busy" if what == "busy" else "does not react to signals"
    assert wanted in str(caught.value)


def test_a_long_silence_is_reported(monkeypatch):
    from sensorium.data import _workers

    monkeypatch.setattr(_workers, "STALL_REPORT", 0.2)
    loader = DataLoader(Acts("busy", at=1), 1, num_workers=1, timeout=1)
    with (
        pytest.warns(RuntimeWarning, match=r"(?s)worker 0 gave no batch in 0 s; it is at.*in busy"),
        pytest.raises(WorkerError, match="within timeout=1 s"),
    ):
        list(loader)


# -- errors --------------------------------------------------------------------------------------
@BOTH
@pytest.mark.parametrize(
    ("what", "kind"),
    [("exits", WorkerError), ("interrupts", WorkerError), ("ends", WorkerError),
     ("demands", Demanding), ("holds", Holding), ("misses", FileNotFoundError),
     ("garbles", UnicodeDecodeError)],
)  # fmt: skip
def test_whatever_a_dataset_raises_arrives_with_its_traceback(method, what, kind):
    loader = DataLoader(Acts(what), 2, num_workers=2, multiprocessing_context=method)
    error = failed(loader)
    assert isinstance(error, kind) and error.samples == [4, 5]
    assert f"in {what}" in str(error) and "Original traceback" in str(error)
    loader.dataset.what = ""
    assert len(list(loader)) == 6  # the loader itself is none the worse


@pytest.mark.parametrize("persistent", [False, True])
def test_errors_of_collating_and_of_the_start(persistent):
    options = {"num_workers": 2, "persistent_workers": persistent}
    with pytest.raises(LookupError, match="no collating"):
        list(DataLoader(Acts(), 2, collate_fn=bad_collate, **options))
    with pytest.raises(ValueError, match="no start of 0"):
        list(DataLoader(Acts(), 2, worker_init_fn=bad_init, **options))


@pytest.mark.parametrize("part", ["dataset", "collate_fn", "worker_init_fn"])
def test_what_cannot_be_sent_is_named_with_the_remedy(part):
    options = {"dataset": Acts(), part: lambda *a: 0}
    if part == "dataset":
        options["dataset"].extra = lambda: 0
    loader = DataLoader(**options, num_workers=2, multiprocessing_context="spawn")
    with pytest.raises(
        WorkerError, match=r"cannot be sent to a process started by 'spawn' \(.*top"
    ):
        iter(loader)


def test_a_dataset_that_holds_a_generator_is_warned_of():
    data = Acts()
    data.rng = random.Random(1)
    with pytest.warns(UserWarning, match=r"Acts\.rng is a Random: every worker draws the same"):
        list(DataLoader(data, 2, num_workers=1))


# -- resources -----------------------------------------------------------------------------------
def test_no_descriptor_stays_open_however_many_batches_are_kept():
    files = open_files()
    batches = list(DataLoader(Acts(n=60, size=1 << 15), 1, num_workers=2))
    assert open_files() <= files + 2 and len(batches) == 60
    assert all(b[0, 0] == i and b[0, -1] == i for i, b in enumerate(batches))


@pytest.mark.parametrize("collated", [True, False])
def test_large_arrays_arrive_without_a_copy_and_can_be_written(collated):
    odd = np.asfortranarray(np.arange(40000.0).reshape(200, 200))
    samples = [odd, odd[::2], sn.ones(300, 300, dtype=sn.bfloat16), np.arange(3)]
    options = {} if collated else {"batch_size": None, "collate_fn": lambda sample: sample}
    for want, got in zip(samples, DataLoader(samples, num_workers=2, **options)):
        got = got[0] if collated else got
        assert np.array_equal(np.asarray(got, np.float64), np.asarray(want, np.float64))
        got[0] = 7
        owner = getattr(got, "array", got)
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        if got.nbytes >= _shared.LEAST:
            assert isinstance(owner.base, memoryview)


@pytest.mark.parametrize("kept", [1, 5, 300])
def test_memory_that_is_used_again_never_changes_a_batch_that_is_held(kept):
    loader = DataLoader(Acts(n=320, size=1 << 14), 1, num_workers=1, collate_fn=twice)
    held = []
    for i, (first, second, third) in enumerate(loader):
        del first
        held.append((i, second if i % 2 else third))
        held = held[-kept:]
        for k, batch in held[:: max(kept // 5, 1)]:
            assert (batch == k).all()


def twice(samples):
    """One array two ways, and one that is copied."""
    batch = sn.data.default_collate(samples)
    return batch, batch.view(-1), samples[0]


def test_without_memory_for_blocks_batches_travel_all_the_same(monkeypatch, capfd):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    loader = DataLoader(Acts(n=6, size=1 << 15), 2, num_workers=1, worker_init_fn=shown_warnings)
    assert [b[:, 0].tolist() for b in loader] == [[0, 1], [2, 3], [4, 5]]
    assert capfd.readouterr().err.count("No space left on device") == 1


def shown_warnings(worker):
    import warnings

    warnings.simplefilter("always")
    warnings.showwarning = lambda message, *rest: os.write(2, f"{message}\n".encode())


@pytest.mark.parametrize("persistent", [False, True])
def test_tasks_larger_than_a_socket_holds_block_nobody(persistent):
    loader = DataLoader(
        Lengths(), batch_size=2, sampler=["x" * 400_000] * 12, num_workers=2, prefetch_factor=4,
        persistent_workers=persistent, collate_fn=list, timeout=60,
    )  # fmt: skip
    assert [sum(map(len, batch)) for batch in loader] == [800_000] * 6


# -- ends ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("persistent", [False, True])
def test_an_iterator_that_nobody_holds_takes_its_workers_with_it(persistent):
    loader = DataLoader(Acts(n=50), 1, num_workers=2, persistent_workers=persistent)
    batches = iter(loader)
    next(batches)
    cycle = [batches, loader]
    cycle.append(cycle)  # only the garbage collector can find it
    del batches, loader, cycle
    gc.collect()
    assert multiprocessing.active_children() == []


def test_persistent_workers_stay_and_older_passes_end():
    loader = DataLoader(Acts(), 1, num_workers=2, persistent_workers=True)
    first = iter(loader)
    pids = [w.pid for w in first._pool.workers]
    next(first)
    second = iter(loader)
    with pytest.raises(WorkerError, match="have begun another pass"):
        next(first)
    assert [b[0, 0].item() for b in second] == list(range(12))
    assert [w.pid for w in loader._pool.workers] == pids
    del loader, first, second


def test_fork_after_threads():
    """Threads that compute, and two loaders that start workers at the same time."""
    stop, results = threading.Event(), []

    def compute():
        while not stop.is_set():
            sn.ones(64, 64) @ sn.ones(64, 64)

    def load():
        results.append([b[0, 0].item() for b in DataLoader(Acts(), 1, num_workers=2, timeout=30)])

    threads = [threading.Thread(target=compute), *(threading.Thread(target=load) for _ in range(2))]
    for thread in threads:
        thread.start()
    for thread in threads[1:]:
        thread.join()
    stop.set()
    threads[0].join()
    assert results == [list(range(12))] * 2


PROGRAM = """
import os, signal, sys, threading, time
import numpy as np
from sensorium.data import DataLoader
class Data:
    def __len__(self): return 200
    def __getitem__(self, i):
        if i >= 8 and sys.argv[3] == "busy":
            while True: pass
        time.sleep(0.01)
        return np.full(30000, i)
def main():
    method, end, _, persistent = sys.argv[1:]
    loader = DataLoader(Data(), 1, num_workers=2, multiprocessing_context=method,
                        persistent_workers=persistent == "yes")
    batches = iter(loader)
    next(batches)
    print(*(w.pid for w in batches._pool.workers), flush=True)
    if end == "kill": os.kill(os.getpid(), signal.SIGKILL)
    if end == "raise": raise RuntimeError("in the loop")
    if end == "exit": sys.exit(5)
    if end.startswith("interrupt"):
        for k in range(int(end[-1])):
            threading.Timer(0.2 + 0.1 * k, os.kill, (os.getpid(), signal.SIGINT)).start()
        for batch in batches: pass
if __name__ == "__main__":
    main()
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def outcome(tmp_path, *words):
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, str(script), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    pids = done.stdout.split()
    assert len(pids) == 2, done.stderr
    end = time.monotonic() + 5
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(map(alive, pids))
    return done


@pytest.mark.parametrize("end", ["kill", "raise", "interrupt2"])
def test_the_end_of_a_program_is_that_of_its_workers(tmp_path, end):
    done = outcome(tmp_path, "fork", end, "busy", "no")
    codes = {"kill": -signal.SIGKILL, "raise": 1, "interrupt2": -signal.SIGINT}
    assert done.returncode == codes[end]
    assert "DataLoader worker" not in done.stderr  # no traceback of a worker


@pytest.mark.slow
@pytest.mark.parametrize("persistent", ["no", "yes"])
@pytest.mark.parametrize("state", ["busy", "idle"])
@pytest.mark.parametrize("end", ["kill", "raise", "exit", "interrupt1", "interrupt2"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_every_way_to_end_a_program(tmp_path, method, end, state, persistent):
    outcome(tmp_path, method, end, state, persistent)


LIMITED = """
import resource
from sensorium.data import DataLoader, WorkerError
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
try:
    list(DataLoader(range(100), num_workers=30, multiprocessing_context="fork"))
except WorkerError as error:
    print(error)
import multiprocessing
print(multiprocessing.active_children())
"""


def test_too_few_descriptors_are_an_error_with_advice():
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=60, check=False
    )
    assert "Too many open files; use fewer workers, or raise the limit" in done.stdout, done.stderr
    assert done.stdout.endswith("[]\n")


def test_the_workers_number_themselves():
    class Who(Acts):
        def __getitem__(self, i):
            info = get_worker_info()
            return info.id, info.num_workers, info.dataset is self

    got = [[v.item() for v in batch] for batch in DataLoader(Who(n=4), num_workers=2)]
    assert got == [[0, 2, True], [1, 2, True]] * 2
