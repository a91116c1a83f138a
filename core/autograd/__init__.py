"""sensorium.autograd: recording operations and differentiating what they computed."""

from .mode import (
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    is_grad_enabled as is_grad_enabled,
    is_inference_mode_enabled as is_inference_mode_enabled,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
)


def __getattr__(name: str) -> object:  # the engine needs Tensor, which needs this package
    if name in ("backward", "grad"):
        from . import engine

        return getattr(engine, name)
    if name in ("Function", "once_differentiable"):
        from . import function

        return getattr(function, name)
    if name in ("gradcheck", "gradgradcheck", "GradcheckError"):
        from . import checks

        return getattr(checks, name)
    raise AttributeError(f"module 'sensorium.autograd' has no attribute {name!r}")
