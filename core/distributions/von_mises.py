"""The von Mises distribution on the circle."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from .. import ops
from ..device import CPU, move
from ..generator import source_of
from ..ops.special_bessel import i0e, i1e
from ..tensor import Tensor, wrap
from . import constraints
from .distribution import NONE, Distribution
from .utils import all_numbers, broadcast_all


class VonMises(Distribution):
    """exp(concentration cos(x - loc)) / (2 pi I0(concentration)), x an angle in [-pi, pi).

    >>> VonMises(0.0, 1.0).variance
    tensor(0.5536)
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real,
        "concentration": constraints.positive,
    }
    support = constraints.real
    has_rsample = False

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        shape = NONE if all_numbers(loc, concentration) else self.loc.shape
        super().__init__(shape, validate_args=validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        """k cos(x - loc) - log(2 pi) - log I0(k), k = concentration."""
        if self._validate_args:
            self._validate_sample(value)
        k = self.concentration
        return k * (ops.cos(value - self.loc) - 1) - math.log(2 * math.pi) - ops.log(i0e(k))

    def sample(self, sample_shape: Any = NONE) -> Tensor:
        """Draws by rejection from a wrapped Cauchy distribution (Best and Fisher, 1979)."""
        shape = tuple(self._extended_shape(sample_shape))
        loc, k = (
            np.broadcast_to(move(v.array, CPU).astype(np.float64), shape).reshape(-1)
            for v in (self.loc, self.concentration)
        )
        turned = (_angles(k) + loc + math.pi) % (2 * math.pi) - math.pi
        drawn = wrap(np.asarray(turned.reshape(shape)).astype(self.loc.dtype))
        return drawn.to(self.loc.device)

    @property
    def mean(self) -> Tensor:
        """loc, the mean direction."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """1 - I1(k) / I0(k): that of a direction."""
        return 1 - i1e(self.concentration) / i0e(self.concentration)


def _angles(k: np.ndarray) -> np.ndarray:
    """Angles around 0 of concentrations k, a vector."""
    source = source_of(None)
    tau = 1 + np.sqrt(1 + 4 * k * k)
    rho = (tau - np.sqrt(2 * tau)) / (2 * np.maximum(k, 1e-300))
    small = k < 1e-5  # where rho loses its digits: its series
    r = np.where(
        small, 1 / np.maximum(k, 1e-300) + k, (1 + rho * rho) / (2 * np.maximum(rho, 1e-300))
    )
    found, left = np.empty_like(k), np.arange(k.size)
    while left.size:
        u1, u2, u3 = source.random((3, left.size))
        z = np.cos(math.pi * u1)
        f = (1 + r[left] * z) / (r[left] + z)
        c = k[left] * (r[left] - f)
        with np.errstate(divide="ignore"):
            kept = (c * (2 - c) > u2) | (np.log(c / u2) + 1 - c >= 0)
        found[left[kept]] = (np.sign(u3 - 0.5) * np.arccos(np.clip(f, -1, 1)))[kept]
        left = left[~kept]
    return found
