"""Taking: which records of a fetch become the next events of a lane. Pure; schemas/PROTOCOL.md, "Taking".

A fetch is read record by record against what HQ has of the lane (`size` events) and the unsealed tail behind it:

    next number           → joins the tail
    at or below the size  → duplicate; its seal is a *claim*, answered with the stored receipt (or a fork)
    inside the tail       → the same bytes: nothing; other bytes: the newest wins and cuts the tail from there
    higher                → gap: the tail is dropped and a resend asked for
    sequence 1 elsewhere  → a new epoch begins; it becomes the lane when it is sealed

The tail is taken up to its last good seal. Whatever is cut, over-long, unattributable or under a bad seal goes to
quarantine with its bytes. Nothing here changes what it was given: a Reading goes in, a Taken with the next comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from hub.ledger.keyring import Keyring, Standing
from hub.ledger.lane import Intake, Lane, Status
from hub.protocol.checkpoint import Checkpoint, open_seal
from hub.protocol.control import Presence, seal_key_name
from hub.protocol.errors import Malformed
from hub.protocol.note import Note
from hub.protocol.receipt import Resend
from hub.protocol.record import (
    CONTROL_HEADER,
    LANE_OPENED,
    SEAL_HEADER,
    Common,
    KafkaRecord,
    LeafReader,
    canonical,
    origin_of,
    position,
    sequence_of,
)
from hub.protocol.tree import Edge
from hub.protocol.witness import (
    ALARM_KIND,
    COSIGNATURE_KIND,
    Alarm,
    Cosigned,
    log_origin,
    open_cosigned,
    witness_key_name,
)

TAIL_RECORDS_MAX: Final = 256
TAIL_BYTES_MAX: Final = 1024 * 1024
# A receipt's text is an entry of HQ's log, which has at most 65,535 bytes: 520 for its head, 201 for each event's line.
RECEIPT_EVENTS_MAX: Final = 320
SEALS_TRIED_MAX: Final = 8
CLAIMS_MAX: Final = 64
RESEND_BACKOFF_S: Final = (5.0, 20.0, 60.0)


@dataclass(slots=True)
class Pending:
    """A record with its number, headers, canonical bytes, digest (leaf) and the newest seal seen on it."""

    sequence: int
    record: KafkaRecord
    headers: dict[str, bytes | None]
    data: bytes
    leaf: bytes
    seal: bytes | None
    common: Common | None = None  # what it shares with other records of the lane; None where its headers are unusual


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that is kept without becoming an event. `reason` is a fixed code, `detail` says more."""

    reason: str
    detail: str
    record: KafkaRecord
    data: bytes


