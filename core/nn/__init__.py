"""sensorium.nn: modules, layers, losses, initialisation."""

from .module import Module as Module
from .parameter import Buffer as Buffer
from .parameter import Parameter as Parameter
