"""Train a small ResNet to read handwritten digits: data, model, training loop, test, file.

    python examples/digits.py --out digits_resnet.safetensors

The data are the 1,797 images of 8x8 pixels that scikit-learn ships (only its data file is used: it
is taken out of the wheel by ``hub.fetch``, or given by ``--data``). Training takes the same random
80% for the same ``--seed``; the other 20% are only looked at once, at the end. This is how the
embedded weights of ``digits_resnet`` were made:

    python examples/digits.py --out model_zoo/weights/digits_resnet.safetensors \\
        --held-out model_zoo/weights/digits_held_out.csv
"""

from __future__ import annotations

import argparse
import gzip
import time
from pathlib import Path

import numpy as np

import sensorium as sn
from sensorium import data, hub, io, nn, optim
from sensorium.nn import functional as F
from sensorium.vision import models

SOURCE = "pypi://scikit-learn==1.7.2/sklearn/datasets/data/digits.csv.gz"
SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
MEAN, STD = 0.305, 0.376  # of all pixels, as shares of 16


# -- data ----------------------------------------------------------------------------------------
def read(path: Path) -> np.ndarray:
    """The rows of the file (1797, 65): 64 pixels, 0 to 16, and the digit."""
    with gzip.open(path, "rt") as lines:
        return np.loadtxt(lines, delimiter=",", dtype=np.int64)


def split(rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A random 80% to train with and the 20% held out."""
    order = np.random.default_rng(seed).permutation(len(rows))
    cut = len(rows) * 4 // 5
    return rows[order[:cut]], rows[order[cut:]]


def tensors(rows: np.ndarray) -> tuple[sn.Tensor, sn.Tensor]:
    """Images (N, 1, 8, 8), about zero mean and unit deviation, and digits (N,)."""
    images = (rows[:, :64].reshape(-1, 1, 8, 8) / 16 - MEAN) / STD
    return sn.from_numpy(images.astype(np.float32)), sn.from_numpy(rows[:, 64].copy())


# -- training ------------------------------------------------------------------------------------
def train(model: nn.Module, rows: np.ndarray, *, epochs: int, batch: int = 64) -> None:
    """AdamW with a cosine schedule."""
    loader = data.DataLoader(data.TensorDataset(*tensors(rows)), batch, shuffle=True)
    optimizer = optim.AdamW(model.parameters(), lr=4e-3, weight_decay=1e-2)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for images, digits in loader:
            loss = F.cross_entropy(model(images), digits)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(digits)
        schedule.step()
        print(f"epoch {epoch + 1:2d}: loss {total / len(rows):.4f}")


def accuracy(model: nn.Module, rows: np.ndarray) -> float:
    """The share of rows whose digit is the model's most probable one."""
    images, digits = tensors(rows)
    model.eval()
    with sn.no_grad():
        return (model(images).argmax(1) == digits).float().mean().item()


# -- files ---------------------------------------------------------------------------------------
def save(model: nn.Module, path: Path) -> None:
    """The state dict as safetensors, which ``hub.load`` and every other reader understands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: value.numpy() for name, value in model.state_dict().items()}
    io.save_safetensors(path, arrays)


def save_some(rows: np.ndarray, path: Path) -> None:
    """The first two of each digit."""
    some = [np.flatnonzero(rows[:, 64] == digit)[:2] for digit in range(10)]
    np.savetxt(path, rows[np.sort(np.concatenate(some))], fmt="%d", delimiter=",")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train digits_resnet.")
    parser.add_argument("--data", type=Path, help="digits.csv.gz (default: from scikit-learn)")
    parser.add_argument("--out", type=Path, default=Path("digits_resnet.safetensors"))
    parser.add_argument("--held-out", type=Path, help="write twenty held-out digits here")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    sn.manual_seed(args.seed)
    rows = read(args.data or hub.fetch(SOURCE, sha256=SHA256))
    known, held_out = split(rows, args.seed)
    model = models.digits_resnet()
    began = time.perf_counter()
    train(model, known, epochs=args.epochs)
    print(f"trained on {len(known)} digits in {time.perf_counter() - began:.1f} s")
    print(f"accuracy on {len(held_out)} held-out digits: {100 * accuracy(model, held_out):.2f}%")
    save(model, args.out)
    print(f"saved {args.out} ({args.out.stat().st_size:,} bytes)")
    if args.held_out:
        save_some(held_out, args.held_out)


if __name__ == "__main__":
    main()
