"""What an office believes of one entity, and what each thing that happens does to it. Pure.

A *belief* has two halves: what HQ *held* when it last spoke, and what it is *presumed* to hold once all that is in
flight was accepted. From the second the next events are planned; the first is gone back to when HQ rejects.

    move        when                                         what follows
    presume     events of a new plan are queued              in flight; the row is pending
    hold        a row wants what is presumed already         nothing to say; accepted, or pending with what is in flight
    own         the file that named it names it no more      another file that does says what becomes of it
    accept      a receipt has an event without a line        held is what it said, unless a newer one was decided
    reject      a receipt has a line for an event            the row is rejected; or an earlier plan was: it is shaken;
                                                             what an earlier lane may have told HQ is in doubt
    replan      the plan was built on what proved wrong      the wanted state is forgotten; the row is planned once more
    forget      another outbox told HQ more than we know     HQ's records are unknown; every row is planned once more
    renumber    a new lane took over what is in flight       the plan begins behind all events of older plans again

    none in flight → presumed is held        accepted → none in flight        rejected ↔ there is a verdict
    the record is never known by a newer event than the status is: record_decided ≤ decided

Receipts may come late, in any order, and cut as HQ likes: once all are there, what HQ is believed to hold is true, or
it is known to be unknown. HQ judges an event that is said again in a later lane by what holds then: it may have
accepted it in the earlier one, and reject it now that a code is listed no more or a stream is not allowed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal

from connectors.reconcile.story import RejectedEvent
from hub.protocol.errors import Fatal
from hub.protocol.value import value_class
from hub.protocol.verdict import Code

State = Literal["pending", "accepted", "rejected"]
RowState = Literal["accepted", "refused", "rejected", "unchanged", "blank", "pending"]
OwnState = Literal["", "refused", "unchanged", "blank"]  # what the connector decides of a row by itself

# HQ is known to have the entity, and not what it says (another outbox wrote it): equal to no record's digest.
UNKNOWN_DIGEST: Final = b""
# It is not known whether HQ has the entity, or not in which status: the next event that is said of it tells.
UNKNOWN_STATUS: Final = ""

_STATUS: Final = re.compile(r"\bstatus=([a-z_]+)")  # HQ's verdict says in which status the entity is


class ImpossibleMove(Fatal):
    """The outbox says that something happened which can't have: it is damaged, or the connector is wrong."""


@value_class
class Held:
    """What HQ holds of an entity: its status, and the digest of its record; each may be known to be unknown."""

    status: str
    digest: bytes


@value_class
class Queued:
    """One event as a belief needs it: its number in the outbox, and what HQ holds once it is accepted.

    Shapes: digest is None for an event that leaves the record; creates: it begins the entity.
    """

    number: int
    status: str
    digest: bytes | None
    creates: bool = False


@value_class
class Aim:
    """For what a plan is made: the fingerprint of a row's wanted state, and the row's file."""

    fingerprint: bytes
    file: str


@value_class
class Verdict:
    """Why a row was rejected by HQ, or refused by the connector."""

    code: str
    field: str = ""
    params: str = ""


