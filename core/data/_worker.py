"""What runs in a worker process: it takes tasks from its channel and answers each.

A thread listens, so that the main process can always send, and so that a worker ends within a second
of its parent whatever it is busy with.
"""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import socket
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np

from . import _shared
from ._channel import Channel, wait_for
from ._errors import described
from ._job import Job, Task

PARENT_CHECK = 1.0  # seconds between looks at whether the parent lives
BEGIN, TASK = "begin", "task"  # messages: (BEGIN, pass, seed), (TASK, pass, Task, returned blocks)
BATCH, END, ERROR = "batch", "end", "error"  # answers: (which, pass, task number, value, samples)

parents_ends: weakref.WeakSet[Channel] = weakref.WeakSet()
"""The main process's ends of all channels: a forked worker closes its copies."""


@dataclass(frozen=True)
class WorkerInfo:
    """What ``get_worker_info`` says inside a worker; seed differs by worker and by pass."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker its number, seed and dataset; in the main process None.

    >>> get_worker_info() is None
    True
    """
    return _info


@dataclass(frozen=True)
class Setup:
    """What a worker is started with."""

    job: Job
    init: Callable[[int], None] | None
    id: int
    num_workers: int
    seed: int


def work(setup: Setup, end: socket.socket, stacks: Any) -> None:
    """Answer tasks until told to stop, or until the parent is gone."""
    for channel in list(parents_ends):
        channel.close()
    channel = Channel(end, blocking=True)
    inbox: SimpleQueue[Any] = SimpleQueue()
    _prepare(setup, stacks)
    threading.Thread(target=_listen, args=(channel, os.getppid(), inbox), daemon=True).start()
    with suppress(BrokenPipeError, ConnectionError):
        _Answers(setup, channel).run(inbox)


def _listen(channel: Channel, parent: int, inbox: SimpleQueue[Any]) -> None:
    """Put what arrives into the inbox, None at the end; leave at once if the parent is gone."""
    receiver = _shared.Receiver()
    with suppress(EOFError, OSError):
        while os.getppid() == parent:
            if not wait_for([channel], time.monotonic() + PARENT_CHECK):
                continue
            frame = channel.receive()
            if frame is not None:
                inbox.put(receiver.unpack(*frame))
    inbox.put(None)
    while os.getppid() == parent:  # whoever is busy is ended by the parent, or here without it
        time.sleep(PARENT_CHECK)
    os._exit(1)


def _prepare(setup: Setup, stacks: Any) -> None:
    """Signals, threads, and where arrays are made."""
    from ..backends.cpu.threads import set_num_threads

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is the parent's to answer
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the parent's handler is not for workers
    if hasattr(faulthandler, "register"):  # the parent asks what a silent worker is doing
        faulthandler.register(signal.SIGUSR1, stacks.fileno(), all_threads=True)
    set_num_threads(1)
    _shared.in_worker = True


class _Answers:
    """The worker's loop."""

    def __init__(self, setup: Setup, channel: Channel) -> None:
        self.setup, self.channel = setup, channel
        self._source: Any = None
        self._failed: bytes | None = None  # worker_init_fn's error: the answer to everything
        self._ended = False
        self._seed(setup.seed)
        if setup.init is not None:
            try:
                setup.init(setup.id)
            except BaseException as error:  # noqa: BLE001 -- the main process raises it
                self._failed = described(error, setup.id)

    def _seed(self, seed: int) -> None:
        """Each worker and each pass its own numbers, from all generators there are by default."""
        global _info
        from ..generator import manual_seed

        setup = self.setup
        seed += setup.id
        _info = WorkerInfo(setup.id, setup.num_workers, seed, setup.job.dataset)
        random.seed(seed)
        manual_seed(seed)
        np.random.seed(np.random.SeedSequence(seed).generate_state(4))

    def run(self, inbox: SimpleQueue[Any]) -> None:
        first = True
        while (message := inbox.get()) is not None:
            kind, epoch, value, blocks = message
            _shared.returned(blocks)
            if kind == BEGIN:
                if not first:  # the first pass was seeded before worker_init_fn
                    self._seed(value)
                first, self._source, self._ended, seed = False, None, False, value
            else:
                self._answer(epoch, seed, value)

    def _answer(self, epoch: int, seed: int, task: Task) -> None:
        """Make the batch and send it; the message may fail to be made as well."""
        answer = None
        try:
            answer = self._made(epoch, seed, task)  # lives until it is sent, and so do its blocks
            data, descriptors = _shared.pack(answer)
        except BaseException as error:  # noqa: BLE001 -- whatever it is, the main process raises it
            failure = described(error, self.setup.id)
            data, descriptors = _shared.pack((ERROR, epoch, task.number, failure, 0))
        self.channel.send(data, descriptors)
        del answer  # its blocks are the parent's now
        _shared.settle()

    def _made(self, epoch: int, seed: int, task: Task) -> tuple[Any, ...]:
        if self._failed is not None:
            return ERROR, epoch, task.number, self._failed, 0
        job = self.setup.job
        if self._source is None:
            self._source = job.source(seed)
        if self._ended:
            return END, epoch, task.number, None, 0
        try:
            batch, samples = self._source(task)
        except StopIteration:
            if not job.iterable:
                raise
            self._ended = True
            return END, epoch, task.number, None, 0
        return BATCH, epoch, task.number, batch, samples
