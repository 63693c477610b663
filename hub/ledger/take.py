"""Taking: which records of a fetch become the next events of a lane. Pure; schemas/PROTOCOL.md, "Taking".

A topic is read record by record against what HQ has of the open lane (`size` events) and the tail behind it, which no
good seal covers yet. A lane that begins has a tail of its own until it is open.

    next number           → joins the tail; with a good seal, the tail up to it is taken
    at or below the size  → duplicate; its seal is a *claim*, answered with the stored receipt (or a fork)
    inside the tail       → the same bytes: a newer seal counts; other bytes: the newest wins, and cuts the tail there
    higher                → gap: passed over, and a resend asked for
    sequence 1 elsewhere  → a lane begins; it is open, and the one before it closed, when it is sealed

*A seal that is not good is no seal.* It is remembered, and the tail stays; the right seal, or the right bytes, may
still come. A tail ends by a good seal, by other bytes, by a good seal of the other lane, or by one record more than a
seal may cover: but for a good seal it goes to quarantine, as do all bytes that are nobody's word. A seal by a key that
HQ does not know may become good: the intake's offset stays before what lies under it, and reading goes on for what is
good already. Where a fetch ends decides nothing: what is looked at late, for speed, is looked at before anything but
the next number counts. A Reading goes in and is not changed; a Taken, with the next one, comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hub.ledger.claims import Claims
from hub.ledger.control import read_control
from hub.ledger.gap import Gap
from hub.ledger.keyring import Keyring, Standing
from hub.ledger.lane import Intake, Lane, Status
from hub.ledger.reading import (
    Cosignature,
    Heard,
    Opening,
    Pending,
    Quarantined,
    Reading,
    Reason,
    Stretch,
    Taken,
    Wait,
)
from hub.ledger.settle import RECEIPT_EVENTS_MAX, Settled, is_sealed
from hub.ledger.tail import Tail
from hub.protocol.batch import UnreadableBatch
from hub.protocol.cause import Cause, CauseCode
from hub.protocol.control import Presence
from hub.protocol.leaf import Common
from hub.protocol.limits import ASIDE_BYTES_MAX, HEADERS_MAX, TAIL_BYTES_MAX, TAIL_EVENTS_MAX
from hub.protocol.receipt import Resend
from hub.protocol.record import (
    CONTROL_HEADER,
    SEAL_HEADER,
    KafkaRecord,
    aside_bytes,
    canonical,
    origin_of,
    position,
    sequence_of,
)
from hub.protocol.tree import Edge
from hub.protocol.witness import Alarm

PLAIN_BYTES_MAX: Final = ASIDE_BYTES_MAX // 3  # of a key, or of a seal: two of them need no exact count


def take(reading: Reading, records: Sequence[KafkaRecord], keyring: Keyring, hub: str, tick: float) -> Taken:
    """Return what `records` (one fetch of one center's topic, in order; none, where only time has passed) bring.

    Units:  `tick` is the shell's monotonic clock in seconds, used only to space resend requests.
    Errors: none for any bytes; an exception is a fault of ours and parks the lane.
    """
    return _Fetch(reading, keyring, hub, tick).run(records)


class _Fetch:
    """The working state of one `take`."""

    def __init__(self, reading: Reading, keyring: Keyring, hub: str, tick: float) -> None:
        self.reader = reading.reader
        self.keyring = keyring
        self.may_heal = reading.may_heal(keyring)
        self.hub = hub
        self.tick = tick
        self.intake = reading.intake
        self.center = self.intake.center
        lane, opening = self.intake.lane, reading.opening
        self.open = None if lane is None else Tail(lane, reading.unsealed)
        self.opening = None if opening is None else Tail(opening.lane, opening.tail)
        self.tail = self.open or self.opening  # whose record came last: all others have no seal to look at
        self.gap, self.lost, self.wait = reading.gap, reading.lost, reading.wait
        self.parked = self.intake.why if self.intake.status is Status.PARKED else ""
        self.read_upto = self.intake.read_upto
        self.closed = dict(self.intake.closed)
        self.stretches: list[Stretch] = []
        self.quarantine: list[Quarantined] = []
        self.claims = Claims(self.center, keyring)
        self.resends: list[Resend] = []
        self.cosignatures: list[Cosignature] = []
        self.presences: list[Presence] = []
        self.alarms: list[Alarm] = []
        self.duplicates = self.strangers = 0

    def run(self, records: Sequence[KafkaRecord]) -> Taken:
        cause = self.keyring.waits(self.center)
        if cause is not None:
            stopped = replace(self.intake, status=Status.WAITING, why=cause.to_text(), reads_on=False)
            return self._taken(Reading.of(stopped))
        if records and records[0].offset < (self.intake.offset or 0):
            self.read_upto = records[0].offset  # nothing is read again from there: the topic was made anew
        if self.may_heal:
            self._heal()
        for record in records:
            self._one(record)
        self._settle()
        if self.gap is not None and self.open is not None:
            self.gap = self._ask(self.gap, self.open.lane.size + 1)
        if self.lost is not None:
            self.lost = self._ask(self.lost, 1)
        return self._taken(self._reading(records))

    def _heal(self) -> None:
        """Look at the seals again that were not good: HQ has said something else of keys since."""
        for tail in (self.open, self.opening):
            if tail is not None and tail.refused is not None:
                tail.forget()
                self._go_by(tail, tail.settle(self.keyring))
        self.tail = self.open or self.opening

    def _reading(self, records: Sequence[KafkaRecord]) -> Reading:
        offset = records[-1].offset + 1 if records else self.intake.offset
        starts = [] if self.wait is None else [self.wait.offset]
        lane: Lane | None = None
        unsealed: tuple[Pending, ...] = ()
        opening: Opening | None = None
        if self.open is not None:
            lane, unsealed = self.open.lane, tuple(self.open.records)
            starts += [p.record.offset for p in unsealed[:1]]
        if self.opening is not None and self.opening.records:
            opening = Opening(self.opening.lane, tuple(self.opening.records))
            starts.append(opening.tail[0].record.offset)
        status, why = Status.READING, ""
        if self.wait is not None:
            status, why = Status.WAITING, self.wait.cause.to_text()
        elif self.parked:
            status, why = Status.PARKED, self.parked
        else:
            for tail in (self.opening, self.open):
                if tail is not None and (bad := tail.refused) is not None and bad.refusal is not None:
                    why = bad.refusal.cause(tail.epoch, bad.sequence).to_text()
        intake = Intake(
            self.center,
            min(starts) if starts else offset,
            status,
            why,
            lane,
            self.closed,
            status is not Status.READING,
            max(self.read_upto, offset or 0),
        )
        return Reading(intake, unsealed, opening, self.gap, self.lost, self.wait, self.reader, self.keyring)

    def _taken(self, reading: Reading) -> Taken:
        was, now = self.intake, reading.intake
        return Taken(
            reading,
            tuple(self.stretches),
            tuple(self.quarantine),
            tuple(self.resends),
            tuple(self.cosignatures),
            Heard(tuple(self.presences), tuple(self.alarms), self.claims.found(), self.duplicates, self.strangers),
            (now.status, now.why, now.reads_on) != (was.status, was.why, was.reads_on),
        )

    def _one(self, record: KafkaRecord) -> None:
        if len(record.headers) > HEADERS_MAX:
            detail = f"expected at most {HEADERS_MAX} headers, got {len(record.headers)}"
            self._quarantine(Reason.OVERSIZED, detail, record, canonical((), record.value), record)
            return
        headers, data, leaf = self.reader.read(record)
        tail, common = self.tail, self.reader.common
        if common is not None and common.is_event and tail is not None and common.epoch == tail.epoch:
            # What follows is all that nearly every record needs, and it is asked for each of them.
            number = sequence_of(headers["ce_sequence"])
            seal = headers.get(SEAL_HEADER)
            if (
                number == tail.next <= tail.last
                and len(data) <= tail.room
                and ((key := record.key) is None or len(key) <= PLAIN_BYTES_MAX)
                and (
                    common.is_plain
                    or (common.is_sealed and seal is not None and len(seal) <= PLAIN_BYTES_MAX)
                    or aside_bytes(record) <= ASIDE_BYTES_MAX
                )
            ):
                tail.records.append(Pending(number, record, headers, data, leaf, seal, common))
                tail.next = number + 1
                tail.room -= len(data)
                return
        self._other(record, headers, data, leaf, common)

    def _other(
        self, record: KafkaRecord, headers: dict[str, bytes | None], data: bytes, leaf: bytes, common: Common | None
    ) -> None:
        """Deal with a record that is not plainly the next of the lane that the record before it was of."""
        if type(record.value) is UnreadableBatch:  # it has no headers, so it is no plain record either
            self._quarantine(Reason.UNREADABLE_BATCH, record.value.detail, record, bytes(record.value), record)
            return
        aside = aside_bytes(record)
        if aside > ASIDE_BYTES_MAX:
            detail = f"expected at most {ASIDE_BYTES_MAX} bytes of key and unsigned headers, got {aside}"
            self._quarantine(Reason.OVERSIZED, detail, record, data, record)
            return
        if CONTROL_HEADER in headers:
            self._control(record, headers, data)
            return
        place = position(headers)
        if place is None:
            self._quarantine(Reason.NOT_ATTRIBUTABLE, "no readable ce_epoch and ce_sequence", record, data, record)
            return
        # What is sealed so far is taken before anything of it is cut, closed, or come again.
        self._settle()
        epoch, sequence = place
        origin = origin_of(self.hub, self.center, epoch)
        size = self.closed.get(epoch)
        if size is not None:
            if sequence > size:
                detail = f"the lane was closed at size {size}"
                self._quarantine(Reason.CLOSED_LANE, detail, record, data, record)
            else:
                self._claim(origin, size, record)
            return
        pending = Pending(sequence, record, headers, data, leaf, self._seal_of(record, headers), common)
        tail = self._tail_of(epoch, pending)
        if tail is None:
            cause = Cause.of(CauseCode.GAP, epoch, 1, sequence - 1)
            self._missing(origin, f"sequence {sequence} of an unopened lane", cause, pending)
            return
        self.tail = tail
        self._place(tail, pending)

    def _place(self, tail: Tail, pending: Pending) -> None:
        """Deal with a record of a lane that is open or begins, by its number."""
        sequence = pending.sequence
        if sequence <= tail.lane.size:
            self._claim(tail.lane.origin, tail.lane.size, pending.record)
            return
        if sequence < tail.next:
            place = sequence - tail.lane.size - 1
            if tail.records[place].leaf == pending.leaf:
                self._again(tail, place, pending)
                return
            why = f"sequence {sequence} came again with other bytes"
            self._drop(tail, place, Reason.SUPERSEDED, why, pending.record)
        if sequence == tail.next and tail.has_room(pending.data):
            tail.join(pending)
        elif sequence > tail.next or tail.awaited is not None:
            first = tail.lane.size + 1
            cause = Cause.of(CauseCode.GAP, tail.epoch, first, sequence - 1)
            self._missing(tail.lane.origin, f"expected {first}, got {sequence}", cause, pending)
        else:
            tail.records.append(pending)
            limits = f"expected a good seal within {TAIL_EVENTS_MAX} records and {TAIL_BYTES_MAX} bytes"
            self._drop(tail, 0, Reason.OVERLONG_TAIL, limits, pending.record)
            cause = Cause.of(CauseCode.OVERLONG_TAIL, tail.epoch, tail.lane.size + 1)
            self._missing(tail.lane.origin, limits, cause, pending)

    def _seal_of(self, record: KafkaRecord, headers: dict[str, bytes | None]) -> bytes | None:
        seal = headers.get(SEAL_HEADER)
        if seal is None or not self.keyring.rules.strict_seals:
            return seal
        return seal if [name for name, _ in record.headers].count(SEAL_HEADER) == 1 else None

    def _tail_of(self, epoch: str, pending: Pending) -> Tail | None:
        """Return the tail that a record of `epoch` belongs to, a new one where a lane begins; None for any other."""
        for tail in (self.open, self.opening):
            if tail is not None and tail.epoch == epoch:
                return tail
        if pending.sequence != 1:
            return None
        if self.opening is not None:
            self._drop(self.opening, 0, Reason.SUPERSEDED, f"epoch {epoch} began before its seal", pending.record)
        self.opening = Tail(Lane(origin_of(self.hub, self.center, epoch), self.center, epoch))
        return self.opening

    def _again(self, tail: Tail, place: int, pending: Pending) -> None:
        """Deal with a record that the tail has at `place`: a newer seal on it may be good."""
        self.duplicates += pending.record.offset >= self.read_upto
        if pending.seal is not None and pending.seal != tail.records[place].seal:
            self._go_by(tail, tail.settle_at(place, pending.seal, self.keyring), pending.record)

    def _settle(self) -> None:
        """Look at the seals of the tail that the last record came to: no other has any to look at."""
        tail = self.tail
        if tail is not None and tail.looked < len(tail.records):
            self._go_by(tail, tail.settle(self.keyring))

    def _go_by(self, tail: Tail, settled: Settled, by: KafkaRecord | None = None) -> None:
        """Take what a good seal covers, and remember what is wrong with the others.

        `by` is the record that brought the seal, where it is not the one that has it.
        """
        first = tail.lane.size + 1
        if settled.count:
            self._accept(tail, settled.count, settled.edge, by or tail.records[settled.count - 1].record)
        for place, refusal in settled.refused.items():
            if refusal.reason is Reason.BAD_SEAL and (self.wait is None or refusal.is_word):
                cause = refusal.cause(tail.epoch, first + place)
                self._hole(tail.lane.origin, f"bad seal: {refusal.detail}", cause, is_proved=refusal.is_word)
        awaited = tail.awaited
        if self.wait is None and awaited is not None and awaited.refusal is not None:
            cause = awaited.refusal.cause(tail.epoch, awaited.sequence)
            self.wait = Wait(tail.records[0].record.offset, cause)

    def _accept(self, tail: Tail, count: int, edge: Edge, by: KafkaRecord) -> None:
        """Take the first `count` records of a tail: with the stretch before them, where one receipt has room."""
        before, was_open = tail.lane, self.open
        events = tail.take(count, edge)
        closes = None
        if tail is not was_open:
            self.open, self.opening = tail, None
            if was_open is not None:
                closes = was_open.lane
                self.closed[closes.epoch] = closes.size
                self._drop(was_open, 0, Reason.SUPERSEDED, f"epoch {tail.epoch} began before their seal", by)
        elif self.opening is not None:
            why = f"the lane of epoch {tail.epoch} went on before their seal"
            self._drop(self.opening, 0, Reason.SUPERSEDED, why, by)
            self.opening = None
        last = self.stretches[-1] if self.stretches and closes is None else None
        if last is not None and len(last.events) + count <= RECEIPT_EVENTS_MAX:
            self.stretches[-1] = Stretch(last.lane, last.events + events, edge, last.closes)
        else:
            self.stretches.append(Stretch(before, events, edge, closes))
        # A key holder has spoken: whatever was asked for or waited for is filled, or lies behind.
        self.gap, self.wait, self.parked = None, None, ""
        if self.lost is not None and (self.lost.is_parked or self.lost.origin == self.stretches[-1].lane.origin):
            self.lost = None

    def _missing(self, origin: str, why: str, cause: Cause, pending: Pending) -> None:
        """Ask for what lies before a record that can't join. HQ asks for nothing that may wait for a key."""
        is_proved = is_sealed(self.center, origin, pending, self.keyring)
        if is_proved or self.wait is None:
            self._hole(origin, why, cause, is_proved=is_proved)

    def _hole(self, origin: str, why: str, cause: Cause, *, is_proved: bool) -> None:
        is_open = self.open is not None and origin == self.open.lane.origin
        new = Gap(origin, why, cause, is_proved, 0, self.tick)
        if is_open:
            self.gap = new.after(self.gap)
        else:
            self.lost = new.after(self.lost)

    def _ask(self, gap: Gap, first: int) -> Gap | None:
        """Ask for a resend where it is due. After the last try a hole that is proved parks the lane, which reads on."""
        if self.tick < gap.due:
            return gap
        asked = gap.asked(self.tick)
        if asked is not None and asked.is_parked:
            self.parked = asked.cause.to_text()
        elif asked is not None:
            self.resends.append(Resend(gap.origin, first, gap.why))
        return asked

    def _claim(self, origin: str, size: int, record: KafkaRecord) -> None:
        """Count a duplicate; a good seal on it claims the stored receipt, or proves a fork, also of a closed lane."""
        self.duplicates += record.offset >= self.read_upto
        seal = self._seal_of(record, dict(record.headers))
        if seal is not None:
            self.claims.add(origin, size, seal)

    def _control(self, record: KafkaRecord, headers: dict[str, bytes | None], data: bytes) -> None:
        control = read_control(headers[CONTROL_HEADER], record, data, self.keyring, self.hub, self.center)
        if control.standing is Standing.BAD:
            self._quarantine(control.reason, control.detail, record, data, record)
        elif control.standing is Standing.WAITS:
            self.strangers += record.offset >= self.read_upto
        elif isinstance(control.said, Presence):
            self.presences.append(control.said)
        elif isinstance(control.said, Alarm):
            self.alarms.append(control.said)
        elif control.said is not None:
            self.cosignatures.append(control.said)

    def _drop(self, tail: Tail, keep: int, reason: Reason, detail: str, by: KafkaRecord) -> None:
        """Cut a tail behind its first `keep` records, because `by` came. What lay under a seal goes for its sake."""
        found = []
        refusal = None
        for old in reversed(tail.cut(keep)):
            refusal = old.refusal or refusal
            found.append((old, (reason, detail) if refusal is None else (refusal.reason, refusal.detail)))
        for old, why in reversed(found):
            self._quarantine(*why, old.record, old.data, by)

    def _quarantine(self, reason: str, detail: str, record: KafkaRecord, data: bytes, by: KafkaRecord) -> None:
        """Keep a record, because `by` came: where that is read again, the record was kept before."""
        self.quarantine.append(Quarantined(reason, detail, record, data, by.offset < self.read_upto))
