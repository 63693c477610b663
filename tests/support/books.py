"""HQ's database as a file: its rows, with nothing believed and nothing worked out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import schemas
from hub.domain.catalogue import KINDS
from hub.domain.state import state_path
from hub.ledger.batch import EntityKey
from hub.ledger.take import Pending
from hub.protocol.avro import Codec, unframe
from hub.protocol.errors import Malformed
from hub.protocol.receipt import Decision
from hub.protocol.record import SEAL_HEADER, split_canonical
from hub.protocol.schema import parse_schema
from hub.protocol.tree import leaf_hash
from hub.protocol.verdict import Code

ACCEPTED: Final = str(Code.ACCEPTED)


@dataclass(frozen=True, slots=True)
class Event:
    """A ledger row with the entity version that it made; `data` is the canonical bytes."""

    sequence: int
    data: bytes
    digest: bytes
    code: str
    field: str
    params: str
    key: bytes | None
    type: str
    subject: str
    version: int

    @property
    def stream(self) -> str:
        """The stream of its entity."""
        kind = KINDS.get(self.type)
        return kind.stream if kind else "(unknown)"

    @property
    def headers(self) -> dict[str, bytes | None]:
        """Its signed headers, none where the bytes are no event's."""
        return dict(_split(self.data)[0])

    @property
    def ce_id(self) -> str:
        """Its CloudEvents id, by which its center knows it."""
        return (self.headers.get("ce_id") or b"").decode("utf-8", "replace")

    @property
    def line(self) -> str:
        """The line that a receipt must have for it, if it was not accepted."""
        return Decision(self.sequence, self.code, self.field, self.params).to_text()


@dataclass(frozen=True, slots=True)
class Stored:
    """A receipt as HQ has it."""

    first: int
    last: int
    seal: bytes
    edge: bytes
    note: bytes
    recorded_at_us: int
    basis: int


@dataclass(frozen=True, slots=True)
class LaneRows:
    """A lane as HQ has it."""

    id: int
    origin: str
    center: str
    epoch: str
    size: int
    edge: bytes
    state_digest: bytes
    events: list[Event] = field(default_factory=list)
    receipts: list[Stored] = field(default_factory=list)


def read_lanes(db: sqlite3.Connection) -> Iterator[LaneRows]:
    for row in db.execute(
        "SELECT id, origin, center, epoch, size, edge, state_digest FROM lane ORDER BY id"
    ).fetchall():
        lane = LaneRows(*row)
        lane.events.extend(
            Event(*event)
            for event in db.execute(
                "SELECT sequence, data, digest, code, field, params, key, type, subject, version FROM ledger"
                " WHERE lane_id = ? ORDER BY sequence",
                (lane.id,),
            )
        )
        lane.receipts.extend(
            Stored(*receipt)
            for receipt in db.execute(
                "SELECT first, last, seal, edge, note, recorded_at_us, basis FROM receipt WHERE lane_id = ?"
                " ORDER BY last",
                (lane.id,),
            )
        )
        yield lane


def read_entities(db: sqlite3.Connection) -> dict[EntityKey, tuple[Any, ...]]:
    """Return document, digest, version, status, origin, sequence, record origin and sequence of every entity."""
    return {
        (stream, subject): tuple(rest)
        for stream, subject, *rest in db.execute(
            "SELECT e.stream, e.id, document, digest, version, status, a.origin, sequence, b.origin, record_sequence"
            " FROM entity e JOIN lane a ON a.id = e.lane_id JOIN lane b ON b.id = e.record_lane_id"
        )
    }


@dataclass(frozen=True, slots=True)
class Sent:
    """A ledger row as the record that it was."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    offset: int = 0
    timestamp: int = 0
    timestamp_type: int | None = None


def pending(event: Event, seal: bytes | None) -> Pending:
    headers, value = _split(event.data)
    key = event.subject.encode() if event.key is None else event.key
    record = Sent(key, value or None, [*headers, *([(SEAL_HEADER, seal)] if seal else [])])
    return Pending(event.sequence, record, dict(record.headers), event.data, leaf_hash(event.data), seal)


def decode_state(value: bytes) -> dict[str, Any]:
    schema_id, body = unframe(value)
    return _state_codecs()[schema_id].decode(body)


@cache
def _state_codecs() -> dict[int, Codec]:
    found = [parse_schema(schemas.read(state_path(kind))) for kind in KINDS.values() if kind.carries_record]
    return {schema.id: Codec(schema) for schema in found}


def _split(data: bytes) -> tuple[list[tuple[str, bytes | None]], bytes]:
    try:
        return split_canonical(data)
    except Malformed:
        return [], b""
