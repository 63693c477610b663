"""What the tables' rows hold: the one place that says how a value becomes a row, and a row a value.

The named tuples have the columns in the order in which every statement lists them (`columns`), so a row of any engine
is one of them as it comes. What a column should hold stands in its type; a damaged database may hold anything else,
and whoever reads one believes none of it. Nothing here knows an engine.

Units: names that end in `_us` are microseconds since 1970, UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from hashlib import sha256
from sys import intern
from typing import Any, Final, NamedTuple, TypeVar

from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity
from hub.ledger.segment import COMMIT_COLUMNS, EVENT_COLUMNS
from hub.ledger.step import Commit, KnownEntity, LedgerRow
from hub.protocol.errors import Malformed
from hub.protocol.head import SIZE_MAX
from hub.protocol.moment import EPOCH_START, MICROSECOND, from_us, to_us
from hub.protocol.note import Note
from hub.protocol.receipt import Decision, Receipt
from hub.protocol.record import split_canonical
from hub.protocol.verdict import Code

EventPlace = tuple[int, int]  # a lane's id and a sequence in it

# What Python raises over a row that no release of ours has written.
UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

_SURROGATE: Final = re.compile("[\ud800-\udfff]")

R = TypeVar("R", bound=tuple[Any, ...])


class StoredEvent(NamedTuple):
    """A ledger row. `data` is the canonical bytes, empty once archived; `version` that of the entity after it.

    `key` is kept only where it is not the subject. `version` is 0 where the event was not accepted. The lane stands
    beside the row: whoever asked knows it.
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
    occurred_at_us: int | None
    version: int
    previous_lane_id: int | None
    previous: int | None

    @property
    def stream(self) -> str:
        """The stream of its entity, '' where the catalogue does not have its type."""
        kind = KINDS.get(self.type)
        return kind.stream if kind else ""

    @property
    def accepted(self) -> bool:
        """Whether HQ accepted it."""
        return self.code == Code.ACCEPTED

    @property
    def line(self) -> str:
        """The line that a receipt must have for it, if it was not accepted."""
        return Decision(self.sequence, self.code, self.field, self.params).to_text()

    def split(self) -> tuple[list[tuple[str, bytes | None]], bytes]:
        """Return its signed headers and value, nothing where the bytes are no event's."""
        try:
            return split_canonical(self.data)
        except Malformed:
            return [], b""


class StoredReceipt(NamedTuple):
    """A receipt row: `first` to `last` of one lane, its seal and receipt notes, the lane's edge after `last`."""

    lane_id: int
    first: int
    last: int
    seal: bytes
    edge: bytes
    note: bytes
    recorded_at_us: int
    basis: int
    state_digest: bytes | None  # None where a release before 0.2 wrote the row


class StoredLane(NamedTuple):
    """A lane row as it was when it was read."""

    id: int
    origin: str
    center: str
    epoch: str
    size: int
    edge: bytes
    state_digest: bytes
    recorded_at_us: int
    closed_by: str | None
    missing: int


class StoredSegment(NamedTuple):
    """A range of a lane whose bytes are in the archive, in the file that `digest` names; `previous` came before."""

    digest: bytes
    lane_id: int
    first: int
    last: int
    previous: bytes | None
    location: str
    size_bytes: int
    archived_at_us: int


class StoredEntity(NamedTuple):
    """An entity row. `document` is its RFC 8785 JSON; places are lane and sequence of the event that they came from.

    A place's lane is what stands for it in the table: HQ's has a number, a second state the origin itself.
    """

    stream: str
    id: str
    center: str
    status: str
    version: int
    document: str
    digest: bytes
    lane_id: Any
    sequence: int
    record_lane_id: Any
    record_sequence: int
    changed_by: str
    recorded_at_us: int


class Archivable(NamedTuple):
    """A lane of a center: how far its events are in HQ's log and published, and how far they are archived."""

    lane_id: int
    origin: str
    upto: int
    archived: int


