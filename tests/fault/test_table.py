"""The table of faults: what each part loses, or does though its caller saw an error, and how the whole heals.

Real broker, real worker, real connectors; each test ends with the checker over everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hub.hq.folder import HubFolder
from hub.kafka.topics import delete_topic, ensure_topics, standard_topics
from hub.worker.service import WorkerSettings, run_worker
from tests.support.network import Network

pytestmark = [pytest.mark.fault, pytest.mark.integration]

CENTERS = ("uz", "kz")


@contextlib.asynccontextmanager
async def network_of(folder: Path, **settings: Any) -> AsyncIterator[Network]:
    """Yield a network of two offices with rows in their sheets; only its broker runs."""
    network = await Network.set_up(folder, CENTERS, **settings)
    try:
        rng = Random(3)
        for office in network.offices:
            office.sheet.add(rng, 30)
            office.sheet.save()
        yield network
    finally:
        network.kill()


async def settle(network: Network, name: str) -> None:
    """Return once what the sheets say now is decided, receipted and published; everything runs then."""
    for office in network.offices:
        office.mark(name)
    network.start()
    await network.until(lambda: all(office.is_settled() for office in network.offices), 60)
    await network.until(network.is_published, 30)


def edit(network: Network, seed: int) -> None:
    """Change every sheet a little; it is saved with the next marker."""
    rng = Random(seed)
    for office in network.offices:
        office.sheet.edit(rng)
        office.sheet.edit(rng)


async def until(seen: Callable[[], object], deadline_s: float = 30.0) -> None:
    """Return once `seen`, starting nothing. Errors: TimeoutError."""
    async with asyncio.timeout(deadline_s):
        while not seen():
            await asyncio.sleep(0.05)


def keep(file: Path, copy: Path) -> None:
    """Copy a database, with what still stands in its WAL."""
    with contextlib.closing(sqlite3.connect(file)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def restore(copy: Path, file: Path) -> None:
    """Put a copy in a database's place, as a backup's owner does: nothing of the newer one stays."""
    for part in file.parent.glob(f"{file.name}*"):
        part.unlink()
    shutil.copy(copy, file)


async def make_again(network: Network, topic: str) -> None:
    """Delete a topic with all that is in it and make it anew, empty."""
    await delete_topic(network.hub.cluster, topic)
    specs = [spec for spec in standard_topics(CENTERS, []) if spec.name == topic]
    async with asyncio.timeout(30):
        while not await ensure_topics(network.hub.cluster, specs):
            await asyncio.sleep(0.1)


@pytest.mark.long
async def test_worker_that_died_between_commit_and_publishing_publishes_after_its_restart(tmp_path: Path) -> None:
    """Committed and not published: the cursor in SQL says so to whoever comes next."""
    async with network_of(tmp_path) as network:
        network.worker.start()
        await until(network.is_published)  # what HQ itself says: centers wait for the schemas that it announces
        assert await network.worker.stop() == 0
        for office in network.offices:
            office.mark()
            office.connector.start()
        stop = asyncio.Event()
        mute = WorkerSettings(data_dir=network.hub.data_dir, cluster=network.hub.cluster, publish=False)
        worker = asyncio.create_task(run_worker(mute, stop))
        sent = "SELECT count(*) FROM ledger WHERE subject LIKE '%:END' AND code = 'ACCEPTED'"
        await until(lambda: worker.done() or network.ask(sent) == len(CENTERS))
        stop.set()
        await worker
        assert (
            network.ask("SELECT coalesce(max(upto), 0) FROM published JOIN lane ON id = lane_id WHERE center <> 'hq'")
            == 0
        )
        network.start()
        await network.settle()
        assert await network.check() == []


@pytest.mark.long
async def test_receipts_that_are_lost_with_their_topic_are_told_again_as_they_were_stored(tmp_path: Path) -> None:
    """A center that never saw its receipts sends again; HQ decides nothing twice and answers with the same bytes."""
    async with network_of(tmp_path) as network:
        await settle(network, "END")
        edit(network, 1)
        for office in network.offices:
            office.mark("LATER")
        later = "SELECT count(*) FROM ledger WHERE subject LIKE '%:LATER' AND code = 'ACCEPTED'"
        await until(lambda: network.ask(later) == len(CENTERS))
        for office in network.offices:
            office.connector.kill()
        await until(network.is_published)
        size = network.size()
        for center in CENTERS:
            await make_again(network, f"out.{center}")
        edit(network, 2)
        await settle(network, "LAST")
        assert network.size() > size
        found = await network.check()
        assert {f.what for f in found} <= {"RECEIPTS_OUT"}, (
            found
        )  # older ones went with the topic; the centers hold them


@pytest.mark.parametrize("topics_too", [False, True], ids=["its Kafka is whole", "its Kafka is lost too"])
@pytest.mark.long
async def test_hub_that_went_back_to_an_old_database_comes_to_the_same_again(tmp_path: Path, topics_too: bool) -> None:
    """HQ reads on from where the copy stood; what Kafka has no more, the centers send again, receipted or not."""
    async with network_of(tmp_path) as network:
        await settle(network, "END")
        assert await network.worker.stop() == 0
        keep(HubFolder(network.hub.data_dir).database, tmp_path / "old.sqlite3")
        edit(network, 1)
        await settle(network, "LATER")
        size = network.size()
        assert await network.worker.stop() == 0
        restore(tmp_path / "old.sqlite3", HubFolder(network.hub.data_dir).database)
        if topics_too:
            for center in CENTERS:
                await make_again(network, f"in.{center}")
        assert network.size() < size
        edit(network, 2)
        await settle(network, "LAST")
        assert network.size() > size
        # The receipts of what was decided twice bear two times: the center keeps the first, HQ has the second. And the
        # notary has met a checkpoint that HQ's log has no more.
        found = await network.check()
        assert {f.what for f in found} <= {"RECEIPT_HELD", "RECEIPT_STRAY", "RECEIPTS_OUT", "CHECKPOINT_ROOT"}, found
        rolled_back = [f for f in found if f.what == "CHECKPOINT_ROOT"]
        assert all("it was rolled back" in f.detail or "another root" in f.detail for f in rolled_back), rolled_back


@pytest.mark.long
async def test_topic_that_is_deleted_under_a_running_hub_and_made_again_goes_on(tmp_path: Path) -> None:
    """Offsets begin again, sequences go on; what was in flight is asked for and sent again."""
    async with network_of(tmp_path) as network:
        await settle(network, "END")
        for center in CENTERS:
            await make_again(network, f"in.{center}")
        edit(network, 1)
        await settle(network, "LATER")
        assert await network.check() == []


@pytest.mark.long
async def test_outbox_that_went_back_to_an_old_copy_goes_on_in_a_new_lane(tmp_path: Path) -> None:
    """A restored outbox continues what HQ has; HQ closes the old lane, no event counts twice, every row comes true.

    Also those rows that were changed, told, and changed back: the copy believes that HQ has them as they are.
    """
    async with network_of(tmp_path) as network:
        await settle(network, "END")
        office = network.offices[0]
        assert await office.connector.stop() == 0
        keep(office.outbox, tmp_path / "old.sqlite3")
        before = {k: r for k, r in office.sheet.rows.items() if not (r.refused or r.rejected)}
        edit(network, 1)
        for key, row in before.items():
            office.sheet.put(key, replace(row, title=f"{row.title}, changed"))
        await settle(network, "LATER")
        assert await office.connector.stop() == 0
        restore(tmp_path / "old.sqlite3", office.outbox)
        edit(network, 2)
        for key, row in list(before.items())[:8]:
            office.sheet.put(key, row)
        await settle(network, "LAST")
        lanes = network.ask("SELECT json_group_array(missing) FROM lane WHERE center = 'uz'")
        assert lanes == "[0,0]"
        found = await network.check()
        assert {f.what for f in found} <= {"UNSAID"}, found  # the copy knows nothing of what came after it


@pytest.mark.long
async def test_two_workers_that_overtake_each_other_write_every_lane_once(tmp_path: Path) -> None:
    """A second worker by mistake: lanes change hands, also by a kill, and the owner's term keeps them whole."""
    async with network_of(tmp_path) as network:
        await settle(network, "END")
        second = network.another_worker()
        for number in range(4):
            edit(network, number)
            if number % 2:
                network.worker.kill()
            second.start()
            await settle(network, f"END-{number}")
        assert await second.stop() == 0
        assert await network.check() == []
