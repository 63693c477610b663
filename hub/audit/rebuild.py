"""The state built again from nothing, and compared with the live one (docs/adr/0014).

The accepted events are folded into a second state, center by center, each center in a file of its own below one
folder. The live database is opened to be read alone. Every so often a file takes entities, measures and the place in
the lanes in one transaction: whoever stops or kills the rebuild goes on from there.

    receipts' state digests   each is compared as the fold passes its receipt
    entities, measures        compared at the end, when what was committed meanwhile is folded too, in one snapshot
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from hub.audit.book import EntityBook
from hub.audit.compare import compare_entities, compare_measures
from hub.audit.findings import Finding, Findings, What
from hub.audit.jobs import Tick, run
from hub.base import files
from hub.domain.exact import add_up
from hub.ledger.basis import Basis
from hub.ledger.decide import fold_again
from hub.ledger.lane import Lane
from hub.ledger.reading import Pending, Stretch
from hub.protocol.errors import Rejected, UsageError
from hub.protocol.moment import from_us, to_us
from hub.protocol.trust import Trust
from hub.replay.fold import BasisBook, LedgerRowReader, begin, hq_lanes, read_bases
from hub.replay.source import Ledger
from hub.store.released import released_schemas
from hub.store.rows import StoredLane, StoredReceipt
from hub.store.state import FoldedLane, Progress, SecondState, StoredFinding, open_state

COMMIT_EVENTS: Final = 50_000  # so many events at most are folded again after a kill
READ_EVENTS: Final = 1_024


@dataclass(slots=True)
class Rebuilt:
    """What came of a rebuild: where the second state differs from the live one, and how much was folded."""

    differences: list[Finding] = field(default_factory=list)
    lanes: int = 0
    events: int = 0
    accepted: int = 0
    state_digests: int = 0  # of receipts, each compared
    entities: int = 0

    @property
    def is_equal(self) -> bool:
        """Whether both states are one."""
        return not self.differences

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "equal": self.is_equal,
            "lanes": self.lanes,
            "events": self.events,
            "accepted": self.accepted,
            "checkpoints": self.state_digests,  # the name that the JSON has had since 0.2
            "entities": self.entities,
            "differences": [difference.to_json() for difference in self.differences],
        }


def rebuild(
    path: Path,
    trust: Trust,
    folder: Path,
    *,
    processes: int = 1,
    resume: bool = False,
    keep: bool = False,
    commit_events: int = COMMIT_EVENTS,
    begun: Callable[[int, int], None] = lambda _total, _done: None,
    tick: Tick = lambda _: None,
) -> Rebuilt:
    """Build the state of the database at `path` again in `folder`, and compare.

    Shapes: `begun` is told how many events there are, and how many of them an earlier rebuild has folded.
    Errors: UsageError where `folder` has a rebuild that nobody wants resumed, or one of another ledger; Fatal where the
            ledger can't be read (`hub audit verify` tells what of it).
    """
    _prepare(folder, resume=resume)
    with Ledger.open(path) as ledger:
        centers = _centers(ledger.lanes)
        total = sum(lane.size for lane in ledger.lanes)
        begun(total, _folded(folder, centers) if resume else 0)
    result = Rebuilt()
    job = RebuildJob(path, trust, folder, commit_events)
    try:
        for _, part in run(job, centers, processes, tick):
            result.differences += part.differences
            result.lanes += part.lanes
            result.events += part.events
            result.accepted += part.accepted
            result.state_digests += part.state_digests
            result.entities += part.entities
    finally:
        job.close()
    result.differences.sort(key=Finding.order)
    if not keep:
        shutil.rmtree(folder)
    return result


def _prepare(folder: Path, *, resume: bool) -> None:
    if resume and not folder.is_dir():
        raise UsageError(f"{folder}: there is no rebuild to go on with")
    if not resume and folder.exists() and files.entries(folder):
        raise UsageError(f"{folder} holds an earlier rebuild: --resume goes on with it; or remove it")
    files.make_folder(folder, files.PRIVATE_FOLDER)


def _centers(lanes: Sequence[StoredLane]) -> list[str]:
    sizes: dict[str, int] = {}
    for lane in lanes:
        sizes[lane.center] = sizes.get(lane.center, 0) + lane.size
    return sorted(sizes, key=lambda center: (-sizes[center], center))


def _folded(folder: Path, centers: Sequence[str]) -> int:
    total = 0
    for center in centers:
        file = folder / f"{center}.sqlite3"
        if file.exists():
            with closing(open_state(file)) as state:
                total += state.folded()
    return total


class RebuildJob:
    """Builds the state of one center after another, in whatever process it is called in."""

    def __init__(self, path: Path, trust: Trust, folder: Path, commit_events: int) -> None:
        self.path = path
        self.trust = trust
        self.folder = folder
        self.commit_events = commit_events
        self._open: tuple[Ledger, BasisBook] | None = None

    def __getstate__(self) -> tuple[Path, Trust, Path, int]:
        return self.path, self.trust, self.folder, self.commit_events

    def __setstate__(self, state: tuple[Path, Trust, Path, int]) -> None:
        self.path, self.trust, self.folder, self.commit_events = state
        self._open = None

    def close(self) -> None:
        """Close what this process opened."""
        if self._open is not None:
            self._open[0].close()
            self._open = None

    def __call__(self, center: str, tick: Tick) -> Rebuilt:
        """Build and compare one center's state."""
        if self._open is None:
            ledger = Ledger.open(self.path)
            self._open = ledger, read_bases(ledger, self.trust.hqs, released_schemas())
        ledger, bases = self._open
        with closing(open_state(self.folder / f"{center}.sqlite3", is_kept=True)) as state:
            return CenterState(ledger, bases, center, state, tick, self.commit_events).rebuild(self.trust)


