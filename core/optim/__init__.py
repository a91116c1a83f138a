"""sensorium.optim: optimisers and learning-rate schedules; a table of contents."""

from . import lr_scheduler as lr_scheduler
from .adam import (
    Adam as Adam,
    AdamW as AdamW,
)
from .optimizer import Optimizer as Optimizer
from .sgd import SGD as SGD
