"""One center's odd bytes on real Kafka: they get a verdict or the quarantine, and stop nobody."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from hub.broker.embedded import EmbeddedKafka
from hub.hq.headquarters import HqEvent
from hub.protocol.errors import Fatal
from hub.protocol.receipt import Receipt
from hub.protocol.record import KafkaRecord
from hub.protocol.verdict import Code
from hub.worker.consolidator import Consolidator
from hub.worker.service import WorkerSettings, run_worker
from tests.support.center import Center, Sent, offer
from tests.support.hq import center_record
from tests.support.peek import is_published, peek
from tests.support.raw import batch, produce_raw, record
from tests.support.worker import Hub, answers, produce

pytestmark = pytest.mark.integration


@pytest.fixture
def hub(tmp_path: Path, kafka: EmbeddedKafka) -> Hub:
    return Hub.make(tmp_path, kafka.bootstrap)


def size(database: Path, center: Center) -> int:
    found = peek(database, "SELECT size FROM lane WHERE origin = ?", center.origin)
    return int(found[0][0]) if found else 0


def quarantined(database: Path, center: Center) -> list[tuple[str, bytes]]:
    rows = peek(database, "SELECT reason, data FROM quarantine WHERE center = ? ORDER BY id", center.id)
    return [(reason, bytes(data)) for reason, data in rows]


def raw(sent: Sent, delta: int = 0) -> bytes:
    headers = [(name.encode("utf-8", "surrogateescape"), content) for name, content in sent.headers]
    return record(sent.key, sent.value, headers, delta=delta)


async def test_header_name_that_is_not_utf8_gets_its_verdict(hub: Hub, topic_prefix: str) -> None:
    """In its place in the lane and under a good seal it is BAD_HEADERS; elsewhere quarantine; the lanes go on."""
    odd, good = Center(f"{topic_prefix}o"), Center(f"{topic_prefix}g")
    await hub.register(odd, good)
    async with hub.running():
        await produce(hub.bootstrap, f"in.{odd.id}", odd.opened(1))
        await hub.until(lambda s: size(s, odd) == 2)
        event = odd.event("net.cohub.offer.published.v1", "ODD", offer()).plus("ce_\udcff", b"x")
        stray = record(b"k", b"v", [(b"\xfe", b"1"), (b"ce_\xff", b"2")])
        await produce_raw(hub.bootstrap, f"in.{odd.id}", batch([stray]))
        await produce_raw(hub.bootstrap, f"in.{odd.id}", batch([raw(odd.sealed(odd.append(event)))]))
        await produce(hub.bootstrap, f"in.{odd.id}", odd.offers(1, first=5))
        await produce(hub.bootstrap, f"in.{good.id}", good.opened(3))
        await hub.until(lambda s: size(s, odd) == 4 and size(s, good) == 4)
        await hub.until(is_published)
    assert quarantined(hub.database, odd) == [("NOT_ATTRIBUTABLE", b"11:4:ce_\xff,1:2,,v")]
    decisions = [d for a in await answers(hub, odd.id) if isinstance(a, Receipt) for d in a.decisions]
    assert [(d.sequence, d.code, d.field) for d in decisions] == [(3, Code.BAD_HEADERS, "ce_\\udcff")]


async def test_unreadable_batch_is_quarantined_as_one_record(hub: Hub, topic_prefix: str) -> None:
    """Of a batch whose compression HQ cannot read its beginning is kept, and what it was; the lanes go on."""
    odd, good = Center(f"{topic_prefix}o"), Center(f"{topic_prefix}g")
    await hub.register(odd, good)
    # The broker stops at the end of the compressed stream, aiokafka does not.
    unreadable = batch([record(b"k", b"v")], codec=1, payload=gzip.compress(record(b"k", b"v")) + b"more")
    async with hub.running():
        await produce_raw(hub.bootstrap, f"in.{odd.id}", unreadable)
        await produce(hub.bootstrap, f"in.{odd.id}", odd.opened(1))
        await produce(hub.bootstrap, f"in.{good.id}", good.opened(3))
        await hub.until(lambda s: size(s, odd) == 2 and size(s, good) == 4)
    ((reason, data),) = quarantined(hub.database, odd)
    assert reason == "UNREADABLE_BATCH"
    assert data.endswith(unreadable[61:])  # the batch's header holds what the broker wrote there


async def test_timestamp_of_no_calendar_stops_nobody(hub: Hub, topic_prefix: str) -> None:
    """A topic that somebody else made may carry the writer's clock, and the writer any number."""
    center = Center(topic_prefix)
    await hub.say(HqEvent("net.cohub.center.registered.v1", center.id, center_record(center)))
    admin = AIOKafkaAdminClient(bootstrap_servers=hub.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(f"in.{center.id}", 1, 1)])
    finally:
        await admin.close()
    for sent in center.opened(1):
        await produce_raw(hub.bootstrap, f"in.{center.id}", batch([raw(sent)], at_ms=-(2**62)))
    async with hub.running():
        await hub.until(lambda s: size(s, center) == 2)


class Hanging(Consolidator):
    """A consolidator that never comes back from one lane."""

    async def handle(self, center: str, records: Sequence[KafkaRecord]) -> None:
        await asyncio.Event().wait()


async def test_reader_that_stands_still_ends_the_process(hub: Hub, topic_prefix: str) -> None:
    """What no exception tells is seen, by the one watch or by the other, which says which lane it was."""
    center = Center(topic_prefix)
    await hub.register(center)
    await produce(hub.bootstrap, f"in.{center.id}", center.opened(1))
    settings = WorkerSettings(data_dir=hub.data_dir, cluster=hub.cluster, stall_s=1.2)
    told = (
        f"the lane of {center.id} has stood at its beginning|the records of one fetch of {center.id} have been in hand"
    )
    with pytest.RaisesGroup(pytest.RaisesExc(Fatal, match=told)):
        async with asyncio.timeout(30):
            await run_worker(settings, asyncio.Event(), consolidator_type=Hanging)


class Unnoticed(Hanging):
    """One that hangs and tells the watchdog of no lane, so that the reading side's own watch alone can see it."""

    def positions(self) -> dict[str, int | None]:
        return {}


async def test_stall_s_is_obeyed_by_both_watchers(hub: Hub, topic_prefix: str) -> None:
    """A worker that is told how long a standstill may last ends by it, whichever of the two sees it."""
    center = Center(topic_prefix)
    await hub.register(center)
    await produce(hub.bootstrap, f"in.{center.id}", center.opened(1))
    settings = WorkerSettings(data_dir=hub.data_dir, cluster=hub.cluster, stall_s=1.2)
    with pytest.RaisesGroup(pytest.RaisesExc(Fatal, match=f"fetch of {center.id} have been in hand .* than 1.2 s")):
        async with asyncio.timeout(30):  # the reading side's default was a minute
            await run_worker(settings, asyncio.Event(), consolidator_type=Unnoticed)
