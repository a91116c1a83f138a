"""What is read on first use: functions of ``sensorium`` and methods of Tensor, a line a file.

``import sensorium`` reads the files that every program needs. Everything else is named here, with
the file it is in: a name costs a word until somebody uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, NoReturn


class Names(NamedTuple):
    """The names of one file: ``sensorium.f``, ``Tensor.f`` and ``Tensor.f_``."""

    functions: str = ""
    methods: str = ""
    inplace: str = ""


FILES = {
    "_printing": Names("get_printoptions printoptions set_printoptions"),
    "amp.autocast_mode": Names(
        "autocast autocast_decrement_nesting autocast_increment_nesting clear_autocast_cache "
        "get_autocast_dtype is_autocast_cache_enabled is_autocast_enabled set_autocast_cache_enabled "
        "set_autocast_dtype set_autocast_enabled"
    ),
    "amp.grad_scaler": Names("GradScaler"),
    "autograd.anomaly_mode": Names("is_anomaly_check_nan_enabled is_anomaly_enabled"),
    "create_line": Names("linspace logspace scalar_tensor"),
    "dtypes": Names("cdouble cfloat"),
    "facts": Names(
        "dtype e get_default_device inf is_floating_point is_nonzero is_signed is_tensor nan newaxis "
        "numel pi set_default_device",
        "is_nonzero is_signed",
    ),
    "func": Names("vmap"),
    "inplace": Names("fill_ zero_"),
    "interop": Names(
        "asarray from_dlpack frombuffer",
        "__array_interface__ __array_namespace__ __dlpack__ __dlpack_device__ to_device",
    ),
    "jit.compiled": Names("compile"),
    "kinds": Names(
        "is_conj is_neg",
        "is_conj is_cpu is_ipu is_maia is_meta is_mkldnn is_mps is_mtia is_neg is_nested is_quantized "
        "is_sparse is_sparse_csr is_vulkan is_xla is_xpu layout",
    ),
    "legacy": Names(
        "BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor"
        " LongTensor ShortTensor"
    ),
    "limits": Names("finfo iinfo"),
    "linalg": Names("det matrix_exp matrix_power slogdet", "det matrix_exp matrix_power slogdet"),
    "memory": Names(
        "channels_last channels_last_3d contiguous_format empty_permuted empty_strided layout "
        "memory_format preserve_format strided",
        "is_pinned new_empty_strided pin_memory",
    ),
    "nn._inplace": Names("bilinear celu_ relu_ rrelu_ selu_ threshold_"),
    "ops.adaptive": Names("adaptive_avg_pool1d"),
    "ops.avg_pool": Names("avg_pool1d"),
    "ops.conjugates": Names(
        "conj_physical resolve_conj resolve_neg",
        "conj_physical resolve_conj resolve_neg",
        "conj_physical",
    ),
    "ops.conv": Names("conv1d conv2d conv3d"),
    "ops.conv_transpose": Names("conv_transpose1d conv_transpose2d conv_transpose3d"),
    "ops.copies": Names(
        "alias_copy detach_copy expand_copy narrow_copy permute_copy select_copy slice_copy split_copy "
        "split_with_sizes split_with_sizes_copy squeeze_copy t_copy transpose_copy unbind_copy "
        "unfold_copy unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze_copy "
        "view_as_complex_copy view_as_real_copy view_copy",
        "narrow_copy split_with_sizes unsafe_chunk unsafe_split unsafe_split_with_sizes",
    ),
    "ops.diagonals": Names(
        "diag diag_embed diagflat diagonal diagonal_copy diagonal_scatter tril_indices triu_indices",
        "diag diag_embed diagflat diagonal diagonal_scatter fill_diagonal_",
    ),
    "ops.distance": Names("cdist cosine_similarity pairwise_distance pdist"),
    "ops.draws": Names("binomial poisson", "cauchy_ exponential_ geometric_ log_normal_"),
    "ops.gelus": Names("erf", "erf", "erf"),
    "ops.hashing": Names("hash_tensor", "hash_tensor"),
    "ops.histogram": Names("bincount histc histogram histogramdd", "bincount histc histogram"),
    "ops.inplace_views": Names(
        "",
        "apply_ map2_ map_ resize_ resize_as_ squeeze_ swapaxes_ swapdims_ t_ transpose_ unsqueeze_",
    ),
    "ops.layer_norms": Names("rms_norm"),
    "ops.linalg_lapack": Names(
        "geqrf lu lu_solve orgqr ormqr triangular_solve",
        "geqrf lu lu_solve orgqr ormqr triangular_solve",
    ),
    "ops.linalg_legacy": Names(
        "cholesky cholesky_inverse cholesky_solve cross inverse logdet lu_unpack pinverse qr svd vdot",
        "cholesky cholesky_inverse cholesky_solve cross inverse logdet pinverse qr svd vdot",
    ),
    "ops.linalg_products": Names("chain_matmul trace", "trace"),
    "ops.lowrank": Names("pca_lowrank svd_lowrank"),
    "ops.max_pool": Names("max_pool1d max_pool2d max_pool3d"),
    "ops.memory_facts": Names(
        "get_device is_same_size",
        "get_device is_same_size is_set_to ndimension storage_offset",
    ),
    "ops.named_products": Names("ger", "ger"),
    "ops.native_calls": Names(
        "constant_pad_nd grid_sampler_2d grid_sampler_3d native_batch_norm native_channel_shuffle "
        "native_group_norm native_layer_norm"
    ),
    "ops.pairwise": Names(
        "clamp_max clamp_min copysign float_power fmax fmin frexp gcd heaviside hypot lcm ldexp "
        "logaddexp2 nextafter",
        "__rdiv__ clamp_max clamp_min copysign float_power fmax fmin frexp gcd heaviside hypot lcm "
        "ldexp logaddexp2 nextafter",
        "clamp_max clamp_min copysign float_power gcd heaviside hypot lcm ldexp nextafter",
    ),
    "ops.pixel": Names("channel_shuffle pixel_shuffle pixel_unshuffle"),
    "ops.predicates": Names("isneginf isposinf isreal signbit", "isneginf isposinf isreal signbit"),
    "ops.quantiles": Names(
        "kthvalue median mode msort nanmedian nanquantile quantile",
        "kthvalue median mode msort nanmedian nanquantile quantile",
    ),
    "ops.rectifier": Names("celu prelu rrelu selu", "prelu"),
    "ops.running": Names("cummax cummin logcumsumexp", "cummax cummin logcumsumexp"),
    "ops.scatter": Names(
        "fill index_copy index_fill masked_scatter put select_scatter slice_scatter",
        "index_copy index_fill masked_scatter put select_scatter slice_scatter",
        "index_copy index_fill masked_scatter put",
    ),
    "ops.scatter_reduce": Names(
        "index_reduce scatter_reduce", "index_reduce scatter_reduce", "index_reduce scatter_reduce"
    ),
    "ops.search": Names(
        "bucketize isin searchsorted unique unique_consecutive", "unique unique_consecutive"
    ),
    "ops.shifts": Names(
        "bitwise_left_shift bitwise_right_shift",
        "bitwise_left_shift bitwise_right_shift",
        "bitwise_left_shift bitwise_right_shift",
    ),
    "ops.shrink": Names("hardshrink threshold", "hardshrink"),
    "ops.sliding": Names("adjoint", "H adjoint mH unfold"),
    "ops.special_gamma": Names("lgamma mvlgamma", "lgamma mvlgamma", "lgamma mvlgamma"),
    "ops.special_gammainc": Names("igamma igammac", "igamma igammac", "igamma igammac"),
    "ops.spectral": Names("istft stft", "istft stft"),
    "ops.statistics": Names(
        "corrcoef cov cumulative_trapezoid dist gradient renorm trapezoid trapz",
        "corrcoef cov dist renorm",
        "renorm",
    ),
    "ops.strided": Names(
        "as_strided as_strided_copy as_strided_scatter", "as_strided as_strided_scatter"
    ),
    "ops.toplevel": Names(
        "adaptive_max_pool1d affine_grid_generator alpha_dropout alpha_dropout_ batch_norm convolution "
        "dropout dropout_ embedding embedding_renorm_ feature_alpha_dropout feature_alpha_dropout_ "
        "feature_dropout feature_dropout_ grid_sampler group_norm instance_norm layer_norm"
    ),
    "ops.toplevel_losses": Names(
        "binary_cross_entropy_with_logits cosine_embedding_loss ctc_loss hinge_embedding_loss kl_div "
        "margin_ranking_loss poisson_nll_loss triplet_margin_loss"
    ),
    "ops.tuples": Names(
        "argwhere block_diag cartesian_prod combinations fliplr flipud nonzero_static tensordot "
        "unravel_index vander",
        "argwhere fliplr flipud nonzero_static sum_to_size",
    ),
    "ops.turned": Names("", "polygamma where", "polygamma"),
    "ops.with_indices": Names("conv_tbc max_pool1d_with_indices"),
    "serialization": Names("load save"),
    "settings": Names(
        "are_deterministic_algorithms_enabled get_deterministic_debug_mode get_float32_matmul_precision "
        "get_num_interop_threads is_deterministic_algorithms_warn_only_enabled is_warn_always_enabled "
        "set_deterministic_debug_mode set_float32_matmul_precision set_flush_denormal "
        "set_num_interop_threads set_warn_always typename use_deterministic_algorithms"
    ),
    "special": Names(
        "digamma erfc erfinv i0 logit polygamma sinc xlogy",
        "digamma erfc erfinv i0 logit sinc xlogy",
        "digamma erfc erfinv i0 logit sinc xlogy",
    ),
    "utils.dlpack": Names("to_dlpack"),
}


def _by_name(column: int) -> dict[str, str]:
    return {name: file for file, names in FILES.items() for name in names[column].split()}


FUNCTIONS, METHODS, INPLACE = map(_by_name, range(3))


def absent(owner: str, known: Callable[[], Iterable[str]]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` that refuses a name and says which known one is nearest.

    >>> absent("zoo", lambda: ["lion", "zebra"])("loin")
    Traceback (most recent call last):
    ...
    AttributeError: module 'zoo' has no attribute 'loin'; did you mean 'lion'?
    """

    def __getattr__(name: str) -> NoReturn:
        raise AttributeError(f"module {owner!r} has no attribute {name!r}{_hint(name, known)}")

    return __getattr__


def _hint(name: str, known: Callable[[], Iterable[str]]) -> str:
    if name.startswith("_"):  # what Python and other libraries probe for
        return ""
    from difflib import get_close_matches

    near = get_close_matches(name, known(), 1, 0.7)
    return f"; did you mean {near[0]!r}?" if near else ""
