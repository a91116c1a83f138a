"""sensorium.linalg: linear algebra of matrices and batches of them.

Follows ``torch.linalg``: names, arguments, results, element types (float32, float64 and complex ones)
and gradients. A matrix without a result (singular, not positive-definite) raises ``LinAlgError``,
which names the operation and the matrix of the batch; the ``_ex`` forms report it instead.

>>> import sensorium as sn
>>> A = sn.tensor([[2.0, 1.0], [1.0, 3.0]])
>>> sn.linalg.solve(A, sn.tensor([3.0, 4.0]))
tensor([1., 1.])
"""

from __future__ import annotations

from ._names import absent
from .errors import LinAlgError
from .ops.linalg_calls import det, inv, inv_ex, slogdet, solve, solve_ex, solve_triangular
from .ops.linalg_decompose import (
    cholesky,
    cholesky_ex,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    lu,
    lu_factor,
    lu_factor_ex,
    lu_solve,
    matrix_exp,
    qr,
    svd,
    svdvals,
)
from .ops.linalg_ldl import ldl_factor, ldl_factor_ex, ldl_solve
from .ops.linalg_norms import (
    cond,
    lstsq,
    matrix_norm,
    matrix_rank,
    norm,
    pinv,
    vector_norm,
)
from .ops.linalg_products import (
    cross,
    diagonal,
    householder_product,
    matrix_power,
    multi_dot,
    tensorinv,
    tensorsolve,
    vander,
    vecdot,
)
from .ops.matmul import matmul

__all__ = [
    "LinAlgError",
    "cholesky",
    "cholesky_ex",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "householder_product",
    "inv",
    "inv_ex",
    "ldl_factor",
    "ldl_factor_ex",
    "ldl_solve",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_factor_ex",
    "lu_solve",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_ex",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]

__getattr__ = absent(__name__, globals().keys)
