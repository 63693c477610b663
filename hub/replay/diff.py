"""What changed between two moments, by entity and field: as HQ knew it, or of what had happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from hub.domain.catalogue import KINDS
from hub.protocol.value import value_class
from hub.replay.asof import AsOf, State
from hub.replay.chain import every, newest
from hub.replay.changes import FieldChange, changes
from hub.replay.known import KnownSizes, damaged
from hub.replay.source import Ledger
from hub.store.rows import HistoryLink, Newest

PAGE = 2_000


@value_class
class Difference:
    """One entity that is another at the second moment. `record` and what a status event said are both fields."""

    stream: str
    id: str
    before: State | None
    after: State | None

    @property
    def what(self) -> Literal["added", "removed", "changed"]:
        """Whether it came, went, or is another. It goes only where the second moment is the earlier one."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"

    @property
    def fields(self) -> list[FieldChange]:
        """The fields that differ, those of a status event as `changed.<field>`."""
        return changes(_plain(self.before), _plain(self.after))

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        before, after = self.before, self.after
        return {
            "stream": self.stream,
            "id": self.id,
            "what": self.what,
            "status": [before.entity.status if before else None, after.entity.status if after else None],
            "version": [before.entity.version if before else None, after.entity.version if after else None],
            "fields": [change.as_dict() for change in self.fields],
        }


def _plain(state: State | None) -> dict[str, Any]:
    if state is None:
        return {}
    said = state.as_dict()
    return {**said["record"], **({"changed": said["changed"]} if said["changed"] else {})}


def diff(
    ledger: Ledger, before: AsOf, after: AsOf, streams: Sequence[str], entity_id: str = ""
) -> Iterator[Difference]:
    """Yield what differs between the two, each entity once. Memory: one page of the ledger.

    Shapes: both ask the same question (known, or happened); an entity_id stands in one of the streams.
    """
    for found in _touched(ledger, before, after, streams, entity_id):
        difference = Difference(found.stream, found.id, before.entity(found), after.entity(found))
        was, now = difference.before, difference.after
        if (was is None) != (now is None) or (was and now and was.document != now.document):
            yield difference


def _touched(ledger: Ledger, before: AsOf, after: AsOf, streams: Sequence[str], entity_id: str) -> Iterator[Newest]:
    if entity_id:
        yield from (found for stream in streams if (found := newest(ledger, stream, entity_id)) is not None)
    elif before.happened:
        # When things happened has no order in the ledger: every entity's links are looked at, none of their bytes.
        early, late = sorted((before, after), key=lambda state: state.moment)
        for stream in streams:
            for found in every(ledger, stream):
                if any(_within(link, early, late) for link in after.links(found)):
                    yield found
    else:
        early, late = sorted((before, after), key=lambda state: state.moment)
        yield from _recorded_between(ledger, early.known, late.known, frozenset(streams))


def _within(link: HistoryLink, early: AsOf, late: AsOf) -> bool:
    return late.has_happened(link) and not early.has_happened(link)


def _recorded_between(ledger: Ledger, early: KnownSizes, late: KnownSizes, streams: frozenset[str]) -> Iterator[Newest]:
    """Yield the entities with an accepted event between the two, each at its first one there: nothing to remember."""
    for lane in ledger.lanes:
        at, end = early.size(lane.id), late.size(lane.id)
        while at < end:
            for event_type, subject, previous_lane_id, previous in ledger.reader.touches(
                lane.id, at, min(at + PAGE, end)
            ):
                is_first = previous_lane_id is None or previous is None or early.has(previous_lane_id, previous)
                kind = KINDS.get(event_type)
                if kind is None or not is_first or kind.stream not in streams:
                    continue
                found = newest(ledger, kind.stream, subject)
                if found is None:
                    raise damaged(f"{kind.stream} {subject} has accepted events and is no entity")
                yield found
            at += PAGE
