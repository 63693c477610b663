"""The fold, run again: the ledger's bytes through the same rules that decided them.

    hq lane  → `BasisBook`, the basis at every size that a receipt may name: verify and rebuild
    a lane   → `refold`, some of its events under the basis and time that their receipt has: verify and rejudge

Rebuild folds whole receipts through the engine's own `fold_again` (hub/audit/rebuild.py). What verify and rebuild have
folded of a center so far is in an `EntityBook` (hub/audit/book.py), which holds few entities in memory. As-of folds
nothing here: it reads an entity's own events along their links (hub/replay/chain.py).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from hub.domain.catalogue import KINDS
from hub.domain.clock import Correction
from hub.domain.entity import Entity
from hub.domain.registry import correction_of
from hub.domain.stream import HQ
from hub.ledger.basis import Basis, basis
from hub.ledger.decide import Judged, judge_again
from hub.ledger.lane import Lane
from hub.ledger.reading import Pending, Stretch
from hub.ledger.step import EntityKey, KnownEntity
from hub.protocol.canonical import CanonicalReader
from hub.protocol.errors import CohubError, Malformed, Newer
from hub.protocol.keys import Verifier
from hub.protocol.moment import EPOCH_START, from_us
from hub.protocol.plain_record import PlainRecord
from hub.protocol.rules import FIRST, rules
from hub.protocol.schema import Schema
from hub.protocol.tree import Edge, leaf_hash
from hub.protocol.verdict import Code
from hub.replay.source import Ledger
from hub.store.rows import StoredEvent, StoredLane

BASES_KEPT: Final = 16


class BasisBook:
    """The basis at every size of the hq lane. Its memory is the hq lane's, which the ledger's growth leaves alone."""

    def __init__(self, hq_keys: Sequence[Verifier], released: Mapping[str, Schema]) -> None:
        self.size = 0
        self._hq_keys = hq_keys
        self._released = released
        self._sizes: list[int] = [0]
        self._times: list[datetime] = [EPOCH_START]
        self._entities: dict[EntityKey, tuple[list[int], list[Entity]]] = {}
        self._made: OrderedDict[int, Basis] = OrderedDict()
        self.corrections: list[tuple[int, Correction]] = []  # each with the size of the hq lane at which it was said
        self.newer = ""  # what of the hq lane only a later release can judge, '' for nothing
        self.newer_from = 0  # the size at which it comes

    def be_newer(self, size: int, why: str) -> None:
        """Say that the hq lane, `size` events long, says what this release can't judge: no later basis is known."""
        if not self.newer:
            self.newer, self.newer_from = why, size

    def knows(self, size: int) -> bool:
        """Return whether this release can judge under the basis of that size, if there is one."""
        return not self.newer or size < self.newer_from

    def add(self, size: int, changed: Iterable[KnownEntity], recorded_at: datetime) -> None:
        """Say what a commit to the hq lane, which was `size` events long after it, has changed."""
        self.size = size
        self._sizes.append(size)
        # Where HQ took times back, what was recorded at one of them was known when the next commit was, at the latest.
        at = bisect_right(self._times, recorded_at)
        self._times[at:] = [recorded_at] * (len(self._times) - at + 1)
        for known in changed:
            sizes, entities = self._entities.setdefault((known.entity.stream, known.entity.id), ([], []))
            sizes.append(size)
            entities.append(Entity.from_json(known.document))
            if known.entity.stream == "clock" and (correction := correction_of(entities[-1], size)) is not None:
                self.corrections.append((size, correction))

    def at(self, size: int) -> Basis | None:
        """Return the basis at `size`: None where no commit to the hq lane ended, or damaged entities make none.

        None too where the lane is newer than this release: `knows` tells.
        """
        if not self.knows(size):
            return None
        found = self._made.get(size)
        if found is not None:
            self._made.move_to_end(size)
            return found
        at = bisect_right(self._sizes, size) - 1
        if at < 0 or self._sizes[at] != size:
            return None
        entities = [
            entities[at - 1] for sizes, entities in self._entities.values() if (at := bisect_right(sizes, size))
        ]
        try:
            made = self._made[size] = basis(
                size, entities, self._hq_keys, self._released, corrected_at=self._corrected_at(size)
            )
        except (CohubError, LookupError, TypeError, ValueError):
            return None
        if len(self._made) > BASES_KEPT:
            self._made.popitem(last=False)
        return made

    @property
    def number_of_rules(self) -> int:
        """The number of the rules in force at the lane's end, as far as it was told."""
        _, entities = self._entities.get(("rules", f"{HQ}:rules"), ((), ()))
        return int(entities[-1].record["number"]) if entities else FIRST.number

    def at_time(self, moment: datetime) -> Basis | None:
        """Return the basis that HQ had at a time, None as for `at`."""
        return self.at(self.size_at(moment))

    def _corrected_at(self, size: int) -> int:
        return next((said_at for said_at, _ in reversed(self.corrections) if said_at <= size), 0)

    def taken_back(self, moment: datetime, basis: int) -> int | None:
        """Return at which size of the hq lane, behind `basis`, HQ took back a receipt's time; None where it did not."""
        return next((size for size, said in self.corrections if size > basis and said.takes_back(moment)), None)

    def size_at(self, moment: datetime) -> int:
        """Return how many events the hq lane had at a time."""
        return self._sizes[max(0, bisect_right(self._times, moment) - 1)]


