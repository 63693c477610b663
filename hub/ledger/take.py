"""Taking: which records of a fetch become the next events of a lane. Pure; schemas/PROTOCOL.md, "Taking".

A fetch is read record by record against what HQ has of the lane (`size` events) and the unsealed tail behind it:

    next number           → joins the tail
    at or below the size  → duplicate; its seal is a *claim*, answered with the stored receipt (or a fork)
    inside the tail       → the same bytes: nothing; other bytes: the newest wins and cuts the tail from there
    higher                → gap: the tail is dropped and a resend asked for
    sequence 1 elsewhere  → a new epoch begins; it becomes the lane when it is sealed

The tail is taken up to its last good seal (hub/ledger/settle.py). Whatever is cut, over-long, unattributable or under a
bad seal goes to quarantine with its bytes. Nothing here changes what it was given: a Reading goes in, and a Taken, with
the next one, comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hub.ledger.control import read_control
from hub.ledger.keyring import Keyring, Standing
from hub.ledger.lane import Lane, Status
from hub.ledger.reading import Claim, Cosignature, Gap, Heard, Pending, Quarantined, Reading, Stretch, Taken
from hub.ledger.settle import RECEIPT_EVENTS_MAX, settle
from hub.protocol.batch import UnreadableBatch
from hub.protocol.checkpoint import open_seal
from hub.protocol.control import Presence
from hub.protocol.errors import Malformed
from hub.protocol.limits import TAIL_BYTES_MAX, TAIL_EVENTS_MAX
from hub.protocol.receipt import Resend
from hub.protocol.record import CONTROL_HEADER, SEAL_HEADER, KafkaRecord, canonical, origin_of, position, sequence_of
from hub.protocol.tree import Edge
from hub.protocol.witness import Alarm

CLAIMS_MAX: Final = 64
RESEND_BACKOFF_S: Final = (5.0, 20.0, 60.0)


def take(reading: Reading, records: Sequence[KafkaRecord], keyring: Keyring, hub: str, tick: float) -> Taken:
    """Return what `records` (one fetch of one center's topic, in order) bring.

    Units:  `tick` is the shell's monotonic clock in seconds, used only to space resend requests.
    Errors: none for any bytes; an exception is a fault of ours and parks the lane.
    """
    return _Fetch(reading, keyring, hub, tick).run(records)


class _Fetch:
    """The working state of one `take`."""

    def __init__(self, reading: Reading, keyring: Keyring, hub: str, tick: float) -> None:
        self.reader = reading.reader
        self.keyring = keyring
        self.hub = hub
        self.tick = tick
        self.intake = reading.intake
        self.center = reading.intake.center
        self.lane = reading.lane
        self.tail = list(reading.tail)
        self.gap = reading.gap
        self.status, self.why = Status.READING, ""
        self.closed = dict(reading.intake.closed)
        self.stretches: list[Stretch] = []
        self.quarantine: list[Quarantined] = []
        self.claims: list[Claim] = []
        self.resends: list[Resend] = []
        self.cosignatures: list[Cosignature] = []
        self.presence: Presence | None = None
        self.alarm: Alarm | None = None
        self.duplicates = 0

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
        if len(self.tail) > TAIL_EVENTS_MAX or sum(len(p.data) for p in self.tail) > TAIL_BYTES_MAX:
            limits = f"expected a seal within {TAIL_EVENTS_MAX} records and {TAIL_BYTES_MAX} bytes"
            self._quarantine_tail("OVERLONG_TAIL", limits)
            self._hole("the tail grew over its limit without a seal")
        if self.tail:
            offset = min(p.record.offset for p in self.tail)
        return self._finished(offset)

    def _finished(self, offset: int | None) -> Taken:
        lane = self._committed() if self.stretches else self.intake.lane
        intake = replace(self.intake, offset=offset, status=self.status, why=self.why, lane=lane, closed=self.closed)
        if self.status is Status.READING:
            reading = Reading(intake, self.lane, tuple(self.tail), self.gap, self.reader)
        else:
            reading = Reading.of(intake)
        return Taken(
            reading,
            tuple(self.stretches),
            tuple(self.quarantine),
            tuple(self.resends),
            tuple(self.cosignatures),
            Heard(self.presence, self.alarm, tuple(self.claims), self.duplicates),
        )

    def _stopped(self, status: Status, why: str) -> Taken:
        """Stop reading here. What was taken before stands; the rest is read again when the lane goes on."""
        self.status, self.why = status, why
        first = min((p.record.offset for p in self.tail), default=None)
        seen = [p.record.offset for s in self.stretches for p in s.events] + [q.record.offset for q in self.quarantine]
        return self._finished(first if first is not None else (max(seen) + 1 if seen else self.intake.offset))

    def _one(self, record: KafkaRecord) -> None:
        if type(record.value) is UnreadableBatch:
            self._quarantine("UNREADABLE_BATCH", record.value.detail, record, bytes(record.value))
            return
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
        current = self._committed() if self.stretches else self.intake.lane
        if current is not None and current.epoch == epoch:
            self._quarantine_tail("SUPERSEDED", "records of another epoch came before its seal")
            self.lane, self.gap = current, None
        elif sequence == 1:
            self._quarantine_tail("SUPERSEDED", f"epoch {epoch} began before the tail was sealed")
            self.lane, self.gap = Lane(origin_of(self.hub, self.center, epoch), self.center, epoch), None

    def _committed(self) -> Lane:
        last = self.stretches[-1]
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
                self.duplicates += 1
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
        self.duplicates += 1
        seal = dict(record.headers).get(SEAL_HEADER)
        if seal is None or len(self.claims) >= CLAIMS_MAX:
            return
        try:
            checkpoint, note = open_seal(seal)
        except Malformed:
            return
        standing, _ = self.keyring.check(self.center, origin, note)
        if standing is Standing.GOOD and checkpoint.origin == origin and checkpoint.size <= size:
            self.claims.append(Claim(origin, checkpoint, seal))

    def _settle(self) -> None:
        """Take the tail up to its last good seal; quarantine what lies under a bad one."""
        if self.lane is None:
            return
        settled = settle(self.lane, self.tail, self.keyring)
        if settled.waits is not None:
            self.status, self.why = Status.WAITING, settled.waits
            return
        for part in settled.parts:
            self._accept(part.count, part.edge)
        if settled.bad:
            for old in self.tail[: settled.bad]:
                self._quarantine("BAD_SEAL", settled.detail, old.record, old.data)
            self.tail = []
            self._hole(f"bad seal: {settled.detail}")

    def _accept(self, count: int, edge: Edge) -> None:
        """Take the next `count` records of the tail: with the stretch before them, where one receipt has room."""
        assert self.lane is not None
        events, self.tail = tuple(self.tail[:count]), self.tail[count:]
        stretches = self.stretches
        last = stretches[-1] if stretches and stretches[-1].lane.origin == self.lane.origin else None
        if last is not None and len(last.events) + len(events) <= RECEIPT_EVENTS_MAX:
            stretches[-1] = Stretch(last.lane, last.events + events, edge, last.closes)
        else:
            old = self._committed() if stretches else self.intake.lane
            if old is not None and old.origin == self.lane.origin:
                old = None
            if old is not None:
                self.closed[old.epoch] = old.size
            stretches.append(Stretch(self.lane, events, edge, old))
        self.lane = replace(self.lane, edge=edge)
        self.gap = None

    def _hole(self, why: str) -> None:
        assert self.lane is not None
        self._hole_in(self.lane.origin, self.lane.size + 1, why)

    def _hole_in(self, origin: str, first: int, why: str) -> None:
        """Ask for a resend; after the last try the lane is parked for a person to look at."""
        if self.gap is None:
            self.gap = Gap(0, self.tick)
        if self.tick < self.gap.next_at:
            return
        if self.gap.tries == len(RESEND_BACKOFF_S):
            self.status, self.why = Status.PARKED, f"gap: {why}; {self.gap.tries} resend requests did not fill it"
            return
        self.gap = Gap(self.gap.tries + 1, self.tick + RESEND_BACKOFF_S[self.gap.tries])
        self.resends.append(Resend(origin, first, why))

    def _control(self, record: KafkaRecord, headers: dict[str, bytes | None], data: bytes) -> None:
        control = read_control(headers[CONTROL_HEADER], record, data, self.keyring, self.hub, self.center)
        if control.standing is Standing.BAD:
            self._quarantine(control.reason, control.detail, record, data)
        elif control.standing is Standing.WAITS:
            self.status, self.why = Status.WAITING, control.detail
        elif isinstance(control.said, Presence):
            self.presence = control.said
        elif isinstance(control.said, Alarm):
            self.alarm = control.said
        elif control.said is not None:
            self.cosignatures.append(control.said)

    def _quarantine(self, reason: str, detail: str, record: KafkaRecord, data: bytes) -> None:
        self.quarantine.append(Quarantined(reason, detail, record, data or canonical(record.headers, record.value)))

    def _quarantine_tail(self, reason: str, detail: str) -> None:
        for old in self.tail:
            self._quarantine(reason, detail, old.record, old.data)
        self.tail = []