@dataclass(frozen=True, slots=True)
class Segment:
    """Events of one lane, taken under one seal. `edge` is the lane's edge after them; `closes` the lane they end."""

    lane: Lane
    events: list[Pending]
    edge: Edge
    seal: bytes
    closes: Lane | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A well-signed seal over what HQ has already: the stored receipt answers it, another root proves a fork."""

    origin: str
    checkpoint: Checkpoint
    note: bytes


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A good line of the center's witness key under a checkpoint of HQ's log; `weigh` says whether HQ signed that."""

    said: Cosigned
    record: KafkaRecord
    data: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole in a lane: how often a resend was asked for, and when the next may be."""

    tries: int
    next_at: float


@dataclass(frozen=True, slots=True)
class Reading:
    """An intake and what is only in memory: the lane the tail builds on, the unsealed tail, and an open gap."""

    intake: Intake
    lane: Lane | None = None
    tail: tuple[Pending, ...] = ()
    gap: Gap | None = None
    reader: LeafReader = field(default_factory=LeafReader, compare=False, repr=False)

    @classmethod
    def of(cls, intake: Intake) -> Reading:
        """Return a reading that starts where `intake` stands."""
        return cls(intake, intake.lane)


@dataclass(slots=True)
class Taken:
    """What came of one fetch. `reading` is the next state; it counts once the commit has succeeded."""

    reading: Reading
    segments: list[Segment] = field(default_factory=list)
    quarantine: list[Quarantined] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    resends: list[Resend] = field(default_factory=list)
    presence: Presence | None = None
    cosignatures: list[Cosignature] = field(default_factory=list)
    alarm: Alarm | None = None
    duplicates: int = 0


def take(reading: Reading, records: Sequence[KafkaRecord], keyring: Keyring, hub: str, monotonic_s: float) -> Taken:
    """Return what `records` (one fetch of one center's topic, in order) bring.

    Units:  `monotonic_s` is the shell's monotonic clock, used only to space resend requests.
    Errors: none for any bytes; an exception is a fault of ours and parks the lane.
    """
    return _Fetch(reading, keyring, hub, monotonic_s).run(records)


class _Fetch:
    """The working state of one `take`."""

    def __init__(self, reading: Reading, keyring: Keyring, hub: str, monotonic_s: float) -> None:
        self.reading = reading
        self.reader = reading.reader
        self.keyring = keyring
        self.hub = hub
        self.now_s = monotonic_s
        self.intake = reading.intake
        self.center = reading.intake.center
        self.lane = reading.lane
        self.tail = list(reading.tail)
        self.gap = reading.gap
        self.status, self.why = Status.READING, ""
        self.closed = dict(reading.intake.closed)
        self.taken = Taken(reading)

    def run(self, records: Sequence[KafkaRecord]) -> Taken:
        offset = self.intake.offset
        reason = self.keyring.waits(self.center)
        if reason:
            return self._stopped(Status.WAITING, reason)
        for record in records:
            self._one(record)
            if self.status is not Status.READING:
                return self._stopped(self.status, self.why)
            offset = record.offset + 1
        self._settle()
        if self.status is not Status.READING:
            return self._stopped(self.status, self.why)
        if len(self.tail) > TAIL_RECORDS_MAX or sum(len(p.data) for p in self.tail) > TAIL_BYTES_MAX:
            limits = f"expected a seal within {TAIL_RECORDS_MAX} records and {TAIL_BYTES_MAX} bytes"
            self._quarantine_tail("OVERLONG_TAIL", limits)
            self._hole("the tail grew over its limit without a seal")
        if self.tail:
            offset = min(p.record.offset for p in self.tail)
        self._finish(offset)
        return self.taken

    def _finish(self, offset: int | None) -> None:
        committed = self.taken.segments[-1] if self.taken.segments else None
        lane = self.intake.lane
        if committed is not None:
            lane = replace(committed.lane, edge=committed.edge)
        intake = replace(self.intake, offset=offset, status=self.status, why=self.why, lane=lane, closed=self.closed)
        self.taken.reading = Reading(intake, self.lane, tuple(self.tail), self.gap, self.reading.reader)

    def _stopped(self, status: Status, why: str) -> Taken:
        """Stop reading here. What was taken before stands; the rest is read again when the lane goes on."""
        self.status, self.why = status, why
        first = min((p.record.offset for p in self.tail), default=None)
        seen = [p.record.offset for s in self.taken.segments for p in s.events] + [
            q.record.offset for q in self.taken.quarantine
        ]
        offset = first if first is not None else (max(seen) + 1 if seen else self.intake.offset)
        self.tail, self.gap, self.lane = [], None, self.intake.lane
        self._finish(offset)
        self.taken.reading = Reading.of(self.taken.reading.intake)
        return self.taken

    def _one(self, record: KafkaRecord) -> None:
        headers, data, leaf = self.reader.read(record)
        lane, common = self.lane, self.reader.common
        if common is not None and common.is_event and lane is not None and common.epoch == lane.epoch:
            # What follows is all that nearly every record needs, and it is asked for each of them.
            number = sequence_of(headers["ce_sequence"])
            if number == lane.edge.size + len(self.tail) + 1:
                self.tail.append(Pending(number, record, headers, data, leaf, headers.get(SEAL_HEADER), common))
                return
        if CONTROL_HEADER in headers:
            self._control(record, headers, data)
            return
        place = position(headers)
        if place is None:
            self._quarantine("NOT_ATTRIBUTABLE", "no readable ce_epoch and ce_sequence", record, data)
            return
        epoch, sequence = place
        if self.lane is None or epoch != self.lane.epoch:
            if self._is_closed(epoch, sequence, record, data):
                return
            self._settle()
            # Settling may just have closed that lane: a late record of it must not open it again.
            if self.status is not Status.READING or self._is_closed(epoch, sequence, record, data):
                return
            self._switch(epoch, sequence)
            if self.lane is None or epoch != self.lane.epoch:
                self._hole_in(origin_of(self.hub, self.center, epoch), 1, f"sequence {sequence} of an unopened lane")
                return
        pending = Pending(sequence, record, headers, data, leaf, headers.get(SEAL_HEADER), common)
        if sequence != self.lane.size + len(self.tail) + 1 and self._out_of_order(pending):
            return
        self.tail.append(pending)

    def _is_closed(self, epoch: str, sequence: int, record: KafkaRecord, data: bytes) -> bool:
        """Deal with a record of a closed lane, which is a duplicate or comes too late; False if its lane is not."""
        size = self.closed.get(epoch)
        if size is None:
            return False
        if sequence > size:
            self._quarantine("CLOSED_LANE", f"the lane was closed at size {size}", record, data)
        else:
            self._claim(origin_of(self.hub, self.center, epoch), size, record)
        return True

    def _switch(self, epoch: str, sequence: int) -> None:
        """Turn to another epoch: back to the open lane, or on to a new one that begins here."""
        current = self.intake.lane if not self.taken.segments else self._committed()
        if current is not None and current.epoch == epoch:
            self._quarantine_tail("SUPERSEDED", "records of another epoch came before its seal")
            self.lane, self.gap = current, None
        elif sequence == 1:
            self._quarantine_tail("SUPERSEDED", f"epoch {epoch} began before the tail was sealed")
            self.lane, self.gap = Lane(origin_of(self.hub, self.center, epoch), self.center, epoch), None

    def _committed(self) -> Lane:
        last = self.taken.segments[-1]
        return replace(last.lane, edge=last.edge)

    def _out_of_order(self, pending: Pending) -> bool:
        """Deal with a record that is not the tail's next; True when it is done with, False when it joins the tail."""
        assert self.lane is not None
        sequence = pending.sequence
        index = sequence - self.lane.size - 1
        if 0 <= index < len(self.tail) and self.tail[index].leaf != pending.leaf:
            # What is sealed is taken before anything is cut: only the unsealed tail can be replaced.
            self._settle()
            if self.status is not Status.READING:
                return True
            index = sequence - self.lane.size - 1
        if index < 0:
            self._claim(self.lane.origin, self.lane.size, pending.record)
            return True
        if index < len(self.tail):
            if self.tail[index].leaf == pending.leaf:
                self.taken.duplicates += 1
                self.tail[index] = replace(self.tail[index], seal=pending.seal or self.tail[index].seal)
                return True
            cut, self.tail = self.tail[index:], self.tail[:index]
            for old in cut:
                self._quarantine(
                    "SUPERSEDED", f"sequence {old.sequence} came again with other bytes", old.record, old.data
                )
            return False
        if index == len(self.tail):
            return False
        self._settle()
        if self.status is Status.READING:
            if sequence == self.lane.size + len(self.tail) + 1:
                return False
            self.tail = []
            self._hole(f"expected {self.lane.size + 1}, got {sequence}")
        return True

    def _claim(self, origin: str, size: int, record: KafkaRecord) -> None:
        """Count a duplicate; a good seal on it claims the stored receipt, or proves a fork, also of a closed lane."""
        self.taken.duplicates += 1
        seal = dict(record.headers).get(SEAL_HEADER)
        if seal is None or len(self.taken.claims) >= CLAIMS_MAX:
            return
        try:
            checkpoint, note = open_seal(seal)
        except Malformed:
            return
        standing, _ = self.keyring.check(self.center, origin, note)
        if standing is Standing.GOOD and checkpoint.origin == origin and checkpoint.size <= size:
            self.taken.claims.append(Claim(origin, checkpoint, seal))

    def _settle(self) -> None:
        """Take the tail up to its last good seal; quarantine what lies under a bad one."""
        if self.lane is None:
            return
        sealed = [i for i, p in enumerate(self.tail) if p.seal is not None]
        if not sealed:
            return
        detail = ""
        for index in reversed(sealed[-SEALS_TRIED_MAX:]):
            standing, why, edge = self._check_seal(index)
            if standing is Standing.WAITS:
                self.status, self.why = Status.WAITING, why
                return
            if standing is Standing.GOOD:
                self._accept(index - self._accept_parts(index), edge)
                break
            detail = detail or why
        if not detail:
            return
        # The last seal was bad: its batch, down to the good seal before it, is not the center's word.
        bad = sealed[-1] - (index + 1 if standing is Standing.GOOD else 0)
        for old in self.tail[: bad + 1]:
            self._quarantine("BAD_SEAL", detail, old.record, old.data)
        self.tail = []
        self._hole(f"bad seal: {detail}")

    def _check_seal(self, index: int) -> tuple[Standing, str, Edge]:
        assert self.lane is not None
        pending = self.tail[index]
        assert pending.seal is not None
        edge = self.lane.edge
        try:
            checkpoint, note = open_seal(pending.seal)
        except Malformed as exc:
            return Standing.BAD, str(exc), edge
        if checkpoint.origin != self.lane.origin or checkpoint.size != pending.sequence:
            said = f"{checkpoint.origin[:100]} at size {checkpoint.size}"
            return Standing.BAD, f"expected {self.lane.origin} at size {pending.sequence}, got {said}", edge
        standing, why = self.keyring.check_seal(self.center, self.lane.origin, note)
        if standing is not Standing.GOOD:
            return standing, why, edge
        if not self.lane.size and self.tail[0].headers.get("ce_type") != LANE_OPENED.encode():
            return Standing.BAD, f"NO_OPENING: expected {LANE_OPENED} as sequence 1", edge
        edge = edge.append(p.leaf for p in self.tail[: index + 1])
        if checkpoint.root != edge.root:
            return Standing.BAD, f"WRONG_ROOT: the records do not give the root sealed at size {checkpoint.size}", edge
        return Standing.GOOD, "", edge

    def _accept_parts(self, index: int) -> int:
        """Take of the tail up to `index`, under seals on the way, what one receipt has no room for; return how much.

        Where no seal on the way is good (its key was revoked since), one receipt covers more.
        """
        taken = 0
        while index - taken >= RECEIPT_EVENTS_MAX:
            sealed = [i for i, p in enumerate(self.tail[:RECEIPT_EVENTS_MAX]) if p.seal is not None]
            for inner in reversed(sealed[-SEALS_TRIED_MAX:]):
                standing, _, edge = self._check_seal(inner)
                if standing is Standing.GOOD:
                    self._accept(inner, edge)
                    taken += inner + 1
                    break
            else:
                break
        return taken

    def _accept(self, index: int, edge: Edge) -> None:
        assert self.lane is not None
        events, self.tail = self.tail[: index + 1], self.tail[index + 1 :]
        seal = events[-1].seal
        assert seal is not None
        segments = self.taken.segments
        last = segments[-1] if segments and segments[-1].lane.origin == self.lane.origin else None
        if last is not None and len(last.events) + len(events) <= RECEIPT_EVENTS_MAX:
            segments[-1] = Segment(last.lane, last.events + events, edge, seal, last.closes)
        else:
            old = self.intake.lane if not segments else self._committed()
            if old is not None and old.origin == self.lane.origin:
                old = None
            if old is not None:
                self.closed[old.epoch] = old.size
            segments.append(Segment(self.lane, events, edge, seal, old))
        self.lane = replace(self.lane, edge=edge)
        self.gap = None

    def _hole(self, why: str) -> None:
        assert self.lane is not None
        self._hole_in(self.lane.origin, self.lane.size + 1, why)

    def _hole_in(self, origin: str, first: int, why: str) -> None:
        """Ask for a resend; after the last try the lane is parked for a person to look at."""
        if self.gap is None:
            self.gap = Gap(0, self.now_s)
        if self.now_s < self.gap.next_at:
            return
        if self.gap.tries == len(RESEND_BACKOFF_S):
            self.status, self.why = Status.PARKED, f"gap: {why}; {self.gap.tries} resend requests did not fill it"
            return
        self.gap = Gap(self.gap.tries + 1, self.now_s + RESEND_BACKOFF_S[self.gap.tries])
        self.taken.resends.append(Resend(origin, first, why))

    def _control(self, record: KafkaRecord, headers: dict[str, bytes | None], data: bytes) -> None:
        kind, reason, detail = headers[CONTROL_HEADER], "BAD_CONTROL", "expected a presence, an alarm or a cosignature"
        try:
            if kind == COSIGNATURE_KIND.encode():
                reason = "BAD_COSIGNATURE"
                standing, detail = self._cosignature(record, data)
            elif kind in (b"presence", ALARM_KIND.encode()):
                standing, detail = self._said_of_itself(kind, record)
            else:
                standing = Standing.BAD
        except Malformed as exc:
            standing, detail = Standing.BAD, str(exc)
        if standing is Standing.BAD:
            self._quarantine(reason, detail, record, data)
        elif standing is Standing.WAITS:
            self.status, self.why = Status.WAITING, detail

    def _said_of_itself(self, kind: bytes, record: KafkaRecord) -> tuple[Standing, str]:
        """Take a presence or an alarm, signed by a seal key of the center."""
        note = Note.from_bytes(record.value or b"")
        said = Presence.from_text(note.text) if kind == b"presence" else Alarm.from_text(note.text)
        standing, detail = self.keyring.check(self.center, seal_key_name(self.hub, self.center), note)
        if standing is not Standing.GOOD:
            return standing, detail
        if said.center != self.center:
            return Standing.BAD, f"expected one of {self.center}, got one of {said.center}"
        if isinstance(said, Presence):
            self.taken.presence = said
        else:
            self.taken.alarm = said
        return standing, ""

    def _cosignature(self, record: KafkaRecord, data: bytes) -> tuple[Standing, str]:
        """Take a cosignature on HQ's log. One by a key that HQ does not know is passed over: it makes no lane wait."""
        said, name = open_cosigned(record.value or b""), witness_key_name(self.hub, self.center)
        if said.checkpoint.origin != log_origin(self.hub):
            return Standing.BAD, f"expected one of {log_origin(self.hub)}, got one of {said.checkpoint.origin[:100]}"
        if said.line.name != name:
            return Standing.GOOD, ""
        standing, detail = self.keyring.check_cosignature(self.center, name, said.note)
        if standing is Standing.GOOD:
            self.taken.cosignatures.append(Cosignature(said, record, data))
        return (standing, detail) if standing is Standing.BAD else (Standing.GOOD, "")

    def _quarantine(self, reason: str, detail: str, record: KafkaRecord, data: bytes) -> None:
        self.taken.quarantine.append(
            Quarantined(reason, detail, record, data or canonical(record.headers, record.value))
        )

    def _quarantine_tail(self, reason: str, detail: str) -> None:
        for old in self.tail:
            self._quarantine(reason, detail, old.record, old.data)
        self.tail = []
