"""Modules and optimisers on arrays that are not NumPy's: one body serves both libraries."""

from __future__ import annotations

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn, optim
from sensorium.ops import _small


def network():
    sn.manual_seed(0)
    layers = [nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(inplace=True), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(12, 4), nn.LayerNorm(4)).double()


def train(net, optimizer, x, labels):
    for _ in range(3):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        nn.utils.clip_grad_value_(net.parameters(), 0.05)
        optimizer.step()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ("Adam", {"amsgrad": True, "maximize": True}),
        ("AdamW", {}),
    ],
)
def test_training_gives_the_same_on_both(kind, options, fake_cupy, monkeypatch):
    # NumPy's small arrays are summed in another order, and Adam divides by tiny gradients
    monkeypatch.setattr(_small, "takes", lambda x, dim: False)
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(5, 2, 4, 4)), np.array([0, 1, 2, 3, 0])
    here, there = network(), network()
    there._apply(lambda t: sn.Tensor(fake_cupy.Array(t.array)))
    there.load_state_dict(there.state_dict())
    for net, put in ((here, lambda a: a), (there, fake_cupy.Array)):
        optimizer = getattr(optim, kind)(net.parameters(), lr=0.05, **options)
        train(net, optimizer, sn.Tensor(put(x)), sn.Tensor(put(labels)))
        optimizer.load_state_dict(optimizer.state_dict())
    for (key, a), b in zip(here.state_dict().items(), there.state_dict().values(), strict=True):
        assert isinstance(b.array, fake_cupy.Array), key
        np.testing.assert_allclose(fake_cupy.to_host(b.array), a.array, rtol=1e-10, atol=1e-12)
