"""What HQ has signed and its ledger does not have: receipts that a database put back from a copy has still to come to.

A receipt is final, and its text is a leaf of HQ's log, which witnesses have cosigned. A ledger that went back judges
the same events again when they are read again; were they to get other receipts, HQ would have said two things of them.
They need not: a verdict follows from event, entity, time and basis, and the receipt names time and basis. So

    owed      the receipts of a center's lanes behind what the ledger has, in the order in which HQ gave them
    cut       how many records of what was read bring exactly the events of the next one
    honoured  the step that judges them at its time, under its basis: the same text, or none is taken

Pure. Who finds receipts, reads records and takes the steps is hub/worker/owing.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hub.domain.stream import HQ
from hub.ledger.reading import Taken
from hub.ledger.step import Step
from hub.protocol.control import is_center_id
from hub.protocol.errors import Malformed
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt
from hub.protocol.record import KafkaRecord, origin_of
from hub.protocol.trust import HqKeys

BESIDE_MAX: Final = 64  # control records and the like between a few hundred events
RECORDS_MAX: Final = 20_000  # that are held back for one receipt, which has 320 events at most
BYTES_MAX: Final = 128 << 20  # of their values: 320 events have at most 80 MiB


@dataclass(frozen=True, slots=True)
class Owed:
    """A receipt that HQ has given a center, byte for byte, and its ledger does not have."""

    center: str
    receipt: Receipt
    note: bytes

    @property
    def origin(self) -> str:
        """The lane that it is for."""
        return self.receipt.origin


class NotAsSigned(Exception):
    """The events that came do not lead to the receipt that HQ has signed for their places."""


def read_owed(center: str, note: bytes, keys: HqKeys) -> Owed | None:
    """Return the receipt in a record of `out.<center>`; None where it is none, or HQ has not signed it."""
    try:
        opened = Note.from_bytes(note)
        receipt = keys.signed_receipt(opened)
    except Malformed:
        return None
    epoch = receipt.origin.rpartition("/")[2]
    is_of_center = is_center_id(center) and center != HQ and receipt.origin == origin_of(keys.hub, center, epoch)
    return Owed(center, receipt, note) if is_of_center else None


def owed(found: Iterable[Owed], sizes: Mapping[str, int]) -> list[Owed]:
    """Return what the ledger has still to come to of one center's receipts, in the order in which HQ gave them.

    Shapes: `found` is in the topic's order; `sizes` has by origin how much the ledger has of each lane. What does not
            follow without a gap can't be come to, and is left out: it is missed where HQ's log is taken in.
    """
    reached = dict(sizes)
    kept = []
    for one in found:
        if one.receipt.first == reached.get(one.origin, 0) + 1:
            reached[one.origin] = one.receipt.last
            kept.append(one)
    return kept


@dataclass(frozen=True, slots=True)
class Cut:
    """What of the records that were read is to be taken for the next receipt.

    Shapes: `count` records bring exactly its events; None: it is not known yet, more has to be read. `is_free` tells
            that none of them is of it, so that they may be taken as any others, and `is_lost` that it can't be come to
            any more: another lane has begun, its events are there and end elsewhere, or more lies between its first
            and its last event than is ever held back.
    """

    count: int | None = None
    is_free: bool = False
    is_lost: bool = False


def cut(one: Owed, records: Sequence[KafkaRecord], taken: Callable[[Sequence[KafkaRecord]], Taken]) -> Cut:
    """Return how much of `records` leads to a receipt. `taken` puts records in place behind what was read before."""
    # A few more than it has events will do, nearly always: not all that waits is put in place for each receipt.
    count = one.receipt.last - one.receipt.first + 1 + BESIDE_MAX
    while count < len(records):
        found = _cut(one, records[:count], taken)
        if found.count is not None or found.is_lost:
            return found
        count *= 2
    return _cut(one, records, taken)


def _cut(one: Owed, records: Sequence[KafkaRecord], taken: Callable[[Sequence[KafkaRecord]], Taken]) -> Cut:
    found = taken(records).stretches
    if not found:
        return Cut(is_free=True)
    if found[0].lane.origin != one.origin or found[0].lane.size + 1 != one.receipt.first:
        return Cut(is_lost=True)
    events = [event for stretch in found if stretch.lane.origin == one.origin for event in stretch.events]
    if events[-1].sequence < one.receipt.last:
        is_over = found[-1].lane.origin != one.origin
        return Cut(is_lost=is_over or _is_too_much(records))
    place = events[one.receipt.last - one.receipt.first].record.offset
    # The last event carries its seal, or a later record has brought it: then the cut is behind that one.
    begin = next((number for number, record in enumerate(records, 1) if record.offset == place), 1)
    for count in range(begin, len(records) + 1):
        ends = _end(taken(records[:count]), one.origin)
        if ends == one.receipt.last:
            return Cut(count)
        if ends is not None and ends > one.receipt.last:
            break
    return Cut(is_lost=True)


def _is_too_much(records: Sequence[KafkaRecord]) -> bool:
    """Return whether these records are more than is ever held back until a receipt's last event comes."""
    return len(records) >= RECORDS_MAX or sum(len(record.value or b"") for record in records) >= BYTES_MAX


def _end(taken: Taken, origin: str) -> int | None:
    """Return the last sequence that is taken of a lane, None where nothing of it is, or of another one."""
    found = taken.stretches
    if len(found) != 1 or found[0].lane.origin != origin:
        return None
    return found[0].events[-1].sequence


def honoured(step: Step, one: Owed) -> Step:
    """Return a step with the very receipt that HQ gave. Errors: NotAsSigned where it came to another text."""
    texts = [commit.receipt.to_text() for commit in step.commits]
    if texts != [one.receipt.to_text()]:
        raise NotAsSigned(f"{one.origin} {one.receipt.first} to {one.receipt.last}")
    return replace(step, commits=(replace(step.commits[0], note=one.note),))
