"""The tokenizers library behind a guard: built from a checked spec, its panics turned into errors.

A Rust panic reaches Python as ``pyo3_runtime.PanicException``, a ``BaseException`` that no
``except Exception`` catches. The library's thread pool does not survive a fork; it would say so on
the terminal of every child, so forks happen with its threads off, unless the user has decided
otherwise (``TOKENIZERS_PARALLELISM``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sensorium.errors import TokenizerError

_THREADS = "TOKENIZERS_PARALLELISM"


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Whatever the library raises, panics included, as a ``TokenizerError`` that begins with what."""
    try:
        yield
    except TokenizerError:
        raise
    except BaseException as error:
        panic = type(error).__name__ == "PanicException"
        if not panic and not isinstance(error, Exception):
            raise  # an interrupt or an exit
        raise TokenizerError(
            f"{what}: {'the tokenizers library failed: ' * panic}{_said(error)}"
        ) from None


def _said(error: BaseException) -> str:
    return f"{str(error) or type(error).__name__:.300}"


def build(
    spec: dict[str, Any], trim: dict[str, Any] | None, allowed: frozenset[str], name: str
) -> Any:
    """A library tokenizer for the contents of texts: no special tokens, padding or truncation.

    Special tokens that stand in a text are text, except the allowed ones.
    """
    from tokenizers import Tokenizer

    tokens = [
        {**token, "special": bool(token.get("special")) and token["content"] not in allowed}
        for token in spec.get("added_tokens") or []
    ]
    inner = {**spec, "added_tokens": tokens, "post_processor": trim}
    inner.update(padding=None, truncation=None)
    with guarded(name):
        made = Tokenizer.from_str(json.dumps(inner))
        made.encode_special_tokens = True
        made.encode("a")  # a spec that panics does so here
    for token in tokens:
        if made.token_to_id(token["content"]) != token["id"]:
            raise TokenizerError(
                f"{name}: added token {token['content'][:60]!a} has id {token['id']} but its place "
                f"in the vocabulary is {made.token_to_id(token['content'])}"
            )
    return made


def decoder(spec: dict[str, Any], name: str) -> Any:
    """A library tokenizer that knows which tokens are special, to decode with."""
    from tokenizers import Tokenizer

    inner = {**spec, "post_processor": None, "padding": None, "truncation": None}
    with guarded(name):
        return Tokenizer.from_str(json.dumps(inner))


# -- forks ---------------------------------------------------------------------------------------
_set_by_us: list[bool] = []


def _before_fork() -> None:
    _set_by_us.append(_THREADS not in os.environ)
    os.environ.setdefault(_THREADS, "false")


def _after_fork_in_parent() -> None:
    if _set_by_us and _set_by_us.pop():
        os.environ.pop(_THREADS, None)


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent)
