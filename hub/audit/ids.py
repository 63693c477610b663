"""Ids that a center gave to two accepted events: `events` has both, and who goes by source and id takes them for one.

A verdict depends on the event, its entity, the time and the basis alone, so HQ accepts such an event; an audit tells.
Of each event it keeps eight bytes; what may be twice is looked at again.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Final

from hub.audit.findings import Findings, What
from hub.ledger.reading import Pending
from hub.protocol.canonical import CanonicalReader
from hub.protocol.errors import Malformed
from hub.protocol.remark import RepeatedIds as Repeated
from hub.replay.source import Ledger
from hub.store.rows import StoredEvent, StoredLane

_PARTS: Final = 256
PAGE: Final = 256
TOLD_MAX: Final = 1000  # of each center: whoever repeats one id may repeat millions


class RepeatedIds:
    """The ids of one center's accepted events."""

    def __init__(self) -> None:
        # In parts, so that never all of them are sorted at once.
        self._hashes = [array("q") for _ in range(_PARTS)]

    def add(self, rows: Sequence[StoredEvent], events: Sequence[Pending]) -> None:
        """Take the ids of some rows, which `events` are read from."""
        for row, event in zip(rows, events, strict=False):
            if row.accepted and (event_id := event.headers.get("ce_id")):
                hashed = hash(event_id)
                self._hashes[hashed % _PARTS].append(hashed)

    def _suspects(self) -> set[int]:
        found: set[int] = set()
        for part in self._hashes:
            before: int | None = None
            for hashed in sorted(part):
                if hashed == before:
                    found.add(hashed)
                before = hashed
        return found

    def tell(self, ledger: Ledger, lanes: Sequence[StoredLane], findings: Findings) -> Repeated | None:
        """Tell of every accepted event whose id one before it has, in the order of the center's lanes.

        Returns the same in short, for the center itself; None where there is no such event.
        """
        suspects = self._suspects()
        if not suspects:
            return None
        first: dict[bytes, str] = {}
        told, place = 0, ("", 0)
        for origin, sequence, event_id in _ids(ledger, lanes):
            if hash(event_id) not in suspects:
                continue
            before = first.setdefault(event_id, f"{origin} {sequence}")
            if before == f"{origin} {sequence}":
                continue
            place = place if told else (origin.rpartition("/")[2], sequence)
            if told < TOLD_MAX:
                detail = f"{event_id.decode('utf-8', 'replace')[:60]} is that of {before}"
                findings.add(What.REPEATED_ID, "ledger", origin, sequence, detail=detail)
            told += 1
        if told > TOLD_MAX:
            findings.add(What.REPEATED_ID, "ledger", lanes[-1].origin, detail=f"and {told - TOLD_MAX} more")
        return Repeated(told, *place) if told else None


def _ids(ledger: Ledger, lanes: Sequence[StoredLane]) -> Iterator[tuple[str, int, bytes]]:
    for lane in lanes:
        reader = CanonicalReader()
        for begins in range(1, lane.size + 1, PAGE):
            for row in ledger.events(lane.id, begins, min(begins + PAGE - 1, lane.size)):
                if not row.accepted:
                    continue
                try:
                    headers, _, _ = reader.read(row.data)
                except Malformed:
                    continue
                if event_id := headers.get("ce_id"):
                    yield lane.origin, row.sequence, event_id
