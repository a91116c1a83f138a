"""sensorium.utils: PyTorch's module paths for what lives elsewhere here; a table of contents."""

from . import checkpoint as checkpoint, data as data, dlpack as dlpack
