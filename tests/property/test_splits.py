"""Taking does not depend on fetches: one topic, however it is cut into fetches and wherever HQ is started again.

Read record by record it comes to one ledger and one quarantine. Any other way of reading it comes to the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from hub.ledger.keyring import Keyring
from hub.ledger.lane import Intake, Status
from hub.ledger.reading import Quarantined, Reading
from hub.ledger.settle import RECEIPT_EVENTS_MAX
from hub.ledger.take import take
from hub.protocol.limits import TAIL_BYTES_MAX, TAIL_EVENTS_MAX
from tests.support.center import HUB, Sent
from tests.support.topic import Act, Topic, keyring, one_act, written


@dataclass
class Read:
    """What comes of a topic: the ledger, each record in quarantine with why, and how it stands at the end."""

    reading: Reading = field(default_factory=lambda: Reading.of(Intake("uz")))
    ledger: list[tuple[str, int, bytes]] = field(default_factory=list)
    kept: dict[int, tuple[str, str]] = field(default_factory=dict)
    duplicates: int = 0
    strangers: int = 0

    def fetch(self, records: Sequence[Sent], keys: Keyring) -> None:
        taken = take(self.reading, records, keys, HUB, 0.0)
        for stretch in taken.stretches:
            assert len(stretch.events) <= RECEIPT_EVENTS_MAX
            assert stretch.edge.size == stretch.events[-1].sequence
            self.ledger += [(stretch.lane.origin, p.sequence, p.leaf) for p in stretch.events]
        for item in taken.quarantine:
            self.keep(item)
        self.duplicates += taken.heard.duplicates
        self.strangers += taken.heard.strangers
        self.reading = taken.reading
        tails = [self.reading.unsealed, self.reading.opening.tail if self.reading.opening else ()]
        assert all(len(tail) <= TAIL_EVENTS_MAX for tail in tails)
        assert all(sum(len(p.data) for p in tail) <= TAIL_BYTES_MAX for tail in tails)

    def keep(self, item: Quarantined) -> None:
        offset, why = item.record.offset, (item.reason, item.detail)
        self.kept.setdefault(offset, why)

    def restart(self) -> int:
        """Forget all that only memory has; return where SQL says to read."""
        intake = self.reading.intake
        if intake.status is Status.WAITING:
            intake = replace(intake, status=Status.READING, why="", reads_on=False)
        self.reading = Reading.of(intake)
        return intake.offset or 0

    def outcome(self) -> tuple[object, ...]:
        intake = self.reading.intake
        tail = [(p.record.offset, p.refusal) for p in self.reading.tail]
        lane = intake.lane and (intake.lane.origin, intake.lane.edge)
        return self.ledger, self.kept, lane, dict(intake.closed), tail, self.reading.wait, intake.offset, intake.status


def fetches(log: Sequence[Sent], sizes: Sequence[int]) -> Iterator[Sequence[Sent]]:
    """Cut a topic into fetches, of the given sizes over and over."""
    at = number = 0
    while at < len(log):
        size = sizes[number % len(sizes)]
        yield log[at : at + size]
        at, number = at + size, number + 1


def one_by_one(log: Sequence[Sent], keys: Keyring) -> Read:
    read = Read()
    for record in log:
        read.fetch([record], keys)
    return read


def hold(acts: Sequence[Act], sizes: Sequence[int], restarts: Sequence[int], *, strict: bool) -> None:
    topic, keys = written(acts), keyring(strict=strict)
    log, expected = topic.log, one_by_one(topic.log, keys)
    for reason, _ in set(expected.kept.values()):
        event(reason)
    event(f"waits: {expected.reading.wait is not None}")
    split = Read()
    for records in fetches(log, sizes):
        split.fetch(records, keys)
    assert split.outcome() == expected.outcome()
    assert (split.duplicates, split.strangers) == (expected.duplicates, expected.strangers)
    again = started_again(log, sizes, restarts, keys)
    assert again.ledger == expected.ledger
    assert again.strangers == expected.strangers
    topic.event()
    for read in (expected, split, again):
        healed(topic, read, keys)


def started_again(log: Sequence[Sent], sizes: Sequence[int], restarts: Sequence[int], keys: Keyring) -> Read:
    """Read a topic with a worker that dies at some places, and goes on at the position in SQL."""
    read, at, number = Read(), 0, 0
    stops = sorted(stop % (len(log) + 1) for stop in restarts)
    while at < len(log):
        size = sizes[number % len(sizes)]
        read.fetch(log[at : at + size], keys)
        at, number = min(at + size, len(log)), number + 1
        if stops and stops[0] <= at:
            stops = stops[1:]
            at = read.restart()
    return read


def healed(topic: Topic, read: Read, keys: Keyring) -> None:
    """Whatever came before, a center that sends what HQ lacks, and an event more, is taken."""
    lane = read.reading.intake.lane
    size = lane.size if lane is not None and lane.epoch == topic.center.epoch else 0
    read.fetch(topic.rest(size), keys)
    lane = read.reading.intake.lane
    assert lane is not None
    assert (lane.origin, lane.edge) == (topic.center.origin, topic.center.edge)
    assert (read.reading.tail, read.reading.intake.status, read.reading.intake.why) == ((), Status.READING, "")


cut = st.lists(st.one_of(st.integers(1, 9), st.sampled_from([50, 255, 256, 257, 1_000])), min_size=1, max_size=8)
stops = st.lists(st.integers(0, 5_000), max_size=4)


@given(acts=st.lists(one_act, min_size=2, max_size=16), sizes=cut, restarts=stops, strict=st.booleans())
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
def test_any_split_and_any_restart_gives_the_same(
    acts: list[Act], sizes: list[int], restarts: list[int], strict: bool
) -> None:
    """The same ledger, the same records in quarantine for the same reasons, the same counts, the same position."""
    hold(acts, sizes, restarts, strict=strict)


@pytest.mark.long
@given(acts=st.lists(one_act, max_size=60), sizes=cut, restarts=stops, strict=st.booleans())
@settings(max_examples=3_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@pytest.mark.timeout(3600)
def test_any_split_and_any_restart_of_a_long_topic_gives_the_same(
    acts: list[Act], sizes: list[int], restarts: list[int], strict: bool
) -> None:
    """The same, for much longer topics."""
    hold(acts, sizes, restarts, strict=strict)
