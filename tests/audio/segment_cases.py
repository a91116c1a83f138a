"""Probabilities of speech that wander, with options that reach every rule of the segmentation."""

from __future__ import annotations

import numpy as np


def cases(count):
    """(probabilities, options) a case; the probabilities have two decimals."""
    rng = np.random.default_rng(7)
    for n in range(count):
        level = np.cumsum(rng.normal(size=int(rng.integers(1, 160))) * rng.choice([0.4, 1.0, 3.0]))
        level += rng.normal() * 2
        level += np.where(rng.random(len(level)) < 0.1, -6 * np.sign(level), 0)  # short drops
        values = (1 / (1 + np.exp(-np.clip(level, -9, 9)))).round(2).tolist()
        yield values, _options(rng, n, len(values))


def _options(rng, n, frames):
    options = {}
    if n % 2:
        options["max_speech_duration_s"] = float(rng.choice([0.6, 1.0, 2.0]))
    if n % 3 == 1:
        options["min_silence_duration_ms"] = int(rng.choice([0, 200, 500]))
        options["min_speech_duration_ms"] = int(rng.choice([0, 64, 400]))
    if n % 4 == 2:
        options["speech_pad_ms"] = int(rng.choice([0, 25, 100]))
        options["threshold"] = float(rng.choice([0.3, 0.8]))
    if n % 5 == 3:
        options["neg_threshold"] = 0.2
        options["duration"] = round(frames * 0.032 - 0.02, 3)
    return options
