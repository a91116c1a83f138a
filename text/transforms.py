"""Transforms of tokens and ids, single texts or batches. Names of ``torchtext.transforms``.

Each is a callable that maps a list (one text) or a list of lists (a batch). Left out: the tokenizers
of that module; ``Tokenizer`` does what they do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.dtypes import DType, int64
from sensorium.errors import OptionError, ShapeError
from sensorium.tensor import Tensor

from .vocab import Vocab


class Sequential:
    """Transforms one after the other.

    >>> Sequential(Truncate(2), AddToken(0))([5, 6, 7])
    [0, 5, 6]
    """

    def __init__(self, *transforms: Callable[[Any], Any]) -> None:
        self.transforms = transforms

    def __call__(self, input: Any) -> Any:
        for transform in self.transforms:
            input = transform(input)
        return input

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.transforms))})"


class _PerText:
    """A transform of one text's list that maps over a batch."""

    def __call__(self, input: Sequence[Any]) -> Any:
        if input and isinstance(input[0], list | tuple):
            return [self.one(text) for text in input]
        return self.one(input)

    def one(self, text: Sequence[Any]) -> Any:
        """The transform of a single text."""
        raise TypeError(f"{type(self).__name__} defines no one()")


class VocabTransform(_PerText):
    """Tokens to their indices in a ``Vocab``.

    >>> VocabTransform(Vocab(["a", "b"]))([["b"], ["a", "b"]])
    [[1], [0, 1]]
    """

    def __init__(self, vocab: Vocab) -> None:
        self.vocab = vocab

    def one(self, text: Sequence[str]) -> list[int]:
        return self.vocab.lookup_indices(text)


class Truncate(_PerText):
    """The first max_seq_len elements."""

    def __init__(self, max_seq_len: int) -> None:
        if max_seq_len < 0:
            raise OptionError(f"Truncate: max_seq_len must not be negative, got {max_seq_len}")
        self.max_seq_len = max_seq_len

    def one(self, text: Sequence[Any]) -> list[Any]:
        return list(text[: self.max_seq_len])


class AddToken(_PerText):
    """A token before the first (begin) or after the last."""

    def __init__(self, token: int | str, begin: bool = True) -> None:
        self.token, self.begin = token, begin

    def one(self, text: Sequence[Any]) -> list[Any]:
        return [self.token, *text] if self.begin else [*text, self.token]


class StrToIntTransform(_PerText):
    """Strings of digits to integers.

    >>> StrToIntTransform()(["1", "23"])
    [1, 23]
    """

    def one(self, text: Sequence[str]) -> list[int]:
        try:
            return [int(token) for token in text]
        except ValueError:
            raise OptionError(f"StrToIntTransform: not all are integers: {text!r:.80}") from None


class LabelToIndex:
    """A label, or every label of a list, to its index among label_names.

    The names come as a list or from a file with one a line; sort_names orders them first.

    >>> LabelToIndex(["neg", "pos"])(["pos", "neg"])
    [1, 0]
    """

    def __init__(
        self,
        label_names: Sequence[str] | None = None,
        label_path: str | None = None,
        sort_names: bool = False,
    ) -> None:
        if (label_names is None) == (label_path is None):
            raise OptionError("LabelToIndex: give either label_names or label_path")
        names = list(label_names or ())
        if label_path is not None:
            lines = Path(label_path).read_text(encoding="utf-8").splitlines()
            names = [line.strip() for line in lines if line.strip()]
        self._vocab = Vocab(sorted(names) if sort_names else names)

    @property
    def label_names(self) -> list[str]:
        """The labels in the order of their indices."""
        return self._vocab.get_itos()

    def __call__(self, input: str | Sequence[str]) -> Any:
        if isinstance(input, str):
            return self._vocab[input]
        return self._vocab.lookup_indices(input)


class ToTensor:
    """Ids (T) or a batch of them (N, T) as a tensor; padding_value fills up the shorter texts.

    >>> ToTensor(padding_value=0)([[1, 2], [3]])
    tensor([[1, 2],
            [3, 0]])
    """

    def __init__(self, padding_value: int | None = None, dtype: DType = int64) -> None:
        self.padding_value, self.dtype = padding_value, dtype

    def __call__(self, input: Sequence[Any]) -> Tensor:
        if not input or not isinstance(input[0], list | tuple):
            return Tensor(np.asarray(input, self.dtype))
        lengths = [len(text) for text in input]
        if self.padding_value is None and len(set(lengths)) > 1:
            raise ShapeError(f"ToTensor: texts of {sorted(set(lengths))} ids need a padding_value")
        table = np.full((len(input), max(lengths)), self.padding_value or 0, self.dtype)
        for row, text in zip(table, input):
            row[: len(text)] = text
        return Tensor(table)


class PadTransform:
    """A tensor (..., T) filled up at the end to (..., max_length); longer ones stay as they are."""

    def __init__(self, max_length: int, pad_value: int) -> None:
        self.max_length, self.pad_value = max_length, pad_value

    def __call__(self, x: Tensor) -> Tensor:
        missing = self.max_length - x.shape[-1]
        if missing <= 0:
            return x
        edges = [(0, 0)] * (x.ndim - 1) + [(0, missing)]
        return Tensor(np.pad(x.numpy(), edges, constant_values=self.pad_value)).to(x.device)
