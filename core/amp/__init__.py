"""sensorium.amp: automatic mixed precision.

    autocast            products and convolutions in bfloat16 or float16, delicate ops in float32
    GradScaler          keeps small float16 gradients from vanishing; skips steps that overflowed
    custom_fwd, custom_bwd      for the two halves of an ``autograd.Function``
    is_autocast_available       whether a kind of device has autocast

Follows ``torch.amp``.
"""

from .autocast_mode import (
    autocast as autocast,
    custom_bwd as custom_bwd,
    custom_fwd as custom_fwd,
    is_autocast_available as is_autocast_available,
)
from .grad_scaler import GradScaler as GradScaler
