"""Special tokens by what they are for: unknown, padding, beginning, end, mask, ...

Names and meanings are those of Hugging Face's ``tokenizer_config.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

ROLES = ("unk", "pad", "cls", "sep", "mask", "bos", "eos")

# What published tokenizers call them, for a tokenizer.json that comes without its configuration.
_USUAL = {
    "unk": ("[UNK]", "<unk>"),
    "pad": ("[PAD]", "<pad>"),
    "cls": ("[CLS]",),
    "sep": ("[SEP]",),
    "mask": ("[MASK]", "<mask>"),
    "bos": ("<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "<|endoftext|>"),
    "eos": ("</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>"),
}


def stated(config: Mapping[str, Any]) -> dict[str, str]:
    """The roles that a tokenizer_config.json or special_tokens_map.json gives a token."""
    found = {}
    for role in ROLES:
        value = config.get(f"{role}_token")
        if isinstance(value, Mapping):
            value = value.get("content")
        if isinstance(value, str) and value:
            found[role] = value
    return found


def usual(spec: Mapping[str, Any], known: Callable[[str], bool]) -> dict[str, str]:
    """The roles that a tokenizer.json shows by itself: its fields, then its tokens' names."""
    found: dict[str, str] = {}
    for role, names in _USUAL.items():
        name = next((name for name in names if known(name)), None)
        if name is not None:
            found[role] = name
    unk = spec["model"].get("unk_token")
    pad = (spec.get("padding") or {}).get("pad_token")
    for role, name in (("unk", unk), ("pad", pad)):
        if isinstance(name, str) and known(name):
            found[role] = name
    processor = spec.get("post_processor") or {}
    if processor.get("type") == "RobertaProcessing":
        found.setdefault("cls", str(processor["cls"][0]))
        found.setdefault("sep", str(processor["sep"][0]))
    return found
