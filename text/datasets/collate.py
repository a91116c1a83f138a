"""``TextCollate``: samples with texts to a padded batch, in the process that loads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sensorium.errors import OptionError, ShapeError
from sensorium.tensor import Tensor

from ..encoding import Encoding
from ..tokenizer import Tokenizer

Key = str | int


class TextCollate:
    """A ``collate_fn``: texts tokenized and padded together, labels as a tensor.

    text, pair, label
        where they are in a sample, by place or key; text None: the sample is the text; label None:
        there is none
    classes
        the labels in the order of their indices, for labels that are not 0, 1, ...: names, or 1..4
    padding, max_length, pad_to_multiple_of
        as of the tokenizer

    The batch is the tokenizer's ``Encoding`` with ``labels`` (N): int64, or float32 for real numbers.

    >>> vocab = "[PAD] [UNK] [CLS] [SEP] a cat".replace(" ", chr(10)).encode()
    >>> collate = TextCollate(Tokenizer.from_bytes(vocab, kind="vocab.txt"), classes=["no", "yes"])
    >>> batch = collate([("a cat", "yes"), ("cat", "no")])
    >>> batch.input_ids.tolist(), batch.labels.tolist()
    ([[2, 4, 5, 3], [2, 5, 3, 0]], [1, 0])
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        text: Key | None = 0,
        label: Key | None = 1,
        pair: Key | None = None,
        classes: Sequence[Any] | None = None,
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
    ) -> None:
        self.tokenizer, self.text, self.label, self.pair = tokenizer, text, label, pair
        self.classes = None if classes is None else {name: i for i, name in enumerate(classes)}
        self.padding, self.max_length = padding, max_length
        self.pad_to_multiple_of = pad_to_multiple_of

    def __call__(self, batch: Sequence[Any]) -> Encoding:
        if not batch:
            raise ShapeError("TextCollate: an empty batch")
        texts = [_of(sample, self.text) for sample in batch]
        pairs = None if self.pair is None else [_of(sample, self.pair) for sample in batch]
        encoding = self.tokenizer(
            texts,
            pairs,
            padding=self.padding,
            max_length=self.max_length,
            pad_to_multiple_of=self.pad_to_multiple_of,
        )
        if self.label is not None and self.text is not None:
            encoding["labels"] = self._labels([_of(sample, self.label) for sample in batch])
        return encoding

    def _labels(self, labels: list[Any]) -> Tensor:
        labels = [x.item() if hasattr(x, "item") else x for x in labels]
        if self.classes is not None:
            unknown = [label for label in labels if label not in self.classes]
            if unknown:
                raise OptionError(
                    f"TextCollate: label {unknown[0]!r} is not of {list(self.classes)!r:.200}"
                )
            labels = [self.classes[label] for label in labels]
        if not all(isinstance(label, int | float) for label in labels):
            raise OptionError(f"TextCollate: labels {labels!r:.80} are not numbers; give classes")
        real = any(isinstance(label, float) for label in labels)
        return Tensor(np.asarray(labels, np.float32 if real else np.int64))


def _of(sample: Any, key: Key | None) -> Any:
    """The part of a sample at a key, or all of it."""
    if key is None:
        return sample
    try:
        return sample[key]
    except (KeyError, IndexError, TypeError):
        keys = sorted(sample) if isinstance(sample, Mapping) else f"{type(sample).__name__}"
        raise OptionError(f"TextCollate: a sample has no {key!r}: {keys}") from None
