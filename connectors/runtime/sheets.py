"""Keeps `cohub/<file>.verdicts.xlsx` beside each sheet as its rows get their verdicts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import orjson
import structlog

from connectors.mapping.model import Mapping
from connectors.mapping.problem import LocalCode, Problem
from connectors.runtime.folder import finish_in_thread
from connectors.runtime.notice import notices_for
from connectors.runtime.office import Office, mapping_for
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.lookup import recorded_at, standings
from connectors.runtime.outbox.rows import FileState, FileSummary, RowVerdict
from connectors.runtime.signals import Signal
from connectors.runtime.verdicts import VerdictRow, verdicts_path, write_verdicts
from hub.base import durable
from hub.protocol.errors import Retriable
from hub.protocol.moment import read_time
from hub.protocol.verdict import Code
from schemas.words.said import said

QUIET_S: Final = 1.0  # receipts come in showers
BUSY_S: Final = 30.0  # while rows of a file still wait, its sheet is written this often at most

log = structlog.get_logger(__name__)


class VerdictSheets:
    """Writes verdict sheets.

    Shapes: `changed` is rung when rows were taken, or have got verdicts; `mappings` returns those that are in
            force; `write` puts bytes at a path durably.
    """

    def __init__(
        self,
        office: Office,
        outbox: Outbox,
        mappings: Callable[[], list[Mapping]],
        changed: Signal,
        write: Callable[[Path, bytes], None] = durable.write,
    ) -> None:
        self._office = office
        self._outbox = outbox
        self._mappings = mappings
        self._changed = changed
        self._write_file = write
        self._written: dict[str, tuple[FileSummary | None, float]] = {}

    async def run(self) -> None:
        """Write for as long as the task lives; a sheet that is open in Excel is tried again."""
        again = False
        while True:
            await self._changed.wait(BUSY_S if again else None)
            await asyncio.sleep(QUIET_S)
            self._changed.clear()
            again = await finish_in_thread(self.write, _nothing)

    def write(self) -> bool:
        """Write what has changed; return whether something is left for later."""
        later = False
        for summary in self._outbox.rows.summaries():
            name, path = summary.name, sheet_of(self._office, summary.name)
            before, at = self._written.get(name, (None, float("-inf")))
            if summary == before or not _is_shown(summary, path):
                continue
            if (
                summary.counts.get("pending")
                and _about_file(summary) == _about_file(before)
                and time.monotonic() - at < BUSY_S
            ):
                later = True
                continue
            try:
                language = self._office.settings.language
                notices = notices_for(summary, self._outbox.rows.vanished(name), language)
                if write_verdicts(path, self._rows(name), language, notices, self._write_file):
                    log.info("verdicts_written", file=name, state=summary.state)
            except Retriable as exc:
                later = True
                log.warning("verdicts_wait", file=name, reason=str(exc))
                continue
            self._written[name] = (summary, time.monotonic())
        return later

    def _rows(self, name: str) -> Iterator[VerdictRow]:
        mapping = mapping_for(self._mappings(), name)
        find, language = recorded_at(self._outbox.database), self._office.settings.language
        settle_s = self._office.settings.settle_s
        sent = said("sheet.sent").text(language)
        settles = said("sheet.settles", seconds=f"{settle_s:g}").text(language)
        standing = iter(standings(self._outbox.database, name))
        number, is_planned, decided = -1, False, 0
        taken: dict[str, str] = {}  # what is said of the rows of one receipt
        for row in self._outbox.rows.verdicts(name):
            while number < row.number:  # both are in the sheet's order
                number, is_planned, decided = next(standing, (row.number, False, 0))
            stream = mapping.stream if mapping else ""
            note = ""
            if row.state == "pending":
                note = sent if is_planned else settles
            elif row.state == "accepted" and (at := find(decided)):
                note = taken.get(at) or taken.setdefault(at, said("sheet.accepted", at=_local(at)).text(language))
            yield VerdictRow(row.number, row.key, row.state, _problems(row, mapping), stream, note)


def _problems(row: RowVerdict, mapping: Mapping | None) -> tuple[Problem, ...]:
    # A row that was sent may have remarks of ours beside HQ's verdict; of one that was not, its code is the first.
    told = tuple(Problem(*problem) for problem in orjson.loads(row.problems)) if row.problems else ()
    if row.code == Code.TIME_IN_FUTURE and (mapping is None or mapping.occurred_at is None):
        return (Problem("", "", LocalCode.OWN_TIME, row.params), *told)  # no cell of the sheet has that time
    if row.code and row.state != "refused":
        verdict = Problem(mapping.column_of(row.field) if mapping else "", row.field, row.code, row.params)
        return (verdict, *told)
    return told


def _local(at: str) -> str:
    return read_time(at).astimezone().strftime("%Y-%m-%d %H:%M")


def _about_file(summary: FileSummary | None) -> tuple[object, ...]:
    """Return what the notices are made from: when that changes, nobody waits for it."""
    return (summary.state, summary.reason, summary.counts.get("vanished")) if summary else ()


def _is_shown(summary: FileSummary, path: Path) -> bool:
    """Return whether there is anything new to show; for a file that is gone, only where its verdicts still lie."""
    if summary.state == FileState.VANISHED:
        return path.exists()
    return summary.state not in (FileState.LOCKED, FileState.UNMAPPED)


def sheet_of(office: Office, name: str) -> Path:
    """Return where the verdicts of a source file, named relative to the sources, are written."""
    return verdicts_path(office.sources / name)


def _nothing() -> None:
    """One sheet is written in a moment: wait for it."""
