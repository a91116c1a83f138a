"""One registry of model builders: ``get_model("resnet50", num_classes=10)``.

A family is a function from keyword options to a network, and a table of variants: a variant is a
row of options, not a function. The family's own name builds it from options alone (a card's
``architecture`` and ``config``). Follows torchvision's ``get_model`` and ``list_models``.
"""

from __future__ import annotations

import difflib
import fnmatch
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from sensorium.errors import NotFoundError, OptionError
from sensorium.nn import Module

Build = Callable[..., Module]
Row = Mapping[str, Any]

_models: dict[str, tuple[Build, Row]] = {}
_families: dict[str, str] = {}  # name of a model -> name of its family


def register(family: str, build: Build, variants: Mapping[str, Row]) -> None:
    """Add a family and its variants; a name that exists already is a ``OptionError``."""
    for name, row in {family: {}, **variants}.items():
        if name in _models:
            raise OptionError(f"register: a model is called {name!r} already")
        _models[name] = (build, row)
        _families[name] = family


def list_models(include: str = "*", *, family: str | None = None) -> list[str]:
    """Names of variants that match a shell pattern, sorted.

    >>> list_models("wide_*")
    ['wide_resnet101_2', 'wide_resnet50_2']
    """
    return sorted(
        name
        for name, own in _families.items()
        if name != own and family in {None, own} and fnmatch.fnmatchcase(name, include)
    )


def get_model(name: str, *, weights: str | None = None, **config: Any) -> Module:
    """The model ``name``, its row's options overridden by ``config``; in train mode.

    Fresh weights, or with ``weights`` those that ``sensorium.hub`` knows by that name (then
    ``num_classes`` is the only option). ``NotFoundError`` suggests the closest names,
    ``OptionError`` names the options there are.

    >>> sum(p.numel() for p in get_model("resnet18", num_classes=10).parameters())
    11181642
    """
    build, row = _find(name)
    if weights is not None:
        return _pretrained(name, weights, config)
    given = {**row, **config}
    _check(name, build, given)
    return build(**given)


def model_config(name: str) -> dict[str, Any]:
    """The options of a variant's row.

    >>> model_config("wide_resnet50_2")["width_per_group"]
    128
    """
    return dict(_find(name)[1])


class Builder:
    """``resnet50``: calls ``get_model`` with its own name."""

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name
        options = ", ".join(f"{key}={value!r}" for key, value in model_config(name).items())
        self.__doc__ = f"{_families[name]}({options}); other options by keyword, see its class."

    def __call__(self, *, weights: str | None = None, **config: Any) -> Module:
        return get_model(self.__name__, weights=weights, **config)

    def __repr__(self) -> str:
        return f"<builder of {self.__name__}>"


# -- helpers -------------------------------------------------------------------------------------
def _find(name: str) -> tuple[Build, Row]:
    if name not in _models:
        close = difflib.get_close_matches(name.lower(), _models, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(close)}?" if close else f"there are {sorted(_models)}"
        raise NotFoundError(f"get_model: no model is called {name!r}; {hint}")
    return _models[name]


def _check(name: str, build: Build, given: Row) -> None:
    parameters = inspect.signature(build).parameters
    if unknown := sorted(given.keys() - parameters.keys()):
        raise OptionError(f"{name}: unknown options {unknown}; there are {sorted(parameters)}")
    needed = {key for key, item in parameters.items() if item.default is item.empty}
    if missing := sorted(needed - given.keys()):
        raise OptionError(f"{name}: options {missing} are needed, got {sorted(given)}")


def _pretrained(name: str, weights: str, config: dict[str, Any]) -> Module:
    from sensorium import hub  # only who asks for published weights needs the hub

    if unknown := sorted(config.keys() - {"num_classes"}):
        raise OptionError(f"{name}: weights={weights!r} fixes the options {unknown}")
    model = hub.load(name, weights=weights, num_classes=config.get("num_classes"))
    return model.train()
