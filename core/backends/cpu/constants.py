"""The numbers of oneDNN's C headers (``dnnl_types.h``, ``dnnl_common_types.h``, version 3) we use.

They are part of the C ABI and do not change within a major version. Nothing here loads anything.
"""

from __future__ import annotations

STATUS = (
    "success", "out of memory", "invalid arguments", "unimplemented", "last implementation reached",
    "runtime error", "not required", "invalid graph", "invalid graph op", "invalid shape",
    "invalid data type",
)  # fmt: skip
OUT_OF_MEMORY, UNIMPLEMENTED = 1, 3

# -- instruction sets (dnnl_cpu_isa_t) -----------------------------------------------------------
ISA = {
    0x1: "SSE4.1", 0x3: "AVX", 0x7: "AVX2", 0xF: "AVX2-VNNI", 0x1F: "AVX2-VNNI-2", 0x27: "AVX-512",
    0x67: "AVX-512 VNNI", 0xE7: "AVX-512 BF16", 0x1EF: "AVX-512 FP16", 0xFEF: "AMX",
    0x1FEF: "AMX FP16",
}  # fmt: skip
ISA_BF16 = 0xE7

# -- propagation kinds and algorithms ------------------------------------------------------------
CPU_ENGINE = 1
IN_ORDER_STREAM = 1
USER_SCRATCHPAD = 1
FORMAT_ANY = 1
TRAINING, INFERENCE, BACKWARD = 64, 96, 128
CONVOLUTION_DIRECT = 0x1
SOFTMAX, SOFTMAX_LOG = 0x30000, 0x30001
POOLING = {"max": 0x1FF, "avg": 0x2FF, "avg_no_pad": 0x3FF}
BINARY = {
    "add": 0x1FFF0, "mul": 0x1FFF1, "max": 0x1FFF2, "min": 0x1FFF3, "div": 0x1FFF4, "sub": 0x1FFF5,
}  # fmt: skip
GLOBAL_STATS, USE_SCALE, USE_SHIFT, FUSE_RELU = 1, 2, 4, 8  # normalisation flags

# -- eltwise: name -> (algorithm, alpha, beta) ---------------------------------------------------
ELTWISE = {
    "relu": (0x20, 0.0, 0.0),
    "leaky_relu": (0x20, 0.01, 0.0),
    "tanh": (0x21, 0.0, 0.0),
    "elu": (0x22, 1.0, 0.0),
    "square": (0x23, 0.0, 0.0),
    "abs": (0x24, 0.0, 0.0),
    "sqrt": (0x25, 0.0, 0.0),
    "linear": (0x26, 1.0, 0.0),  # alpha x + beta
    "softplus": (0x27, 1.0, 0.0),
    "sigmoid": (0x29, 0.0, 0.0),
    "exp": (0x2A, 0.0, 0.0),
    "gelu_tanh": (0x2B, 0.0, 0.0),
    "silu": (0x2C, 1.0, 0.0),  # x sigmoid(alpha x)
    "log": (0x2D, 0.0, 0.0),
    "clip": (0x2F, 0.0, 1.0),
    "relu6": (0x2F, 0.0, 6.0),  # clip_v2: gradient 0 at both ends, as PyTorch's hardtanh
    "gelu": (0x31, 0.0, 0.0),
    "mish": (0x33, 0.0, 0.0),
    "hardsigmoid": (0x28, 1 / 6, 0.5),
    "hardswish": (0x34, 1 / 6, 0.5),
}
POWER = 0x30  # alpha x^beta
# What a convolution or matrix product can end with. relu is x clip(3e38 x, 0, 1) here: oneDNN's own
# turns NaN into 0, this keeps it (and makes NaN of -inf, which only an overflow leaves behind).
FUSED = ELTWISE | {"relu": (0x34, 3e38, 0.0)}
# oneDNN turns NaN into a number in these: no fast path should use them. (It does in relu, relu6 and
# clip too, which `eltwise` therefore takes from binary maximum and minimum.)
LOSES_NAN = {"exp", "hardsigmoid"}
# The backward of these reads the result instead of the input: nothing else needs to be kept.
FROM_RESULT = {"tanh": 0x101, "sqrt": 0x103, "sigmoid": 0x104, "exp": 0x105}

# -- queries (dnnl_query_t) ----------------------------------------------------------------------
QUERY_IMPL, QUERY_STRIDES = 8, 14
QUERY_SRC, QUERY_DIFF_SRC, QUERY_WEIGHTS, QUERY_DIFF_WEIGHTS = 129, 130, 131, 132
QUERY_DST, QUERY_DIFF_DST, QUERY_WORKSPACE, QUERY_SCRATCHPAD = 133, 134, 135, 136
QUERY_ARG = 255  # with the number of an execution argument
QUERY_NDIMS, QUERY_DIMS, QUERY_DATA_TYPE, QUERY_PADDED_DIMS = 256, 257, 258, 260
QUERY_INNER_NBLKS, QUERY_INNER_BLKS, QUERY_INNER_IDXS = 263, 264, 265

# -- execution arguments (DNNL_ARG_*) ------------------------------------------------------------
ARG_SRC, ARG_SRC_1, ARG_DST, ARG_WEIGHTS, ARG_BIAS = 1, 2, 17, 33, 41
ARG_MEAN, ARG_VARIANCE, ARG_SCALE, ARG_SHIFT = 49, 50, 51, 52
ARG_WORKSPACE, ARG_SCRATCHPAD = 64, 80
ARG_SRC_ITER, ARG_SRC_ITER_C, ARG_DST_ITER, ARG_DST_ITER_C, ARG_WEIGHTS_ITER = 2, 3, 18, 19, 34
TO_RIGHT, TO_LEFT = 1, 2  # dnnl_rnn_direction_t
OF_GRADIENT = 128  # the number of an argument's gradient above its own
ARG_DIFF_SRC, ARG_DIFF_DST, ARG_DIFF_WEIGHTS, ARG_DIFF_BIAS = 129, 145, 161, 169
ARG_DIFF_SCALE, ARG_DIFF_SHIFT = 255, 256


def arg_post_op(index: int) -> int:
    """The argument number of the second operand of a binary post-op."""
    return 32768 * (index + 1) | ARG_SRC_1
