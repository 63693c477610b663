"""HQ's database as a file: its rows, with nothing believed and nothing worked out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import schemas
from hub.domain.catalogue import KINDS
from hub.domain.state import state_path
from hub.ledger.step import EntityKey
from hub.protocol.avro import Codec, unframe
from hub.protocol.schema import parse_schema
from hub.replay.source import Ledger
from hub.store.rows import StoredEvent, StoredReceipt


@dataclass(frozen=True, slots=True)
class LaneRows:
    """A lane as HQ has it."""

    origin: str
    center: str
    epoch: str
    events: list[StoredEvent] = field(default_factory=list)
    receipts: list[StoredReceipt] = field(default_factory=list)


def read_lanes(path: Path) -> Iterator[LaneRows]:
    """Yield the lanes with all rows that stand under their number, whatever size the lane says it has."""
    with Ledger.open(path) as ledger:
        for lane in ledger.lanes:
            events = ledger.events(lane.id, -(2**63), 2**63 - 1)
            yield LaneRows(lane.origin, lane.center, lane.epoch, events, list(ledger.receipts(lane)))


def event_id(event: StoredEvent) -> str:
    """Return its CloudEvents id, by which its center knows it."""
    return (dict(event.split()[0]).get("ce_id") or b"").decode("utf-8", "replace")


def read_entities(db: sqlite3.Connection) -> dict[EntityKey, tuple[Any, ...]]:
    """Return document, digest, version, status, origin, sequence, record origin and sequence of every entity."""
    return {
        (stream, subject): tuple(rest)
        for stream, subject, *rest in db.execute(
            "SELECT e.stream, e.id, document, digest, version, status, a.origin, sequence, b.origin, record_sequence"
            " FROM entity e JOIN lane a ON a.id = e.lane_id JOIN lane b ON b.id = e.record_lane_id"
        )
    }


def decode_state(value: bytes) -> dict[str, Any]:
    schema_id, body = unframe(value)
    return _state_codecs()[schema_id].decode(body)


@cache
def _state_codecs() -> dict[int, Codec]:
    found = [parse_schema(schemas.read(state_path(kind))) for kind in KINDS.values() if kind.carries_record]
    return {schema.id: Codec(schema) for schema in found}
