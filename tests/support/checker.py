"""Compares what every source row became: nothing lost, nothing twice, order kept, receipts true.

It reads the databases as files and believes none of them: HQ's is audited by the product's own `hub audit verify`; what
only a test can know, the centers' outboxes, sheets and the topics, is compared with it here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from connectors.runtime.outbox import Outbox
from hub.audit.findings import Finding as Audited
from hub.audit.verify import verify
from hub.domain.catalogue import KINDS
from hub.domain.entity import canonical_json
from hub.domain.stream import HQ
from hub.hq.identity import Identity
from hub.ledger.step import EntityKey
from hub.protocol.note import Note, Signer
from hub.protocol.receipt import Decision, Receipt
from hub.protocol.record import canonical, write_headers
from hub.protocol.status import read_said
from hub.protocol.tree import leaf_hash
from hub.protocol.trust import Trust
from hub.protocol.verdict import Code
from hub.store.rows import StoredEvent
from tests.support.books import LaneRows, decode_state, event_id, read_entities, read_lanes
from tests.support.sheet import Row as SheetRow
from tests.support.sheet import Sheet


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
    database: Path, trust: Trust, offices: Sequence[Office] = (), topics: Sequence[Record] | None = None
) -> list[Finding]:
    """Return every finding, none if all is well.

    Shapes: `topics` are all records of `out.*`, `events` and `state.*`, each partition's in its order; None leaves
            the published side out.
    """
    checker = _Checker(database, trust)
    checker.check_ledger()
    for office in offices:
        checker.check_office(office)
    if topics is not None:
        checker.check_topics(topics)
    return checker.findings


def trust_of(identity: Identity) -> Trust:
    """Return what a hub's trust note says, or what one would that names its keys."""
    if identity.trust is not None:
        return identity.trust
    root = Signer(f"{identity.hub}/root", b"R" * 32).verifier
    logs = (identity.log.verifier, identity.log_long.verifier)
    receipts, hq = identity.receipts.verifier, identity.hq.verifier
    return Trust(identity.hub, root, (receipts,), logs, (hq,), serial=1)


def _where(found: Audited) -> str:
    """Return the place of an audit's finding as it is written here."""
    if found.table == "entity":
        return found.key.replace(" ", "/", 1)
    place = "" if found.first is None else str(found.first)
    if found.table == "receipt" and found.first is not None:
        place = f"{found.first}-{found.last if found.last is not None else found.first}"
    return " ".join(filter(None, (found.lane, place, found.key)))


def row_verdicts(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield key, state and code of every row of an outbox that is not blank, as its center sees them."""
    with Outbox(path, read_only=True) as outbox:
        for summary in outbox.rows.summaries():
            yield from (
                (row.key, row.state, row.code) for row in outbox.rows.verdicts(summary.name) if row.state != "blank"
            )


class _Checker:
    def __init__(self, database: Path, trust: Trust) -> None:
        self.findings: list[Finding] = []
        self.database = database
        self.trust = trust
        self.lanes = list(read_lanes(database))
        db = sqlite3.connect(database)
        try:
            self.entities = read_entities(db)
        finally:
            db.close()

    def found(self, what: str, where: str, detail: object = "") -> None:
        self.findings.append(Finding(what, where, str(detail)[:300]))

    # -- HQ's own books --------------------------------------------------------------------------------------------

    def check_ledger(self) -> None:
        """Let the product's own audit look at all of HQ's database, then at what it has no rule for."""
        self.findings += [Finding(str(f.what), _where(f), f.detail) for f in verify(self.database, self.trust).findings]
        self._check_ids()

    def _check_ids(self) -> None:
        """Each event was accepted once."""
        seen: dict[tuple[str, str], str] = {}  # CloudEvents: source and id together are one event
        for lane, event in self._accepted():
            at = f"{lane.origin} {event.sequence}"
            if (first := seen.setdefault((lane.center, event_id(event)), at)) != at:
                self.found("TWICE", at, f"{event_id(event)} was accepted at {first}")

    def _accepted(self, center: str | None = None) -> Iterator[tuple[LaneRows, StoredEvent]]:
        for lane in self.lanes:
            if center in (None, lane.center):
                yield from ((lane, event) for event in lane.events if event.accepted)

    # -- a center's books against HQ's -----------------------------------------------------------------------------

    def check_office(self, office: Office) -> None:
        db = sqlite3.connect(office.outbox)
        try:
            self._check_outbox(office, db)
            self._check_rows(office)
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

    def _check_rejection(self, db: sqlite3.Connection, number: int, where: str, row: StoredEvent | None) -> None:
        kept = db.execute("SELECT code, field, params FROM rejection WHERE event = ?", (number,)).fetchone()
        told = Decision(row.sequence, *kept).to_text() if kept and row else None
        # What HQ had already reads accepted.
        said = row.line if row and not row.accepted and row.code != Code.ALREADY_SAID else None
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
            accepted.setdefault(f"{event.stream}/{event.subject}", []).append(event_id(event))
        for entity, ids in accepted.items():
            place = {ce_id: number for number, ce_id in enumerate(said.get(entity, []))}
            known = [place[ce_id] for ce_id in ids if ce_id in place]
            if known != sorted(known):
                self.found("ORDER", entity, f"accepted in the order {known}")

    def _check_rows(self, office: Office) -> None:
        """Every row has its one true verdict, and HQ holds nothing that no row ever said."""
        verdicts: dict[str, tuple[str, str]] = {}
        for key, state, code in row_verdicts(office.outbox):
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
            if isinstance(read_said(note.text), Receipt):
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
        followers = {}  # by the lane that each has followed: that one is closed, which is no event of its own
        for (stream, subject), columns in self.entities.items():
            if stream == "lane":
                followers[orjson.loads(columns[0])["record"]["previous_origin"]] = subject.rpartition(":")[2]
        for key in sorted(newest.keys() | self.entities.keys()):
            where, row = f"{key[0]}/{key[1]}", self.entities.get(key)
            if key not in newest or row is None:
                self.found("STATE", where, f"published: {key in newest}, at HQ: {row is not None}")
                continue
            state = newest[key]
            document = orjson.loads(row[0])
            kept = (row[2], row[3], row[4].rpartition("/")[2], row[5])
            if key[0] == "lane" and (follower := followers.get(row[4])) is not None:
                kept = (row[2] + 1, "closed", follower, 1)
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
