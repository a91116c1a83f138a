"""LBFGS: quasi-Newton steps from a short history of gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..autograd import enable_grad, no_grad
from ..inplace import wrote
from ..tensor import Tensor, wrap
from ._checks import check_not_negative
from ._formulas import as_real
from ._line_search import Point, strong_wolfe
from .optimizer import Group, Optimizer

State = dict[str, Any]


class LBFGS(Optimizer):
    """p -= t H g, H the inverse Hessian as the last history_size steps and gradients suggest it.

    ``step(closure)`` makes up to max_iter iterations, with at most max_eval calls of closure, which
    clears the gradients, computes the loss, calls backward() and returns the loss. t is lr, or with
    line_search_fn="strong_wolfe" satisfies the strong Wolfe conditions. There is one group.
    Source: Nocedal (1980); Nocedal and Wright, Numerical Optimization, algorithm 7.4.

    >>> import sensorium as sn
    >>> p = sn.nn.Parameter(sn.tensor([4.0]))
    >>> lbfgs = LBFGS([p], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     lbfgs.zero_grad(); loss = ((p - 1) ** 2).sum(); loss.backward(); return loss
    >>> loss = lbfgs.step(closure); loss.item(), round(p.item(), 4)
    (9.0, 1.0)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_not_negative("LBFGS", lr=lr)
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(
                f"LBFGS: line_search_fn must be strong_wolfe or None, got {line_search_fn!r}"
            )
        defaults = {
            "lr": lr, "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change,
            "history_size": history_size, "line_search_fn": line_search_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError(f"LBFGS: takes one group, got {len(self.param_groups)}")

    def _wanted_shape(self, key: str, p: Tensor) -> tuple[int, ...] | None:
        flat = key in ("d", "prev_flat_grad", "old_dirs", "old_stps")
        return (sum(part.size for part in self._parts()),) if flat else None

    # -- all parameters as one vector ------------------------------------------------------------
    def _parts(self) -> list[Any]:
        arrays = [p.array for p in self._all()]
        return [as_real(a) if a.dtype.kind == "c" else a for a in arrays]

    def _gradient(self) -> Any:
        """The gradients end to end, 0 for a parameter without; complex ones as pairs of reals."""
        found = [np.zeros_like(p.array) if p._grad is None else p._grad.array for p in self._all()]
        found = [as_real(g) if g.dtype.kind == "c" else g for g in found]
        return np.concatenate([g.reshape(-1) for g in found])

    def _move(self, t: float, d: Any) -> None:
        """p += t d."""
        start = 0
        for p, part in zip(self._all(), self._parts()):
            part += (t * d[start : start + part.size].reshape(part.shape)).astype(part.dtype)
            start += part.size
            wrote(p)

    def _put_back(self, saved: list[Any]) -> None:
        for p, part, old in zip(self._all(), self._parts(), saved):
            part[...] = old
            wrote(p)

    # -- stepping --------------------------------------------------------------------------------
    @no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Up to max_iter iterations; returns the loss at their start."""
        if not callable(closure):
            raise TypeError("LBFGS.step: wants a closure that computes the loss, got None")
        run = _Run(self, enable_grad()(closure))
        if run.flat():
            return run.first_loss
        while run.iterate():
            pass
        run.keep()
        return run.first_loss


class _Run:
    """The iterations of one step."""

    def __init__(self, optimizer: LBFGS, closure: Callable[[], Any]) -> None:
        self.optimizer, self.closure = optimizer, closure
        self.group: Group = optimizer.param_groups[0]
        self.state: State = optimizer.state[optimizer._all()[0]]
        self.state.setdefault("func_evals", 0)
        self.state.setdefault("n_iter", 0)
        self.first_loss = closure()
        self.loss, self.g = float(self.first_loss), optimizer._gradient()
        self.state["func_evals"] += 1
        self.calls, self.iterations = 1, 0
        self.d: Any = getattr(self.state.get("d"), "array", None)
        self.last_g: Any = getattr(self.state.get("prev_flat_grad"), "array", None)
        self.changes, self.moves = (
            [v.array for v in self.state.get(n) or []] for n in ("old_dirs", "old_stps")
        )
        self.ro = [float(r) for r in self.state.get("ro") or []]
        self.t, self.last_loss = float(self.state.get("t") or 0), self.state.get("prev_loss")
        self.scale = float(self.state.get("H_diag", 1))
        self.shares: list[Any] = self.state.get("al") or []

    def flat(self) -> bool:
        """Whether the gradient is within its tolerance."""
        return bool(float(np.abs(self.g).max()) <= self.group["tolerance_grad"])

    def iterate(self) -> bool:
        """One iteration; whether there shall be another."""
        group, lr = self.group, float(self.group["lr"])
        self.iterations += 1
        self.state["n_iter"] += 1
        first = self.state["n_iter"] == 1
        self.d = -self.g if first else self._direction()
        self.last_g, self.last_loss = self.g.copy(), self.loss
        self.t = min(1.0, 1.0 / float(np.abs(self.g).sum())) * lr if first else lr
        slope = float(self.g.dot(self.d))
        if slope > -group["tolerance_change"]:
            return False
        is_flat, calls = self._advance(slope)
        self.calls += calls
        self.state["func_evals"] += calls
        change = float(np.abs(self.d).max()) * abs(self.t)
        return not (
            self.iterations == group["max_iter"]
            or self.calls >= group["max_eval"]
            or is_flat
            or change <= group["tolerance_change"]
            or abs(self.loss - self.last_loss) < group["tolerance_change"]
        )

    def _direction(self) -> Any:
        """-H g by the two-loop recursion, after taking the last step into the history."""
        y, s = self.g - self.last_g, self.d * self.t
        ys = float(y.dot(s))
        if ys > 1e-10:
            if len(self.ro) == self.group["history_size"]:
                for history in (self.changes, self.moves, self.ro):
                    history.pop(0)
            self.changes.append(y)
            self.moves.append(s)
            self.ro.append(1.0 / ys)
            self.scale = ys / float(y.dot(y))
        shares: list[Any] = [None] * self.group["history_size"]
        self.shares, q = shares, -self.g
        for i in reversed(range(len(self.ro))):
            shares[i] = share = float(self.moves[i].dot(q)) * self.ro[i]
            q -= share * self.changes[i]
        q *= self.scale
        for i in range(len(self.ro)):
            q += (shares[i] - float(self.changes[i].dot(q)) * self.ro[i]) * self.moves[i]
        return q

    def _advance(self, slope: float) -> tuple[bool, int]:
        """Go along d; whether the gradient is within its tolerance there, and the calls made."""
        optimizer, group = self.optimizer, self.group
        if group["line_search_fn"] is not None:
            start = Point(0, self.loss, self.g, slope)
            found, calls = strong_wolfe(
                self._look(), self.t, self.d, start, 1e-9, group["max_eval"] - self.calls
            )
            self.t, self.loss, self.g = found.t, found.loss, found.gradient
            optimizer._move(self.t, self.d)
            return self.flat(), calls
        optimizer._move(self.t, self.d)
        if self.iterations == group["max_iter"]:
            return False, 0  # nobody would use the loss there
        self.loss, self.g = float(self.closure()), optimizer._gradient()
        return self.flat(), 1

    def _look(self) -> Callable[[float], tuple[float, Any]]:
        """The loss and gradient at a step along d, leaving the parameters where they are."""
        saved = [part.copy() for part in self.optimizer._parts()]

        def evaluate(t: float) -> tuple[float, Any]:
            self.optimizer._move(t, self.d)
            loss, g = float(self.closure()), self.optimizer._gradient()
            self.optimizer._put_back(saved)
            return loss, g

        return evaluate

    def keep(self) -> None:
        """Leave the history in the state of the first parameter, under PyTorch's names."""
        self.state.update(
            d=wrap(self.d), t=self.t, old_dirs=[wrap(v) for v in self.changes],
            old_stps=[wrap(v) for v in self.moves], ro=self.ro, H_diag=self.scale,
            prev_flat_grad=wrap(self.last_g), prev_loss=self.last_loss,
        )  # fmt: skip
        if self.shares:
            self.state["al"] = self.shares
