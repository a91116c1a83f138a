"""sensorium: tensors, gradients, layers, training tools and pretrained models, without PyTorch.

>>> import sensorium as sn
>>> x = sn.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
>>> (x @ x).sum().backward()
>>> x.grad
tensor([[ 7., 11.],
        [ 9., 13.]])
"""

if __name__ != "sensorium":  # imported as "core" from a checkout: a second copy of every class
    raise ImportError("core/ is installed as 'sensorium': run `pip install -e .`")

from . import autograd as autograd, errors as errors, methods as _methods, ops as ops
from .autograd import (
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    is_grad_enabled as is_grad_enabled,
    is_inference_mode_enabled as is_inference_mode_enabled,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
)
from .backends.cpu.threads import (
    get_num_threads as get_num_threads,
    set_num_threads as set_num_threads,
)
from .create import (
    arange as arange,
    as_tensor as as_tensor,
    empty as empty,
    empty_like as empty_like,
    eye as eye,
    from_numpy as from_numpy,
    full as full,
    full_like as full_like,
    linspace as linspace,
    ones as ones,
    ones_like as ones_like,
    tensor as tensor,
    tril as tril,
    triu as triu,
    zeros as zeros,
    zeros_like as zeros_like,
)
from .device import (
    Device as Device,
    device as device,
)
from .dtypes import (
    bfloat16 as bfloat16,
    bool_ as bool,
    bool_ as bool_,
    can_cast as can_cast,
    complex64 as complex64,
    complex128 as complex128,
    float16 as float16,
    float16 as half,
    float32 as float,
    float32 as float32,
    float64 as double,
    float64 as float64,
    get_default_dtype as get_default_dtype,
    int8 as int8,
    int16 as int16,
    int16 as short,
    int32 as int,
    int32 as int32,
    int64 as int64,
    int64 as long,
    is_complex as is_complex,
    promote_types as promote_types,
    result_type as result_type,
    set_default_dtype as set_default_dtype,
    uint8 as uint8,
    uint16 as uint16,
    uint32 as uint32,
    uint64 as uint64,
)
from .generator import (
    Generator as Generator,
    default_generator as default_generator,
    get_rng_state as get_rng_state,
    initial_seed as initial_seed,
    manual_seed as manual_seed,
    seed as seed,
    set_rng_state as set_rng_state,
)
from .ops import (
    abs as abs,
    add as add,
    addmm as addmm,
    all as all,
    allclose as allclose,
    amax as amax,
    amin as amin,
    angle as angle,
    any as any,
    argmax as argmax,
    argmin as argmin,
    argsort as argsort,
    atan as atan,
    bitwise_and as bitwise_and,
    bitwise_not as bitwise_not,
    bitwise_or as bitwise_or,
    bitwise_xor as bitwise_xor,
    bmm as bmm,
    broadcast_tensors as broadcast_tensors,
    broadcast_to as broadcast_to,
    cat as cat,
    cdist as cdist,
    ceil as ceil,
    celu as celu,
    channel_shuffle as channel_shuffle,
    chunk as chunk,
    clamp as clamp,
    clamp as clip,
    clone as clone,
    complex as complex,
    conj as conj,
    cos as cos,
    cosine_similarity as cosine_similarity,
    cumprod as cumprod,
    cumsum as cumsum,
    div as div,
    dot as dot,
    einsum as einsum,
    eq as eq,
    equal as equal,
    erf as erf,
    exp as exp,
    exp2 as exp2,
    expm1 as expm1,
    flatten as flatten,
    flip as flip,
    floor as floor,
    floor_divide as floor_divide,
    fmod as fmod,
    gather as gather,
    ge as ge,
    gt as gt,
    hardshrink as hardshrink,
    imag as imag,
    index_add as index_add,
    index_put as index_put,
    index_select as index_select,
    isclose as isclose,
    isfinite as isfinite,
    isinf as isinf,
    isnan as isnan,
    istft as istft,
    le as le,
    log as log,
    log1p as log1p,
    log2 as log2,
    log10 as log10,
    log_softmax as log_softmax,
    logical_and as logical_and,
    logical_not as logical_not,
    logical_or as logical_or,
    logical_xor as logical_xor,
    logsumexp as logsumexp,
    lt as lt,
    masked_fill as masked_fill,
    masked_select as masked_select,
    matmul as matmul,
    max as max,
    maximum as maximum,
    mean as mean,
    min as min,
    minimum as minimum,
    mm as mm,
    movedim as movedim,
    mul as mul,
    mul as multiply,
    mv as mv,
    nansum as nansum,
    narrow as narrow,
    ne as ne,
    neg as neg,
    nonzero as nonzero,
    norm as norm,
    outer as outer,
    pairwise_distance as pairwise_distance,
    pdist as pdist,
    permute as permute,
    pixel_shuffle as pixel_shuffle,
    pixel_unshuffle as pixel_unshuffle,
    polar as polar,
    pow as pow,
    prelu as prelu,
    prod as prod,
    real as real,
    reciprocal as reciprocal,
    relu as relu,
    remainder as remainder,
    repeat_interleave as repeat_interleave,
    reshape as reshape,
    roll as roll,
    round as round,
    rrelu as rrelu,
    rsqrt as rsqrt,
    scatter as scatter,
    scatter_add as scatter_add,
    select as select,
    selu as selu,
    sgn as sgn,
    sigmoid as sigmoid,
    sign as sign,
    sin as sin,
    softmax as softmax,
    sort as sort,
    split as split,
    sqrt as sqrt,
    square as square,
    squeeze as squeeze,
    stack as stack,
    std as std,
    stft as stft,
    sub as sub,
    sub as subtract,
    sum as sum,
    t as t,
    tan as tan,
    tanh as tanh,
    threshold as threshold,
    tile as tile,
    topk as topk,
    transpose as transpose,
    true_divide as divide,
    true_divide as true_divide,
    trunc as trunc,
    unbind as unbind,
    unflatten as unflatten,
    unsqueeze as unsqueeze,
    var as var,
    view_as_complex as view_as_complex,
    view_as_real as view_as_real,
    where as where,
)
from .random import (
    bernoulli as bernoulli,
    multinomial as multinomial,
    normal as normal,
    rand as rand,
    rand_like as rand_like,
    randint as randint,
    randint_like as randint_like,
    randn as randn,
    randn_like as randn_like,
    randperm as randperm,
)
from .tensor import (
    Size as Size,
    Tensor as Tensor,
)
from .windows import (
    bartlett_window as bartlett_window,
    blackman_window as blackman_window,
    hamming_window as hamming_window,
    hann_window as hann_window,
    kaiser_window as kaiser_window,
)

