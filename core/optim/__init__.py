"""sensorium.optim: optimisers, learning-rate schedules, weight averaging; a table of contents."""

from .._names import absent
from . import (
    lr_scheduler as lr_scheduler,
    swa_utils as swa_utils,
)
from ._adafactor import Adafactor as Adafactor
from ._muon import Muon as Muon
from .adadelta import Adadelta as Adadelta
from .adagrad import Adagrad as Adagrad
from .adam import (
    Adam as Adam,
    AdamW as AdamW,
)
from .adamax import Adamax as Adamax
from .asgd import ASGD as ASGD
from .lbfgs import LBFGS as LBFGS
from .nadam import NAdam as NAdam
from .optimizer import Optimizer as Optimizer
from .radam import RAdam as RAdam
from .rmsprop import RMSprop as RMSprop
from .rprop import Rprop as Rprop
from .sgd import SGD as SGD

__getattr__ = absent(__name__, globals().keys)
