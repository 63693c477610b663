"""What is still to be published, and how far the publisher is."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from types import MappingProxyType

from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity
from hub.ledger.derived import Partition, Reach
from hub.ledger.flight import center_in
from hub.ledger.publication import Event, Publication, closed_by
from hub.ledger.step import EntityKey, KnownEntity
from hub.protocol.canonical import CanonicalReader
from hub.protocol.errors import Malformed
from hub.protocol.moment import from_us
from hub.protocol.receipt import Receipt
from hub.protocol.tree import Edge, leaf_hash
from hub.protocol.verdict import Code
from hub.store.database import Connection, Database, reading
from hub.store.released import record_value
from hub.store.rows import is_count, stored_receipt
from hub.store.sql_entities import SqlEntities

_Place = tuple[str, int]  # a lane's origin and a sequence in it
_Carried = tuple[str, bytes]  # the type and the framed value of an event that carries a record

# A cursor that no publisher has written is begun anew: what it has passed is published once more.
_UPTO = "CASE WHEN typeof(p.upto) = 'integer' AND p.upto BETWEEN 0 AND l.size THEN p.upto ELSE 0 END"
# Lanes whose rows can't be read are parked where they are claimed.
_CURSORS = (
    f"SELECT l.origin, {_UPTO}, l.size FROM lane l LEFT JOIN published p ON p.lane_id = l.id"  # noqa: S608
    " WHERE l.center IN (SELECT value FROM json_each(?)) AND typeof(l.size) = 'integer'"
    " AND l.origin LIKE '%/' || l.center || '/' || l.epoch AND typeof(l.origin) = 'text'"
)


class SqlPublication:
    """Reads publications, and keeps the publisher's cursors."""

    def __init__(self, database: Database, entities: SqlEntities) -> None:
        self._database = database
        self._entities = entities
        self._reader = CanonicalReader()

    def unpublished(self, centers: Collection[str]) -> list[tuple[str, int, int]]:
        """See Store."""
        query = f"{_CURSORS} AND {_UPTO} < l.size ORDER BY l.id"
        return self._database.connection.execute(query, (json.dumps(list(centers)),)).fetchall()

    def cursors(self, centers: Collection[str]) -> list[tuple[str, int]]:
        """See Store."""
        rows = self._database.connection.execute(_CURSORS, (json.dumps(list(centers)),))
        return [(origin, published) for origin, published, _ in rows]

    def set_published(
        self, cursors: Mapping[str, int], reach: Mapping[Partition, Reach], note: Callable[[Connection], frozenset[str]]
    ) -> frozenset[str]:
        """See Store. `note` notes in the same transaction what was sent too late."""
        # In the order of the lanes' numbers, as the notary does: two writers of many rows never wait for each other.
        rows = sorted((self._database.lane_id(origin), last) for origin, last in cursors.items())
        with self._database.writing() as db:
            db.executemany(
                "INSERT INTO published(lane_id, upto) VALUES (?, ?) ON CONFLICT(lane_id) DO UPDATE SET"
                " upto = excluded.upto WHERE typeof(published.upto) <> 'integer' OR published.upto < excluded.upto"
                " OR published.upto > (SELECT size FROM lane WHERE id = published.lane_id)",
                rows,
            )
            write_reach(db, reach)
            return note(db)

    def states(self, keys: Collection[EntityKey], begun: str | None) -> list[KnownEntity]:
        """Return entities as they are now, with their records; and of the lane that `begun` has followed, if it has."""
        closed = self._closed_by(begun) if begun is not None else set[EntityKey]()
        return self.with_values(self._entities.find({*keys, *closed}).values())

    def publication(self, origin: str, after: int, limit: int) -> Publication | None:
        """See Store."""
        with reading(self._database.location, f"what is to be published of {origin}"):
            return self._publication(origin, after, limit)

    def _publication(self, origin: str, after: int, limit: int) -> Publication | None:
        db, lane_id = self._database.connection, self._database.lane_id(origin)
        receipts: list[Receipt] = []
        notes: list[bytes] = []
        rejected: dict[int, str] = {}
        last = after
        for note, first, end in db.execute(
            "SELECT note, first, last FROM receipt WHERE lane_id = ? AND last > ? ORDER BY last",
            (lane_id, after),
        ):
            receipt = stored_receipt(note, origin, first, end)
            if first > last + 1:
                raise Malformed(f"the receipt behind {last} begins at {first}")
            rejected.update((decision.sequence, decision.code) for decision in receipt.decisions)
            receipts.append(receipt)
            notes.append(note)
            last = end
            if last - after >= limit:
                break
        if not notes:
            return None
        before = receipts[0].first - 1  # a receipt may have gone out in part
        rows = db.execute(
            "SELECT sequence, data, code, digest FROM ledger WHERE lane_id = ? AND sequence > ? AND sequence <= ?"
            " ORDER BY sequence",
            (lane_id, before, last),
        )
        archived = self._archived_upto(lane_id)
        events, touched, expected = [], set(), before + 1
        carried: dict[_Place, _Carried] = {}
        leaves: list[bytes] = []
        for sequence, data, code, digest in rows:
            if sequence != expected:
                raise Malformed(f"event {expected} is not there")
            leaves.append(leaf_hash(data) if data or sequence > archived else digest)
            expected += 1
            if sequence <= after:
                continue
            if code != rejected.get(sequence, Code.ACCEPTED):
                raise Malformed(f"event {sequence} is not there as its receipt has it")
            if code != Code.ACCEPTED or (not data and sequence <= archived):  # what is archived was published once
                continue
            headers, listed, value = self._reader.read(data)
            subject = headers["ce_subject"] or b""
            events.append(Event(sequence, subject, list(listed), value))
            kind = KINDS[(headers["ce_type"] or b"").decode()]
            touched.add((kind.stream, subject.decode()))
            carried[origin, sequence] = kind.type, value
        if after == 0:
            touched.update(self._closed_by(origin))
        if expected != last + 1:
            raise Malformed(f"event {expected} is not there")
        require_sealed(self._edge(lane_id, before), iter(leaves), receipts)
        # The state as it is now, but for those that go out with a later event of this lane: of what waits in it each
        # entity goes out once. One that another lane has changed may be newer: readers keep the highest version.
        entities = self.with_values(self._entities.find(touched, (lane_id, last)).values(), carried)
        return Publication(origin, center_in(origin), after + 1, last, notes, events, entities)

    def _edge(self, lane_id: int, size: int) -> Edge:
        """Return the edge of a lane behind one of its receipts."""
        if not size:
            return Edge()
        query = "SELECT edge FROM receipt WHERE lane_id = ? AND last = ?"
        (edge,) = self._database.connection.execute(query, (lane_id, size)).fetchone()
        return Edge.from_bytes(size, edge)

    def _closed_by(self, origin: str) -> set[EntityKey]:
        """Return the entity of the lane that this one has followed, whose state is another since it opened."""
        query = "SELECT center, epoch FROM lane WHERE closed_by = ?"
        rows = self._database.connection.execute(query, (origin,)).fetchall()
        return {("lane", f"{center}:{epoch}") for center, epoch in rows}

    def _as_closed(self, known: KnownEntity) -> KnownEntity:
        """Return a lane's entity as its state is told: closed where another lane has followed it."""
        row = self._database.connection.execute(
            "SELECT l.closed_by, r.recorded_at_us FROM lane l JOIN lane n ON n.origin = l.closed_by"
            " JOIN receipt r ON r.lane_id = n.id AND r.first = 1 WHERE l.origin = ?",
            (known.record_origin,),
        ).fetchone()
        return known if row is None else closed_by(known, row[0], from_us(row[1]))

    def _archived_upto(self, lane_id: int) -> int:
        query = "SELECT max(last) FROM segment WHERE lane_id = ?"
        (upto,) = self._database.connection.execute(query, (lane_id,)).fetchone()
        return upto if is_count(upto) else 0

    def with_values(
        self, entities: Collection[KnownEntity], carried: Mapping[_Place, _Carried] = MappingProxyType({})
    ) -> list[KnownEntity]:
        """Return entities with the framed values that their records came with.

        Shapes: `carried` has events that were read already, and need not be asked for.
        Errors: Malformed, LookupError, TypeError, ValueError where one is not there, or another kind of thing.
        """
        missing = [place for known in entities if (place := _record_place(known)) not in carried]
        read = {**carried, **self._carried(missing)}
        return [self._with_value(known, read[_record_place(known)]) for known in entities]

    def with_value(self, known: KnownEntity) -> KnownEntity:
        """Return one entity as `with_values` does."""
        return self.with_values([known])[0]

    def _carried(self, places: Iterable[_Place]) -> dict[_Place, _Carried | None]:
        """Return the events at these places; None for those that were archived."""
        by_origin: dict[str, list[int]] = defaultdict(list)
        for origin, sequence in places:
            by_origin[origin].append(sequence)
        found: dict[_Place, _Carried | None] = {}
        for origin, sequences in by_origin.items():
            for sequence, data, digest in self._database.connection.execute(
                "SELECT sequence, data, digest FROM ledger"
                " WHERE lane_id = ? AND sequence IN (SELECT value FROM json_each(?))",
                (self._database.lane_id(origin), json.dumps(sequences)),
            ):
                if data:
                    if leaf_hash(data) != digest:
                        raise Malformed(f"event {sequence} of {origin} is not what its center has sealed")
                    headers, _, value = self._reader.read(data)
                    found[origin, sequence] = (headers["ce_type"] or b"").decode(), value
                else:
                    found[origin, sequence] = None
        return found

    def _with_value(self, known: KnownEntity, carried: _Carried | None) -> KnownEntity:
        kind = known.entity.kind if carried is None else carried[0]
        if not KINDS[kind].carries_record or KINDS[kind].stream != known.entity.stream:
            raise Malformed(f"{known.entity.stream} {known.entity.id}: no record comes with {kind}")
        if known.entity.stream == "lane":
            known = self._as_closed(known)
        if carried is None:  # what was archived is encoded again: a worker must not wait for an archive
            return replace(known, value=record_value(known.entity))
        was = known.entity
        entity = Entity.unread(was.stream, was.id, was.center, was.status, was.version, known.document, kind)
        return KnownEntity(
            entity, known.document, known.digest, known.origin, known.sequence, known.changed_by, known.recorded_at,
            known.record_origin, known.record_sequence, carried[1],
        )  # fmt: skip


