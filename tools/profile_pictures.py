"""Draw where the time goes: flame pictures and tables of ResNet-50 and BERT, for docs/performance.md.

    python tools/profile_pictures.py [--out docs/pictures] [--small]

Times are this machine's, so the pictures differ from run to run; ``--small`` takes small inputs and only
shows that it works. Written: ``profile_<work>.svg``, and a table of the largest operations on the console.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import sensorium as sn
from sensorium import optim, profiler
from sensorium.nn import functional as F
from sensorium.text.models import BertForSequenceClassification, BertModel
from sensorium.vision import models

WARMUP = 3


def works(small: bool) -> Iterator[tuple[str, Callable[[], object]]]:
    """(name, a run) of everything that is drawn."""
    side, batch, length = (64, 2, 16) if small else (224, 16, 128)
    layers = 2 if small else 12
    net, image = models.get_model("resnet50").eval(), sn.randn(1, 3, side, side)
    quick = sn.compile(net)
    yield "resnet50_eager", lambda: net(image)
    yield "resnet50_compiled", lambda: quick(image)
    bert, ids = BertModel(num_hidden_layers=layers).eval(), sn.randint(0, 1000, (1, length))
    fast = sn.compile(bert)
    yield "bert_eager", lambda: bert(ids)
    yield "bert_compiled", lambda: fast(ids)
    trained, images = models.get_model("resnet50").train(), sn.randn(batch, 3, side, side)
    labels = sn.randint(0, 1000, (batch,))
    yield "resnet50_training", _step(trained, lambda: F.cross_entropy(trained(images), labels))
    head = BertForSequenceClassification(num_hidden_layers=layers).train()
    texts, classes = sn.randint(0, 1000, (batch // 2, length)), sn.randint(0, 2, (batch // 2,))
    yield "bert_training", _step(head, lambda: F.cross_entropy(head(texts).logits, classes))


def _step(model: sn.nn.Module, loss: Callable[[], sn.Tensor]) -> Callable[[], object]:
    optimizer = optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

    def run() -> None:
        optimizer.zero_grad()
        with sn.enable_grad():
            loss().backward()
        optimizer.step()

    return run


def draw(name: str, run: Callable[[], object], folder: Path) -> None:
    """Profile one run after a few others."""
    with sn.no_grad():
        for _ in range(WARMUP):
            run()
        with profiler.profile() as found:
            run()
    found.export_flame(str(folder / f"profile_{name}.svg"))
    table = found.key_averages().table(sort_by="self_cpu_time_total", row_limit=8)
    print(f"== {name}\n{table}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw where the time goes.")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, run in works(options.small):
        draw(name, run, options.out)


if __name__ == "__main__":
    main()
