"""Which regular expressions a tokenizer's file may bring: those that run in linear time.

The tokenizers library searches with a backtracking engine, where ``(a|a)*$`` takes time exponential
in the text and ``a+b`` quadratic. A pattern is accepted if each of its alternatives is a
concatenation of characters, classes and bounded groups in which

- only a single character or class repeats without bound (``\\p{L}+``, never ``(...)+``), and
- whatever follows such a repeat may match nothing,

because then a repeat, once begun, never has to give anything back. What published tokenizers use
beyond that is listed in ``_PROVEN`` with the reason why it is linear. Left out: look-behind,
back-references, nested classes; ``trust_patterns=True`` of the tokenizer's readers skips the check.
"""

from __future__ import annotations

import re

from sensorium.errors import TokenizerError

_MAX_PATTERN = 4096  # characters; published ones have at most a few hundred
_MAX_LENGTH = 1000  # characters that the bounded part of an alternative may match
_MAX_WAYS = 1000  # in which it may match one text: (a?){20}a{20} has a million

_CAPITALS_THEN_SMALL = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
)
_CAPITALS = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"

# Consecutive alternatives that are linear together, though not each by the rule above.
_PROVEN: tuple[tuple[str, ...], ...] = (
    # Gives back one character at most. GPT-2 and almost everything after it.
    (r"\s+(?!\S)",),
    # A run of spaces without a line end is scanned once in vain, then taken whole by the next
    # two. cl100k, Llama 3, Qwen, DeepSeek.
    (r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"),
    (r"\s*[\r\n]", r"\s+(?!\S)", r"\s+"),
    # A run of capitals is scanned once in vain by the first and taken whole by the second. o200k.
    (_CAPITALS_THEN_SMALL + _CONTRACTION, _CAPITALS + _CONTRACTION),
    (_CAPITALS_THEN_SMALL, _CAPITALS),
    # One class (which Oniguruma reads as nested) and a repeat at the end. BLOOM.
    (r" ?[^(\s|[.,!?…。，、।۔،])]+",),
)

_ESCAPE = r"\\(?:[pP]\{\^?\w+\}|x\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|[sSdDwWhHnrtfv]|[^\w])"
_CLASS = rf"\[\^?\]?(?:{_ESCAPE}|\[:\^?\w+:\]|[^\]\\\[])*+\]"
_TOKEN = re.compile(
    rf"(?P<atom>{_CLASS}|{_ESCAPE}|[^\\\[\](){{}}|*+?^$])"
    r"|(?P<edge>[\^$]|\\b)|(?P<open>\((?:\?i?:)?(?!\?))|(?P<close>\))|(?P<bar>\|)"
    r"|(?P<count>[*+?][?+]?|\{\d{1,4}(?:,\d{0,4})?\}|\{,\d{1,4}\})"
)

_Token = tuple[str, str]  # the group of _TOKEN that matched, and the text


def check(pattern: str, where: str) -> None:
    """Refuse a pattern that may take more than linear time; ``where`` begins the message."""
    if len(pattern) > _MAX_PATTERN:
        raise TokenizerError(
            f"{where}: a pattern of {len(pattern)} characters; at most {_MAX_PATTERN}"
        )
    try:
        alternatives = _alternatives(_tokens(pattern))
        _check_alternatives(alternatives)
    except _Refused as reason:
        raise TokenizerError(
            f"{where}: pattern {pattern[:80]!a} is refused: {reason} "
            "(trust_patterns=True reads a file of your own all the same)"
        ) from None


class _Refused(Exception):
    """Why a pattern is not known to be linear."""


def _tokens(pattern: str) -> list[_Token]:
    found, at = [], 0
    # The parts of _PROVEN may hold what the grammar does not have: each is one token.
    special = [part for group in _PROVEN for part in group]
    while at < len(pattern):
        part = _proven_at(pattern, at, special)
        if part:
            found.append(("proven", part))
            at += len(part)
            continue
        match = _TOKEN.match(pattern, at)
        if match is None or match.lastgroup is None:
            raise _Refused(f"{pattern[at : at + 12]!a} at {at} is not in the accepted grammar")
        found.append((match.lastgroup, match[0]))
        at = match.end()
    return found


def _proven_at(pattern: str, at: int, parts: list[str]) -> str:
    """The longest known alternative that stands, whole, at this place of the pattern."""
    if at > 0 and pattern[at - 1] != "|":
        return ""
    fits = [p for p in parts if pattern.startswith(p, at)]
    fits = [p for p in fits if at + len(p) == len(pattern) or pattern[at + len(p)] == "|"]
    return max(fits, key=len, default="")


def _alternatives(tokens: list[_Token]) -> list[list[_Token]]:
    """The tokens cut at the bars outside all groups."""
    parts: list[list[_Token]] = [[]]
    depth = 0
    for kind, text in tokens:
        depth += (kind == "open") - (kind == "close")
        if depth < 0:
            raise _Refused("unmatched parenthesis")
        if kind == "bar" and depth == 0:
            parts.append([])
        else:
            parts[-1].append((kind, text))
    if depth:
        raise _Refused("unmatched parenthesis")
    return parts


def _check_alternatives(alternatives: list[list[_Token]]) -> None:
    texts = ["".join(text for _, text in part) for part in alternatives]
    at = 0
    while at < len(texts):
        sizes = [len(group) for group in _PROVEN if tuple(texts[at : at + len(group)]) == group]
        if sizes:
            at += max(sizes)
            continue
        rest = alternatives[at]
        if any(kind == "proven" for kind, _ in rest) and not _is_plain(texts[at]):
            raise _Refused(f"{texts[at]!a} is linear only together with its usual neighbours")
        _check_sequence([t for part in map(_expand, rest) for t in part])
        at += 1


def _is_plain(text: str) -> bool:
    """Whether a known part follows the general rule also by itself."""
    return text == r"\s+"


def _expand(token: _Token) -> list[_Token]:
    """A known part as the tokens of the grammar."""
    if token[0] != "proven":
        return [token]
    return [(match.lastgroup or "", match[0]) for match in _TOKEN.finditer(token[1])]


def _check_sequence(tokens: list[_Token]) -> None:
    """The rule of the module's docstring, for one alternative."""
    unbounded, fixed = False, []
    for body, count, group in _units(tokens):
        low, high = _bounds(count)
        if unbounded and low > 0:
            raise _Refused("something has to match after a repeat without bound")
        if high is None and group:
            raise _Refused("a group repeats without bound")
        unbounded = unbounded or high is None
        fixed.append((body, low, high or 1, group))
    _measure(fixed)


def _measure(units: list[tuple[list[_Token], int, int, bool]]) -> tuple[int, int]:
    """In how many ways bounded units can match, and how long; both have a limit."""
    ways, length = 1, 0
    for body, low, high, group in units:
        inner_ways, inner_length = _measure_group(body) if group else (1, 1)
        length += high * inner_length
        if high > _MAX_LENGTH or length > _MAX_LENGTH:
            raise _Refused(f"it may match more than {_MAX_LENGTH} characters by counted repeats")
        ways *= sum(min(inner_ways**k, _MAX_WAYS + 1) for k in range(low, high + 1))
        if ways > _MAX_WAYS:
            raise _Refused(f"it can match one text in more than {_MAX_WAYS} ways")
    return ways, length


def _measure_group(tokens: list[_Token]) -> tuple[int, int]:
    ways, length = 0, 0
    for part in _alternatives(tokens):
        units = []
        for body, count, group in _units(part):
            low, high = _bounds(count)
            if high is None:
                raise _Refused("a repeat without bound inside a group")
            units.append((body, low, high, group))
        part_ways, part_length = _measure(units)
        ways, length = ways + part_ways, max(length, part_length)
    return ways, length


def _units(tokens: list[_Token]) -> list[tuple[list[_Token], str, bool]]:
    """(tokens, count, whether a group) of each repeated thing of a sequence."""
    units: list[tuple[list[_Token], str, bool]] = []
    at = 0
    while at < len(tokens):
        kind = tokens[at][0]
        end = _closing(tokens, at) if kind == "open" else at
        if kind in ("count", "close"):
            raise _Refused(f"{tokens[at][1]!a} has nothing to repeat")
        body = tokens[at + 1 : end] if kind == "open" else [tokens[at]]
        count, at = "", end + 1
        if at < len(tokens) and tokens[at][0] == "count":
            count = tokens[at][1]
            at += 1
        units.append((body, count, kind == "open"))
    return units


def _closing(tokens: list[_Token], at: int) -> int:
    depth = 0
    for place in range(at, len(tokens)):
        depth += (tokens[place][0] == "open") - (tokens[place][0] == "close")
        if depth == 0:
            return place
    raise _Refused("unmatched parenthesis")


def _bounds(count: str) -> tuple[int, int | None]:
    """The least and most repeats that a quantifier asks for; None is without bound."""
    if not count:
        return 1, 1
    if count[0] in "*+?":
        low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[count[0]]
        return low, high
    low_text, comma, high_text = count[1 : count.index("}")].partition(",")
    low = int(low_text or 0)
    return low, int(high_text) if high_text else (None if comma else low)
