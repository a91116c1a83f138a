"""Class names in the order of a classifier's outputs, one text file a list, one name a line.

Here: ``imagenet1k`` (the 1,000 classes of ILSVRC 2012, sorted by WordNet id, each by its first
synonym, with the two cranes and the two maillots told apart, as torchvision's ``categories``) and
``digits``. A new list is a new ``.txt`` file in this folder.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files

from sensorium.errors import NotFoundError


@cache
def labels(name: str) -> tuple[str, ...]:
    """The class names of the list called name; names[k] belongs to output k.

    NotFoundError lists what there is.

    >>> labels("digits")[3], len(labels("imagenet1k"))
    ('3', 1000)
    """
    if name not in available():
        raise NotFoundError(f"labels: no list {name!r}, there is {', '.join(available())}")
    text = (files(__name__) / f"{name}.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


@cache
def available() -> tuple[str, ...]:
    """The names of the lists, sorted.

    >>> available()
    ('digits', 'imagenet1k')
    """
    found = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".txt") for name in found if name.endswith(".txt")))


def imagenet_labels() -> tuple[str, ...]:
    """The 1,000 names of ImageNet-1k.

    >>> imagenet_labels()[0], imagenet_labels()[281], imagenet_labels()[999]
    ('tench', 'tabby', 'toilet tissue')
    """
    return labels("imagenet1k")
