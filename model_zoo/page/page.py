"""The page itself: three sections, any of which may be missing, and what made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any, NamedTuple

from PIL import Image

from . import _charts as charts
from ._colours import photograph, picture


class Seen(NamedTuple):
    """A photograph and the labels a model gave it."""

    image: Image.Image
    title: str
    credit: str
    labels: Sequence[tuple[str, float]]  # name and probability, best first
    model: str


class ReadTexts(NamedTuple):
    """A query, sentences, and how alike all of them are (the query is row 0 of the matrix)."""

    query: str
    sentences: Sequence[str]
    matrix: Sequence[Sequence[float]]  # cosines (1 + n, 1 + n)
    model: str


class Heard(NamedTuple):
    """A recording: its samples, features, where there is speech, and what was said."""

    samples: Any  # (T,)
    sample_rate: int
    mel: Any  # (mels, frames), the lowest first
    probabilities: Any  # (chunks,) of speech
    speech: Sequence[tuple[float, float]]  # seconds
    transcript: str
    title: str
    credit: str
    model: str


def page(
    *,
    seen: Seen | None = None,
    read: ReadTexts | None = None,
    heard: Heard | None = None,
    facts: Mapping[str, str] | None = None,
    missing: Sequence[str] = (),
) -> str:
    """The page as HTML. ``facts`` are told at its foot; ``missing`` says what could not be shown."""
    sections = [
        _seen(seen) if seen else "",
        _read(read) if read else "",
        _heard(heard) if heard else "",
    ]
    told = "".join(f"<p>{escape(line)}</p>" for line in missing)
    notes = f'<section class="missing"><h2>Not this time</h2>{told}</section>' if told else ""
    style = files(__package__).joinpath("style.css").read_text("utf-8")
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in (facts or {}).items()
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Sensorium: it sees, reads and hears</title><style>\n{style}</style></head>\n<body>"
        '<header><h1>Sensorium</h1><p class="lead">It sees, reads and hears. Everything below was '
        "computed on this machine, from real weights.</p></header>\n"
        f"<main>{''.join(sections)}{notes}</main>\n<footer><dl>{rows}</dl></footer></body></html>\n"
    )


def _section(kind: str, heading: str, model: str, inside: str) -> str:
    return (
        f'<section id="{kind}"><header><h2>{heading}</h2><code>{escape(model)}</code></header>'
        f"{inside}</section>\n"
    )


def _seen(seen: Seen) -> str:
    figure = (
        f'<figure><img src="{photograph(seen.image)}" alt="{escape(seen.title)}">'
        f"<figcaption>{escape(seen.title)} <small>{escape(seen.credit)}</small></figcaption>"
        "</figure>"
    )
    best = f'<p class="answer">{escape(seen.labels[0][0])}</p>' if seen.labels else ""
    side = f"<div>{best}{charts.bars(seen.labels)}</div>"
    return _section("seen", "It sees", seen.model, f'<div class="pair">{figure}{side}</div>')


def _read(read: ReadTexts) -> str:
    scores = list(read.matrix[0][1:])
    best = max(range(len(scores)), key=scores.__getitem__)
    answer = (
        f'<p class="question">{escape(read.query)}</p>'
        f'<p class="answer">{escape(read.sentences[best])} <small>{scores[best]:.2f}</small></p>'
    )
    table = charts.heat_map([read.query, *read.sentences], read.matrix)
    return _section("read", "It reads", read.model, f'{answer}<div class="scroll">{table}</div>')


def _heard(heard: Heard) -> str:
    seconds = len(heard.samples) / heard.sample_rate
    mel = picture(list(reversed(list(heard.mel))))
    rows = [
        ("waveform", charts.waveform(heard.samples)),
        ("mel spectrogram", f'<img class="chart mel" src="{mel}" alt="mel spectrogram">'),
        ("voice activity", charts.activity(heard.probabilities, heard.speech, seconds)),
        ("", charts.time_axis(seconds)),
    ]
    stack = "".join(f"<dt>{name}</dt><dd>{chart}</dd>" for name, chart in rows)
    quote = f'<blockquote class="answer">{escape(heard.transcript)}</blockquote>'
    told = f"<p><small>{escape(heard.title)} {escape(heard.credit)}</small></p>"
    return _section("heard", "It hears", heard.model, f'{quote}<dl class="time">{stack}</dl>{told}')
