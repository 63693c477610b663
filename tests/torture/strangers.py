"""What others do to a hub's topics: records that no center's key stands behind, and records that are deleted early."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from hub.base.clients import closing
from hub.protocol.topics import topic_in
from hub.protocol.tree import Edge
from tests.support.center import Center, offer

if TYPE_CHECKING:
    from tests.torture.site import Site

SEED = b"a stranger's key, of 32 bytes or"


async def forge(site: Site, center: str) -> None:
    """Write the next event of a center's lane, over its true tree, sealed by a key that is not the center's."""
    rows = await site.server.ask(
        "hub", "SELECT epoch, size, edge FROM lane WHERE center = $1 ORDER BY id DESC LIMIT 1", center
    )
    if not rows:
        return
    stranger = Center(center, rows[0]["epoch"], seed=SEED, edge=Edge.from_bytes(rows[0]["size"], rows[0]["edge"]))
    made = stranger.event("net.cohub.offer.published.v1", "FORGED", offer("Nobody's offer"))
    record = stranger.sealed(stranger.append(made))
    async with closing(await site.brokers.admin().producer("torture")) as producer:
        await producer.send_and_wait(
            topic_in(center), record.value, key=record.key, partition=0, headers=list(record.headers)
        )


async def trim(site: Site, center: str) -> None:
    """Delete all that stands in a center's topic, as a retention that is too short does."""
    place = TopicPartition(topic_in(center), 0)
    cluster = site.brokers.admin()
    async with closing(await cluster.consumer("torture")) as consumer:
        end = (await consumer.end_offsets([place]))[place]
    async with closing(await cluster.admin("torture")) as admin:
        client: Any = admin  # of what aiokafka can do this is nothing that HQ needs
        await client.delete_records({place: RecordsToDelete(end)})
