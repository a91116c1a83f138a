"""JSON read strictly: what two parsers could understand differently is refused.

Standard ``json`` takes duplicate keys (the last wins), NaN, 1e999, lone surrogates, any depth.
Here each of these is a ``CorruptError`` or ``LimitError``; nesting is counted before parsing, so
hostile depth never reaches the interpreter's own recursion.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter

from ..errors import CorruptError, LimitError

# Possessive repeats (*+): a match never backtracks, so time is linear whatever the text.
STRING = r'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+"'
_MARKS = re.compile(STRING + r"|[\[\]{}]")
_MAX_DIGITS = 39


def loads(text: str, what: str, depth: int) -> object:
    """The value of a JSON text nested at most ``depth`` deep; ``what`` begins every message."""
    _check_depth(text, what, depth)
    try:
        value = json.loads(
            text,
            object_pairs_hook=lambda pairs: unique(pairs, what),
            parse_constant=lambda token: _refuse_constant(token, what),
            parse_int=lambda token: parse_int(token, what),
            parse_float=lambda token: _parse_float(token, what),
        )
        json.dumps(value, ensure_ascii=False).encode()  # finds lone surrogates anywhere
    except (CorruptError, LimitError):
        raise
    except UnicodeEncodeError:
        raise CorruptError(f"{what}: a string holds half a surrogate pair") from None
    except ValueError as error:
        raise CorruptError(f"{what}: not JSON ({error})") from None
    return value


def unescape(token: str, what: str) -> str:
    """The string that a JSON string token (quotes included) stands for."""
    if "\\" not in token:
        return token[1:-1]
    try:
        value = json.loads(token)
        value.encode()
    except ValueError:  # bad escape, or half a surrogate pair
        raise CorruptError(f"{what}: string {token[:60]!a} is not valid JSON") from None
    return value


def parse_int(token: str, what: str) -> int:
    """An integer of sane length; Python itself stops, less clearly, at 4300 digits."""
    if len(token) > _MAX_DIGITS:
        raise CorruptError(f"{what}: an integer of {len(token)} digits")
    return int(token)


def unique(pairs: list[tuple[str, object]], what: str) -> dict[str, object]:
    """The pairs as a dict; a key given twice is refused."""
    result = dict(pairs)
    if len(result) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise CorruptError(f"{what}: key {twice!a} appears twice")
    return result


def _check_depth(text: str, what: str, limit: int) -> None:
    depth = 0
    for match in _MARKS.finditer(text):
        mark = match[0]
        depth += (mark in "[{") - (mark in "]}") if len(mark) == 1 else 0
        if depth > limit:
            raise LimitError(f"{what}: nested deeper than {limit} levels")


def _refuse_constant(token: str, what: str) -> object:
    raise CorruptError(f"{what}: {token} is not a JSON number")


def _parse_float(token: str, what: str) -> float:
    value = float(token)
    if not math.isfinite(value):
        raise CorruptError(f"{what}: number {token[:40]} is too large")
    return value
