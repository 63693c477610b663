"""How HQ fills its topics, for publisher and keeper alike: by one kind of producer, and the missing ones made again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from hub.base.kafka import Producer
from hub.domain.catalogue import STREAMS
from hub.kafka.cluster import Cluster
from hub.kafka.topics import ensure_topics, standard_topics

BATCH_BYTES_MAX: Final = 900_000
REQUEST_TIMEOUT_S: Final = 10.0

log = structlog.get_logger(__name__)


async def outward_producer(cluster: Cluster, name: str) -> Producer:
    """Return a started producer for HQ's topics. Errors: Unreachable."""
    return await cluster.producer(
        name,
        deadline_s=REQUEST_TIMEOUT_S,
        max_batch_size=BATCH_BYTES_MAX,
        max_request_size=BATCH_BYTES_MAX + 100_000,
        request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
        linger_ms=0,
    )


async def make_missing(cluster: Cluster, centers: Iterable[str]) -> list[str]:
    """Make what is missing of the topics of a hub with these centers; return which.

    Errors: as of `ensure_topics`; OtherPartitions where somebody has made one otherwise.
    """
    made = await ensure_topics(cluster, standard_topics(sorted(centers), list(STREAMS)))
    if made:
        log.warning("topics_made_again", topics=made)
    return made