_methods.attach()

__version__ = "0.1.0"

_LAZY = {
    "fft",
    "generation",
    "nn",
    "optim",
    "data",
    "io",
    "cuda",
    "linalg",
    "special",
    "utils",
    "hub",
    "vision",
    "text",
    "audio",
    "model_zoo",
}
_LAZY_NAMES = {"save": "serialization", "load": "serialization"}
_LAZY_NAMES |= dict.fromkeys(("det", "matrix_exp", "matrix_power", "slogdet"), "linalg")
_LAZY_NAMES |= dict.fromkeys(("chain_matmul", "trace"), "ops.linalg_products")
_LAZY_NAMES |= dict.fromkeys(
    ("cholesky", "cholesky_inverse", "cholesky_solve", "cross", "inverse", "logdet"),
    "ops.linalg_legacy",
)
_LAZY_NAMES |= dict.fromkeys(("lu_unpack", "pinverse", "qr", "svd", "vdot"), "ops.linalg_legacy")
_LAZY_NAMES |= dict.fromkeys(
    ("digamma", "erfc", "erfinv", "i0", "logit", "polygamma", "sinc", "xlogy"), "special"
)
_LAZY_NAMES |= dict.fromkeys(("igamma", "igammac"), "ops.special_gammainc")
_LAZY_NAMES |= dict.fromkeys(("lgamma", "mvlgamma"), "ops.special_gamma")


def __getattr__(name: str) -> object:  # sub-packages load on first use: importing stays quick
    if name in _LAZY:
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    if name in _LAZY_NAMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LAZY_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
