"""sensorium.nn.functional: the functions behind the layers, under PyTorch's names.

A table of contents; the ops are in ``sensorium.ops``, the ``inplace`` forms in ``_inplace``.
"""

from ..ops.activation import gelu as gelu
from ..ops.activation import log_softmax as log_softmax
from ..ops.activation import logsigmoid as logsigmoid
from ..ops.activation import sigmoid as sigmoid
from ..ops.activation import softmax as softmax
from ..ops.activation import softplus as softplus
from ..ops.adaptive import (
    adaptive_avg_pool1d as adaptive_avg_pool1d,
    adaptive_avg_pool2d as adaptive_avg_pool2d,
    adaptive_avg_pool3d as adaptive_avg_pool3d,
    adaptive_max_pool1d as adaptive_max_pool1d,
    adaptive_max_pool2d as adaptive_max_pool2d,
    adaptive_max_pool3d as adaptive_max_pool3d,
)
from ..ops.conv import (
    conv1d as conv1d,
    conv2d as conv2d,
    conv3d as conv3d,
    conv_transpose1d as conv_transpose1d,
    conv_transpose2d as conv_transpose2d,
    conv_transpose3d as conv_transpose3d,
)
from ..ops.dropout import (
    alpha_dropout as alpha_dropout,
    dropout as dropout,
    dropout1d as dropout1d,
    dropout2d as dropout2d,
    dropout3d as dropout3d,
)
from ..ops.entropy import cross_entropy as cross_entropy
from ..ops.entropy import nll_loss as nll_loss
from ..ops.exponential import tanh as tanh
from ..ops.index import embedding as embedding
from ..ops.interpolate import interpolate as interpolate
from ..ops.join import pad as pad
from ..ops.loss import (
    binary_cross_entropy as binary_cross_entropy,
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
    huber_loss as huber_loss,
    kl_div as kl_div,
    l1_loss as l1_loss,
    mse_loss as mse_loss,
    smooth_l1_loss as smooth_l1_loss,
)
from ..ops.matmul import linear as linear
from ..ops.norm import (
    batch_norm as batch_norm,
    group_norm as group_norm,
    instance_norm as instance_norm,
    layer_norm as layer_norm,
)
from ..ops.pool import (
    avg_pool1d as avg_pool1d,
    avg_pool2d as avg_pool2d,
    avg_pool3d as avg_pool3d,
    max_pool1d as max_pool1d,
    max_pool2d as max_pool2d,
    max_pool3d as max_pool3d,
)
from ._inplace import (
    bilinear as bilinear,
    elu as elu,
    elu_ as elu_,
    hardsigmoid as hardsigmoid,
    hardswish as hardswish,
    hardtanh as hardtanh,
    hardtanh_ as hardtanh_,
    leaky_relu as leaky_relu,
    leaky_relu_ as leaky_relu_,
    relu as relu,
    relu6 as relu6,
    relu_ as relu_,
    silu as silu,
)
