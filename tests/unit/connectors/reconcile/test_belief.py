"""The moves of a belief, one by one: what each does where it is legal, and that it is refused where it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from connectors.reconcile.belief import (
    NO_VERDICT,
    NOTHING,
    UNKNOWN_DIGEST,
    UNKNOWN_STATUS,
    UNSURE,
    Aim,
    Belief,
    Held,
    ImpossibleMove,
    OwnState,
    Queued,
    RowState,
    State,
    Verdict,
    row_state,
    row_verdict,
)
from connectors.reconcile.story import RejectedEvent
from hub.protocol.verdict import Code

Move = Callable[[Belief], Belief]

ONE, TWO = b"record one", b"record two"
FIRST, NEXT = Aim(b"wants one", "offers.csv"), Aim(b"wants two", "offers.csv")
AIM = Aim(b"in other words", "more.csv")
PUBLISHED = Queued(2, "published", ONE, creates=True)
REVISED = Queued(3, "published", TWO)
WITHDRAWN = Queued(4, "withdrawn", None)
BAD = Verdict("BAD_FIELD", "title", "value=x")
NOT_ALLOWED = Verdict("STREAM_NOT_ALLOWED")
REASON = RejectedEvent("the event", "its story")
ELSEWHERE = Verdict("ILLEGAL_TRANSITION", "", "event=revised status=withdrawn")
GONE = Verdict("UNKNOWN_ENTITY")


def accept(event: Queued) -> Move:
    return lambda belief: belief.accept(event)


def reject(event: Queued, verdict: Verdict = BAD, again: int = 0) -> Move:
    return lambda belief: belief.reject(event, verdict, REASON, again)


def after(belief: Belief, *moves: Move) -> Belief:
    for move in moves:
        belief = move(belief)
    return belief


# One belief of each kind. Those that HQ has decided hold what it said; the others have something in flight.
PLANNED = NOTHING.presume([PUBLISHED], FIRST)
ACCEPTED = PLANNED.accept(PUBLISHED)
REJECTED = PLANNED.reject(PUBLISHED, BAD, REASON)
REVISING = ACCEPTED.presume([REVISED], NEXT)
ENDING = REVISING.presume([WITHDRAWN], NEXT)  # a plan that was made while another was in flight
SHAKEN = ENDING.reject(REVISED, BAD, REASON)
REPLANNED = REJECTED.replan()
FILELESS = NOTHING.presume([PUBLISHED]).reject(PUBLISHED, BAD, REASON)

ENDED = replace(
    ENDING, held=Held("withdrawn", ONE), decided=4, inflight=1
)  # the withdrawal was decided before the revision
WITHDRAWING = ACCEPTED.presume([WITHDRAWN], NEXT)
OPEN = Held(UNKNOWN_STATUS, UNKNOWN_DIGEST)


@pytest.mark.parametrize(
    ("before", "move", "then"),
    [
        # A plan: what it leads to is presumed, and nothing is known to be held yet.
        (NOTHING, lambda b: b.presume([PUBLISHED], FIRST), Belief(
            presumed=Held("published", ONE), inflight=1, plan=2, fingerprint=b"wants one", file="offers.csv")),
        (NOTHING, lambda b: b.presume([PUBLISHED, REVISED]), Belief(
            presumed=Held("published", TWO), inflight=2, plan=2)),
        (NOTHING, lambda b: b.presume([WITHDRAWN]), Belief(
            presumed=Held("withdrawn", UNKNOWN_DIGEST), inflight=1, plan=4)),
        (REJECTED, lambda b: b.presume([REVISED], NEXT), replace(
            REJECTED, presumed=Held("published", TWO), inflight=1, plan=3, fingerprint=b"wants two", state="pending",
            verdict=None, rejected=None)),
        # Nothing to say: accepted at once, or with what is in flight. The file is whose plan it was.
        (ACCEPTED, lambda b: b.hold(AIM), replace(ACCEPTED, fingerprint=AIM.fingerprint, file=AIM.file)),
        (REVISING, lambda b: b.hold(AIM), replace(REVISING, fingerprint=AIM.fingerprint, file=AIM.file)),
        # Accepted: held, and what is presumed follows when nothing is in flight any more.
        (PLANNED, accept(PUBLISHED), replace(
            PLANNED, held=Held("published", ONE), decided=2, record_decided=2, inflight=0, state="accepted")),
        (ENDING, accept(REVISED), replace(
            ENDING, held=Held("published", TWO), decided=3, record_decided=3, inflight=1)),
        # An event that leaves the record, before the one that changed it: each half is as the newest has it.
        (ENDING, accept(WITHDRAWN), ENDED),
        (ENDED, accept(REVISED), replace(
            ENDED, held=Held("withdrawn", TWO), record_decided=3, inflight=0, state="accepted")),
        # Rejected: back to what is held, with the reason.
        (PLANNED, reject(PUBLISHED), replace(
            PLANNED, presumed=None, inflight=0, state="rejected", verdict=BAD, rejected=REASON)),
        (REVISING, reject(REVISED), replace(
            REVISING, presumed=Held("published", ONE), inflight=0, state="rejected", verdict=BAD, rejected=REASON)),
        # An earlier plan was rejected: the row is not, but its plan began from what never came to be.
        (ENDING, reject(REVISED), replace(ENDING, inflight=1, shaken=True)),
        (SHAKEN, reject(WITHDRAWN), replace(
            SHAKEN, presumed=Held("published", ONE), inflight=0, state="rejected", verdict=BAD, rejected=REASON)),
        # HQ holds what the row does not want, though all of its plan was accepted: shaken still.
        (SHAKEN, accept(WITHDRAWN), replace(
            SHAKEN, held=Held("withdrawn", ONE), presumed=Held("withdrawn", ONE), decided=4, inflight=0,
            state="accepted")),
        # The verdict tells a status that we did not know of: it is learned, and the record is not known any more.
        (REVISING, reject(REVISED, ELSEWHERE), replace(
            REVISING, held=Held("withdrawn", UNKNOWN_DIGEST), presumed=Held("withdrawn", UNKNOWN_DIGEST), decided=3,
            record_decided=3, inflight=0, shaken=True, state="rejected", verdict=ELSEWHERE, rejected=REASON)),
        (PLANNED, reject(PUBLISHED, Verdict("ALREADY_EXISTS")), replace(
            PLANNED, held=Held("published", UNKNOWN_DIGEST), presumed=Held("published", UNKNOWN_DIGEST), decided=2,
            record_decided=2, inflight=0, shaken=True, state="rejected", verdict=Verdict("ALREADY_EXISTS"),
            rejected=REASON)),
        # It tells what we knew, or less than we know since: nothing is learned.
        (REVISING, reject(REVISED, Verdict("ILLEGAL_TRANSITION", "", "status=published")), replace(
            REVISING, presumed=Held("published", ONE), decided=3, inflight=0, state="rejected",
            verdict=Verdict("ILLEGAL_TRANSITION", "", "status=published"), rejected=REASON)),
        (ENDED, reject(REVISED, Verdict("ILLEGAL_TRANSITION", "", "status=published")), replace(
            ENDED, presumed=Held("withdrawn", ONE), inflight=0, shaken=True, state="accepted")),
        # It tells that there is no such entity: what was believed of it is not so.
        (REVISING, reject(REVISED, GONE), replace(
            REVISING, held=None, presumed=None, decided=3, inflight=0, shaken=True, state="rejected", verdict=GONE,
            rejected=REASON)),
        (PLANNED, reject(PUBLISHED, GONE), replace(
            PLANNED, presumed=None, decided=2, inflight=0, state="rejected", verdict=GONE, rejected=REASON)),
        # Said again in a lane that begins with event 3, and rejected: HQ may have accepted it in the lane before.
        (PLANNED, reject(replace(PUBLISHED, number=4), again=3), replace(
            PLANNED, held=OPEN, presumed=OPEN, inflight=0, state="rejected", verdict=BAD, rejected=REASON)),
        (REVISING, reject(replace(REVISED, number=5), again=4), replace(
            REVISING, held=Held("published", UNKNOWN_DIGEST), presumed=Held("published", UNKNOWN_DIGEST), inflight=0,
            state="rejected", verdict=BAD, rejected=REASON)),
        (WITHDRAWING, reject(replace(WITHDRAWN, number=6), again=5), replace(
            WITHDRAWING, held=OPEN, presumed=OPEN, inflight=0, state="rejected", verdict=BAD, rejected=REASON)),
        # The verdict tells the status; of the record nothing is known, where the event had one.
        (WITHDRAWING, reject(replace(WITHDRAWN, number=6), ELSEWHERE, again=5), replace(
            WITHDRAWING, held=Held("withdrawn", UNKNOWN_DIGEST), presumed=Held("withdrawn", UNKNOWN_DIGEST), decided=6,
            record_decided=6, inflight=0, shaken=True, state="rejected", verdict=ELSEWHERE, rejected=REASON)),
        (PLANNED, reject(replace(PUBLISHED, number=4), GONE, again=3), replace(
            PLANNED, presumed=None, decided=4, inflight=0, state="rejected", verdict=GONE, rejected=REASON)),
        # What HQ has accepted in this lane came after all that it may have accepted before: it is known.
        (replace(ENDING, held=Held("published", TWO), decided=6, record_decided=6),
         reject(replace(WITHDRAWN, number=7), again=5),
         replace(ENDING, held=Held("published", TWO), decided=6, record_decided=6, inflight=1, state="rejected",
                 verdict=BAD, rejected=REASON)),
        (replace(ENDED, decided=7), reject(replace(REVISED, number=6), again=5), replace(
            ENDED, held=Held("withdrawn", UNKNOWN_DIGEST), presumed=Held("withdrawn", UNKNOWN_DIGEST), decided=7,
            inflight=0, state="rejected", verdict=BAD, rejected=REASON)),
        # Planned again: nothing is planned for; the rejected event is remembered, for its story goes on.
        (REJECTED, Belief.replan, replace(REJECTED, state="pending", verdict=None, fingerprint=None)),
        (ACCEPTED, Belief.replan, replace(ACCEPTED, state="pending", fingerprint=None)),
        # Another outbox wrote: what is held may say anything; what is in flight is presumed in its status alone.
        (ACCEPTED, Belief.forget, replace(
            ACCEPTED, held=Held("published", UNKNOWN_DIGEST), presumed=Held("published", UNKNOWN_DIGEST),
            fingerprint=None)),
        # Whether HQ has what it was never told from here is not known: it is planned as of nothing, and stays so.
        (PLANNED, Belief.forget, replace(PLANNED, held=OPEN)),
        (NOTHING, Belief.forget, UNSURE),
        (REJECTED, Belief.forget, replace(REJECTED, held=OPEN, presumed=OPEN)),
        (UNSURE, Belief.forget, UNSURE),
        (UNSURE.presume([WITHDRAWN], NEXT), reject(WITHDRAWN, GONE), replace(
            NOTHING.presume([WITHDRAWN], NEXT), presumed=None, decided=4, inflight=0, state="rejected", verdict=GONE,
            rejected=REASON)),
        # Said again in a new lane: what is the plan's stays the plan's, and what is older stays older.
        (REVISING, lambda b: b.renumber({3: 9}), replace(REVISING, plan=9)),
        (ENDING, lambda b: b.renumber({3: 9, 4: 10}), replace(ENDING, plan=10)),
        # HQ had the plan before what is older than it: it is told in another order than was presumed.
        (ENDED, lambda b: b.renumber({3: 9}), replace(ENDED, plan=10, shaken=True)),
    ],
)  # fmt: skip
def test_move_gives_the_belief(before: Belief, move: Move, then: Belief) -> None:
    """Each move, from each kind of belief for which it makes a difference, to the last field."""
    assert move(before) == then


@pytest.mark.parametrize(
    ("legal", "move"),
    [
        ({"NOTHING", "PLANNED", "ACCEPTED", "REJECTED", "REVISING", "SHAKEN", "REPLANNED", "FILELESS"},
         lambda b: b.presume([Queued(9, "published", ONE)], FIRST)),
        ({"NOTHING"}, lambda b: b.presume([Queued(1, "published", ONE)], FIRST)),  # no plan is older
        (set(), lambda b: b.presume([], FIRST)),
        ({"PLANNED", "ACCEPTED", "REVISING", "SHAKEN"}, lambda b: b.hold(AIM)),
        ({"PLANNED", "REVISING", "SHAKEN"}, accept(WITHDRAWN)),
        ({"PLANNED", "REVISING", "SHAKEN"}, reject(WITHDRAWN)),
        ({"ACCEPTED", "REJECTED"}, Belief.replan),
        ({"NOTHING", "PLANNED", "ACCEPTED", "REJECTED", "REVISING", "SHAKEN", "REPLANNED", "FILELESS"}, Belief.forget),
        ({"NOTHING", "PLANNED", "ACCEPTED", "REJECTED", "REVISING", "SHAKEN", "REPLANNED", "FILELESS"},
         lambda b: b.renumber({2: 9})),
        ({"NOTHING"}, lambda b: b.renumber({1: 2})),
        (set(), lambda b: b.renumber({})),
    ],
)  # fmt: skip
def test_move_is_refused_where_it_cannot_have_happened(legal: set[str], move: Move) -> None:
    """A verdict on what is not in flight, a plan without events, a row planned again that waits: nothing is guessed."""
    beliefs = {
        "NOTHING": NOTHING, "PLANNED": PLANNED, "ACCEPTED": ACCEPTED, "REJECTED": REJECTED, "REVISING": REVISING,
        "SHAKEN": SHAKEN, "REPLANNED": REPLANNED, "FILELESS": FILELESS,
    }  # fmt: skip
    for name, belief in beliefs.items():
        if name in legal:
            move(belief)
        else:
            with pytest.raises(ImpossibleMove):
                move(belief)


def test_rejection_of_an_older_plan_said_again_behind_a_newer_one_is_not_the_newer_ones() -> None:
    """HQ had accepted the plan, and its older event comes after it in a new lane: the row is planned once more."""
    moved = replace(REVISED, number=9)
    rejected = after(ENDED, lambda b: b.renumber({3: 9}), reject(moved))
    assert (rejected.state, rejected.verdict) == ("accepted", None)
    assert rejected.is_to_replan
    # Accepted, it has changed what the plan had led to.
    ended = replace(ENDED, presumed=Held("withdrawn", ONE))
    assert after(ended, lambda b: b.renumber({3: 9}), accept(moved)).is_to_replan


def test_plan_made_on_a_rejection_that_is_not_the_last_word_is_shaken() -> None:
    """Until all is decided, what is presumed has the rejected event in it: what is planned from it is looked at."""
    half = after(ACCEPTED.presume([REVISED, WITHDRAWN], NEXT), reject(REVISED))
    assert (half.state, half.inflight, half.shaken) == ("rejected", 1, False)
    assert half.presume([Queued(9, "published", None)], FIRST).shaken
    assert half.hold(AIM).shaken
    decided = after(half, accept(WITHDRAWN))
    assert not decided.presume([Queued(9, "published", None)], FIRST).shaken


def test_shaken_plan_that_led_to_what_was_wanted_is_no_reason_to_plan_again() -> None:
    """A later revision says the whole record: that an earlier one was rejected makes no difference."""
    belief = after(REVISING.presume([Queued(4, "published", b"three")], NEXT), reject(REVISED))
    assert belief.shaken
    assert not after(belief, accept(Queued(4, "published", b"three"))).is_to_replan
    assert after(SHAKEN, accept(WITHDRAWN)).is_to_replan
    assert after(SHAKEN, reject(WITHDRAWN)).is_to_replan


def test_told_status_outlives_what_is_heard_late() -> None:
    """HQ told at event 4 that the entity is withdrawn: that it had accepted event 3 is no news of the status."""
    belief = after(REVISING.presume([WITHDRAWN], NEXT), reject(WITHDRAWN, ELSEWHERE), accept(REVISED))
    assert belief.held == Held("withdrawn", UNKNOWN_DIGEST)
    assert belief.is_to_replan
    republished, ended = Queued(5, "published", TWO), Queued(6, "withdrawn", None)
    knew = after(
        ACCEPTED,
        lambda b: b.presume([WITHDRAWN], NEXT),
        accept(WITHDRAWN),
        lambda b: b.presume([republished, ended], NEXT),
        reject(ended, Verdict("ILLEGAL_TRANSITION", "", "status=withdrawn")),
        accept(republished),
    )
    assert knew.held == Held("withdrawn", TWO)


def test_doubt_ends_with_the_next_verdict_that_tells() -> None:
    """Nothing is guessed meanwhile: what is said next is said as of nothing, and HQ answers what it has."""
    doubted = after(PLANNED, reject(replace(PUBLISHED, number=4), again=3))
    once_more = replace(PUBLISHED, number=9)
    planned = doubted.presume([once_more], NEXT)
    assert planned.accept(once_more).held == Held("published", ONE)
    told = after(planned, reject(once_more, Verdict("ALREADY_EXISTS", "", "status=withdrawn")))
    assert (told.held, told.is_to_replan) == (Held("withdrawn", UNKNOWN_DIGEST), True)
    ending = doubted.presume([replace(WITHDRAWN, number=9)], NEXT)
    assert after(ending, reject(replace(WITHDRAWN, number=9), GONE)).held is None
    assert after(ending, accept(replace(WITHDRAWN, number=9))).held == Held("withdrawn", UNKNOWN_DIGEST)
    assert after(ending, reject(replace(WITHDRAWN, number=9))).held == OPEN


@pytest.mark.parametrize(
    ("belief", "code", "found"),
    [
        (after(PLANNED, reject(PUBLISHED, NOT_ALLOWED)), Code.STREAM_NOT_ALLOWED, True),
        (after(PLANNED, reject(PUBLISHED, NOT_ALLOWED)), Code.BAD_FIELD, False),
        (after(ENDING, reject(WITHDRAWN, NOT_ALLOWED)), Code.STREAM_NOT_ALLOWED, False),  # not all is decided
        (after(NOTHING.presume([PUBLISHED]), reject(PUBLISHED, NOT_ALLOWED)), Code.STREAM_NOT_ALLOWED, False),  # no row
        (ACCEPTED, Code.STREAM_NOT_ALLOWED, False),
    ],
)
def test_row_that_was_rejected_for_a_reason_is_found(belief: Belief, code: Code, found: bool) -> None:
    """When HQ has taken the reason away, the row can be planned again; not before all is decided."""
    assert belief.is_rejected_for(code) is found


@pytest.mark.parametrize(
    ("own", "state", "is_planned", "is_owner", "became"),
    [
        ("refused", "accepted", True, True, "refused"),  # the connector's own word comes first
        ("blank", None, False, False, "blank"),
        ("unchanged", "rejected", True, True, "unchanged"),
        ("", None, False, False, "pending"),  # not planned for yet: it settles
        ("", "accepted", False, True, "pending"),  # it was for what the row said before
        ("", "rejected", False, True, "pending"),
        ("", "pending", True, True, "pending"),
        ("", "accepted", True, True, "accepted"),
        ("", "accepted", True, False, "unchanged"),  # another file has said it
        ("", "rejected", True, True, "rejected"),
        ("", "rejected", True, False, "rejected"),
        ("", "accepted", False, False, "refused"),  # another file owns the entity, and says something else
        ("", "pending", False, False, "refused"),
    ],
)
def test_row_becomes_what_it_and_its_entity_say(
    own: OwnState, state: State | None, is_planned: bool, is_owner: bool, became: RowState
) -> None:
    """What a person reads of a row."""
    assert row_state(own, state, is_planned=is_planned, is_owner=is_owner) == became


def test_reason_of_a_row_is_the_one_of_its_state() -> None:
    """HQ's verdict is shown for what it was said of, and never beside the connector's own."""
    refusal = Verdict("TOO_LONG", "title", "max=256")
    assert row_verdict("refused", refusal, BAD, is_planned=True) == refusal
    assert row_verdict("", NO_VERDICT, BAD, is_planned=True) == BAD
    assert row_verdict("", NO_VERDICT, BAD, is_planned=False) == NO_VERDICT
