"""From texts to results: similarity, words behind masks, classes, text that goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import sensorium as sn
from sensorium.errors import OptionError
from sensorium.tensor import Tensor
from sensorium.text import length_sorted_batches

from ._results import Label, checked_names, names_of

MAX_TOKENS = 512  # of a batch, padding included: enough to fill the cores, and little is padding
Rows = list[list[int]]


def padded(rows: Rows, pad: int) -> tuple[Tensor, Tensor | None]:
    """Ids (N, T) with ``pad`` behind shorter rows, and their mask; None where there is no padding."""
    lengths = np.array([len(row) for row in rows])
    ids = np.full((len(rows), max(lengths)), pad, np.int64)
    for row, values in zip(ids, rows):
        row[: len(values)] = values
    if lengths.min() == ids.shape[1]:
        return sn.tensor(ids), None
    return sn.tensor(ids), sn.tensor((np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64))


def _one_or_many(texts: str | Sequence[str], name: str) -> tuple[list[str], bool]:
    """The texts as a list, and whether it was only one."""
    if isinstance(texts, str):
        return [texts], True
    many = list(texts)
    if not all(isinstance(text, str) for text in many):
        kinds = sorted({type(text).__name__ for text in many} - {"str"})
        raise OptionError(f"{name}: wants a text or a list of texts, got {kinds[0]} in the list")
    return many, False


class _TextPipeline:
    """A model with its tokenizer, which is ``model.preprocess``."""

    def __init__(self, model: Any, *, labels: str | Sequence[str] = "") -> None:
        name = type(self).__name__
        if getattr(model, "preprocess", None) is None:
            raise OptionError(f"{name}: the model came without a tokenizer (model.preprocess)")
        self.model, self.tokenizer, self.names = model, model.preprocess, names_of(labels)

    @property
    def device(self) -> Any:
        return next(self.model.parameters()).device

    def _encoded(self, texts: Any, **options: Any) -> Any:
        return self.tokenizer(texts, **options).to(self.device)

    def _names(self, classes: int) -> Sequence[str]:
        return checked_names(self.names, classes, type(self).__name__, "LABEL_")


# -- sentence similarity -------------------------------------------------------------------------
class Match(NamedTuple):
    """A sentence, its cosine with the query, and its place in the list that was searched."""

    text: str
    score: float
    place: int


class SentenceSimilarity(_TextPipeline):
    """Sentences as vectors of length 1, whose products are cosines: alike in meaning, near 1.

    The mean of the last hidden states over a sentence's tokens, divided by its length (Reimers and
    Gurevych 2019, https://arxiv.org/abs/1908.10084); the first token's, where the model's
    ``1_Pooling/config.json`` says so. Sentences are cut at ``max_length`` tokens and go through the
    model sorted by length, so that almost nothing is padding.
    """

    def __init__(
        self,
        model: Any,
        *,
        labels: str | Sequence[str] = "",
        max_length: int | None = None,
        max_tokens: int = MAX_TOKENS,
    ) -> None:
        super().__init__(model, labels=labels)
        if max_tokens < 1:
            raise OptionError(f"SentenceSimilarity: max_tokens is {max_tokens}, want at least 1")
        self.max_length, self.max_tokens = max_length, max_tokens
        self.pooling = _pooling(getattr(model, "files", {}))

    def __call__(
        self, query: str, sentences: Sequence[str], *, top_k: int | None = None
    ) -> list[Match]:
        """The sentences most like the query, best first: all of them, or top_k."""
        if top_k is not None and top_k < 1:
            raise OptionError(f"SentenceSimilarity: top_k is {top_k}, want at least 1")
        many, _ = _one_or_many(sentences, "SentenceSimilarity")
        scores = self.similarity([query], many)[0]
        order = scores.argsort(descending=True)[:top_k].tolist() if many else []
        return [Match(many[place], float(scores[place]), place) for place in order]

    def similarity(self, texts: Sequence[str], others: Sequence[str]) -> Tensor:
        """The cosine of every text with every other: (N, M)."""
        return self.embed(list(texts)) @ self.embed(list(others)).T

    def embed(self, texts: str | Sequence[str], *, normalize: bool = True) -> Tensor:
        """The vector (E) of a text, or those (N, E) of a list of texts."""
        many, one = _one_or_many(texts, "SentenceSimilarity")
        size = self.model.config.hidden_size
        if not many:
            return sn.zeros(0, size, device=self.device)
        rows = self._tokens(many)
        lengths = [len(row) for row in rows]
        out = np.empty((len(rows), size), np.float32)
        with sn.inference_mode():
            for places in length_sorted_batches(lengths, max_tokens=self.max_tokens):
                found = self._pooled(*padded([rows[n] for n in places], self.tokenizer.pad_id or 0))
                out[places] = found.cpu().numpy()
        if normalize:
            out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
        vectors = sn.tensor(out).to(self.device)
        return vectors[0] if one else vectors

    def _tokens(self, texts: list[str]) -> Rows:
        found = self.tokenizer(
            texts, padding=False, truncation=True, max_length=self.max_length, token_type_ids=False
        )["input_ids"]
        return found.tolist() if isinstance(found, Tensor) else found

    def _pooled(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """The mean hidden state of ids (N, T) over the tokens that are no padding: (N, E)."""
        mask = None if mask is None else mask.to(self.device)
        hidden = self.model(ids.to(self.device), mask).last_hidden_state  # (N, T, E)
        if self.pooling == "cls":
            return hidden[:, 0]
        if mask is None:
            return hidden.mean(1)
        weights = mask.to(hidden.dtype)
        return (hidden * weights.unsqueeze(-1)).sum(1) / weights.sum(1, keepdim=True)


def _pooling(files: Mapping[str, Path]) -> str:
    """ "mean" or "cls", as the sentence-transformers file beside the weights says."""
    path = files.get("1_Pooling/config.json")
    told = {} if path is None else json.loads(path.read_bytes())
    modes = [key for key, on in told.items() if key.startswith("pooling_mode_") and on is True]
    names = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
    if len(modes) > 1 or not names.keys() >= set(modes):
        raise OptionError(f"SentenceSimilarity: pools by mean or by cls, the model wants {modes}")
    return names[modes[0]] if modes else "mean"


# -- fill mask -----------------------------------------------------------------------------------
class Filled(NamedTuple):
    """A token for a mask, its probability, and the text with it in place."""

    token: str
    score: float
    text: str


class FillMask(_TextPipeline):
    """The likeliest tokens for every mask of a text; the mask is written ``pipe.mask``."""

    @property
    def mask(self) -> str:
        """What stands for the mask in a text, such as ``[MASK]``."""
        return str(self.tokenizer.mask_token)

    def __call__(self, text: str, *, top_k: int = 5) -> Any:
        """top_k ``Filled`` for the mask of a text, or a list of them for each of several masks."""
        if top_k < 1:
            raise OptionError(f"FillMask: top_k is {top_k}, want at least 1")
        batch = self._encoded(text, allow_special={self.mask})
        ids = batch["input_ids"][0].tolist()
        places = [n for n, token in enumerate(ids) if token == self.tokenizer.mask_id]
        if not places:
            raise OptionError(f"FillMask: no {self.mask} stands in the text {text[:60]!r}")
        with sn.inference_mode():
            logits = self.model(**batch).logits[0]  # (T, V)
            scores, tokens = sn.topk(sn.softmax(logits[places], -1), top_k, dim=-1)
        found = [
            [self._filled(ids, place, *pair) for pair in zip(*row)]
            for place, row in zip(places, zip(tokens.tolist(), scores.tolist()))
        ]
        return found[0] if len(found) == 1 else found

    def _filled(self, ids: list[int], place: int, token: int, score: float) -> Filled:
        text = self.tokenizer.decode([*ids[:place], token, *ids[place + 1 :]])
        word = self.tokenizer.decode([token], skip_special_tokens=False).strip()
        return Filled(word, score, text)


# -- text classification -------------------------------------------------------------------------
class TextClassification(_TextPipeline):
    """The classes of texts: softmax over the outputs, or a sigmoid of each where classes may meet."""

    def __call__(
        self, texts: str | Sequence[str] | Sequence[tuple[str, str]], *, top_k: int = 1
    ) -> Any:
        """top_k ``Label`` for a text, best first, or for a list of texts (or pairs) a list of them."""
        if top_k < 1:
            raise OptionError(f"TextClassification: top_k is {top_k}, want at least 1")
        one = isinstance(texts, str)
        every: list[Any] = [texts] if one else list(texts)
        lengths = [len(t) if isinstance(t, str) else sum(map(len, t)) for t in every]
        found: list[Any] = [None] * len(every)
        for places in length_sorted_batches(lengths, max_tokens=MAX_TOKENS):
            for place, row in zip(places, self._batch([every[n] for n in places], top_k)):
                found[place] = row
        return found[0] if one else found

    def _batch(self, texts: list[Any], top_k: int) -> list[list[Label]]:
        with sn.inference_mode():
            scores = self._scores(self.model(**self._encoded(texts)).logits)  # (N, K)
        names = self._names(scores.shape[1])
        values, places = sn.topk(scores, min(top_k, scores.shape[1]), dim=1)
        return [
            [Label(names[place], score) for place, score in zip(*row)]
            for row in zip(places.tolist(), values.tolist())
        ]

    def _scores(self, logits: Tensor) -> Tensor:
        several = self.model.config.problem_type == "multi_label_classification"
        return sn.sigmoid(logits) if several or logits.shape[1] == 1 else sn.softmax(logits, 1)


# -- text generation -----------------------------------------------------------------------------
class TextGeneration(_TextPipeline):
    """Text that goes on from a prompt, the likeliest token after the other or drawn by chance."""

    def __call__(
        self,
        prompts: str | Sequence[str],
        *,
        max_new_tokens: int = 50,
        do_sample: bool = False,
        temperature: float = 1.0,
        top_k: int | None = 50,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        include_prompt: bool = True,
        generator: Any = None,
    ) -> Any:
        """The text for a prompt, or those for a list of prompts; options as in ``model.generate``."""
        many, one = _one_or_many(prompts, "TextGeneration")
        texts = []
        for prompt in many:
            ids = self._encoded(prompt, truncation=False)["input_ids"]
            if not ids.shape[1]:
                raise OptionError("TextGeneration: the prompt is empty")
            new = self.model.generate(
                ids,
                max_new_tokens=max_new_tokens,
                do_sample=do_sample,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                repetition_penalty=repetition_penalty,
                generator=generator,
            )
            found = self.tokenizer.decode(new[0, ids.shape[1] :].tolist())
            texts.append(prompt + found if include_prompt else found)
        return texts[0] if one else texts