def require_sealed(edge: Edge, leaves: Iterator[bytes], receipts: Iterable[Receipt]) -> None:
    """Errors: Malformed, if events behind `edge` are not those of these receipts, which follow each other."""
    for receipt in receipts:
        edge = edge.append(islice(leaves, receipt.last - edge.size))
        if edge.root != receipt.root:
            raise Malformed(f"events {receipt.first} to {receipt.last} are not those that their center has sealed")


def _record_place(known: KnownEntity) -> _Place:
    return known.record_origin, known.record_sequence


def write_reach(db: Connection, reaches: Mapping[Partition, Reach]) -> None:
    """Note how far partitions reach, inside the caller's transaction `db`; the first offset that was noted stays.

    What somebody has put there that is no number is noted anew: it would be larger than every number.
    """
    db.executemany(
        "INSERT INTO said(topic, partition, first_offset, next_offset, upto) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT(topic, partition) DO UPDATE SET"
        " first_offset ="
        " CASE WHEN typeof(said.first_offset) = 'integer' THEN said.first_offset ELSE excluded.first_offset END,"
        " next_offset ="
        " CASE WHEN typeof(said.next_offset) = 'integer' THEN max(said.next_offset, excluded.next_offset)"
        " ELSE excluded.next_offset END,"
        " upto = CASE WHEN typeof(said.upto) = 'integer' THEN max(said.upto, excluded.upto) ELSE excluded.upto END",
        [(*at, reach.first, reach.next, reach.upto) for at, reach in sorted(reaches.items())],
    )
