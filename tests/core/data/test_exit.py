"""Ends of a program that has workers: five more ways, to those of ``test_faults.py``.

With them the matrix has 60 + 20 cells by fork, spawn and forkserver, and 20 beyond it:

    killed, an error in the loop, sys.exit, ctrl-C once, twice  x  workers busy or idle
        x  persistent or not  x  fork, spawn, forkserver                        60  (test_faults.py)
    all batches taken, iterator dropped early, iterator held to the end, a worker's error,
    a worker killed  x  map-style or iterable dataset  x  persistent or not    20  (fork)
    the same by spawn                                                           20
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

PROGRAM = """
import os, signal, sys, time
import numpy as np
from sensorium.data import DataLoader, IterableDataset, WorkerError, get_worker_info
method, end, style, persistent = sys.argv[1:]
def sample(i):
    if i == 8 and end == "worker_error":
        raise LookupError("in the worker")
    if i == 8 and end == "worker_kill":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.002)
    return np.full(30000, i)
class Map:
    def __len__(self): return 40
    def __getitem__(self, i): return sample(i)
class Stream(IterableDataset):
    def __iter__(self):
        info = get_worker_info()
        return map(sample, range(info.id, 40, info.num_workers))
def main():
    global batches  # held: it ends with the interpreter
    loader = DataLoader(Map() if style == "map" else Stream(), 2, num_workers=2,
                        multiprocessing_context=method, persistent_workers=persistent == "yes")
    batches = iter(loader)
    seen = [next(batches)]
    print(*(w.pid for w in batches._pool.workers), flush=True)
    if end == "dropped":
        del batches
        seen *= 20
    elif end == "held":
        seen *= 20
    else:
        seen += batches
    assert len(seen) == 20, len(seen)
if __name__ == "__main__":
    main()
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def ended(tmp_path, *words):
    """The program's end: no process of it and nothing in shared memory is there 5 s later."""
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    shared = set(os.listdir("/dev/shm"))
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
    assert {
        n for n in set(os.listdir("/dev/shm")) - shared if n.startswith(("sem.", "psm_"))
    } == set()
    return done


@pytest.mark.slow
@pytest.mark.parametrize("persistent", ["no", "yes"])
@pytest.mark.parametrize("style", ["map", "iterable"])
@pytest.mark.parametrize("end", ["finished", "dropped", "held", "worker_error", "worker_kill"])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_every_other_way_to_end_a_program(tmp_path, method, end, style, persistent):
    done = ended(tmp_path, method, end, style, persistent)
    if end.startswith("worker"):
        text = "LookupError: in the worker" if end == "worker_error" else "was killed by signal 9"
        assert done.returncode == 1 and text in done.stderr
    else:
        assert done.returncode == 0 and done.stderr == ""
