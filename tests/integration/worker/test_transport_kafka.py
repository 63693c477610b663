"""The transport on real Kafka: where reading starts, what a seek throws away, which lanes wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from hub.protocol.topics import topic_in
from hub.worker.transport import FETCH_WAIT_MAX_MS
from tests.support.transport import DEADLINE_S, MemoryIntakes, Positions, Site, until

pytestmark = pytest.mark.integration


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
            await asyncio.sleep(0.05)  # what records take is known then: before, nothing is fetched ahead of them
        if len(intakes.fetched) == 2:
            # Wait until more was fetched, and is buffered, than what is in hand.
            await until(lambda: intakes.reader._records_ahead > len(records) + 100)
            await intakes.reader.seek(center, back_to)

    intakes.on_fetched = rewind_once
    async with site.reader(intakes, uz) as (_, running):
        await until(lambda: len(intakes.fetched) > 2 and intakes.fetched[-1][1][-1] == 5999, running)
    (_, first), _, *rest = intakes.fetched
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


async def test_paused_lane_waits_while_others_are_read(
    site: Site, uz: str, kz: str, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        # With nothing to ask the broker for, a reader that is not woken waits as long as its patience.
        monkeypatch.setattr(intakes.reader, "patience", lambda _: 10 * DEADLINE_S)
        intakes.reader.pause(kz)
        await asyncio.sleep(2 * FETCH_WAIT_MAX_MS / 1000)  # the poll ends that was under way
        intakes.reader.resume(uz)
        await until(lambda: len(intakes.offsets(uz)) == 3, running)
