"""sensorium.ops: every operation, a family a file; each op whole in one place (see ``_declare``).

What every program needs is read at once, the rest, layers above all, on first use (``_FILES``).
"""

from __future__ import annotations

from typing import Any

from ._declare import OPS as OPS, op as op
from .activation import (
    elu as elu,
    hardsigmoid as hardsigmoid,
    hardswish as hardswish,
    hardtanh as hardtanh,
    leaky_relu as leaky_relu,
    logsigmoid as logsigmoid,
    relu as relu,
    relu6 as relu6,
    sigmoid as sigmoid,
    silu as silu,
    softplus as softplus,
)
from .arithmetic import (
    add as add,
    div as div,
    floor_divide as floor_divide,
    fmod as fmod,
    maximum as maximum,
    minimum as minimum,
    mul as mul,
    remainder as remainder,
    sub as sub,
    true_divide as true_divide,
    trunc_divide as trunc_divide,
)
from .cast import (
    cast as cast,
    cast_exact as cast_exact,
    clone as clone,
    contiguous as contiguous,
    moved as moved,
    row_major as row_major,
    to_dtype as to_dtype,
)
from .compare import (
    allclose as allclose,
    bitwise_and as bitwise_and,
    bitwise_not as bitwise_not,
    bitwise_or as bitwise_or,
    bitwise_xor as bitwise_xor,
    eq as eq,
    equal as equal,
    ge as ge,
    gt as gt,
    isclose as isclose,
    isfinite as isfinite,
    isinf as isinf,
    isnan as isnan,
    le as le,
    logical_and as logical_and,
    logical_not as logical_not,
    logical_or as logical_or,
    logical_xor as logical_xor,
    lt as lt,
    ne as ne,
)
from .complex import (
    conj as conj,
    imag as imag,
    real as real,
)
from .composite import (
    absolute as absolute,
    addcdiv as addcdiv,
    addcmul as addcmul,
    aminmax as aminmax,
    count_nonzero as count_nonzero,
    deg2rad as deg2rad,
    diff as diff,
    fix as fix,
    frac as frac,
    greater as greater,
    greater_equal as greater_equal,
    lerp as lerp,
    less as less,
    less_equal as less_equal,
    logaddexp as logaddexp,
    moveaxis as moveaxis,
    nan_to_num as nan_to_num,
    nanmean as nanmean,
    negative as negative,
    not_equal as not_equal,
    positive as positive,
    rad2deg as rad2deg,
    rsub as rsub,
    std_mean as std_mean,
    swapaxes as swapaxes,
    swapdims as swapdims,
    take as take,
    take_along_dim as take_along_dim,
    var_mean as var_mean,
)
from .exponential import (
    abs as abs,
    exp as exp,
    exp2 as exp2,
    expm1 as expm1,
    log as log,
    log1p as log1p,
    log2 as log2,
    log10 as log10,
    neg as neg,
    reciprocal as reciprocal,
    rsqrt as rsqrt,
    sgn as sgn,
    sign as sign,
    sqrt as sqrt,
    square as square,
)
from .extremes import (
    all as all,
    amax as amax,
    amin as amin,
    any as any,
)
from .gather import (
    embedding as embedding,
    gather as gather,
    index_add as index_add,
    index_put as index_put,
    index_select as index_select,
    masked_select as masked_select,
    nonzero as nonzero,
    scatter as scatter,
    scatter_add as scatter_add,
)
from .hyperbolic import (
    acos as acos,
    acosh as acosh,
    arccos as arccos,
    arccosh as arccosh,
    arcsin as arcsin,
    arcsinh as arcsinh,
    arctan as arctan,
    arctan2 as arctan2,
    arctanh as arctanh,
    asin as asin,
    asinh as asinh,
    atan2 as atan2,
    atanh as atanh,
    cosh as cosh,
    sinh as sinh,
)
from .index import (
    getitem as getitem,
    narrow as narrow,
    select as select,
)
from .join import (
    cat as cat,
    chunk as chunk,
    flip as flip,
    pad as pad,
    repeat as repeat,
    repeat_interleave as repeat_interleave,
    roll as roll,
    split as split,
    stack as stack,
    tile as tile,
    unbind as unbind,
)
from .matmul import (
    einsum as einsum,
    linear as linear,
    matmul as matmul,
)
from .named_products import (
    addbmm as addbmm,
    addmm as addmm,
    addmv as addmv,
    addr as addr,
    baddbmm as baddbmm,
    bmm as bmm,
    dot as dot,
    inner as inner,
    kron as kron,
    mm as mm,
    mv as mv,
    outer as outer,
)
from .order import (
    ValuesIndices as ValuesIndices,
    argmax as argmax,
    argmin as argmin,
    argsort as argsort,
    max as max,
    min as min,
    sort as sort,
    topk as topk,
)
from .polar import (
    abs_squared as abs_squared,
    angle as angle,
    complex as complex,
    polar as polar,
    view_as_complex as view_as_complex,
    view_as_real as view_as_real,
)
from .power import pow as pow
from .products import (
    cumprod as cumprod,
    cumsum as cumsum,
    prod as prod,
)
from .reduce import (
    logsumexp as logsumexp,
    mean as mean,
    nansum as nansum,
    norm as norm,
    std as std,
    sum as sum,
    var as var,
)
from .rounding import (
    ceil as ceil,
    floor as floor,
    round as round,
    trunc as trunc,
)
from .select import (
    clamp as clamp,
    masked_fill as masked_fill,
    where as where,
)
from .shape import (
    broadcast_tensors as broadcast_tensors,
    broadcast_to as broadcast_to,
    expand as expand,
    flatten as flatten,
    movedim as movedim,
    permute as permute,
    reshape as reshape,
    reversed_dims as reversed_dims,
    squeeze as squeeze,
    sum_to as sum_to,
    t as t,
    transpose as transpose,
    unflatten as unflatten,
    unsqueeze as unsqueeze,
    view as view,
)
from .softmax import (
    log_softmax as log_softmax,
    softmax as softmax,
    softmin as softmin,
)
from .stacking import (
    atleast_1d as atleast_1d,
    atleast_2d as atleast_2d,
    atleast_3d as atleast_3d,
    broadcast_shapes as broadcast_shapes,
    column_stack as column_stack,
    concat as concat,
    concatenate as concatenate,
    dsplit as dsplit,
    dstack as dstack,
    hsplit as hsplit,
    hstack as hstack,
    meshgrid as meshgrid,
    ravel as ravel,
    rot90 as rot90,
    row_stack as row_stack,
    tensor_split as tensor_split,
    vsplit as vsplit,
    vstack as vstack,
)
from .trigonometry import (
    atan as atan,
    cos as cos,
    sin as sin,
    tan as tan,
    tanh as tanh,
)

