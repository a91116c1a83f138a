"""What both sides of a comparison do: fill weights, run a model, take a step of training, write it down."""

from __future__ import annotations

import traceback
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def fill(model: Any, torch: Any) -> None:
    """Every parameter and running statistic a draw that depends on its name alone.

    Matrices keep the scale of their inputs; scales and variances are near 1, biases near 0. Draws
    rather than each library's own start: that makes no use of the same random numbers, and starts
    many layers at zero, where a fault does not show.
    """
    trained = {id(p) for p in model.parameters()}
    with torch.no_grad():
        for name, value in model.state_dict(keep_vars=True).items():
            if id(value) not in trained and not name.endswith(("running_mean", "running_var")):
                continue  # the model worked it out: left, and compared
            noise = np.random.default_rng(zlib.crc32(name.encode())).normal(size=tuple(value.shape))
            if name.endswith("running_var"):
                noise = 1 + 0.1 * np.abs(noise)
            elif value.ndim >= 2:
                noise = noise / max(1, np.prod(value.shape[1:])) ** 0.5
            else:
                noise = 0.1 * noise + (1.0 if name.endswith("weight") else 0.0)
            value.copy_(torch.tensor(noise).to(value.dtype))


def buffers(model: Any) -> dict[str, np.ndarray]:
    return {f"buffer {name}": value.detach().numpy() for name, value in model.named_buffers()}


def evaluated(model: Any, torch: Any, *inputs: Any) -> dict[str, np.ndarray]:
    """Outputs in evaluation mode, and the buffers the model made for itself."""
    fill(model, torch)
    with torch.no_grad():
        found = model.eval()(*inputs)
    return {"output": found.numpy(), **buffers(model)}


def trained(model: Any, torch: Any, loss: Callable[[], Any]) -> dict[str, np.ndarray]:
    """One step of training: loss, every gradient, the loss and the state after the step."""
    fill(model, torch)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    first = loss()
    first.backward()
    found = {
        f"gradient {name}": p.grad for name, p in model.named_parameters() if p.grad is not None
    }
    kept = {name: value.detach().numpy().copy() for name, value in found.items()}
    optimizer.step()
    after = {f"after {k}": v.detach().numpy().copy() for k, v in model.state_dict().items()}
    second = loss()
    return {"loss": first.detach().numpy(), "second loss": second.detach().numpy(), **kept, **after}


def run_all(jobs: dict[str, Callable[[], dict[str, np.ndarray]]], folder: Path) -> None:
    """Each job's results in FOLDER/job.npz, or the traceback in FOLDER/job.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, job in jobs.items():
        try:
            np.savez(folder / f"{name}.npz", **job())
        except Exception:  # noqa: BLE001  (shown as that model's failure; the others go on)
            (folder / f"{name}.txt").write_text(traceback.format_exc(limit=-6))
