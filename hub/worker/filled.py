"""What a commit made publishable, with the records' bytes that a worker does not remember.

A change of a status alone says nothing of the record, and its entity's state has the record all the same. Of an entity
that was read from SQL the bytes are there alone; without them all of its publication would be read from SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hub.ledger.publication import Publication
from hub.ledger.step import KnownEntity
from hub.protocol.errors import Retriable
from hub.store.store import Damaged, Store


async def filled(store: Store, found: Sequence[Publication]) -> Sequence[Publication]:
    """Return publications with what SQL has of their records; as they are where it can't be read.

    Then the publisher reads all of them, and tells whom it concerns what is wrong.
    """
    lacking = [known for publication in found for known in publication.entities if _lacks(known)]
    if not lacking:
        return found
    try:
        valued = iter(await store.valued(lacking))
    except (Damaged, Retriable):
        return found
    return [
        replace(each, entities=[next(valued) if _lacks(known) else known for known in each.entities]) for each in found
    ]


def _lacks(known: KnownEntity) -> bool:
    """Return whether only its bytes are missing: of a lane that another one has followed SQL tells more than that."""
    return known.value is None and known.entity.stream != "lane"
