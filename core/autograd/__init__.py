"""sensorium.autograd: recording operations and differentiating what they computed."""

from .mode import (
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    is_grad_enabled as is_grad_enabled,
    is_inference_mode_enabled as is_inference_mode_enabled,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
)

_LAZY = {  # the engine needs Tensor, which needs this package
    "backward": "engine",
    "grad": "engine",
    "Function": "function",
    "once_differentiable": "function",
    "gradcheck": "checks",
    "gradgradcheck": "checks",
    "GradcheckError": "checks",
    "detect_anomaly": "anomaly_mode",
    "set_detect_anomaly": "anomaly_mode",
    "is_anomaly_enabled": "anomaly_mode",
    "is_anomaly_check_nan_enabled": "anomaly_mode",
}
_MODULES = ("anomaly_mode", "functional", "function", "graph")


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
