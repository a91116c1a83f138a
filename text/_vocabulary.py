"""What a tokenizer knows without a text: its tokens, their roles, lengths and sides; decoding.

The base of ``Tokenizer``; the names are those of Hugging Face's tokenizers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, overload

from sensorium.errors import DTypeError, OptionError, OutOfBoundsError
from sensorium.tensor import Tensor

from . import _batch, _library, _roles
from ._spec import Spec
from ._template import read_template

MAX_CHARS = 2_000_000
"""Characters of one text, unless a tokenizer is told otherwise; each takes about 200 bytes while it
is encoded, so that this is 400 MB."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a tokenizer is beside its tokenizer.json."""

    name: str
    roles: dict[str, str] = field(default_factory=dict)
    model_max_length: int | None = None
    padding_side: str = "right"
    truncation_side: str = "right"
    type_ids: bool = True
    max_chars: int = MAX_CHARS


class _RoleToken:
    """``tok.pad_token``: the token of a role, or None; may be set to any token there is."""

    def __init__(self, role: str) -> None:
        self.role = role

    @overload
    def __get__(self, owner: None, kind: Any) -> _RoleToken: ...
    @overload
    def __get__(self, owner: Vocabulary, kind: Any) -> str | None: ...
    def __get__(self, owner: Vocabulary | None, kind: Any) -> Any:
        return self if owner is None else owner._settings.roles.get(self.role)

    def __set__(self, owner: Vocabulary, token: str | None) -> None:
        owner._set_role(self.role, token)


class _RoleId:
    """``tok.pad_id``: the id of a role's token, or None."""

    def __init__(self, role: str) -> None:
        self.role = role

    @overload
    def __get__(self, owner: None, kind: Any) -> _RoleId: ...
    @overload
    def __get__(self, owner: Vocabulary, kind: Any) -> int | None: ...
    def __get__(self, owner: Vocabulary | None, kind: Any) -> Any:
        return self if owner is None else owner._role_ids.get(self.role)


