"""sensorium.signal: signal processing; its windows (``torch.signal``)."""

from . import windows as windows

__all__ = ["windows"]
