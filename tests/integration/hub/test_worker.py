"""One worker on real Kafka: from a center's bytes to SQL, to the receipt, to the published topics."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from hub.broker.embedded import EmbeddedKafka
from hub.domain.state import partition_of
from hub.kafka.topics import delete_topic, ensure_topics, lane_topics, standard_topics
from hub.protocol.limits import VALUE_BYTES_MAX
from hub.protocol.receipt import Receipt
from hub.protocol.record import canonical
from hub.protocol.verdict import Code
from tests.support.center import Center, Sent, offer
from tests.support.peek import ask, is_published, peek
from tests.support.worker import Hub, answers, produce, read_topic

pytestmark = pytest.mark.integration

MIB = 1024 * 1024


def sizes(database: Path) -> dict[str, int]:
    return dict(peek(database, "SELECT origin, size FROM lane"))


def statuses(database: Path) -> dict[str, str]:
    return dict(peek(database, "SELECT center, status FROM intake"))


@pytest.fixture
def hub(tmp_path: Path, kafka: EmbeddedKafka) -> Hub:
    return Hub.make(tmp_path, kafka.bootstrap)


async def test_sealed_events_become_entities_receipt_and_publications(hub: Hub, topic_prefix: str) -> None:
    """The main path: every accepted event is in the ledger, receipted, on `events`, and its state on `state.offer`."""
    center = Center(topic_prefix)
    await hub.register(center)
    await produce(hub.bootstrap, f"in.{center.id}", center.opened(20))
    async with hub.running():
        await hub.until(lambda s: sizes(s).get(center.origin) == 21)
        await hub.until(is_published)
    (receipt,) = await answers(hub, center.id)
    assert isinstance(receipt, Receipt)
    assert (receipt.first, receipt.last, receipt.root, receipt.decisions) == (1, 21, center.edge.root, ())
    partition = partition_of(center.id)
    ours = [r for r in await read_topic(hub.bootstrap, "events", partition) if r.key.startswith(center.id.encode())]
    assert [dict(r.headers)["ce_sequence"] for r in ours] == [str(n).encode() for n in range(1, 22)]
    states = await read_topic(hub.bootstrap, "state.offer", partition)
    assert len([r for r in states if r.key.startswith(center.id.encode())]) == 20


async def test_restarted_worker_reads_the_unsealed_tail_again(hub: Hub, topic_prefix: str) -> None:
    """A worker that stops with a tail in memory takes nothing of it and loses nothing of it."""
    center = Center(topic_prefix)
    await hub.register(center)
    await produce(hub.bootstrap, f"in.{center.id}", center.opened(2))
    first, last = center.offers(2, first=10)
    await produce(hub.bootstrap, f"in.{center.id}", [first])
    async with hub.running():
        await hub.until(lambda s: sizes(s).get(center.origin) == 3)
    await produce(hub.bootstrap, f"in.{center.id}", [last])
    async with hub.running():
        await hub.until(lambda s: sizes(s).get(center.origin) == 5)


async def test_bad_records_of_one_center_stop_nobody(hub: Hub, topic_prefix: str) -> None:
    """Strays, oversized and broken events of one center are dealt with while another's lane goes on."""
    bad, good = Center(f"{topic_prefix}b"), Center(f"{topic_prefix}g")
    await hub.register(bad, good)
    opened = bad.opened(1)
    big = bad.event("net.cohub.offer.published.v1", "BIG", {"title": "x", "language": "en", "export_control": "free"})
    big = Sent(big.key, b"\0" * (VALUE_BYTES_MAX + 1), big.headers)
    stray = Sent(b"x", b"y", (("anything", b"z"),))
    empty = Sent(b"", None, ())
    records = [*opened, stray, empty, bad.append(big), *bad.offers(1, first=5)]
    await produce(hub.bootstrap, f"in.{bad.id}", records)
    await produce(hub.bootstrap, f"in.{good.id}", good.opened(5))
    async with hub.running():
        await hub.until(lambda s: sizes(s).get(bad.origin) == 4 and sizes(s).get(good.origin) == 6)
        await hub.until(lambda s: ask(s, "SELECT count(*) FROM quarantine") == 2)
        await hub.until(is_published)
    decisions = [d for a in await answers(hub, bad.id) if isinstance(a, Receipt) for d in a.decisions]
    assert [(d.sequence, d.code) for d in decisions] == [(3, Code.TOO_LARGE)]


