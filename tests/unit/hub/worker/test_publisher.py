"""The publisher on a real database and a broker in memory: each of its writes refused, and done though it failed."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.base.faulty import Fault
from hub.domain.catalogue import STREAMS
from hub.domain.stream import HQ
from hub.hq.headquarters import Headquarters
from hub.kafka.memory import MemoryBroker
from hub.kafka.topics import ensure_topics, standard_topics
from hub.ledger.publication import publications
from hub.protocol.errors import Fatal, Retriable
from hub.store.faulty import FaultyStore
from hub.worker.publisher import Pace, Publisher
from tests.support.center import RELEASED, Center, Sent, offer
from tests.support.engines import open_store
from tests.support.fanned import STATE_FORMS, at, heard, ledgered
from tests.support.hq import IDENTITY, Hq, claimed, registered

CENTERS = ("uz", "kz")
REVISED, WITHDRAWN = "net.cohub.offer.revised.v1", "net.cohub.offer.withdrawn.v1"
PROMPT_S = 10.0
FAULTS = [pytest.param(fault, id=fault.value) for fault in Fault]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database that knows two centers."""
    return registered(tmp_path_factory.mktemp("template"), *(Center(center) for center in CENTERS))


@dataclass
class Bench:
    """HQ with one publisher after another: one that an error of the store ends is followed by the next."""

    hq: Hq
    store: FaultyStore
    broker: MemoryBroker
    clock: datetime | None = None
    publisher: Publisher | None = None
    running: asyncio.Task[None] | None = None
    deaths: int = 0
    states_s: float = 60.0
    lanes: dict[str, Center] = field(default_factory=lambda: {center: Center(center) for center in CENTERS})

    async def start(self) -> Publisher:
        clock = self.clock
        self.publisher = Publisher(
            self.store,
            at(self.broker),
            STATE_FORMS,
            pace=Pace(0.0, 0.01, self.states_s),
            clock=lambda: clock or datetime.now(UTC),
        )
        await self.publisher.adopt(await self.claimed())
        self.running = asyncio.create_task(self.publisher.run())
        return self.publisher

    async def claimed(self) -> dict[str, int]:
        """Claim all lanes as the group gives them to a worker, and HQ's own as the lease does."""
        return await claimed(self.hq, CENTERS)

    async def end(self) -> None:
        """End the process: by its error, or because it is told to."""
        if self.running is not None:
            self.running.cancel()
            with contextlib.suppress(asyncio.CancelledError, Retriable):
                await self.running
        self.publisher = self.running = None

    async def feed(self, center: str, records: list[Sent], *, told: bool = True) -> None:
        """Commit what a center wrote; tell the publisher, unless the process died in between."""
        found = publications(await self.hq.feed(center, records))
        if told and self.publisher is not None:
            self.publisher.offer(found)

    async def settle(self) -> None:
        """Return when every cursor in SQL is at its lane's end; a publisher that has died is followed by the next."""
        async with asyncio.timeout(PROMPT_S):
            while await self.hq.store.unpublished([HQ, *CENTERS]):
                if self.running is None or self.running.done():
                    self.deaths += self.running is not None
                    await self.end()
                    await self.start()
                await asyncio.sleep(0.002)

    async def agrees(self) -> None:
        """Check that who reads the topics has what SQL has, all of it."""
        assert heard(self.broker, CENTERS) == await ledgered(self.hq.store, CENTERS)


@contextlib.asynccontextmanager
async def opened(template: Path, path: Path) -> AsyncIterator[Bench]:
    shutil.copy(template, path)
    plain = open_store(path)
    broker = MemoryBroker()
    await ensure_topics(at(broker), standard_topics(CENTERS, list(STREAMS)))
    bench = Bench(Hq(plain, Headquarters(plain, IDENTITY, RELEASED), {}), FaultyStore(plain), broker)
    try:
        yield bench
    finally:
        await bench.end()
        await plain.close()


