"""The transport on real Kafka: where reading starts, what a seek throws away, how lanes change hands, what ends it."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from hub.broker.embedded import EmbeddedKafka
from hub.kafka.cluster import Cluster
from hub.protocol.errors import Fatal
from hub.protocol.topics import topic_in
from hub.worker.app import App, ReaderSettings, create_app
from hub.worker.lanes import Lanes
from hub.worker.ports import LaneHandle
from hub.worker.supervision import consume
from hub.worker.transport import FETCH_WAIT_MAX_MS

pytestmark = pytest.mark.integration
DEADLINE_S = 30.0


class Positions:
    """What the workers of one hub share, as they share SQL: the next offset of each lane, and who holds it."""

    def __init__(self, **next_offsets: int | None) -> None:
        self.next: dict[str, int | None] = dict(next_offsets)
        self.owner: dict[str, str] = {}


class MemoryIntakes:
    """Intakes over `Positions`: they take what comes and remember it."""

    def __init__(self, positions: Positions, name: str = "a") -> None:
        self.positions = positions
        self.name = name
        self.journal: list[tuple[str, str]] = []
        self.fetched: list[tuple[str, list[int]]] = []
        self.on_fetched: Callable[[str, Sequence[ConsumerRecord]], Awaitable[None]] | None = None

    def attach(self, reader: LaneHandle) -> None:
        assert isinstance(reader, Lanes)
        self.reader = reader

    async def assign(self, centers: Sequence[str]) -> dict[str, int | None]:
        for center in centers:
            assert center not in self.positions.owner, "assigned to two workers"
            self.positions.owner[center] = self.name
            self.journal.append(("assign", center))
        return {center: self.positions.next.get(center) for center in centers}

    async def revoke(self, centers: Sequence[str]) -> None:
        for center in centers:
            assert self.positions.owner.pop(center) == self.name
            self.journal.append(("revoke", center))

    async def handle(self, center: str, records: Sequence[ConsumerRecord]) -> None:
        assert self.positions.owner[center] == self.name
        self.fetched.append((center, [record.offset for record in records]))
        self.positions.next[center] = records[-1].offset + 1
        if self.on_fetched:
            await self.on_fetched(center, records)

    def offsets(self, center: str) -> list[int]:
        return [offset for of, offsets in self.fetched if of == center for offset in offsets]


async def until(condition: Callable[[], bool], running: asyncio.Task[None] | None = None) -> None:
    """Wait for a condition; what ended the reader in the meantime is raised."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            if running is not None and running.done():
                running.result()
            await asyncio.sleep(0.01)


class Site:
    """A broker's topics and what is written to them."""

    def __init__(self, kafka: EmbeddedKafka, prefix: str) -> None:
        self.bootstrap = kafka.bootstrap
        self.group = f"{prefix}-workers"

    async def make(self, *centers: str) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(topic_in(center), 1, 1) for center in centers])
        finally:
            await admin.close()

    async def remove(self, *centers: str) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.delete_topics([topic_in(center) for center in centers])
        finally:
            await admin.close()

    async def write(self, center: str, records: int, size: int = 10) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        await producer.start()
        try:
            sent = [await producer.send(topic_in(center), b"x" * size) for _ in range(records)]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    def settings(self, instance: str | None = None) -> ReaderSettings:
        return ReaderSettings(cluster=Cluster.at(self.bootstrap), group=self.group, instance=instance)

    @asynccontextmanager
    async def reader(self, intakes: MemoryIntakes, *centers: str) -> AsyncIterator[tuple[App, asyncio.Task[None]]]:
        app = create_app(self.settings(), intakes, centers)
        stop = asyncio.Event()
        running = asyncio.create_task(consume(app, stop=stop, stall_s=60.0))
        try:
            yield app, running
        finally:
            stop.set()
            await asyncio.wait([running])
        running.result()


