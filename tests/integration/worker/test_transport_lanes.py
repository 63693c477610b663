"""The transport on real Kafka: how lanes change hands, and how new ones are found."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from hub.protocol.topics import topic_in
from hub.worker.app import App
from tests.support.transport import MemoryIntakes, Positions, Site, until

pytestmark = pytest.mark.integration


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
