"""What the bytes of ledger rows say, read with the schemas that HQ announced."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import orjson

from hub.domain.entity import canonical_json
from hub.protocol.avro import PREFIX_SIZE, Codec, schema_id_of
from hub.protocol.canonical import CanonicalReader
from hub.protocol.errors import Malformed
from hub.protocol.schema import DATASCHEMA, Schema, parse_schema
from hub.protocol.value import value_class
from hub.replay.known import damaged
from hub.replay.source import Ledger
from hub.store.released import released_schemas
from hub.store.rows import StoredEvent


@value_class
class Decoded:
    """An event's headers as text, and its value as Avro has it; None, and why, where it can't be read."""

    headers: dict[str, str]
    value: dict[str, Any] | None
    why: str

    @property
    def plain(self) -> dict[str, Any] | None:
        """The value in JSON's own types: decimals and dates are text, as in an entity's document."""
        return None if self.value is None else as_plain(self.value)


class Decoder:
    """Reads events of one ledger. A schema goes by the SHA-256 of its text, so it does not matter when it was known."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._reader = CanonicalReader()
        self._codecs: dict[str, Codec | None] = {}

    def decode(self, event: StoredEvent) -> Decoded:
        """Return what an event says. Errors: none; what can't be read is said to be so."""
        try:
            raw, _, value = self._reader.read(event.data)
        except Malformed:
            return Decoded({}, None, "its bytes are no event's")
        headers = {name: (content or b"").decode("utf-8", "replace") for name, content in raw.items()}
        if not value:
            return Decoded(headers, None, "it has no value")
        name = headers.get("ce_dataschema", "")
        codec = self._codec(name)
        if codec is None:
            return Decoded(headers, None, f"HQ never announced its schema ({name[:100]})")
        try:
            if schema_id_of(value) != codec.schema.id:
                return Decoded(headers, None, "its value is framed with another schema's id")
            return Decoded(headers, codec.decode(value, PREFIX_SIZE), "")
        except Malformed as exc:
            return Decoded(headers, None, str(exc)[:200])

    def value(self, event: StoredEvent) -> dict[str, Any]:
        """Return the value of an accepted event. Errors: Fatal where it can't be read."""
        decoded = self.decode(event)
        if decoded.value is None:
            raise damaged(f"accepted event {event.sequence} of {event.subject} can't be read: {decoded.why}")
        return decoded.value

    def _codec(self, dataschema: str) -> Codec | None:
        if dataschema not in self._codecs:
            schema = self._schemas.get(dataschema)
            self._codecs[dataschema] = None if schema is None else Codec(schema)
        return self._codecs[dataschema]

    @cached_property
    def _schemas(self) -> dict[str, Schema]:
        # HQ's own lane is read with what this software ships: nothing in that lane could vouch for it.
        found = {DATASCHEMA + schema.sha256: schema for schema in released_schemas().values()}
        for document in self._ledger.reader.entities.documents("schema"):
            record = orjson.loads(document)["record"]
            if DATASCHEMA + record["sha256"] in found:
                continue
            schema = parse_schema(record["definition"].encode())
            found[DATASCHEMA + schema.sha256] = schema
        return found


def as_plain(value: dict[str, Any]) -> dict[str, Any]:
    """Return a value in JSON's own types, decimals and dates as text."""
    plain: dict[str, Any] = orjson.loads(canonical_json(value))
    return plain
