"""The folder source: looks at the sheets now and then, and hands what is new in them to the gatherer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Final, TypeVar, cast

import structlog

from connectors.mapping.fault import NoSuchColumn
from connectors.mapping.model import Mapping
from connectors.mapping.outcome import Outcomes
from connectors.runtime.aside import Aside
from connectors.runtime.gather import Gatherer
from connectors.runtime.notice import SEVERAL_MAPPINGS, UNFIT
from connectors.runtime.office import Office, read_mappings
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.rows import Reason, count_refusals
from connectors.runtime.persons import Durable, Sealing
from connectors.runtime.signals import Replans, Signal
from connectors.runtime.told import error_text
from connectors.runtime.units import SeveralMappings, Unit, file_of, is_mapped, units_of
from connectors.source import FileContent, FileRefused, FolderSettings, FolderSource, read_table
from connectors.source.copy import find_copies
from connectors.source.folder import ScanState
from hub.base import files
from hub.protocol.errors import Retriable, UsageError

FULL_WAIT_S: Final = 5.0
SETTLE_WAIT_MIN_S: Final = 0.05
THREAD_DEADLINE_S: Final = 4.0
SKIPPED_TOLD_MAX: Final = 20  # of the rows that are no data, in the log
_DEALT_WITH: Final = frozenset({ScanState.TAKEN, ScanState.TOO_LARGE, ScanState.LOCKED})
T = TypeVar("T")

log = structlog.get_logger(__name__)


class Folder:
    """The sheets of one office. A pass runs in a thread of its own; there is never more than one.

    Shapes: the files in `replans` are read again though they are unchanged; `taken` is rung when rows were taken, for
            those who show what they have become; `sealing` seals the persons of rows, and mappings that name some need
            it; `heard` returns when it is known what of them HQ can take, or can't be for now.
    Errors: UsageError on construction, if there are mappings and none of them can be used.
    """

    def __init__(
        self,
        office: Office,
        outbox: Outbox,
        gatherer: Gatherer,
        replans: Replans,
        taken: Signal,
        sealing: Sealing | None = None,
        heard: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._office = office
        self._outbox = outbox
        self._gatherer = gatherer
        self._sealing = sealing
        self._heard = heard
        self._sealed: tuple[object, ...] | None = None  # what the persons of rows were sealed by when last read
        self._mappings: list[Mapping] = []
        self._stamp: tuple[object, ...] = ()
        self._unread: list[Path] = []  # mappings that could not be read, which the stamp may not tell of
        self._due: dict[str, float] = {}  # when a file has rows whose settling time is over
        self._refused: dict[str, dict[str, int]] = {}  # by unit, what rows were refused for when the log said so last
        self._vanished: set[str] = set()  # gone, and not noted yet
        self._dealt_with: frozenset[str] = frozenset()
        self._replans = replans
        self._taken = taken
        self._stopping = False
        self._aside = Aside(outbox)
        self._source = self._make_source()

    @property
    def mappings(self) -> list[Mapping]:
        """The mappings as they were last read."""
        return self._mappings

    @property
    def dealt_with(self) -> frozenset[str]:
        """The files that need no reading as they are: taken since the start to their last row, too large, or locked.

        The outbox knows of a file before it has all of its rows, and from before a restart: it can't tell.
        """
        return self._dealt_with

    async def run(self) -> None:
        """Look at the folder for as long as the task lives."""
        if self._heard is not None and any(mapping.persons for mapping in self._mappings):
            await self._heard()
        while True:
            self._replans.added.clear()
            settings = self._office.settings
            wait_s = settings.poll_s
            try:
                if await finish_in_thread(self._pass, self._stop):
                    self._taken.ring()
                if any(file.state is ScanState.SETTLING for file in self._source.status()):
                    wait_s = min(wait_s, max(settings.file_settle_s, SETTLE_WAIT_MIN_S))
            except Retriable as exc:
                # Above all a full disk: no source is read until there is room; what was queued stays.
                log.warning("sources_wait", reason=str(exc))
                wait_s = max(wait_s, FULL_WAIT_S)
            await self._replans.added.wait(wait_s)

    def _stop(self) -> None:
        self._stopping = True
        self._gatherer.stop()

    def _pass(self) -> bool:
        """Look at the folder once; return whether anything in it was new."""
        self._read_mappings_again()
        now = time.monotonic()
        due = {name for name, at in self._due.items() if at <= now}
        due |= set(self._outbox.rows.approvals()) | self._sealed_otherwise()
        for unit in due:
            self._due.pop(unit, None)
        for name in {file_of(unit) for unit in due | self._to_be_planned_again()}:
            self._source.forget(name)
        scan = self._source.scan(now)
        self._note_dealt_with()  # what has changed is not, while it is read
        if scan.problem is not None:
            log.warning("folder_not_listed", reason=scan.problem)
        self._vanished |= set(scan.vanished)  # the source tells it once
        news = bool(self._vanished)
        for name in sorted(self._vanished):
            self._vanish(name)
            self._vanished.discard(name)
        for name in self._in_order(scan.ready):
            if self._stopping:
                break
            content = self._source.read(name, time.monotonic())
            if content is not None:
                self._take(content)
                self._source.taken(content)
                news = True
        self._note_dealt_with()
        if scan.problem is None and not self._stopping:
            news |= self._set_aside(now, scan.unlisted)
        return news

    def _vanish(self, name: str) -> None:
        """Note that a file is gone, with all of its units; what lies there unread and is noted as such is not ours."""
        if self._aside.is_listed(self._source.settings, name):
            units = [unit for unit in self._units_known(name) if unit != name]
        else:
            units = self._units_known(name)
            self._aside.drop(name)
        for unit in units:
            self._replans.note(self._gatherer.vanish(unit))
            self._due.pop(unit, None)
            log.warning("file_vanished", file=unit)

    def _units_known(self, file: str) -> list[str]:
        return sorted(unit for unit in self._outbox.rows.present() if file_of(unit) == file)

    def _in_order(self, ready: Sequence[str]) -> list[str]:
        """Return the files to be read: the oldest first, copies behind what they are copies of, once that stands still.

        So what two files say in contradiction is the older one's to say where both are new, and never a copy's.
        """
        files = {file.name: file for file in self._source.status()}
        copies = find_copies(files)
        waiting = {name for name in ready if name in copies and files[copies[name]].state is ScanState.SETTLING}
        return sorted(set(ready) - waiting, key=lambda name: (name in copies, files[name].mtime_ns, name))

    def _note_dealt_with(self) -> None:
        self._dealt_with = frozenset(file.name for file in self._source.status() if file.state in _DEALT_WITH)

    def _to_be_planned_again(self) -> set[str]:
        asked = self._replans.take()
        return self._names() if asked.every else set(asked.files)

    def _names(self) -> set[str]:
        return {file.name for file in self._source.status()}

    def _sealed_otherwise(self) -> set[str]:
        """Return the files with persons, if somebody was erased since they were read, or HQ can take persons now."""
        named = {(m.stream, field) for m in self._mappings for field in m.persons}
        if self._sealing is None or not named:
            return set()
        now = (self._sealing.persons.erasures(), *(p for p in sorted(named) if self._sealing.is_taken(*p)))
        before, self._sealed = self._sealed, now
        if before is None or before == now:
            return set()
        of_persons = [mapping for mapping in self._mappings if mapping.persons]
        return {name for name in self._names() if is_mapped(of_persons, name)}

    def _set_aside(self, now: float, unlisted: Collection[str]) -> bool:
        """Note which files are there and not taken; return whether any may be read again."""
        again = self._aside.find_beside(self._source.settings, self._mappings, now)
        freed = again | self._aside.note(self._source.status(), unlisted)
        self._replans.note(freed)  # by the next pass
        return bool(freed)

    def _take(self, content: FileContent) -> None:
        """Take one file, unit by unit. Errors: Retriable; the file stays ready, and is read again."""
        known = self._units_known(content.name)
        try:
            units = units_of(self._mappings, content.name)
        except SeveralMappings as exc:
            log.warning("file_refused", file=content.name, reason=str(exc))
            for name in known or [content.name]:
                self._gatherer.refuse(name, Reason(str(exc), SEVERAL_MAPPINGS, {"mappings": exc.mappings}))
            return
        # What was read under another name before, as a mapping was added or taken away, is none of the file's any more.
        for name in set(known) - {unit.name for unit in units}:
            self._replans.note(self._gatherer.vanish(name))
        for unit in units:
            self._take_unit(content, unit)

    def _take_unit(self, content: FileContent, unit: Unit) -> None:
        started = time.monotonic()
        try:
            found, blank = self._read(content, unit.mapping)
        except (FileRefused, UsageError) as exc:
            log.warning("file_refused", file=unit.name, reason=str(exc))
            self._gatherer.refuse(unit.name, _reason(exc))
            return
        age_s = max(0.0, time.time() - content.stamp.mtime_ns / 1e9)
        entities = f"{unit.mapping.stream}/{self._office.settings.center}:"
        gathered = self._gatherer.take(unit.name, found, entities=entities, blank=blank, age_s=age_s)
        self._replans.note(gathered.again)
        if gathered.waits:
            log.warning("file_waits_for_approval", file=unit.name)
        if gathered.due_s is not None:
            self._due[unit.name] = time.monotonic() + gathered.due_s
        log.info(
            "file_taken",
            file=unit.name,
            rows=len(found),
            events=gathered.events,
            seconds=round(time.monotonic() - started, 3),
        )
        self._tell_refused(unit.name)

    def _tell_refused(self, unit: str) -> None:
        """Have the log say what rows are refused for, when that has changed."""
        codes = count_refusals(self._outbox.database, unit)
        if codes != self._refused.get(unit, {}):
            log.warning("rows_refused", file=unit, rows=sum(codes.values()), codes=codes)
        self._refused[unit] = codes

    def _read(self, content: FileContent, mapping: Mapping) -> tuple[Outcomes | Durable, int]:
        """Return the outcomes of the rows that a mapping takes, and how many blank rows there are besides.

        Errors: FileRefused, UsageError.
        """
        settings = self._office.settings
        table = read_table(content.name, content.data, mapping.format_options(), settings.limits)
        found = Outcomes(mapping, table, settings.center, self._sealing)
        if found.skipped:
            told = [f"{row}: {reason}" for row, reason in found.skipped[:SKIPPED_TOLD_MAX]]
            log.info("rows_skipped", file=content.name, count=len(found.skipped), rows=told)
        if mapping.persons and self._sealing is not None:
            return Durable(found, self._sealing.persons), table.blank_count
        return found, table.blank_count

    def _read_mappings_again(self) -> None:
        """Take up mappings that were changed; a bad one is told, and its old form and all others are in force."""
        if _stamp(self._folder) == self._stamp and not any(map(_can_be_read, self._unread)):
            return
        try:
            self._source = self._make_source()
            self._aside.again()
        except UsageError as exc:
            self._tell_refused_mapping(exc)

    def _usable_mappings(self) -> list[Mapping]:
        """Return the mappings that are in force; of a bad one what it was before, as long as its file is there.

        Errors: UsageError, if there are none but bad ones, which never were good.
        """
        read = read_mappings(self._folder)
        before = [mapping for mapping in self._mappings if mapping.name in read.bad]
        good = read.good + before if before else read.usable()
        self._unread = [self._folder / name for name, exc in read.bad.items() if isinstance(exc.__cause__, OSError)]
        for exc in read.bad.values():
            self._tell_refused_mapping(exc)
        return sorted(good, key=lambda mapping: mapping.name)

    def _tell_refused_mapping(self, exc: UsageError) -> None:
        log.error("mapping_refused", reason=str(exc), said=error_text(exc, self._office.settings.language))

    def _make_source(self) -> FolderSource:
        settings = self._office.settings
        self._stamp = _stamp(self._folder)
        self._mappings = self._usable_mappings()
        patterns = tuple(pattern for mapping in self._mappings for pattern in mapping.files)
        if settings.depth_max:
            patterns += tuple(f"*/{pattern}" for pattern in patterns)
        # Every file is read once after a restart, and its rows say that they are not new; what is gone since is told.
        return FolderSource(
            FolderSettings(
                path=self._office.sources,
                patterns=patterns or ("(no mapping)",),
                settle_s=settings.file_settle_s,
                depth_max=settings.depth_max,
                file_bytes_max=settings.limits.file_bytes_max,
            ),
            known={file_of(unit): "" for unit in self._outbox.rows.present()},
        )

    @property
    def _folder(self) -> Path:
        return self._office.folder / self._office.settings.mappings


async def finish_in_thread(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """Run `work` in a thread; on cancellation call `stop` and wait for its end, for some seconds.

    A thread that does not end in that time holds up nobody: it is a daemon's, and what it has in hand is not yet taken.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(cast("T", result))

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as exc:  # noqa: BLE001  it is raised again where it is awaited
            error = exc
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name=work.__name__, daemon=True).start()
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        stop()
        await asyncio.wait([done], timeout=THREAD_DEADLINE_S)
        if done.done() and not done.cancelled():
            done.exception()  # nobody is left to hear of it
        raise


def _stamp(folder: Path) -> tuple[object, ...]:
    try:
        there = ((entry.name, entry.stat(follow_symlinks=False)) for entry in files.entries(folder))
        return tuple((name, facts.st_mtime_ns, facts.st_size) for name, facts in there)
    except OSError:
        return ()


def _can_be_read(path: Path) -> bool:
    try:
        files.read(path)
    except OSError:
        return False
    return True


def _reason(exc: FileRefused | UsageError) -> Reason:
    """Return why no rows can be had from a file: as it is logged, and as people are told."""
    if isinstance(exc, FileRefused):
        return Reason(str(exc), exc.code, exc.params)
    return Reason(str(exc), UNFIT, {"column": exc.column} if isinstance(exc, NoSuchColumn) else {})
