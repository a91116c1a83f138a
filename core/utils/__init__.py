"""sensorium.utils: PyTorch's module paths for what lives elsewhere here; a table of contents."""

from . import benchmark as benchmark, checkpoint as checkpoint, data as data, dlpack as dlpack
