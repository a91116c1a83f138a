"""What a container promises (``Layout``), and the ranges that any recording must keep to."""

from __future__ import annotations

from dataclasses import dataclass, field

from ._sources import Damaged

MAX_CHANNELS = 64
MIN_RATE, MAX_RATE = 1_000, 768_000  # Hz


@dataclass(frozen=True)
class Layout:
    """What a container says of itself, and where the decoder shall look."""

    start: int
    end: int
    frames: int | None = None
    """Frames the header promises; None where only decoding tells."""
    problem: str | None = None
    """Why the recording is not whole, if it is not."""
    patches: dict[int, bytes] = field(default_factory=dict)
    """Header fields that the decoder shall see otherwise, by offset in the file."""
    md5: bytes | None = None
    """FLAC: the digest of the decoded samples."""
    talkative: bool = False
    """MP3: the decoder reports damage on the terminal."""


def check_ranges(channels: int, rate: float) -> None:
    """Damaged for a number of channels or a sample rate that no recording has."""
    if not 1 <= channels <= MAX_CHANNELS:
        raise Damaged(f"the header says {channels} channels (want 1 to {MAX_CHANNELS})")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise Damaged(
            f"the header says {rate:.10g} samples a second (want {MIN_RATE} to {MAX_RATE})"
        )
