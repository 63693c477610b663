"""An entity's accepted events, from the newest back: each ledger row names the one before it (docs/adr/0010)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.stream import EventKind
from hub.replay.known import damaged
from hub.replay.source import Ledger
from hub.store.rows import HistoryLink, Newest

PAGE: Final = 500


def kind_of(link: HistoryLink) -> EventKind:
    """Return what kind of event it is. Errors: Fatal, if this release knows none of that type."""
    kind = KINDS.get(link.type)
    if kind is None:
        raise damaged(f"an accepted event has the type {link.type}")
    return kind


def newest(ledger: Ledger, stream: str, entity_id: str) -> Newest | None:
    """Return where an entity's history ends, None for one that HQ never accepted."""
    return ledger.reader.entities.newest(stream, entity_id)


def every(ledger: Ledger, stream: str, after: str = "") -> Iterator[Newest]:
    """Yield every entity of a stream by id, a page at a time: a reader that stops for long holds nothing open."""
    while True:
        page = ledger.reader.entities.page(stream, after, PAGE)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].id


def streams_of(ledger: Ledger, entity_id: str) -> list[str]:
    """Return the streams in which there is, or was tried to be, an entity of this id."""
    found = {stream for stream in STREAMS if newest(ledger, stream, entity_id) is not None}
    for event_type in ledger.reader.entities.rejected_types(entity_id):
        kind = KINDS.get(event_type)
        if kind is not None:
            found.add(kind.stream)
    return sorted(found)


def back(ledger: Ledger, lane_id: int, sequence: int) -> Iterator[HistoryLink]:
    """Yield the accepted events of one entity from that one back to its first; each is looked up when asked for.

    Errors: Fatal where the links do not lead back to version 1.
    """
    after: HistoryLink | None = None
    for link in ledger.reader.entities.chain(lane_id, sequence):
        if after is not None and (
            link.version != after.version - 1 or (link.lane_id, link.sequence) >= (after.lane_id, after.sequence)
        ):
            raise damaged(f"{_place(after)} names {_place(link)} as the one before it")
        yield link
        after = link
    if after is None:
        raise damaged(f"event {sequence} of lane {lane_id} is missing")
    if after.version != 1:
        raise damaged(f"the history of an entity begins at {_place(after)}")


def _place(link: HistoryLink) -> str:
    return f"event {link.sequence} of lane {link.lane_id} (version {link.version})"
