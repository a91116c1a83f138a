"""sensorium.nn.utils: gradient clipping, parameters as a vector, sequences, parametrizations, pruning.

What few programs need is read on first use.
"""

from importlib import import_module
from typing import Any

from ..._names import absent
from . import (
    parametrizations as parametrizations,
    parametrize as parametrize,
    rnn as rnn,
)
from .clip_grad import (
    clip_grad_norm_ as clip_grad_norm_,
    clip_grad_value_ as clip_grad_value_,
    clip_grads_with_norm_ as clip_grads_with_norm_,
    get_total_norm as get_total_norm,
)
from .convert_parameters import (
    parameters_to_vector as parameters_to_vector,
    vector_to_parameters as vector_to_parameters,
)

_MODULES = ("fusion", "init", "prune", "stateless")
_FILES = {
    "fusion": "fuse_conv_bn_eval fuse_conv_bn_weights fuse_linear_bn_eval fuse_linear_bn_weights",
    "init": "skip_init",
    "_older_norms": "remove_spectral_norm remove_weight_norm spectral_norm weight_norm",
}
_PLACES = {name: file for file, names in _FILES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name not in _PLACES:
        return absent(__name__, __dir__)(name)
    found = getattr(import_module(f".{_PLACES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_PLACES})
