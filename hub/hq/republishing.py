"""Saying a topic again: which topics HQ can say, and the asking, which a keeper takes up (`hub.worker.keeper`)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from hub.domain.catalogue import STREAMS
from hub.kafka.topics import standard_topics
from hub.ledger.derived import Again
from hub.protocol.errors import NotFound
from hub.protocol.topics import CLOCK, topic_in
from hub.store.store import Store

BY_A_PERSON: Final = "a person asked"


def sayable(centers: Sequence[str]) -> list[str]:
    """Return the topics whose records HQ can say again: all of a hub's but what its centers write."""
    names = [spec.name for spec in standard_topics(sorted(centers), list(STREAMS))]
    return [name for name in names if not name.startswith(topic_in("")) and name != CLOCK]


async def ask(store: Store, topics: Sequence[str], centers: Sequence[str], now: datetime) -> list[str]:
    """Ask for these topics, or for all of them, to be said again from their beginning; return which.

    What is being said again already goes on where it is. Errors: NotFound for a topic that HQ can't say.
    """
    known = sayable(centers)
    strange = [topic for topic in topics if topic not in known]
    if strange:
        raise NotFound(f"there is no topic {', '.join(strange)} that HQ fills; it fills {', '.join(known)}")
    wanted = list(dict.fromkeys(topics)) or known
    under_way = {again.topic for again in await unfinished(store, wanted)}
    await store.topics.ask({topic: () for topic in wanted if topic not in under_way}, BY_A_PERSON, now)
    return wanted


async def standing(store: Store, topics: Collection[str]) -> list[Again]:
    """Return how far each of these topics is said again."""
    return [again for again in await store.topics.agains() if again.topic in topics]


async def unfinished(store: Store, topics: Collection[str]) -> list[Again]:
    """Return those of them that are not said to their end yet."""
    return [again for again in await standing(store, topics) if again.finished_at is None]
