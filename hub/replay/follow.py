"""Who said what because of what, across centers: events by their correlation and causation ids.

The ledger has no index of these ids, for every event would pay for it and few ask. Instead its bytes are searched:
one pass finds what carries the id that was asked for, further passes what caused or came of that, until nothing new
is found. Only the rows that have the bytes are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from hub.domain.catalogue import KINDS
from hub.protocol.errors import Malformed
from hub.protocol.moment import from_us
from hub.protocol.record import split_canonical
from hub.protocol.value import value_class
from hub.replay.known import RecordedOrder, recorded_at_us
from hub.replay.source import Ledger
from hub.store.rows import StoredEvent, StoredLane

PAGE: Final = 5_000
PASSES_MAX: Final = 16
EVENTS_MAX: Final = 100_000
NEEDLES_MAX: Final = 16  # over it every row's headers are read
_IDS: Final = ("ce_id", "ce_correlationid", "ce_causationid")


@value_class
class StoryEvent:
    """One event of a story: who said it, in which lane, when HQ recorded it, and its three ids."""

    lane: StoredLane
    event: StoredEvent
    recorded_at: datetime
    counted_us: int  # what it stands by among events of other lanes (`RecordedOrder`)
    id: str
    correlation_id: str | None
    causation_id: str | None

    @property
    def name(self) -> str:
        """Stream and event, such as `offer.published`; the whole type where the catalogue does not have it."""
        kind = KINDS.get(self.event.type)
        return self.event.type if kind is None else f"{kind.stream}.{kind.name}"

    @property
    def order(self) -> tuple[int, int, int]:
        """Its place among all events."""
        return self.counted_us, self.lane.id, self.event.sequence

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        event = self.event
        return {
            "id": self.id,
            "correlation_id": self.correlation_id,
            "causation_id": self.causation_id,
            "center": self.lane.center,
            "origin": self.lane.origin,
            "sequence": event.sequence,
            "event": self.name,
            "subject": event.subject,
            "code": event.code,
            "recorded_at": self.recorded_at,
            "occurred_at": None if event.occurred_at_us is None else from_us(event.occurred_at_us),
        }


@dataclass(slots=True)
class Node:
    """An event with what came of it, in the order of recording. `unknown_cause` is a cause that HQ does not have."""

    said: StoryEvent
    effects: list[Node] = field(default_factory=list)
    unknown_cause: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """All that belongs to one id. `is_whole` is False where the limits were reached before the end was found."""

    roots: list[Node]
    events: int
    is_whole: bool

    def walk(self) -> Iterator[tuple[int, Node]]:
        """Yield the events with their depth, causes before their effects."""
        waiting = [(0, root) for root in reversed(self.roots)]
        while waiting:
            depth, node = waiting.pop()
            yield depth, node
            waiting += [(depth + 1, effect) for effect in reversed(node.effects)]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values: one list, causes before their effects, each with its depth below its root."""
        return {
            "events": [{"depth": depth, **node.said.as_dict(), "unknown_cause": node.unknown_cause}
                       for depth, node in self.walk()],
            "is_whole": self.is_whole,
        }  # fmt: skip


class _Wanted:
    """Which ids are looked for, and as what. What a pass has looked for, the next one need not look for again."""

    def __init__(self, wanted: str, needles_max: int) -> None:
        self._needles_max = needles_max
        self._ids = {wanted}
        self._causes = {wanted}
        self._correlations = {wanted}
        self._wanted = wanted
        self._sought: dict[str, set[str]] = {"ce_id": set(), "ce_causationid": set(), "ce_correlationid": set()}

    def add(self, said: StoryEvent) -> None:
        """Look for this event's cause, for what came of it, and, if it was itself asked for, for its correlation."""
        self._causes.add(said.id)
        if said.causation_id:
            self._ids.add(said.causation_id)
        if said.id == self._wanted and said.correlation_id:
            self._correlations.add(said.correlation_id)

    def next(self) -> Callable[[bytes], bool] | None:
        """Return whether a row's bytes have anything that was not looked for yet, None if there is no such thing."""
        sought = {"ce_id": self._ids, "ce_causationid": self._causes, "ce_correlationid": self._correlations}
        fresh = {name: ids - self._sought[name] for name, ids in sought.items()}
        self._sought = {name: set(ids) for name, ids in sought.items()}
        needles = [_needle(name, one) for name, ids in fresh.items() for one in ids]
        if not needles:
            return None
        if len(needles) <= self._needles_max:
            return lambda data: any(needle in data for needle in needles)
        return lambda data: any(one in fresh[name] for name, one in _ids_in(data).items())