class Newest(NamedTuple):
    """Where an entity's newest event stands, and the digest that the database has of the entity after it."""

    stream: str
    id: str
    lane_id: int
    sequence: int
    digest: bytes


class HistoryLink(NamedTuple):
    """One accepted event of an entity, without its bytes: it names the one before it (docs/adr/0010)."""

    lane_id: int
    sequence: int
    type: str
    version: int
    occurred_at_us: int | None
    previous_lane_id: int | None
    previous: int | None


class StoredStretch(NamedTuple):
    """The events that one receipt covers, and when they were recorded."""

    first: int
    last: int
    recorded_at_us: int


class RejectedRow(NamedTuple):
    """Where an event stands that was not accepted, and its type, which the catalogue may not have."""

    lane_id: int
    sequence: int
    type: str


class Touch(NamedTuple):
    """What an accepted event did to whom, and where the event of that entity before it stands."""

    type: str
    subject: str
    previous_lane_id: int | None
    previous: int | None


def is_count(value: object) -> bool:
    """Return whether a column holds a number that a release of ours writes there: of events, offsets, bytes."""
    return isinstance(value, int) and 0 <= value <= SIZE_MAX


def is_text(value: object) -> bool:
    """Return whether a column holds a text: no bytes, no number, nothing that is no UTF-8 (`Query.lenient`)."""
    return isinstance(value, str) and (value.isascii() or not _SURROGATE.search(value))


def stored_receipt(note: object, origin: str, first: object, last: object) -> Receipt:
    """Return the receipt that a row holds. Errors: Malformed where it is not that of its place."""
    if not (isinstance(note, bytes) and is_count(first) and is_count(last)):
        raise Malformed(f"a receipt's row of {origin} has {str((first, last))[:80]}")
    receipt = Receipt.from_text(Note.from_bytes(note).text)
    if (receipt.origin, receipt.first, receipt.last) != (origin, first, last):
        raise Malformed(
            f"the receipt of {first} to {last} is for {receipt.origin[:80]} {receipt.first} to {receipt.last}"
        )
    return receipt


def columns(row: type[tuple[Any, ...]], table: str = "") -> str:
    """Return a row's columns in its order, as statements list them; with their table's name, if one is given."""
    names: Sequence[str] = row._fields  # type: ignore[attr-defined] # of a NamedTuple, which has no type of its own
    return ", ".join(f"{table}.{name}" for name in names) if table else ", ".join(names)


def marks(row: type[tuple[Any, ...]]) -> str:
    """Return a placeholder for each of a row's columns."""
    return ", ".join("?" * len(row._fields))  # type: ignore[attr-defined] # see `columns`


def made(row: type[R], found: Iterable[tuple[Any, ...]]) -> list[R]:
    """Return rows of `columns(row)` as what they are.

    `_make` would count the columns of each, which the statement has settled for all of them; an audit reads millions.
    """
    return list(map(partial(tuple.__new__, row), found))


class Bound(NamedTuple):
    """What a driver is given in place of bytes, of no key and of no place: what it takes soonest."""

    blob: Callable[[bytes], bytes | bytearray] = bytes
    no_key: object = None
    no_place: object = None


AS_IT_IS: Final = Bound()


# -- a ledger row --------------------------------------------------------------------------------------------------


def decided(row: LedgerRow, lane_id: Callable[[str], int], bound: Bound = AS_IT_IS) -> tuple[object, ...]:
    """Return what a ledger row holds behind the event's bytes and digest: all that was decided of it.

    Shapes: `lane_id` gives the number of an origin.
    """
    key, occurred, previous = row.key, row.occurred_at, row.previous
    return (
        row.code,
        row.field,
        row.params,
        bound.no_key if key is None else key,
        row.type,
        row.subject,
        None if occurred is None else (occurred - EPOCH_START) // MICROSECOND,
        row.version,
        bound.no_place if previous is None else lane_id(previous[0]),
        bound.no_place if previous is None else previous[1],
    )


