"""How long functions and files are, against the house limits.

    python tools/size.py [FOLDER ...]      the library's folders, unless others are named

House style: functions of at most 10 lines in the median and 50 at the 95th percentile, files under
400 lines. A function counts its decorators, its body and the functions inside it, but not its
docstring: prose is not what the limit is against.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ("core", "hub", "vision", "text", "audio", "model_zoo")
MEDIAN, NEARLY_ALL, FILE = 10, 50, 400  # lines
SHOWN = 15

Measured = tuple[int, str]  # lines, where


def sources(folders: Sequence[str]) -> list[Path]:
    """Every Python file under the folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many lines the docstring takes; 0 without one."""
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is None:
        return 0
    return (first.end_lineno or first.lineno) - first.lineno + 1


def functions(path: Path) -> Iterator[Measured]:
    """(lines, "file:line name") of every function and method in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            lines = (node.end_lineno or start) - start + 1 - docstring_lines(node)
            yield lines, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def percentile(measured: Sequence[Measured], share: float) -> int:
    """The smallest length that at least this share of the entries do not exceed."""
    ordered = sorted(lines for lines, _ in measured)
    return ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)] if ordered else 0


def longest(title: str, measured: Sequence[Measured], beyond: int) -> None:
    """Print the longest entries, and how many are over the limit."""
    over = sum(lines > beyond for lines, _ in measured)
    print(f"\n{title}: {over} of {len(measured)} over {beyond} lines; the longest:")
    for lines, where in sorted(measured, reverse=True)[:SHOWN]:
        print(f"  {lines:5d}{' !' if lines > beyond else '  '} {where}")


def report(folders: Sequence[str]) -> bool:
    """Print everything; True where the tree keeps to the limits."""
    paths = sources(folders)
    files = [(len(p.read_text().splitlines()), str(p.relative_to(ROOT))) for p in paths]
    found = [entry for path in paths for entry in functions(path)]
    for title, measured in (("functions", found), ("files", files)):
        middle, high = percentile(measured, 0.5), percentile(measured, 0.95)
        total = f"{len(measured)} {title}"
        print(f"{total:16s} median {middle} lines, 95th percentile {high}")
    print(f"{sum(lines for lines, _ in files)} lines in {', '.join(folders)}")
    longest("functions", found, NEARLY_ALL)
    longest("files", files, FILE)
    short = percentile(found, 0.5) <= MEDIAN and percentile(found, 0.95) < NEARLY_ALL
    return short and all(lines <= FILE for lines, _ in files)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", default=list(LIBRARY))
    return 0 if report(parser.parse_args().folders) else 1


if __name__ == "__main__":
    raise SystemExit(main())
