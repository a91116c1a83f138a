"""Normalisation layers: BatchNorm, InstanceNorm, LayerNorm, RMSNorm, GroupNorm.

Follows ``torch.nn.modules.batchnorm``, ``instancenorm`` and ``normalization``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import create
from ..dtypes import int64
from ..errors import OptionError, ShapeError
from ..inplace import wrote
from ..jit.state import is_tracing
from ..tensor import Tensor
from . import functional as F
from ._state import Plan
from .init import ones_, zeros_
from .module import Module
from .parameter import Parameter


class _Tracking(Module):
    """Per-channel weight and bias, running mean and variance: what batch and instance norm share."""

    _version = 2  # 2: num_batches_tracked is part of the state
    _ranks: tuple[int, ...] = ()

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        make = {"device": device, "dtype": dtype}
        track, n = track_running_stats, num_features
        self.register_parameter("weight", Parameter(create.ones(n, **make)) if affine else None)
        zeros = create.zeros(n, **make) if affine and bias else None
        self.register_parameter("bias", None if zeros is None else Parameter(zeros))
        self.register_buffer("running_mean", create.zeros(n, **make) if track else None)
        self.register_buffer("running_var", create.ones(n, **make) if track else None)
        count = create.zeros((), dtype=int64, device=device) if track else None
        self.register_buffer("num_batches_tracked", count)

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batch seen."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and ``reset_running_stats``."""
        self.reset_running_stats()
        _reset_affine(self)

    def _check_rank(self, input: Tensor) -> None:
        if input.ndim not in self._ranks:
            raise ShapeError(
                f"{type(self).__name__}: want {' or '.join(map(str, self._ranks))} dimensions, "
                f"got {input.ndim} (input {tuple(input.shape)})"
            )

    def _plan_load(self, prefix: str, version: int | None, plan: Plan) -> None:
        """States of before version 2 lack num_batches_tracked: it stays as it is."""
        super()._plan_load(prefix, version, plan)
        key = f"{prefix}num_batches_tracked"
        if (version is None or version < 2) and key in plan.missing:
            plan.missing.remove(key)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


# -- batch norm ----------------------------------------------------------------------------------
class _BatchNorm(_Tracking):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        return self.normalise(input, F.batch_norm)

    def normalise(self, input: Tensor, function: Callable[..., Tensor]) -> Tensor:
        """function, which is ``batch_norm`` or does more, with this layer's state."""
        if input.array.ndim not in self._ranks:
            self._check_rank(input)
        mean, var = self.running_mean, self.running_var
        if not self.training and mean is not None:
            return function(input, mean, var, self.weight, self.bias, False, 0.0, self.eps)
        if not self.training or not self.track_running_stats:
            mean = var = None
        if self.eps <= 0:
            raise OptionError(f"batch_norm: eps must be positive in training, got {self.eps}")
        momentum = self._count_batch() if mean is not None else 0.0
        return function(input, mean, var, self.weight, self.bias, True, momentum, self.eps)

    def _count_batch(self) -> float:
        """Note one more batch; the weight it has in the running statistics."""
        count = self.num_batches_tracked
        if count is not None and is_tracing():
            count.add_(1)  # as an op, which costs more
        elif count is not None:
            count.array += 1
            wrote(count)
        if self.momentum is None:  # the plain average of all batches
            return 1.0 / count.item() if count is not None else 0.0
        return self.momentum


