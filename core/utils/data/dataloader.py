"""sensorium.utils.data.dataloader: PyTorch's module path; a table of contents."""

from ...data import (
    DataLoader,
    default_collate,
    get_worker_info,
)

__all__ = ["DataLoader", "default_collate", "get_worker_info"]