class CenterState:
    """The state of one center while it is built. `fold` goes on to wherever the lanes it is given end."""

    def __init__(
        self,
        ledger: Ledger,
        bases: BasisBook,
        center: str,
        state: SecondState,
        tick: Tick = lambda _: None,
        commit_events: int = COMMIT_EVENTS,
    ) -> None:
        self.ledger = ledger
        self.bases = bases
        self.center = center
        self.state = state
        self.tick = tick
        self.book = EntityBook(state)
        self.findings = Findings()
        self.result = Rebuilt()
        self.places: dict[int, Lane] = {}
        self.sizes: dict[int, int] = {}
        self.measures: dict[tuple[str, str], Decimal] = {}
        self._readers: dict[int, LedgerRowReader] = {}
        self._commit_events = self._due = commit_events
        self._load()

    def _load(self) -> None:
        """Take up what an earlier rebuild has left."""
        progress = self.state.load()
        for lane_id, origin, size, digest, at_us in progress.places:
            stored = next((lane for lane in self.ledger.lanes if (lane.id, lane.origin) == (lane_id, origin)), None)
            if stored is None or stored.size < size:
                raise UsageError(f"the rebuild is of another ledger: it has {size} events of lane {origin}; remove it")
            self.places[lane_id] = replace(begin(stored), state_digest=digest, recorded_at=from_us(at_us))
            self.sizes[lane_id] = size
        self.result.accepted, self.result.state_digests = progress.accepted, progress.state_digests
        self.measures.update(progress.measures)
        for what, table, lane, first, last, detail in progress.differences:
            self.findings.add(What(what), table, lane, first, last, detail=detail)

    def rebuild(self, trust: Trust) -> Rebuilt:
        """Fold all, then what came meanwhile, and compare."""
        self.fold(self.ledger.lanes)
        reader = self.ledger.reader
        with reader.snapshot():
            now = self.ledger.now()
            if sum(lane.size for lane in hq_lanes(now)) > self.bases.size:
                self.bases = read_bases(now, trust.hqs, released_schemas())
            own = [lane for lane in now.lanes if lane.center == self.center]
            self.fold(own)
            self.commit()
            for lane in own:
                if lane.state_digest != self.places[lane.id].state_digest:
                    self.findings.add(What.STATE_DIGEST, "lane", lane.origin, detail="the lane folds to another state")
            self.result.entities = compare_entities(reader.audit, self.center, own, self.book, self.findings)
            compare_measures(reader.audit, own, self.measures, self.findings)
        self.result.lanes = len(own)
        self.result.events = sum(self.sizes.values())
        self.result.differences = self.findings.sorted()
        return self.result

    def fold(self, lanes: Sequence[StoredLane]) -> None:
        """Fold the center's lanes up to their sizes."""
        for stored in lanes:
            if stored.center != self.center:
                continue
            self.places.setdefault(stored.id, begin(stored))
            for receipt in self.ledger.receipts(stored, self.sizes.get(stored.id, 0), stored.size):
                self._receipt(stored, receipt)
                done = receipt.last - self.sizes.get(stored.id, 0)
                self.sizes[stored.id] = receipt.last
                self.tick(done)
                self._due -= done
                if self._due <= 0:
                    self.commit()

    def _receipt(self, stored: StoredLane, receipt: StoredReceipt) -> None:
        under = self.bases.at(receipt.basis) or self.bases.at(self.bases.size)
        assert under is not None
        reader = self._readers.setdefault(stored.id, LedgerRowReader())
        lane, at = self.places[stored.id], from_us(receipt.recorded_at_us)
        for first in range(receipt.first, receipt.last + 1, READ_EVENTS):
            events = self._events(stored, reader, first, min(first + READ_EVENTS - 1, receipt.last))
            self.result.accepted += len(events)
            lane = self._take(stored, lane, events, under, at)
        self.result.state_digests += receipt.state_digest is not None
        if receipt.state_digest not in (None, lane.state_digest):
            self.findings.add(What.STATE_DIGEST, "receipt", stored.origin, receipt.first, receipt.last)
            lane = replace(lane, state_digest=receipt.state_digest)  # so that the next is told only if it differs too
        self.places[stored.id] = lane

    def _take(self, stored: StoredLane, lane: Lane, events: Sequence[Pending], under: Basis, at: datetime) -> Lane:
        """Fold events and return the lane after them; what can't have been accepted is told, and left out."""
        try:
            judged = fold_again(Stretch(lane, tuple(events), lane.edge), self.book, under, at)
        except (Rejected, LookupError, TypeError, ValueError) as exc:
            if len(events) == 1:
                detail = f"it can't be folded: {type(exc).__name__} {exc}".strip()
                self.findings.add(What.VERDICT, "ledger", stored.origin, events[0].sequence, detail=detail)
                return lane
            half = len(events) // 2
            lane = self._take(stored, lane, events[:half], under, at)
            return self._take(stored, lane, events[half:], under, at)
        self.book.update(judged.entities)
        add_up(self.measures, judged.measures)
        return judged.lane

    def _events(self, stored: StoredLane, reader: LedgerRowReader, first: int, last: int) -> list[Pending]:
        rows = self.ledger.reader.accepted(stored.id, first, last)
        if not all(data for _, data in rows):
            rows = [(e.sequence, e.data) for e in self.ledger.events(stored.id, first, last) if e.accepted]
        return [reader.accepted(sequence, data) for sequence, data in rows]

    def commit(self) -> None:
        """Write the state so far, in one transaction. If we are killed before it ends, the one before stands."""
        self._due = self._commit_events
        places = [
            FoldedLane(lane_id, lane.origin, self.sizes.get(lane_id, 0), lane.state_digest, to_us(lane.recorded_at))
            for lane_id, lane in self.places.items()
        ]
        differences = [
            StoredFinding(str(f.what), f.table, f.lane, f.first, f.last, f.detail) for f in self.findings.sorted()
        ]
        result = self.result
        self.state.save(Progress(places, result.accepted, result.state_digests, self.measures, differences))
        self.book.commit()