DECIDED: Final = StoredEvent._fields[3:]  # the columns that `decided` gives


def ledger_rows(
    lane: int, rows: Collection[LedgerRow], lane_id: Callable[[str], int], bound: Bound = AS_IT_IS
) -> list[tuple[object, ...]]:
    """Return the rows of `ledger` that stand for these: the lane's number, then StoredEvent's columns."""
    blob = bound.blob
    return [(lane, row.sequence, blob(row.data), blob(row.digest), *decided(row, lane_id, bound)) for row in rows]


# -- a receipt -----------------------------------------------------------------------------------------------------


def receipt_row(lane_id: int, commit: Commit) -> StoredReceipt:
    """Return the row of a commit's receipt."""
    receipt, lane = commit.receipt, commit.lane
    return StoredReceipt(
        lane_id,
        receipt.first,
        receipt.last,
        commit.stretch.seal,
        lane.edge.to_bytes(),
        commit.note,
        to_us(lane.recorded_at),
        receipt.basis,
        lane.state_digest,
    )


# -- an entity -----------------------------------------------------------------------------------------------------


def entity_row(known: KnownEntity, lane_id: Callable[[str], Any], bound: Bound = AS_IT_IS) -> tuple[Any, ...]:
    """Return StoredEntity's columns of an entity, a plain tuple: HQ makes one for nearly every event.

    Shapes: `lane_id` gives what stands for the lane of an origin.
    """
    entity = known.entity
    return (
        entity.stream,
        entity.id,
        entity.center,
        entity.status,
        entity.version,
        known.document.decode(),
        bound.blob(known.digest),
        lane_id(known.origin),
        known.sequence,
        lane_id(known.record_origin),
        known.record_sequence,
        known.changed_by,
        to_us(known.recorded_at),
    )


_ENTITY_TYPES: Final = (str, str, str, str, int, str, bytes, int, int, str)


def known_of(row: Sequence[Any], origin: Callable[[Any], str]) -> KnownEntity:
    """Return the entity that StoredEntity's columns stand for; its document is read when somebody asks for it.

    Shapes: `origin` gives the origin for what stands for its lane. The value of the record's event is not there.
    Errors: Malformed for columns of other types, and for those that are not what the document says, or its digest.
    """
    stream, entity_id, center, status, version, text, digest, lane, sequence, source, at, changed_by, us = row
    if (*map(type, row[:7]), type(sequence), type(at), type(changed_by)) != _ENTITY_TYPES:
        raise Malformed(f"a column of {str(stream)[:40]} {str(entity_id)[:80]} holds what no release has written there")
    document = text.encode()
    # Few texts and many entities, which are remembered: each row has its own copy of them.
    stream, center, status, changed_by = map(intern, (stream, center, status, changed_by))
    entity = Entity.unread(stream, entity_id, center, status, version, document)
    if sha256(document).digest() != digest or not entity.is_said_by(document):
        raise Malformed(f"the columns of {stream[:40]} {entity_id[:80]} and its document say different things")
    return KnownEntity(
        entity,
        document,
        digest,
        origin(lane),
        sequence,
        changed_by,
        from_us(us),
        origin(source),
        at,
    )


# -- what the archive has of a commit ------------------------------------------------------------------------------


def archived_event(row: StoredEvent) -> dict[str, Any]:
    """Return what a segment holds of a ledger row: all but the link to the event before it, which is worked out."""
    return dict(zip(EVENT_COLUMNS, row, strict=False))


def archived_commit(receipt: StoredReceipt, events: Sequence[StoredEvent]) -> dict[str, Any]:
    """Return what a segment holds of a commit: its receipt row without the lane's number, and its events."""
    return {**dict(zip(COMMIT_COLUMNS, receipt[1:], strict=True)), "events": [archived_event(row) for row in events]}