@value_class
class Belief:
    """What an office believes of one entity.

    Shapes: held and presumed are None while HQ has, or will have, nothing of it. `decided` is the newest event by which
            the status is known, `record_decided` the newest one by which the record is. `inflight` counts the events
            without a verdict; `plan` is the first event of the newest plan, or a number behind those of older plans;
            fingerprint and file are what it was made for. shaken: the plan began from a state that never came to be.
            `verdict` is why HQ rejected the plan, and `rejected` which of its events first; that is kept until the next
            plan, which goes on with its story.
    """

    held: Held | None = None
    presumed: Held | None = None
    decided: int = 0
    record_decided: int = 0
    inflight: int = 0
    plan: int = 0
    shaken: bool = False
    fingerprint: bytes | None = None
    file: str | None = None
    state: State = "pending"
    verdict: Verdict | None = None
    rejected: RejectedEvent | None = None

    def presume(self, events: Sequence[Queued], aim: Aim | None = None) -> Belief:
        """Return the belief once the events of a new plan are queued.

        Shapes: aim is None for events that no row stands behind.
        Errors: ImpossibleMove, if there are none, or they are older than the plan before.
        """
        if not events or events[0].number < self.plan:
            raise ImpossibleMove(f"a plan needs events from {self.plan} on, came {[event.number for event in events]}")
        presumed = self.presumed
        for event in events:
            presumed = _after(presumed, event)
        return Belief(
            self.held,
            presumed,
            self.decided,
            self.record_decided,
            self.inflight + len(events),
            events[0].number,
            self._shakes,
            self.fingerprint if aim is None else aim.fingerprint,
            self.file if aim is None else aim.file,
        )

    def hold(self, aim: Aim) -> Belief:
        """Return the belief once a row wants what HQ will hold anyway: there is nothing to say.

        Errors: ImpossibleMove, if HQ will hold nothing.
        """
        if self.presumed is None:
            raise ImpossibleMove("a row is said to want what HQ holds, of an entity of which HQ will hold nothing")
        state: State = "pending" if self.inflight else "accepted"
        return replace(
            self,
            fingerprint=aim.fingerprint,
            file=aim.file,
            state=state,
            shaken=self._shakes,
            verdict=None,
            rejected=None,
        )

    def own(self, file: str) -> Belief:
        """Return the belief once `file` owns the entity, for no other file that is there names it."""
        return replace(self, file=file)

    def accept(self, event: Queued) -> Belief:
        """Return the belief once HQ has accepted an event. Errors: ImpossibleMove, if none is in flight."""
        held, decided, record_decided = self.held, self.decided, self.record_decided
        if event.number > decided:
            held, decided = _after(held, event), event.number
            if event.digest is not None:
                record_decided = event.number
        elif held is not None and event.digest is not None and event.number > record_decided:
            held, record_decided = Held(held.status, event.digest), event.number
        return self._answered(held, decided, record_decided)

    def reject(self, event: Queued, verdict: Verdict, rejected: RejectedEvent, again: int = 0) -> Belief:
        """Return the belief once HQ has rejected an event.

        Shapes: again is 0 for an event that is said for the first time; for one that an earlier lane said, too, whose
                verdict there was never heard, it is the number that this lane begins with.
        Errors: ImpossibleMove, if none is in flight.
        """
        after = self._told(event, verdict)._doubted(event, again)  # noqa: SLF001
        if event.number < self.plan:
            after = replace(after, shaken=True)
        elif self.state != "rejected":
            after = replace(after, state="rejected", verdict=verdict, rejected=rejected)
        return after._answered(after.held, after.decided, after.record_decided)  # noqa: SLF001

    @property
    def is_to_replan(self) -> bool:
        """Whether all is decided of a row that was planned for on what proved wrong: it is to be planned once more.

        Its events may have been rejected for that alone, or accepted, and HQ does not hold what the row wants.
        """
        return self.shaken and self._is_decided

    def is_rejected_for(self, code: Code) -> bool:
        """Whether all is decided, and a row was rejected by this verdict."""
        return self._is_decided and self.verdict is not None and self.verdict.code == code

    def misdated(self) -> Belief:
        """Return the belief once HQ has rejected an event for a time that the connector itself gave: shaken.

        Nothing is wrong with the row: once all is decided it is planned again.
        """
        return replace(self, shaken=True)

    def replan(self) -> Belief:
        """Return the belief once what was planned for is forgotten: the row is planned again, from what HQ holds.

        Errors: ImpossibleMove, if there is no row, or not all is decided.
        """
        if not self._is_decided:
            raise ImpossibleMove(f"a row that is {self.state}, with {self.inflight} events in flight, is planned again")
        return replace(self, state="pending", verdict=None, fingerprint=None, shaken=False)

    def forget(self) -> Belief:
        """Return the belief once another outbox has told HQ more: we know no record, and no row as planned for.

        The statuses stay as we know them: where they are wrong, HQ's verdict tells. Whether HQ has anything of what it
        was never told from here is not known; a row stays as it is planned for, which is as of nothing.
        """
        if self.held is None:
            return replace(self, held=UNSURE.held, presumed=self.presumed or UNSURE.presumed)
        presumed = Held((self.presumed or self.held).status, UNKNOWN_DIGEST)
        return replace(self, held=Held(self.held.status, UNKNOWN_DIGEST), presumed=presumed, fingerprint=None)

    def renumber(self, moved: Mapping[int, int]) -> Belief:
        """Return the belief once those of its events that have no receipt are said again, behind all others.

        The plan begins at the first of its events among them, or behind those of older plans: what is decided of these
        is never taken for the plan's. Where a later event than one of them has its receipt already, HQ takes them in
        another order than they were planned in, and the plan is shaken.

        Shapes: moved is the new numbers by the old ones.
        Errors: ImpossibleMove, if there are none, or a number goes back.
        """
        if not moved or min(moved.values()) <= max(self.plan, self.decided):
            raise ImpossibleMove(f"events behind {self.plan} are said again as {sorted(moved.values())}")
        own = [new for old, new in moved.items() if old >= self.plan]
        plan = min(own) if own else max(moved.values()) + 1
        return replace(self, plan=plan, shaken=self.shaken or min(moved) < self.decided)

    @property
    def _shakes(self) -> bool:
        """Whether what is planned now begins from what will not come to be, for some of it was rejected already.

        What is presumed is put right only when all is decided; from then on it shakes nothing any more.
        """
        return self.inflight > 0 and (self.shaken or self.state == "rejected")

    @property
    def _is_decided(self) -> bool:
        return self.state != "pending" and not self.inflight and self.file is not None

    def _told(self, event: Queued, verdict: Verdict) -> Belief:
        """Return the belief once a rejection has told in which status HQ has the entity, or that it has none."""
        number, status = event.number, _told_status(event, verdict)
        if number <= self.decided:
            return self
        if verdict.code == Code.UNKNOWN_ENTITY:
            # What was planned as of nothing is right all the same.
            is_shaken = self.held is not None and self.held.status != UNKNOWN_STATUS
            return replace(self, held=None, decided=number, shaken=self.shaken or is_shaken)
        if status is None:
            return self
        if self.held is not None and self.held.status == status:
            return replace(self, decided=number)
        # Another outbox of this center, or this one before it went back to an old copy, told HQ more than we know:
        # we learn the status, not the record.
        return replace(self, held=Held(status, UNKNOWN_DIGEST), decided=number, record_decided=number, shaken=True)

    def _doubted(self, event: Queued, again: int) -> Belief:
        """Return the belief once an event was rejected that HQ may have accepted in an earlier lane; see `reject`.

        What HQ has decided in this lane came after that: whatever was before, each half is known by it.
        """
        if not again:
            return self
        if self.decided < again and (self.held is None or self.held.status != event.status):
            return replace(self, held=UNSURE.held)
        if self.record_decided < again and self.held is not None and event.digest is not None:
            return replace(self, held=Held(self.held.status, UNKNOWN_DIGEST))
        return self

    def _answered(self, held: Held | None, decided: int, record_decided: int) -> Belief:
        """Return the belief with one event less in flight; behind the last one, what HQ holds is all that it will."""
        inflight = self.inflight - 1
        if inflight < 0:
            raise ImpossibleMove("HQ has decided an event of an entity that has none in flight")
        presumed, shaken, state = self.presumed, self.shaken, self.state
        if not inflight:
            if state == "pending":
                state = "accepted"
                shaken = shaken and held != presumed  # where HQ holds what was aimed at all the same, nothing is wrong
            presumed = held
        return Belief(
            held,
            presumed,
            decided,
            record_decided,
            inflight,
            self.plan,
            shaken,
            self.fingerprint,
            self.file,
            state,
            self.verdict,
            self.rejected,
        )


