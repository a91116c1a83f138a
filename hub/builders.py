"""``Builders``: one registry of model builders for a domain: ``get_model("resnet50", ...)``.

A family is a function (or class) from keyword options to a network, and a table of variants: a
variant is a row of options, not a function. The family's own name builds it from options alone (a
card's ``architecture`` and ``config``). Follows torchvision's ``get_model`` and ``list_models``.

>>> from sensorium import nn
>>> models = Builders("toys")
>>> models.register("mlp", lambda *, width: nn.Linear(width, 1), {"mlp_small": {"width": 4}})
>>> models.get_model("mlp_small"), models.list_models()
(Linear(in_features=4, out_features=1, bias=True), ['mlp_small'])
"""

from __future__ import annotations

import difflib
import fnmatch
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from sensorium.errors import NotFoundError, OptionError

Build = Callable[..., Any]  # keyword options -> a Module
Row = Mapping[str, Any]


class Builders:
    """The models of a domain by name; ``domain`` is what errors call it."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self._models: dict[str, tuple[Build, Row]] = {}
        self._families: dict[str, str] = {}  # name of a model -> name of its family

    def register(
        self, family: str, build: Build, variants: Mapping[str, Row] | None = None
    ) -> None:
        """Add a family and its variants; a name that exists already is an ``OptionError``."""
        for name, row in {family: {}, **(variants or {})}.items():
            if name in self._models:
                raise OptionError(f"register: a {self.domain} model is called {name!r} already")
            self._models[name] = (build, row)
            self._families[name] = family

    def families(self) -> list[str]:
        """The names that a card's ``architecture`` may have, sorted."""
        return sorted(set(self._families.values()))

    def list_models(self, include: str = "*", *, family: str | None = None) -> list[str]:
        """Names of variants that match a shell pattern, sorted."""
        return sorted(
            name
            for name, own in self._families.items()
            if name != own and family in {None, own} and fnmatch.fnmatchcase(name, include)
        )

    def get_model(self, name: str, *, weights: str | None = None, **config: Any) -> Any:
        """The model ``name``, its row's options overridden by ``config``; in train mode.

        Fresh weights, or with ``weights`` those that ``sensorium.hub`` knows by that name (then
        ``num_classes`` is the only option). ``NotFoundError`` suggests the closest names,
        ``OptionError`` names the options there are.
        """
        build, row = self._find(name)
        if weights is not None:
            return _pretrained(name, weights, config)
        given = {**row, **config}
        _check(name, build, given)
        return build(**given)

    def model_config(self, name: str) -> dict[str, Any]:
        """The options of a variant's row."""
        return dict(self._find(name)[1])

    def builder(self, name: str) -> Builder:
        """``get_model`` with its first argument given: what ``models.resnet50`` is."""
        return Builder(self, name)

    def _find(self, name: str) -> tuple[Build, Row]:
        if name not in self._models:
            close = difflib.get_close_matches(name.lower(), self._models, n=3, cutoff=0.5)
            known = f"did you mean {', '.join(close)}?" if close else f"there are {[*self._models]}"
            raise NotFoundError(f"get_model: no {self.domain} model is called {name!r}; {known}")
        return self._models[name]

    def __repr__(self) -> str:
        return f"<{len(self._families)} builders of {self.domain} models>"


class Builder:
    """``resnet50``: calls ``get_model`` with its own name."""

    def __init__(self, models: Builders, name: str) -> None:
        self._models = models
        self.__name__ = self.__qualname__ = name
        options = ", ".join(f"{key}={value!r}" for key, value in models.model_config(name).items())
        family = models._families[name]
        self.__doc__ = f"{family}({options}); other options by keyword, see its class."

    def __call__(self, *, weights: str | None = None, **config: Any) -> Any:
        return self._models.get_model(self.__name__, weights=weights, **config)

    def __repr__(self) -> str:
        return f"<builder of {self.__name__}>"


# -- helpers -------------------------------------------------------------------------------------
def _check(name: str, build: Build, given: Row) -> None:
    parameters = inspect.signature(build).parameters
    if unknown := sorted(given.keys() - parameters.keys()):
        raise OptionError(f"{name}: unknown options {unknown}; there are {sorted(parameters)}")
    needed = {key for key, item in parameters.items() if item.default is item.empty}
    if missing := sorted(needed - given.keys()):
        raise OptionError(f"{name}: options {missing} are needed, got {sorted(given)}")


def _pretrained(name: str, weights: str, config: dict[str, Any]) -> Any:
    from . import load  # only who asks for published weights needs it

    if unknown := sorted(config.keys() - {"num_classes"}):
        raise OptionError(f"{name}: weights={weights!r} fixes the options {unknown}")
    return load(name, weights=weights, num_classes=config.get("num_classes")).train()
