"""Softmax over very many classes: frequent ones in a head, rare ones in clusters of smaller width.

Source: Grave et al., "Efficient softmax approximation for GPUs" (2016). The head has the classes
below the first cutoff and one output for each cluster; a cluster projects to a narrower space first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..create import zeros
from ..errors import OptionError, OutOfBoundsError, ShapeError
from ..tensor import Tensor, wrap
from . import functional as F
from .containers import ModuleList, Sequential
from .linear import Linear
from .module import Module


class ASMoutput(NamedTuple):
    """The log-probability of each target, and the mean of their negatives."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """log p(target) by a head and clusters: input (N, E) or (E), target (N) or ().

    cutoffs are the increasing first classes of the clusters; cluster i has width E / div_value**i,
    i from 1. Classes must be sorted by how often they occur, the most frequent first.

    >>> import sensorium as sn
    >>> layer = sn.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10])
    >>> layer.log_prob(sn.ones(2, 8)).shape
    sensorium.Size([2, 20])
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        ends = [*_checked_cutoffs(cutoffs, n_classes), n_classes]
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, ends
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = ends[0], len(ends) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(pairwise(ends)):
            width = int(in_features // (div_value ** (i + 1)))
            self.tail.append(
                Sequential(
                    Linear(in_features, width, False, device, dtype),
                    Linear(width, high - low, False, device, dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for narrow, wide in self.tail:
            narrow.reset_parameters()
            wide.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> ASMoutput:
        if target_.ndim > 1 or input_.ndim != target_.ndim + 1:
            raise _misfit(input_, target_)
        single = target_.ndim == 0
        input = input_.reshape(1, -1) if single else input_
        labels = target_.array.reshape(-1)
        if input.shape[0] != labels.shape[0]:
            raise _misfit(input_, target_)
        output = self._log_prob_of(input, self._checked(labels))
        loss = (-output).mean()
        return ASMoutput(output.reshape(()) if single else output, loss)

    def _checked(self, labels: Any) -> Any:
        if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) < self.n_classes:
            raise OutOfBoundsError(
                f"AdaptiveLogSoftmaxWithLoss: targets must lie in [0, {self.n_classes - 1}], got "
                f"values from {int(labels.min())} to {int(labels.max())}"
            )
        return labels

    def _log_prob_of(self, input: Tensor, labels: Any) -> Tensor:
        """log p(label) (N): that of the head's class or cluster, and that within the cluster."""
        column = labels.copy()
        inside: Any = zeros(labels.shape[0], dtype=input.dtype, device=input.device)
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            (rows,) = ((labels >= low) & (labels < high)).nonzero()
            if not rows.size:
                continue
            column[rows] = self.shortlist_size + i
            logp = F.log_softmax(self.tail[i](ops.index_select(input, 0, rows)), 1)
            picked = ops.gather(logp, 1, (labels[rows] - low)[:, None])
            inside = ops.index_add(inside, 0, rows, picked.squeeze(1))
        head = F.log_softmax(self.head(input), 1)
        return inside + ops.gather(head, 1, column[:, None]).squeeze(1)

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: (N, E) -> (N, K)."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            parent = head[:, self.shortlist_size + i].unsqueeze(1)
            parts.append(F.log_softmax(cluster(input), 1) + parent)
        return ops.cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row: (N, E) -> (N); clusters are evaluated if they lead."""
        found = ops.argmax(self.head(input), 1)
        (rest,) = (found.array >= self.shortlist_size).nonzero()
        if not rest.size:
            return found
        chosen = found.array.copy()
        chosen[rest] = ops.argmax(self.log_prob(ops.index_select(input, 0, rest)), 1).array
        return wrap(chosen)


def _misfit(input: Tensor, target: Tensor) -> ShapeError:
    return ShapeError(
        "AdaptiveLogSoftmaxWithLoss: want input (N, E) and target (N), or (E) and (), got "
        f"{tuple(input.shape)} and {tuple(target.shape)}"
    )


def _checked_cutoffs(cutoffs: Sequence[int], n_classes: int) -> list[int]:
    found = list(cutoffs)
    whole = all(int(c) == c for c in found)
    inside = all(0 < c < n_classes for c in found)
    if not found or not whole or not inside or list(np.unique(found)) != found:
        raise OptionError(
            "AdaptiveLogSoftmaxWithLoss: cutoffs must be increasing integers from 1 to n_classes - 1 "
            f"= {n_classes - 1}, got {found}"
        )
    return found
