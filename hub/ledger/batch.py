"""What one commit writes: plain frozen values, nothing decided any more."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from hub.domain.entity import Entity
from hub.ledger.lane import Intake, Lane
from hub.ledger.take import Claim, Cosignature, Quarantined
from hub.protocol.control import Presence
from hub.protocol.receipt import Receipt
from hub.protocol.value import value_class
from hub.protocol.witness import Alarm

EntityKey = tuple[str, str]  # stream, entity id


@value_class
class Known:
    """An entity as HQ has it, its RFC 8785 JSON and digest, and the events that it came from.

    (origin, sequence) is its last event, of type `changed_by`, recorded at `recorded_at`; (record_origin,
    record_sequence) the one that its record came from, and `value` that event's framed value, None when the entity
    was read from SQL: the ledger has the bytes.
    """

    entity: Entity
    document: bytes
    digest: bytes
    origin: str
    sequence: int
    changed_by: str
    recorded_at: datetime
    record_origin: str
    record_sequence: int
    value: bytes | None = None


@value_class
class Row:
    """One ledger row: an event with its verdict. `key` is kept only where it is not the subject.

    `data` is the canonical bytes: signed headers and value. Times are UTC; occurred_at is None where unreadable.
    """

    sequence: int
    data: bytes
    digest: bytes
    code: str
    field: str
    params: str
    key: bytes | None
    type: str
    subject: str
    occurred_at: datetime | None
    version: int  # of the entity after it; 0 when not accepted
    previous: tuple[str, int] | None = None  # origin and sequence of the entity's accepted event before it


@dataclass(frozen=True, slots=True)
class Commit:
    """The events of one lane in one commit, the lane after them, and the receipt as it is sent."""

    lane: Lane
    rows: list[Row]
    seal: bytes
    receipt: Receipt
    note: bytes
    closes: Lane | None = None  # the lane that ended where this one opened
    missing: int = 0  # events of that lane that its center says it wrote and HQ does not have


@dataclass(slots=True)
class Batch:
    """Everything that one transaction writes for one intake, and what is sent after it."""

    intake: Intake
    commits: list[Commit] = field(default_factory=list)
    entities: dict[EntityKey, Known] = field(default_factory=dict)
    measures: dict[tuple[str, str], Decimal] = field(default_factory=dict)  # (lane origin, measure key): what changes
    quarantine: list[Quarantined] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    resends: list[bytes] = field(default_factory=list)  # signed notes
    presence: Presence | None = None
    cosignatures: list[Cosignature] = field(default_factory=list)
    alarm: Alarm | None = None
    duplicates: int = 0
