"""Random chains of views, in-place writes and plain operations: PyTorch's gradients, or an error.

A chain is drawn as numbers and run in both libraries. Where ours raises, that is an answer. Where
only PyTorch does, ours is held against central differences of its own values.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings, strategies as st

import sensorium as sn
from sensorium.errors import AutogradError, OpError

pytestmark = pytest.mark.peer

VIEWS = [
    lambda x, k: x.reshape(-1),
    lambda x, k: x.transpose(0, -1) if x.ndim else x.unsqueeze(0),
    lambda x, k: x.select(k % x.ndim, k % x.shape[k % x.ndim]) if x.ndim else x.reshape(1),
    lambda x, k: x[k % max(x.shape[0], 1) :] if x.ndim else x.unsqueeze(0),
    lambda x, k: x[..., ::2] if x.ndim else x.unsqueeze(0),
    lambda x, k: x.narrow(0, 0, max(x.shape[0] - k % 2, 1)) if x.ndim else x.unsqueeze(0),
    lambda x, k: x.unsqueeze(k % (x.ndim + 1)),
    lambda x, k: x.squeeze(),
    lambda x, k: x.view(x.shape),
    lambda x, k: x.T if x.ndim == 2 else x.flatten(),
    lambda x, k: x.unbind(0)[0] if x.ndim else x.unsqueeze(0),
    lambda x, k: x.expand(2, *x.shape),
]
PLAIN = [
    lambda x, y: x.sin(),
    lambda x, y: (x * 0.5).exp(),
    lambda x, y: x * y if x.shape == y.shape else x * 2,
    lambda x, y: x + y if x.shape == y.shape else x + 1,
    lambda x, y: x.sum() * x,
    lambda x, y: x.clone(),
    lambda x, y: x / (y * y + 1) if x.shape == y.shape else x / 2,
]
WRITES = [
    lambda x, y: x.mul_(0.7),
    lambda x, y: x.add_(y) if x.shape == y.shape else x.add_(0.3),
    lambda x, y: x.mul_(y) if x.shape == y.shape else x.mul_(1.1),
    lambda x, y: x.sin_(),
    lambda x, y: x.tanh_(),
    lambda x, y: x.zero_(),
    lambda x, y: x.fill_(0.4),
    lambda x, y: x.copy_(y) if x.shape == y.shape else x.neg_(),
    lambda x, y: x.__setitem__(0, 0.2) if x.ndim else x.mul_(0.5),
    lambda x, y: x.__setitem__(slice(0, 1), y[0:1]) if x.ndim and x.shape == y.shape else x.sin_(),
    lambda x, y: x.__setitem__(x > 0.5, 0.1) if x.ndim else x.square_(),
    lambda x, y: x.square_(),
]

step = st.tuples(
    st.sampled_from(["view", "view", "plain", "write", "write"]),
    st.integers(0, 11),
    st.integers(0, 7),
    st.integers(0, 7),
)


def run(lib, chain, start):
    """The tensors of the chain, and the leaf."""
    leaf = lib.tensor(start, requires_grad=True)
    pool = [leaf * 1, leaf[0] * 1, lib.tensor(np.full(3, 0.6))]
    for kind, which, i, j in chain:
        x, y = pool[i % len(pool)], pool[j % len(pool)]
        if kind == "view":
            pool.append(VIEWS[which % len(VIEWS)](x, j))
        elif kind == "plain":
            pool.append(PLAIN[which % len(PLAIN)](x, y))
        else:
            WRITES[which % len(WRITES)](x, y)
    total = leaf.sum() * 0
    for n, x in enumerate(pool):
        total = total + (x * (0.3 + 0.1 * n)).sum()
    return leaf, total


def gradient(lib, chain, start):
    leaf, total = run(lib, chain, start)
    total.backward()
    return float(total.detach()), leaf.grad.detach().numpy()


def differences(chain, start, h=1e-6):
    found = np.zeros_like(start)
    for at in np.ndindex(*start.shape):
        ends = []
        for way in (h, -h):
            moved = start.copy()
            moved[at] += way
            ends.append(run(sn, chain, moved)[1].item())
        found[at] = (ends[0] - ends[1]) / (2 * h)
    return found


START = np.random.default_rng(0).uniform(0.2, 1.3, (2, 3))


@seed(4)
@settings(max_examples=250, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(step, min_size=2, max_size=9))
def test_chains_are_right_or_refused(chain):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    try:
        value, ours = gradient(sn, chain, START)
    except (AutogradError, OpError):
        return
    try:
        wanted_value, theirs = gradient(torch, chain, START)
    except RuntimeError:
        np.testing.assert_allclose(ours, differences(chain, START), rtol=1e-5, atol=1e-7)
        return
    np.testing.assert_allclose(value, wanted_value, rtol=1e-12)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
