"""A center's end on a broker in memory and an outbox whose commits fail when told to, with a small HQ that answers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.mapping.outcome import RowOutcome
from connectors.reconcile.digest import record_digest
from connectors.runtime.codecs import Codecs
from connectors.runtime.gather import Gatherer
from connectors.runtime.ids import EventIds
from connectors.runtime.link import Link
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.faulty import FaultyDatabase
from connectors.runtime.outbox.queue import NewEvent
from connectors.runtime.receipts import ReceiptReader
from connectors.runtime.sealer import Sealer
from connectors.runtime.sender import Sender
from connectors.runtime.settings import ConnectorSettings, Guard
from connectors.runtime.signals import Replans, Signal
from connectors.runtime.trust import Trusted, TrustReader
from hub.domain.catalogue import KINDS
from hub.kafka.memory import APPEND_TIME, MemoryBroker
from hub.protocol.control import seal_key_name
from hub.protocol.errors import Retriable
from hub.protocol.note import Signer
from hub.protocol.trust import Trust
from tests.support.answering import AnsweringHq

HUB, CENTER = "hub.example", "uz"
TOPIC = f"in.{CENTER}"
FILE = "offers.csv"
KEY = Signer(seal_key_name(HUB, CENTER), b"k" * 32)
ROOT = Signer(f"{HUB}/root", b"o" * 32)
RECEIPTS = Signer(f"{HUB}/receipts", b"r" * 32)
HQ = Signer(f"{HUB}/hq", b"q" * 32)


def broker_of_a_center(clock: Callable[[], float] = time.time) -> MemoryBroker:
    """Return a broker with the topics of one center, that stamps by this clock."""
    broker = MemoryBroker(clock=clock)
    for topic in (TOPIC, f"out.{CENTER}"):
        broker.create_topic(topic, 1, APPEND_TIME)
    return broker


async def until(condition: Callable[[], object], deadline_s: float = 20.0) -> None:
    """Return once `condition` holds; fail when it does not by the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it did not come to be in time"
        await asyncio.sleep(0.002)


class End:
    """The parts of one connector that send and hear, made as the daemon makes them; a test queues and looks."""

    def __init__(self, folder: Path, broker: MemoryBroker, codecs: Codecs) -> None:
        self.broker = broker
        self.codecs = codecs
        self.database = FaultyDatabase(folder / "outbox.sqlite3")
        self.faults = self.database.faults
        self.work, self.decided, self.replans = Signal(), Signal(), Replans()
        self.outbox = Outbox(folder / "outbox.sqlite3", self.work, database=self.database)
        self.settings = ConnectorSettings(
            hub=HUB,
            center=CENTER,
            bootstrap=("memory:1",),
            request_timeout_s=1.0,
            receipt_wait_s=0.3,
            linger_ms=1.0,
            presence_s=0.05,
        )
        self.ids = EventIds()
        self.link = Link(self.settings, self.outbox, broker)
        sealer = Sealer(self.outbox, KEY, self.settings.linger_ms, time.monotonic, lambda _dataschema: True)
        self.sender = Sender(self.outbox, self.link, sealer, self._settled, self.work)
        said = Trust(HUB, ROOT.verifier, (RECEIPTS.verifier,), hqs=(HQ.verifier,))
        trust = Trusted(folder / "trust.note", said)
        self.reader = ReceiptReader(
            self.outbox,
            self.link,
            self.sender,
            TrustReader(trust, self.link),
            codecs,
            self.ids,
            self.decided,
            self.replans,
        )
        self.gatherer = Gatherer(
            self.outbox, codecs, self.ids, settle_s=0, guard=Guard(rows_min=1000), clock=time.monotonic
        )
        self.rows: Sequence[RowOutcome] = ()
        self.failed = 0  # how often the caller of a write was told that it failed

    async def _settled(self) -> None:
        """Everything is announced."""

    def event(self, key: str, title: str = "Title") -> NewEvent:
        """Return an event that no file stands behind."""
        record = {"title": title, "language": "en", "export_control": "free"}
        return self.codecs.event(
            KINDS["net.cohub.offer.published.v1"],
            f"{CENTER}:{key}",
            record,
            event_id=self.ids.make(),
            time=datetime.now(UTC),
            status="published",
            digest=record_digest(record),
        )

    def take(self, rows: Sequence[RowOutcome]) -> None:
        """Take the file with these rows, as the folder does: again, until it is taken."""
        self.rows = rows
        while True:
            try:
                self.gatherer.take(FILE, rows)
            except Retriable:
                self.failed += 1
            else:
                return

    def states(self) -> dict[str, str]:
        """Return what became of each row."""
        return {verdict.key: verdict.state for verdict in self.outbox.rows.verdicts(FILE)}

    async def settle(self, states: dict[str, str], deadline_s: float = 20.0) -> None:
        """Return when nothing waits for HQ and the rows are in these states; plan again as the folder does."""
        end = time.monotonic() + deadline_s
        while self.outbox.backlog() or self.states() != states:
            asked = self.replans.take()
            if (asked.files or asked.every) and self.rows:
                self.take(self.rows)
            assert time.monotonic() < end, f"{self.outbox.backlog()} events wait, rows are {self.states()}"
            await asyncio.sleep(0.002)

    async def rest(self) -> None:
        """Return when the sender has looked after every ring: the next commit is of what is done next."""
        while await self.work.wait(0):
            await asyncio.sleep(0)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send and hear while the context lasts."""
        async with running(self.sender.run(), self.reader.run()):
            yield

    def sent(self) -> list[tuple[str, int]]:
        """Return epoch and sequence of every event that the broker has, in its order."""
        found = []
        for record in self.broker.records(TOPIC):
            headers = {name: (value or b"").decode() for name, value in record.headers}
            if "ce_sequence" in headers:
                found.append((headers["ce_epoch"], int(headers["ce_sequence"])))
        return found

    def check(self, hq: AnsweringHq) -> None:
        """See that both ends have the same lane, that every event was accepted once at most, and in its order."""
        lane = hq.lanes[self.outbox.lane.origin.rpartition("/")[2]]
        assert (lane.edge.size, lane.edge.root) == (self.outbox.lane.sealed.size, self.outbox.lane.sealed.root)
        assert self.outbox.lane.receipted() == lane.edge.size
        assert len(set(hq.accepted)) == len(hq.accepted)
        firsts = list(dict.fromkeys(self.sent()))
        for epoch in {epoch for epoch, _ in firsts}:
            sequences = [sequence for of, sequence in firsts if of == epoch]
            assert sequences == sorted(sequences), "an event was passed over"


@contextlib.asynccontextmanager
async def running(*work: Any) -> AsyncIterator[None]:
    """Run coroutines while the context lasts; what one of them dies of is raised."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for done in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(done, BaseException) and not isinstance(done, asyncio.CancelledError):
                raise done
