"""Pretrained models by name: ``hub.load("resnet50")``.

    load      a model with its weights, preprocessing and card: by name, from a folder, from hf://
    pipeline  the same as a callable from input to labelled results
    list      names of models; help: a card as text; card: a card as data
    fetch     a verified local copy of any https, hf, file or pypi source; pull: all files of a model
    save      a model as a folder that load reads back
    cache     where files are kept: list, verify, remove, prune, path, size
    register  add a zoo of your own for this process

Environment: ``SENSORIUM_HOME``, ``SENSORIUM_OFFLINE``, ``SENSORIUM_MIRROR``, ``HF_TOKEN``,
``HF_ENDPOINT`` (see ``settings``). requests and tqdm are imported by the first download, zoos by
the first question about models.
"""

from __future__ import annotations

from . import cache as cache
from .cards import (
    Card as Card,
    File as File,
    Weights as Weights,
    read_cards as read_cards,
)
from .catalog import card as card, help as help, list as list
from .fetching import fetch as fetch
from .loading import load as load, pipeline as pipeline, pull as pull
from .registry import Zoo as Zoo, register as register, unregister as unregister
from .saving import save as save
