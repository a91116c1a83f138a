"""Which kernel runs a node: the first of its op's that takes it, else ``Generic``."""

from __future__ import annotations

from collections.abc import Callable

from ...backends.cpu.library import EngineError
from ..graph import Node
from . import (
    attention,
    cast,
    chain,
    conv,
    copy,
    gradients as back,
    norm,
    pool,
    product,
    row_gradients as rows,
    small,
)
from .base import Kernel
from .generic import Gather, Generic, Join, joins

Choice = tuple[Callable[[Node], bool], type[Kernel]]

TABLE: dict[str, tuple[Choice, ...]] = {
    "conv": ((conv.takes_conv, conv.Conv),),
    "product": (
        (product.takes_rows, product.Product),
        (product.takes_product, product.Batched),
    ),
    "chain": (
        (lambda n: chain.takes_chain(n) and chain.takes_scaled(n), chain.Scaled),
        (chain.takes_rows, chain.Rows),
        (chain.takes_chain, chain.Chain),
        (small.takes_small, small.SmallChain),
    ),
    "_reshape": ((copy.takes_copy, copy.Copy),),
    "cast": ((cast.takes_cast, cast.Cast),),
    "spatial_mean": ((norm.takes_mean, norm.SpatialMean),),
    "_layer_norm": (
        (norm.takes_layer_norm, norm.LayerNorm),
        (rows.takes_layer_train, rows.LayerTrain),
    ),
    "_softmax": ((norm.takes_softmax, norm.Softmax),),
    "_log_softmax": ((norm.takes_softmax, norm.LogSoftmax),),
    "_max_pool": (
        (pool.takes_pool, pool.MaxPool),
        (back.takes_pool_train, back.MaxPoolTrain),
    ),
    "_sum_pool": ((pool.takes_pool, pool.SumPool),),
    "_attention": ((attention.takes_attention, attention.Attention),),
    "_lookup": ((lambda n: n.args[1].__class__.__name__ == "Value", Gather),),
    "_conv_input_grad": ((back.takes_data, back.ConvData),),
    "_conv_weight_grad": ((back.takes_weight, back.ConvWeight),),
    "_batch_norm_train": ((back.takes_batch, back.BatchTrain),),
    "_batch_norm_relu": ((back.takes_batch, back.PlainNormRelu),),
    "norm_relu": ((lambda n: True, back.NormReluTrain),),
    "norm_relu_backward": ((lambda n: True, back.NormReluBackward),),
    "_batch_norm_backward": ((back.takes_batch_backward, back.BatchBackward),),
    "_max_unpool": ((back.takes_unpool, back.Unpool),),
    "_relu_backward": ((rows.takes_eltwise, rows.EltwiseBackward),),
    "_gelu_erf_backward": ((rows.takes_eltwise, rows.EltwiseBackward),),
    "_gelu_tanh_backward": ((rows.takes_eltwise, rows.EltwiseBackward),),
    "_softmax_backward": ((rows.takes_softmax_backward, rows.SoftmaxBackward),),
    "_layer_norm_backward": ((rows.takes_layer_backward, rows.LayerBackward),),
    "cat": ((joins, Join),),
}


def kernel_of(node: Node) -> Kernel:
    """The kernel of a node."""
    for takes, kind in TABLE.get(node.name, ()):
        if takes(node):
            try:
                return kind(node)
            except EngineError:
                continue
    return Generic(node)
