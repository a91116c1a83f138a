"""What the environment says about the hub: one function per variable, read at each call.

=================== =======================================================================
``SENSORIUM_HOME``    cache folder (default ``$XDG_CACHE_HOME/sensorium`` or
                      ``~/.cache/sensorium``)
``SENSORIUM_OFFLINE`` ``1`` forbids every network connection
``SENSORIUM_MIRROR``  base addresses tried before each https source, separated by spaces
``HF_TOKEN``          token for gated repositories; sent to the endpoint's own origin only
``HF_ENDPOINT``       where ``hf://`` points (default ``https://huggingface.co``)
=================== =======================================================================
"""

from __future__ import annotations

import os
from pathlib import Path

from sensorium.errors import CacheError

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}


def home() -> Path:
    """The cache folder; it need not exist yet. A relative ``XDG_CACHE_HOME`` is ignored, as the
    XDG base directory specification asks."""
    chosen = os.environ.get("SENSORIUM_HOME")
    if chosen:
        return Path(os.path.abspath(os.path.expanduser(chosen)))
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):
        return Path(xdg) / "sensorium"
    user = os.path.expanduser("~")
    if user == "~":
        raise CacheError("no home folder is known (HOME is unset): set SENSORIUM_HOME to a folder")
    return Path(user) / ".cache" / "sensorium"


def offline() -> bool:
    """Whether the network is forbidden; an unknown word is an error, not a guess."""
    word = os.environ.get("SENSORIUM_OFFLINE", "").strip().lower()
    if word not in _TRUE | _FALSE:
        raise CacheError(f"SENSORIUM_OFFLINE is {word!r}: use 1 (offline) or 0 (online)")
    return word in _TRUE


def mirrors() -> tuple[str, ...]:
    """Base addresses without a trailing slash, in the order given."""
    return tuple(base.rstrip("/") for base in os.environ.get("SENSORIUM_MIRROR", "").split())


def hf_endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def hf_token() -> str | None:
    return os.environ.get("HF_TOKEN", "").strip() or None
