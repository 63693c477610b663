"""Centers: the life of each and of its keys. Only HQ writes this stream; it is half of the registry."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from hub.domain.codes import lists
from hub.domain.fields import (
    Base64,
    Country,
    FieldRules,
    LanguageTag,
    Reason,
    StreamName,
    Timezone,
    Title,
    Zone,
    crossed,
    inconsistent,
    one_of,
)
from hub.domain.stream import EventKind, StatusChange, Stream
from hub.protocol.control import ALGORITHMS, key_name, key_text
from hub.protocol.errors import Malformed
from hub.protocol.keys import Verifier


def _check_vkey(value: str) -> str:
    try:
        Verifier.from_text(value)
    except Malformed as exc:
        raise PydanticCustomError("vkey", "{detail}", {"detail": str(exc)[-100:]}) from exc
    return value


Vkey = Annotated[
    str,
    StringConstraints(max_length=4000, pattern=r"^[^\s+]{1,255}\+[0-9a-f]{8}\+[A-Za-z0-9+/]+={0,2}$"),
    AfterValidator(_check_vkey),
]


class CenterKey(FieldRules):
    """A key of a center: `proof` is by itself, `previous_proof` by the key it follows, absent if that one was lost.

    Both are raw signatures over `hub.protocol.control.key_text`, by Ed25519 or, of an ML-DSA-44 key (0x06), by that.
    `status_reason` says why it was revoked.
    """

    vkey: Vkey
    purpose: Annotated[str, one_of(lists.KEY_PURPOSES)]
    status: Annotated[str, one_of(lists.KEY_STATUSES)]
    proof: Base64
    previous_proof: Base64 | None = None
    replaced_lost: bool = False
    status_reason: Reason | None = None


class Center(FieldRules):
    """A center of the network. `streams` are those that it may report; `keys` are all it ever had."""

    name: Title
    country: Country
    direction: Annotated[str, one_of(lists.DIRECTIONS)]
    zone: Zone | None = None
    languages: Annotated[list[LanguageTag], Field(min_length=1, max_length=10)]
    timezone: Timezone
    streams: Annotated[list[StreamName], Field(max_length=40)]
    keys: Annotated[list[CenterKey], Field(max_length=100)] = Field(default_factory=list)
    crossed = (crossed("each_once", "keys", by="vkey"), crossed("keys_are_proved", "keys"))

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({key.vkey for key in self.keys}) != len(self.keys):
            raise inconsistent("keys", "the same key twice")
        for number, key in enumerate(self.keys):
            _check_proofs(key, self.keys[:number])
        return self


def _check_proofs(key: CenterKey, before: Sequence[CenterKey]) -> None:
    verifier = Verifier.from_text(key.vkey)
    hub, center = named_by(key.vkey, key.purpose)
    if verifier.name != key_name(hub, center, key.purpose):
        raise inconsistent("keys", f"a {key.purpose} key of another name")
    if verifier.algorithm not in ALGORITHMS[key.purpose]:
        raise inconsistent("keys", f"{verifier.algorithm:#04x} is no kind of {key.purpose} key")
    text = key_text(hub, center, key.purpose, verifier).encode()
    if not _is_signed(text, verifier, key.proof):
        raise inconsistent("keys", "proof is not by the key")
    earlier = [Verifier.from_text(old.vkey) for old in before if old.purpose == key.purpose]
    if key.previous_proof is not None and not any(_is_signed(text, old, key.previous_proof) for old in earlier):
        raise inconsistent("keys", "previous_proof is not by an earlier key")
    if key.replaced_lost != (bool(earlier) and key.previous_proof is None):
        raise inconsistent("keys", "replaced_lost: expected where there were keys and none vouches")


def _is_signed(text: bytes, key: Verifier, proof: str) -> bool:
    try:
        key.verify(text, base64.b64decode(proof, validate=True))
    except (Malformed, ValueError):
        return False
    return True


def named_by(vkey: str, purpose: str) -> tuple[str, str]:
    """Return the hub and the center that a vkey's name says, `<hub>/<center>` and, unless a seal key, `/<purpose>`."""
    hub, _, rest = vkey.partition("+")[0].partition("/")
    return hub, rest if purpose == "seal" else rest.removesuffix(f"/{purpose}")


def key_of(value: Mapping[str, Any]) -> str | None:
    """Return the center whose keys the record has, None where it has none: a center's entity id is `hq:<center>`."""
    named = sorted({named_by(key["vkey"], key["purpose"])[1] for key in value["keys"]})
    return " ".join(named) or None


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
    key_of=key_of,
)
