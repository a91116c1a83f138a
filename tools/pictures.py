"""The pictures of the documentation, drawn anew.

    python tools/pictures.py [FOLDER]      docs/pictures, unless another is named

compile_graph.svg: the graph of a small residual network, as `sn.compile` makes it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import sensorium as sn
from sensorium import nn
from sensorium.jit import Graph
from sensorium.nn import functional as F

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"


class Block(nn.Module):
    """Two convolutions with a way around them."""

    def __init__(self, given: int, made: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(given, made, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(made)
        self.second = nn.Conv2d(made, made, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(made)
        self.around = nn.Conv2d(given, made, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: sn.Tensor) -> sn.Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(y)) + self.around(x))


def network() -> nn.Module:
    """Images (N, 3, 32, 32) to 10 classes."""
    start = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    blocks = [Block(16, 16, 1), Block(16, 32, 2)]
    end = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)]
    return nn.Sequential(*start, *blocks, *end).eval()


def compile_graph() -> Graph:
    """The network's graph; without the lines that led to its nodes: they name this machine's folders."""
    with sn.no_grad():
        graph: Graph = sn.compile(network()).graph(sn.zeros(8, 3, 32, 32))
    for node in graph.nodes:
        node.line = ""
    return graph


def main(words: Sequence[str]) -> None:
    """Write them all."""
    folder = Path(words[0]) if words else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    compile_graph().draw(folder / "compile_graph.svg")


if __name__ == "__main__":
    main(sys.argv[1:])
