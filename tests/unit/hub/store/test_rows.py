"""One description of a row: the codec's columns are the tables', the archive's and each other's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import Table

from hub.domain.entity import Entity
from hub.ledger.segment import COMMIT_COLUMNS, EVENT_COLUMNS
from hub.ledger.step import KnownEntity, LedgerRow
from hub.protocol.errors import Malformed
from hub.protocol.moment import from_us
from hub.store import tables
from hub.store.audit_reader import CheckpointRow, CosignatureRow, EvidenceRow, MeasureRow, QuarantinedRow
from hub.store.rows import (
    DECIDED,
    UNREADABLE,
    HistoryLink,
    Newest,
    StoredEntity,
    StoredEvent,
    StoredLane,
    StoredReceipt,
    StoredSegment,
    StoredStretch,
    Touch,
    archived_commit,
    columns,
    decided,
    entity_row,
    known_of,
    ledger_rows,
)

AT = datetime(2026, 3, 14, 12, 0, 0, 123_456, tzinfo=UTC)
LANES = {"hub.example/uz/00000001": 7, "hub.example/uz/00000002": 9}
ORIGINS = {number: origin for origin, number in LANES.items()}
FIRST, SECOND = LANES


def known() -> KnownEntity:
    entity = Entity("offer", "uz:K-1", "uz", "published", 3, "net.cohub.offer.published.v1", {"title": "Çelik"}, None)
    document = entity.to_json()
    return KnownEntity(
        entity, document, sha256(document).digest(), SECOND, 4, "net.cohub.offer.revised.v1", AT, FIRST, 2
    )


def row(sequence: int, code: str = "ACCEPTED", previous: tuple[str, int] | None = None) -> LedgerRow:
    event = "net.cohub.offer.revised.v1"
    return LedgerRow(sequence, b"bytes", b"D" * 32, code, "", "", None, event, "uz:K-1", AT, 3, previous)


@pytest.mark.parametrize(
    ("codec", "table"),
    [
        (StoredEvent, tables.LEDGER),
        (StoredReceipt, tables.RECEIPT),
        (StoredEntity, tables.ENTITY),
        (StoredSegment, tables.SEGMENT),
        (CosignatureRow, tables.COSIGNATURE),
        (CheckpointRow, tables.CHECKPOINT),
        (MeasureRow, tables.MEASURE),
    ],
)
def test_codec_has_every_column_of_its_table(codec: type[tuple[object, ...]], table: Table) -> None:
    """A column that is added to a table is one of the row, or the codec loses it; a ledger row's lane stands beside."""
    beside = {"lane_id"} if table is tables.LEDGER else set()
    assert {*codec._fields, *beside} == {column.name for column in table.columns}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("codec", "table"),
    [
        (StoredLane, tables.LANE),
        (Newest, tables.ENTITY),
        (HistoryLink, tables.LEDGER),
        (StoredStretch, tables.RECEIPT),
        (Touch, tables.LEDGER),
        (QuarantinedRow, tables.QUARANTINE),
        (EvidenceRow, tables.EVIDENCE),
    ],
)
def test_codec_asks_for_columns_that_there_are(codec: type[tuple[object, ...]], table: Table) -> None:
    """A part of a table is named as the table names it."""
    assert set(codec._fields) <= {column.name for column in table.columns}  # type: ignore[attr-defined]


def test_segment_holds_a_ledger_rows_first_columns() -> None:
    """The archive's format leaves out nothing but the links, and keeps the order; of a receipt, its lane's number."""
    assert StoredEvent._fields == (*EVENT_COLUMNS, "previous_lane_id", "previous")
    assert StoredReceipt._fields == ("lane_id", *COMMIT_COLUMNS)
    receipt = StoredReceipt(7, 1, 1, b"seal", b"edge", b"note", 5, 6, b"S" * 32)
    (stored,) = ledger_rows(7, [row(1)], LANES.__getitem__)
    event = StoredEvent._make(stored[1:])
    commit = archived_commit(receipt, [event])
    assert tuple(commit) == (*COMMIT_COLUMNS, "events")
    assert tuple(commit["events"][0].items()) == tuple(zip(EVENT_COLUMNS, event, strict=False))


def test_ledger_row_keeps_what_was_decided() -> None:
    """Origins become numbers, times microseconds; what is not there stays nothing."""
    (stored,) = ledger_rows(9, [row(4, previous=(FIRST, 2))], LANES.__getitem__)
    event = StoredEvent._make(stored[1:])
    assert stored[0] == 9
    assert (event.sequence, event.data, event.digest, event.version) == (4, b"bytes", b"D" * 32, 3)
    assert (event.previous_lane_id, event.previous) == (7, 2)
    assert from_us(event.occurred_at_us or 0) == AT
    assert tuple(event[-len(DECIDED) :]) == decided(row(4, previous=(FIRST, 2)), LANES.__getitem__)
    assert StoredEvent._fields[-len(DECIDED) :] == DECIDED
    assert decided(row(4), LANES.__getitem__)[-2:] == (None, None)


