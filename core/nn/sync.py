"""SyncBatchNorm in one process: what it is in PyTorch when no process group was started."""

from __future__ import annotations

from typing import Any

from ..errors import OptionError
from ..tensor import Tensor
from .module import Module
from .norm import _BatchNorm


class SyncBatchNorm(_BatchNorm):
    """Batch norm over (N, C, ...) of any dimensions; statistics are those of this process's batch.

    There are no process groups here, so there is nobody to share statistics with: programs that
    convert their layers for several GPUs run, and compute what ``BatchNorm`` computes.

    >>> import sensorium as sn
    >>> sn.nn.SyncBatchNorm(3)(sn.zeros(2, 3, 4)).shape
    sensorium.Size([2, 3, 4])
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        if process_group is not None:
            raise OptionError(
                f"SyncBatchNorm: there are no process groups here, got {process_group!r}"
            )
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = process_group

    def _check_rank(self, input: Tensor) -> None:
        """Two dimensions or more: ``_ranks`` is empty, so that this is always asked."""
        if input.ndim < 2:
            raise OptionError(f"SyncBatchNorm: want (N, C, ...), got {tuple(input.shape)}")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """module with every batch norm in it, itself perhaps, as one of these with the same state."""
        converted = module
        if isinstance(module, _BatchNorm):
            n, eps, momentum = module.num_features, module.eps, module.momentum
            converted = cls(n, eps, momentum, module.affine, module.track_running_stats)
            converted._parameters.update(module._parameters)
            converted._buffers.update(module._buffers)
            converted.train(module.training)
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted
