"""LinearCrossEntropyLoss: the last layer of a classifier and its loss, without all logits at once."""

from __future__ import annotations

import math
from typing import Any

from ..errors import OutOfBoundsError, ShapeError
from ..ops.linear_entropy import LinearCrossEntropyOptions, linear_cross_entropy
from ..tensor import Tensor
from .linear import Linear
from .loss import _WeightedLoss


class LinearCrossEntropyLoss(_WeightedLoss):
    """``CrossEntropyLoss`` of a ``Linear`` layer's output, for in_features and num_classes.

    out_features (d, ...): logits (N, K, d, ...) for targets (N, d, ...). options: take the rows in
    chunks, which saves the memory of the logits.

    >>> import sensorium as sn
    >>> loss = sn.nn.LinearCrossEntropyLoss(5, 10)
    >>> loss(sn.ones(2, 5), sn.tensor([0, 9])).shape
    sensorium.Size([])
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        name = "LinearCrossEntropyLoss"
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise ShapeError(f"{name}: want weight ({num_classes},), got {tuple(weight.shape)}")
        if not 0 <= label_smoothing <= 1:
            raise OutOfBoundsError(
                f"{name}: label_smoothing must lie in [0, 1], got {label_smoothing}"
            )
        super().__init__(weight, reduction=reduction)
        self.num_classes, self.out_features = num_classes, tuple(out_features)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        total = math.prod(self.out_features, start=num_classes)
        self.linear = Linear(in_features, total, bias=bias, device=device, dtype=dtype)
        self.options = options

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        shape, bias = (self.num_classes, *self.out_features), self.linear.bias
        return linear_cross_entropy(
            input,
            self.linear.weight.reshape(*shape, self.linear.in_features),
            target,
            linear_bias=None if bias is None else bias.reshape(*shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )
