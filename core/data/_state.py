"""What a DataLoader's ``state_dict`` holds: how far a pass is, and what decided on its order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import StateDictError
from ..generator import Generator
from ._job import Progress

VERSION = 1


def _orders(loader: Any) -> Iterator[Any]:
    """The samplers of a loader, outer ones first."""
    yield from (loader.sampler, loader.batch_sampler)
    yield getattr(loader.batch_sampler, "sampler", None)


def generators_of(loader: Any) -> list[Generator]:
    """The generators that decide on the order, each once."""
    found = [loader.generator, *(getattr(s, "generator", None) for s in _orders(loader))]
    return list({id(g): g for g in found if isinstance(g, Generator)}.values())


def states_of(generators: Sequence[Generator]) -> list[Any]:
    """Where they stand."""
    return [generator.get_state() for generator in generators]


def _with_epochs(loader: Any) -> list[Any]:
    """The samplers whose order depends on an epoch that the program sets."""
    found = [s for s in _orders(loader) if hasattr(s, "set_epoch") and hasattr(s, "epoch")]
    return list({id(s): s for s in found}.values())


def epochs_of(loader: Any) -> list[int]:
    """The epochs of those samplers."""
    return [sampler.epoch for sampler in _with_epochs(loader)]


def set_epochs(loader: Any, epochs: Sequence[int]) -> None:
    """Set them."""
    for sampler, epoch in zip(_with_epochs(loader), epochs):
        sampler.set_epoch(epoch)


def _size(loader: Any) -> int | None:
    return len(loader.dataset) if hasattr(loader.dataset, "__len__") else None


def state_of(loader: Any, progress: Progress | None) -> dict[str, Any]:
    """The state dict; of a finished pass, or before the first, it is that of a pass to begin."""
    if progress is None or progress.finished:
        seed, batches, ahead = None, 0, list[int]()
        generators, epochs = states_of(generators_of(loader)), epochs_of(loader)
    else:
        seed, batches, ahead = progress.seed, progress.batches, sorted(progress.ahead)
        generators, epochs = progress.generators, progress.epochs
    return {
        "version": VERSION,
        "samples": _size(loader),
        "batch_size": loader.batch_size,
        "seed": seed,
        "batches": batches,
        "ahead": ahead,
        "generators": list(generators),
        "epochs": list(epochs),
    }


def restored(loader: Any, state: Mapping[str, Any]) -> tuple[Progress | None, list[Any], list[int]]:
    """The progress to go on from (None: a new pass), generators' states, and epochs."""
    missing = state_of(loader, None).keys() - state.keys()
    if missing or state["version"] != VERSION:
        raise StateDictError(
            f"DataLoader.load_state_dict: want a loader's state of version {VERSION}, got version "
            f"{state.get('version')!r} without {sorted(missing)}"
        )
    generators, epochs = list(state["generators"]), list(state["epochs"])
    for name, here in (
        ("samples", _size(loader)),
        ("batch_size", loader.batch_size),
        ("generators", len(generators_of(loader))),
        ("epochs", len(epochs_of(loader))),
    ):
        there = len(state[name]) if name in ("generators", "epochs") else state[name]
        if there != here:
            raise StateDictError(
                f"DataLoader.load_state_dict: the state is of a loader with {name} {there}, this "
                f"one has {here}"
            )
    if state["seed"] is None:
        return None, generators, epochs
    progress = Progress(state["seed"], state["batches"], set(state["ahead"]), generators, epochs)
    return progress, generators, epochs
