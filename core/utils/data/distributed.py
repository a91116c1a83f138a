"""sensorium.utils.data.distributed: PyTorch's module path; a table of contents."""

from ...data.distributed import DistributedSampler

__all__ = ["DistributedSampler"]
