"""Which entities deciding will look at, and of which it needs the record: as far as headers tell. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.stream import EventKind, count_by_status
from hub.ledger.reading import Stretch
from hub.ledger.step import EntityKey


def _counts_record(kind: EventKind) -> bool:
    """Return whether an event of this kind is judged, folded or counted by the record of the entity before it."""
    stream = STREAMS[kind.stream]
    return not kind.carries_record or bool(stream.growing_fields) or stream.contribution is not count_by_status


# The stream of each type of event, and whether the record counts of the entity before it.
_SUBJECTS: Final = {kind.type.encode(): (kind.stream, _counts_record(kind)) for kind in KINDS.values()}


def subjects(stretches: Iterable[Stretch]) -> tuple[frozenset[EntityKey], frozenset[EntityKey]]:
    """Return the entities that deciding will look at, and those of them whose records count, as far as headers tell."""
    found, whole = set(), set()
    for stretch in stretches:
        for event in stretch.events:
            subject, known = event.headers.get("ce_subject"), _SUBJECTS.get(event.headers.get("ce_type") or b"")
            # No entity has an id that is not printable ASCII: such an event is rejected, whatever else there is.
            if (
                known is not None
                and subject is not None
                and subject.isascii()
                and (text := subject.decode()).isprintable()
            ):
                key = known[0], text
                found.add(key)
                if known[1]:
                    whole.add(key)
    return frozenset(found), frozenset(whole)
