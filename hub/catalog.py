"""What there is, without loading it: names, cards, and a card as text."""

from __future__ import annotations

import builtins

from . import layouts, registry, sources
from .cards import Card, Weights


def list(pattern: str = "*", *, task: str | None = None) -> builtins.list[str]:
    """Names of the models that match a shell pattern and a task, in natural order."""
    return [card.name for card in registry.cards(pattern, task=task)]


def card(name: str) -> Card:
    """The card of a model, folder or repository: what it is, its weights and their facts."""
    return layouts.find(name)[0]


def help(name: str) -> str:
    """A model's card as text to read: what it is, and a line for each set of weights."""
    found = card(name)
    size = f"{found.num_params:,} parameters" if found.num_params else ""
    macs = f"{found.gmacs:g} GMACs" if found.gmacs else ""
    facts = ", ".join(part for part in (found.task, size, macs) if part)
    lines = [f"{found.name}: {facts}", *filter(None, (found.description, found.docs, found.paper))]
    for entry in found.weights:
        lines += ["", *_describe(entry)]
    return "\n".join(lines)


def _describe(entry: Weights) -> builtins.list[str]:
    metrics = ", ".join(f"{name} {value:g}" for name, value in entry.metrics.items())
    lines = [f"  {entry.name}{' (default)' if entry.default else ''}  {metrics}".rstrip()]
    lines += [f"    from     {sources.redact(source)}" for source in entry.sources]
    if entry.expect.digits:
        lines += [f"    sha256   {entry.expect.digits}{'' if entry.sha256 else '...'}"]
    rows = {"shards": f"{len(entry.shards)} files" if entry.shards else ""}
    rows |= {"files": ", ".join(map(_companion, entry.files.items()))}
    rows |= {"licence": entry.licence, "labels": _labels(entry), "recipe": entry.recipe}
    rows["note"] = entry.note
    return lines + [f"    {label:8} {value}" for label, value in rows.items() if value]


def _companion(item: tuple[str, object]) -> str:
    name, file = item
    count = getattr(file, "bytes", None)
    return f"{name} ({count:,} bytes)" if count else name


def _labels(entry: Weights) -> str:
    if isinstance(entry.labels, str):
        return entry.labels
    shown = ", ".join(entry.labels[:8])
    return f"{shown}, ... ({len(entry.labels)} names)" if len(entry.labels) > 8 else shown
