"""What a comparison found: targets, tables and reports, written as JSON and as Markdown.

Target      what is asked of one of our contenders, and against whom
Table       contenders, their times and memory, what was checked, what was left out
Report      tables and the machine they were made on
machine     CPU, cores, vector instructions, versions, threads, load, date
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = (
    "sensorium",
    "numpy",
    "onednn-cpu-gomp",
    "tokenizers",
    "torch",
    "transformers",
    "onnxruntime",
    "onnx",
    "faster-whisper",
)
SCALES = {"s": 1.0, "ms": 1e3, "us": 1e6, "MB": 1e-6}  # MB: "times" then hold bytes


# -- what is asked -------------------------------------------------------------------------------
@dataclass(frozen=True)
class Target:
    """``ours`` has at most ``limit`` of what the best of ``others`` has: of time or of memory.

    of="speed": at least ``limit`` times their speed; of="agreement": at least this share of cases
    in which it chose what the first of ``others`` did. ``others`` are one peer in its forms.
    """

    limit: float
    ours: str
    others: tuple[str, ...]
    of: str = "time"

    def met(self, value: float | None) -> bool | None:
        """Whether this value is enough; None if there is none."""
        if value is None:
            return None
        return value >= self.limit if self.of in ("speed", "agreement") else value <= self.limit

    def asked(self) -> str:
        """ "at most 0.75 of the time of torch eager"."""
        whom = self.others[0] if len(self.others) == 1 else f"the better {self.others[0]}"
        if self.of == "agreement":
            return f"the choice of {whom} in at least {self.limit:.0%}"
        bound = "at least" if self.of == "speed" else "at most"
        return f"{bound} {number(self.limit)} of the {self.of} of {whom}"


VERDICTS = {True: "met", False: "missed", None: "not measured"}


# -- one comparison ------------------------------------------------------------------------------
@dataclass
class Table:
    """One comparison. Each of ``ours`` against each contender, in seconds per round; ``memory`` is
    the peak in bytes, ``agreement`` the share of equal choices, ``checks`` the largest relative
    difference to the first of ours; ``skipped`` and ``notes`` say what a reader has to know."""

    title: str
    times: dict[str, list[float]]
    ours: tuple[str, ...]
    targets: tuple[Target, ...] = ()
    unit: str = "ms"
    checks: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    agreement: dict[str, float] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def ratio(self, ours: str, other: str) -> float:
        """Ours over another's, the median of the rounds' ratios: below 1, ours is faster."""
        pairs = zip(self.times[ours], self.times[other])
        return statistics.median(mine / theirs for mine, theirs in pairs)

    def value(self, target: Target) -> float | None:
        """What was measured of a target; None where its contenders did not run."""
        if target.of == "agreement":
            return self.agreement.get(target.ours)
        found = self.memory if target.of == "memory" else self.times
        others = [name for name in target.others if name in found]
        if target.ours not in found or not others:
            return None
        if target.of == "memory":
            return self.memory[target.ours] / min(self.memory[name] for name in others)
        best = min(others, key=lambda name: statistics.median(self.times[name]))
        ratio = self.ratio(target.ours, best)
        return 1 / ratio if target.of == "speed" else ratio

    def verdicts(self) -> list[dict[str, Any]]:
        """Every target with what was measured."""
        found = [(target, self.value(target)) for target in self.targets]
        return [
            {"ours": target.ours, "asked": target.asked(), "of": target.of, "limit": target.limit}
            | {"measured": value, "verdict": VERDICTS[target.met(value)]}
            for target, value in found
        ]

    def rows(self) -> list[dict[str, Any]]:
        """One line per contender, in this table's unit."""
        ours, scale = [name for name in self.ours if name in self.times], SCALES[self.unit]
        return [
            {
                "contender": name,
                "median": statistics.median(times) * scale,
                "min": min(times) * scale,
                "ratios": {mine: self.ratio(mine, name) for mine in ours},
                "difference": self.checks.get(name),
                "peak MB": self.memory[name] / 1e6 if name in self.memory else None,
            }
            for name, times in self.times.items()
        ]

    def data(self) -> dict[str, Any]:
        facts = {"title": self.title, "unit": self.unit, "ours": self.ours}
        facts |= {"targets": self.verdicts(), "rows": self.rows(), "agreement": self.agreement}
        scaled = {k: [t * SCALES[self.unit] for t in v] for k, v in self.times.items()}
        return {**facts, "skipped": self.skipped, "notes": self.notes, "rounds": scaled}

    def markdown(self) -> str:
        rows = self.rows()
        names = list(rows[0]["ratios"]) if rows else []
        short = ["ours / it"] if len(names) == 1 else [f"{name} / it" for name in names]
        titles = ["contender", f"median {self.unit}", f"min {self.unit}", *short, "difference"]
        titles += ["peak MB"] * bool(self.memory)
        lines = [
            f"## {self.title}",
            "",
            line_of(titles),
            "|---" + "|---:" * (len(titles) - 1) + "|",
        ]
        for row in rows:
            cells = [row["contender"], number(row["median"]), number(row["min"])]
            cells += [number(row["ratios"][name]) for name in names]
            cells.append("" if row["difference"] is None else f"{row['difference']:.1e}")
            cells += [number(row["peak MB"])] * bool(self.memory)
            lines.append(line_of(cells))
        return "\n".join([*lines, "", *self.remarks()])

    def remarks(self) -> list[str]:
        lines = [f"- {one['ours']}: {one['asked']}: {spoken(one)}" for one in self.verdicts()]
        lines += [f"- not run: {name}: {why}" for name, why in self.skipped.items()]
        return [*lines, *(f"- {note}" for note in self.notes), ""]


