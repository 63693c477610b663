"""The live state beside the one that was folded: entities and measures of one center.

The caller holds a transaction in which the lanes have the sizes that were folded: then both are of one moment, though
a worker goes on writing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from hub.audit.book import EntityBook
from hub.audit.findings import Findings, What
from hub.audit.rows import keyed, query
from hub.domain.state import micros
from hub.ledger.step import Known
from hub.replay.source import StoredLane

AT_ONCE: Final = 512
_COLUMNS: Final = (
    "center", "status", "version", "document", "digest", "lane_id", "sequence", "record_lane_id", "record_sequence",
    "changed_by", "recorded_at_us",
)  # fmt: skip
_ENTITIES: Final = (
    f"SELECT id, {', '.join(_COLUMNS)} FROM entity"  # noqa: S608
    " WHERE stream = ? AND id IN (SELECT value FROM json_each(?))"
)


def compare_entities(
    db: sqlite3.Connection, center: str, lanes: Sequence[StoredLane], book: EntityBook, findings: Findings
) -> int:
    """Compare HQ's entities of a center with those folded; return how many there are."""
    ids = {lane.origin: lane.id for lane in lanes}
    count = found = 0
    for stream, some in _by_stream(book):
        count += len(some)
        live = _live(db, stream, some, findings)
        for known in some:
            row = live.get(known.entity.id)
            if row is None:
                findings.add(What.ENTITY, "entity", key=f"{stream} {known.entity.id}", detail="the entity has no row")
                continue
            found += row[0] == center
            given = _given(known, ids)
            if row != given:
                wrong = [n for n, a, b in zip(_COLUMNS, row, given, strict=True) if a != b]
                findings.add(What.ENTITY, "entity", key=f"{stream} {known.entity.id}", detail=_in_words(wrong, known))
    try:
        there = query(db, "SELECT count(*) FROM entity WHERE center = ?", (center,))[0][0]
    except sqlite3.Error:
        there = None  # which rows do not come is told below
    if there != found:
        for stream, entity_id, _ in keyed(db, findings, "entity", "1", ("stream", "id"), "center = ?", (center,)):
            if book.get((stream, entity_id)) is None:
                detail = "the ledger gives no such entity"
                findings.add(What.ENTITY, "entity", key=f"{stream} {entity_id}", detail=detail)
    return count


def compare_measures(
    db: sqlite3.Connection,
    lanes: Sequence[StoredLane],
    measures: Mapping[tuple[str, str], Decimal],
    findings: Findings,
) -> None:
    """Compare the measures of a center's lanes with those added up."""
    for lane in lanes:
        wanted = {key: format(value, "f") for (origin, key), value in measures.items() if origin == lane.origin}
        rows = keyed(db, findings, "measure", "value", ("lane_id", "key"), "lane_id = ?", (lane.id,))
        live = {key: value for _, key, value in rows}
        for key in sorted(wanted.keys() | live.keys(), key=str):
            if wanted.get(key) != live.get(key):
                detail = f"it is {live.get(key, 'none')}, the ledger gives {wanted.get(key, 'none')}"
                findings.add(What.MEASURE, "measure", lane.origin, key=str(key), detail=detail)


def _by_stream(book: EntityBook) -> Iterator[tuple[str, list[Known]]]:
    some: dict[str, list[Known]] = {}
    for known in book.all():
        of = some.setdefault(known.entity.stream, [])
        of.append(known)
        if len(of) == AT_ONCE:
            yield known.entity.stream, of
            some[known.entity.stream] = []
    yield from ((stream, of) for stream, of in some.items() if of)


def _live(db: sqlite3.Connection, stream: str, some: Sequence[Known], findings: Findings) -> dict[str, tuple[Any, ...]]:
    try:
        rows = query(db, _ENTITIES, (stream, json.dumps([known.entity.id for known in some])))
    except sqlite3.Error:
        rows = []
        for known in some:
            try:
                rows += query(db, _ENTITIES, (stream, json.dumps([known.entity.id])))
            except sqlite3.Error as exc:
                findings.add(What.UNREADABLE, "entity", key=f"{stream} {known.entity.id}", detail=exc)
    return {row[0]: row[1:] for row in rows}


def _given(known: Known, ids: Mapping[str, int]) -> tuple[Any, ...]:
    entity = known.entity
    return (
        entity.center,
        entity.status,
        entity.version,
        known.document.decode(),
        known.digest,
        ids.get(known.origin),
        known.sequence,
        ids.get(known.record_origin),
        known.record_sequence,
        known.changed_by,
        micros(known.recorded_at),
    )


def _in_words(wrong: Sequence[str], known: Known) -> str:
    return f"{', '.join(wrong)}; the ledger gives version {known.entity.version}, digest {known.digest.hex()}"
