"""A healthy environment for every hub test: own cache, no mirror, no token, a patient fake clock."""

from __future__ import annotations

import hashlib
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # fault_server and helpers beside the tests

from fault_server import Server, serve

from sensorium.hub.expect import Expect
from sensorium.hub.fetching import fetch_with
from sensorium.hub.store import Store
from sensorium.hub.transport import Policy


@dataclass
class Clock:
    """Time that passes only in ``sleep`` and by ``step`` at each look."""

    now: float = 1000.0
    step: float = 0.0
    sleeps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        self.now += self.step
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    for name in ("SENSORIUM_OFFLINE", "SENSORIUM_MIRROR", "HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def policy(clock) -> Policy:
    return Policy(
        connect_timeout=2.0,
        read_timeout=0.15,
        header_timeout=0.4,
        clock=clock,
        wall=lambda: 1_700_000_000.0,
        sleep=clock.sleep,
        rng=random.Random(0).random,
    )


@pytest.fixture
def get(policy):
    """``fetch`` with the patient clock: get(source, sha256=..., hash_prefix=..., size=...)."""

    def get(source, *, sha256=None, hash_prefix=None, size=None, name=None):
        wanted = [source] if isinstance(source, str) else source
        return fetch_with(policy, wanted, Expect(sha256, hash_prefix, size), name)

    return get


@pytest.fixture
def server() -> Server:
    with serve() as running:
        yield running


@pytest.fixture
def body() -> bytes:
    return random.Random(7).randbytes(200_000)


@pytest.fixture(autouse=True)
def _invariants(home):
    """I2 and I7 after every test: each blob hashes to its name, no temporary file is left."""
    yield
    store = Store(home)
    for blob in (store.root / "blobs").glob("*"):
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    assert list((home / "tmp").glob("*")) == []
