"""weight_norm and spectral_norm as forward pre-hooks: the older forms, with their older keys.

``parametrizations`` has the newer ones. Follows ``torch.nn.utils.weight_norm`` and ``spectral_norm``;
left out: state dicts of spectral_norm from before PyTorch 1.0.
"""

from __future__ import annotations

from typing import Any

from ... import create
from ...autograd import no_grad
from ...errors import OpError, OptionError
from ...tensor import Tensor
from .._hooks import PRE
from .._registry import PARAMETER
from ..conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from ..parameter import Parameter, UninitializedParameter
from .parametrizations import _unit, _WeightNorm


def _hook_of(function: str, module: Module, kind: Any, name: str) -> tuple[int, Any]:
    """The key and the hook of this kind for a tensor."""
    for key, hook in module._hooks.items():
        found: Any = hook.call
        if hook.kind == PRE and isinstance(found, kind) and found.name == name:
            return key, found
    raise OptionError(f"{function}: {type(module).__name__} has none for {name!r}")


def _taken(function: str, module: Module, kind: Any, name: str) -> Any:
    """The parameter name, taken out of module; refused if it is none or has such a hook."""
    calls: list[Any] = [hook.call for hook in module._hooks.values()]
    if any(isinstance(call, kind) and call.name == name for call in calls):
        raise OpError(f"{function}: {type(module).__name__}.{name} has one already")
    weight = getattr(module, name, None)
    if module._kinds.get(name) != PARAMETER or weight is None:
        raise OptionError(f"{function}: {type(module).__name__} has no parameter {name!r}")
    if isinstance(weight, UninitializedParameter):
        raise OptionError(f"{function}: {name!r} has no shape yet: call the module once first")
    delattr(module, name)
    return weight


# -- weight norm -----------------------------------------------------------------------------------
class WeightNorm:
    """The hook that makes the weight from ``name_g`` and ``name_v`` before every forward."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, -1 if dim is None else dim
        self.formula = _WeightNorm(dim)

    def compute_weight(self, module: Module) -> Tensor:
        """g v / |v|."""
        return self.formula(getattr(module, self.name + "_g"), getattr(module, self.name + "_v"))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """w = g v / |v| with parameters ``name_g`` and ``name_v``; returns module.

    ``parametrizations.weight_norm`` is the newer form. dim: the norm is taken over all others; None:
    over all.

    >>> import sensorium as sn
    >>> sorted(sn.nn.utils.weight_norm(sn.nn.Linear(2, 3)).state_dict())
    ['bias', 'weight_g', 'weight_v']
    """
    weight = _taken("weight_norm", module, WeightNorm, name)
    hook = WeightNorm(name, dim)
    module.register_parameter(name + "_g", Parameter(hook.formula._norm(weight.detach())))
    module.register_parameter(name + "_v", Parameter(weight.detach()))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight an ordinary parameter again; returns module."""
    key, hook = _hook_of("remove_weight_norm", module, WeightNorm, name)
    value = hook.compute_weight(module).detach()
    for gone in (name, name + "_g", name + "_v"):
        delattr(module, gone)
    module.register_parameter(name, Parameter(value))
    del module._hooks[key]
    return module


# -- spectral norm ---------------------------------------------------------------------------------
class SpectralNorm:
    """The hook that divides ``name_orig`` by its largest singular value before every forward."""

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if n_power_iterations <= 0:
            raise OptionError(
                f"spectral_norm: n_power_iterations must be positive, got {n_power_iterations}"
            )
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def matrix(self, weight: Tensor) -> Tensor:
        """weight with dim as rows and all else as columns."""
        if self.dim:
            weight = weight.permute(self.dim, *(d for d in range(weight.ndim) if d != self.dim))
        return weight.reshape(weight.shape[0], -1)

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """W / (u^T W v), after the iterations that bring u and v nearer."""
        weight, u, v = (getattr(module, self.name + end) for end in ("_orig", "_u", "_v"))
        matrix = self.matrix(weight)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(_unit(matrix.T.mv(u), self.eps))
                    u.copy_(_unit(matrix.mv(v), self.eps))
            u, v = u.clone(), v.clone()  # the next iteration writes to the buffers
        return weight / u.dot(matrix.mv(v))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """W / sigma(W) with the parameter ``name_orig`` and buffers ``name_u``, ``name_v``; returns module.

    ``parametrizations.spectral_norm`` is the newer form, and says what the arguments are.

    >>> import sensorium as sn
    >>> sorted(sn.nn.utils.spectral_norm(sn.nn.Linear(2, 3)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if dim is None:
        dim = int(isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)))
    hook = SpectralNorm(name, n_power_iterations, dim, eps)
    weight = _taken("spectral_norm", module, SpectralNorm, name)
    module.register_parameter(name + "_orig", weight)
    setattr(module, name, weight.detach())
    for end, size in zip(("_u", "_v"), hook.matrix(weight.detach()).shape):
        start = create.empty(size, dtype=weight.dtype, device=weight.device).normal_()
        module.register_buffer(name + end, _unit(start, eps))
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight an ordinary parameter again; returns module."""
    key, hook = _hook_of("remove_spectral_norm", module, SpectralNorm, name)
    value = hook.compute_weight(module, False).detach()
    for end in ("", "_orig", "_u", "_v"):
        delattr(module, name + end)
    module.register_parameter(name, Parameter(value))
    del module._hooks[key]
    return module
