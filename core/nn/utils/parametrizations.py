"""Ready parametrizations: weight_norm, spectral_norm and orthogonal.

Keys and formulas follow ``torch.nn.utils.parametrizations``.
"""

from __future__ import annotations

from typing import Any

from ... import create
from ...autograd import no_grad
from ...errors import OptionError, OutOfBoundsError, ShapeError
from ...tensor import Tensor
from ..conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from .parametrize import register_parametrization


# -- weight norm -----------------------------------------------------------------------------------
class _WeightNorm(Module):
    """w = g v / |v|, the norm taken over all dimensions but one (-1: over all)."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / self._norm(weight_v))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return self._norm(weight), weight

    def _norm(self, v: Tensor) -> Tensor:
        if self.dim == -1:
            return (v * v).sum().sqrt()
        others = tuple(d for d in range(v.ndim) if d != self.dim)
        return (v * v).sum(others, keepdim=True).sqrt() if others else v.abs()


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """w = g v / |v|: length and direction as parameters original0 and original1; returns module.

    The norm is taken for every index of dim, over the rest; dim=None (or -1): over all. Loads state
    dicts of the older form too, with keys weight_g and weight_v. Salimans and Kingma 2016.

    >>> import sensorium as sn
    >>> layer = weight_norm(sn.nn.Linear(2, 3))
    >>> layer.parametrizations.weight.original0.shape, layer.weight.shape
    (sensorium.Size([3, 1]), sensorium.Size([3, 2]))
    """
    weight = _named_tensor("weight_norm", module, name)
    if dim is not None and not -1 <= dim < weight.ndim:
        raise OutOfBoundsError(
            f"weight_norm: dim must lie in -1 to {weight.ndim - 1} for shape {tuple(weight.shape)}, "
            f"got {dim}"
        )
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(
        _module: Any, state: dict[str, Any], prefix: str, *_rest: Any
    ) -> None:  # the arguments of a load hook
        if f"{prefix}{name}_g" in state and f"{prefix}{name}_v" in state:
            for i, part in enumerate("gv"):
                new = f"{prefix}parametrizations.{name}.original{i}"
                state[new] = state.pop(f"{prefix}{name}_{part}")

    module.register_load_state_dict_pre_hook(rename)
    return module


def _named_tensor(function: str, module: Module, name: str) -> Tensor:
    found = getattr(module, name, None)
    if not isinstance(found, Tensor):
        raise OptionError(
            f"{function}: {type(module).__name__} has no parameter or buffer {name!r}"
        )
    return found


# -- spectral norm ---------------------------------------------------------------------------------
class _SpectralNorm(Module):
    """W / sigma(W), with sigma = u^T W v by power iteration on u and v, kept between calls."""

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise OutOfBoundsError(
                f"spectral_norm: dim {dim} is out of range for shape {tuple(weight.shape)}"
            )
        if n_power_iterations <= 0:
            raise OptionError(
                f"spectral_norm: n_power_iterations must be positive, got {n_power_iterations}"
            )
        self.dim, self.eps = dim % weight.ndim, eps
        if weight.ndim == 1:
            return
        self.n_power_iterations = n_power_iterations
        matrix = self._matrix(weight.detach())
        for key, size in zip(("_u", "_v"), matrix.shape):
            start = create.empty(size, dtype=matrix.dtype, device=matrix.device).normal_()
            self.register_buffer(key, _unit(start, eps))
        self._iterate(matrix, 15)

    def _matrix(self, weight: Tensor) -> Tensor:
        """weight with dim as rows and all else as columns."""
        if self.dim != 0:
            weight = weight.permute(self.dim, *(d for d in range(weight.ndim) if d != self.dim))
        return weight.flatten(1)

    def _iterate(self, matrix: Tensor, times: int) -> None:
        with no_grad():
            for _ in range(times):
                self._u.copy_(_unit(matrix.mv(self._v), self.eps))
                self._v.copy_(_unit(matrix.T.mv(self._u), self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return _unit(weight, self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix.detach(), self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # the next iteration writes to the buffers
        return weight / u.dot(matrix.mv(v))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def _unit(x: Tensor, eps: float) -> Tensor:
    """x / max(|x|, eps)."""
    return x / (x * x).sum().sqrt().clamp(min=eps)


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """W / sigma(W), the largest singular value of W becoming 1; returns module.

    sigma is estimated by power iteration, n_power_iterations of it each time the weight is read in
    training mode. dim is what the rows of the matrix are: 1 for transposed convolutions, else 0.
    Miyato et al. 2018.

    >>> import sensorium as sn
    >>> layer = spectral_norm(sn.nn.Linear(4, 4))
    >>> sorted(layer.state_dict())[1:]  # doctest: +NORMALIZE_WHITESPACE
    ['parametrizations.weight.0._u', 'parametrizations.weight.0._v',
     'parametrizations.weight.original']
    """
    weight = _named_tensor("spectral_norm", module, name)
    if dim is None:
        dim = int(isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)))
    return register_parametrization(
        module, name, _SpectralNorm(weight, n_power_iterations, dim, eps)
    )


# -- orthogonal matrices ---------------------------------------------------------------------------
_MAPS = ("matrix_exp", "cayley", "householder")


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Keep name's matrices orthogonal (unitary if complex): Q^H Q = I, or Q Q^H if wide; returns module.

    orthogonal_map: "matrix_exp", "cayley" or "householder"; None: matrix_exp for square or complex
    ones, else householder. use_trivialization: see ``_Orthogonal``; without it only the householder
    map lets the tensor be assigned.

    >>> import sensorium as sn
    >>> q = orthogonal(sn.nn.Linear(3, 5)).weight
    >>> sn.allclose(q.T @ q, sn.eye(3), atol=1e-5)
    True
    """
    weight = _named_tensor("orthogonal", module, name)
    if weight.ndim < 2:
        raise ShapeError(
            f"orthogonal: want a matrix or a batch of them, got shape {tuple(weight.shape)}"
        )
    if orthogonal_map is None:
        plain = weight.shape[-2] == weight.shape[-1] or weight.is_complex()
        orthogonal_map = "matrix_exp" if plain else "householder"
    if orthogonal_map not in _MAPS:
        raise OptionError(
            f"orthogonal: orthogonal_map must be one of {_MAPS}, got {orthogonal_map!r}"
        )
    from ._orthogonal import _Orthogonal  # with linear algebra, which few programs need

    made = _Orthogonal(weight, orthogonal_map, bool(use_trivialization))
    return register_parametrization(module, name, made, unsafe=True)
