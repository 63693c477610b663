"""Compares what every source row became: nothing lost, nothing twice, order kept, receipts true.

It reads the databases as files and believes none of them: digests, trees, verdicts, entities and state digests are
worked out again from the ledger's bytes, with the pure engine, under the basis that each receipt names.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson

from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity, canonical_json
from hub.domain.stream import HQ
from hub.ledger.basis import Basis, basis
from hub.ledger.batch import EntityKey, Known, Row
from hub.ledger.decide import decide
from hub.ledger.keyring import Standing
from hub.ledger.lane import Intake, Lane
from hub.ledger.take import Reading, Segment, Taken
from hub.protocol.checkpoint import open_seal
from hub.protocol.errors import Malformed
from hub.protocol.note import Note, Signer, Verifier
from hub.protocol.receipt import Decision, Receipt, read_answer
from hub.protocol.record import canonical, write_headers
from hub.protocol.tree import Edge, leaf_hash
from hub.store.released import released_schemas
from hub.store.sqlite import from_us
from tests.support.books import ACCEPTED, Event, LaneRows, Stored, decode_state, pending, read_entities, read_lanes
from tests.support.sheet import Row as SheetRow
from tests.support.sheet import Sheet

_RELEASED: Final = released_schemas()
_NOBODY: Final = Signer("nobody", bytes(32))  # what the rebuilding signs is thrown away


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be: a fixed name, the place, and what was expected and found."""

    what: str
    where: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Office:
    """One center's side: its outbox and its sheet as the test wrote it."""

    center: str
    outbox: Path
    sheet: Sheet


