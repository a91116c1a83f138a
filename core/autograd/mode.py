"""Whether operations are recorded: ``no_grad``, ``enable_grad``, ``set_grad_enabled``, ``inference_mode``.

One flag a thread, as in PyTorch: turning recording off in one thread leaves the others alone.
Each mode is a context manager and a decorator.
"""

from __future__ import annotations

import functools
import inspect
import threading
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class _Mode(threading.local):
    """The calling thread's flags."""

    enabled = True
    inference = False
    towards = False  # a pass that computes some gradients only is under way


mode = _flags = _Mode()  # by its second name where a parameter is called mode


def is_grad_enabled() -> bool:
    """Whether operations of this thread are recorded."""
    return mode.enabled


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside ``inference_mode``."""
    return mode.inference


class _GradMode:
    """Sets the flag on entry, puts the old value back on exit; reentrant."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(mode.enabled)
        mode.enabled = self._enabled

    def __exit__(self, *_: object) -> None:
        mode.enabled = self._before.pop()

    def _fresh(self) -> _GradMode:
        """A manager of one's own for every call of a decorated function, in whatever thread."""
        return _GradMode(self._enabled)

    def __call__(self, function: F) -> F:
        if inspect.isclass(function):
            warnings.warn(
                f"{type(self).__name__}: decorating a class ({function.__name__}) covers making its "
                "instances only; decorate the methods that are meant",
                FutureWarning,
                stacklevel=2,
            )
        if inspect.isgeneratorfunction(function):
            return _decorate_generator(self._fresh, function)

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._fresh():
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


def _decorate_generator(manager: Callable[[], Any], function: F) -> F:
    """Hold the mode while the generator runs, not while it is suspended."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        proceed, value = generator.send, None
        while True:
            try:
                with manager():
                    item = proceed(value)
            except StopIteration as stop:
                return stop.value
            try:
                proceed, value = generator.send, (yield item)
            except GeneratorExit:
                with manager():
                    generator.close()
                raise
            except BaseException as error:  # noqa: BLE001  (the generator's business, all of it)
                proceed, value = generator.throw, error

    return wrapped  # type: ignore[return-value]


class no_grad(_GradMode):
    """Operations inside are not recorded and their results need no gradient.

    >>> import sensorium as sn
    >>> x = sn.ones(2, requires_grad=True)
    >>> with sn.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        return object.__new__(cls) if function is None else cls()(function)

    def __init__(self, function: None = None) -> None:
        super().__init__(False)


class enable_grad(_GradMode):
    """Operations inside are recorded, also within ``no_grad``."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        return object.__new__(cls) if function is None else cls()(function)

    def __init__(self, function: None = None) -> None:
        super().__init__(True)


class set_grad_enabled(_GradMode):
    """Record or do not record, by a flag; acts at once, and as a context manager undoes itself.

    As a decorator it acts only while the function runs.
    """

    def __init__(self, mode: bool) -> None:
        super().__init__(mode)
        self._at_once = _flags.enabled
        _flags.enabled = mode

    def __enter__(self) -> None:
        self._before.append(self._at_once)
        _flags.enabled = self._enabled

    def _fresh(self) -> _GradMode:
        return _GradMode(self._enabled)

    def __call__(self, function: F) -> F:
        _flags.enabled = self._at_once
        return super().__call__(function)


class inference_mode(_GradMode):
    """``no_grad`` that also says so: ``is_inference_mode_enabled()`` is true inside.

    Deviation from PyTorch: results are ordinary tensors and may be used for training later.
    """

    def __new__(cls, mode: bool | Callable[..., Any] = True) -> Any:
        return cls()(mode) if callable(mode) else object.__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        super().__init__(not mode)
        self._inference = mode
        self._outer: list[bool] = []

    def _fresh(self) -> inference_mode:
        return inference_mode(self._inference)

    def __enter__(self) -> None:
        self._outer.append(mode.inference)
        mode.inference = self._inference
        self._before.append(mode.enabled)
        mode.enabled = not self._inference

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        mode.inference = self._outer.pop()