class Vocabulary:
    """Tokens, their ids and their roles."""

    unk_token, pad_token, cls_token = _RoleToken("unk"), _RoleToken("pad"), _RoleToken("cls")
    sep_token, mask_token = _RoleToken("sep"), _RoleToken("mask")
    bos_token, eos_token = _RoleToken("bos"), _RoleToken("eos")
    unk_id, pad_id, cls_id, sep_id = _RoleId("unk"), _RoleId("pad"), _RoleId("cls"), _RoleId("sep")
    mask_id, bos_id, eos_id = _RoleId("mask"), _RoleId("bos"), _RoleId("eos")
    unk_token_id, pad_token_id, cls_token_id = unk_id, pad_id, cls_id
    sep_token_id, mask_token_id, bos_token_id, eos_token_id = sep_id, mask_id, bos_id, eos_id

    def __init__(self, spec: Spec, settings: Settings) -> None:
        self._spec, name = spec, settings.name
        self._decoder = _library.decoder(spec, name)
        known = frozenset(self._decoder.get_vocab(True).values())
        self._template = read_template(spec.get("post_processor"), known, name)
        self._special = {
            token["content"]: int(token["id"])
            for token in spec.get("added_tokens") or []
            if token.get("special")
        }
        roles = _roles.usual(spec, lambda token: self.token_to_id(token) is not None)
        stated = {r: t for r, t in settings.roles.items() if self.token_to_id(t) is not None}
        self._settings = replace(settings, roles={**roles, **stated})
        self._role_ids = {r: self.token_to_id(t) for r, t in self._settings.roles.items()}

    def __repr__(self) -> str:
        kind = self._spec["model"]["type"]
        roles = {f"{r}_token": t for r, t in self._settings.roles.items()}
        shown = ", ".join(f"{name}={token!r}" for name, token in roles.items())
        return f"{type(self).__name__}({kind}, vocab_size={self.vocab_size}, {shown})"

    # -- decoding --------------------------------------------------------------------------------
    def decode(self, ids: int | Iterable[int] | Tensor, skip_special_tokens: bool = True) -> str:
        """The text of a row of ids; ids outside the vocabulary stand for nothing."""
        numbers = _numbers(ids)
        with _library.guarded("decode"):
            return str(self._decoder.decode(numbers, skip_special_tokens=skip_special_tokens))

    def batch_decode(self, rows: Iterable[Any], skip_special_tokens: bool = True) -> list[str]:
        """``decode`` of every row."""
        return [self.decode(row, skip_special_tokens) for row in rows]

    # -- vocabulary ------------------------------------------------------------------------------
    def token_to_id(self, token: str) -> int | None:
        """The id of a token, or None."""
        found = self._decoder.token_to_id(token)
        return None if found is None else int(found)

    def id_to_token(self, number: int) -> str | None:
        """The token of an id, or None."""
        found = self._decoder.id_to_token(_numbers(number)[0])
        return None if found is None else str(found)

    def get_vocab(self) -> dict[str, int]:
        """Every token with its id, added ones included."""
        return dict(self._decoder.get_vocab(True))

    @property
    def vocab_size(self) -> int:
        """The number of tokens, added ones included."""
        return int(self._decoder.get_vocab_size(True))

    def __len__(self) -> int:
        return self.vocab_size

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """How many special tokens a text, or a pair, gets."""
        return self._template.count(pair)

    @property
    def special_tokens(self) -> dict[str, int]:
        """The special tokens with their ids."""
        return dict(self._special)

    @property
    def model_max_length(self) -> int | None:
        """The most tokens the model takes; what ``truncation=True`` cuts to."""
        return self._settings.model_max_length

    @model_max_length.setter
    def model_max_length(self, value: int | None) -> None:
        length = _batch.as_length(value, "model_max_length")
        self._settings = replace(self._settings, model_max_length=length)

    @property
    def padding_side(self) -> str:
        """Where padding goes: "right", or "left" as generation wants it."""
        return self._settings.padding_side

    @padding_side.setter
    def padding_side(self, side: str) -> None:
        side = _batch.as_side(side, "padding_side")
        self._settings = replace(self._settings, padding_side=side)

    @property
    def truncation_side(self) -> str:
        """Which end is cut: "right" or "left"."""
        return self._settings.truncation_side

    @truncation_side.setter
    def truncation_side(self, side: str) -> None:
        side = _batch.as_side(side, "truncation_side")
        self._settings = replace(self._settings, truncation_side=side)

    def _set_role(self, role: str, token: str | None) -> None:
        roles = {r: t for r, t in self._settings.roles.items() if r != role}
        if token is not None:
            if self.token_to_id(token) is None:
                raise OptionError(f"tokenizer: {role}_token {token!r} is not in the vocabulary")
            roles[role] = token
        self._settings = replace(self._settings, roles=roles)
        self._role_ids = {r: self.token_to_id(t) for r, t in roles.items()}

    # -- files -----------------------------------------------------------------------------------
    def to_json(self) -> bytes:
        """The tokenizer.json, which Hugging Face's tokenizers read too."""
        return json.dumps(self._spec, ensure_ascii=False).encode()

    def to_files(self) -> dict[str, bytes]:
        """tokenizer.json and tokenizer_config.json, as a model's folder has them."""
        s = self._settings
        names = ["input_ids", *(["token_type_ids"] if s.type_ids else []), "attention_mask"]
        config: dict[str, Any] = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            **{f"{role}_token": token for role, token in s.roles.items()},
            "padding_side": s.padding_side,
            "truncation_side": s.truncation_side,
            "model_input_names": names,
        }
        if s.model_max_length is not None:
            config["model_max_length"] = s.model_max_length
        text = json.dumps(config, indent=2, ensure_ascii=False)
        return {"tokenizer.json": self.to_json(), "tokenizer_config.json": text.encode()}


def _numbers(ids: Any) -> list[int]:
    """ids as Python integers in the library's range."""
    values = ids.tolist() if hasattr(ids, "tolist") else ids
    values = [values] if not isinstance(values, Iterable) else list(values)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int):
            raise DTypeError(f"tokenizer: ids must be integers, got {type(value).__name__}")
        if not 0 <= value < 2**32:
            raise OutOfBoundsError(f"tokenizer: id {value} is not in 0 to {2**32 - 1}")
    return values