_FILES = {
    "adaptive": (
        "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d "
        "adaptive_max_pool2d adaptive_max_pool3d"
    ),
    "attention": "scaled_dot_product_attention",
    "avg_pool": "avg_pool1d avg_pool2d avg_pool3d",
    "bag": "embedding_bag",
    "batch_norms": "batch_norm",
    "conv": "conv1d conv2d conv3d",
    "conv_transpose": "conv_transpose1d conv_transpose2d conv_transpose3d",
    "ctc": "ctc_loss",
    "distance": "cdist cosine_similarity normalize pairwise_distance pdist",
    "dropouts": "alpha_dropout dropout dropout1d dropout2d dropout3d feature_alpha_dropout",
    "entropy": "cross_entropy nll_loss",
    "folding": "fold unfold",
    "fused": "conv_norm_act linear_act",
    "gated": "glu gumbel_softmax mish softsign",
    "gelus": "erf gelu",
    "grid": "affine_grid grid_sample",
    "interpolation": "interpolate upsample upsample_bilinear upsample_nearest",
    "layer_norms": "group_norm instance_norm layer_norm rms_norm",
    "loss": (
        "binary_cross_entropy binary_cross_entropy_with_logits huber_loss kl_div l1_loss "
        "mse_loss reduced reduction_of smooth_l1_loss"
    ),
    "lp_pool": (
        "fractional_max_pool2d fractional_max_pool3d local_response_norm lp_pool1d "
        "lp_pool2d lp_pool3d"
    ),
    "max_pool": "max_pool1d max_pool2d max_pool3d",
    "multihead": "multi_head_attention_forward",
    "norm_relu": "batch_norm_relu",
    "pixel": "channel_shuffle pixel_shuffle pixel_unshuffle",
    "rectifier": "celu prelu rrelu selu",
    "recurrent": "gru_gates lstm_gates",
    "shrink": "hardshrink softshrink tanhshrink threshold",
    "spectral": "istft stft",
    "unpool": "max_unpool1d max_unpool2d max_unpool3d",
}
_LAZY = {name: file for file, names in _FILES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value
