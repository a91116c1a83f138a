"""sensorium.special: functions of mathematical physics and statistics, elementwise.

Follows ``torch.special``. Computed in float64 whatever the type, then cast (the orthogonal
polynomials in the type given, as PyTorch does); the files of ``sensorium.ops`` named special cite the
approximations. Here they have slopes where PyTorch has none, and Bessel's J and Y are precise to
float64, where PyTorch's are to 4e-7 from 3 up.

>>> import sensorium as sn
>>> sn.special.gammaln(sn.tensor([4.0])).exp()
tensor([6.])
"""

from __future__ import annotations

from ._names import absent
from .ops import (
    erf,
    exp2,
    expm1,
    log1p,
    log_softmax,
    logsumexp,
    round,
    sigmoid as expit,
    softmax,
)
from .ops.special_airy import airy_ai
from .ops.special_bessel import (
    i0,
    i0 as modified_bessel_i0,
    i0e,
    i1,
    i1 as modified_bessel_i1,
    i1e,
    modified_bessel_k0,
    modified_bessel_k1,
    scaled_modified_bessel_k0,
    scaled_modified_bessel_k1,
)
from .ops.special_bessel_jy import (
    bessel_j0,
    bessel_j1,
    bessel_y0,
    bessel_y1,
    spherical_bessel_j0,
)
from .ops.special_error import erfc, erfcx, erfinv, log_ndtr, ndtr, ndtri
from .ops.special_gamma import (
    digamma,
    digamma as psi,
    gammaln,
    multigammaln,
    polygamma,
    zeta,
)
from .ops.special_gammainc import gammainc, gammaincc
from .ops.special_log import entr, logit, sinc, xlog1py, xlogy
from .ops.special_polynomial import (
    chebyshev_polynomial_t,
    chebyshev_polynomial_u,
    chebyshev_polynomial_v,
    chebyshev_polynomial_w,
    hermite_polynomial_h,
    hermite_polynomial_he,
    laguerre_polynomial_l,
    legendre_polynomial_p,
    shifted_chebyshev_polynomial_t,
    shifted_chebyshev_polynomial_u,
    shifted_chebyshev_polynomial_v,
    shifted_chebyshev_polynomial_w,
)

__all__ = [
    "airy_ai",
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "chebyshev_polynomial_t",
    "chebyshev_polynomial_u",
    "chebyshev_polynomial_v",
    "chebyshev_polynomial_w",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammainc",
    "gammaincc",
    "gammaln",
    "hermite_polynomial_h",
    "hermite_polynomial_he",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "laguerre_polynomial_l",
    "legendre_polynomial_p",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "modified_bessel_i0",
    "modified_bessel_i1",
    "modified_bessel_k0",
    "modified_bessel_k1",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
    "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u",
    "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
    "sinc",
    "softmax",
    "spherical_bessel_j0",
    "xlog1py",
    "xlogy",
    "zeta",
]

__getattr__ = absent(__name__, globals().keys)
