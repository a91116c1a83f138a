"""sensorium.special: functions of mathematical physics and statistics, elementwise.

Follows ``torch.special``. Left out: the ordinary Bessel and the Airy functions, the orthogonal
polynomials, and ``out=``. Computed in float64 whatever the type, then cast; the files of
``sensorium.ops`` named special cite the approximations.

>>> import sensorium as sn
>>> sn.special.gammaln(sn.tensor([4.0])).exp()
tensor([6.])
"""

from __future__ import annotations

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

__all__ = [
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
    "i0",
    "i0e",
    "i1",
    "i1e",
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
    "sinc",
    "softmax",
    "xlog1py",
    "xlogy",
    "zeta",
]
