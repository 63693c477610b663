"""The story of an entity: what its record names, what names it, and what names that, across centers.

A deal names the offer that it came of, a counterpart's confirmation names the deal: so one thing leads to another also
where no event carries the ids of causes. As in `follow`, there is no index: an id stands in an event's bytes as it is
written, so these are searched for it, once for each step away from the entity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hub.domain.catalogue import KINDS, STREAMS
from hub.ledger.step import EntityKey
from hub.replay.chain import back, newest
from hub.replay.decoding import Decoder
from hub.replay.follow import EVENTS_MAX, PASSES_MAX, Node, Story, StoryEvent, hang, ordered, said_of, search
from hub.replay.known import KnownSizes, RecordedOrder
from hub.replay.source import Ledger
from hub.store.rows import EventPlace, StoredEvent


class _Naming:
    """Which entity each event of the story is about, and which entities it names."""

    def __init__(self, ledger: Ledger, decoder: Decoder) -> None:
        self.ledger = ledger
        self.decoder = decoder
        self.found: dict[EventPlace, StoryEvent] = {}
        self.about: dict[EventPlace, EntityKey] = {}
        self.names: dict[EventPlace, list[EntityKey]] = {}

    def read(self, event: StoredEvent) -> tuple[EntityKey, list[EntityKey]]:
        """Return the entity that an event is about, and those that its record names, in the order of its fields."""
        kind = KINDS.get(event.type)
        if kind is None:
            return ("", event.subject), []
        value = self.decoder.decode(event).value or {}
        references = STREAMS[kind.stream].references
        named = [(stream, str(value[field])) for field, stream in references.items() if value.get(field)]
        return (kind.stream, event.subject), named

    def add(self, said: StoryEvent, about: EntityKey, names: list[EntityKey]) -> None:
        """Make an event part of the story."""
        place = (said.lane.id, said.event.sequence)
        self.found[place], self.about[place], self.names[place] = said, about, names

    def story(self, *, is_whole: bool) -> Story:
        """Return the events as trees: an entity's later events below its first, that below what it names.

        An event that answers a rejection stands below the rejected event, and that one where the new event would stand.
        """
        nodes = ordered(self.found.values())
        rejected = {node.said.id: node for node in nodes if not node.said.event.accepted}
        first: dict[EntityKey, Node] = {}
        for node in nodes:
            if node.said.event.accepted:
                first.setdefault(self.about[_place(node)], node)

        def cause_of(node: Node) -> Node | None:
            before = rejected.get(node.said.causation_id or "")
            own = before or first.get(self.about[_place(node)])
            if own is not None and own.said.order < node.said.order:
                return own
            named = [*self.names[_place(node)], *(self.names[_place(own)] if own is not None else [])]
            return next((first[key] for key in named if key in first), None)

        return Story(hang(nodes, cause_of), len(nodes), is_whole)


def follow_entity(
    ledger: Ledger,
    decoder: Decoder,
    keys: list[EntityKey],
    looked_at: Callable[[int], None] = lambda _count: None,
    passes_max: int = PASSES_MAX,
) -> Story:
    """Return the story of these entities. `looked_at` is called with the number of events that were searched.

    Rejected events that name one of them are in it; what they named beside is not followed. Memory: the story.
    """
    naming = _Naming(ledger, decoder)
    below, fresh = set(keys), set(keys)
    for _ in range(passes_max):
        if not fresh:
            break
        needles = {key[1].encode() for key in fresh}
        fresh = set()
        for said in search(ledger, lambda data, needles=needles: any(one in data for one in needles), looked_at):  # type: ignore[misc]
            about, names = naming.read(said.event)
            if about not in below and below.isdisjoint(names):
                continue
            naming.add(said, about, names)
            if said.event.accepted and about not in below:
                below.add(about)
                fresh.add(about)
            if len(naming.found) >= EVENTS_MAX:
                return naming.story(is_whole=False)
    _add_named(naming, keys, below)
    return naming.story(is_whole=not fresh)


def _add_named(naming: _Naming, keys: list[EntityKey], below: set[EntityKey]) -> None:
    """Add what these entities name, and what that names; who else names it is another story."""
    waiting = list(keys)
    seen = set(below)
    while waiting:
        key = waiting.pop()
        if key not in below:
            for said in _accepted(naming.ledger, key):
                naming.add(said, *naming.read(said.event))
        for place, about in list(naming.about.items()):
            if about != key or not naming.found[place].event.accepted:
                continue
            for named in naming.names[place]:
                if named not in seen:
                    seen.add(named)
                    waiting.append(named)


def _accepted(ledger: Ledger, key: EntityKey) -> Iterator[StoryEvent]:
    found = newest(ledger, *key)
    if found is None:
        return
    lanes, known = {lane.id: lane for lane in ledger.lanes}, KnownSizes.all(ledger)
    order = RecordedOrder(ledger)
    for link in back(ledger, found.lane_id, found.sequence):
        event = ledger.event(link.lane_id, link.sequence) if known.has(link.lane_id, link.sequence) else None
        if event is not None:
            yield said_of(ledger, order, lanes[link.lane_id], event)


def _place(node: Node) -> EventPlace:
    return node.said.lane.id, node.said.event.sequence
