"""Random states for a pair of nets, and how near their results must be."""

from __future__ import annotations

import numpy as np


def spread(net, seed, shift=0.0):
    """Weights and statistics that are neither 0 nor 1, of a size that keeps activations near 1.

    ``shift`` moves what every norm puts out: at 2 few values are near 0, where relu has its kink.
    """
    rng = np.random.default_rng(seed)
    state = {}
    for key, value in net.state_dict().items():
        shape, last = tuple(value.shape), key.rpartition(".")[2]
        if last == "num_batches_tracked":
            state[key] = np.array(3)
        elif len(shape) > 1:
            fan = np.prod(shape[1:])
            state[key] = rng.normal(size=shape).astype(np.float32) / np.float32(np.sqrt(fan))
        elif last in ("weight", "running_var"):
            state[key] = rng.uniform(0.5, 1.0, shape)
        else:
            state[key] = rng.normal(size=shape) * 0.1 + (shift if last == "bias" else 0)
        state[key] = state[key].astype(str(value.dtype).removeprefix("torch."))
    return state


def close(ours, theirs, tolerance):
    theirs = theirs.detach().numpy()
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * np.abs(theirs).max())


def same_tables(ours, theirs, tolerance):
    """Distance relative to each array's norm, or to a hundredth of the median norm: a gradient that
    is 0 but for rounding (a bias before a norm) has no size of its own."""
    assert ours.keys() == theirs.keys()
    norms = {key: np.linalg.norm(value.numpy()) for key, value in theirs.items()}
    floor = float(np.median([*norms.values()])) / 100
    for key, value in theirs.items():
        distance = np.linalg.norm(ours[key].numpy() - value.numpy()) / max(norms[key], floor)
        assert distance <= tolerance, f"{key}: relative distance {distance:.2e}"
