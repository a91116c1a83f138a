"""It reads: tokenizers, vocabularies, transforms, datasets, language models, metrics.

    Tokenizer       text to token ids and back, from tokenizer.json, vocab.txt or a folder
    Encoding        what it returns: a dict of tensors
    Vocab           tokens to indices, torchtext's; vocab, build_vocab_from_iterator
    datasets        CSV, JSON lines, folders, AG_NEWS, IMDB; TextCollate
    transforms      token and id transforms, torchtext's
    sampling        batches of similar length
    words           basic English words, n-grams
    metrics         BLEU, perplexity
    models          BERT, RoBERTa, DistilBERT, GPT-2

A table of contents; nothing is imported until it is named, so ``import sensorium.text`` costs nothing
and brings in no tokenizers library.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = (
    "datasets",
    "encoding",
    "metrics",
    "models",
    "sampling",
    "tokenizer",
    "transforms",
    "vocab",
    "words",
)
_NAMES = {
    "BucketBatchSampler": "sampling",
    "Encoding": "encoding",
    "TextCollate": "datasets",
    "Tokenizer": "tokenizer",
    "Vocab": "vocab",
    "build_vocab_from_iterator": "vocab",
    "get_tokenizer": "words",
    "length_sorted_batches": "sampling",
    "ngrams_iterator": "words",
}

__all__ = [*_MODULES, *_NAMES]  # noqa: PLE0604  names of this module, all of them strings


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _NAMES:
        return getattr(import_module(f".{_NAMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
