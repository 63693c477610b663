"""What a connector measures: what its outbox has, read again and again beside it, for whoever asks.

To count every row takes a second for some 100,000. So it is done in a thread and by a connection of its own, which hold
up nobody, and so rarely that it takes a fiftieth of the time at most; and not at all where no metrics are asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.rows import FileState
from connectors.runtime.outbox.status import STATES
from connectors.runtime.settings import Way
from hub.base.metrics import declared
from hub.base.metrics.book import Book
from hub.base.metrics.disk import disk
from hub.protocol.errors import CohubError
from hub.protocol.moment import read_time

EVERY_S: Final = 5.0
RARELY: Final = 50


class Measured:
    """Fills a book with how an office's outbox stands."""

    def __init__(self, outbox: Path, book: Book, steady_s: Callable[[], float] = time.monotonic) -> None:
        self._outbox = outbox
        self._book = book
        self._steady_s = steady_s
        book.ask(partial(disk, folder=outbox.parent))

    async def run(self) -> None:
        """Look for ever."""
        while True:
            begin_s = self._steady_s()
            await self.look()
            await asyncio.sleep(max(EVERY_S, (self._steady_s() - begin_s) * RARELY))

    async def look(self) -> None:
        """Read the outbox once. Where it can't be read, what it said last stays, and it is told that it is not up."""
        try:
            found = await asyncio.to_thread(self._status)
        except CohubError:
            self._book.put(declared.OUTBOX_UP, 0)
            return
        self._book.put(declared.OUTBOX_UP, 1)
        self._book.put(declared.MEASURED, datetime.now(UTC).timestamp())
        fill(self._book, found)

    def _status(self) -> dict[str, Any]:
        with Outbox(self._outbox, read_only=True) as outbox:
            return outbox.status()


def fill(book: Book, found: dict[str, Any]) -> None:
    """Put what `connector status` shows. Shapes: `found` as `Outbox.status` returns it."""
    totals, lane, link = found["totals"], found["lane"], found["link"]
    book.put(declared.OUT_EVENTS, totals["events"])
    book.put(declared.OUT_RECEIPTS, totals["receipts"])
    book.put(declared.OUT_DUPLICATES, totals["duplicates"])
    book.put(declared.BACKLOG, totals["backlog"])
    book.put(declared.ORPHANS, totals["orphans"])
    book.put_all(declared.ROWS, {(state,): totals[state] for state in STATES})
    states = Counter(entry["state"] for entry in found["files"].values())
    book.put_all(
        declared.FILES, {(state.value,): states[state] for state in FileState if state is not FileState.VANISHED}
    )
    book.put(declared.SEALED, lane["sealed"])
    book.put(declared.SENT, lane["sent"])
    book.put(declared.RECEIPTED, lane["receipted"])
    _moment(book, declared.WAITS_SINCE, lane["waits_since"])
    _moment(book, declared.LAST_RECEIPT, lane["last_receipt_stored_at"])
    way = link["way"] if link["way"] in tuple(Way) else ""
    book.put_all(declared.LINK_UP, {(way,): link["state"] == "up"})
    book.put_all(declared.ALARM, {(name,): 1 for name in found["alarms"]})


def _moment(book: Book, metric: declared.Metric, at: str | None) -> None:
    book.put_all(metric, {} if at is None else {(): read_time(at).timestamp()})