def _needle(name: str, one: str) -> bytes:
    content = one.encode("utf-8", "surrogateescape")
    return b"%d:%b,%d:%b," % (len(name), name.encode(), len(content), content)


def _ids_in(data: bytes) -> dict[str, str]:
    try:
        headers = dict(split_canonical(data)[0])
    except Malformed:
        return {}
    return {name: (headers[name] or b"").decode("utf-8", "surrogateescape") for name in _IDS if headers.get(name)}


def follow(
    ledger: Ledger,
    wanted: str,
    looked_at: Callable[[int], None] = lambda _count: None,
    passes_max: int = PASSES_MAX,
    needles_max: int = NEEDLES_MAX,
) -> Story:
    """Return the story that an id belongs to: a correlation id, or the id of one of its events.

    `looked_at` is called with the number of events that were searched. Memory: the story.
    """
    found: dict[tuple[int, int], StoryEvent] = {}
    ids = _Wanted(wanted, needles_max)
    for _ in range(passes_max):
        has_one = ids.next()
        if has_one is None:
            return Story(tree(found.values()), len(found), True)
        for said in search(ledger, has_one, looked_at):
            found.setdefault((said.lane.id, said.event.sequence), said)
            ids.add(said)
            if len(found) >= EVENTS_MAX:
                return Story(tree(found.values()), len(found), False)
    return Story(tree(found.values()), len(found), False)


def search(ledger: Ledger, has_one: Callable[[bytes], bool], looked_at: Callable[[int], None]) -> Iterator[StoryEvent]:
    """Yield every event whose canonical bytes `has_one` is true of, lane by lane."""
    order = RecordedOrder(ledger)
    for lane in ledger.lanes:
        for first in range(1, lane.size + 1, PAGE):
            last = min(first + PAGE - 1, lane.size)
            rows = ledger.reader.data(lane.id, first, last)
            if not all(data for _, data in rows):
                rows = [(event.sequence, event.data) for event in ledger.events(lane.id, first, last)]
            for sequence in [sequence for sequence, data in rows if has_one(data)]:
                event = ledger.event(lane.id, sequence)
                if event is not None:
                    yield said_of(ledger, order, lane, event)
            looked_at(len(rows))


def said_of(ledger: Ledger, order: RecordedOrder, lane: StoredLane, event: StoredEvent) -> StoryEvent:
    """Return a row as an event of a story."""
    ids = _ids_in(event.data)
    at_us = recorded_at_us(ledger, lane.id, event.sequence)
    return StoryEvent(
        lane,
        event,
        from_us(at_us),
        order.at_us(lane.id, event.sequence, at_us),
        ids.get("ce_id", ""),
        ids.get("ce_correlationid"),
        ids.get("ce_causationid"),
    )


def tree(story: Iterable[StoryEvent]) -> list[Node]:
    """Return the events as trees: below each what names it as its cause. Pure.

    An id that several events bear stands for the first recorded. Events that name one another in a circle hang below
    the first recorded of them, which is told as one whose cause is not known.
    """
    nodes = ordered(story)
    by_id: dict[str, Node] = {}
    for node in nodes:
        by_id.setdefault(node.said.id, node)
    roots = hang(nodes, lambda node: by_id.get(node.said.causation_id or ""))
    for root in roots:
        root.unknown_cause = root.said.causation_id
    return roots


def ordered(story: Iterable[StoryEvent]) -> list[Node]:
    """Return the events in the order of recording, none below another yet."""
    return [Node(said) for said in sorted(story, key=lambda said: said.order)]


def hang(nodes: Sequence[Node], cause_of: Callable[[Node], Node | None]) -> list[Node]:
    """Hang every node below its cause, and return those that have none; a circle is cut at its first node."""
    causes: dict[int, Node] = {}
    for node in nodes:
        cause = cause_of(node)
        if cause is not None and not _is_below(node, cause, causes):
            causes[id(node)] = cause
            cause.effects.append(node)
    return [node for node in nodes if id(node) not in causes]


def _is_below(node: Node, cause: Node | None, causes: dict[int, Node]) -> bool:
    """Return whether `cause` is `node`, or hangs somewhere below it already."""
    while cause is not None:
        if cause is node:
            return True
        cause = causes.get(id(cause))
    return False
