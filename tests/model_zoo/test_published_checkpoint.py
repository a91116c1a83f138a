"""``hub.load("resnet50")`` on a checkpoint that PyTorch wrote under torchvision's name and hash rule.

torchvision's own files cannot be had everywhere, so a local server publishes one of the same format:
``resnet50-<first 8 hex digits of its sha256>.pth``, in both containers PyTorch has used.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import sensorium as sn
from sensorium import hub
from sensorium.errors import IntegrityError, OfflineError
from sensorium.hub import registry

pytestmark = pytest.mark.peer
torch = pytest.importorskip("torch")

REFERENCE = Path(__file__).parents[1] / "vision" / "models" / "reference_torch.py"


def reference_resnet50():
    """torchvision's ResNet-50 from torch.nn layers, with statistics that are not the initial ones."""
    spec = importlib.util.spec_from_file_location("reference_torch", REFERENCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    net = module.ResNet("bottleneck", (3, 4, 6, 3))
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(std=0.1)
            layer.running_var.uniform_(0.8, 1.2)
    return net.eval()


class Requests(SimpleHTTPRequestHandler):
    """Serves a folder and remembers what was asked for."""

    asked: list[str]

    def log_message(self, format: str, *args: object) -> None:
        self.asked.append(self.requestline)


@pytest.fixture
def server(tmp_path):
    """(folder, address, requests) of a server on the loopback interface."""
    folder = tmp_path / "models"
    folder.mkdir()
    handler = type("Handler", (Requests,), {"asked": []})
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path)))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{httpd.server_port}/models", handler.asked
    httpd.shutdown()
    httpd.server_close()


def publish(monkeypatch, net, folder: Path, address: str, *, legacy: bool) -> Path:
    """Write the checkpoint and point the card of resnet50 to it."""
    draft = folder / "draft.pth"
    torch.save(net.state_dict(), draft, _use_new_zipfile_serialization=not legacy)
    prefix = hashlib.sha256(draft.read_bytes()).hexdigest()[:8]
    path = draft.rename(folder / f"resnet50-{prefix}.pth")
    card, zoo = registry.find("resnet50")
    weights = dataclasses.replace(
        next(w for w in card.weights if w.default),
        sources=[f"{address}/{path.name}"],
        hash_prefix=prefix,
        bytes=path.stat().st_size,
    )
    changed = dataclasses.replace(card, weights=[weights])
    monkeypatch.setitem(registry._table, "resnet50", (changed, zoo))
    return path


def same_logits(model, net) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    with sn.no_grad(), torch.no_grad():
        ours, theirs = model(sn.from_numpy(x)).numpy(), net(torch.from_numpy(x)).numpy()
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy stream"])
def test_it_downloads_once_verifies_caches_and_reloads_offline(
    monkeypatch, tmp_path, server, legacy
):
    folder, address, asked = server
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SENSORIUM_OFFLINE", raising=False)
    net = reference_resnet50()
    published = publish(monkeypatch, net, folder, address, legacy=legacy)

    model = hub.load("resnet50")
    same_logits(model, net)
    assert not model.training and model.card.name == "resnet50"
    assert [line.split()[0] for line in asked] == ["GET"]

    published.unlink()  # from here on only the cache can answer
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    same_logits(hub.load("resnet50"), net)
    assert len(asked) == 1


def test_a_file_that_does_not_hash_to_its_name_is_refused_and_not_kept(
    monkeypatch, tmp_path, server
):
    folder, address, _ = server
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path / "home"))
    net = reference_resnet50()
    path = publish(monkeypatch, net, folder, address, legacy=False)
    good = path.read_bytes()
    path.write_bytes(good[:-1000] + bytes([good[-1000] ^ 1]) + good[-999:])
    with pytest.raises(IntegrityError, match="sha256"):
        hub.load("resnet50")
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    with pytest.raises(OfflineError):
        hub.load("resnet50")
    monkeypatch.delenv("SENSORIUM_OFFLINE")
    path.write_bytes(good)
    same_logits(hub.load("resnet50"), net)
