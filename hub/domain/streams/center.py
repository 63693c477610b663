"""Centers: the life of each and of its keys. Only HQ writes this stream; it is half of the registry."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from hub.domain.codes import lists
from hub.domain.fields import Base64, Country, FieldRules, LanguageTag, Timezone, Title, Zone, inconsistent, one_of
from hub.domain.stream import EventKind, StatusChange, Stream


def _check_vkey(value: str) -> str:
    # C2SP signed-note: <name>+<8 hex>+<base64 of algorithm byte and key>, the hex over name, newline and those bytes.
    name, stated, encoded = value.split("+", 2)
    try:
        key = base64.b64decode(encoded, validate=True)
    except ValueError as exc:
        raise PydanticCustomError("vkey", "key is not base64", {}) from exc
    if sha256(name.encode() + b"\n" + key).hexdigest()[:8] != stated:
        raise PydanticCustomError("vkey", "key id does not match the key", {})
    return value


Vkey = Annotated[
    str,
    StringConstraints(max_length=4000, pattern=r"^[^\s+]{1,255}\+[0-9a-f]{8}\+[A-Za-z0-9+/]+={0,2}$"),
    AfterValidator(_check_vkey),
]


class CenterKey(FieldRules):
    """A key of a center: `proof` is by itself, `previous_proof` by the key it follows, absent if that one was lost."""

    vkey: Vkey
    purpose: Annotated[str, one_of(lists.KEY_PURPOSES)]
    status: Annotated[str, one_of(lists.KEY_STATUSES)]
    proof: Base64
    previous_proof: Base64 | None = None
    replaced_lost: bool = False


class Center(FieldRules):
    """A center of the network. `streams` are those that it may report; `keys` are all it ever had."""

    name: Title
    country: Country
    direction: Annotated[str, one_of(lists.DIRECTIONS)]
    zone: Zone | None = None
    languages: Annotated[list[LanguageTag], Field(min_length=1, max_length=10)]
    timezone: Timezone
    streams: Annotated[list[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]], Field(max_length=40)]
    keys: Annotated[list[CenterKey], Field(max_length=100)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({key.vkey for key in self.keys}) != len(self.keys):
            raise inconsistent("keys", "the same key twice")
        return self


_OPEN = frozenset({"active", "suspended"})

CENTER = Stream(
    name="center",
    record=Center,
    writer="hq",
    events=(
        EventKind("center", "registered", Center, True, frozenset({None}), "active"),
        EventKind("center", "revised", Center, True, _OPEN, None),
        EventKind("center", "key_added", Center, True, _OPEN, None),
        EventKind("center", "key_revoked", Center, True, _OPEN, None),
        EventKind("center", "suspended", StatusChange, False, frozenset({"active"}), "suspended"),
        EventKind("center", "resumed", StatusChange, False, frozenset({"suspended"}), "active"),
        EventKind("center", "closed", StatusChange, False, _OPEN, "closed"),
    ),
)
