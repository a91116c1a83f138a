"""What every part of the demo returns, and what several of them say."""

from __future__ import annotations

from typing import Any, NamedTuple

from sensorium.errors import HubError

from ..output import Output, size


class Part(NamedTuple):
    """What one sense found."""

    document: dict[str, Any]  # for --json
    section: Any = None  # for the page: Seen, ReadTexts or Heard
    missing: str | None = None  # what could not be had, and why
    failed: bool = False  # whether something of the user's own could not be read


def missing(what: str, error: HubError, out: Output) -> Part:
    """A part that cannot be shown now."""
    reason = " ".join(str(error).split())
    out.note(f"{what} cannot be had now:\n  {reason}\n")
    return Part({"missing": reason}, missing=f"{what}: {reason}")


def head(title: str, card: Any, out: Output) -> None:
    """The heading of a part: its model, and where its weights come from."""
    weights = card.weights[0]
    file = f", {size(weights.bytes)}" if weights.bytes else ""
    out.line(f"-- {title}: {card.name} ".ljust(80, "-"))
    out.line(f"{card.num_params:,} parameters{file}, from {short(weights.sources[0])}\n")


def short(source: str) -> str:
    """A source without the folders of this machine or, where it is long, of the package."""
    if source.startswith("file:"):
        return "this installation"
    return source if len(source) < 50 else "/".join(source.split("/")[:3])


def weights_of(card: Any) -> dict[str, Any]:
    """The facts about a model that the document tells."""
    weights = card.weights[0]
    facts = {"name": weights.name, "source": weights.sources[0], "licence": weights.licence}
    return {"model": card.name, "weights": facts}


def milliseconds(seconds: float) -> str:
    """Whole milliseconds, as people read them."""
    return f"{1000 * seconds:.0f} ms"
