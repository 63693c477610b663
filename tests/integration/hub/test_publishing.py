"""Publishing on real Kafka when its topics are not what they should be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hub.broker.embedded import EmbeddedKafka
from hub.kafka.topics import delete_topic, describe_topics
from tests.support.center import Center
from tests.support.peek import peek
from tests.support.worker import Hub, answers, produce

pytestmark = pytest.mark.integration


def published(database: Path, center: Center) -> int:
    found = peek(database, "SELECT upto FROM published JOIN lane ON id = lane_id WHERE origin = ?", center.origin)
    return int(found[0][0]) if found else 0


@pytest.mark.long
async def test_missing_out_topic_is_made_again_and_nobody_else_waits_for_good(
    tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str
) -> None:
    """Somebody deleted a center's `out.` topic: it is made again, and every center gets its receipts."""
    hub = Hub.make(tmp_path, kafka.bootstrap)
    lost, other = Center(f"{topic_prefix}a"), Center(f"{topic_prefix}b")
    await hub.register(lost, other)
    async with hub.running():
        await produce(hub.bootstrap, f"in.{lost.id}", lost.opened(1))
        await hub.until(lambda s: published(s, lost) == 2)
        await delete_topic(hub.cluster, f"out.{lost.id}")
        async with asyncio.timeout(20):
            while f"out.{lost.id}" in await describe_topics(hub.cluster):
                await asyncio.sleep(0.1)
        await produce(hub.bootstrap, f"in.{lost.id}", lost.offers(2, first=5))
        await produce(hub.bootstrap, f"in.{other.id}", other.opened(3))
        await hub.until(lambda s: published(s, other) == 4 and published(s, lost) == 4, deadline_s=90)
    assert [(r.first, r.last) for r in await answers(hub, other.id)] == [(1, 4)]  # type: ignore[union-attr]
    assert [(r.first, r.last) for r in await answers(hub, lost.id)] == [(3, 4)]  # type: ignore[union-attr]
