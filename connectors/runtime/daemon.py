"""`connector run`: the tasks of one center under one supervisor, and one deadline for stopping them all."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from connectors.runtime.clock import OfficeClock
from connectors.runtime.codecs import Codecs
from connectors.runtime.folder import Folder
from connectors.runtime.gather import Gatherer
from connectors.runtime.ids import EventIds
from connectors.runtime.joining import tidy
from connectors.runtime.last_words import tell_end
from connectors.runtime.life import Ended, LifeFile
from connectors.runtime.link import Link
from connectors.runtime.lock import FolderLock
from connectors.runtime.measured import Measured
from connectors.runtime.office import Office
from connectors.runtime.outbox import Outbox
from connectors.runtime.persons import Persons, Sealing
from connectors.runtime.pin import settle_pin
from connectors.runtime.presence import RefusedRows, Sayer
from connectors.runtime.receipts import ReceiptReader
from connectors.runtime.registry_reader import RegistryReader, listed_by
from connectors.runtime.sealer import Sealer
from connectors.runtime.sender import Sender
from connectors.runtime.settings import TRUST
from connectors.runtime.sheets import VerdictSheets
from connectors.runtime.signals import Replans, Signal
from connectors.runtime.told import OfficeFatal
from connectors.runtime.trust import Trusted, TrustReader
from connectors.runtime.way import Ways, https_clients
from connectors.runtime.witness_keys import WitnessKeys
from connectors.runtime.witness_reader import WitnessReader
from hub.base.ending import Ends, ends_by_itself, telling
from hub.base.kafka import AIOKAFKA, Clients
from hub.base.metrics.book import Book
from hub.base.traces.spans import NO_TRACES, Traces
from hub.protocol.errors import CohubError, Fatal, Retriable
from schemas.words import Language

STOP_DEADLINE_S: Final = 8.0
DRAIN_S: Final = 2.0
PURGE_EVERY_S: Final = 600.0
PURGE_PAUSE_S: Final = 0.5

log = structlog.get_logger(__name__)


class Connector:
    """One center's connector: `run` it, `stop` it. Idempotent to stop; one object is run once.

    Shapes: `outbox` and `sender` are there while it runs, for those who queue events without a file; so is `folder`,
            for those who wait for files, if it gathers. `lives` is called once it runs, `ends` is told when it begins
            to end, and why. `ways` knows which way in is taken; None: those of the settings. `book` has what is
            measured; None: nothing is. `traces` is told of rows and batches.
    """

    def __init__(
        self,
        office: Office,
        *,
        gathers: bool = True,
        clients: Clients = AIOKAFKA,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        ends: Ends = ends_by_itself,
        lives: Callable[[], None] = lambda: None,
        ways: Ways | None = None,
        book: Book | None = None,
        traces: Traces = NO_TRACES,
    ) -> None:
        self.office = office
        self._traces = traces
        self._book = book
        self._ways = ways
        self._ends = ends
        self._lives = lives
        self._wall = wall
        self._gathers = gathers
        self._clients = clients
        self._stop = asyncio.Event()
        self.started = asyncio.Event()
        self.outbox: Outbox
        self.sender: Sender
        self.folder: Folder
        self._say_last: Callable[[str], Awaitable[None]]

    def stop(self) -> None:
        """Have `run` return; from a task of its loop, or a signal handler that the loop calls."""
        self._stop.set()

    async def run(self) -> None:
        """Run until `stop`, and leave behind that it lived, and how it ended.

        Errors: UsageError, if another connector runs on this folder; Fatal.
        """
        with FolderLock(self.office.outbox):
            with contextlib.suppress(OSError):  # what others can't read either hinders nobody
                tidy(self.office.folder)
            life = LifeFile(self.office.folder)
            life.begin()
            try:
                await self._live(life)
            except BaseException as exc:
                leave_word(life.end(exc), self.office.sources, self.office.settings.language)
                raise
            life.end(None)

    async def _live(self, life: LifeFile) -> None:
        office = self.office
        who = office.settings.hub, office.settings.center
        work = Signal()  # rung by whoever queues events, or knows that they may go out now; the sender waits for it
        with Outbox(office.outbox, work) as outbox, Persons(office.folder, *who) as persons:
            outbox.claim(*who)
            settle_pin(office.folder, outbox, office.trust)
            self.outbox = outbox
            tasks = self._make_tasks(outbox, persons, work) | {"life": life.beat()}
            log.info("connector_started", center=office.settings.center, origin=outbox.lane.origin)
            self.started.set()
            self._lives()
            try:
                await self._supervise(tasks)
            except Exception as exc:
                await self._say_last(Ended.by(exc, self._wall()).why.text())
                raise
            await self._say_last(Ended.by(None, self._wall()).why.text())
            log.info("connector_stopped", backlog=outbox.backlog())

    def _make_tasks(self, outbox: Outbox, persons: Persons, work: Signal) -> dict[str, Coroutine[Any, Any, None]]:
        """Return what runs, each part made of those before it.

        decided   rung by the receipt reader (verdicts) and by the folder (rows taken); the verdict sheets wait for it
        replans   filled by the receipt reader and the registry reader; the folder waits for it
        """
        office, settings = self.office, self.office.settings
        codecs, ids = Codecs(), EventIds(lambda: int(self._wall().timestamp() * 1000))
        decided, replans = Signal(), Replans()
        https = https_clients(settings, lambda: office.key)
        link = Link(settings, outbox, self._clients, https=https, ways=self._ways)
        trusted = Trusted(office.folder / TRUST, office.trust)
        registry = RegistryReader(office, outbox, link, work, replans, lambda: trusted.trust)
        announced = registry.registry.announced
        sealer = Sealer(outbox, office.key, settings.linger_ms, time.monotonic, announced, office.long_key)
        clock = OfficeClock(
            outbox.database, lambda: replans.add(outbox.answers.replan_own_times()), self._wall,
            signed=outbox.answers.newest_recorded_at,
        )  # fmt: skip
        outbox.answers.time = lambda: clock.now() if clock.is_known else None
        outbox.answers.listed = lambda: listed_by(registry.registry)
        sender = self.sender = Sender(
            outbox, link, sealer, registry.settled, work, office_clock=clock, traces=self._traces
        )
        trust = TrustReader(trusted, link)
        reader = ReceiptReader(outbox, link, sender, trust, codecs, ids, decided, replans, clock.now)
        sayer = Sayer(settings, outbox, office.key, RefusedRows(office.outbox), lambda: reader.told, clock.now)
        self._say_last = lambda why: sayer.tell_end(link, why)
        keys = WitnessKeys(office, registry.registry, trusted.logs, trusted.retired, trust.look_seldom)
        witness = WitnessReader(outbox, link, sender, keys)
        gathering: dict[str, Coroutine[Any, Any, None]] = {}
        if self._gathers:
            gatherer = Gatherer(
                outbox,
                codecs,
                ids,
                settle_s=settings.settle_s,
                guard=settings.guard,
                clock=time.monotonic,
                now=clock.now,
                traces=self._traces,
            )
            sealing = Sealing(persons, codecs.dataschemas(), registry.registry, outbox.database)
            folder = self.folder = Folder(office, outbox, gatherer, replans, decided, sealing, registry.heard)
            sheets = VerdictSheets(office, outbox, lambda: folder.mappings, decided, lambda: sender.is_sending)
            gathering = {"folder": folder.run(), "verdicts": sheets.run()}
        # All parts are made: where one of them can't be, no coroutine is left that nobody awaits.
        return gathering | {
            "sender": sender.run(),
            "receipts": reader.run(),
            "trust": trust.run(),
            "registry": registry.run(),
            "witness": witness.run(),
            "presence": sayer.tell(sender),
            "purge": _purge(outbox),
            **({} if self._book is None else {"measured": Measured(office.outbox, self._book).run()}),
            **({} if link.ways.other is None else {"way": link.find_first_choice()}),
        }

    async def _supervise(self, coroutines: dict[str, Coroutine[Any, Any, None]]) -> None:
        """Run all tasks until one fails or `stop` is asked; then end them within one deadline."""
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for name, coroutine in coroutines.items():
                    tasks[name] = group.create_task(telling(coroutine, self._ends), name=name)
                await self._stop.wait()
                self._ends("it was asked to stop")
                try:
                    async with asyncio.timeout(STOP_DEADLINE_S):
                        await self._wind_down(tasks)
                except TimeoutError:
                    log.warning("stop_deadline_passed", tasks=[n for n, task in tasks.items() if not task.done()])
        except BaseExceptionGroup as failed:
            raise _first(failed) from failed

    async def _wind_down(self, tasks: dict[str, asyncio.Task[None]]) -> None:
        """Stop taking, drain, close: what is not sent in time is sent by the next start, for it is in the outbox."""
        if "folder" in tasks:
            tasks["folder"].cancel()
            await asyncio.wait([tasks["folder"]])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self.sender.drained()
        for task in tasks.values():
            task.cancel()
        await asyncio.wait(tasks.values())


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error to tell: a fatal one if there is any, then one of ours."""
    leaves: list[BaseException] = []
    groups: list[BaseExceptionGroup[Any]] = [failed]
    while groups:
        for error in groups.pop().exceptions:
            if isinstance(error, BaseExceptionGroup):
                groups.append(error)
            else:
                leaves.append(error)
    for kind in (Fatal, CohubError):
        for error in leaves:
            if isinstance(error, kind):
                return error
    return leaves[0]


def leave_word(ended: Ended, sources: Path, language: Language) -> None:
    """Have log and verdict sheets say how the connector ended, unless somebody wished it."""
    if ended.is_wished:
        return
    log.error("connector_ended", code=ended.code, reason=ended.why.text(), said=ended.why)
    tell_end(sources, ended, language)


def leave_word_of_force(office: Office) -> None:
    """Leave behind that the connector's process hung, and is being ended by force. For any thread."""
    life = LifeFile(office.folder)
    if life.has_ended():
        return  # at the last moment, by itself
    hung = OfficeFatal("errors.ended_by_force", seconds=f"{office.settings.end_s:g}")
    leave_word(life.end(hung), office.sources, office.settings.language)


async def _purge(outbox: Outbox) -> None:
    """Delete what was receipted long ago, a little at a time."""
    while True:
        gone = 0
        try:
            gone = outbox.purge(datetime.now(UTC))
        except Retriable as exc:
            log.info("purge_waits", reason=str(exc))
        await asyncio.sleep(PURGE_PAUSE_S if gone else PURGE_EVERY_S)
