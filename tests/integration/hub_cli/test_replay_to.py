"""`hub replay to TOPIC` on real Kafka: what arrives, what is refused, going on after a stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from hub.broker.embedded import EmbeddedKafka
from hub.kafka.topics import TopicSpec, describe_topics, ensure_topics
from hub.protocol.record import SEAL_HEADER, canonical
from hub.protocol.tree import leaf_hash
from hub.replay.source import Ledger
from tests.support.lived import lived

pytestmark = pytest.mark.integration
DEADLINE_S = 60.0


async def made(folder: Path) -> Path:
    await (await lived(folder)).hq.store.close()
    return folder


async def replay(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the command as its own process; return status, output, errors."""
    process = await _start(folder, *arguments)
    out, err = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    return process.returncode or 0, out.decode(), err.decode()


async def _start(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub.cli.main", "--data-dir", str(folder), "replay", "to", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def records(bootstrap: str, topic: str, partition: int = 0) -> list[Any]:
    """Return every record of a partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        where = TopicPartition(topic, partition)
        consumer.assign([where])
        end = (await consumer.end_offsets([where]))[where]
        consumer.seek(where, (await consumer.beginning_offsets([where]))[where])
        found: list[Any] = []
        async with asyncio.timeout(DEADLINE_S):
            while await consumer.position(where) < end:
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    found += batch
        return found
    finally:
        await consumer.stop()


def places(found: list[Any]) -> list[tuple[str, int]]:
    headers = [dict(record.headers) for record in found]
    return [(h["ce_source"].decode(), int(h["ce_sequence"])) for h in headers]


def recorded(folder: Path) -> dict[bytes, tuple[str, int]]:
    """Return what the ledger has of both centers: digest → center and sequence."""
    with Ledger.open(folder / "hub.sqlite3") as ledger:
        return {
            event.digest: (f"/centers/{lane.center}", event.sequence)
            for lane in ledger.lanes
            for event in ledger.events(lane.id, 1, lane.size)
        }


async def test_original_bytes_arrive_in_the_order_of_recording(
    tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str
) -> None:
    """A new topic is made; every record has its digest still; a second run is refused, or appends."""
    folder, topic = await made(tmp_path), f"{topic_prefix}.sandbox"
    arguments = [topic, "--bootstrap", kafka.bootstrap, "--all", "--center", "uz", "--center", "kz"]
    status, out, err = await replay(folder, *arguments)
    assert (status, err) == (0, "")
    assert f"{topic}: 13 events, hub.example/uz/0000aaaa:1 to hub.example/uz/0000cccc:2" in out
    found = await records(kafka.bootstrap, topic)
    known = recorded(folder)
    assert [known[leaf_hash(canonical(r.headers, r.value))] for r in found] == places(found)
    headers = [dict(record.headers) for record in found]
    assert [h["cohub-verdict"] for h in headers].count(b"ACCEPTED") == 11
    assert all(h["cohub-replay"].startswith(b"hub.example 20") for h in headers)
    assert [h["cohub-recorded-at"] for h in headers] == sorted(h["cohub-recorded-at"] for h in headers)
    assert sum(SEAL_HEADER in h for h in headers) == 8
    assert [record.key for record in found[:2]] == [b"uz:0000aaaa", b"uz:K-1"]

    status, _, err = await replay(folder, *arguments)
    assert (status, "--append adds to them" in err) == (2, True)
    after = ["--after", "uz/0000aaaa:6", "--append"]
    assert (await replay(folder, *arguments, *after))[0] == 0
    assert places(await records(kafka.bootstrap, topic))[13:] == places(found)[8:]


async def test_topic_with_others_records_and_live_ones_are_refused(
    tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str
) -> None:
    """Nothing is written to a topic that somebody uses, appended or not; nor is a live topic made."""
    folder, topic = await made(tmp_path), f"{topic_prefix}.used"
    await ensure_topics(kafka.cluster, [TopicSpec(topic, 2)])
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await producer.start()
    await producer.send_and_wait(topic, b"mine", partition=1)
    await producer.stop()
    for more in ([], ["--append"]):
        status, _, err = await replay(folder, topic, "--bootstrap", kafka.bootstrap, *more)
        assert (status, "no replay wrote (partition 1, offset 0)" in err) == (2, True)
    assert len(await records(kafka.bootstrap, topic, 1)) == 1
    assert await records(kafka.bootstrap, topic, 0) == []
    live = f"in.{topic_prefix}"
    status, _, err = await replay(folder, live, "--bootstrap", kafka.bootstrap)
    assert (status, "live topic" in err) == (2, True)
    assert await describe_topics(kafka.cluster, [live]) == {}


@pytest.mark.long
async def test_stopped_replay_says_where_to_go_on_and_nothing_comes_twice(
    tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str
) -> None:
    """At a speed that would take hours it is stopped in a pause; the rest follows, and all of it is there once."""
    folder, topic = await made(tmp_path), f"{topic_prefix}.slow"
    arguments = [topic, "--bootstrap", kafka.bootstrap, "--center", "uz", "--all"]
    process = await _start(folder, *arguments, "--speed", "24")
    try:
        async with asyncio.timeout(DEADLINE_S):
            while topic not in await describe_topics(kafka.cluster, [topic]):
                await asyncio.sleep(0.1)
            while len(await records(kafka.bootstrap, topic)) < 3:
                await asyncio.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 1
    assert "stopped; go on with --after hub.example/uz/0000aaaa:3 --append" in err.decode()
    status, _, _ = await replay(folder, *arguments, "--after", "hub.example/uz/0000aaaa:3", "--append")
    assert status == 0
    found = await records(kafka.bootstrap, topic)
    assert [sequence for _, sequence in places(found)] == [1, 2, 3, 4, 5, 6, 1, 2]