@pytest.fixture
def site(kafka: EmbeddedKafka, topic_prefix: str) -> Site:
    return Site(kafka, topic_prefix)


@pytest.fixture
def uz(topic_prefix: str) -> str:
    return f"{topic_prefix}-uz"


@pytest.fixture
def kz(topic_prefix: str) -> str:
    return f"{topic_prefix}-kz"


async def test_start_reads_from_the_position_of_the_intakes(site: Site, uz: str, kz: str) -> None:
    """The position in SQL counts, whatever offset is committed in Kafka; without one, the earliest record."""
    await site.make(uz, kz)
    await site.write(uz, 10)
    await site.write(kz, 4)
    consumer = AIOKafkaConsumer(bootstrap_servers=site.bootstrap, group_id=site.group, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(topic_in(uz), 0), TopicPartition(topic_in(kz), 0)])
    await consumer.commit({TopicPartition(topic_in(uz), 0): OffsetAndMetadata(7, "")})
    await consumer.commit({TopicPartition(topic_in(kz), 0): OffsetAndMetadata(2, "")})
    await consumer.stop()

    intakes = MemoryIntakes(Positions(**{uz: 3}))
    async with site.reader(intakes, uz, kz) as (_, running):
        await until(lambda: len(intakes.offsets(uz)) == 7 and len(intakes.offsets(kz)) == 4, running)
    assert intakes.offsets(uz) == [3, 4, 5, 6, 7, 8, 9]
    assert intakes.offsets(kz) == [0, 1, 2, 3]
    assert [what for what, _ in intakes.journal] == ["assign", "assign", "revoke", "revoke"]


async def test_start_beyond_the_end_reads_from_the_earliest(site: Site, uz: str) -> None:
    """A topic that was made again is read from its beginning: sequences judge, not offsets."""
    await site.make(uz)
    await site.write(uz, 3)
    intakes = MemoryIntakes(Positions(**{uz: 1000}))
    async with site.reader(intakes, uz) as (_, running):
        await until(lambda: len(intakes.offsets(uz)) == 3, running)
    assert intakes.offsets(uz) == [0, 1, 2]


async def test_topic_deleted_and_made_again_is_read_on(site: Site, uz: str) -> None:
    """A worker goes on with the new topic by itself, though its offsets start again at 0."""
    await site.make(uz)
    await site.write(uz, 5)
    intakes = MemoryIntakes(Positions())
    async with site.reader(intakes, uz) as (_, running):
        await until(lambda: len(intakes.offsets(uz)) == 5, running)
        await site.remove(uz)
        intakes.positions.next[uz] = None
        await site.make(uz)
        await site.write(uz, 2)
        await until(lambda: len(intakes.offsets(uz)) == 7, running)
    assert intakes.offsets(uz) == [0, 1, 2, 3, 4, 0, 1]


async def test_start_without_a_position_begins_where_the_log_does(site: Site, uz: str) -> None:
    """Retention has cut the log's beginning off: the earliest record is not that of offset 0."""
    await site.make(uz)
    await site.write(uz, 5)
    admin = AIOKafkaAdminClient(bootstrap_servers=site.bootstrap)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic_in(uz), 0): RecordsToDelete(before_offset=3)})
    finally:
        await admin.close()
    intakes = MemoryIntakes(Positions())
    async with site.reader(intakes, uz) as (_, running):
        await until(lambda: len(intakes.offsets(uz)) == 2, running)
    assert intakes.offsets(uz) == [3, 4]


async def test_topic_deleted_at_its_assignment_holds_up_nobody(site: Site, uz: str, kz: str) -> None:
    """The other lanes are read, and the reader stops at once."""
    await site.make(uz, kz)
    await site.write(kz, 3)

    class Late(MemoryIntakes):
        async def assign(self, centers: Sequence[str]) -> dict[str, int | None]:
            if uz in centers and not self.journal:
                await site.remove(uz)
            return await super().assign(centers)

    intakes = Late(Positions())
    async with site.reader(intakes, uz, kz) as (_, running), asyncio.timeout(15):
        await until(lambda: len(intakes.offsets(kz)) == 3, running)
    assert not intakes.offsets(uz)


