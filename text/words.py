"""Words by simple rules: basic English, n-grams. Names of ``torchtext.data.utils``.

Left out: the tokenizers of other packages (spaCy, Moses, ...); any callable serves in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sensorium.errors import OptionError

_SPACED = str.maketrans({**{mark: f" {mark} " for mark in "'.,()!?"}, '"': "", ";": " ", ":": " "})


def basic_english_normalize(line: str) -> list[str]:
    """Words and marks in lower case: ' . , ( ) ! ? stand alone; " ; : and <br /> are dropped.

    >>> basic_english_normalize("Basic English, isn't it?")
    ['basic', 'english', ',', 'isn', "'", 't', 'it', '?']
    """
    return line.lower().replace("<br />", " ").translate(_SPACED).split()


def get_tokenizer(tokenizer: str | Callable[[str], list[str]] | None) -> Callable[[str], list[str]]:
    """A function from a line to its words: "basic_english", a callable, or None to split at spaces.

    >>> get_tokenizer("basic_english")("Hello!")
    ['hello', '!']
    """
    if tokenizer is None:
        return str.split
    if tokenizer == "basic_english":
        return basic_english_normalize
    if callable(tokenizer):
        return tokenizer
    raise OptionError(f"get_tokenizer: want 'basic_english', a callable or None, got {tokenizer!r}")


def ngrams_iterator(token_list: Sequence[str], ngrams: int) -> Iterator[str]:
    """The tokens, then all runs of two of them joined by a space, then of three, ...

    >>> list(ngrams_iterator(["here", "we", "are"], 2))
    ['here', 'we', 'are', 'here we', 'we are']
    """
    for n in range(1, ngrams + 1):
        for start in range(len(token_list) - n + 1):
            yield " ".join(token_list[start : start + n])
