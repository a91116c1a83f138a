"""LocalResponseNorm: every value divided by what its neighbours in the channels amount to.

Follows ``torch.nn.LocalResponseNorm``. Left out: ``CrossMapLRN2d``, PyTorch's port from Lua, whose
sums keep the first channel too long and whose backward does not.
"""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .module import Module


class LocalResponseNorm(Module):
    """x / (k + alpha mean)^beta, mean: of the squares of size neighbouring channels of (N, C, *).

    >>> import sensorium as sn
    >>> sn.nn.LocalResponseNorm(5)(sn.ones(1, 8, 4, 4)).shape
    sensorium.Size([1, 8, 4, 4])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
