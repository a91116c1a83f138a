"""sensorium.utils: PyTorch's module paths for what lives elsewhere here; a table of contents."""

from . import data as data
