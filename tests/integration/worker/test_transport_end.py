"""The transport on real Kafka: what ends it, and what does not."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from hub.broker.embedded import EmbeddedKafka
from hub.kafka.cluster import Cluster
from hub.protocol.errors import Fatal, Retriable
from hub.protocol.topics import topic_in
from hub.worker.app import ReaderSettings, create_app
from hub.worker.supervision import consume
from hub.worker.transport import FETCH_WAIT_MAX_MS
from tests.support.transport import DEADLINE_S, STOP_S, MemoryIntakes, Positions, Site, until

pytestmark = pytest.mark.integration


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
        fetcher = app.consumer._thread._ensure_consumer()._fetcher
        # For moments it is less: while a row is asked for beside a lane of which much was fetched.
        await until(lambda: fetcher._fetch_max_wait_ms == FETCH_WAIT_MAX_MS, running)


async def test_broker_gone_and_back_is_read_on(tmp_path: Path) -> None:
    """A reader outlives its broker, goes on where it was when it is back, and stops in time while it is away."""
    kafka = EmbeddedKafka(tmp_path, plain=True)
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
            # `consume` raises when the end takes longer than its deadline.
    finally:
        await kafka.stop()


async def test_no_broker_is_said_in_words(unused_tcp_port: int) -> None:
    """A wrong address ends the reader with a sentence that names it."""
    address = f"127.0.0.1:{unused_tcp_port}"
    app = create_app(ReaderSettings(cluster=Cluster.at(address)), MemoryIntakes(Positions()), ["uz"])
    with pytest.raises(Fatal, match=f"{address}: nobody listens there"):
        await consume(app, stop=asyncio.Event(), stall_s=60.0, deadline_s=STOP_S)


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


async def test_who_asks_for_lag_after_the_end_is_told_so(site: Site, uz: str) -> None:
    """The watchdog may look once more while the reading side has ended and its worker has not."""
    await site.make(uz)
    async with site.reader(MemoryIntakes(Positions()), uz) as (app, running):
        await until(lambda: app.lanes.centers == [uz], running)
        assert await app.lanes.behind([uz]) == set()
    with pytest.raises(Retriable, match="has ended"):
        await app.lanes.behind([uz])


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
    async def ready(self, records, before=()): pass
    async def handle(self, center, records):
        print("handle", len(records), flush=True)
        if records[-1].value == b"fail":
            raise RuntimeError("the engine's shell failed")
async def main():
    bootstrap, group, center, instance = sys.argv[1:]
    at = Cluster.at(bootstrap)
    settings = ReaderSettings(cluster=at, group=group, instance=instance or None, session_s=60.0)
    app = create_app(settings, Intakes(), [center])
    await consume(app, stop=asyncio.Event(), stall_s=60.0, deadline_s=8.0)
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
    process = await start_worker(site, uz, "one")
    async with asyncio.timeout(DEADLINE_S):
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"the engine's shell failed" in errors


async def test_killed_worker_of_the_same_instance_has_its_lanes_back_at_once(site: Site, uz: str) -> None:
    """After `kill -9` a hub of one worker need not wait until the group has noticed, which takes a minute here."""
    await site.make(uz)
    await site.write(uz, 1)
    process = await start_worker(site, uz, "one")
    await line(process, "handle")
    process.kill()
    await process.wait()
    process = await start_worker(site, uz, "one")
    try:
        await line(process, "handle")  # within half of that minute
    finally:
        process.kill()
        await process.wait()
