"""Keeps `cohub/<file>.verdicts.xlsx` beside each sheet as its rows get their verdicts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import orjson
import structlog

from connectors.mapping.model import Mapping
from connectors.mapping.problem import LocalCode, Problem
from connectors.runtime.folder import finish_in_thread
from connectors.runtime.hq_words import hq_notice
from connectors.runtime.local_time import show_time
from connectors.runtime.notice import notices_for, orphans_notice
from connectors.runtime.office import Office
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.lookup import recorded_at, standings
from connectors.runtime.outbox.orphans import LEFT
from connectors.runtime.outbox.rows import FileState, FileSummary, RowVerdict
from connectors.runtime.outbox.status import hq_status
from connectors.runtime.signals import Signal
from connectors.runtime.standing import Kept
from connectors.runtime.units import file_of, mapping_of, sheet_of_unit
from connectors.runtime.verdicts import TITLE, Page, VerdictRow, paced, verdicts_path, write_pages
from connectors.source.copy import find_copies
from hub.base import durable
from hub.protocol.errors import Retriable
from hub.protocol.moment import read_time
from hub.protocol.verdict import Code
from schemas.words.said import said

QUIET_S: Final = 1.0  # receipts come in showers
BUSY_S: Final = 30.0  # while rows of a file still wait, its sheet is written this often at most
GIVES_WAY_S: Final = 30.0  # to a lane that goes out, in all: an office that never stops sending has its sheets too
LOOK_S: Final = 0.02

log = structlog.get_logger(__name__)


class VerdictSheets:
    """Writes verdict sheets.

    Shapes: `changed` is rung when rows were taken, or have got verdicts; `mappings` returns those that are in
            force; `is_sending` says whether the lane goes out just now, which a sheet gives way to; `write` puts bytes
            at a path durably.
    """

    def __init__(
        self,
        office: Office,
        outbox: Outbox,
        mappings: Callable[[], list[Mapping]],
        changed: Signal,
        is_sending: Callable[[], bool] = lambda: False,
        write: Callable[[Path, bytes], None] | None = None,
    ) -> None:
        self._office = office
        self._outbox = outbox
        self._mappings = mappings
        self._changed = changed
        self._is_sending = is_sending
        self._write_file = write or partial(durable.write, under=office.sources)
        self._written: dict[str, tuple[_Told | None, float]] = {}
        self._given_s = 0.0  # for how long what is being written has given way

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
        self._given_s = 0.0
        summaries = self._outbox.rows.summaries()
        hq = hq_status(self._outbox.database)
        word = _Word.of(hq, datetime.now(UTC)) if hq is not None and hq.stops else None
        later = word is not None and not word.is_stale  # it is to be seen when it has become stale
        orphans = _orphans(self._outbox)
        copies = find_copies(file_of(one.name) for one in summaries if one.state not in LEFT)
        files: dict[str, list[FileSummary]] = {}
        for one in summaries:
            files.setdefault(file_of(one.name), []).append(one)
        there = {one.name for one in summaries if one.state not in LEFT}
        strays = tuple((file, keys) for file, keys in orphans.items() if file not in there)
        for name, units in files.items():
            path = sheet_of(self._office, name)
            shown = [unit for unit in units if _is_shown(unit, path)]
            if len(units) > 1:  # the other units of a workbook are there; of one that left, the strays tell
                shown = [unit for unit in shown if unit.state != FileState.VANISHED] or shown
            told = _Told(tuple(shown), strays, copies.get(name), word)
            before, at = self._written.get(name, (None, float("-inf")))
            if not shown or told == before:
                continue
            is_old_news = told.has_pending and told.about_files == (before and before.about_files)
            if is_old_news and time.monotonic() - at < BUSY_S:
                later = True
                continue
            try:
                pages = list(self._pages(told, orphans))
                language, under = self._office.settings.language, self._office.sources
                if write_pages(path, pages, language, self._write_file, self._give_way, under):
                    log.info("verdicts_written", file=name, state=shown[0].state)
            except Retriable as exc:
                later = True
                log.warning("verdicts_wait", file=name, reason=str(exc))
                continue
            self._written[name] = (told, time.monotonic())
        return later

    def _give_way(self) -> None:
        """Wait while the lane goes out: it needs the interpreter, and nobody reads the sheet sooner for our haste."""
        while self._given_s < GIVES_WAY_S and self._is_sending():
            time.sleep(LOOK_S)
            self._given_s += LOOK_S

    def _pages(self, told: _Told, orphans: MappingOf[str, list[str]]) -> Iterator[Page]:
        language = self._office.settings.language
        for number, unit in enumerate(told.units):
            notices = notices_for(unit, orphans.get(unit.name, []), language, copy_of=told.copy_of)
            if number == 0:  # what HQ says, and what nobody's sheet names, is said once in a workbook
                if told.word is not None:
                    notices.insert(0, hq_notice(told.word.kept, language, is_stale=told.word.is_stale))
                notices += [orphans_notice(file, keys, language) for file, keys in told.strays if file != unit.name]
            yield Page(self._rows(unit.name), notices, sheet_of_unit(unit.name) or TITLE)

    def _rows(self, name: str) -> Iterator[VerdictRow]:
        mapping = mapping_of(self._mappings(), name)
        find, language = recorded_at(self._outbox.database), self._office.settings.language
        settle_s = self._office.settings.settle_s
        sent = said("sheet.sent").text(language)
        settles = said("sheet.settles", seconds=f"{settle_s:g}").text(language)
        standing = iter(standings(self._outbox.database, name))
        number, is_planned, decided = -1, False, 0
        taken: dict[str, str] = {}  # what is said of the rows of one receipt
        for row in paced(self._outbox.rows.verdicts(name), self._give_way):
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
    return show_time(read_time(at), "%Y-%m-%d %H:%M")


@dataclass(frozen=True)
class _Word:
    """What HQ says of how it stands with us: the same while what is `shown` is, whenever HQ says it."""

    shown: tuple[object, ...]
    kept: Kept = field(compare=False)
    is_stale: bool = field(compare=False)

    @classmethod
    def of(cls, kept: Kept, now: datetime) -> _Word:
        note, is_stale = kept.note, kept.is_stale(now)
        return cls((note.state, note.since, note.why, is_stale and note.time), kept, is_stale)


@dataclass(frozen=True)
class _Told:
    """What a file of verdicts is made from, but for its rows, which change with the summaries."""

    units: tuple[FileSummary, ...]
    strays: tuple[tuple[str, list[str]], ...]  # what HQ has of files that are gone, and no sheet names
    copy_of: str | None
    word: _Word | None  # HQ's, where it does not read the lane

    @property
    def has_pending(self) -> bool:
        return any(unit.counts.get("pending") for unit in self.units)

    @property
    def about_files(self) -> tuple[object, ...]:
        """What the notices are made from: when that changes, nobody waits for it."""
        about = tuple((unit.name, unit.state, unit.reason, unit.counts.get("vanished")) for unit in self.units)
        return about, self.strays, self.copy_of, self.word and self.word.shown


def _orphans(outbox: Outbox) -> dict[str, list[str]]:
    """Return, by the file that named them last, the keys of what HQ has and no sheet names any more."""
    found: dict[str, list[str]] = {}
    for orphan in outbox.orphans.all():
        found.setdefault(orphan.file, []).append(orphan.key)
    return found


def _is_shown(summary: FileSummary, path: Path) -> bool:
    """Return whether there is anything new to show; for a file that is gone, only where its verdicts still lie."""
    if summary.state in LEFT:
        return path.exists()
    return summary.state != FileState.LOCKED


def sheet_of(office: Office, name: str) -> Path:
    """Return where the verdicts of a source file, named relative to the sources, are written."""
    return verdicts_path(office.sources / name)


def _nothing() -> None:
    """One sheet is written in a moment: wait for it."""
