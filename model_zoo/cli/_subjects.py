"""What ``sensorium bench`` times: a model of the zoo with fresh weights, and an input that fits it."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, NamedTuple

from sensorium.errors import NotFoundError, OptionError

IMAGE, SMALL_IMAGE, TOKENS, FRAMES = 224, 32, 128, 101  # what an input has unless --size says


class Subject(NamedTuple):
    """A model, the arguments of a call, and what the call's items are called.

    size is that of an image's side, or of tokens or frames; 0 where the model takes one size only.
    """

    model: Any
    inputs: dict[str, Any]
    items: str
    size: int


def subject(name: str, batch: int, size: int | None) -> Subject:
    """The model of that name, and a random batch; ``NotFoundError`` suggests close names."""
    domain, model = _model(name)
    return _INPUTS[domain](name, model, batch, size)


def _model(name: str) -> tuple[str, Any]:
    """The domain and a fresh model, by a builder's name or a card's."""
    from sensorium.hub import registry

    from .. import _domains
    from .._tasks import TASKS

    known: set[str] = set()
    for domain, models in _domains.MODELS.items():
        names = models().list_models()
        if name in names:
            return domain, models().get_model(name)
        known.update(names)
    cards = {card.name for card in registry.cards() if card.task in TASKS}
    if name in cards:
        card, zoo = registry.find(name)
        return TASKS[card.task].domain, zoo.build(card, card.config)
    close = difflib.get_close_matches(name.lower(), known | cards, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}?" if close else "`sensorium hub list` shows some"
    raise NotFoundError(f"bench: no model is called {name!r}; {hint}")


# -- inputs --------------------------------------------------------------------------------------
def _images(name: str, model: Any, batch: int, size: int | None) -> Subject:
    """(N, C, size, size), normally distributed."""
    import sensorium as sn
    from sensorium import nn

    channels = next(m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d))
    size = size or _side(name, model)
    return Subject(model, {"x": sn.randn(batch, channels, size, size)}, "images", size)


def _side(name: str, model: Any) -> int:
    """The side of the images that published weights of that name saw, or the usual one."""
    from sensorium.hub import registry

    for card in registry.cards(name):
        for weights in card.weights:
            if crop := weights.preprocessing.get("crop"):
                return int(crop)
    return SMALL_IMAGE if type(model).__name__ == "SmallResNet" else IMAGE


def _texts(name: str, model: Any, batch: int, size: int | None) -> Subject:
    """(N, size) tokens without padding."""
    import sensorium as sn

    config = model.config
    names = ("max_position_embeddings", "n_positions")
    most = next((int(getattr(config, name)) for name in names if hasattr(config, name)), TOKENS)
    if size is not None and size > most:
        raise OptionError(f"bench: {name} reads at most {most} tokens, got --size {size}")
    length = size or min(TOKENS, most)
    ids = sn.randint(0, config.vocab_size, (batch, length))
    return Subject(model, {"input_ids": ids}, "texts", length)


def _sounds(name: str, model: Any, batch: int, size: int | None) -> Subject:
    """What the kind of model takes."""
    kind = type(model).__name__
    items, takes_size, make = _SOUNDS[kind]
    if size is not None and not takes_size:
        raise OptionError(f"bench: {name} takes {items} of one length; --size does not apply")
    size = size or FRAMES if takes_size else 0
    return Subject(model, make(model, batch, size), items, size)


def _whisper(model: Any, batch: int, size: int) -> dict[str, Any]:
    """A window of 30 s and the first token to write."""
    import sensorium as sn

    c = model.config
    features = sn.randn(batch, c.num_mel_bins, 2 * c.max_source_positions)
    first = sn.full((batch, 1), c.decoder_start_token_id, dtype=sn.int64)
    return {"input_features": features, "decoder_input_ids": first}


def _wave(argument: str, samples: int) -> Callable[[Any, int, int], dict[str, Any]]:
    def make(model: Any, batch: int, size: int) -> dict[str, Any]:
        import sensorium as sn

        return {argument: sn.randn(batch, samples)}

    return make


def _spectrogram(model: Any, batch: int, size: int) -> dict[str, Any]:
    import sensorium as sn

    return {"x": sn.randn(batch, 1, model.preprocess.n_mels, size)}


_SOUNDS: dict[str, tuple[str, bool, Callable[[Any, int, int], dict[str, Any]]]] = {
    "Crepe": ("frames", False, _wave("x", 1024)),
    "SileroVAD": ("chunks", False, _wave("chunk", 512)),
    "SpectrogramCNN": ("spectrograms", True, _spectrogram),
    "WhisperForConditionalGeneration": ("windows", False, _whisper),
    "WhisperModel": ("windows", False, _whisper),
}

_INPUTS: dict[str, Callable[[str, Any, int, int | None], Subject]] = {
    "vision": _images,
    "text": _texts,
    "audio": _sounds,
}