def spoken(verdict: dict[str, Any]) -> str:
    """ "0.71, **met**"."""
    measured, word = verdict["measured"], f"**{verdict['verdict']}**"
    if measured is None:
        return word
    shown = f"{measured:.1%}" if verdict["of"] == "agreement" else number(measured)
    return f"{shown}, {word}"


def line_of(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def number(value: object) -> str:
    """Three significant digits, without an exponent; "" for None."""
    if not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass
class Report:
    """Tables under one name, with the machine they were measured on."""

    name: str
    about: str
    threads: int | None = None
    tables: list[Any] = field(default_factory=list)  # a Table, or what has its data and markdown
    machine: dict[str, object] = field(init=False)

    def __post_init__(self) -> None:
        self.machine = machine(self.threads)  # now: the load is to be that of others, not ours

    @property
    def stem(self) -> str:
        """``<date>-<name>``."""
        return f"{str(self.machine['date'])[:10]}-{self.name}"

    def write(self, folder: Path) -> list[Path]:
        """``<date>-<name>.json`` and ``.md``."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{self.stem}.json", folder / f"{self.stem}.md"]
        paths[0].write_text(self.json())
        paths[1].write_text(self.markdown())
        return paths

    def json(self) -> str:
        body = {"name": self.name, "about": self.about, "machine": self.machine}
        body["tables"] = [table.data() for table in self.tables]
        return json.dumps(body, indent=1) + "\n"

    def markdown(self) -> str:
        lines = [f"# {self.name}", "", self.about, ""]
        lines += [f"- {key}: {value}" for key, value in self.machine.items()]
        return "\n".join([*lines, "", *(table.markdown() for table in self.tables)])


# -- the machine ---------------------------------------------------------------------------------
def machine(threads: int | None = None) -> dict[str, object]:
    """What a reader needs in order to judge the figures."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": cpu("model name") or platform.processor() or platform.machine(),
        "cores": cores(),
        "threads": threads or cores(),
        "vector": " ".join(f for f in cpu("flags").split() if f.startswith(("avx", "amx"))),
        "load before": load,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu(key: str) -> str:
    """A field of the first processor in /proc/cpuinfo; "" where there is none."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