class BatchNorm1d(_BatchNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel of (N, C) or (N, C, T).

    In training mean and var are the batch's and the running ones follow them by momentum (None: the
    plain average over all batches); in evaluation the running ones are used. Source: Ioffe and
    Szegedy (2015).

    >>> import sensorium as sn
    >>> sn.nn.BatchNorm1d(1, affine=False)(sn.tensor([[1.0], [3.0]]))
    tensor([[-1.0000],
            [ 1.0000]])
    """

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel of (N, C, H, W).

    >>> import sensorium as sn
    >>> sn.nn.BatchNorm2d(3)(sn.ones(2, 3, 4, 4)).shape
    sensorium.Size([2, 3, 4, 4])
    """

    _ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel of (N, C, D, H, W)."""

    _ranks = (5,)


# -- instance norm -------------------------------------------------------------------------------
class _InstanceNorm(_Tracking):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        self._check_rank(input)
        single = input.ndim == min(self._ranks)  # without a batch dimension
        x = input.unsqueeze(0) if single else input
        if x.shape[1] != self.num_features and self.affine:
            raise ShapeError(
                f"{type(self).__name__}: want {self.num_features} channels, got {x.shape[1]} "
                f"(input {tuple(input.shape)})"
            )
        y = F.instance_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0, self.eps,
        )  # fmt: skip
        return y.squeeze(0) if single else y


class InstanceNorm1d(_InstanceNorm):
    """(x - mean) / sqrt(var + eps) for each sample and channel of (N, C, T) or (C, T)."""

    _ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """(x - mean) / sqrt(var + eps) for each sample and channel of (N, C, H, W) or (C, H, W).

    Source: Ulyanov et al. (2016).
    """

    _ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """(x - mean) / sqrt(var + eps) for each sample and channel of (N, C, D, H, W) or (C, D, H, W)."""

    _ranks = (4, 5)


# -- layer, RMS and group norm -------------------------------------------------------------------
class LayerNorm(Module):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, normalized_shape.

    Source: Ba et al. (2016).

    >>> import sensorium as sn
    >>> sn.nn.LayerNorm(2, elementwise_affine=False)(sn.tensor([[1.0, 3.0]]))
    tensor([[-1.0000,  1.0000]])
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        single = hasattr(normalized_shape, "__index__")
        self.normalized_shape = (int(normalized_shape),) if single else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        make = {"device": device, "dtype": dtype}
        weight = (
            Parameter(create.ones(*self.normalized_shape, **make)) if elementwise_affine else None
        )
        zeros = (
            create.zeros(*self.normalized_shape, **make) if elementwise_affine and bias else None
        )
        self.register_parameter("weight", weight)
        self.register_parameter("bias", None if zeros is None else Parameter(zeros))

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        _reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions, normalized_shape.

    eps is the machine precision of the computation unless given. Source: Zhang and Sennrich (2019).

    >>> import sensorium as sn
    >>> sn.nn.RMSNorm(2, elementwise_affine=False)(sn.tensor([[3.0, 4.0]]))
    tensor([[0.8485, 1.1314]])
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        single = hasattr(normalized_shape, "__index__")
        shape = (int(normalized_shape),) if single else tuple(normalized_shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        ones = create.ones(*shape, device=device, dtype=dtype) if elementwise_affine else None
        self.register_parameter("weight", None if ones is None else Parameter(ones))

    def reset_parameters(self) -> None:
        """Weight 1."""
        if self.weight is not None:
            ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(Module):
    """(x - mean) / sqrt(var + eps) * weight + bias over groups of channels of (N, C, ...).

    Source: Wu and He (2018).

    >>> import sensorium as sn
    >>> sn.nn.GroupNorm(2, 4)(sn.ones(1, 4, 8)).shape
    sensorium.Size([1, 4, 8])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ShapeError(
                f"GroupNorm: num_channels={num_channels} is no multiple of num_groups={num_groups}"
            )
        self.num_groups, self.num_channels, self.eps, self.affine = (
            num_groups,
            num_channels,
            eps,
            affine,
        )
        make = {"device": device, "dtype": dtype}
        weight = Parameter(create.ones(num_channels, **make)) if affine else None
        zeros = create.zeros(num_channels, **make) if affine and bias else None
        self.register_parameter("weight", weight)
        self.register_parameter("bias", None if zeros is None else Parameter(zeros))

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        _reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


def _reset_affine(module: Module) -> None:
    if module.weight is not None:
        ones_(module.weight)
    if module.bias is not None:
        zeros_(module.bias)
