"""The entities that a worker changed last, in memory: nearly every event is of one of them, or of a new one.

Right only because two lanes never touch one entity: while a worker owns a lane, nobody else writes its entities.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Final

from hub.domain.entity import Outline
from hub.ledger.step import EntityKey, KnownEntity, KnownOutline

WHOLE_MAX: Final = 2_000  # about 6 kB each
OUTLINES_MAX: Final = 64_000  # about 390 bytes each


_Kept = tuple[str, str, int, str, int]  # of an outline: center, status and version, origin and sequence


class Remembered:
    """Keeps entities as they were committed last: whole the newest, of many more their outlines. Implements Memory."""

    def __init__(self, whole_max: int = WHOLE_MAX, outlines_max: int = OUTLINES_MAX) -> None:
        self._whole_max = whole_max
        self._outlines_max = outlines_max
        # In the order of their last change; no entity is in both. Ordered, for 48 bytes more each: a plain dictionary
        # keeps the places of what was taken from its front, and who asks for the first one walks over all of them.
        self._whole: OrderedDict[EntityKey, KnownEntity] = OrderedDict()
        self._outlines: OrderedDict[EntityKey, _Kept] = OrderedDict()

    def known(self, keys: Collection[EntityKey], whole: Collection[EntityKey]) -> dict[EntityKey, KnownEntity]:
        """See Memory."""
        kept, outlines = self._whole, self._outlines
        found: dict[EntityKey, KnownEntity] = {}
        for key in keys:
            if (known := kept.get(key)) is not None:
                found[key] = known
            elif (outline := outlines.get(key)) is not None and key not in whole:
                center, status, version, origin, sequence = outline
                found[key] = KnownOutline(Outline(key[0], key[1], center, status, version), origin, sequence)
        return found

    @property
    def whole(self) -> Mapping[EntityKey, KnownEntity]:
        """The entities that are in memory as a whole."""
        return self._whole

    def remember(self, entities: Mapping[EntityKey, KnownEntity]) -> None:
        """Keep entities as they were just committed; those that were changed longest ago make room."""
        kept, outlines = self._whole, self._outlines
        for key, known in entities.items():
            kept[key] = known
            kept.move_to_end(key)
            outlines.pop(key, None)
        while len(kept) > self._whole_max:
            key, known = kept.popitem(last=False)
            was = known.entity
            outlines[key] = was.center, was.status, was.version, known.origin, known.sequence
        while len(outlines) > self._outlines_max:
            outlines.popitem(last=False)

    def forget(self, centers: Collection[str]) -> None:
        """Drop what is remembered of these centers: between two ownerships another worker may have written it.

        All that is remembered is walked once, however many centers there are: a rebalance moves all lanes at once.
        """
        gone = frozenset(centers)
        for remembered in (self._whole, self._outlines):
            for key in [key for key in remembered if key[1].partition(":")[0] in gone]:
                del remembered[key]
