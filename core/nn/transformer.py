"""TransformerEncoderLayer, TransformerDecoderLayer, stacks of them, and the whole Transformer.

Source: Vaswani et al. (2017), "Attention is all you need"; norm_first: Xiong et al. (2020). Follows
``torch.nn.modules.transformer``: in masks True means may **not** attend. Deviations: there are no
nested tensors, so ``enable_nested_tensor`` and ``mask_check`` change nothing and padded places keep
the values of their computation; ``is_causal=None`` uses the mask as it is, which gives the same.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from .. import create
from ..errors import OptionError, ShapeError
from ..tensor import Tensor
from . import functional as F
from .containers import ModuleList
from .dropout import Dropout
from .fused import linear_act
from .init import xavier_uniform_
from .linear import Linear
from .module import Module
from .multihead import MultiheadAttention
from .norm import LayerNorm

Activation = Callable[[Tensor], Tensor]


def _activation(name: str, activation: str | Activation) -> Activation:
    """ "relu" or "gelu" as its function; a function as it is."""
    if not isinstance(activation, str):
        return activation
    known: dict[str, Activation] = {"relu": F.relu, "gelu": F.gelu}
    if activation not in known:
        raise OptionError(
            f"{name}: activation must be 'relu', 'gelu' or a function, got {activation!r}"
        )
    return known[activation]


# -- layers ----------------------------------------------------------------------------------------
class _Layer(Module):
    """Self-attention and feed-forward: what encoder and decoder layers share."""

    _attentions: tuple[str, ...]

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        make = {"device": device, "dtype": dtype}
        blocks = range(1, len(self._attentions) + 2)
        for name in self._attentions:
            attention = MultiheadAttention(
                d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, **make
            )
            self.add_module(name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **make)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **make)
        self.norm_first = norm_first
        for i in blocks:
            self.add_module(f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias, **make))
        for i in blocks:
            self.add_module(f"dropout{i}", Dropout(dropout))
        self.activation = _activation(type(self).__name__, activation)

    def _sublayer(self, x: Tensor, norm: Module, block: Callable[[Tensor], Tensor]) -> Tensor:
        """x + block(x), normalised before the block or after the sum."""
        return x + block(norm(x)) if self.norm_first else norm(x + block(x))

    def _sa_block(self, x: Tensor, mask: Any, padding: Any, is_causal: bool) -> Tensor:
        return self.dropout1(self._attend(self.self_attn, x, x, mask, padding, is_causal))

    def _attend(
        self, attention: Module, x: Tensor, to: Tensor, mask: Any, padding: Any, is_causal: bool
    ) -> Tensor:
        return attention(
            x, to, to, attn_mask=mask, key_padding_mask=padding, need_weights=False,
            is_causal=is_causal,
        )[0]  # fmt: skip

    def _ff_block(self, x: Tensor) -> Tensor:
        if self.activation is F.relu or self.activation is F.gelu:
            x = linear_act(x, self.linear1, "relu" if self.activation is F.relu else "gelu")
        else:
            x = self.activation(self.linear1(x))
        last = self.dropout3 if len(self._attentions) == 2 else self.dropout2
        return last(self.linear2(self.dropout(x)))


class TransformerEncoderLayer(_Layer):
    """x = norm(x + attention(x)), then x = norm(x + linear2(activation(linear1(x)))).

    src (T, N, E), with batch_first (N, T, E), or (T, E) -> the same. norm_first: x + f(norm(x))
    instead. src_mask (T, T) or (N heads, T, T), src_key_padding_mask (N, T): True where a place may
    not be attended to, or numbers to add to the scores.

    >>> import sensorium as sn
    >>> layer = sn.nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> layer(sn.ones(3, 5, 8)).shape
    sensorium.Size([3, 5, 8])
    """

    _attentions = ("self_attn",)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """The layer's output. is_causal: src_mask is the causal one."""

        def attend(x: Tensor) -> Tensor:
            return self._sa_block(x, src_mask, src_key_padding_mask, is_causal)

        x = self._sublayer(src, self.norm1, attend)
        return self._sublayer(x, self.norm2, self._ff_block)


