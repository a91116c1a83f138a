"""Kullback and Leibler's divergence: ``kl_divergence(p, q)``, and ``register_kl`` to teach it pairs.

KL(p || q) is the mean over p of log p(x) - log q(x), in nats. The pairs are those of PyTorch: of one
family in ``_kl_same.py``, of two families in ``_kl_cross.py``; they are read on first use.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from ..errors import OptionError, UndefinedError
from ..tensor import Tensor
from .distribution import Distribution

__all__ = ["kl_divergence", "register_kl"]

_PAIRS: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Any], Any]:
    """Decorate the function (p, q) -> KL of a pair of classes; it serves their subclasses too.

    >>> from sensorium.distributions import Normal
    >>> class Mine(Normal): ...
    >>> @register_kl(Mine, Mine)
    ... def _(p, q):
    ...     return p.loc * 0 + 7
    >>> kl_divergence(Mine(0.0, 1.0), Mine(1.0, 1.0))
    tensor(7.)
    """
    for kind in (type_p, type_q):
        if not isinstance(kind, type) or not issubclass(kind, Distribution):
            raise OptionError(f"register_kl: want classes of distributions, got {kind!r}")

    def attach(function: Any) -> Any:
        _PAIRS[type_p, type_q] = function
        _found.cache_clear()
        return function

    return attach


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q) of each pair of the batch: 0 where they are the same, inf where p goes beyond q.

    >>> from sensorium.distributions import Normal
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    kinds: tuple[Any, Any] = type(p), type(q)
    return _found(*kinds)(p, q)


@cache
def _found(type_p: type, type_q: type) -> Callable[[Any, Any], Tensor]:
    """The function of the nearest pair of ancestors: p's first, in case of doubt."""
    from . import _kl_cross, _kl_same  # noqa: F401  (they register their pairs)

    fits = [k for k in _PAIRS if issubclass(type_p, k[0]) and issubclass(type_q, k[1])]
    if not fits:
        raise UndefinedError(
            f"kl_divergence: no closed form is known for ({type_p.__name__}, {type_q.__name__})"
        )
    near_p, near_q = type_p.__mro__, type_q.__mro__
    by_p = min(fits, key=lambda k: (near_p.index(k[0]), near_q.index(k[1])))
    by_q = min(fits, key=lambda k: (near_q.index(k[1]), near_p.index(k[0])))
    if _PAIRS[by_p] is not _PAIRS[by_q]:
        warnings.warn(
            f"kl_divergence({type_p.__name__}, {type_q.__name__}): both ({_names(by_p)}) and "
            f"({_names(by_q)}) are registered; the first is taken. Register the pair itself.",
            RuntimeWarning,
            stacklevel=3,
        )
    return _PAIRS[by_p]


def _names(pair: tuple[type, type]) -> str:
    return f"{pair[0].__name__}, {pair[1].__name__}"
