"""It reads: which of a few sentences is closest to a query in meaning."""

from __future__ import annotations

import argparse
import time
from typing import Any

from sensorium.errors import HubError

from ..output import Output, bar
from ._part import Part, head, milliseconds, missing, weights_of

MODEL = "all-minilm-l6-v2"
QUERY = "How do I get my kitten to sleep through the night?"
SENTENCES = (
    "Young cats rest all night if they play and eat before bed.",
    "Our old dog snores on the sofa all day.",
    "Shares fell when the central bank raised interest rates.",
    "Higher rates make borrowing expensive for companies.",
    "Let the dough rise for an hour before you bake the bread.",
)


def read(args: argparse.Namespace, out: Output) -> Part:
    """The sentences ranked by their cosine with the query."""
    from sensorium import hub

    from ...page import ReadTexts

    try:
        out.note(f"fetching {MODEL} ...")
        pipe: Any = hub.pipeline(MODEL, device=args.device)
    except HubError as error:
        return missing(MODEL, error, out)
    head("it reads", pipe.model.card, out)
    began = time.perf_counter()
    matches = pipe(QUERY, SENTENCES)
    seconds = time.perf_counter() - began
    out.line(f"    {QUERY}")
    for match in matches:
        out.line(f"{match.score:10.2f}  {bar(max(0.0, match.score), 8)}  {match.text[:58]}")
    out.line(f"\n{len(SENTENCES) + 1} sentences in {milliseconds(seconds)}\n")
    texts = [QUERY, *SENTENCES]
    matrix = pipe.similarity(texts, texts).tolist()
    document = weights_of(pipe.model.card) | {
        "query": QUERY,
        "matches": [{"text": match.text, "score": match.score} for match in matches],
        "seconds": round(seconds, 4),
    }
    return Part(document, ReadTexts(QUERY, SENTENCES, matrix, pipe.model.card.name))
