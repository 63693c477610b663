"""What is published next, against a broker and a store that fail as real ones do, and processes that die."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.ledger.flight import Answering, Loading, Looking, Publishing
from hub.ledger.outgoing import QUEUE_EVENTS_MAX, ROOM_EVENTS, SEND_EVENTS_MAX, Outgoing
from hub.ledger.publication import Answer
from tests.support.outgoing import lane, published, without_bytes

ANSWER = Answer("uz", "resend", b"note")
AGAIN = Answer("uz", "receipt", b"a receipt of before")
CENTERS = ("by", "kz", "uz")


@dataclass
class World:
    """A store, a broker and one publisher after another. It keeps to what the real ones promise, and no more."""

    lanes: dict[str, list[int]] = field(default_factory=lambda: {lane(c): [0] for c in CENTERS})  # ends of the receipts
    newest: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CENTERS, 0))  # lane of each center
    stored: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    broker: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # has all up to here, in order
    outgoing: Outgoing = field(default_factory=Outgoing)
    now_s: float = 0.0
    loads: int = 0

    def commit(self, center: str, size: int, *, told: bool, lacks: bool = False) -> None:
        epoch = self.newest[center]
        ends = self.lanes[lane(center, epoch)]
        first, last = ends[-1] + 1, ends[-1] + size
        ends.append(last)
        if told:
            before = self.outgoing.queued
            entities = [without_bytes()] if lacks else []
            self.outgoing = self.outgoing.offered([published(first, last, center, *entities, epoch=epoch)])
            # One publication may go over the limit; behind it nothing is queued any more.
            assert self.outgoing.queued == before + (size if before <= QUEUE_EVENTS_MAX else 0)
            assert self.outgoing.queued == sum(p.last - p.first + 1 for p in self.outgoing.queue)

    def open(self, center: str) -> None:
        """The center goes on in a new lane."""
        self.newest[center] += 1
        self.lanes[lane(center, self.newest[center])] = [0]

    def of(self, centers: Iterable[str]) -> list[str]:
        """Return the lanes of these centers, as SQL has them: oldest first."""
        return [origin for origin in self.lanes if origin.split("/")[1] in set(centers)]

    def restart(self) -> None:
        """The process dies; the next one takes all lanes over."""
        self.outgoing = Outgoing()
        self.adopt(CENTERS)

    def adopt(self, centers: Iterable[str]) -> None:
        centers = tuple(centers)
        self.outgoing = self.outgoing.adopted(centers, self.unpublished(centers), self.now_s + 11)

    def unpublished(self, centers: Iterable[str]) -> list[tuple[str, int, int]]:
        found = [(origin, self.stored[origin], self.lanes[origin][-1]) for origin in self.of(centers)]
        return [(origin, after, size) for origin, after, size in found if after < size]

    def depart(self) -> None:
        if self.outgoing.flight is None:
            self.outgoing = self.outgoing.departed(self.now_s)
            self.answer_of_sql()

    def answer_of_sql(self) -> None:
        match self.outgoing.flight:
            case Looking(centers):
                cursors = [(origin, self.stored[origin]) for origin in self.of(centers)]
                self.outgoing = self.outgoing.looked(cursors, self.unpublished(centers))
            case Loading(backlog):
                self.loads += 1
                ends = [end for end in self.lanes[backlog.origin] if end > backlog.after][:1]
                epoch = int(backlog.origin.split("/")[-1])
                found = published(backlog.after + 1, ends[-1], backlog.center, epoch=epoch) if ends else None
                self.outgoing = self.outgoing.loaded(found)

    def write(self, count: int | None = None) -> None:
        """The broker writes what is in flight, or the first `count` publications of it."""
        match self.outgoing.flight:
            case Publishing(publications, states_only=False):
                for publication in publications[:count]:
                    origin = publication.origin
                    assert publication.first <= self.broker[origin] + 1, "something was skipped"
                    lanes = self.of([publication.center])
                    older = lanes[: lanes.index(origin)]
                    assert all(self.broker[one] == self.lanes[one][-1] for one in older), "a newer lane came first"
                    self.broker[origin] = max(publication.last, self.broker[origin])

    def land(self) -> None:
        if isinstance(self.outgoing.flight, Answering | Publishing):
            self.write()
            self.outgoing = self.outgoing.linked().landed()

    def fail(self, written: int) -> None:
        if isinstance(self.outgoing.flight, Answering | Publishing):
            self.write(written)
            answers = self.outgoing.answers
            self.outgoing = self.outgoing.failed()
            assert (self.outgoing.queue, self.outgoing.queued, self.outgoing.backlogs) == ((), 0, {})
            assert self.outgoing.answers == answers

    def store(self, *, restart: bool, applied: bool) -> None:
        cursors = dict(self.outgoing.unstored)
        if applied:
            for origin, last in cursors.items():
                self.stored[origin] = max(last, self.stored[origin])
        if restart:
            self.restart()
        else:
            self.outgoing = self.outgoing.stored(cursors, self.now_s)

    def check(self) -> None:
        for origin, ends in self.lanes.items():
            acknowledged = self.outgoing.cursors.get(origin, 0)
            assert max(self.stored[origin], acknowledged) <= self.broker[origin] <= ends[-1]

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
        for origin, ends in self.lanes.items():
            assert self.broker[origin] == self.stored[origin] == ends[-1], origin
        assert (self.outgoing.queued, self.outgoing.unstored, self.outgoing.answers) == (0, {}, ())


centers = st.sampled_from(CENTERS)
sizes = st.one_of(st.integers(1, 50), st.sampled_from([SEND_EVENTS_MAX, ROOM_EVENTS, QUEUE_EVENTS_MAX]))
MOVE = st.one_of(
    st.tuples(st.just("commit"), centers, sizes, st.booleans(), st.booleans()),
    st.tuples(st.sampled_from(["depart", "land", "go on", "go on", "go on"])),
    st.tuples(st.just("fail"), st.integers(0, 3)),
    st.tuples(st.just("store"), st.booleans(), st.booleans()),
    st.tuples(st.sampled_from(["restart", "answer", "time passes"])),
    st.tuples(st.sampled_from(["adopt", "look", "open"]), centers),
)


@example(
    [
        *[("commit", "uz", 1, False, False)] * 3,
        ("open", "uz"),
        ("look", "uz"),
        *[("go on",)] * 2,
        ("commit", "uz", 1, True, False),
        *[("go on",)] * 2,
    ]
)
@example(
    [
        *[("go on",)] * 3,
        ("commit", "uz", 1, False, False),
        ("commit", "uz", 1, True, False),
        ("open", "uz"),
        ("commit", "uz", 1, True, False),
        *[("go on",)] * 2,
    ]
)
@settings(max_examples=300, deadline=None)
@given(st.lists(MOVE, max_size=60))
def test_every_lane_goes_out_in_order_and_whole_whatever_fails(moves: list[tuple[object, ...]]) -> None:
    """Acknowledgements that come late or never, processes that die, lanes that are taken over while they are sent.

    Nothing of a lane is skipped, and no newer lane of a center goes out before an older one is out; no cursor is beyond
    what the broker has; in the end the broker has everything.
    """
    world = World()
    world.restart()
    for name, *given_ in moves:
        move(world, str(name), given_)
        world.check()
    world.drain()


def move(world: World, name: str, given_: list[object]) -> None:
    match name, given_:
        case "commit", [str(center), int(size), bool(told), bool(lacks)]:
            world.commit(center, size, told=told, lacks=lacks)
        case "open", [str(center)]:
            world.open(center)
        case "fail", [int(written)]:
            world.fail(written)
        case "store", [bool(fails), bool(applied)]:
            world.store(restart=fails, applied=applied or not fails)
        case "adopt", [str(center)]:
            world.adopt([center])
        case "look", [str(center)]:
            world.outgoing = world.outgoing.looked_at([center])
        case "answer", []:
            world.outgoing = world.outgoing.asked(ANSWER).asked(AGAIN)
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
