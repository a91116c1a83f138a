"""sensorium.func: functions of functions: their gradients, products, Jacobians, and maps over batches.

Follows ``torch.func``. Every transform runs the function as it is, on tensors that are recorded, so
transforms nest in any order and what a function does to outer tensors is seen by outer transforms
and by ``backward``. Forward mode (jvp, jacfwd, linearize) goes backward twice; ``vmap`` calls the
function once for every slice. Left out: functionalize, and the debugging aids.
"""

from .derivatives import (
    grad as grad,
    grad_and_value as grad_and_value,
    jvp as jvp,
    linearize as linearize,
    vjp as vjp,
)
from .jacobians import hessian as hessian, jacfwd as jacfwd, jacrev as jacrev
from .modules import functional_call as functional_call, stack_module_state as stack_module_state
from .vmap import vmap as vmap
