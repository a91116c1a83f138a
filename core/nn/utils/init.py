"""Making a module without spending time on a start that will be overwritten: skip_init."""

from __future__ import annotations

import inspect
from typing import Any

from ..init import skip_random
from ..module import Module


def skip_init(module_cls: Any, *args: Any, **kwargs: Any) -> Module:
    """module_cls(*args, **kwargs) whose random parameters hold whatever was in memory.

    The class must take ``device``, as in PyTorch. Here the constructor runs, its random draws do not.

    >>> import sensorium as sn
    >>> sn.nn.utils.skip_init(sn.nn.Linear, 2, 3).weight.shape
    sensorium.Size([3, 2])
    """
    if not isinstance(module_cls, type) or not issubclass(module_cls, Module):
        raise TypeError(f"skip_init: want a subclass of Module, got {module_cls!r}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise TypeError(f"skip_init: {module_cls.__name__} takes no argument 'device'")
    with skip_random():
        return module_cls(*args, **kwargs)  # the class's own arguments: they are not ours to name
