"""However HQ answers, what an office believes is true, and its rows end as HQ has them.

The office plans with the product's own planner, HQ judges with the product's own fold. HQ rejects what it likes, also
what it has accepted in an earlier lane (`tests/unit/hub/ledger/test_decide.py` has how it comes to that), cuts receipts
as it likes, loses some for a while or for good, and has them heard in any order, and twice; another outbox of the
center may tell it more behind our back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connectors.reconcile.belief import NOTHING, UNKNOWN_DIGEST, UNKNOWN_STATUS, Aim, Queued, Verdict, row_state
from connectors.reconcile.digest import record_digest
from connectors.reconcile.plan import NoTransition, Planned, plan
from connectors.reconcile.story import RejectedEvent
from hub.domain.catalogue import STREAMS
from hub.domain.entity import Entity
from hub.domain.fold import fold
from hub.domain.repeat import says_again
from hub.protocol.errors import Rejected
from hub.protocol.verdict import Code

OFFER = STREAMS["offer"]
STATUSES = sorted({kind.status_after for kind in OFFER.events if kind.status_after is not None})
FILE = "offers.csv"
ROUNDS_MAX = 5


@dataclass(frozen=True)
class Wanted:
    """What a row wants."""

    status: str
    record: dict[str, str]
    reason: None = None

    @property
    def fingerprint(self) -> bytes:
        return sha256(f"{self.status} {self.record}".encode()).digest()


@dataclass(frozen=True)
class Sent:
    """One event on its way: what the belief needs of it, and what HQ folds; where the lane begins that repeats it."""

    queued: Queued
    step: Planned
    again: int = 0


class BeliefMachine(RuleBasedStateMachine):
    """One row of one office, and HQ."""

    def __init__(self) -> None:
        super().__init__()
        self.belief = NOTHING
        self.wanted: Wanted | None = None
        self.hq: Entity | None = None
        self.number = 1
        self.lane: list[Sent] = []  # what HQ has not read
        self.receipts: list[list[tuple[Sent, Verdict | None]]] = []  # what HQ has said and we have not heard
        self.heard: set[int] = set()
        self.is_in_order = True  # every receipt was heard in its turn so far
        self.is_alone = True  # nobody else wrote since the record was last known to be unknown
        self.is_in_doubt = False  # HQ may have been told what nobody heard its verdict on, or by another outbox
        self.knows_repeats = False  # HQ judges by rules that say of what it has already that it was said

    @initialize(knows_repeats=st.booleans())
    def begin(self, *, knows_repeats: bool) -> None:
        """Judge by rules 1, or by later ones."""
        self.knows_repeats = knows_repeats

    @rule(status=st.sampled_from(STATUSES), title=st.sampled_from("AB"))
    def want(self, status: str, title: str) -> None:
        """Have the row say something, and plan for it as the gatherer does."""
        self.wanted = Wanted(status, {"title": title})
        self.gather()

    def gather(self) -> bool:
        """Plan for the row as the gatherer does; return whether there is a way."""
        wanted = self.wanted
        if wanted is None or self.belief.fingerprint == wanted.fingerprint:
            return True
        try:
            steps = plan(OFFER, self.belief.presumed, wanted)
        except NoTransition:
            return False
        if not steps:
            self.belief = self.belief.hold(Aim(wanted.fingerprint, FILE))
            return True
        sent = []
        status = self.belief.presumed.status if self.belief.presumed else ""
        for step in steps:
            self.number += 1
            status = step.kind.status_after or status
            digest = record_digest(step.value) if step.kind.carries_record else None
            sent.append(Sent(Queued(self.number, status, digest, None in step.kind.legal_in), step))
        self.lane += sent
        self.belief = self.belief.presume([one.queued for one in sent], Aim(wanted.fingerprint, FILE))
        return True

    @precondition(lambda self: self.lane)
    @rule(count=st.integers(1, 2), whims=st.sets(st.integers(0, 1), max_size=1))
    def judge(self, count: int, whims: set[int]) -> None:
        """Let HQ read a few events and make one receipt of them; it rejects some though they are legal.

        An event that HQ had already reads accepted, as the outbox reads it.
        """
        read, self.lane = self.lane[:count], self.lane[count:]
        receipt: list[tuple[Sent, Verdict | None]] = []
        for place, sent in enumerate(read):
            verdict = None
            try:
                if place in whims:
                    raise Rejected(Code.BAD_FIELD, "title", "value=x")
                self.hq = fold(self.hq, sent.step.kind, "uz:K-1", "uz", sent.step.value)
            except Rejected as exc:
                if exc.code == Code.BAD_FIELD or not self.is_there_already(sent.step):
                    verdict = Verdict(exc.code, exc.field, exc.params)
            receipt.append((sent, verdict))
        self.receipts.append(receipt)

    def is_there_already(self, step: Planned) -> bool:
        """Return whether HQ says of an event that is no legal step that it was said."""
        return self.knows_repeats and self.hq is not None and says_again(self.hq, step.kind, "uz", step.value)

    @precondition(lambda self: self.receipts)
    @rule(data=st.data())
    def hear(self, data: st.DataObject) -> None:
        """Hear one receipt, perhaps twice, perhaps before an older one."""
        place = data.draw(st.integers(0, len(self.receipts) - 1))
        receipt = self.receipts[place]
        self.is_in_order &= place == 0
        if data.draw(st.booleans()):
            self.receipts.pop(place)
        self.take(receipt)

    def take(self, receipt: list[tuple[Sent, Verdict | None]]) -> None:
        """Believe what a receipt says, as the outbox does: the first verdict of an event counts, and no other."""
        for sent, verdict in receipt:
            event = sent.queued
            if event.number in self.heard:
                continue
            self.heard.add(event.number)
            if verdict is None:
                self.belief = self.belief.accept(event)
            else:
                self.is_in_doubt |= sent.again > 0
                rejected = RejectedEvent(str(event.number), "story")
                self.belief = self.belief.reject(event, verdict, rejected, sent.again)
        if self.belief.is_to_replan:
            self.belief = self.belief.replan()

    @rule(is_told_more=st.booleans())
    def open_lane(self, *, is_told_more: bool) -> None:
        """Go on in a new lane: what has no receipt is said again there, under later numbers.

        HQ may have read it: the receipts that are on their way are for a lane that is closed, and count no more.
        """
        if is_told_more:
            self.belief = self.belief.forget()
            self.is_in_doubt = True
        judged = [sent for receipt in self.receipts for sent, _ in receipt]
        unheard = {sent.queued.number: sent for sent in [*judged, *self.lane] if sent.queued.number not in self.heard}
        self.receipts.clear()
        self.lane = []
        self.number += 1
        opening, moved = self.number, {}
        for old, sent in sorted(unheard.items()):
            self.number += 1
            moved[old] = self.number
            self.lane.append(Sent(replace(sent.queued, number=self.number), sent.step, again=opening))
        if moved:
            self.belief = self.belief.renumber(moved)

    def teardown(self) -> None:
        """Settle: let HQ read all and reject nothing that is legal, and hear it in order: the row ends as HQ has it."""
        if not self.is_alone:
            self.drain()
            self.belief = self.belief.forget()
            self.is_in_doubt = True
        for _ in range(ROUNDS_MAX):
            could = self.gather()
            if not self.waiting():
                break
            self.drain()
        assert not self.waiting()
        if self.wanted is None or not could:
            return
        if self.belief.verdict is not None:
            # HQ did not like the row itself, and it is as it was; in another order, what follows from that may be told.
            assert self.belief.verdict.code == Code.BAD_FIELD or not self.is_in_order
            return
        assert self.belief.state == "accepted"
        self.is_alone = True  # what the other outbox had said is said over
        self.accepted_row_is_as_hq_has_it()

    def drain(self) -> None:
        """Have HQ read what is on its way, and hear all that it says, in order."""
        while self.lane:
            self.judge(2, set())
        self.hear_all()

    def hear_all(self) -> None:
        """Hear all that HQ has said, in order."""
        for receipt in self.receipts:
            self.take(receipt)
        self.receipts.clear()

    def waiting(self) -> int:
        """Return how many events have no verdict that we have heard."""
        judged = {sent.queued.number for receipt in self.receipts for sent, _ in receipt}
        return len(self.lane) + len(judged - self.heard)

    @invariant()
    def what_is_in_flight_is_what_waits(self) -> None:
        """Each event is in flight until its verdict is heard, and no longer."""
        assert self.belief.inflight == self.waiting()

    @invariant()
    def what_no_lane_said_twice_is_known(self) -> None:
        """Nothing is in doubt but what an earlier lane may have told HQ."""
        for half in (self.belief.held, self.belief.presumed):
            assert self.is_in_doubt or half is None or half.status != UNKNOWN_STATUS

    @invariant()
    def belief_is_of_one_piece(self) -> None:
        """No belief says two things at once."""
        belief = self.belief
        assert belief.inflight or belief.presumed == belief.held
        assert belief.state != "accepted" or not belief.inflight
        assert (belief.state == "rejected") == (belief.verdict is not None)
        assert belief.record_decided <= belief.decided

    @invariant()
    def what_is_believed_is_true(self) -> None:
        """With all verdicts heard, and nobody else writing, HQ holds what it is believed to; no guess of a record."""
        if self.waiting() or not self.is_alone:
            return
        held = self.belief.held
        if held is not None and held.status == UNKNOWN_STATUS:
            assert self.is_in_doubt
            assert held.digest == UNKNOWN_DIGEST
            return
        assert (held and held.status) == (self.hq and self.hq.status)
        if self.hq is not None and held is not None and held.digest != UNKNOWN_DIGEST:
            assert held.digest == record_digest(self.hq.record)

    @invariant()
    def accepted_row_is_as_hq_has_it(self) -> None:
        """A person who reads "accepted" can rely on it."""
        if self.wanted is None or not self.is_alone:
            return
        is_planned = self.belief.fingerprint == self.wanted.fingerprint
        if row_state("", self.belief.state, is_planned=is_planned, is_owner=True) == "accepted":
            assert self.hq is not None
            assert (self.hq.status, self.hq.record) == (self.wanted.status, self.wanted.record)


class MeddledMachine(BeliefMachine):
    """The same, and another outbox of the center."""

    @rule(data=st.data())
    def meddle(self, data: st.DataObject) -> None:
        """Let another outbox of the center tell HQ something."""
        status = self.hq.status if self.hq else None
        kind = data.draw(st.sampled_from([kind for kind in OFFER.events if status in kind.legal_in]))
        value = {"title": "theirs"} if kind.carries_record else {}
        self.hq = fold(self.hq, kind, "uz:K-1", "uz", value)
        self.is_alone = False


LIVES = (
    # Accepted in lane 1, told to be there in lane 2, neither heard; rejected in lane 3 for what HQ asks since.
    ("want", "judge", "open", "judge", "open", "dislike", "hear"),
    ("want", "judge", "open", "dislike", "hear"),
    # The same of what changes an entity that is known: its record, its status, and both.
    ("want", "judge", "hear", "revise", "judge", "open", "dislike", "hear"),
    ("want", "judge", "hear", "end", "judge", "open", "dislike", "hear"),
    ("want", "judge", "hear", "revise", "end", "judge", "open", "dislike", "dislike", "hear"),
    ("want", "judge", "hear", "end", "judge", "open", "dislike", "hear", "want", "judge", "hear"),
    # HQ never had it, and the next plan is right all the same.
    ("want", "open", "dislike", "hear", "revise", "judge", "hear"),
    ("want", "dislike", "open", "dislike", "hear", "end"),
)


@pytest.mark.parametrize("knows_repeats", [False, True])
@pytest.mark.parametrize("life", LIVES)
def test_life_in_which_hq_rejects_what_it_had_accepted_ends_well(life: Sequence[str], knows_repeats: bool) -> None:
    """A row that was accepted in a lane that nobody heard of: nothing false is believed, and the row ends as wanted."""
    machine = BeliefMachine()
    machine.begin(knows_repeats=knows_repeats)
    moves: dict[str, Callable[[], None]] = {
        "want": lambda: machine.want("published", "A"),
        "revise": lambda: machine.want("published", "B"),
        "end": lambda: machine.want("withdrawn", "A"),
        "judge": lambda: machine.judge(2, set()),
        "dislike": lambda: machine.judge(1, {0}),
        "open": lambda: machine.open_lane(is_told_more=False),
        "hear": machine.hear_all,
    }
    for move in life:
        moves[move]()
        machine.what_is_in_flight_is_what_waits()
        machine.belief_is_of_one_piece()
        machine.what_is_believed_is_true()
        machine.accepted_row_is_as_hq_has_it()
    machine.teardown()


TestBelief = BeliefMachine.TestCase
TestBelief.settings = settings(max_examples=120, stateful_step_count=20, deadline=None)
TestMeddledBelief = MeddledMachine.TestCase
TestMeddledBelief.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