async def test_seek_discards_what_was_fetched_before(site: Site, uz: str) -> None:
    """After a seek inside `handle` the next fetch starts there, though later ones had been fetched already."""
    await site.make(uz)
    await site.write(uz, 6000, size=700)
    intakes = MemoryIntakes(Positions())
    back_to = 5

    async def rewind_once(center: str, records: Sequence[ConsumerRecord]) -> None:
        if len(intakes.fetched) == 1:
            # Wait until more was fetched, and is buffered, than what is in hand.
            await until(lambda: intakes.reader._records_ahead > len(records) + 100)
            await intakes.reader.seek(center, back_to)

    intakes.on_fetched = rewind_once
    async with site.reader(intakes, uz) as (_, running):
        await until(lambda: len(intakes.fetched) > 1 and intakes.fetched[-1][1][-1] == 5999, running)
    (_, first), *rest = intakes.fetched
    assert first[0] == 0
    assert [offset for _, offsets in rest for offset in offsets] == list(range(back_to, 6000))


async def test_seek_to_the_earliest_and_forward(site: Site, uz: str) -> None:
    """A lane can be read again from its first record, and moved forward."""
    await site.make(uz)
    await site.write(uz, 4)
    intakes = MemoryIntakes(Positions())
    async with site.reader(intakes, uz) as (_, running):
        await until(lambda: len(intakes.offsets(uz)) == 4, running)
        await intakes.reader.seek(uz, None)
        await until(lambda: len(intakes.offsets(uz)) == 8, running)
        await intakes.reader.seek(uz, 6)
        await site.write(uz, 3)
        await until(lambda: len(intakes.offsets(uz)) >= 9, running)
    assert intakes.offsets(uz)[:9] == [0, 1, 2, 3, 0, 1, 2, 3, 6]


async def test_paused_lane_waits_while_others_are_read(site: Site, uz: str, kz: str) -> None:
    """A pause holds one lane back, and a resumption is noticed at once."""
    await site.make(uz, kz)
    intakes = MemoryIntakes(Positions())
    async with site.reader(intakes, uz, kz) as (_, running):
        await until(lambda: len(intakes.reader.centers) == 2, running)
        intakes.reader.pause(uz)
        await site.write(kz, 1)  # lets the poll end that was under way before the pause
        await until(lambda: len(intakes.offsets(kz)) == 1, running)
        await site.write(uz, 3)
        await site.write(kz, 2)
        await until(lambda: len(intakes.offsets(kz)) == 3, running)
        assert intakes.offsets(uz) == []
        intakes.reader.resume(uz)
        started = time.monotonic()
        await until(lambda: len(intakes.offsets(uz)) == 3, running)
        assert time.monotonic() - started < 1.0


async def test_second_worker_takes_lanes_over_and_gives_them_back(site: Site, topic_prefix: str) -> None:
    """Two workers share the lanes; each record is handled once; a lane never has two owners."""
    centers = [f"{topic_prefix}-{number}" for number in range(6)]
    await site.make(*centers)
    positions = Positions()
    first, second = MemoryIntakes(positions, "first"), MemoryIntakes(positions, "second")

    async def write_all() -> None:
        for center in centers:
            await site.write(center, 5)

    def handled() -> int:
        return sum(len(intakes.offsets(center)) for intakes in (first, second) for center in centers)

    async with site.reader(first, *centers) as (_, running):
        await write_all()
        await until(lambda: handled() == 30, running)
        async with site.reader(second, *centers) as (_, running_too):
            await until(lambda: set(positions.owner.values()) == {"first", "second"}, running_too)
            await write_all()
            await until(lambda: handled() == 60, running)
            assert second.fetched
        await until(lambda: set(positions.owner.values()) == {"first"} and len(positions.owner) == 6, running)
        await write_all()
        await until(lambda: handled() == 90, running)
    for center in centers:
        assert sorted(first.offsets(center) + second.offsets(center)) == list(range(15))