class TransformerDecoderLayer(_Layer):
    """Self-attention over tgt, attention from tgt to memory, feed-forward; each added and normalised.

    tgt (T, N, E), memory (S, N, E), or with batch_first N first, or both without N -> as tgt. Masks
    as in ``TransformerEncoderLayer``; memory_mask is (T, S) or (N heads, T, S).

    >>> import sensorium as sn
    >>> layer = sn.nn.TransformerDecoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> layer(sn.ones(3, 5, 8), sn.ones(3, 7, 8)).shape
    sensorium.Size([3, 5, 8])
    """

    _attentions = ("self_attn", "multihead_attn")

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The layer's output. *_is_causal: that mask is the causal one."""

        def attend(x: Tensor) -> Tensor:
            return self._sa_block(x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)

        def look(x: Tensor) -> Tensor:
            return self._mha_block(
                x, memory, memory_mask, memory_key_padding_mask, memory_is_causal
            )

        x = self._sublayer(tgt, self.norm1, attend)
        x = self._sublayer(x, self.norm2, look)
        return self._sublayer(x, self.norm3, self._ff_block)

    def _mha_block(
        self, x: Tensor, memory: Tensor, mask: Any, padding: Any, is_causal: bool
    ) -> Tensor:
        y = self._attend(self.multihead_attn, x, memory, mask, padding, is_causal)
        return self.dropout2(y)


# -- stacks ----------------------------------------------------------------------------------------
class _Stack(Module):
    def _hold(self, layer: Module, num_layers: int, norm: Module | None) -> None:
        """Copies of layer, which start alike, and a norm after the last."""
        self.layers = ModuleList([copy.deepcopy(layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm


class TransformerEncoder(_Stack):
    """num_layers copies of encoder_layer, one after another, then norm.

    The copies start with the same values. Shapes and masks: ``TransformerEncoderLayer``.

    >>> import sensorium as sn
    >>> layer = sn.nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> sn.nn.TransformerEncoder(layer, 2)(sn.ones(3, 5, 8)).shape
    sensorium.Size([3, 5, 8])
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self._hold(encoder_layer, num_layers, norm)
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """The last layer's output, normalised. is_causal: mask is the causal one."""
        for layer in self.layers:
            src = layer(
                src, src_mask=mask, src_key_padding_mask=src_key_padding_mask,
                is_causal=bool(is_causal),
            )  # fmt: skip
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(_Stack):
    """num_layers copies of decoder_layer, one after another, then norm.

    The copies start with the same values. Shapes and masks: ``TransformerDecoderLayer``.

    >>> import sensorium as sn
    >>> layer = sn.nn.TransformerDecoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> sn.nn.TransformerDecoder(layer, 2)(sn.ones(3, 5, 8), sn.ones(3, 7, 8)).shape
    sensorium.Size([3, 5, 8])
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self._hold(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The last layer's output, normalised. *_is_causal: that mask is the causal one."""
        for layer in self.layers:
            tgt = layer(
                tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal), memory_is_causal=memory_is_causal,
            )  # fmt: skip
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """decoder(tgt, encoder(src)): the encoder-decoder network of the paper, without embeddings.

    src (S, N, E) and tgt (T, N, E), with batch_first N first, or both without N -> as tgt. All
    weight matrices start by Xavier's uniform rule.

    >>> import sensorium as sn
    >>> net = sn.nn.Transformer(8, 2, 1, 1, dim_feedforward=16, batch_first=True)
    >>> net(sn.ones(3, 5, 8), sn.ones(3, 4, 8), tgt_mask=net.generate_square_subsequent_mask(4)).shape
    sensorium.Size([3, 4, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        make = {"device": device, "dtype": dtype}
        layer = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias, device, dtype,
        )  # fmt: skip
        if custom_encoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, **make)
            one = TransformerEncoderLayer(*layer)
            custom_encoder = TransformerEncoder(one, num_encoder_layers, norm)
        if custom_decoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, **make)
            custom_decoder = TransformerDecoder(
                TransformerDecoderLayer(*layer), num_decoder_layers, norm
            )
        self.encoder, self.decoder = custom_encoder, custom_decoder
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        """Draw all weight matrices anew."""
        for p in self.parameters():
            if p.ndim > 1:
                xavier_uniform_(p)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The decoder's output. *_is_causal: that mask is the causal one."""
        self._check(src, tgt)
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        return self.decoder(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal, memory_is_causal=memory_is_causal,
        )  # fmt: skip

    def _check(self, src: Tensor, tgt: Tensor) -> None:
        batch = 0 if self.batch_first else 1
        shapes = f"src {tuple(src.shape)}, tgt {tuple(tgt.shape)}"
        if src.ndim != tgt.ndim or (src.ndim == 3 and src.shape[batch] != tgt.shape[batch]):
            raise ShapeError(f"Transformer: src and tgt must have one batch size, got {shapes}")
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise ShapeError(
                f"Transformer: src and tgt must have d_model={self.d_model} numbers a place, got "
                f"{shapes}"
            )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The causal mask (sz, sz): 0 where the key is not after the query, -inf elsewhere.

        >>> Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        never = create.full((sz, sz), -math.inf, device=device, dtype=dtype)
        return create.triu(never, diagonal=1)