NOTHING: Final = Belief()
UNSURE: Final = Belief(Held(UNKNOWN_STATUS, UNKNOWN_DIGEST), Held(UNKNOWN_STATUS, UNKNOWN_DIGEST))
NO_VERDICT: Final = Verdict("")


def row_state(own: OwnState, state: State | None, *, is_planned: bool, is_owner: bool) -> RowState:
    """Return what became of a row.

    Shapes: own is '' where the connector has decided nothing by itself, so that the entity says it; state is the
            entity's, None where nothing is known of it; is_planned: it was last planned for what this row wants;
            is_owner: the row's file owns the entity. What a file wants otherwise of another file's entity is refused.
    """
    if own:
        return own
    if state is None:
        return "pending"
    if not is_planned:
        return "pending" if is_owner else "refused"
    return "unchanged" if state == "accepted" and not is_owner else state


def row_verdict(own: OwnState, refusal: Verdict, rejection: Verdict, *, is_planned: bool) -> Verdict:
    """Return why a row is in its state: what the connector says of it, or HQ of what it wants; mostly `NO_VERDICT`.

    Shapes: refusal is what stands with the row, rejection what stands with its entity; see `row_state`.
    """
    if own:
        return refusal
    return rejection if is_planned else NO_VERDICT


def _after(held: Held | None, event: Queued) -> Held:
    """Return what HQ holds once an event was accepted."""
    if event.digest is not None:
        return Held(event.status, event.digest)
    return Held(event.status, held.digest if held else UNKNOWN_DIGEST)


def _told_status(event: Queued, verdict: Verdict) -> str | None:
    """Return the status in which HQ has the entity, None if the verdict does not tell."""
    if verdict.code not in (Code.ALREADY_EXISTS, Code.ILLEGAL_TRANSITION):
        return None
    told = _STATUS.search(verdict.params)
    if told is None:
        return event.status if verdict.code == Code.ALREADY_EXISTS and event.creates else None
    return told[1]