async def test_any_sequence_of_rebalances_skips_and_repeats_nothing(site: Site, topic_prefix: str) -> None:
    """Workers come and go and centers are added while records flow: every lane is handled without a hole, once."""
    seed = secrets.randbits(32)
    chance = random.Random(seed)
    centers = [f"{topic_prefix}-{number}" for number in range(9)]
    await site.make(*centers)
    known, positions = centers[:6], Positions()
    sent = dict.fromkeys(centers, 0)
    holes: list[tuple[str, int, int]] = []
    enough = asyncio.Event()

    class Intakes(MemoryIntakes):
        async def handle(self, center: str, records: Sequence[ConsumerRecord]) -> None:
            await asyncio.sleep(chance.random() / 50)
            expected = self.positions.next.get(center) or 0
            if records[0].offset != expected:
                holes.append((center, expected, records[0].offset))
            await super().handle(center, records)

    async def write() -> None:
        async with AIOKafkaProducer(bootstrap_servers=site.bootstrap) as producer:
            while not enough.is_set():
                center = chance.choice(known)
                await asyncio.gather(*[await producer.send(topic_in(center), b"x" * 300) for _ in range(100)])
                sent[center] += 100
                await asyncio.sleep(0.01)

    async with AsyncExitStack() as last, asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(write())
        apps: list[App] = []
        stacks: list[AsyncExitStack] = [last]
        running: list[asyncio.Task[None]] = []
        for step in range(14):
            if step % 5 == 4:
                known.append(centers[len(known)]) if len(known) < len(centers) else None
                await asyncio.gather(*(app.add_centers(known) for app in apps))
            elif len(stacks) < 4 and (step % 2 == 0 or len(stacks) == 1):
                stack = stacks[0] if not apps else AsyncExitStack()
                app, task = await stack.enter_async_context(site.reader(Intakes(positions, f"w{step}"), *known))
                apps.append(app)
                running.append(task)
                if stack is not last:
                    stacks.append(stack)
            elif len(stacks) > 1:
                apps.pop()
                running.pop()
                await stacks.pop().aclose()
            await asyncio.sleep(chance.random())
        enough.set()
        await writing
        await until(lambda: all((positions.next.get(center) or 0) == sent[center] for center in known), running[0])
        while len(stacks) > 1:
            await stacks.pop().aclose()
    assert holes == [], f"seed {seed}"


@pytest.mark.parametrize("topic_first", [True, False])
async def test_center_added_while_running_is_read(site: Site, uz: str, kz: str, topic_first: bool) -> None:
    """A new center is read within 30 s without a human, also if its topic is made after it was added."""
    await site.make(uz)
    await site.write(uz, 2)
    intakes = MemoryIntakes(Positions())
    async with site.reader(intakes, uz) as (app, running):
        await until(lambda: len(intakes.offsets(uz)) == 2, running)
        if topic_first:
            await site.make(kz)
        await app.add_centers([kz])
        await app.add_centers([kz, uz])
        if not topic_first:
            await until(lambda: intakes.reader.centers == [uz], running)
            await site.make(kz)
        await site.write(kz, 3)
        await until(lambda: len(intakes.offsets(kz)) == 3, running)
        await site.write(uz, 1)
        await until(lambda: len(intakes.offsets(uz)) == 3, running)
    assert intakes.offsets(uz) == [0, 1, 2]


async def test_hub_without_centers_waits_for_its_first(site: Site, uz: str) -> None:
    """A hub that was just set up has no lane to read, and begins when it gets one."""
    intakes = MemoryIntakes(Positions())
    async with site.reader(intakes) as (app, running):
        await app.add_centers([])
        await site.make(uz)
        await site.write(uz, 1)
        await app.add_centers([uz])
        await until(lambda: intakes.offsets(uz) == [0], running)


