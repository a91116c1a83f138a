"""Embedding: a table of vectors, looked up by number.

Left out: sparse gradients and scale_grad_by_freq; their arguments are there, and must be False.
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


class Embedding(Module):
    """weight[input]: the row of weight (V, E) for every integer of input (*) -> (*, E).

    weight starts normal; the row padding_idx is zero and stays so. max_norm shrinks the rows that are
    looked up to that norm, in place.

    >>> import sensorium as sn
    >>> sn.nn.Embedding(10, 4, padding_idx=0)(sn.tensor([[1, 2, 0]])).shape
    sensorium.Size([1, 3, 4])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if scale_grad_by_freq or sparse:
            raise ValueError(
                "Embedding: scale_grad_by_freq and sparse must be False: gradients are dense"
            )
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = _row(padding_idx, num_embeddings)
        self.max_norm, self.norm_type = max_norm, norm_type
        shape = (num_embeddings, embedding_dim)
        if _weight is not None and tuple(_weight.shape) != shape:
            raise ShapeError(f"Embedding: weight must be {shape}, got {tuple(_weight.shape)}")
        weight = create.empty(*shape, device=device, dtype=dtype) if _weight is None else _weight
        self.weight = Parameter(weight, requires_grad=not _freeze)
        if _weight is None:
            self.reset_parameters()

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
    ) -> Embedding:
        """An Embedding with this weight (V, E), not trained unless freeze=False.

        >>> import sensorium as sn
        >>> sn.nn.Embedding.from_pretrained(sn.tensor([[1.0], [2.0]]))(sn.tensor([1]))
        tensor([[2.]])
        """
        if embeddings.ndim != 2:
            raise ShapeError(f"Embedding: weight must be (V, E), got {tuple(embeddings.shape)}")
        rows, columns = embeddings.shape
        return cls(
            rows, columns, padding_idx, max_norm, norm_type, _weight=embeddings, _freeze=freeze
        )

    def reset_parameters(self) -> None:
        """Draw weight anew."""
        normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.array[self.padding_idx] = np.array(0, self.weight.dtype)
            wrote(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type)

    def extra_repr(self) -> str:
        facts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        if self.padding_idx is not None:
            facts.append(f"padding_idx={self.padding_idx}")
        if self.max_norm is not None:
            facts.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            facts.append(f"norm_type={self.norm_type}")
        return ", ".join(facts)


def _row(padding_idx: int | None, rows: int) -> int | None:
    """padding_idx counted from the front."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise OutOfBoundsError(
            f"Embedding: padding_idx {padding_idx} is out of range for {rows} rows"
        )
    return padding_idx % rows