@dataclass(frozen=True, slots=True)
class Record:
    """A record as a topic has it."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def check(
    database: Path,
    receipts_key: Verifier,
    hq_key: Verifier,
    offices: Sequence[Office] = (),
    topics: Sequence[Record] | None = None,
) -> list[Finding]:
    """Return every finding, none if all is well.

    Shapes: `topics` are all records of `out.*`, `events` and `state.*`, each partition's in its order; None leaves
            the published side out.
    """
    checker = _Checker(database, receipts_key, hq_key)
    checker.check_ledger()
    for office in offices:
        checker.check_office(office)
    if topics is not None:
        checker.check_topics(topics)
    return checker.findings


class _Checker:
    def __init__(self, database: Path, receipts_key: Verifier, hq_key: Verifier) -> None:
        self.findings: list[Finding] = []
        self.receipts_key = receipts_key
        self.hq_key = hq_key
        db = sqlite3.connect(database)
        try:
            self.lanes = list(read_lanes(db))
            self.entities = read_entities(db)
            self.measures = {
                (origin, key): Decimal(value)
                for origin, key, value in db.execute("SELECT origin, key, value FROM measure JOIN lane ON id = lane_id")
                if Decimal(value)
            }
        finally:
            db.close()
        self.bases: dict[int, Basis] = {}

    def found(self, what: str, where: str, detail: object = "") -> None:
        self.findings.append(Finding(what, where, str(detail)[:300]))

    # -- HQ's own books --------------------------------------------------------------------------------------------

    def check_ledger(self) -> None:
        for lane in self.lanes:
            self._check_tree(lane)
        self._check_ids()
        self._rebuild()

    def _check_tree(self, lane: LaneRows) -> None:
        """Sequences have no gap, digests are those of the bytes, and every receipt covers exactly what it says."""
        numbers = [event.sequence for event in lane.events]
        for missing in sorted(set(range(1, lane.size + 1)) - set(numbers)):
            self.found("LEDGER_GAP", f"{lane.origin} {missing}")
        for strange in sorted(set(numbers) - set(range(1, lane.size + 1))):
            self.found("LEDGER_BEYOND", f"{lane.origin} {strange}", f"the lane's size is {lane.size}")
        for event in lane.events:
            headers = event.headers
            if leaf_hash(event.data) != event.digest:
                self.found("DIGEST", f"{lane.origin} {event.sequence}", "the digest is not that of the bytes")
            if (headers.get("ce_epoch"), headers.get("ce_sequence")) != (lane.epoch.encode(), b"%d" % event.sequence):
                self.found("WRONG_PLACE", f"{lane.origin} {event.sequence}", headers.get("ce_sequence"))
        edge, at = Edge(), 0
        by_number = {event.sequence: event for event in lane.events}
        for stored in lane.receipts:
            where = f"{lane.origin} {stored.first}-{stored.last}"
            if stored.first != at + 1:
                self.found("RECEIPT_GAP", where, f"expected it to begin at {at + 1}")
            at = stored.last
            covered = [by_number[n] for n in range(stored.first, stored.last + 1) if n in by_number]
            edge = edge.append(leaf_hash(event.data) for event in covered)
            self._check_receipt(where, lane, stored, edge, covered)
        if at != lane.size or edge.to_bytes() != lane.edge:
            self.found("LANE_EDGE", lane.origin, f"size {lane.size}, receipts to {at}")

    def _check_receipt(
        self, where: str, lane: LaneRows, stored: Stored, edge: Edge, covered: Sequence[Event]
    ) -> Receipt | None:
        try:
            note = Note.from_bytes(stored.note)
            note.verify([self.receipts_key])
            receipt = read_answer(note.text)
        except Malformed as exc:
            self.found("RECEIPT_UNSIGNED", where, exc)
            return None
        if not isinstance(receipt, Receipt) or (receipt.origin, receipt.first, receipt.last, receipt.basis) != (
            lane.origin,
            stored.first,
            stored.last,
            stored.basis,
        ):
            self.found("RECEIPT_ROW", where, note.text)
            return None
        if receipt.root != edge.root or stored.edge != edge.to_bytes():
            self.found("RECEIPT_ROOT", where, "the root is not that of the ledger's digests")
        told = {decision.sequence: decision.to_text() for decision in receipt.decisions}
        said = {event.sequence: event.line for event in covered if event.code != ACCEPTED}
        for number in sorted(told.keys() | said.keys()):
            if told.get(number) != said.get(number):
                at = f"{lane.origin} {number}"
                self.found("VERDICT", at, f"the receipt has {told.get(number)}, the ledger {said.get(number)}")
        try:
            checkpoint, _ = open_seal(stored.seal)
            if (checkpoint.origin, checkpoint.size, checkpoint.root) != (lane.origin, stored.last, edge.root):
                self.found("SEAL", where, f"the seal is over {checkpoint.origin} {checkpoint.size}")
        except Malformed as exc:
            self.found("SEAL", where, exc)
        return receipt

    def _check_ids(self) -> None:
        """Each event was accepted once, and made one version."""
        seen: dict[tuple[str, str], str] = {}  # CloudEvents: source and id together are one event
        versions: dict[tuple[str, str, int], str] = {}
        for lane, event in self._accepted():
            at = f"{lane.origin} {event.sequence}"
            if (first := seen.setdefault((lane.center, event.ce_id), at)) != at:
                self.found("TWICE", at, f"{event.ce_id} was accepted at {first}")
            version = (event.stream, event.subject, event.version)
            if (first := versions.setdefault(version, at)) != at:
                self.found("VERSION_TWICE", at, f"{version} was made at {first}")

    def _accepted(self, center: str | None = None) -> Iterator[tuple[LaneRows, Event]]:
        for lane in self.lanes:
            if center in (None, lane.center):
                yield from ((lane, event) for event in lane.events if event.code == ACCEPTED)

    # -- everything again from the ledger's bytes ------------------------------------------------------------------

    def _rebuild(self) -> None:
        rebuilt: dict[EntityKey, Known] = {}
        measures: dict[tuple[str, str], Decimal] = {}
        self._keep_basis(0, {})
        for lane in sorted(self.lanes, key=lambda lane: (lane.center != HQ, lane.id)):
            self._rebuild_lane(lane, rebuilt, measures)
        for key in sorted(rebuilt.keys() | self.entities.keys()):
            where = f"{key[0]}/{key[1]}"
            known, row = rebuilt.get(key), self.entities.get(key)
            if known is None or row is None:
                self.found("ENTITY", where, f"in HQ's table: {row is not None}, by the ledger: {known is not None}")
                continue
            place = (known.document.decode(), known.digest, known.entity.version, known.entity.status)
            if row[:4] != place or row[4:] != (
                known.origin, known.sequence, known.record_origin, known.record_sequence,
            ):  # fmt: skip
                self.found("ENTITY", where, f"the table has {row}, the ledger gives {place}")
        measures = {key: value for key, value in measures.items() if value}
        for name in sorted(measures.keys() | self.measures.keys()):
            if measures.get(name) != self.measures.get(name):
                told = f"{self.measures.get(name)}, expected {measures.get(name)}"
                self.found("MEASURE", f"{name[0]} {name[1]}", told)

    def _rebuild_lane(
        self, lane: LaneRows, rebuilt: dict[EntityKey, Known], measures: dict[tuple[str, str], Decimal]
    ) -> None:
        now = Lane(lane.origin, lane.center, lane.epoch)
        by_number = {event.sequence: event for event in lane.events}
        for stored in lane.receipts:
            events = [by_number[n] for n in range(stored.first, stored.last + 1) if n in by_number]
            judged_under = self.bases.get(stored.basis)
            if judged_under is None:
                self.found("BASIS", f"{lane.origin} {stored.first}-{stored.last}", f"there is no basis {stored.basis}")
                continue
            self._check_key(lane, stored, judged_under)
            if not events:
                continue
            records = [pending(event, stored.seal if event.sequence == stored.last else None) for event in events]
            segment = Segment(now, records, now.edge.append(p.leaf for p in records), stored.seal)
            reading = Reading.of(Intake(lane.center, lane=now))
            recorded_at = from_us(stored.recorded_at_us)
            batch = decide(Taken(reading, segments=[segment]), rebuilt, judged_under, recorded_at, _NOBODY)
            rebuilt.update(batch.entities)
            for key, change in batch.measures.items():
                measures[key] = measures.get(key, Decimal(0)) + change
            for event, row in zip(events, batch.commits[0].rows, strict=True):
                self._compare(lane, event, row)
            now = batch.commits[0].lane
            if lane.center == HQ:
                self._keep_basis(self._size_of_hq_before(lane) + stored.last, rebuilt)
        if now.state_digest != lane.state_digest:
            self.found("STATE_DIGEST", lane.origin, "the ledger folds to another state digest")

    def _check_key(self, lane: LaneRows, stored: Stored, judged_under: Basis) -> None:
        try:
            _, note = open_seal(stored.seal)
        except Malformed:
            return  # told already
        standing, why = judged_under.keyring.check_seal(lane.center, lane.origin, note)
        if standing is not Standing.GOOD:
            self.found("SEAL", f"{lane.origin} {stored.first}-{stored.last}", why)

    def _size_of_hq_before(self, lane: LaneRows) -> int:
        return sum(other.size for other in self.lanes if other.center == HQ and other.id < lane.id)

    def _keep_basis(self, size: int, rebuilt: Mapping[EntityKey, Known]) -> None:
        own = [Entity.from_json(k.document) for k in rebuilt.values() if k.entity.center == HQ]
        self.bases[size] = basis(size, own, self.hq_key, _RELEASED)

    def _compare(self, lane: LaneRows, event: Event, row: Row) -> None:
        kept = (event.code, event.field, event.params, event.version, event.type, event.subject)
        given = (str(row.code), row.field, row.params, row.version, row.type, row.subject)
        if kept != given:
            self.found("VERDICT", f"{lane.origin} {event.sequence}", f"the ledger has {kept}, judging gives {given}")

    # -- a center's books against HQ's -----------------------------------------------------------------------------

    def check_office(self, office: Office) -> None:
        db = sqlite3.connect(office.outbox)
        try:
            self._check_outbox(office, db)
            self._check_rows(office, db)
        finally:
            db.close()

    def _check_outbox(self, office: Office, db: sqlite3.Connection) -> None:
        epochs = db.execute("SELECT number, origin, base FROM epoch ORDER BY base").fetchall()
        lanes = {lane.origin: lane for lane in self.lanes}
        said: dict[str, list[str]] = {}  # entity -> ce_id, in the order of the outbox
        mine: set[tuple[str, int]] = set()
        for number, (epoch, origin, base) in enumerate(epochs):
            end = epochs[number + 1][2] if number + 1 < len(epochs) else 2**62
            lane = lanes.get(origin)
            rows = {event.sequence: event for event in lane.events} if lane else {}
            receipts = db.execute("SELECT first, last, note FROM receipt WHERE epoch = ?", (epoch,)).fetchall()
            self._check_held(origin, lane, receipts)
            covered = {n for first, last, _ in receipts for n in range(first, last + 1)}
            for id_, ce_id, kind, subject, time, dataschema, value, correlation, causation in db.execute(
                "SELECT id, ce_id, type, subject, time, dataschema, value, correlation, causation FROM event"
                " WHERE id > ? AND id <= ? ORDER BY id",
                (base, end),
            ):
                sequence = id_ - base
                mine.add((origin, sequence))
                where = f"{origin} {sequence}"
                said.setdefault(f"{KINDS[kind].stream}/{subject}", []).append(ce_id)
                if sequence not in covered:
                    self.found("PENDING", where, f"{ce_id} of {subject} has no receipt")
                headers = write_headers(
                    center=office.center, epoch=origin.rpartition("/")[2], sequence=sequence, event_id=ce_id,
                    event_type=kind, subject=subject, time=datetime.fromisoformat(time), dataschema=dataschema,
                    correlation_id=correlation, causation_id=causation,
                )  # fmt: skip
                row = rows.get(sequence)
                if row is None:
                    self.found("LOST", where, f"{ce_id} of {subject} is not in the ledger")
                elif row.digest != leaf_hash(canonical(headers, value)):
                    self.found("DIGEST", where, f"HQ has other bytes than the outbox for {ce_id} of {subject}")
                self._check_rejection(db, id_, where, row)
        for lane in self.lanes:
            if lane.origin in {origin for _, origin, _ in epochs}:
                for event in lane.events:
                    if (lane.origin, event.sequence) not in mine:
                        self.found("UNSAID", f"{lane.origin} {event.sequence}", "the outbox never said it")
        self._check_order(office.center, said)

    def _check_rejection(self, db: sqlite3.Connection, number: int, where: str, row: Event | None) -> None:
        kept = db.execute("SELECT code, field, params FROM rejection WHERE event = ?", (number,)).fetchone()
        told = Decision(row.sequence, *kept).to_text() if kept and row else None
        said = row.line if row and row.code != ACCEPTED else None
        if told != said:
            self.found("REJECTION", where, f"the outbox has {told}, the ledger {said}")

    def _check_held(self, origin: str, lane: LaneRows | None, receipts: Iterable[tuple[int, int, bytes]]) -> None:
        stored = {(r.first, r.last): r.note for r in lane.receipts} if lane else {}
        for first, last, note in receipts:
            if stored.get((first, last)) != note:
                self.found("RECEIPT_HELD", f"{origin} {first}-{last}", "HQ has no such receipt, byte for byte")

    def _check_order(self, center: str, said: Mapping[str, Sequence[str]]) -> None:
        """For each entity, what was accepted was accepted in the order in which it was queued."""
        accepted: dict[str, list[str]] = {}
        for _, event in self._accepted(center):
            accepted.setdefault(f"{event.stream}/{event.subject}", []).append(event.ce_id)
        for entity, ids in accepted.items():
            place = {ce_id: number for number, ce_id in enumerate(said.get(entity, []))}
            known = [place[ce_id] for ce_id in ids if ce_id in place]
            if known != sorted(known):
                self.found("ORDER", entity, f"accepted in the order {known}")

    def _check_rows(self, office: Office, db: sqlite3.Connection) -> None:
        """Every row has its one true verdict, and HQ holds nothing that no row ever said."""
        verdicts: dict[str, tuple[str, str]] = {}
        for key, state, code in db.execute("SELECT key, state, code FROM row_verdict WHERE state <> 'blank'"):
            if verdicts.setdefault(key, (state, code)) != (state, code):
                self.found("ROW_TWICE", f"{office.center}:{key}", f"{verdicts[key]} and {(state, code)}")
        sheet = office.sheet
        for key in sorted(verdicts.keys() - sheet.rows.keys()):
            self.found("ROW_UNKNOWN", f"{office.center}:{key}", "no sheet has it")
        for key, row in sheet.rows.items():
            where = f"{sheet.stream}/{office.center}:{key}"
            wanted = ("refused", row.refused) if row.refused else ("rejected", row.rejected)
            if verdicts.get(key) != (wanted if wanted[1] else ("accepted", "")):
                told = wanted if wanted[1] else "accepted"
                self.found("ROW", where, f"expected {told}, the outbox says {verdicts.get(key)}")
            entity = self.entities.get((sheet.stream, f"{office.center}:{key}"))
            if wanted[1]:
                continue
            if entity is None or entity[3] != row.status or not _says(entity, row):
                self.found("LOST", where, f"expected {row}, HQ has {entity and entity[0]}")
        for (stream, subject), entity in self.entities.items():
            center, _, key = subject.partition(":")
            if center != office.center or stream == "lane":
                continue
            ever = sheet.ever.get(key, ()) if stream == sheet.stream else ()
            if not any(_says(entity, row) for row in ever if not (row.refused or row.rejected)):
                self.found("INVENTED", f"{stream}/{subject}", f"no row ever said {entity[0]}")

    # -- what was published ----------------------------------------------------------------------------------------

    def check_topics(self, topics: Sequence[Record]) -> None:
        by_topic: dict[str, list[Record]] = {}
        for record in topics:
            by_topic.setdefault(record.topic, []).append(record)
        for center in sorted({lane.center for lane in self.lanes} - {HQ}):
            self._check_answers(center, by_topic.get(f"out.{center}", []))
        for center in sorted({lane.center for lane in self.lanes}):
            self._check_events(center, by_topic.get("events", []))
        self._check_states([r for topic, found in by_topic.items() if topic.startswith("state.") for r in found])

    def _check_answers(self, center: str, records: Sequence[Record]) -> None:
        """A center can read every receipt, in order, and none that HQ did not store."""
        stored = [receipt.note for lane in self.lanes if lane.center == center for receipt in lane.receipts]
        told: dict[bytes, None] = {}
        for record in records:
            note = Note.from_bytes(record.value)
            if isinstance(read_answer(note.text), Receipt):
                told[record.value] = None
        for note_bytes in told.keys() - set(stored):
            self.found("RECEIPT_STRAY", f"out.{center}", note_bytes.decode())
        if [note_bytes for note_bytes in told if note_bytes in set(stored)] != stored:
            self.found("RECEIPTS_OUT", f"out.{center}", f"{len(stored)} are stored, {len(told)} were told, or in order")

    def _check_events(self, center: str, records: Sequence[Record]) -> None:
        """A reader that goes by epoch and sequence gets every accepted event once, in the lane's order."""
        source = f"/centers/{center}".encode()
        got: list[tuple[str, int, bytes]] = []
        last: dict[str, int] = {}
        partitions = set()
        for record in records:
            headers = dict(record.headers)
            if headers.get("ce_source") != source:
                continue
            partitions.add(record.partition)
            epoch, sequence = headers["ce_epoch"].decode(), int(headers["ce_sequence"])
            if sequence > last.get(epoch, 0):
                last[epoch] = sequence
                got.append((epoch, sequence, canonical(record.headers, record.value)))
        wanted = [(lane.epoch, event.sequence, event.data) for lane, event in self._accepted(center)]
        if len(partitions) > 1:
            self.found("EVENTS_PARTITION", center, sorted(partitions))
        for item in _missing(wanted, got):
            self.found("EVENTS_MISSING", f"{center}/{item[0]} {item[1]}", "a reader never gets it")
        for item in _missing(got, wanted):
            self.found("EVENTS_STRAY", f"{center}/{item[0]} {item[1]}", "it is not in the ledger")
        if not _missing(wanted, got) and not _missing(got, wanted) and got != wanted:
            self.found("EVENTS_ORDER", center, "a reader gets them in another order than the lanes'")

    def _check_states(self, records: Sequence[Record]) -> None:
        """The highest version of each entity is HQ's, and it stands last, for compaction keeps the last."""
        newest: dict[EntityKey, dict[str, Any]] = {}
        last: dict[EntityKey, dict[str, Any]] = {}
        for record in records:
            key = (record.topic.removeprefix("state."), record.key.decode())
            state = decode_state(record.value)
            last[key] = state
            if key not in newest or state["version"] > newest[key]["version"]:
                newest[key] = state
        for key in sorted(newest.keys() | self.entities.keys()):
            where, row = f"{key[0]}/{key[1]}", self.entities.get(key)
            if key not in newest or row is None:
                self.found("STATE", where, f"published: {key in newest}, at HQ: {row is not None}")
                continue
            state = newest[key]
            document = orjson.loads(row[0])
            kept = (row[2], row[3], row[4].rpartition("/")[2], row[5])
            said = (state["version"], state["status"], state["epoch"], state["sequence"])
            if kept != said or orjson.loads(canonical_json(state["record"])) != document["record"]:
                self.found("STATE", where, f"published {said}, HQ has {kept}")
            if last[key]["version"] != state["version"]:
                self.found("STATE_ORDER", where, f"{last[key]['version']} stands behind {state['version']}")


def _missing(wanted: Iterable[Any], got: Iterable[Any]) -> list[Any]:
    there = set(got)
    return [item for item in wanted if item not in there]


def _says(entity: tuple[Any, ...], row: SheetRow) -> bool:
    record = orjson.loads(entity[0])["record"]
    return all(record[name] == value for name, value in row.record.items())