async def test_exception_in_handle_ends_the_reader(site: Site, uz: str) -> None:
    """What the Intakes raise comes out of `consume`, and nothing further is handled."""
    await site.make(uz)
    await site.write(uz, 2)
    intakes = MemoryIntakes(Positions())

    async def fail(center: str, records: Sequence[ConsumerRecord]) -> None:
        raise ZeroDivisionError(center)

    intakes.on_fetched = fail
    with pytest.raises(ZeroDivisionError):
        async with site.reader(intakes, uz) as (_, running):
            await asyncio.wait([running], timeout=DEADLINE_S)
    assert len(intakes.fetched) == 1
    assert intakes.journal[-1] == ("revoke", uz)


async def test_exception_in_assign_ends_the_reader(site: Site, uz: str) -> None:
    """A worker that cannot claim its lanes stops."""
    await site.make(uz)
    intakes = MemoryIntakes(Positions())
    intakes.positions.owner[uz] = "somebody else"
    with pytest.raises(AssertionError, match="assigned to two workers"):
        async with site.reader(intakes, uz) as (_, running):
            await asyncio.wait([running], timeout=DEADLINE_S)


async def test_dead_background_task_ends_the_reader(site: Site, uz: str) -> None:
    """A task of Faust that dies silently is noticed: without it the worker would sit there and read nothing."""
    await site.make(uz)
    await site.write(uz, 1)
    intakes = MemoryIntakes(Positions())

    async def run_until_the_fetcher_dies() -> None:
        async with site.reader(intakes, uz) as (app, running):
            await until(lambda: intakes.offsets(uz) == [0], running)
            for task in app._fetcher._futures:
                task.cancel()
            await asyncio.wait([running], timeout=DEADLINE_S)

    with pytest.raises(Fatal, match="Fetcher"):
        await run_until_the_fetcher_dies()


async def test_idle_lanes_hold_up_no_other(site: Site, uz: str) -> None:
    """An empty answer is held back by the broker for as long as we say, not for as long as Faust's driver does."""
    await site.make(uz)
    await site.write(uz, 1)
    intakes = MemoryIntakes(Positions())
    async with site.reader(intakes, uz) as (app, running):
        await until(lambda: intakes.offsets(uz) == [0], running)
        assert app.consumer._thread._ensure_consumer()._fetcher._fetch_max_wait_ms == FETCH_WAIT_MAX_MS


async def test_broker_gone_and_back_is_read_on(tmp_path: Path) -> None:
    """A reader outlives its broker, goes on where it was when it is back, and stops in time while it is away."""
    kafka = EmbeddedKafka(tmp_path)
    await kafka.start()
    try:
        site, intakes = Site(kafka, "gone"), MemoryIntakes(Positions())
        await site.make("uz")
        await site.write("uz", 2)
        async with site.reader(intakes, "uz") as (_, running):
            await until(lambda: intakes.offsets("uz") == [0, 1], running)
            await kafka.stop()
            await kafka.start()
            await site.write("uz", 1)
            await until(lambda: intakes.offsets("uz") == [0, 1, 2], running)
            await kafka.stop()
            started = time.monotonic()
        assert time.monotonic() - started < 5.0
    finally:
        await kafka.stop()


async def test_no_broker_is_said_in_words(unused_tcp_port: int) -> None:
    """A wrong address ends the reader with a sentence that names it."""
    address = f"127.0.0.1:{unused_tcp_port}"
    app = create_app(ReaderSettings(cluster=Cluster.at(address)), MemoryIntakes(Positions()), ["uz"])
    with pytest.raises(Fatal, match=f"{address}: nobody listens there"):
        await consume(app, stop=asyncio.Event(), stall_s=60.0)