def test_event_tells_its_stream_and_its_line() -> None:
    """Of a type that is none of ours the stream is '', and bytes that are no event's have no headers."""
    (stored,) = ledger_rows(9, [row(4, "BAD_VALUE")], LANES.__getitem__)
    event = StoredEvent._make(stored[1:])
    assert (event.stream, event.accepted, event._replace(type="nobody's").stream) == ("offer", False, "")
    assert event.line.startswith("4 BAD_VALUE")
    assert event.split() == ([], b"")


def test_entity_goes_through_its_row_and_back() -> None:
    """The same entity, document and places; only the event's value stays in the ledger."""
    found = entity_row(known(), LANES.__getitem__)
    assert dict(zip(StoredEntity._fields, found, strict=True))["record_lane_id"] == 7
    again = known_of(found, ORIGINS.__getitem__)
    assert again == known()
    assert again.entity.record == known().entity.record
    assert again.entity.digest == again.digest
    assert entity_row(again, LANES.__getitem__) == found


def test_entities_that_are_read_share_what_they_have_in_common() -> None:
    """A row has its own copy of each text; many thousands of entities are remembered, of few centers and statuses."""

    def read() -> KnownEntity:
        return known_of([copied(each) for each in entity_row(known(), LANES.__getitem__)], ORIGINS.__getitem__)

    one, other = read(), read()
    assert one.document is not other.document
    for name in ("stream", "center", "status"):
        assert getattr(one.entity, name) is getattr(other.entity, name)
    assert one.changed_by is other.changed_by


def copied(value: object) -> object:
    """Return a text as another object, as a driver makes it."""
    return value.encode().decode() if isinstance(value, str) else value


def row_of(of: KnownEntity, **edited: object) -> tuple[object, ...]:
    """Return an entity's row of which somebody has edited columns."""
    return tuple(StoredEntity._make(entity_row(of, LANES.__getitem__))._replace(**edited))  # type: ignore[arg-type]


def of(record: dict[str, object], changed: dict[str, object] | None = None, entity_id: str = "uz:K-1") -> KnownEntity:
    entity = Entity("offer", entity_id, "uz", "published", 3, "net.cohub.offer.published.v1", record, changed)
    return replace(known(), entity=entity, document=entity.to_json(), digest=entity.digest)


NESTED: dict[str, object] = {
    "id": "uz:K-2",
    "kind": "x",
    "part": {"status": "withdrawn", "stream": "offer", "version": 9},
}
WHOLE = {
    "record alone": known(),
    "status changed": of({"title": "T"}, {"reason": "sold"}),
    "status changed, nothing said": of({"title": "T"}, {}),
    "quotes": of({"title": '"},"id":"uz:K-2","kind":"'}, None, 'uz:"K"\\1 № 桦\u2028'),
    "nested": of(NESTED, NESTED),
}


@pytest.mark.parametrize("name", WHOLE)
def test_row_that_agrees_with_its_document_is_believed(name: str) -> None:
    """Whatever the record holds."""
    again = known_of(row_of(WHOLE[name]), ORIGINS.__getitem__)
    assert again.document == WHOLE[name].document
    assert again.entity.to_json() == WHOLE[name].document


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("status", "withdrawn"),
        ("status", ""),
        ("status", 'withdrawn","stream":"offer","version":9},"status":"published'),
        ("status", "ublished"),
        ("version", 9),
        ("version", -3),
        ("stream", "deal"),
        ("center", "kz"),
        ("center", "uz\ud800"),
        ("id", "uz:K-2"),
        ("id", "K"),
        ("digest", bytes(32)),
        ("digest", b""),
        ("document", "{}"),
    ],
)
def test_row_whose_column_somebody_edited_is_believed_by_nobody(name: str, column: str, value: object) -> None:
    """The document says what it was, wherever it stands in it; a text that is no UTF-8 says nothing."""
    with pytest.raises((*UNREADABLE, Malformed)):
        known_of(row_of(WHOLE[name], **{column: value}), ORIGINS.__getitem__)


def test_row_whose_document_somebody_edited_is_believed_by_nobody() -> None:
    """Nor with the column that the document then agrees with; nor the whole row of another entity."""
    edited = known().document.replace(b'published","stream', b'withdrawn","stream')
    assert edited != known().document
    for changes in ({}, {"status": "withdrawn"}):
        with pytest.raises(Malformed, match="offer uz:K-1 and its document say different things"):
            known_of(row_of(known(), document=edited.decode(), **changes), ORIGINS.__getitem__)
    other = of({"title": "another"}, None, "uz:K-2")
    with pytest.raises(Malformed):
        known_of(row_of(known(), document=other.document.decode(), digest=other.digest), ORIGINS.__getitem__)


def test_times_go_through_microseconds() -> None:
    """To the microsecond, before 1970 too."""
    for moment in (AT, AT - timedelta(days=36_500), AT + timedelta(microseconds=1)):
        assert from_us((moment - from_us(0)) // timedelta(microseconds=1)) == moment


def test_columns_are_listed_as_statements_want_them() -> None:
    """In the row's order, with the table's name where two tables have them."""
    assert columns(StoredStretch) == "first, last, recorded_at_us"
    assert columns(StoredStretch, "receipt") == "receipt.first, receipt.last, receipt.recorded_at_us"