async def test_record_far_over_the_limit_is_judged_and_kept(hub: Hub, topic_prefix: str) -> None:
    """What one seal can cover gets a verdict, every byte kept; what is larger is no event. Nobody waits for either."""
    bad, worse, good = (Center(f"{topic_prefix}{name}") for name in "bwg")
    centers = [bad.id, worse.id]
    raised = [replace(s, configs={**s.configs, "max.message.bytes": str(4 * MIB)}) for s in lane_topics(centers)]
    await ensure_topics(hub.cluster, raised)
    await hub.register(bad, worse, good)
    for center, size in ((bad, MIB - 1024), (worse, 3 * MIB)):
        opened = center.opened(1)
        event = center.event("net.cohub.offer.published.v1", "BIG", offer())
        big = center.sealed(center.append(replace(event, value=Random(3).randbytes(size))))
        sent = [*opened, big, *center.offers(2, first=5)]
        await produce(hub.bootstrap, f"in.{center.id}", sent, request_bytes_max=4 * MIB)
        if center is bad:
            kept = canonical(big.headers, big.value)
    await produce(hub.bootstrap, f"in.{good.id}", good.opened(3))
    async with hub.running():
        await hub.until(lambda s: [sizes(s).get(c.origin) for c in (bad, worse, good)] == [5, 2, 4])
        await hub.until(is_published)
    decisions = [d for a in await answers(hub, bad.id) if isinstance(a, Receipt) for d in a.decisions]
    assert [(d.sequence, d.code) for d in decisions] == [(3, Code.TOO_LARGE)]
    query = "SELECT data FROM ledger JOIN lane ON id = lane_id WHERE origin = ? AND sequence = 3"
    assert peek(hub.database, query, bad.origin) == [(kept,)]
    assert peek(hub.database, "SELECT reason FROM quarantine WHERE center = ?", worse.id)[0] == ("OVERLONG_TAIL",)
    partition = partition_of(bad.id)
    events = [r for r in await read_topic(hub.bootstrap, "events", partition) if r.key.startswith(bad.id.encode())]
    assert [dict(r.headers)["ce_sequence"] for r in events] == [b"1", b"2", b"4", b"5"]


async def test_center_that_is_added_while_the_worker_runs_is_read(hub: Hub, topic_prefix: str) -> None:
    """Registration is all it takes; a lane that came before it waits and goes on."""
    center = Center(topic_prefix)
    await ensure_topics(hub.cluster, standard_topics([center.id], []))
    await produce(hub.bootstrap, f"in.{center.id}", center.opened(3))
    async with hub.running():
        await asyncio.sleep(0)
        await hub.register(center)
        await hub.until(lambda s: sizes(s).get(center.origin) == 4)


async def test_same_records_again_bring_the_stored_receipt_byte_for_byte(hub: Hub, topic_prefix: str) -> None:
    """A center that lost its receipt sends again and gets it, and nothing is counted twice."""
    center = Center(topic_prefix)
    await hub.register(center)
    records = center.opened(4)
    await produce(hub.bootstrap, f"in.{center.id}", records)
    async with hub.running():
        await hub.until(lambda s: sizes(s).get(center.origin) == 5)
        await produce(hub.bootstrap, f"in.{center.id}", records)
        await hub.until(lambda s: ask(s, "SELECT duplicates FROM intake WHERE center = ?", center.id) == 5)
        async with asyncio.timeout(20):
            while len(notes := await read_topic(hub.bootstrap, f"out.{center.id}")) < 2:
                await asyncio.sleep(0.1)
    assert notes[0].value == notes[1].value
    assert sizes(hub.database)[center.origin] == 5


async def test_fork_suspends_the_lane_and_keeps_both_notes(hub: Hub, topic_prefix: str) -> None:
    """Two valid seals of one size with different roots: the evidence is kept, the others go on."""
    center = Center(topic_prefix)
    await hub.register(center)
    await produce(hub.bootstrap, f"in.{center.id}", center.opened(3))
    copy = Center(topic_prefix)
    forked = copy.opened(2) + copy.offers(1, first=77)
    async with hub.running():
        await hub.until(lambda s: sizes(s).get(center.origin) == 4)
        await produce(hub.bootstrap, f"in.{center.id}", forked)
        await hub.until(lambda s: statuses(s).get(center.id) == "forked")
        await hub.until(lambda s: ask(s, "SELECT count(*) FROM evidence") == 1)


async def test_topic_that_was_deleted_and_made_again_goes_on_by_sequence(hub: Hub, topic_prefix: str) -> None:
    """Offsets begin again at zero; sequences judge."""
    center = Center(topic_prefix)
    await hub.register(center)
    await produce(hub.bootstrap, f"in.{center.id}", center.opened(8))
    async with hub.running():
        await hub.until(lambda s: sizes(s).get(center.origin) == 9)
    await delete_topic(hub.cluster, f"in.{center.id}")
    async with asyncio.timeout(30):
        while not await ensure_topics(hub.cluster, standard_topics([center.id], [])):
            await asyncio.sleep(0.2)
    await produce(hub.bootstrap, f"in.{center.id}", center.offers(3, first=20))
    async with hub.running():
        await hub.until(lambda s: sizes(s).get(center.origin) == 12)
