"""Generation with a causal language model: prompts padded on the left, and the cache.

The loop and what it does to logits are in ``sensorium.generation``; here is what feeds the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sensorium as sn
from sensorium import generation
from sensorium.errors import OptionError, ShapeError
from sensorium.generator import Generator
from sensorium.nn.cache import KVCache
from sensorium.tensor import Tensor

from ._model import TextModel


class CausalLM(TextModel):
    """A model of ids (N, T), past_key_values, attention_mask and position_ids that can write on."""

    def generate(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        *,
        max_new_tokens: int = 20,
        min_new_tokens: int = 0,
        do_sample: bool = False,
        temperature: float = 1.0,
        top_k: int | None = 50,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        num_return_sequences: int = 1,
        eos_token_id: int | Sequence[int] | None = None,
        pad_token_id: int | None = None,
        use_cache: bool = True,
        processors: Sequence[generation.Rule] = (),
        generator: Generator | None = None,
    ) -> Tensor:
        """input_ids (N, T) and up to max_new_tokens more: (N * num_return_sequences, T + new).

        attention_mask (N, T) is 0 at padding, which must stand on the left. eos_token_id and
        pad_token_id are the configuration's unless given (a row that ended is filled up with the
        second, else the first). For the other options see ``sensorium.generation.generate``.

        >>> from sensorium.text.models import GPT2LMHeadModel
        >>> model = GPT2LMHeadModel(vocab_size=9, n_embd=8, n_layer=1, n_head=2, eos_token_id=8)
        >>> model.eval().generate(sn.tensor([[1, 2]]), max_new_tokens=3).shape[0]
        1
        """
        ids, mask = self._prompt(input_ids, attention_mask, max_new_tokens)
        if num_return_sequences != 1:
            ids, mask = _repeated(ids, mask, num_return_sequences, do_sample)
        return generation.generate(
            self._step(mask, use_cache),
            ids,
            max_new_tokens=max_new_tokens,
            min_new_tokens=min_new_tokens,
            do_sample=do_sample,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            repetition_penalty=repetition_penalty,
            eos_token_id=self.config.eos_token_id if eos_token_id is None else eos_token_id,
            pad_token_id=self.config.pad_token_id if pad_token_id is None else pad_token_id,
            padding=None if mask is None else sn.eq(mask, 0).sum(1),
            processors=processors,
            generator=generator,
        )

    def _prompt(self, ids: Tensor, mask: Tensor | None, new: int) -> tuple[Tensor, Tensor | None]:
        """ids and their mask, None where nothing is padded; errors for what cannot be continued."""
        name = type(self).__name__
        if ids.ndim != 2:
            raise ShapeError(f"{name}.generate: input_ids are (N, T), got {tuple(ids.shape)}")
        longest = self.config.n_positions
        if ids.shape[1] + new > longest:
            raise OptionError(
                f"{name}.generate: {ids.shape[1]} tokens and max_new_tokens={new} more exceed "
                f"n_positions={longest}"
            )
        if mask is None:
            return ids, None
        if mask.shape != ids.shape:
            raise ShapeError(
                f"{name}.generate: attention_mask {tuple(mask.shape)} does not fit input_ids "
                f"{tuple(ids.shape)}"
            )
        real = sn.ne(mask, 0).long()
        if not real[:, -1].all():
            raise OptionError(f"{name}.generate: a text ends in padding; pad prompts on the left")
        return ids, None if real.all() else real

    def _step(self, prompt: Tensor | None, use_cache: bool) -> generation.Step:
        """The logits after all ids so far; with a cache only the new ones are computed."""
        cache = KVCache(self.config.n_layer) if use_cache else None

        def step(ids: Tensor) -> Tensor:
            start = 0 if cache is None else cache.length
            mask, places = (None, None) if prompt is None else _seen(prompt, ids)
            found = self(
                ids[:, start:],
                past_key_values=cache,
                attention_mask=mask,
                position_ids=None if places is None else places[:, start:],
                logits_to_keep=1,
            )
            return found.logits[:, -1]

        return step


def _seen(prompt: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """The mask (N, T) of all ids, and the position of each, counted without the padding."""
    new = sn.ones(len(ids), ids.shape[1] - prompt.shape[1], dtype=prompt.dtype, device=ids.device)
    mask = sn.cat([prompt, new], 1)
    return mask, (mask.cumsum(1) - 1).clamp(min=0)


def _repeated(ids: Tensor, mask: Any, times: int, do_sample: bool) -> tuple[Tensor, Any]:
    if times < 1 or not do_sample:
        raise OptionError(
            f"generate: num_return_sequences={times} wants do_sample=True (the likeliest is one) "
            "and at least 1"
        )
    again = None if mask is None else mask.repeat_interleave(times, 0)
    return ids.repeat_interleave(times, 0), again
