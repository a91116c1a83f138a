"""Vocab: tokens to indices and back, built from counts. Follows ``torchtext.vocab``.

Differences: an unknown token without a default index is an ``OpError`` (RuntimeError, as there), an index
out of range an ``OutOfBoundsError`` (IndexError), and ``vocab`` leaves the dict it is given alone. Left out:
pretrained word vectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sensorium.errors import OpError, OptionError, OutOfBoundsError


class Vocab:
    """Token i has index i, in the order given; every token once.

    >>> v = Vocab(["<unk>", "a", "b"])
    >>> v["b"], v.lookup_tokens([1, 0]), "z" in v
    (2, ['a', '<unk>'], False)
    >>> v.set_default_index(v["<unk>"])
    >>> v(["a", "z"])
    [1, 0]
    """

    def __init__(self, tokens: Iterable[str], default_index: int | None = None) -> None:
        self._tokens: list[str] = []
        self._indices: dict[str, int] = {}
        self._default: int | None = None
        for token in tokens:
            self.append_token(token)
        self.set_default_index(default_index)

    def __len__(self) -> int:
        return len(self._tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._indices

    def __getitem__(self, token: str) -> int:
        index = self._indices.get(token, self._default)
        if index is None:
            raise OpError(
                f"Vocab: {token!r} is not among the {len(self)} tokens and there is no default index "
                "(set_default_index)"
            )
        return index

    def __call__(self, tokens: Sequence[str]) -> list[int]:
        return self.lookup_indices(tokens)

    def forward(self, tokens: Sequence[str]) -> list[int]:
        """The index of every token."""
        return self.lookup_indices(tokens)

    def __repr__(self) -> str:
        return f"Vocab({len(self)} tokens)"

    def lookup_indices(self, tokens: Sequence[str]) -> list[int]:
        """The index of every token."""
        return [self[token] for token in tokens]

    def lookup_token(self, index: int) -> str:
        """The token of an index."""
        if not 0 <= index < len(self):
            raise OutOfBoundsError(f"Vocab: index {index} is not in 0 to {len(self) - 1}")
        return self._tokens[index]

    def lookup_tokens(self, indices: Sequence[int]) -> list[str]:
        """The token of every index."""
        return [self.lookup_token(index) for index in indices]

    def get_stoi(self) -> dict[str, int]:
        """Tokens with their indices."""
        return dict(self._indices)

    def get_itos(self) -> list[str]:
        """Tokens in the order of their indices."""
        return list(self._tokens)

    def set_default_index(self, index: int | None) -> None:
        """What an unknown token gets; None makes it an error. Need not be an index of a token."""
        if index is not None and (isinstance(index, bool) or not isinstance(index, int)):
            raise OptionError(f"Vocab: a default index must be an integer or None, got {index!r}")
        self._default = index

    def get_default_index(self) -> int | None:
        """What an unknown token gets, or None."""
        return self._default

    def append_token(self, token: str) -> None:
        """Add a token after the last."""
        self.insert_token(token, len(self))

    def insert_token(self, token: str, index: int) -> None:
        """Add a token at an index; those from there on move up by one."""
        if not isinstance(token, str):
            raise OptionError(f"Vocab: a token must be a string, got {token!r}")
        if token in self._indices:
            raise OpError(f"Vocab: token {token!r} is already there, with index {self[token]}")
        if not 0 <= index <= len(self):
            raise OutOfBoundsError(f"Vocab: index {index} is not in 0 to {len(self)}")
        self._tokens.insert(index, token)
        for i in range(index, len(self._tokens)):
            self._indices[self._tokens[i]] = i


def vocab(
    ordered_dict: Mapping[str, int],
    min_freq: int = 1,
    specials: Sequence[str] | None = None,
    special_first: bool = True,
) -> Vocab:
    """The tokens of a dict of counts, in its order, that occur at least min_freq times.

    specials come before or after all others, in their order, whatever their count.

    >>> vocab({"b": 3, "a": 2, "rare": 1}, min_freq=2, specials=["<unk>"]).get_itos()
    ['<unk>', 'b', 'a']
    """
    extra = list(specials or ())
    tokens = [t for t, count in ordered_dict.items() if count >= min_freq and t not in extra]
    return Vocab(extra + tokens if special_first else tokens + extra)


def build_vocab_from_iterator(
    iterator: Iterable[Iterable[str]],
    min_freq: int = 1,
    specials: Sequence[str] | None = None,
    special_first: bool = True,
    max_tokens: int | None = None,
) -> Vocab:
    """The vocabulary of lists of tokens: most frequent first, equals in alphabetical order.

    max_tokens: at most so many, specials included.

    >>> build_vocab_from_iterator([["a", "b"], ["b"]], specials=["<unk>"]).get_itos()
    ['<unk>', 'b', 'a']
    """
    counts: Counter[str] = Counter()
    for tokens in iterator:
        counts.update(tokens)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if max_tokens is not None:
        room = max_tokens - len(specials or ())
        if room <= 0:
            raise OptionError(
                f"build_vocab_from_iterator: max_tokens {max_tokens} leaves no room beside "
                f"{len(specials or ())} specials"
            )
        ordered = ordered[:room]
    return vocab(dict(ordered), min_freq, specials, special_first)
