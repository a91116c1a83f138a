"""TextModel: a network made from a configuration or from its options, with BERT's random start."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from sensorium import nn
from sensorium.autograd import no_grad
from sensorium.nn import init

from ._blocks import Conv1D
from ._config import TextConfig, config_of


class TextModel(nn.Module):
    """The base of every model here: ``BertModel(config)`` or ``BertModel(hidden_size=128, ...)``.

    A subclass says its ``config_class``, makes its layers in ``_build`` and computes in ``forward``.
    Weights start normal with ``initializer_range``, biases at 0, as in Devlin et al. (2019).
    """

    config_class: ClassVar[type[TextConfig]]
    base_model_prefix: ClassVar[str]  # the base model's name in a model with a head
    base_parts: ClassVar[tuple[str, ...]]  # its children
    head_parts: ClassVar[tuple[str, ...]] = ()  # the children that a head adds
    tied: ClassVar[Mapping[str, str]] = {}  # key of a copy -> key of the weight it shares
    config: Any

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if hasattr(cls, "config_class"):  # what a registry and help() show
            cls.__signature__ = inspect.signature(cls.config_class)  # type: ignore[attr-defined]

    def __init__(self, config: TextConfig | None = None, /, **options: Any) -> None:
        super().__init__()
        self.config = config_of(self.config_class, config, options)
        with init.skip_random():  # the layers' own start is not this one
            self._build(self.config)
        self._start()

    def _build(self, config: Any) -> None:
        raise TypeError(f"{type(self).__name__} defines no _build()")

    @property
    def base_model(self) -> Any:
        """The network below the head; the model itself where there is no head."""
        return getattr(self, self.base_model_prefix, self)

    @no_grad()
    def _start(self) -> None:
        for name, module in self.named_modules():
            if isinstance(module, nn.Embedding):
                init.normal_(module.weight, std=self.config.initializer_range)
                if module.padding_idx is not None:
                    module.weight[module.padding_idx].zero_()
            elif isinstance(module, (nn.Linear, Conv1D)):
                init.normal_(module.weight, std=self._spread(name))
                if module.bias is not None:
                    init.zeros_(module.bias)

    def _spread(self, name: str) -> float:
        """The standard deviation that the weight of the layer called name starts with."""
        return self.config.initializer_range


def residual_spread(std: float, layers: int) -> float:
    """std over the square root of the residual additions. Source: Radford et al. (2019), 2.3."""
    return std / math.sqrt(2 * layers)
