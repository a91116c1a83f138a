"""MultiheadAttention: the module that holds the projections of several attentions.

Follows ``torch.nn.MultiheadAttention``, names and start included; the computation is in
``sensorium.ops.multihead``.
"""

from __future__ import annotations

from typing import Any

from .. import create
from ..errors import OptionError
from ..ops.multihead import Heads, attend, check_embed
from ..tensor import Tensor
from .init import constant_, xavier_normal_, xavier_uniform_
from .linear import NonDynamicallyQuantizableLinear
from .module import Module
from .parameter import Parameter

SEPARATE = ("q_proj_weight", "k_proj_weight", "v_proj_weight")


class MultiheadAttention(Module):
    """concat(head_1, ..., head_h) out_proj^T, head_i = attention(query Wq_i, key Wk_i, value Wv_i).

    query (L, N, E), key (S, N, kdim), value (S, N, vdim), with batch_first N comes first, or all
    without N -> output shaped as query, and weights (N, L, S). key_padding_mask (N, S) and attn_mask
    (L, S) or (N heads, L, S): True where a query may not attend, or numbers to add to the scores.
    add_bias_kv: one more key and value, learnt; add_zero_attn: one more of zeros. Source: Vaswani et
    al. (2017).

    >>> import sensorium as sn
    >>> attention = sn.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> y, weights = attention(sn.ones(3, 4, 8), sn.ones(3, 5, 8), sn.ones(3, 5, 8))
    >>> y.shape, weights.shape
    (sensorium.Size([3, 4, 8]), sensorium.Size([3, 4, 5]))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        _check(embed_dim, num_heads)
        super().__init__()
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first, self.add_zero_attn = batch_first, add_zero_attn
        self.head_dim = embed_dim // num_heads
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        make = {"device": device, "dtype": dtype}
        sizes = (embed_dim, self.kdim, self.vdim)
        for name, size in zip(SEPARATE, sizes):
            shape = None if self._qkv_same_embed_dim else (embed_dim, size)
            self._reserve(name, shape, make)
        packed = (3 * embed_dim, embed_dim) if self._qkv_same_embed_dim else None
        self._reserve("in_proj_weight", packed, make)
        self._reserve("in_proj_bias", (3 * embed_dim,) if bias else None, make)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, **make)
        for name in ("bias_k", "bias_v"):
            self._reserve(name, (1, 1, embed_dim) if add_bias_kv else None, make)
        self._reset_parameters()

    def _reserve(self, name: str, shape: tuple[int, ...] | None, make: dict[str, Any]) -> None:
        """A parameter of this shape, or its name alone."""
        parameter = None if shape is None else Parameter(create.empty(*shape, **make))
        self.register_parameter(name, parameter)

    def _reset_parameters(self) -> None:
        """Draw the weights anew: Xavier's uniform start, biases 0, bias_k and bias_v normal."""
        for name in ("in_proj_weight", *SEPARATE):
            weight = getattr(self, name)
            if weight is not None:
                xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            constant_(self.in_proj_bias, 0.0)
            constant_(self.out_proj.bias, 0.0)
        if self.bias_k is not None:
            xavier_normal_(self.bias_k)
            xavier_normal_(self.bias_v)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The output, and the attention weights if need_weights. is_causal: what attn_mask is."""
        check_embed(query, self.embed_dim)
        weight = self.in_proj_weight
        if weight is None:
            weight = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        heads = Heads(
            self.num_heads, weight, self.in_proj_bias, self.out_proj.weight, self.out_proj.bias,
            self.bias_k, self.bias_v, self.add_zero_attn,
        )  # fmt: skip
        return attend(
            query, key, value, heads, key_padding_mask, attn_mask,
            dropout_p=self.dropout if self.training else 0.0, need_weights=need_weights,
            average=average_attn_weights, is_causal=is_causal, batch=0 if self.batch_first else 1,
        )  # fmt: skip


def _check(embed_dim: int, num_heads: int) -> None:
    if embed_dim <= 0 or num_heads <= 0:
        raise OptionError(
            f"MultiheadAttention: embed_dim and num_heads must be positive, got {embed_dim} and "
            f"{num_heads}"
        )
    if embed_dim % num_heads:
        raise OptionError(
            f"MultiheadAttention: embed_dim must be a multiple of num_heads, got {embed_dim} and "
            f"{num_heads}"
        )
