"""The table of a profile as text: a column a quantity, those that were not recorded left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def micro(us: float) -> str:
    """A time with its unit, four digits.

    >>> micro(3.14159), micro(31415.9), micro(3141592)
    ('3.142us', '31.416ms', '3.142s')
    """
    for unit, size in (("us", 1.0), ("ms", 1e3)):
        if abs(us) < 1e3 * size:
            return f"{us / size:.3f}{unit}"
    return f"{us / 1e6:.3f}s"


def amount(count: float) -> str:
    """Bytes for people.

    >>> amount(12), amount(-4096), amount(3 << 30)
    ('12 B', '-4.00 KB', '3.00 GB')
    """
    for unit, size in (("B", 1), ("KB", 1 << 10), ("MB", 1 << 20)):
        if abs(count) < 1024 * size:
            return f"{count:.0f} B" if size == 1 else f"{count / size:.2f} {unit}"
    return f"{count / (1 << 30):.2f} GB"


def table(
    shown: Sequence[Any], all_items: Sequence[Any], widths: tuple[int, int], header: str | None
) -> str:
    """The rows shown; percentages are of the self time of all."""
    whole = sum(item.self_cpu_time_total for item in all_items)
    heads, rows = _columns(shown, all_items, widths, whole or 1.0)
    sizes = [max(map(len, column)) for column in zip(heads, *rows)]
    rule = "  ".join("-" * size for size in sizes)
    lines = [_line(row, sizes) for row in rows]
    foot = f"Self CPU time total: {micro(whole)}"
    inside = sum(item.self_primitive_time_total for item in all_items)
    if whole and inside:
        foot += f", {100 * inside / whole:.1f}% of it inside oneDNN primitives"
    parts = [header] if header else []
    return "\n".join([*parts, rule, _line(heads, sizes), rule, *lines, rule, foot, ""])


def _line(row: Sequence[str], sizes: Sequence[int]) -> str:
    cells = [row[0].ljust(sizes[0]), *(cell.rjust(size) for cell, size in zip(row[1:], sizes[1:]))]
    return "  ".join(cells).rstrip()


def _columns(
    items: Sequence[Any], all_items: Sequence[Any], widths: tuple[int, int], whole: float
) -> tuple[list[str], list[list[str]]]:
    """Headings, and the cells of every row."""
    name_width, shapes_width = widths
    columns: list[tuple[str, Callable[[Any], str]]] = [
        ("Name", lambda i: _cut(i.key, name_width)),
        ("Self CPU %", lambda i: f"{100 * i.self_cpu_time_total / whole:.2f}%"),
        ("Self CPU", lambda i: micro(i.self_cpu_time_total)),
        ("CPU total %", lambda i: f"{100 * i.cpu_time_total / whole:.2f}%"),
        ("CPU total", lambda i: micro(i.cpu_time_total)),
        ("CPU time avg", lambda i: micro(i.cpu_time)),
    ]
    if any(i.bytes_in or i.bytes_out for i in all_items):
        columns.append(("Bytes in", lambda i: amount(i.bytes_in)))
        columns.append(("Bytes out", lambda i: amount(i.bytes_out)))
    if any(i.cpu_memory_usage for i in all_items):
        columns.append(("CPU Mem", lambda i: amount(i.cpu_memory_usage)))
        columns.append(("Self CPU Mem", lambda i: amount(i.self_cpu_memory_usage)))
    columns.append(("# of Calls", lambda i: str(i.count)))
    columns.append(("Primitive", lambda i: i.primitive))
    if any(any(i.input_shapes) for i in all_items):
        columns.append(("Input Shapes", lambda i: _cut(str(i.input_shapes), shapes_width)))
    if any(i.stack for i in all_items):
        columns.append(("Source Location", lambda i: i.stack[0] if i.stack else ""))
    return [head for head, _ in columns], [[cell(i) for _, cell in columns] for i in items]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 3, 0)] + "..."
