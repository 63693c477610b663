"""Ledger rows of a database that may be damaged: what can be read is read, what can't is named.

A range that does not come is read again in halves, down to the rows that do not come.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hub.audit.findings import Findings, What
from hub.protocol.errors import CohubError, Fatal
from hub.replay.source import Ledger
from hub.store.opener import open_reader
from hub.store.reader import Unreadable
from hub.store.rows import StoredEvent

READ_AHEAD: Final = 1024

# What the archive raises where it does not give an event: a damaged row of `segment` may not even name a place.
_NOT_GIVEN: Final = (CohubError, ValueError, TypeError, AttributeError)


def open_damaged(path: Path) -> Ledger:
    """Open HQ's database even where texts in it are no UTF-8. Errors: as `Ledger.open`."""
    reader = open_reader(path)
    try:
        return Ledger(reader, reader.audit.lanes())
    except Unreadable as exc:
        reader.close()
        raise Fatal(f"{path}: cannot be read as HQ's database: {exc.why}") from exc


class LedgerRows:
    """The ledger rows of one lane, read ahead. Rows that can't be read are told once, and count as missing."""

    def __init__(self, ledger: Ledger, lane_id: int, origin: str, findings: Findings) -> None:
        self._ledger = ledger
        self._lane_id = lane_id
        self._origin = origin
        self._findings = findings
        self._rows: list[StoredEvent] = []
        self._at = 0  # in _rows
        self._upto = 0  # sequences up to here were asked for
        self.unreadable: set[int] = set()
        self.gone: set[int] = set()  # rows whose bytes the archive does not give back
        self._bad: tuple[int, int, str] | None = None  # the last range of that kind, and why

    def range(self, first: int, last: int) -> list[StoredEvent]:
        """Return rows `first` to `last`, those that there are. Ranges must be asked for in order."""
        if first > self._upto + 1:
            self._upto, self._rows, self._at = first - 1, [], 0
        if last > self._upto:
            end = max(last, self._upto + READ_AHEAD)
            read = self._read(self._upto + 1, end)
            self._rows = [*self._rows[self._at :], *read]
            # Behind the last row that there is, one may be written before it is asked for.
            self._at, self._upto = 0, end if read and read[-1][0] == end else max(last, read[-1][0] if read else 0)
        rows, begin = self._rows, self._at
        while begin < len(rows) and rows[begin][0] < first:
            begin += 1
        if len(rows) >= begin + last - first + 1 and rows[begin + last - first][0] == last:
            self._at = begin + last - first + 1  # the usual case: nothing is missing
        else:
            self._at = begin
            while self._at < len(rows) and rows[self._at][0] <= last:
                self._at += 1
        return rows[begin : self._at]

    def _read(self, first: int, last: int) -> list[StoredEvent]:
        try:
            return self._ledger.events(self._lane_id, first, last)
        except _NOT_GIVEN:
            return self._halves(first, last)

    def _halves(self, first: int, last: int) -> list[StoredEvent]:
        try:
            rows = self._ledger.reader.audit.events(self._lane_id, first, last)
        except Unreadable as exc:
            if first == last:
                self.unreadable.add(first)
                self._findings.add(What.UNREADABLE, "ledger", self._origin, first, detail=exc.why)
                return []
            middle = (first + last) // 2
            return [*self._halves(first, middle), *self._halves(middle + 1, last)]
        return [row if row.data else self._archived(row) for row in rows]

    def _archived(self, row: StoredEvent) -> StoredEvent:
        """Return a row whose bytes are in the archive; where that does not give them, the row stays without."""
        number = row.sequence
        if self._bad is None or not self._bad[0] <= number <= self._bad[1]:
            try:
                event = self._ledger.event(self._lane_id, number)
                return row._replace(data=event.data if event else b"")
            except Unreadable as exc:
                self._findings.add(What.UNREADABLE, "ledger", self._origin, number, detail=exc.why)
                self.gone.add(number)
                return row
            except _NOT_GIVEN as exc:
                self._bad = (number, self._end(number), str(exc))
        self._findings.add(What.ARCHIVE, "ledger", self._origin, number, detail=self._bad[2])
        self.gone.add(number)
        return row

    def _end(self, number: int) -> int:
        """Return where the segment ends that should have this event: it is not fetched again for each of them."""
        try:
            end = self._ledger.reader.audit.segment_end(self._lane_id, number)
        except Unreadable:
            return number
        return end if isinstance(end, int) else number
