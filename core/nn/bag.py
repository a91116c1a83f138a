"""EmbeddingBag: the sum, mean or maximum of rows of a table, bag by bag.

Follows ``torch.nn.EmbeddingBag``; gradients are dense, with sparse=True too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import create
from ..errors import OutOfBoundsError, ShapeError
from ..inplace import wrote
from ..tensor import Tensor
from . import functional as F
from .init import normal_
from .module import Module
from .parameter import Parameter


class EmbeddingBag(Module):
    """The sum, mean or max of weight[i] over the i of every bag: (bags, items) -> (bags, E).

    weight (V, E) starts normal; the row padding_idx is zero and does not count.

    >>> import sensorium as sn
    >>> sn.nn.EmbeddingBag(10, 4, mode="sum")(sn.tensor([[1, 2], [3, 4], [5, 6]])).shape
    sensorium.Size([3, 4])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (num_embeddings, embedding_dim)
        self.num_embeddings, self.embedding_dim = shape
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.mode, self.sparse = scale_grad_by_freq, mode, sparse
        self.include_last_offset = include_last_offset
        self.padding_idx = _row(padding_idx, num_embeddings)
        if _weight is not None and tuple(_weight.shape) != shape:
            raise ShapeError(f"EmbeddingBag: weight must be {shape}, got {tuple(_weight.shape)}")
        weight = create.empty(*shape, device=device, dtype=dtype) if _weight is None else _weight
        self.weight = Parameter(weight)
        if _weight is None:
            self.reset_parameters()

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """An EmbeddingBag with this weight (V, E), not trained unless freeze=False.

        >>> import sensorium as sn
        >>> bag = sn.nn.EmbeddingBag.from_pretrained(sn.tensor([[1.0], [2.0]]))
        >>> bag(sn.tensor([[0, 1]]))
        tensor([[1.5000]])
        """
        if embeddings.ndim != 2:
            raise ShapeError(f"EmbeddingBag: weight must be (V, E), got {tuple(embeddings.shape)}")
        rows, columns = embeddings.shape
        made = cls(
            rows, columns, max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings,
            include_last_offset, padding_idx,
        )  # fmt: skip
        made.weight.requires_grad = not freeze
        return made

    def reset_parameters(self) -> None:
        """Draw weight anew."""
        normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.array[self.padding_idx] = np.array(0, self.weight.dtype)
            wrote(self.weight)

    def forward(
        self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Any = None
    ) -> Tensor:
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq,
            self.mode, self.sparse, per_sample_weights, self.include_last_offset,
            self.padding_idx,
        )  # fmt: skip

    def extra_repr(self) -> str:
        facts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        if self.max_norm is not None:
            facts.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            facts.append(f"norm_type={self.norm_type}")
        if self.scale_grad_by_freq:
            facts.append(f"scale_grad_by_freq={self.scale_grad_by_freq}")
        facts.append(f"mode={self.mode!r}")
        if self.padding_idx is not None:
            facts.append(f"padding_idx={self.padding_idx}")
        return ", ".join(facts)


def _row(padding_idx: int | None, rows: int) -> int | None:
    """padding_idx counted from the front."""
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise OutOfBoundsError(
            f"EmbeddingBag: padding_idx {padding_idx} is out of range for {rows} rows"
        )
    return None if padding_idx is None else padding_idx % rows
