"""The course of a lane: every move by itself, and all of them against a broker and an HQ that behave as networks do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.runtime.course import (
    DETOUR_BATCHES,
    FLIGHTS_MAX,
    REWIND_PAUSE_S,
    SILENCE_MAX_S,
    Course,
)

WAIT_S = 10.0
NOW = 1000.0
LATER = NOW + REWIND_PAUSE_S


def course(**changes: object) -> Course:
    """Return a course that begins now, changed as the test wants it."""
    return replace(Course.begin(WAIT_S, NOW), **changes)  # type: ignore[arg-type]


def sent(*lasts: int, **changes: object) -> Course:
    """Return the course on which batches that end at these sequences have departed, one after the other."""
    made, first = course(**changes), 1
    for last in lasts:
        made, first = made.departed(first, last, NOW), last + 1
    return made


def summary(found: Course) -> tuple[int, int, int]:
    """Return what goes out next, what is acknowledged, how many batches are in flight."""
    return found.upcoming, found.acknowledged, found.in_flight


MOVES: dict[str, tuple[Course, Callable[[Course], Course], tuple[int, int, int]]] = {
    "a new lane begins behind what is answered": (sent(5, 9), lambda c: c.restarted(3), (4, 3, 2)),
    "a batch departs": (course(), lambda c: c.departed(1, 5, NOW), (6, 0, 1)),
    "the first one lands": (sent(5, 9), lambda c: c.landed(1), (10, 5, 1)),
    "the second one lands first": (sent(5, 9), lambda c: c.landed(2), (10, 0, 1)),
    "both have landed": (sent(5, 9), lambda c: c.landed(2).landed(1), (10, 9, 0)),
    "a landing is told twice": (sent(5, 9), lambda c: c.landed(1).landed(1), (10, 5, 1)),
    "one fails": (sent(5, 9), lambda c: c.failed(1), (10, 0, 1)),
    "what lands after a failure does not count": (sent(5, 9), lambda c: c.failed(1).landed(2), (10, 0, 0)),
    "a new link begins at what was not acknowledged": (sent(5, 9), lambda c: c.landed(1).failed(2).linked(), (6, 5, 0)),
    "a new link skips what HQ has answered": (sent(5, 9), lambda c: c.answered_to(9).linked(), (10, 9, 0)),
    "an old link's landing does not count": (sent(5, 9), lambda c: c.linked().landed(2), (1, 0, 0)),
    "an old link's failure does not count": (sent(5, 9), lambda c: c.linked().departed(1, 5, NOW).failed(1), (6, 0, 1)),
    "HQ asks": (sent(5, 9, 12), lambda c: c.rewound(6, NOW), (6, 0, 3)),
    "HQ asks for what was acknowledged": (
        sent(5, 9).landed(1).landed(2),
        lambda c: c.rewound(6, NOW).linked(),
        (6, 5, 0),
    ),
    "what flew before HQ asked acknowledges nothing": (
        sent(5, 9),
        lambda c: c.rewound(6, NOW).landed(1).landed(2),
        (6, 0, 0),
    ),
    "HQ asks for what is still to come": (sent(5, 9), lambda c: c.rewound(10, NOW), (10, 0, 2)),
    "HQ asks again at once": (
        sent(5, 9),
        lambda c: c.rewound(6, NOW).departed(6, 9, NOW).rewound(7, LATER - 0.01),
        (10, 0, 3),
    ),
    "HQ asks for more at once": (
        sent(5, 9),
        lambda c: c.rewound(6, NOW).departed(6, 9, NOW).rewound(1, LATER - 0.01),
        (10, 0, 3),
    ),
    "HQ asks again before it has answered": (
        sent(5, 9),
        lambda c: c.rewound(6, NOW).departed(6, 9, NOW).rewound(6, NOW + WAIT_S - 0.01),
        (10, 0, 3),
    ),
    "HQ asks again when it has been silent": (
        sent(5, 9),
        lambda c: c.rewound(6, NOW).departed(6, 9, NOW).rewound(6, NOW + WAIT_S),
        (6, 0, 3),
    ),
    "HQ asks for more when a receipt has come": (
        sent(5, 9),
        lambda c: c.rewound(1, NOW).departed(1, 9, NOW).answered_to(5).heard(NOW).rewound(6, LATER),
        (6, 0, 3),
    ),
    "a request of before is said again": (
        sent(5, 9),
        lambda c: c.answered_to(9).heard(NOW).rewound(6, LATER),
        (10, 0, 2),
    ),
    "HQ says that it lost what it had answered": (
        sent(5, 9),
        lambda c: c.answered_to(9).heard(NOW).lost(6, LATER),
        (6, 0, 2),
    ),
    "another lane is asked for at once": (
        sent(5, 9),
        lambda c: c.rewound(1, NOW).restarted(0).departed(1, 5, NOW).rewound(3, LATER),
        (3, 0, 3),
    ),
    "HQ is silent": (sent(5, 9), lambda c: c.awoken(NOW), (1, 0, 2)),
    "a detour goes on where it was": (sent(5, 9), lambda c: c.awoken(NOW).departed(1, 9, NOW), (10, 0, 3)),
    "a detour acknowledges no less": (
        sent(5, 9).landed(1).landed(2),
        lambda c: c.awoken(NOW).linked(),
        (10, 9, 0),
    ),
    "HQ asks in a detour": (
        sent(5, 9),
        lambda c: c.awoken(NOW).departed(1, 5, NOW).rewound(3, LATER).departed(1, 5, LATER),
        (6, 0, 4),
    ),
    "HQ asks in a detour for what was never sent": (
        sent(5, 9),
        lambda c: c.awoken(NOW).departed(1, 5, NOW).rewound(10, LATER),
        (6, 0, 3),
    ),
    "what another lane had in flight acknowledges nothing": (
        sent(5, 9),
        lambda c: c.restarted(0).landed(1).landed(2),
        (1, 0, 0),
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_move_leads_to_what_is_next_acknowledged_and_in_flight(name: str) -> None:
    begun, move, expected = MOVES[name]
    assert summary(move(begun)) == expected


def test_no_move_changes_the_course_that_it_begins_from() -> None:
    begun = sent(5, 9)
    before = repr(begun)
    begun.landed(1).failed(2).rewound(1, NOW).awoken(NOW).departed(1, 2, NOW).linked().restarted(1).heard(NOW)
    assert repr(begun) == before


def test_silence_is_measured_from_the_batch_that_nothing_older_waits_before() -> None:
    begun = course().departed(1, 5, NOW + 7)
    assert begun.silence_left_s(NOW + 8) == WAIT_S - 1
    assert begun.departed(6, 9, NOW + 8).silence_left_s(NOW + 8) == WAIT_S - 1
    assert begun.is_silent(NOW + 7 + WAIT_S)
    assert not begun.is_silent(NOW + 6.9 + WAIT_S)


def test_nothing_to_be_answered_is_no_silence() -> None:
    assert course().silence_left_s(NOW) is None
    answered = sent(5).answered_to(5)
    assert answered.silence_left_s(NOW + 1e6) is None
    assert not answered.is_silent(NOW + 1e6)


def test_silence_is_broken_ever_less_often_until_a_receipt_comes() -> None:
    found, now, waits = sent(5), NOW, []
    for _ in range(10):
        left_s = found.silence_left_s(now)
        assert left_s is not None
        waits.append(left_s)
        now += left_s
        found = found.awoken(now).departed(1, 5, now)
    assert waits[:3] == [WAIT_S, 2 * WAIT_S, 4 * WAIT_S]
    assert max(waits) <= SILENCE_MAX_S
    assert found.heard(now).silence_left_s(now) == WAIT_S


def test_detour_ends_after_some_batches_where_the_lane_goes_on() -> None:
    found = sent(*range(1, 101)).awoken(LATER)
    for number in range(1, DETOUR_BATCHES + 1):
        assert (found.upcoming, found.frontier) == (number, 101)
        found = found.departed(number, number, LATER)
    assert (found.upcoming, found.detour) == (101, None)


# ------------------------------------------------------------------------------------------------- against a network


@dataclass
class World:
    """A lane of sealed batches of three events, a broker that keeps what reaches it, an HQ that takes it in order."""

    sealed: int = 24
    course: Course = field(default_factory=lambda: Course.begin(WAIT_S, 0.0).restarted(0).linked())
    now: float = 0.0
    flying: dict[int, int] = field(default_factory=dict)  # by departure: the batch's first
    topic: list[int] = field(default_factory=list)  # firsts of batches
    arrived: set[int] = field(default_factory=set)  # of those, what HQ has not said since that it is lost
    read: int = 0
    taken: int = 0  # HQ has everything up to here
    answered: int = 0  # and has told it
    is_linked: bool = True
    sent: list[int] = field(default_factory=list)

    def seal(self) -> None:
        self.sealed += 3

    def send(self, batches: int = 1) -> None:
        for _ in range(batches):
            self._send()

    def _send(self) -> None:
        if not self.is_linked or self.course.is_full or self.course.is_broken:
            return
        self.course = self.course.answered_to(self.answered)
        if self.course.is_silent(self.now):
            self.course = self.course.awoken(self.now)
        if self.course.upcoming > self.sealed:
            return
        first = (self.course.upcoming - 1) // 3 * 3 + 1
        self.course = self.course.departed(first, first + 2, self.now)
        self.flying[self.course.departures] = first
        self.sent.append(first)
        assert len(self.flying) <= 8, "too much is in flight"

    def land(self, which: int, *, arrives: bool = True) -> None:
        """Have a flight arrive and be acknowledged, or (`arrives` false) be lost on the way, which its link is told."""
        if not self.flying:
            return
        number = sorted(self.flying)[which % len(self.flying)]
        first = self.flying.pop(number)
        if arrives:
            self.topic.append(first)
            self.arrived.add(first)
            self.course = self.course.landed(number)
        else:
            self.course = self.course.failed(number)

    def lose_link(self, arrived: int) -> None:
        """Lose the link: of what flies the first `arrived` are there, and nobody is told."""
        self.topic += [self.flying[number] for number in sorted(self.flying)[:arrived]]
        self.arrived |= {self.flying[number] for number in sorted(self.flying)[:arrived]}
        for number in list(self.flying):
            self.course = self.course.failed(number)
        self.flying.clear()
        self.is_linked = False

    def link(self) -> None:
        if not self.is_linked or self.course.is_broken:
            self.flying.clear()
            self.is_linked, self.course = True, self.course.answered_to(self.answered).linked()

    def forget(self, count: int) -> None:
        """The broker loses the newest of what it had acknowledged and HQ has not read."""
        keep = max(self.read, len(self.topic) - count)
        del self.topic[keep:]

    def take(self) -> None:
        """HQ reads one batch: takes it, or asks for what is missing before it."""
        if self.read == len(self.topic):
            return
        first = self.topic[self.read]
        self.read += 1
        if first > self.taken + 1:
            before, self.course = self.course, self.course.rewound(self.taken + 1, self.now)
            if self.course is not before:
                self.arrived -= {known for known in self.arrived if known > self.taken}
        elif first + 2 > self.taken:
            self.taken = first + 2

    def receipt(self) -> None:
        if self.taken > self.answered:
            self.answered = self.taken
            self.course = self.course.answered_to(self.answered).heard(self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds


actions = st.one_of(
    st.just(("seal",)),
    st.tuples(st.just("send"), st.integers(1, 8)),
    st.tuples(st.just("send"), st.integers(1, 8)),
    st.tuples(st.just("land"), st.integers(0, 7)),
    st.tuples(st.just("land"), st.integers(0, 7)),
    st.tuples(st.just("fail"), st.integers(0, 7)),
    st.tuples(st.just("lose_link"), st.integers(0, 8)),
    st.just(("link",)),
    st.tuples(st.just("forget"), st.integers(1, 4)),
    st.just(("take",)),
    st.just(("take",)),
    st.just(("receipt",)),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 1.0, 11.0, 100.0])),
)


def play(world: World, action: tuple[object, ...]) -> None:
    name, *arguments = action
    if name == "fail":
        world.land(int(str(arguments[0])), arrives=False)
    else:
        getattr(world, str(name))(*arguments)
    course = world.course
    assert course.in_flight <= FLIGHTS_MAX
    for first in range(world.answered + 1, course.acknowledged, 3):
        assert first in world.arrived, "acknowledged, and the broker does not have it"
    # Whatever is next, nothing between what HQ has answered and what was sent at least once is left out for good.
    assert course.frontier <= world.sealed + 1
    assert course.upcoming <= course.frontier


@settings(max_examples=500)
@given(st.lists(actions, max_size=60))
def test_all_that_is_sealed_reaches_hq_in_order_whatever_the_network_does(script: list[tuple[object, ...]]) -> None:
    """Afterwards the network is well again, and HQ ends up with everything: nothing without receipt was skipped."""
    world = World()
    for action in script:
        play(world, action)
    for first in range(1, world.sealed, 3):
        assert first in world.sent or first >= world.course.frontier, "a batch was passed over"
    rounds = 0
    while world.answered < world.sealed:
        rounds += 1
        assert rounds < 400, f"HQ has {world.taken} of {world.sealed}: {world.course}"
        world.link()
        for _ in range(FLIGHTS_MAX):
            play(world, ("send",))
        while world.flying:
            play(world, ("land", 0))
        while world.read < len(world.topic):
            play(world, ("take",))
        play(world, ("receipt",))
        play(world, ("wait", 11.0))


@settings(max_examples=300)
@given(st.lists(actions, max_size=60))
def test_the_next_batch_is_the_one_behind_the_last_unless_something_leads_back(
    script: list[tuple[object, ...]],
) -> None:
    """Each batch is sent for the first time when every batch before it was sent: the lane goes out in its order."""
    world = World()
    for action in script:
        play(world, action)
    firsts = list(dict.fromkeys(world.sent))
    assert firsts == sorted(firsts)
    assert firsts == [1 + 3 * number for number in range(len(firsts))]


def test_property_test_exercises_what_it_is_about() -> None:
    """A network that loses, fails, forgets and is silent has batches sent again: the model is no easy one."""
    world = World()
    lost = [("send", 3), ("land", 1), ("fail", 1), ("link",), ("send",), ("land", 0), ("take",), ("take",)]
    for action in [*lost, ("forget", 1), ("wait", 100.0), ("send",)]:
        play(world, action)
    assert len(world.sent) > len(set(world.sent))
