"""Whisper's special tokens: where a text begins, in which language, whether times are written.

Where a checkpoint does not say which tokens are special, the published order of the vocabulary does:
text, end, start, the languages, translate, transcribe, start of a language model, start of the
previous text, no speech, no timestamps, then one token for every 20 ms from 0 to 30 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sensorium.errors import OptionError

from .whisper_config import WhisperConfig

# In the order of their tokens; the last is known to large-v3 only.
LANGUAGES = """
    en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur
    hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si
    km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln
    ha ba jw su yue
""".split()  # noqa: SIM905  (a line a language would fill two pages)

FRAME_SECONDS = 0.02  # of one encoder position, and of one step of the timestamps
_ENGLISH = 51864  # size of the English vocabulary, the smallest one published


@dataclass(frozen=True)
class WhisperTokens:
    """The ids that are not text; None and empty where a vocabulary has none."""

    start: int
    end: int
    languages: Mapping[str, int] = field(default_factory=dict, hash=False)
    tasks: Mapping[str, int] = field(default_factory=dict, hash=False)
    previous: int | None = None
    no_speech: int | None = None
    no_timestamps: int | None = None

    @classmethod
    def of(cls, config: WhisperConfig) -> WhisperTokens:
        """What the configuration says, and for published vocabularies what it leaves out.

        >>> tokens = WhisperTokens.of(WhisperConfig(vocab_size=51864))
        >>> tokens.previous, tokens.no_timestamps, tokens.timestamp(0.5)
        (50360, 50362, 50388)
        """
        layout = _published(config.vocab_size)
        last = config.no_timestamps_token_id or layout.get("no_timestamps")
        multilingual = config.is_multilingual
        if multilingual is None:
            multilingual = bool(config.lang_to_id) or config.vocab_size > _ENGLISH
        return cls(
            start=config.decoder_start_token_id,
            end=config.eos_token_id,
            languages=config.lang_to_id or layout.get("languages", {}) if multilingual else {},
            tasks=config.task_to_id or layout.get("tasks", {}) if multilingual else {},
            previous=config.prev_sot_token_id or layout.get("previous"),
            no_speech=None if last is None else last - 1,
            no_timestamps=last,
        )

    @property
    def first_timestamp(self) -> int:
        """The token of 0 s; ``OptionError`` where the vocabulary has no timestamps."""
        if self.no_timestamps is None:
            raise OptionError(
                "timestamps: this vocabulary has none (no_timestamps_token_id is None)"
            )
        return self.no_timestamps + 1

    def timestamp(self, seconds: float) -> int:
        """The token of a time within a window."""
        return self.first_timestamp + round(seconds / FRAME_SECONDS)

    def prompt(self, language: str | None, task: str, timestamps: bool) -> list[int]:
        """What the decoder is given first: start, language and task if there are any, a switch.

        >>> tokens = WhisperTokens.of(WhisperConfig(decoder_start_token_id=50258))
        >>> tokens.prompt("de", "transcribe", timestamps=False)
        [50258, 50261, 50359, 50363]
        """
        tokens = [self.start]
        if self.languages:
            tokens += [_known("language", self.languages, language)]
            tokens += [_known("task", self.tasks, task)]
        elif task != "transcribe" or language not in (None, "en"):
            raise OptionError(
                f"language={language!r}, task={task!r}: this model writes down English only"
            )
        if not timestamps and self.no_timestamps is not None:
            tokens.append(self.no_timestamps)
        return tokens


def _known(what: str, table: Mapping[str, int], name: str | None) -> int:
    if name is None or name not in table:
        raise OptionError(f"{what} {name!r} is not one of {', '.join(table)}")
    return table[name]


def _published(vocab_size: int) -> dict[str, Any]:
    """Special tokens of a vocabulary of the published sizes, by its size; else nothing."""
    if not _ENGLISH <= vocab_size <= _ENGLISH + 2:
        return {}
    start = 50257 + (vocab_size > _ENGLISH)
    languages = LANGUAGES[: 99 + (vocab_size > _ENGLISH + 1)]
    after = start + 1 + len(languages)
    return {
        "languages": {name: start + 1 + n for n, name in enumerate(languages)},
        "tasks": {"translate": after, "transcribe": after + 1},
        "previous": after + 3,
        "no_timestamps": after + 5,
    }
