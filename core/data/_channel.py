"""A socket between the main process and one worker: frames of bytes with file descriptors.

A frame is its length, the number of its descriptors, and its bytes. The main process never blocks on
a worker: what cannot be sent yet waits in an outbox, and frames are read piece by piece until the
deadline, so a worker that stops in the middle of a message is not waited for longer than another.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

_HEADER = struct.Struct("<QI")
_FLAGS = getattr(socket, "MSG_CMSG_CLOEXEC", 0)  # received descriptors are not for exec'd programs
_DESCRIPTORS = 253  # that one message can hold, at most
_SELECTOR: Any = getattr(selectors, "PollSelector", selectors.SelectSelector)  # no limit of 1024

Frame = tuple[bytearray, list[int]]


class Channel:
    """One end. blocking: of the worker's; otherwise sending and receiving never wait."""

    def __init__(self, end: socket.socket, blocking: bool) -> None:
        end.settimeout(None if blocking else 0)
        self.socket = end
        self._outbox: deque[memoryview] = deque()
        self._head, self._body, self._filled = b"", bytearray(), 0
        self._descriptors: list[int] = []

    def fileno(self) -> int:
        return self.socket.fileno()

    # -- sending ---------------------------------------------------------------------------------
    def send(self, data: bytes, descriptors: list[int]) -> None:
        """The whole frame, in the worker; waits for the reader."""
        head = _HEADER.pack(len(data), len(descriptors))
        if descriptors:
            sent = socket.send_fds(self.socket, [head], descriptors)
            self.socket.sendall(head[sent:])
        else:
            self.socket.sendall(head)
        self.socket.sendall(data)

    def post(self, data: bytes) -> None:
        """A frame as soon as the other side reads; OSError if nobody is there."""
        self._outbox += [memoryview(_HEADER.pack(len(data), 0)), memoryview(data)]
        self.flush()

    def flush(self) -> None:
        """Send of the outbox what can be sent now."""
        with suppress(BlockingIOError):
            while self._outbox:
                sent = self.socket.send(self._outbox[0])
                rest = self._outbox[0][sent:]
                if rest:
                    self._outbox[0] = rest
                else:
                    self._outbox.popleft()

    @property
    def unsent(self) -> bool:
        """Whether something waits in the outbox."""
        return bool(self._outbox)

    # -- receiving -------------------------------------------------------------------------------
    def receive(self) -> Frame | None:
        """The next frame; None if it is not complete yet. EOFError, OSError: the other end is gone."""
        try:
            while len(self._head) < _HEADER.size:
                self._read_head()
            while self._filled < len(self._body):
                n = self.socket.recv_into(memoryview(self._body)[self._filled :])
                self._filled += _or_end(n)
        except BlockingIOError:
            return None
        frame = self._body, self._descriptors
        self._head, self._body, self._filled, self._descriptors = b"", bytearray(), 0, []
        return frame

    def _read_head(self) -> None:
        wanted = _HEADER.size - len(self._head)
        if hasattr(socket, "recv_fds"):
            data, found, _, _ = socket.recv_fds(self.socket, wanted, _DESCRIPTORS, _FLAGS)
            self._descriptors += found
        else:
            data = self.socket.recv(wanted)
        _or_end(len(data))
        self._head += data
        if len(self._head) == _HEADER.size:
            size, count = _HEADER.unpack(self._head)
            if count != len(self._descriptors):  # the kernel drops those there is no room for
                raise OSError(24, "too many open files: raise `ulimit -n`")
            self._body = bytearray(size)

    def close(self) -> None:
        """Close the socket and the descriptors of a frame that was not finished."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []
        self._outbox.clear()
        self.socket.close()


def _or_end(n: int) -> int:
    if n == 0:
        raise EOFError("the other end is closed")
    return n


def wait_for(channels: Iterable[Channel], deadline: float) -> bool:
    """Until one of them can be read, or its outbox moves; False if the deadline comes first."""
    with _SELECTOR() as selector:
        for channel in channels:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if channel.unsent else 0)
            selector.register(channel, events)
        return bool(selector.select(max(deadline - time.monotonic(), 0)))