async def test_hanging_handle_misses_the_deadline_and_says_so(site: Site, uz: str) -> None:
    """Stopping takes as long as its deadline, not as long as what is in hand."""
    await site.make(uz)
    await site.write(uz, 1)
    intakes = MemoryIntakes(Positions())

    async def hang(center: str, records: Sequence[ConsumerRecord]) -> None:
        await asyncio.Event().wait()

    intakes.on_fetched = hang
    app = create_app(site.settings(), intakes, [uz])
    stop = asyncio.Event()
    running = asyncio.create_task(consume(app, stop=stop, stall_s=60.0, deadline_s=1.0))
    await until(lambda: intakes.offsets(uz) == [0], running)
    stop.set()
    with pytest.raises(Fatal, match=r"did not stop within 1\.0 s"):
        await asyncio.wait_for(running, DEADLINE_S)


async def test_fetch_that_is_never_done_with_ends_the_reader(site: Site, uz: str) -> None:
    """A worker that stands still is ended, so that its supervisor can start it again."""
    await site.make(uz)
    await site.write(uz, 1)
    intakes = MemoryIntakes(Positions())

    async def hang(center: str, records: Sequence[ConsumerRecord]) -> None:
        await asyncio.Event().wait()

    intakes.on_fetched = hang
    app = create_app(site.settings(), intakes, [uz])
    with pytest.raises(Fatal, match=f"records of one fetch of {uz}"):
        await consume(app, stop=asyncio.Event(), deadline_s=1.0, stall_s=0.5)


WORKER = """
import asyncio, sys
from hub.kafka.cluster import Cluster
from hub.worker.app import ReaderSettings, create_app
from hub.worker.supervision import consume
class Intakes:
    def attach(self, reader): pass
    async def assign(self, centers): print("assign", flush=True); return dict.fromkeys(centers)
    async def revoke(self, centers): print("revoke", flush=True)
    async def handle(self, center, records):
        print("handle", len(records), flush=True)
        if records[-1].value == b"fail":
            raise RuntimeError("the engine's shell failed")
async def main():
    bootstrap, group, center, instance = sys.argv[1:]
    settings = ReaderSettings(cluster=Cluster.at(bootstrap), group=group, instance=instance or None)
    app = create_app(settings, Intakes(), [center])
    await consume(app, stop=asyncio.Event(), stall_s=60.0)
asyncio.run(main())
"""


async def start_worker(site: Site, center: str, instance: str = "") -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", WORKER, site.bootstrap, site.group, center, instance),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
        env=dict(os.environ),
    )


async def line(process: asyncio.subprocess.Process, starts: str) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        while found := await process.stdout.readline():
            if found.decode().startswith(starts):
                return
    pytest.fail(f"the worker ended: {(await process.communicate())[1].decode()}")


async def test_exception_in_handle_ends_the_process(site: Site, uz: str) -> None:
    """The process exits by itself, loudly, without a hanging thread."""
    await site.make(uz)
    producer = AIOKafkaProducer(bootstrap_servers=site.bootstrap)
    await producer.start()
    await producer.send_and_wait(topic_in(uz), b"fail")
    await producer.stop()
    process = await start_worker(site, uz)
    async with asyncio.timeout(DEADLINE_S):
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"the engine's shell failed" in errors


async def test_killed_worker_of_the_same_instance_has_its_lanes_back_at_once(site: Site, uz: str) -> None:
    """After `kill -9` a hub of one worker need not wait until the group has noticed (6 s)."""
    await site.make(uz)
    await site.write(uz, 1)
    process = await start_worker(site, uz, "one")
    await line(process, "handle")
    process.kill()
    await process.wait()
    started = time.monotonic()
    process = await start_worker(site, uz, "one")
    try:
        await line(process, "handle")
        assert time.monotonic() - started < 5.0
    finally:
        process.kill()
        await process.wait()
