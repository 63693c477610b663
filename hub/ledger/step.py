"""What the engine makes of one fetch: plain frozen values, nothing decided any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Never

from hub.domain.entity import Entity, Outline, OutlineOnly
from hub.ledger.lane import Intake, Lane
from hub.ledger.reading import Cosignature, Heard, Quarantined, Reading, Stretch
from hub.protocol.receipt import Receipt
from hub.protocol.value import value_class

EntityKey = tuple[str, str]  # stream, entity id


@value_class
class KnownEntity:
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


class KnownOutline(KnownEntity):
    """A known entity of which only the outline is at hand: stream, id, center, status, version, and its last event.

    It is enough to judge most events by, and to judge them as by the whole entity: whatever asks for anything else
    raises OutlineOnly, which is no verdict.
    """

    __slots__ = ()

    def __init__(self, entity: Outline, origin: str, sequence: int) -> None:
        self.entity, self.origin, self.sequence = entity, origin, sequence  # type: ignore[misc] # it is being made

    def __getattr__(self, name: str) -> Never:
        # Python asks here only for what is not set.
        if name not in KnownEntity.__match_args__:
            raise AttributeError(name)
        raise OutlineOnly(f"{name} of {self.entity.stream} {self.entity.id}")


@value_class
class LedgerRow:
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
    """A stretch of one lane, decided: its rows, the lane after them, and the receipt as a value and as it is sent.

    Shapes: a row for each event of the stretch, in order. `missing` counts the events of the lane that the stretch
            closes which its center says it wrote and HQ does not have.
    Units:  `lane.recorded_at` is when HQ recorded all of them, in UTC: it is in the receipt, and never decreases within
            a lane, whatever HQ's clock does, but where HQ took a time back. The step has that clock's own word,
            `committed_at`.
    """

    stretch: Stretch
    lane: Lane
    rows: tuple[LedgerRow, ...]
    receipt: Receipt
    note: bytes
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """All that comes of one fetch of one center's topic: where reading goes on, what is written, what is sent.

    A store writes a step in one transaction or writes nothing of it:
      reading.intake     the intake's position, status and open lane; its closed lanes follow from `commits`
      commits            lanes, ledger rows and receipts, in order; no two of them overlap
      entities           every entity that an accepted event changed, as it is after the last of them
      measures           by how much each measure of a lane changes, by (lane origin, measure key); never by zero
      quarantine         records that are kept without becoming events, in the order in which they came
      cosignatures       those under a checkpoint that HQ has signed; the first of a key at a size counts
      heard              presences, alarms, the numbers of duplicates and strangers; its claims are not written

    After the commit, and only then, the caller goes on from `reading`, publishes `commits`, sends `resends` (signed
    notes) and answers `heard.claims` from what is stored: a claim may be of what this very step has stored.

    Shapes: nothing of it is changed once it is made. No commit means no entity and no measure. The intake's status is
            written only where the step `restates` it: a person may have changed it since the reading was made.
    Units:  `committed_at` is HQ's clock at the step, in UTC: when what is no event was received. An event's time is its
            commit's `lane.recorded_at`, which is `committed_at` unless the lane was recorded at a later one already.
    Source: ARCHITECTURE.md, "One fetch, step by step"; made by `hub.ledger.engine.judge`.
    """

    reading: Reading
    committed_at: datetime
    commits: tuple[Commit, ...]
    entities: Mapping[EntityKey, KnownEntity]
    measures: Mapping[tuple[str, str], Decimal]
    quarantine: tuple[Quarantined, ...]
    cosignatures: tuple[Cosignature, ...]
    resends: tuple[bytes, ...]
    heard: Heard
    restates: bool = True

    def unanswered(self, offset: int | None) -> Step:
        """Return what is written before its claims are answered: all of it, with the position left at `offset`."""
        intake = replace(self.reading.intake, offset=offset)
        heard = replace(self.heard, duplicates=0, strangers=0)
        return replace(self, reading=replace(self.reading, intake=intake), heard=heard)

    def answered(self, reading: Reading) -> Step:
        """Return what is written when its claims are answered: where reading goes on, and what came twice."""
        heard = Heard(duplicates=self.heard.duplicates, strangers=self.heard.strangers)
        restates = self.restates or reading.intake.status is not self.reading.intake.status
        return Step(reading, self.committed_at, (), {}, {}, (), (), (), heard, restates)

    def changes(self, intake: Intake) -> bool:
        """Return whether there is anything to write where the intake stands at `intake`: a duplicate alone is not."""
        said = self.cosignatures or self.heard.presences or self.heard.alarms or self.heard.strangers
        return bool(self.commits or self.quarantine or said) or self.reading.intake != intake
