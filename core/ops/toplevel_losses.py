"""Losses of ``nn.functional`` as PyTorch has them beside its tensors: the reduction is a number.

0 none, 1 mean, 2 sum.
"""

from __future__ import annotations

from typing import Any

from ..errors import OptionError
from .ctc import ctc_loss as _ctc_loss
from .loss import (
    binary_cross_entropy_with_logits as _binary_cross_entropy,
    kl_div as _kl_div,
)
from .loss_embedding import (
    cosine_embedding_loss as _cosine_embedding_loss,
    triplet_margin_loss as _triplet_margin_loss,
)
from .loss_likelihood import poisson_nll_loss as _poisson_nll_loss
from .loss_margin import (
    hinge_embedding_loss as _hinge_embedding_loss,
    margin_ranking_loss as _margin_ranking_loss,
)

_REDUCTIONS = ("none", "mean", "sum")


def named(name: str, what: str, names: tuple[str, ...], number: int) -> str:
    """The name that a number stands for."""
    if not 0 <= number < len(names):
        raise OptionError(f"{name}: {what} must be a number below {len(names)}, got {number!r}")
    return names[number]


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, pos_weight: Any = None, reduction: int = 1
) -> Any:
    """``nn.functional.binary_cross_entropy_with_logits``.

    >>> import sensorium as sn
    >>> sn.binary_cross_entropy_with_logits(sn.zeros(2), sn.ones(2))
    tensor(0.6931)
    """
    how = named("binary_cross_entropy_with_logits", "reduction", _REDUCTIONS, reduction)
    return _binary_cross_entropy(input, target, weight, pos_weight=pos_weight, reduction=how)


def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: int = 1
) -> Any:
    """``nn.functional.cosine_embedding_loss``.

    >>> import sensorium as sn
    >>> sn.cosine_embedding_loss(sn.ones(1, 2), sn.ones(1, 2), sn.tensor([-1.0]))
    tensor(1.)
    """
    how = named("cosine_embedding_loss", "reduction", _REDUCTIONS, reduction)
    return _cosine_embedding_loss(input1, input2, target, margin, reduction=how)


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Any:
    """``nn.functional.ctc_loss``.

    >>> import sensorium as sn
    >>> x = sn.zeros(2, 1, 2).log_softmax(-1)
    >>> sn.ctc_loss(x, sn.tensor([[1]]), [2], [1]).exp()  # 3 of 4 paths
    tensor(1.3333)
    """
    how = named("ctc_loss", "reduction", _REDUCTIONS, reduction)
    return _ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, how, zero_infinity)


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: int = 1) -> Any:
    """``nn.functional.hinge_embedding_loss``.

    >>> import sensorium as sn
    >>> sn.hinge_embedding_loss(sn.tensor([0.25]), sn.tensor([-1.0]))
    tensor(0.7500)
    """
    how = named("hinge_embedding_loss", "reduction", _REDUCTIONS, reduction)
    return _hinge_embedding_loss(input, target, margin, reduction=how)


def kl_div(input: Any, target: Any, reduction: int = 1, *, log_target: bool = False) -> Any:
    """``nn.functional.kl_div``.

    >>> import sensorium as sn
    >>> sn.kl_div(sn.zeros(2), sn.ones(2))
    tensor(0.)
    """
    how = named("kl_div", "reduction", _REDUCTIONS, reduction)
    if how == "mean":  # what nn.functional warns about is what is asked for here
        return _kl_div(input, target, reduction="none", log_target=log_target).mean()
    return _kl_div(input, target, reduction=how, log_target=log_target)


def margin_ranking_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: int = 1
) -> Any:
    """``nn.functional.margin_ranking_loss``.

    >>> import sensorium as sn
    >>> sn.margin_ranking_loss(sn.tensor([1.0]), sn.tensor([3.0]), sn.tensor([1.0]))
    tensor(2.)
    """
    how = named("margin_ranking_loss", "reduction", _REDUCTIONS, reduction)
    return _margin_ranking_loss(input1, input2, target, margin, reduction=how)


def poisson_nll_loss(
    input: Any, target: Any, log_input: bool, full: bool, eps: float, reduction: int
) -> Any:
    """``nn.functional.poisson_nll_loss`` with all its arguments.

    >>> import sensorium as sn
    >>> sn.poisson_nll_loss(sn.zeros(1), sn.ones(1), True, False, 1e-8, 1)
    tensor(1.)
    """
    how = named("poisson_nll_loss", "reduction", _REDUCTIONS, reduction)
    return _poisson_nll_loss(input, target, log_input=log_input, full=full, eps=eps, reduction=how)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = 1,
) -> Any:
    """``nn.functional.triplet_margin_loss``.

    >>> import sensorium as sn
    >>> sn.triplet_margin_loss(sn.zeros(1, 1), sn.zeros(1, 1), sn.tensor([[0.5]])).round(decimals=3)
    tensor(0.5000)
    """
    how = named("triplet_margin_loss", "reduction", _REDUCTIONS, reduction)
    return _triplet_margin_loss(
        anchor, positive, negative, margin=margin, p=p, eps=eps, swap=swap, reduction=how
    )