def unknown_here(event: Pending, judged_under: Basis) -> str:
    """Return what this release lacks to judge an event of the hq lane that HQ accepted, '' for nothing."""
    type_, name = ((event.headers.get(n) or b"").decode("utf-8", "replace") for n in ("ce_type", "ce_dataschema"))
    if type_ not in KINDS:
        return f"HQ's own lane has an event of the type {type_[:100]}, which this release does not know"
    if name not in judged_under.own:
        return f"HQ's own lane has an event under the schema {name[:100]}, which this release does not have"
    return ""


def hq_lanes(ledger: Ledger) -> list[StoredLane]:
    """Return the lanes of HQ itself, in their order."""
    return lanes_of(ledger, HQ)


def lanes_of(ledger: Ledger, center: str) -> list[StoredLane]:
    """Return the lanes of a center, in the order in which they were open."""
    return [lane for lane in ledger.lanes if lane.center == center]


def read_bases(ledger: Ledger, hq_keys: Verifier | Sequence[Verifier], released: Mapping[str, Schema]) -> BasisBook:
    """Return the bases that the hq lane of an undamaged ledger gives. Errors: Fatal, where rows are missing.

    Newer, where it says what only a later release can judge.
    """
    book = BasisBook([hq_keys] if isinstance(hq_keys, Verifier) else hq_keys, released)
    entities: dict[EntityKey, KnownEntity] = {}
    before = 0
    for stored in hq_lanes(ledger):
        lane = begin(stored)
        reader = LedgerRowReader()
        for receipt in ledger.receipts(stored):
            judged_under = book.at(receipt.basis) or book.at(book.size)
            assert judged_under is not None
            events = [reader.pending(row) for row in ledger.events(stored.id, receipt.first, receipt.last)]
            judged = refold(lane, events, entities, judged_under, from_us(receipt.recorded_at_us))
            for event, row in zip(events, judged.rows, strict=True):
                if row.code != Code.ACCEPTED and (why := unknown_here(event, judged_under)):
                    raise Newer(why)
            entities.update(judged.entities)
            lane = judged.lane
            book.add(before + receipt.last, judged.entities.values(), lane.recorded_at)
            rules(book.number_of_rules)
        before += stored.size
    return book


def begin(stored: StoredLane) -> Lane:
    """Return a lane before its first event."""
    return Lane(stored.origin, stored.center, stored.epoch)


def refold(
    lane: Lane,
    events: Sequence[Pending],
    entities: Mapping[EntityKey, KnownEntity],
    judged_under: Basis,
    recorded_at: datetime,
    edge: Edge | None = None,
) -> Judged:
    """Return what the events of one receipt make, folded onto `lane`.

    Shapes: `edge` is the lane's after them, where somebody knows it already; without it the lane keeps the one it has.
    Errors: none for bytes that HQ has decided once; for damaged ones whatever the rules run into.
    """
    stretch = Stretch(lane, tuple(events), lane.edge if edge is None else edge)
    return judge_again(stretch, entities, judged_under, recorded_at)


class LedgerRowReader:
    """Turns ledger rows into what deciding takes. One for each lane: it remembers what the last rows looked like."""

    def __init__(self) -> None:
        self._reader = CanonicalReader()

    def pending(self, row: StoredEvent) -> Pending:
        """Return the event of a row; its digest is worked out of its bytes, not read.

        Bytes that are no event's give one without headers and value.
        """
        sequence, data, _, code, _, params, key, _, _, _, _, _, _ = row
        reader = self._reader
        try:
            headers, listed, value = reader.read(data)
            common = reader.common
        except Malformed:
            headers, listed, value, common = {}, [], b"", None
        if code == "ACCEPTED" and key is None:
            return Pending(
                sequence, PlainRecord(headers.get("ce_subject"), value or None, listed), headers, data,
                sha256(b"\x00" + data).digest(), None, common,
            )  # fmt: skip
        if key is None and code != Code.BAD_KEY:
            # Kept only where it is not the subject; so a BAD_KEY without one is of a record that had none.
            key = headers.get("ce_subject")
        if params == "a header is repeated" and code == Code.BAD_HEADERS and len(listed) == len(headers):
            # Release 0.1.0 looked at headers too that nobody signs: of those there were two of one name.
            listed = [*listed, ("ce_x", b""), ("ce_x", b"")]
        return Pending(sequence, PlainRecord(key, value or None, listed), headers, data, leaf_hash(data), None, common)

    def accepted(self, sequence: int, data: bytes) -> Pending:
        """Return an accepted event to be folded alone: without its digest. Errors: Malformed, as `split_canonical`."""
        headers, listed, value = self._reader.read(data)
        return Pending(sequence, PlainRecord(None, value, listed), headers, data, b"", None, self._reader.common)
