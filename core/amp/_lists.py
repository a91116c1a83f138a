"""Which ops autocast runs in which type: PyTorch's lists ("Autocast Op Reference"), by our names.

Ops that are not here run in the type of their inputs. A name is looked up in ``sensorium``, in
``sensorium.nn.functional`` or, dotted, in ``linalg``, ``fft``, ``ops`` and ``Tensor``; a name of PyTorch's
that is not here is passed over. In-place forms and calls with ``out=`` are not cast. A recurrent
layer (``nn.LSTM``) casts its products but keeps its state, and so its result, in the type of its
input; PyTorch's oneDNN kernel for LSTM and RNN returns the lower type.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

LOWER = "lower"  # cast to the lower type
FLOAT32 = "float32"  # the lower types cast to float32
WIDEST = "widest"  # all to the widest there is
REFUSED = "refused"
KEPT = "kept"  # as they come: made of listed ops here, but not in PyTorch
WITHIN = "within"  # computed in float32, the result in the type of the first input
ROUNDED = "rounded"  # computed in float32, the result in the lower type

_FFT = "fft ifft fft2 ifft2 fftn ifftn rfft irfft rfft2 irfft2 rfftn irfftn hfft ihfft"
_LINALG = """
    cond matrix_rank solve cholesky cholesky_ex svdvals eigvals eigvalsh eigh inv inv_ex
    householder_product tensorinv tensorsolve qr svd eig lstsq
"""

CPU = {
    LOWER: """
        addbmm addmm baddbmm bmm conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d
        conv_transpose3d linalg.vecdot linear matmul mm prelu scaled_dot_product_attention
    """,
    FLOAT32: """
        adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d binary_cross_entropy
        binary_cross_entropy_with_logits cdist cholesky cholesky_inverse cholesky_solve
        cosine_embedding_loss cross_entropy ctc_loss fractional_max_pool2d fractional_max_pool3d geqrf grid_sample
        hinge_embedding_loss huber_loss inverse kl_div l1_loss lu lu_solve margin_ranking_loss
        max_pool3d max_unpool1d max_unpool2d max_unpool3d mse_loss multi_margin_loss multilabel_margin_loss
        nanquantile nll_loss orgqr ormqr pad pinverse poisson_nll_loss polar prod qr quantile
        smooth_l1_loss soft_margin_loss stft svd trace triangular_solve triplet_margin_loss
        view_as_complex
    """
    + " ".join(f"fft.{name}" for name in _FFT.split())
    + " "
    + " ".join(f"linalg.{name}" for name in _LINALG.split()),
    WIDEST: "cat concat concatenate stack index_copy",
    KEPT: """
        Tensor.addbmm_ Tensor.addmm_ Tensor.baddbmm_ adaptive_avg_pool1d adaptive_avg_pool2d bilinear
        dot inner linalg.lu_solve mv tensordot vdot
    """,
    WITHIN: "batch_norm group_norm instance_norm layer_norm ops.batch_norm_relu rms_norm",
    ROUNDED: "ops.conv_norm_act ops.linear_act",
}

CUDA = {
    LOWER: """
        addbmm addmm addmv addr baddbmm bmm chain_matmul conv1d conv2d conv3d conv_tbc
        conv_transpose1d conv_transpose2d conv_transpose3d einsum linalg.multi_dot linalg.vecdot linear
        matmul mm mv prelu scaled_dot_product_attention
    """,
    FLOAT32: """
        acos asin binary_cross_entropy_with_logits cdist cosh cosine_embedding_loss cosine_similarity
        cross_entropy cumprod cumsum dist erfinv exp expm1 group_norm hinge_embedding_loss kl_div
        l1_loss layer_norm log log10 log1p log2 log_softmax logsumexp margin_ranking_loss mse_loss
        multi_margin_loss multilabel_margin_loss nll_loss norm normalize pdist poisson_nll_loss pow
        prod reciprocal renorm rsqrt sinh smooth_l1_loss soft_margin_loss softmax softmin softplus sum
        tan triplet_margin_loss
    """,
    WIDEST: """
        addcdiv addcmul atan2 bilinear cat concat concatenate cross dot grid_sample index_put
        scatter_add stack tensordot
    """,
    REFUSED: "binary_cross_entropy",
    KEPT: "Tensor.addbmm_ Tensor.addmm_ Tensor.addmv_ Tensor.addr_ Tensor.baddbmm_",
}


def _mode_of(args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    return args[2] if len(args) > 2 else options.get("mode", "constant")


def _indices(args: tuple[Any, ...], options: dict[str, Any]) -> bool:
    return bool(args[6] if len(args) > 6 else options.get("return_indices", False))


def _tensordot_to_a_number(args: tuple[Any, ...], options: dict[str, Any]) -> bool:
    """Whether nothing but one product is left, which PyTorch computes as a sum."""
    a, b = args[:2]
    dims = args[2] if len(args) > 2 else options.get("dims", 2)
    contracted = (
        a.shape[a.ndim - dims :] if isinstance(dims, int) else [a.shape[d] for d in dims[0]]
    )
    return bool(math.prod(contracted) == a.numel() == b.numel())


ONLY: dict[str, Callable[[tuple[Any, ...], dict[str, Any]], bool]] = {
    "inner": lambda args, options: len(args) < 2 or args[0].ndim == args[1].ndim == 1,
    "max_pool3d": lambda args, options: not _indices(args, options),
    "pad": lambda args, options: _mode_of(args, options) in ("reflect", "replicate"),
    "tensordot": lambda args, options: len(args) > 1 and _tensordot_to_a_number(args, options),
}
"""Calls that are cast, where not all of an op's are."""


def policies() -> dict[str, dict[str, str]]:
    """{name: {kind of device: what is done there}}."""
    found: dict[str, dict[str, str]] = {}
    for device, lists in (("cpu", CPU), ("cuda", CUDA)):
        for policy, names in lists.items():
            for name in names.split():
                found.setdefault(name, {})[device] = policy
    return found
