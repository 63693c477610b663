"""The entities that a worker changed last, in memory: nearly every event is of one of them, or of a new one.

Right only because two lanes never touch one entity: while a worker owns a lane, nobody else writes its entities.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Final

from hub.ledger.step import EntityKey, KnownEntity
from hub.store.consolidate import Entities

ENTITIES_MAX: Final = 16_000  # about 1.5 kB each, records put away


class Remembered:
    """Reads entities from memory, and from `store` where they are not there. Implements Entities."""

    def __init__(self, store: Entities) -> None:
        self._store = store
        self._kept: OrderedDict[EntityKey, KnownEntity] = OrderedDict()

    async def entities(self, keys: Collection[EntityKey]) -> Mapping[EntityKey, KnownEntity]:
        """See Entities."""
        kept = self._kept
        found = {key: kept[key] for key in keys if key in kept}
        if len(found) < len(keys):
            found.update(await self._store.entities([key for key in keys if key not in found]))
        return found

    @property
    def kept(self) -> Mapping[EntityKey, KnownEntity]:
        """The entities that are in memory."""
        return self._kept

    def remember(self, entities: Mapping[EntityKey, KnownEntity]) -> None:
        """Keep entities as they were just committed; those that were changed longest ago make room."""
        kept = self._kept
        for key, known in entities.items():
            kept[key] = known
            kept.move_to_end(key)
        while len(kept) > ENTITIES_MAX:
            kept.popitem(last=False)

    def forget(self, center: str) -> None:
        """Drop what is remembered of a center: between two ownerships another worker may have written it."""
        prefix = center + ":"
        for key in [k for k in self._kept if k[1].startswith(prefix)]:
            del self._kept[key]
