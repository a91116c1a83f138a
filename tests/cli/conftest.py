"""What the tests of the command share: an empty cache, no network, and a call of ``main``."""

from __future__ import annotations

import pytest

from sensorium.model_zoo.cli import main


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty cache and no network."""
    for name in ("SENSORIUM_MIRROR", "HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def run(capsys):
    """(exit code, stdout, stderr) of a command line."""

    def call(*words):
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def online(monkeypatch):
    """The network, and the user's own cache: for tests marked ``network``."""
    monkeypatch.setenv("SENSORIUM_OFFLINE", "0")
    monkeypatch.delenv("SENSORIUM_HOME")
