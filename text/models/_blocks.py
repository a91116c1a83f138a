"""What attention models share: activations by name, masks, attention over heads.

Source: Vaswani et al. (2017), "Attention is all you need". Letters: N texts, T tokens, S keys,
H heads, E embedding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import sensorium as sn
from sensorium import nn
from sensorium.errors import OptionError, ShapeError
from sensorium.jit import is_tracing
from sensorium.nn import functional as F, init
from sensorium.nn.fused import ACTIVATIONS as CORE_ACTIVATIONS, linear_act
from sensorium.tensor import Tensor


# -- activations ---------------------------------------------------------------------------------
def _quick_gelu(x: Tensor) -> Tensor:
    return x * sn.sigmoid(1.702 * x)


FUSED = {  # names as in config.json -> the core's, which joins them to the product before
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    **{name: CORE_ACTIVATIONS[same] for name, same in FUSED.items()},
    "quick_gelu": _quick_gelu,
}


def check_activation(name: str, option: str) -> None:
    """``OptionError``, with the names there are, for an activation that is not one of them."""
    if name not in ACTIVATIONS:
        raise OptionError(f"{option} is one of {sorted(ACTIVATIONS)}, got {name!r}")


def dense(x: Tensor, layer: nn.Module, activation: str) -> Tensor:
    """activation(layer(x)), as one step where the core can.

    >>> dense(sn.tensor([[-1.0, 2.0]]), nn.Identity(), "relu")
    tensor([[0., 2.]])
    """
    if activation in FUSED:
        return linear_act(x, layer, FUSED[activation])
    return ACTIVATIONS[activation](layer(x))


def add_dense(residual: Tensor, x: Tensor, layer: nn.Linear, dropout: nn.Dropout) -> Tensor:
    """residual + dropout(layer(x)), as one step where nothing is dropped."""
    if (dropout.training and dropout.p) or dropout._hooks:
        return residual + dropout(layer(x))
    return linear_act(x, layer, residual=residual)


class Conv1D(nn.Module):
    """y = x weight + bias with weight (inputs, outputs): a linear layer as GPT-2 stores it.

    >>> import sensorium as sn
    >>> Conv1D(3, 2)(sn.ones(1, 4, 2)).shape
    sensorium.Size([1, 4, 3])
    """

    def __init__(self, outputs: int, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(init.normal_(sn.empty(inputs, outputs), std=0.02))
        self.bias = nn.Parameter(init.zeros_(sn.empty(outputs)))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.t(), self.bias)


# -- masks ---------------------------------------------------------------------------------------
def additive_mask(attention_mask: Tensor | None, x: Tensor) -> Tensor | None:
    """What is added to the scores, for all layers at once; None where nothing is hidden.

    attention_mask (N, S) or (N, T, S) is 0 where a key is hidden. (N or 1, H or 1, T, S): booleans
    likewise, floats are added as they are.

    >>> additive_mask(sn.tensor([[1, 0]]), sn.zeros(1, 2, 4)).tolist()
    [[[[0.0, -inf]]]]
    """
    if attention_mask is None or _hides_nothing(attention_mask):
        return None
    if attention_mask.ndim == 4 and attention_mask.is_floating_point():
        return attention_mask.to(x.dtype)
    return as_added(sn.ne(_four_dims(attention_mask), 0), x)


def causal_mask(attention_mask: Tensor | None, x: Tensor, past: int = 0) -> Tensor | None:
    """``additive_mask`` for tokens x (N, T, E) that see what came before: keys 0 .. past + t.

    attention_mask (N, past + T) hides further keys.

    >>> causal_mask(None, sn.zeros(1, 2, 4)).tolist()
    [[[[0.0, -inf], [0.0, 0.0]]]]
    """
    length = x.shape[1]
    known = additive_mask(attention_mask, x)
    if known is not None and known.shape[-1] != past + length:
        raise ShapeError(
            f"attention_mask is for {known.shape[-1]} tokens, but there are {past + length}"
        )
    if length == 1:  # the last token sees all
        return known
    seen = sn.ones(length, past + length, dtype=sn.bool, device=x.device).tril(past)
    causal = as_added(seen[None, None], x)
    return causal if known is None else causal + known


def as_added(seen: Tensor, x: Tensor) -> Tensor:
    """0 where seen, -inf elsewhere, of x's type."""
    return sn.where(seen, 0.0, -math.inf).to(x.dtype)


def _hides_nothing(mask: Tensor) -> bool:
    """Whether every key is seen; told only on the CPU, a GPU would have to be waited for."""
    if is_tracing() or mask.ndim == 4 or mask.is_cuda:
        return False
    return bool(mask.array.all())


def _four_dims(mask: Tensor) -> Tensor:
    if mask.ndim == 2:
        return mask[:, None, None]  # (N, 1, 1, S)
    if mask.ndim == 3:
        return mask[:, None]  # (N, 1, T, S)
    if mask.ndim != 4:
        raise ShapeError(f"attention_mask is (N, S), (N, T, S) or 4-D, got {tuple(mask.shape)}")
    return mask


# -- attention -----------------------------------------------------------------------------------
def split_heads(x: Tensor, heads: int) -> Tensor:
    """(N, T, E) -> (N, H, T, E / H), without a copy."""
    n, length, size = x.shape
    return x.view(n, length, heads, size // heads).transpose(1, 2)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    dropout: nn.Dropout,
    scale: float | None = None,
) -> Tensor:
    """Attention of query on key and value, all (N, H, *, E / H), heads joined: (N, T, E)."""
    p = dropout.p if dropout.training else 0.0
    y = F.scaled_dot_product_attention(query, key, value, mask, p, scale=scale)  # (N, H, T, E / H)
    n, heads, length, size = y.shape
    return y.transpose(1, 2).reshape(n, length, heads * size)


def run_layers(
    layers: nn.ModuleList, x: Tensor, mask: Tensor | None, keep: bool, *more: Any
) -> tuple[Tensor, tuple[Tensor, ...] | None]:
    """x (N, T, E) through every layer(x, mask, *more); also, if kept, x and what each returned."""
    kept = [x]
    for layer in layers:
        x = layer(x, mask, *more)
        if keep:
            kept.append(x)
    return x, tuple(kept) if keep else None


# -- what models are given -----------------------------------------------------------------------
def length_of(name: str, input_ids: Tensor | None, inputs_embeds: Tensor | None) -> int:
    """T of input_ids (N, T) or inputs_embeds (N, T, E), of which exactly one is given."""
    if (input_ids is None) == (inputs_embeds is None):
        raise OptionError(f"{name}: give input_ids or inputs_embeds, one of the two")
    given, ndim = (input_ids, 2) if input_ids is not None else (inputs_embeds, 3)
    if given.ndim != ndim:  # type: ignore[union-attr]
        wanted = "input_ids (N, T)" if ndim == 2 else "inputs_embeds (N, T, E)"
        raise ShapeError(f"{name}: wants {wanted}, got {tuple(given.shape)}")  # type: ignore[union-attr]
    return given.shape[1]  # type: ignore[union-attr]


def room_for(name: str, stop: int, table: nn.Embedding, option: str) -> None:
    """``ShapeError`` where positions up to stop go beyond the table of positions."""
    if stop > table.num_embeddings:
        raise ShapeError(
            f"{name}: {stop} positions are needed, {option} is {table.num_embeddings}; truncate "
            "the text"
        )
