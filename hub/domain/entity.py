"""An entity: what its accepted events say of one thing at this moment, and the digest that says it in 32 bytes."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

import orjson

from hub.domain.exact import EXACT
from hub.protocol.errors import Malformed
from hub.protocol.value import value_class

# RFC 8785 for the values we have: field names are ASCII, so sorting by bytes is sorting by UTF-16 units; there are no
# floats; integers stay below 2^53; orjson escapes what RFC 8785 escapes and nothing else.
_CANONICAL: Final = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z
_FIELDS: Final = frozenset({"stream", "id", "center", "status", "version", "kind", "record", "changed"})


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return decimal_text(value)
    raise TypeError(f"no canonical form for {type(value).__name__}")


def decimal_text(value: Decimal) -> str:
    """Return the one way to write a decimal: digits, no exponent, no trailing zero. 2.50 and 2.5 are one amount."""
    return format(value.normalize(EXACT), "f") if value else "0"


def canonical_json(value: Any) -> bytes:
    """Return a value as RFC 8785 JSON, decimals and dates as strings. Errors: TypeError, for one that has no form."""
    return orjson.dumps(value, _plain, _CANONICAL)


class OutlineOnly(Exception):
    """What was asked for is not in memory, where only an entity's outline is. The caller reads the whole entity."""


class _Unread:
    """Where an entity keeps the text that its record is read from, if somebody asks for it; no field of it."""

    __slots__ = ("_document",)
    _document: bytes | str


@value_class
class Entity(_Unread):
    """One entity as of its last accepted event.

    Shapes: record is the value of the last event that carried the record, and `kind` is that event's type; changed is
            the value of a later event that changed only the status, None otherwise; version counts accepted events.
    """

    stream: str
    id: str
    center: str
    status: str
    version: int
    kind: str
    record: dict[str, Any]
    changed: dict[str, Any] | None = None

    @classmethod
    def unread(
        cls,
        stream: str,
        entity_id: str,
        center: str,
        status: str,
        version: int,
        document: bytes,
        kind: str | None = None,
    ) -> Entity:
        """Return the entity of a `to_json` text of ours whose kind, record and changed are read if asked for.

        A `kind` that is known already is not read.

        Nearly every event carries the whole record: of the entity before it only status and version count.
        """
        entity = cls.__new__(cls)
        for name, given in (
            ("stream", stream),
            ("id", entity_id),
            ("center", center),
            ("status", status),
            ("version", version),
            ("_document", document),
        ):
            object.__setattr__(entity, name, given)
        if kind is not None:
            object.__setattr__(entity, "kind", kind)
        return entity

    def __getattr__(self, name: str) -> Any:
        # Python asks here only for what is not set: the fields that `unread` leaves out.
        if name not in {"kind", "record", "changed"}:
            raise AttributeError(name)
        try:
            document = self._document
        except AttributeError:
            raise OutlineOnly(f"{name} of {self.stream} {self.id}") from None
        read = Entity.from_json(document)
        for left_out in ("kind", "record", "changed"):
            object.__setattr__(self, left_out, getattr(read, left_out))
        return getattr(read, name)

    def to_json(self) -> bytes:
        """Return the entity as RFC 8785 JSON, decimals and dates as strings."""
        text = canonical_json(
            {
                "center": self.center,
                "changed": self.changed,
                "id": self.id,
                "kind": self.kind,
                "record": self.record,
                "status": self.status,
                "stream": self.stream,
                "version": self.version,
            }
        )
        # orjson leaves each text in a block of 8 KiB; those that are kept, thousands of them, are copied out of it.
        return bytes(memoryview(text))

    def is_said_by(self, document: bytes) -> bool:
        """Return whether a `to_json` text is one of an entity with these stream, id, center, status and version.

        The text is compared where they stand in it, and not read: this is asked for each entity that HQ goes on from.
        """
        beginning = canonical_json({"center": self.center, "changed": None, "id": self.id})[:-1] + b',"kind":"'
        if not document.startswith(beginning):  # but for what has changed only its status
            center = canonical_json({"center": self.center})[:-1] + b',"changed":{'
            if not document.startswith(center) or b'},"id":' + canonical_json(self.id) + b',"kind":"' not in document:
                return False
        end = canonical_json({"status": self.status, "stream": self.stream, "version": self.version})
        return document.endswith(b"}," + end[1:])  # a record is an object, too

    @property
    def digest(self) -> bytes:
        """SHA-256 of `to_json()`."""
        return sha256(self.to_json()).digest()

    @classmethod
    def from_json(cls, text: bytes | str) -> Entity:
        """Return the entity that `to_json` wrote, with the same digest; its dates and decimals stay strings.

        Errors: Malformed, if the text is not such an entity.
        """
        try:
            fields = orjson.loads(text)
        except orjson.JSONDecodeError as exc:
            raise Malformed(f"entity is not JSON: {exc}") from exc
        if not isinstance(fields, dict) or fields.keys() != _FIELDS:
            raise Malformed(f"entity: expected exactly {', '.join(sorted(_FIELDS))}")
        return cls(**fields)


class Outline(Entity):
    """An entity whose kind, record and changed are not at hand: whoever asks for one of them is told OutlineOnly."""

    __slots__ = ()

    def __init__(self, stream: str, entity_id: str, center: str, status: str, version: int) -> None:
        self.stream, self.id, self.center, self.status, self.version = stream, entity_id, center, status, version  # type: ignore[misc] # it is being made
