"""A child process: timm's own model files, with PyTorch or with Sensorium as ``torch``.

    python timm_models.py (torch|sensorium) FOLDER [MODEL ...]

Both sides run the same lines; the results of each model, or its traceback, are left in FOLDER. What
timm takes from torchvision and its own data pipeline are left out: models do not need them.
"""

from __future__ import annotations

import importlib.util
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np

# model: (pixels, options of its function); one of a file of timm.models, the smallest
EVALUATED: dict[str, tuple[int, dict[str, Any]]] = {
    "resnet18": (64, {}),
}
TRAINED = ["resnet18"]


def module_at(name: str, path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_data(torch: Any) -> None:
    """Stand in for torchvision's frozen batch norm, which no model here uses, and for timm.data.

    timm.data reads images with torchvision; its models ask it for the means of ImageNet.
    """
    for name in ("torchvision", "torchvision.ops", "torchvision.ops.misc"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["torchvision.ops.misc"].FrozenBatchNorm2d = type("Frozen", (torch.nn.Module,), {})
    spec = importlib.util.find_spec("timm")
    assert spec is not None and spec.origin is not None
    path = Path(spec.origin).parent / "data" / "constants.py"
    sys.modules["timm.data"] = module_at("timm.data", path)


def pixels(size: int, torch: Any, dtype: str = "float32") -> Any:
    return torch.tensor(np.random.default_rng(0).normal(size=(2, 3, size, size)).astype(dtype))


def evaluate(name: str) -> dict[str, np.ndarray]:
    size, options = EVALUATED[name]
    model = timm.create_model(name, num_classes=10, **options)
    return exchange.evaluated(model, torch, pixels(size, torch))


def train(name: str) -> dict[str, np.ndarray]:
    size, options = EVALUATED[name]
    model = timm.create_model(name, num_classes=10, **options).double()
    x, labels = pixels(size, torch, "float64"), torch.tensor([3, 7])
    return exchange.trained(model, torch, lambda: torch.nn.functional.cross_entropy(model(x), labels))


if __name__ == "__main__":
    import exchange

    package, folder, *chosen = sys.argv[1:]
    if package == "sensorium":
        import stand_in

        stand_in.install()
    import torch

    torch.set_num_threads(1)
    without_data(torch)
    warnings.simplefilter("ignore")  # timm's words about its own older names
    import timm

    jobs = {name: lambda name=name: evaluate(name) for name in chosen or EVALUATED}
    if not chosen:
        jobs |= {f"{name} trained": lambda name=name: train(name) for name in TRAINED}
    exchange.run_all(jobs, Path(folder))
