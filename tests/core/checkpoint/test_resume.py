"""A run that is stopped and resumed is, bit for bit, the run that was not."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import time

import numpy as np
import pytest

import sensorium as sn
from sensorium.checkpoint import Checkpointer
from sensorium.data import DataLoader, Dataset
from sensorium.nn import functional as F

EPOCHS, SAMPLES, BATCH = 4, 22, 4
STEPS = EPOCHS * -(-SAMPLES // BATCH)


class Noisy(Dataset):
    """Samples with noise from every generator that a transform may use."""

    def __init__(self, python=True):
        self.python = python

    def __len__(self):
        return SAMPLES

    def __getitem__(self, i):
        x = sn.full((5,), float(i)) / SAMPLES + 0.1 * sn.rand(5)
        return x + random.random() if self.python else x, i


class Run:
    """Dropout, batch norm, AdamW, a schedule, averaged weights, a shuffling loader of two workers."""

    def __init__(self, folder, seed, workers, own, python=True):
        sn.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        self.model = sn.nn.Sequential(
            sn.nn.Linear(5, 8), sn.nn.BatchNorm1d(8), sn.nn.Dropout(0.3), sn.nn.Linear(8, 1)
        )
        self.optimizer = sn.optim.AdamW(self.model.parameters(), lr=0.02)
        self.scheduler = sn.optim.lr_scheduler.OneCycleLR(
            self.optimizer, 0.1, total_steps=STEPS + 1
        )
        self.average = sn.optim.swa_utils.AveragedModel(self.model)
        generator = sn.Generator().manual_seed(seed) if own else None
        self.loader = DataLoader(
            Noisy(python), BATCH, True, num_workers=workers, generator=generator
        )
        self.checkpointer = Checkpointer(
            folder, model=self.model, optimizer=self.optimizer, scheduler=self.scheduler,
            loader=self.loader, others={"ema": self.average},
        )  # fmt: skip
        self.checkpointer.state = {"epoch": 0, "log": []}
        self.step = self.checkpointer.restore() or 0

    def train(self, stop=None, each=None):
        """Train to the end, or save and stop after that many steps; or save each and say so."""
        state = self.checkpointer.state
        while state["epoch"] < EPOCHS:
            for x, numbers in self.loader:
                self.update(x, numbers, state["log"])
                if each is not None:
                    self.checkpointer.save(self.step)
                    os.write(each, b".")
                if self.step == stop:
                    self.checkpointer.save(stop)
                    return
            state["epoch"] += 1

    def update(self, x, numbers, log):
        self.optimizer.zero_grad()
        noise = random.random() + np.random.random()
        loss = F.mse_loss(self.model(x), x.sum(1, keepdim=True) + noise)
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        self.average.update_parameters(self.model)
        log.append((loss.item(), numbers.tolist()))
        self.step += 1

    def digest(self):
        """sha256 of parameters, buffers, optimiser, schedule, average, random states, data and losses."""
        found = hashlib.sha256()
        for part in self.checkpointer._parts.values():
            _digest(part.state_dict(), found)
        _digest(self.checkpointer.state, found)
        return found.hexdigest()


def _digest(value, found):
    if isinstance(value, dict):
        for key in value:
            _digest((key, value[key]), found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _digest(item, found)
    elif isinstance(value, (sn.Tensor, np.ndarray)):
        found.update(np.asarray(value).tobytes())
    else:
        found.update(repr(value).encode())


def finished(folder, workers, own, stops=()):
    """The digest of a run that stops there, each part of it with objects of another seed."""
    for k, stop in enumerate([*stops, None]):
        run = Run(folder, k, workers, own)
        run.train(stop)
        run.checkpointer.close()
    return run.digest(), run.checkpointer.state["log"]


SLOW = pytest.param(2, False, marks=pytest.mark.slow)


@pytest.mark.parametrize(("workers", "own"), [(0, False), SLOW, (2, True)])
def test_resumed_at_twenty_random_places_of_twenty_bitwise(tmp_path, workers, own):
    want, log = finished(tmp_path / "whole", workers, own)
    assert len(log) == STEPS and sorted(i for _, n in log[:6] for i in n) == list(range(SAMPLES))
    places = random.Random(3).sample(range(1, STEPS + 1), 20)
    equal = 0
    for stop in places:
        got, resumed = finished(tmp_path / str(stop), workers, own, [stop])
        assert resumed == log, f"stopped after {stop} of {STEPS}"
        equal += got == want
    assert equal == 20


def test_resumed_many_times_with_another_number_of_workers(tmp_path):
    """Without Python's ``random``, which the main process shares with the program."""
    whole = Run(tmp_path / "whole", 9, 0, False, python=False)
    whole.checkpointer.save(0)
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    whole.train()
    for k, stop in enumerate([2, 7, 8, 15, 20, None]):
        run = Run(tmp_path / "parts", k, k % 3, False, python=False)
        run.train(stop)
        run.checkpointer.close()
    assert run.digest() == whole.digest()
    whole.checkpointer.close()


def child_of(folder, seed, pipe):
    """Another process that trains on, saving every step, and writes its digest at the end."""
    child = os.fork()
    if child == 0:
        try:
            run = Run(folder, seed, 2, True)
            if not run.step:
                run.checkpointer.save(0)
            run.train(each=pipe)
            (folder / "digest").write_text(run.digest())
            os._exit(0)
        finally:
            os._exit(9)
    return child


@pytest.mark.skipif(not hasattr(os, "fork"), reason="wants fork")
def test_killed_and_started_again_until_it_is_done(tmp_path):
    """kill -9 at random times, mostly within a save or a step, until a process comes to the end."""
    whole = Run(tmp_path / "whole", 0, 2, True)
    whole.checkpointer.save(0)
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    whole.train()
    whole.checkpointer.close()
    chance, kills, code = random.Random(5), 0, None
    while code != 0:
        receiver, sender = os.pipe()
        child = child_of(tmp_path / "parts", kills, sender)
        os.close(sender)
        os.read(receiver, 1)  # its first step is saved, or it is at the end
        time.sleep(0.02 * chance.random())
        if kills < 20:
            os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGKILL)
        kills += code != 0
        os.close(receiver)
    assert kills > 5
    assert (tmp_path / "parts" / "digest").read_text() == whole.digest()
