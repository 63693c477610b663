"""The live state beside the one that was folded: entities and measures of one center.

The caller holds a transaction in which the lanes have the sizes that were folded: then both are of one moment, though
a worker goes on writing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from hub.audit.book import EntityBook
from hub.audit.findings import Findings, What
from hub.ledger.step import KnownEntity
from hub.store.audit_reader import AuditReader
from hub.store.reader import Unreadable
from hub.store.rows import StoredEntity, StoredLane, entity_row

AT_ONCE: Final = 512


def compare_entities(
    reader: AuditReader, center: str, lanes: Sequence[StoredLane], book: EntityBook, findings: Findings
) -> int:
    """Compare HQ's entities of a center with those folded; return how many there are."""
    ids = {lane.origin: lane.id for lane in lanes}
    count = found = 0
    for stream, some in _by_stream(book):
        count += len(some)
        live = _live(reader, stream, some, findings)
        for known in some:
            row = live.get(known.entity.id)
            if row is None:
                findings.add(What.ENTITY, "entity", key=f"{stream} {known.entity.id}", detail="the entity has no row")
                continue
            found += row.center == center
            given = entity_row(known, ids.get)
            if row != given:
                wrong = [n for n, a, b in zip(row._fields, row, given, strict=True) if a != b]
                findings.add(What.ENTITY, "entity", key=f"{stream} {known.entity.id}", detail=_in_words(wrong, known))
    try:
        there: int | None = reader.count_entities(center)
    except Unreadable:
        there = None  # which rows do not come is told below
    if there != found:
        for stream, entity_id in reader.walk_entity_keys(center, findings.unread):
            if book.get((stream, entity_id)) is None:
                detail = "the ledger gives no such entity"
                findings.add(What.ENTITY, "entity", key=f"{stream} {entity_id}", detail=detail)
    return count


def compare_measures(
    reader: AuditReader,
    lanes: Sequence[StoredLane],
    measures: Mapping[tuple[str, str], Decimal],
    findings: Findings,
) -> None:
    """Compare the measures of a center's lanes with those added up."""
    for lane in lanes:
        wanted = {key: format(value, "f") for (origin, key), value in measures.items() if origin == lane.origin}
        live = {row.key: row.value for row in reader.walk_measures(lane.id, findings.unread)}
        for key in sorted(wanted.keys() | live.keys(), key=str):
            if _amount(wanted.get(key)) != _amount(live.get(key)):
                detail = f"it is {live.get(key, 'none')}, the ledger gives {wanted.get(key, 'none')}"
                findings.add(What.MEASURE, "measure", lane.origin, key=str(key), detail=detail)


def _amount(text: str | None) -> str | None:
    """Return a measure without zeros at its end, which releases before 0.3 wrote or not as an entity was at hand."""
    return text.rstrip("0").rstrip(".") if isinstance(text, str) and "." in text else text


def _by_stream(book: EntityBook) -> Iterator[tuple[str, list[KnownEntity]]]:
    some: dict[str, list[KnownEntity]] = {}
    for known in book.all():
        of = some.setdefault(known.entity.stream, [])
        of.append(known)
        if len(of) == AT_ONCE:
            yield known.entity.stream, of
            some[known.entity.stream] = []
    yield from ((stream, of) for stream, of in some.items() if of)


def _live(reader: AuditReader, stream: str, some: Sequence[KnownEntity], findings: Findings) -> dict[str, StoredEntity]:
    try:
        rows = reader.entities(stream, [known.entity.id for known in some])
    except Unreadable:
        rows = []
        for known in some:
            try:
                rows += reader.entities(stream, [known.entity.id])
            except Unreadable as exc:
                findings.add(What.UNREADABLE, "entity", key=f"{stream} {known.entity.id}", detail=exc.why)
    return {row.id: row for row in rows}


def _in_words(wrong: Sequence[str], known: KnownEntity) -> str:
    return f"{', '.join(wrong)}; the ledger gives version {known.entity.version}, digest {known.digest.hex()}"
