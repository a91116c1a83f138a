"""Silero VAD and CREPE in torch.nn.functional, from a state alone; and states to try them with.

The order of the steps is that of the publishers' own code (``silero_vad/tinygrad_model.py``,
``torchcrepe/model.py``); torch is imported when a net is run.
"""

from __future__ import annotations

import numpy as np


def seeded_state(net, seed):
    """Weights of a size that keeps activations near 1, statistics that are neither 0 nor 1."""
    rng = np.random.default_rng(seed)
    state = {}
    for key, value in net.state_dict().items():
        shape, last = tuple(value.shape), key.rpartition(".")[2]
        if last == "num_batches_tracked":
            state[key] = np.array(3)
        elif "stft" in key:
            state[key] = value.numpy()
        elif len(shape) > 1:
            state[key] = rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        elif last == "running_var" or key.endswith("BN.weight"):
            state[key] = rng.uniform(0.5, 1.0, shape)
        else:
            state[key] = rng.normal(size=shape) * 0.1
        state[key] = state[key].astype(value.numpy().dtype)
    return state


def _tensors(state):
    import torch

    torch.set_num_threads(1)
    return {key: torch.from_numpy(np.array(value)) for key, value in state.items()}


def silero(state, waveform):
    """(T,) -> probability of every 512 samples, chunk by chunk."""
    import torch
    import torch.nn.functional as F

    w = _tensors(state)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    cell = [w[f"lstm_cell.{name}"] for name in names]
    padded = F.pad(torch.from_numpy(waveform), (64, -len(waveform) % 512))
    h = c = torch.zeros(1, 128)
    found = []
    for start in range(64, len(padded), 512):
        x = F.pad(padded[None, None, start - 64 : start + 512], (0, 64), "reflect")
        x = F.conv1d(x, w["stft_conv.weight"], stride=128)
        x = (x[:, :129] ** 2 + x[:, 129:] ** 2).sqrt()
        for n, stride in ((1, 1), (2, 2), (3, 2), (4, 1)):
            weight, bias = w[f"conv{n}.weight"], w[f"conv{n}.bias"]
            x = F.conv1d(x, weight, bias, stride=stride, padding=1).relu()
        h, c = torch.lstm_cell(x[:, :, 0], (h, c), *cell)
        y = F.conv1d(h.relu()[:, :, None], w["final_conv.weight"], w["final_conv.bias"])
        found.append(y.sigmoid().item())
    return np.array(found, np.float32)


def crepe(state, frames):
    """(N, 1024) -> (N, 360)."""
    import torch
    import torch.nn.functional as F

    w = _tensors(state)
    x = torch.from_numpy(frames)[:, None, :, None]
    for n in range(1, 7):
        x = F.pad(x, (0, 0, 254, 254) if n == 1 else (0, 0, 31, 32))
        stride = (4, 1) if n == 1 else (1, 1)
        x = F.conv2d(x, w[f"conv{n}.weight"], w[f"conv{n}.bias"], stride=stride).relu()
        norm = [w[f"conv{n}_BN.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
        x = F.max_pool2d(F.batch_norm(x, *norm, eps=0.0010000000474974513), (2, 1), (2, 1))
    x = x.permute(0, 2, 1, 3).reshape(len(frames), -1)
    return F.linear(x, w["classifier.weight"], w["classifier.bias"]).sigmoid().numpy()


def crepe_frames(waveform, hop):
    """(T,) -> (1 + T // hop, 1024): torchcrepe's windows."""
    import torch
    import torch.nn.functional as F

    x = F.pad(torch.from_numpy(waveform), (512, 512)).unfold(0, 1024, hop)
    x = x - x.mean(1, keepdim=True)
    return (x / x.std(1, keepdim=True).clamp(min=1e-10)).numpy()
