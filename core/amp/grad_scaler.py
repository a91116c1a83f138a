"""GradScaler: loss times scale, gradients divided by it; the scale follows what float16 can hold.

    found inf or nan    the step is skipped, scale <- scale * backoff_factor
    growth_interval steps without any       scale <- scale * growth_factor

Micikevicius et al., "Mixed Precision Training" (ICLR 2018), section 3.2. Follows
``torch.amp.GradScaler``; misuse that is an AssertionError there is an OpError here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..dtypes import float16
from ..errors import DeviceError, DTypeError, OpError, OptionError
from ..inplace import wrote
from ..tensor import Tensor

_READY, _UNSCALED, _STEPPED = "ready", "unscaled", "stepped"


class _Progress:
    """How far an optimizer is since the last ``update``, and whether its gradients were finite."""

    def __init__(self) -> None:
        self.stage = _READY
        self.found_inf: bool | None = None


class GradScaler:
    """Scales losses so that float16 gradients do not vanish; skips steps whose gradients overflow.

        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    enabled False: everything passes through. device "cuda" without CUDA is disabled, with a warning.

    >>> import sensorium as sn
    >>> w = sn.ones(1, requires_grad=True)
    >>> optimizer, scaler = sn.optim.SGD([w], lr=0.5), GradScaler("cpu", init_scale=4.0)
    >>> scaler.scale(w.sum()).backward()
    >>> w.grad
    tensor([4.])
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> w, scaler.get_scale()
    (tensor([0.5000], requires_grad=True), 4.0)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device, self._enabled = device, enabled and _usable(device)
        if self._enabled and growth_factor <= 1.0:
            raise OptionError(f"GradScaler: growth_factor must be above 1, got {growth_factor}")
        if self._enabled and backoff_factor >= 1.0:
            raise OptionError(f"GradScaler: backoff_factor must be below 1, got {backoff_factor}")
        self._scale, self._used = np.float32(init_scale), False
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval, self._tracker = growth_interval, 0
        self._progress: dict[int, _Progress] = {}

    # -- a step ----------------------------------------------------------------------------------
    def scale(self, outputs: Any) -> Any:
        """outputs (a tensor, or a list or tuple of what may be scaled) times the scale."""
        if not self._enabled:
            return outputs
        self._used = True
        if isinstance(outputs, Tensor):
            return outputs * Tensor.new_tensor(outputs, self._scale, dtype=np.float32)  # type: ignore[attr-defined]
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(value) for value in outputs)
        if isinstance(outputs, Iterable) and not isinstance(outputs, (str, bytes)):
            return map(self.scale, outputs)
        raise OptionError(f"GradScaler.scale: want tensors, got {type(outputs).__name__}")

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients by the scale now, say to clip them; ``step`` then does not."""
        if not self._enabled:
            return
        self._check_used("unscale_")
        progress = self._of(optimizer)
        if progress.stage == _UNSCALED:
            raise OpError("GradScaler.unscale_: was already called since the last update()")
        if progress.stage == _STEPPED:
            raise OpError("GradScaler.unscale_: is called after step()")
        inverse = np.float32(1.0 / np.float64(self._scale))
        params = [p for group in optimizer.param_groups for p in group["params"]]
        grads = [p.grad for p in params if p.grad is not None]
        for grad in grads:
            if grad.dtype == float16:
                raise DTypeError("GradScaler.unscale_: gradients are float16; keep weights float32")
        found = [_unscaled(g, inverse) for g in grads]
        progress.found_inf = any(found) if found else None
        progress.stage = _UNSCALED

    def step(self, optimizer: Any, closure: Callable[[], Any] | None = None) -> Any:
        """``optimizer.step()`` on unscaled gradients, or nothing if one of them is inf or nan.

        Returns what it returns. A closure cannot be had with scaling.
        """
        if not self._enabled:
            return optimizer.step() if closure is None else optimizer.step(closure)
        if closure is not None:
            raise OpError("GradScaler.step: a closure cannot be used while scaling is enabled")
        self._check_used("step")
        progress = self._of(optimizer)
        if progress.stage == _STEPPED:
            raise OpError("GradScaler.step: was already called since the last update()")
        if progress.stage == _READY:
            self.unscale_(optimizer)
        if progress.found_inf is None:
            raise OpError("GradScaler.step: no parameter of the optimizer has a gradient")
        result = None if progress.found_inf else optimizer.step()
        progress.stage = _STEPPED
        return result

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Let the scale follow what the steps found, or set it; once after all optimizers' steps."""
        if not self._enabled:
            return
        self._check_used("update")
        if new_scale is not None:
            self._scale = np.float32(_number(new_scale))
        else:
            found = [p.found_inf for p in self._progress.values() if p.found_inf is not None]
            if not found:
                raise OpError(
                    "GradScaler.update: no gradients were checked since the last update()"
                )
            self._follow(any(found))
        self._progress = {}

    def _follow(self, found_inf: bool) -> None:
        if found_inf:
            self._scale, self._tracker = np.float32(self._scale * self._backoff_factor), 0
            return
        self._tracker += 1
        if self._tracker == self._growth_interval:
            with np.errstate(over="ignore"):
                grown = np.float32(self._scale * self._growth_factor)
            self._scale = grown if np.isfinite(grown) else self._scale
            self._tracker = 0

    def _of(self, optimizer: Any) -> _Progress:
        return self._progress.setdefault(id(optimizer), _Progress())

    def _check_used(self, what: str) -> None:
        if not self._used:
            raise OpError(f"GradScaler.{what}: nothing was scaled; call scale(loss) before")

    # -- options ---------------------------------------------------------------------------------
    def get_scale(self) -> float:
        """The scale; 1.0 if disabled."""
        return float(self._scale) if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by after growth_interval good steps."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set it."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after a skipped step."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set it."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many good steps in a row make the scale grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set it."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self._enabled

    # -- state -----------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """Five numbers, as PyTorch's; {} if disabled. To be taken after ``update``."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the numbers of ``state_dict``; nothing if disabled."""
        if not self._enabled:
            return
        if not state_dict:
            raise OpError("GradScaler.load_state_dict: the state is empty, of a disabled scaler")
        self._scale = np.float32(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._tracker = state_dict["_growth_tracker"]

    def __getstate__(self) -> dict[str, Any]:
        if self._progress:
            raise OpError("GradScaler: can be pickled only before an iteration, or after update()")
        return dict(self.__dict__)


def _usable(device: str) -> bool:
    from ..cuda import is_available

    if device not in ("cpu", "cuda"):
        raise DeviceError(f"GradScaler: device must be 'cpu' or 'cuda', got {device!r}")
    if device == "cuda" and not is_available():
        warnings.warn("GradScaler: CUDA is not available: disabled", stacklevel=3)
        return False
    return True


def _unscaled(grad: Tensor, inverse: np.float32) -> bool:
    """Multiply a gradient in place; whether it held inf or nan."""
    array = grad.array
    found = not bool(np.isfinite(array).all())
    with np.errstate(all="ignore"):
        array *= array.dtype.type(inverse)
    wrote(grad)
    return found


def _number(new_scale: float | Tensor) -> float:
    if not isinstance(new_scale, Tensor):
        return float(new_scale)
    if new_scale.numel() != 1 or new_scale.requires_grad:
        raise OptionError(
            f"GradScaler.update: new_scale must be one number without gradient, got shape "
            f"{tuple(new_scale.shape)}, requires_grad={new_scale.requires_grad}"
        )
    return float(new_scale.item())
