"""Which of PyTorch's public names are in sensorium: writes docs/parity.md.

    python tools/op_db.py --json op_db.json
    python tools/parity.py [--op-db op_db.json] [--output docs/parity.md]

A public name is one without a leading underscore that is documented: a callable with a docstring,
an element type, a layout, or one of ``DOCUMENTED_ELSEWHERE``. A name is here when the same dotted
path leads to something in sensorium; what it does is checked by the operator database, whose
results are told apart where they are given. Left out: argument names and defaults.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch

import sensorium as sn

ROOT = Path(__file__).resolve().parent.parent
GROUPS = (
    "torch",
    "torch.Tensor",
    "torch.autograd",
    "torch.distributions",
    "torch.fft",
    "torch.linalg",
    "torch.nn",
    "torch.nn.functional",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "torch.special",
    "torch.utils.data",
)
DOCUMENTED_ELSEWHERE = {
    "Generator",
    "Size",
    "Tensor",
    "device",
    "dtype",
    "finfo",
    "iinfo",
    "layout",
}
"""Classes with a page of their own and no docstring."""
CONSTANTS = (torch.dtype, torch.layout, torch.memory_format, float)
HELPERS = {
    "torch": {"TYPE_CHECKING"},
    "torch.autograd": {"DeviceType", "NestedIOFunction", "enforce_grad_layout_policy"},
    "torch.nn": {"factory_kwargs"},
    "torch.nn.functional": {"boolean_dispatch"},
}
"""Documented, but for PyTorch's own use."""
BORROWED = ("torch.overrides", "torch._C._profiler", "torch._tensor", "torch._C._autograd")
"""Where names come from that a module below torch only imports."""


class Group(NamedTuple):
    """The public names of one place in PyTorch."""

    path: str
    missing: list[str]
    passes: list[str]
    differs: list[str]
    unchecked: list[str]

    @property
    def here(self) -> int:
        """How many names there are in sensorium."""
        return len(self.passes) + len(self.differs) + len(self.unchecked)

    @property
    def total(self) -> int:
        """How many names there are in PyTorch."""
        return self.here + len(self.missing)


# -- names ---------------------------------------------------------------------------------------
def place(path: str) -> Any:
    """The module or class of PyTorch that path names."""
    return torch.Tensor if path == "torch.Tensor" else importlib.import_module(path)


def our_place(path: str) -> Any:
    """The same of sensorium, or None."""
    value: Any = sn
    for name in path.split(".")[1:]:
        value = getattr(value, name, None)
    return value


def documented(path: str, name: str) -> bool:
    """Whether name is part of the public surface of the place that path names."""
    value = getattr(place(path), name, None)
    if name.startswith("_") or name in HELPERS.get(path, ()) or isinstance(value, ModuleType):
        return False
    if path == "torch.Tensor":
        return True
    home = getattr(value, "__module__", None) or "torch"
    if path == "torch" and (isinstance(value, CONSTANTS) or name in DOCUMENTED_ELSEWHERE):
        return True
    if path != "torch" and (home.startswith(BORROWED) or name == "kineto_available"):
        return False
    return home.partition(".")[0] == "torch" and callable(value) and bool(value.__doc__)


def names_of(path: str) -> list[str]:
    """The sorted public names of a place in PyTorch."""
    return sorted(name for name in dir(place(path)) if documented(path, name))


# -- what the operator database says -------------------------------------------------------------
def results(file: Path | None) -> dict[str, bool]:
    """dotted name below torch -> whether all its entries pass; methods stand under ``Tensor.``.

    A method passes when its operator does and, where ``--variants`` has run, the method too; what
    is known of in-place methods comes from there alone.
    """
    if file is None:
        return {}
    from torch.testing._internal.common_methods_invocations import op_db

    found: dict[str, bool] = {}
    entries = json.loads(file.read_text())["entries"]
    known = {(e["name"], e["variant"]): e for e in entries}
    for op in op_db:
        entry = known.get((op.name, op.variant_test_name), {})
        for name in (op.name, *(alias.name for alias in op.aliases)):
            for path, passes in verdicts(name, entry):
                found[path] = found.get(path, True) and passes
    return found


def verdicts(name: str, entry: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """What an entry of the database says about a function and the methods of its name."""
    if not entry or entry["status"] == "aside":
        return
    passes, forms = entry["status"] == "pass", entry.get("forms", {})
    yield name, passes
    if "." not in name:
        yield f"Tensor.{name}", passes and not forms.get("method")
        if "in place" in forms:
            yield f"Tensor.{name}_", not forms["in place"]


def grouped(path: str, checked: dict[str, bool]) -> Group:
    """The names of a place, sorted by what is known of them."""
    ours, below = our_place(path), path.partition(".")[2]
    group = Group(path, [], [], [], [])
    for name in names_of(path):
        if ours is None or not hasattr(ours, name):
            group.missing.append(name)
            continue
        known = checked.get(f"{below}.{name}" if below else name)
        known_list = {True: group.passes, False: group.differs, None: group.unchecked}[known]
        known_list.append(name)
    return group


# -- the page ------------------------------------------------------------------------------------
HEAD = """# Parity with PyTorch

Generated by `tools/parity.py` from PyTorch {torch} and sensorium {ours} on {day}; do not edit.
A public name is one without a leading underscore that has documentation, or an element type, layout
or memory format. *Passes* and *differs* are the verdict of PyTorch's operator database, of all its
entries for the name; *unchecked by it* are names without an entry there.
{figure}
| group | names | here | share |
|---|---:|---:|---:|
{table}
"""


def listed(title: str, names: list[str]) -> Iterator[str]:
    """A paragraph of names, if there are any."""
    if names:
        text = f"**{title} ({len(names)}).** " + ", ".join(f"`{name}`" for name in names)
        yield textwrap.fill(text, 110, break_long_words=False, break_on_hyphens=False)


def section(group: Group) -> str:
    """What is missing and what is here in one group."""
    parts = [f"## {group.path}"]
    parts += listed("Not here", group.missing)
    parts += listed("Here, passes", group.passes)
    parts += listed("Here, differs", group.differs)
    parts += listed("Here, unchecked by it", group.unchecked)
    return "\n\n".join(parts)


def row(name: str, total: int, here: int) -> str:
    """A line of the table."""
    return f"| {name} | {total} | {here} | {100 * here / max(total, 1):.0f}% |"


def page(op_db: Path | None) -> str:
    """The whole file."""
    checked = results(op_db)
    groups = [grouped(path, checked) for path in GROUPS]
    rows = [row(g.path, g.total, g.here) for g in groups]
    rows.append(row("all", sum(g.total for g in groups), sum(g.here for g in groups)))
    figure = ""
    if op_db is not None:
        s = json.loads(op_db.read_text())["summary"]
        figure = f"\nOf the {s['counted']} entries that apply, {s['pass']} pass ({s['percent']}%)"
        figure += f" on {', '.join(s['dtypes'])}: `tools/op_db.py`.\n"
    head = HEAD.format(
        torch=torch.__version__.partition("+")[0],
        ours=sn.__version__,
        day=datetime.date.today().isoformat(),
        figure=figure,
        table="\n".join(rows),
    )
    return "\n".join([head, "\n\n".join(section(g) for g in groups), ""])


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description="Which of PyTorch's names are in sensorium.")
    parser.add_argument("--op-db", type=Path, help="what tools/op_db.py --json wrote")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "parity.md")
    options = parser.parse_args()
    options.output.write_text(page(options.op_db))


if __name__ == "__main__":
    main()
