"""The cost of more work: time per image at batch 1 to 64, time per token at 64 to 1024 tokens.

    python benchmarks/scaling.py [--quick] [--rounds N] [--out FOLDER]

ResNet-50 and BERT-base as in ``resnet50_inference`` and ``bert_inference``, whose contenders run here
too; every size is a race of its own. A cliff is a size at which one item takes more than 1.5 times
what it takes at the size before: all are named, none ends the benchmark. Besides the tables there is
a picture, ``<date>-scaling.svg``. Attention's work grows with the square of the length, so a token of
a longer text costs more: 1.2 times at 1024 by the number of operations.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import _contest
import _harness
import _svg
import _vision
import bert_inference
import resnet50_inference
from _contest import BF16, COMPILED, LAST, ONNX, OURS, TORCH
from _results import Table, line_of, number

ABOUT = "Inference in float32 unless named otherwise: milliseconds per item."
BATCHES, LENGTHS = (1, 2, 4, 8, 16, 32, 64), (64, 128, 256, 512, 1024)
CLIFF = 1.5


@dataclass
class Curve:
    """Milliseconds per item of each contender at each size, None where it did not run."""

    title: str
    label: str
    sizes: Sequence[int]
    curves: dict[str, list[float | None]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, table: Table, size: int) -> None:
        """The next size."""
        for name in [*table.times, *table.skipped]:
            seconds = table.times.get(name)
            value = statistics.median(seconds) * 1e3 / size if seconds else None
            self.curves.setdefault(name, []).append(value)
        for name, why in table.skipped.items():
            note = f"not run: {name}: {why}"
            self.notes += [note] if note not in self.notes else []

    def cliffs(self) -> list[str]:
        """Where an item takes more than ``CLIFF`` times what it took at the size before."""
        found = []
        for name, values in self.curves.items():
            for size, before, value in zip(self.sizes[1:], values, values[1:]):
                if before and value and value > CLIFF * before:
                    found.append(f"cliff: {name}: {value / before:.2f} times as long at {size}")
        return found

    def data(self) -> dict[str, Any]:
        facts = {"title": self.title, "unit": "ms", "sizes": list(self.sizes)}
        return {**facts, "curves": self.curves, "cliffs": self.cliffs(), "notes": self.notes}

    def markdown(self) -> str:
        titles = [f"ms, {self.label}", *(f"{size}" for size in self.sizes)]
        lines = [f"## {self.title}", "", line_of(titles), "|---" + "|---:" * len(self.sizes) + "|"]
        for name, values in self.curves.items():
            if any(values):
                lines.append(line_of([name, *(number(value) for value in values)]))
        remarks = [*(self.cliffs() or ["no cliff"]), *self.notes]
        return "\n".join([*lines, "", *(f"- {remark}" for remark in remarks), ""])


# -- the curves ----------------------------------------------------------------------------------
def contest_of(whole: _contest.Contest) -> _contest.Contest:
    """Without the contenders that draw no curve here, and without targets."""
    names = (OURS, COMPILED, BF16, TORCH, LAST, ONNX)
    makers = {name: whole.makers[name] for name in names if name in whole.makers}
    return replace(whole, makers=makers, targets=())


def filled(
    curve: Curve,
    contest: _contest.Contest,
    settings: Mapping[str, object],
    name: str,
    options: argparse.Namespace,
) -> Curve:
    """The curve filled; ``name`` is the setting that the size is given as."""
    contest = contest_of(contest)
    rounds = options.rounds or (1 if options.quick else 7)
    for size in curve.sizes:
        table = contest.race(f"{size}", {**settings, name: size}, rounds, 0 if options.quick else 1)
        curve.add(table, size)
    return curve


def main() -> None:
    options = _harness.arguments(ABOUT)
    report = _harness.Report("scaling", ABOUT, options.threads)
    batches, lengths = (BATCHES[:2], LENGTHS[:2]) if options.quick else (BATCHES, LENGTHS)
    with tempfile.TemporaryDirectory() as folder:
        settings = {"threads": options.threads, "folder": folder}
        _vision.write_weights(folder, resnet50_inference.NAME)
        images = Curve("ResNet-50, time per image", "images in a batch", batches)
        report.tables.append(filled(images, resnet50_inference.CONTEST, settings, "batch", options))
        bert_inference.write_weights(folder, positions=LENGTHS[-1])
        settings |= {"batch": 1, "positions": LENGTHS[-1]}
        tokens = Curve("BERT-base, time per token", "tokens of a text", lengths)
        report.tables.append(filled(tokens, bert_inference.CONTEST, settings, "length", options))
    _harness.finish(report, options)
    if options.out is not None or not options.quick:
        panels = [(one.title, one.label, one.sizes, one.curves) for one in report.tables]
        path = (options.out or _harness.RESULTS) / f"{report.stem}.svg"
        path.write_text(_svg.picture([(f"{t} (ms)", *rest) for t, *rest in panels]))
        print(path)


if __name__ == "__main__":
    main()
