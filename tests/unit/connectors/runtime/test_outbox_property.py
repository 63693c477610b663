"""Whatever happens in whatever order, each event is decided once, in one tree, in the order in which it was queued."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from connectors.reconcile.story import StoryLink, tell
from connectors.runtime.codecs import Codecs
from hub.protocol.receipt import Decision
from hub.protocol.record import canonical
from hub.protocol.tree import Edge, leaf_hash
from tests.support.office import CENTER, HUB, Office

CODECS = Codecs()
KEYS = ("A", "B", "C")


class OutboxMachine(RuleBasedStateMachine):
    """A center that queues, seals, crashes and hears answers; HQ takes what it is sent, in order, once."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.office = Office(self.folder / "outbox.sqlite3", CODECS)
        self.lanes = 0
        self.numbers = itertools.count(1)
        self.queued: list[str] = []
        self.links: dict[str, StoryLink] = {}
        self.open_lane()

    def teardown(self) -> None:
        self.office.outbox.close()
        shutil.rmtree(self.folder)

    def open_lane(self) -> None:
        self.lanes += 1
        self.office.open(f"{HUB}/{CENTER}/{self.lanes:08x}", "for the test")
        self.hq_edge = Edge()  # HQ's tree of the open lane
        self.unanswered: list[tuple[int, int]] = []  # receipts that HQ has made and we have not heard

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4))
    def queue(self, keys: list[str]) -> None:
        """Queue events that are one story; the titles tell them apart."""
        events = [self.office.event(key, "revised", f"Title {next(self.numbers)}") for key in keys]
        links = tell([event.id for event in events])
        events = [replace(event, link=link) for event, link in zip(events, links, strict=True)]
        self.office.outbox.enqueue_events(events)
        self.links |= {event.id: event.link for event in events}
        self.queued += [event.id for event in events]

    @rule(key=st.sampled_from(KEYS))
    def seal(self, key: str) -> None:
        """Queue one more and seal, and let what is sealed lie: what is sent later must be the same."""
        self.queue([key])
        self.office.outbox.lane.seal(self.office.key)

    @rule()
    def crash(self) -> None:
        """Lose all that is in memory, with the file as it is."""
        self.office.reopen()

    @rule()
    def be_interrupted(self) -> None:
        """Begin a transaction that never ends well: it must leave no trace."""
        with contextlib.suppress(ZeroDivisionError), self.office.outbox.database.transaction() as connection:
            connection.execute("DELETE FROM event")
            raise ZeroDivisionError

    @rule(batches=st.integers(1, 4))
    def send(self, batches: int) -> None:
        """Send some batches; HQ appends their leaves, finds its own root in each seal, and makes a receipt of each."""
        for _ in range(batches):
            self.seal("A")
            batch = self.office.outbox.lane.load(self.hq_edge.size + 1, self.office.key)
            if batch is None:
                return
            assert batch.first == self.hq_edge.size + 1
            self.hq_edge = self.hq_edge.append(leaf_hash(canonical(r.headers, r.value)) for r in batch.records)
            assert self.hq_edge.root == self.office.outbox.lane.root_at(batch.last)
            self.unanswered.append((batch.first, batch.last))

    @precondition(lambda self: self.unanswered)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """Hear one of the answers, in any order, some of it rejected; perhaps twice."""
        first, last = self.unanswered.pop(data.draw(st.sampled_from((-1, 0, len(self.unanswered) // 2))))
        rejected = data.draw(st.sets(st.integers(first, last), max_size=2))
        decisions = [Decision(sequence, "BAD_FIELD", "title") for sequence in sorted(rejected)]
        for _ in range(data.draw(st.integers(1, 2))):
            self.office.answer(first, last, *decisions)

    @precondition(lambda self: self.lanes < 5)
    @rule()
    def open_again(self) -> None:
        """Open a new lane: what HQ has not answered is said again there."""
        self.open_lane()

    @invariant()
    def nothing_is_lost_and_nothing_is_twice(self) -> None:
        """Every event that was queued is in the outbox once."""
        found = self.office.outbox.database.read("SELECT ce_id FROM event WHERE type LIKE 'net.cohub.offer.%'")
        assert sorted(ce_id for (ce_id,) in found) == sorted(self.queued)

    @invariant()
    def stories_are_kept(self) -> None:
        """Every event says of its story what it said when it was queued."""
        found = self.office.outbox.database.read(
            "SELECT ce_id, correlation, causation FROM event WHERE type LIKE 'net.cohub.offer.%'"
        )
        assert {ce_id: StoryLink(*links) for ce_id, *links in found} == self.links

    @invariant()
    def backlog_is_what_entities_wait_for(self) -> None:
        """In flight, over all entities, is what has no receipt, but for the lane's own opening."""
        lane, database = self.office.outbox.lane, self.office.outbox.database
        waiting = database.read("SELECT coalesce(sum(inflight), 0) FROM entity")[0][0]
        opening = 0 if lane.epoch and self._is_answered(1) else 1
        assert self.office.outbox.backlog() == waiting + opening

    @invariant()
    def order_is_kept(self) -> None:
        """What is still to be said comes in the order in which it was queued."""
        lane = self.office.outbox.lane
        assert lane.epoch is not None
        found = self.office.outbox.database.read(
            "SELECT ce_id FROM event WHERE id > ? AND type LIKE 'net.cohub.offer.%' ORDER BY id", (lane.epoch.base,)
        )
        places = [self.queued.index(ce_id) for (ce_id,) in found]
        assert places == sorted(places)

    def _is_answered(self, sequence: int) -> bool:
        lane = self.office.outbox.lane
        assert lane.epoch is not None
        found = self.office.outbox.database.read(
            "SELECT 1 FROM receipt WHERE epoch=? AND ? BETWEEN first AND last", (lane.epoch.number, sequence)
        )
        return bool(found)


TestOutbox = OutboxMachine.TestCase
TestOutbox.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
