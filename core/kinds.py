"""What kind of tensor it is: questions whose answer is nearly always the same here.

There are dense tensors in the memory of the CPU or of a GPU; nothing sparse, quantized, nested or lazy,
and no views that conjugate or negate when read.
"""

from __future__ import annotations

from typing import Any

from .memory import strided
from .tensor import Tensor


def _always(value: Any, what: str) -> Any:
    return property(lambda self: value, doc=what)


is_cpu = property(
    lambda self: self.device.type == "cpu", doc="Whether it lies in the CPU's memory."
)
layout = _always(strided, "``strided``, the only layout there is.")
is_sparse = is_sparse_csr = _always(False, "False: there are no sparse tensors.")
is_quantized = _always(False, "False: there are no quantized tensors.")
is_nested = _always(False, "False: there are no nested tensors.")
is_meta = _always(False, "False: every tensor has memory.")
is_mkldnn = is_mps = is_xpu = is_ipu = is_xla = is_vulkan = is_maia = is_mtia = _always(
    False, "False: a tensor lies on the CPU or on an NVIDIA GPU."
)


def is_conj(input: Tensor) -> bool:
    """False: ``conj`` of a tensor computes.

    >>> import sensorium as sn
    >>> sn.is_conj(sn.ones(1, dtype=sn.complex64).conj())
    False
    """
    return False


def is_neg(input: Tensor) -> bool:
    """False: ``imag`` of a conjugate computes."""
    return False
