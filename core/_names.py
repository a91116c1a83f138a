"""What is read on first use: functions of ``sensorium`` and methods of Tensor, a line a file.

``import sensorium`` reads the files that every program needs. Everything else is named here, with
the file it is in: a name costs a word until somebody uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, NoReturn


class Names(NamedTuple):
    """The names of one file: ``sensorium.f``, ``Tensor.f`` and ``Tensor.f_``."""

    functions: str = ""
    methods: str = ""
    inplace: str = ""


FILES = {
    "linalg": Names("det matrix_exp matrix_power slogdet", "det matrix_exp matrix_power slogdet"),
    "ops.linalg_legacy": Names(
        "cholesky cholesky_inverse cholesky_solve cross inverse logdet lu_unpack pinverse qr svd vdot",
        "cholesky cholesky_inverse cholesky_solve cross inverse logdet pinverse qr svd vdot",
    ),
    "ops.linalg_products": Names("chain_matmul trace", "trace"),
    "ops.special_gamma": Names("lgamma mvlgamma", "lgamma mvlgamma", "lgamma mvlgamma"),
    "ops.special_gammainc": Names("igamma igammac", "igamma igammac", "igamma igammac"),
    "serialization": Names("load save"),
    "special": Names(
        "digamma erfc erfinv i0 logit polygamma sinc xlogy",
        "digamma erfc erfinv i0 logit polygamma sinc xlogy",
        "digamma erfc erfinv i0 logit sinc xlogy",
    ),
}


def _by_name(column: int) -> dict[str, str]:
    return {name: file for file, names in FILES.items() for name in names[column].split()}


FUNCTIONS, METHODS, INPLACE = map(_by_name, range(3))


def absent(owner: str, known: Callable[[], Iterable[str]]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` that refuses a name and says which known one is nearest.

    >>> absent("zoo", lambda: ["lion", "zebra"])("loin")
    Traceback (most recent call last):
    ...
    AttributeError: module 'zoo' has no attribute 'loin'; did you mean 'lion'?
    """

    def __getattr__(name: str) -> NoReturn:
        raise AttributeError(f"module {owner!r} has no attribute {name!r}{_hint(name, known)}")

    return __getattr__


def _hint(name: str, known: Callable[[], Iterable[str]]) -> str:
    if name.startswith("_"):  # what Python and other libraries probe for
        return ""
    from difflib import get_close_matches

    near = get_close_matches(name, known(), 1, 0.7)
    return f"; did you mean {near[0]!r}?" if near else ""
