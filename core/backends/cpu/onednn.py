"""Table of contents of the CPU engine: ``from ..backends.cpu import onednn``.

Importing it loads nothing: the first call that needs oneDNN does.
"""

from __future__ import annotations

from .attention import attention
from .convolution import conv_backward_data, conv_backward_weights, conv_forward
from .eltwise import binary, eltwise, eltwise_backward
from .layout import empty_channels_last, is_channels_last
from .library import EngineError, Unsupported, available, has_bfloat16, max_isa, version, why_not
from .matmul import linear, matmul
from .norm import (
    batch_norm_backward,
    batch_norm_forward_train,
    batch_norm_inference,
    layer_norm_backward,
    layer_norm_forward,
)
from .pooling import pool_backward, pool_forward, pool_indices
from .predicates import (
    takes_attention,
    takes_batch_norm,
    takes_binary,
    takes_conv,
    takes_costly_eltwise,
    takes_eltwise,
    takes_eltwise_backward,
    takes_layer_norm,
    takes_linear,
    takes_matmul,
    takes_pool,
    takes_rnn,
    takes_softmax,
    takes_softmax_backward,
)
from .prepack import exposed, written
from .rnn import GRU, LSTM, rnn_backward, rnn_forward
from .softmax import softmax, softmax_backward
from .threads import get_num_threads, set_num_threads

__all__ = [
    "GRU",
    "LSTM",
    "EngineError",
    "Unsupported",
    "attention",
    "available",
    "batch_norm_backward",
    "batch_norm_forward_train",
    "batch_norm_inference",
    "binary",
    "conv_backward_data",
    "conv_backward_weights",
    "conv_forward",
    "eltwise",
    "eltwise_backward",
    "empty_channels_last",
    "exposed",
    "get_num_threads",
    "has_bfloat16",
    "is_channels_last",
    "layer_norm_backward",
    "layer_norm_forward",
    "linear",
    "matmul",
    "max_isa",
    "pool_backward",
    "pool_forward",
    "pool_indices",
    "rnn_backward",
    "rnn_forward",
    "set_num_threads",
    "softmax",
    "softmax_backward",
    "takes_attention",
    "takes_batch_norm",
    "takes_binary",
    "takes_conv",
    "takes_costly_eltwise",
    "takes_eltwise",
    "takes_eltwise_backward",
    "takes_layer_norm",
    "takes_linear",
    "takes_matmul",
    "takes_pool",
    "takes_rnn",
    "takes_softmax",
    "takes_softmax_backward",
    "version",
    "why_not",
    "written",
]