@pytest.fixture
async def bench(template: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(template, tmp_path / "hub.sqlite3") as made:
        yield made


async def live(bench: Bench) -> None:
    """Publish from SQL, from memory, answers, and what lacks its bytes in memory."""
    uz, kz = bench.lanes["uz"], bench.lanes["kz"]
    await bench.feed("uz", uz.opened(2))
    publisher = await bench.start()
    await bench.settle()
    publisher = bench.publisher or publisher
    await bench.feed("kz", kz.opened(3))
    publisher.answer("uz", "resend", b"a note")
    await bench.settle()
    await bench.feed("uz", [uz.sealed(uz.append(uz.event(REVISED, "K-1", offer("Another"))))])
    await bench.feed("uz", [uz.sealed(uz.append(uz.event(WITHDRAWN, "K-2", {"reason": "sold"})))])
    await bench.feed("kz", kz.offers(2, first=20))
    await bench.settle()
    await bench.end()


@pytest.mark.parametrize("fault", FAULTS)
async def test_publisher_whose_sending_failed_publishes_everything(
    template: Path, tmp_path: Path, fault: Fault
) -> None:
    """Each write to the broker, one after the other, is lost, or is there though it was said to have failed."""
    nth = 1
    while True:
        async with opened(template, tmp_path / f"{nth}.sqlite3") as bench:
            bench.broker.fail(fault, nth)
            with capture_logs() as logs:
                await live(bench)
            await bench.agrees()
            assert bench.deaths == 0
            failed = [entry for entry in logs if entry["event"] == "publishing_failed"]
            assert b"a note" in [record.value for record in bench.broker.records("out.uz")]
        if not failed:
            break
        nth += 1
    assert nth > 10


@pytest.mark.parametrize("fault", FAULTS)
async def test_publisher_whose_cursors_were_not_stored_is_followed_by_one_that_publishes_the_rest(
    template: Path, tmp_path: Path, fault: Fault
) -> None:
    """An error of the store ends the process; the next begins at the cursor in SQL, wherever that is."""
    nth = 1
    while True:
        async with opened(template, tmp_path / f"{nth}.sqlite3") as bench:
            bench.store.fail(fault, "set_published", nth)
            tried = bench.store.writes
            await live(bench)
            await bench.agrees()
            if bench.store.writes - tried < nth:
                break
        nth += 1
    assert nth > 2


async def test_publishing_from_memory_equals_what_sql_would_send(bench: Bench) -> None:
    """Nothing failed: every receipt, event and state is there once."""
    await live(bench)
    await bench.agrees()
    for topic in ("out.uz", "out.kz"):
        notes = [record.value for record in bench.broker.records(topic)]
        assert len(notes) == len(set(notes)), topic


async def test_process_that_dies_while_records_are_in_flight_loses_none(bench: Bench) -> None:
    """The broker has them and its word never arrives: the next process sends them again, readers take them once."""
    await bench.feed("uz", bench.lanes["uz"].opened(5))
    await bench.feed("kz", bench.lanes["kz"].opened(5))
    bench.broker.hold()
    await bench.start()
    async with asyncio.timeout(PROMPT_S):
        while not bench.broker.writes:
            await asyncio.sleep(0.002)
    await bench.end()
    assert await bench.hq.store.unpublished(CENTERS)
    bench.broker.release()
    await bench.start()
    await bench.settle()
    await bench.agrees()


async def test_commit_whose_process_died_before_it_was_told_is_published_by_the_next(bench: Bench) -> None:
    """What `offer` never heard of is in SQL behind the cursor."""
    await bench.start()
    await bench.feed("uz", bench.lanes["uz"].opened(2))
    await bench.feed("uz", bench.lanes["uz"].offers(2, first=9), told=False)
    await bench.feed("uz", bench.lanes["uz"].offers(1, first=15))
    await bench.settle()
    await bench.agrees()


async def test_link_that_is_cut_holds_up_no_commit_and_everything_follows_when_it_is_mended(bench: Bench) -> None:
    """While publishing fails consolidating waits for nothing; what came meanwhile is read from SQL."""
    uz = bench.lanes["uz"]
    publisher = await bench.start()
    await bench.feed("uz", uz.opened(2))
    await bench.settle()
    bench.broker.cut()
    for n in range(5):
        await bench.feed("uz", uz.offers(10, first=100 * n + 100))
        async with asyncio.timeout(PROMPT_S):
            await publisher.room()
        await asyncio.sleep(0.01)
    assert await bench.hq.store.unpublished(CENTERS)
    bench.broker.mend()
    await bench.settle()
    assert bench.deaths == 0
    await bench.agrees()


async def test_topic_that_somebody_deleted_is_made_again_and_nobody_else_waits(bench: Bench) -> None:
    """A center without its `out.` topic holds up no other one, and gets its receipts when there is one again."""
    await bench.start()
    await bench.feed("uz", bench.lanes["uz"].opened(2))
    await bench.settle()
    bench.broker.delete_topic("out.uz")
    with capture_logs() as logs:
        await bench.feed("uz", bench.lanes["uz"].offers(2, first=9))
        await bench.feed("kz", bench.lanes["kz"].opened(3))
        await bench.settle()
    assert ["out.uz"] in [entry["topics"] for entry in logs if entry["event"] == "topics_made_again"]
    found, expected = heard(bench.broker, CENTERS), await ledgered(bench.hq.store, CENTERS)
    assert found["receipts"] == expected["receipts"] | {"uz": expected["receipts"]["uz"][1:]}
    assert (found["events"], found["states"]) == (expected["events"], expected["states"])


async def test_states_of_a_lane_taken_over_go_out_once_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state of the last owner's that arrives late is not the last one: the newest follows it."""
    await bench.feed("uz", bench.lanes["uz"].opened(2))
    bench.states_s = 0.1
    await bench.start()
    await bench.settle()
    partition = next(n for n in range(8) if bench.broker.records("state.offer", n))

    def sent() -> list[tuple[bytes | None, bytes | None]]:
        return [(record.key, record.value) for record in bench.broker.records("state.offer", partition)]

    async with asyncio.timeout(PROMPT_S):
        while len(sent()) < 2 * len(set(sent())):
            await asyncio.sleep(0.01)
    half = len(sent()) // 2
    assert sent()[half:] == sent()[:half]
    await bench.agrees()


async def test_hq_lane_that_grows_is_published_when_it_is_looked_at(bench: Bench) -> None:
    """No fetch tells of what HQ itself says: `look` does."""
    publisher = await bench.start()
    await bench.settle()
    await bench.hq.register(Center("by"))
    publisher.look(HQ)
    await bench.settle()
    await bench.agrees()


async def test_clock_that_is_off_the_brokers_ends_the_process(bench: Bench) -> None:
    """Times that HQ signs would be wrong: nothing more goes out until the clock is set."""
    bench.clock = datetime.now(UTC) + timedelta(minutes=6)
    await bench.feed("uz", bench.lanes["uz"].opened(2))
    await bench.start()
    assert bench.running is not None
    with pytest.raises(Fatal, match=r"s ahead of the broker's .*: set the one that is wrong"):
        await asyncio.wait_for(bench.running, PROMPT_S)
    bench.running = None


async def test_record_that_is_larger_than_a_batch_goes_out_by_itself(bench: Bench) -> None:
    """Between its neighbours, in its place."""
    publisher = await bench.start()
    await bench.settle()
    large = b"n" * 920_000
    for note in (b"before", large, b"after"):
        publisher.answer("uz", "resend", note)
    async with asyncio.timeout(PROMPT_S):
        while len(bench.broker.records("out.uz")) < 3:
            await asyncio.sleep(0.002)
    assert [record.value for record in bench.broker.records("out.uz")] == [b"before", large, b"after"]


async def test_publisher_that_is_off_sends_nothing(bench: Bench) -> None:
    """What only measures the rest leaves every cursor where it is."""
    off = Publisher(bench.store, at(bench.broker), STATE_FORMS, enabled=False)
    running = asyncio.create_task(off.run())
    off.offer(publications(await bench.hq.feed("uz", bench.lanes["uz"].opened(2))))
    await off.room()
    await asyncio.sleep(0.05)
    assert (running.done(), bench.broker.writes, len(await bench.hq.store.unpublished(["uz"]))) == (False, 0, 1)
    running.cancel()
    await asyncio.wait([running])
