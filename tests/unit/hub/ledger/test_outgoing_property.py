"""What is published next, against a broker and a store that fail as real ones do, and processes that die."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.ledger.outgoing import (
    QUEUE_EVENTS_MAX,
    ROOM_EVENTS,
    SEND_EVENTS_MAX,
    Answering,
    Loading,
    Looking,
    Outgoing,
    Publishing,
)
from hub.ledger.publication import Answer
from tests.support.outgoing import lane, published

ANSWER = Answer("uz", "resend", b"note")
CENTERS = ("by", "kz", "uz")


@dataclass
class World:
    """A store, a broker and one publisher after another. It keeps to what the real ones promise, and no more."""

    lanes: dict[str, list[int]] = field(default_factory=lambda: {c: [0] for c in CENTERS})  # ends of the receipts
    stored: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CENTERS, 0))
    broker: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CENTERS, 0))  # has all up to here, in order
    outgoing: Outgoing = field(default_factory=Outgoing)
    now_s: float = 0.0
    loads: int = 0

    def commit(self, center: str, size: int, *, told: bool) -> None:
        ends = self.lanes[center]
        first, last = ends[-1] + 1, ends[-1] + size
        ends.append(last)
        if told:
            before = self.outgoing.queued
            self.outgoing = self.outgoing.offered([published(first, last, center)])
            # One publication may go over the limit; behind it nothing is queued any more.
            assert self.outgoing.queued == before + (size if before <= QUEUE_EVENTS_MAX else 0)
            assert self.outgoing.queued == sum(p.last - p.first + 1 for p in self.outgoing.queue)

    def restart(self) -> None:
        """The process dies; the next one takes all lanes over."""
        self.outgoing = Outgoing()
        self.adopt(CENTERS)

    def adopt(self, centers: Iterable[str]) -> None:
        centers = tuple(centers)
        self.outgoing = self.outgoing.adopted(centers, self.unpublished(centers), self.now_s + 11)

    def unpublished(self, centers: Iterable[str]) -> list[tuple[str, int, int]]:
        found = [(lane(c), self.stored[c], self.lanes[c][-1]) for c in centers if c in self.lanes]
        return [(origin, after, size) for origin, after, size in found if after < size]

    def depart(self) -> None:
        if self.outgoing.flight is None:
            self.outgoing = self.outgoing.departed(self.now_s)
            self.answer_of_sql()

    def answer_of_sql(self) -> None:
        match self.outgoing.flight:
            case Looking(centers):
                cursors = [(lane(c), self.stored[c]) for c in centers if c in self.lanes]
                self.outgoing = self.outgoing.looked(cursors, self.unpublished(centers))
            case Loading(backlog):
                self.loads += 1
                ends = [end for end in self.lanes[backlog.center] if end > backlog.after][:2]
                found = published(backlog.after + 1, ends[-1], backlog.center) if ends else None
                self.outgoing = self.outgoing.loaded(found)

    def write(self, count: int | None = None) -> None:
        """The broker writes what is in flight, or the first `count` publications of it."""
        match self.outgoing.flight:
            case Publishing(publications, states_only=False):
                for publication in publications[:count]:
                    assert publication.first <= self.broker[publication.center] + 1, "something was skipped"
                    self.broker[publication.center] = max(publication.last, self.broker[publication.center])

    def land(self) -> None:
        if isinstance(self.outgoing.flight, Answering | Publishing):
            self.write()
            self.outgoing = self.outgoing.linked().landed()

    def fail(self, written: int) -> None:
        if isinstance(self.outgoing.flight, Answering | Publishing):
            self.write(written)
            answers = self.outgoing.answers
            self.outgoing = self.outgoing.failed()
            assert (self.outgoing.queue, self.outgoing.queued, self.outgoing.backlogs) == ((), 0, ())
            assert self.outgoing.answers == answers

    def store(self, *, restart: bool, applied: bool) -> None:
        cursors = dict(self.outgoing.unstored)
        if applied:
            for origin, last in cursors.items():
                center = origin.split("/")[-2]
                self.stored[center] = max(last, self.stored[center])
        if restart:
            self.restart()
        else:
            self.outgoing = self.outgoing.stored(cursors, self.now_s)

    def check(self) -> None:
        for center in CENTERS:
            acknowledged = self.outgoing.cursors.get(lane(center), 0)
            assert max(self.stored[center], acknowledged) <= self.broker[center] <= self.lanes[center][-1]

    def drain(self) -> None:
        """Nothing fails any more: all is out, all cursors are stored, nothing waits."""
        self.outgoing = self.outgoing.looked_at(CENTERS)
        for _ in range(10_000):
            self.land()
            self.depart()
            self.check()
            waits = self.outgoing.queue or self.outgoing.answers or self.outgoing.behind or self.outgoing.backlogs
            if self.outgoing.flight is None and not waits:
                break
        self.store(restart=False, applied=True)
        assert self.broker == self.stored == {center: ends[-1] for center, ends in self.lanes.items()}
        assert (self.outgoing.queued, self.outgoing.unstored, self.outgoing.answers) == (0, {}, ())


centers = st.sampled_from(CENTERS)
sizes = st.one_of(st.integers(1, 50), st.sampled_from([SEND_EVENTS_MAX, ROOM_EVENTS, QUEUE_EVENTS_MAX]))
MOVE = st.one_of(
    st.tuples(st.just("commit"), centers, sizes, st.booleans()),
    st.tuples(st.sampled_from(["depart", "land", "go on", "go on", "go on"])),
    st.tuples(st.just("fail"), st.integers(0, 3)),
    st.tuples(st.just("store"), st.booleans(), st.booleans()),
    st.tuples(st.sampled_from(["restart", "answer", "time passes"])),
    st.tuples(st.sampled_from(["adopt", "look"]), centers),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(MOVE, max_size=60))
def test_every_lane_goes_out_in_order_and_whole_whatever_fails(moves: list[tuple[object, ...]]) -> None:
    """Acknowledgements that come late or never, processes that die, lanes that are taken over while they are sent.

    Nothing of a lane is skipped; no cursor is beyond what the broker has; in the end the broker has everything.
    """
    world = World()
    world.restart()
    for name, *given_ in moves:
        move(world, str(name), given_)
        world.check()
    world.drain()


def move(world: World, name: str, given_: list[object]) -> None:
    match name, given_:
        case "commit", [str(center), int(size), bool(told)]:
            world.commit(center, size, told=told)
        case "fail", [int(written)]:
            world.fail(written)
        case "store", [bool(fails), bool(applied)]:
            world.store(restart=fails, applied=applied or not fails)
        case "adopt", [str(center)]:
            world.adopt([center])
        case "look", [str(center)]:
            world.outgoing = world.outgoing.looked_at([center])
        case "answer", []:
            world.outgoing = world.outgoing.asked(ANSWER)
        case "time passes", []:
            world.now_s += 12
        case "go on", []:
            world.land()
            world.depart()
        case _:
            getattr(world, name)()


def test_publishing_from_memory_reads_nothing() -> None:
    """The fast path: once SQL was looked at, a lane whose commits are handed over needs it no more."""
    world = World()
    world.restart()
    world.drain()
    for n in range(20):
        world.commit(CENTERS[n % 3], 7, told=True)
        for _ in range(3):
            world.land()
            world.depart()
    world.drain()
    assert world.loads == 0
