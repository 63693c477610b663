"""What HQ says to a center of how it stands with it, and when. Pure.

    the standing changed         said at once; since when is remembered
    a connector has started      its first presence announces what it reads: answered, a few times a minute at most
    a presence is heard          said every ten minutes
    the lane is not read         said every ten minutes, for no presence can be heard then
    not announced, or gone       nothing is said

It follows from where the intake stands, and is made again at any time: whoever reads it goes by the newest.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from hub.ledger.control import SignedTimes
from hub.ledger.lane import Intake, Status
from hub.protocol.cause import Cause, CauseCode
from hub.protocol.control import Presence
from hub.protocol.errors import Malformed
from hub.protocol.forms import PRESENCE_V2, STATUS_V1
from hub.protocol.receipt import cut_line, one_line
from hub.protocol.status import State, StatusNote

READ_FORMS: Final = (PRESENCE_V2,)  # what this release reads of centers beside what 0.2 did
SAY_EVERY_S: Final = 600.0
CHANGES_PAUSE_S: Final = 5.0  # between two changes that are said: what flickers is told as it is then
ANSWERS_PAUSE_S: Final = 20.0
HEARD_FOR_S: Final = 300.0  # a connector that was not heard for so long does not run
NEVER_S: Final = float("-inf")

_STATES: Final = {
    Status.READING: State.READS,
    Status.WAITING: State.WAITS,
    Status.PARKED: State.PARKED,
    Status.FORKED: State.FORKED,
}
_CENTERS: Final = {CauseCode.SUSPENDED: State.SUSPENDED, CauseCode.CLOSED: State.CLOSED}


def damaged_rows(reason: str) -> str:
    """Return why a center is parked whose rows can't be read, as it is kept."""
    return Cause.of(CauseCode.ROWS_DAMAGED, text=one_line(reason)).to_text()


@dataclass(frozen=True, slots=True)
class Standing:
    """What HQ does with a center's lane, and why: a cause's line, '' where there is nothing to say."""

    state: State
    why: str = ""


def standing_of(intake: Intake, stopped: Cause | None, remark: str = "") -> Standing:
    """Return how HQ stands with a center; `stopped` is why nothing of it may be read, None where it may.

    What an audit found about its events is said where there is nothing to say of how they are read. Of an intake only
    the code and its values are said, never a text: it is a row of the database, and HQ signs nobody's words but those
    that the hq lane has, such as why a center is suspended.
    """
    if stopped is not None and stopped.code in _CENTERS:
        return Standing(_CENTERS[stopped.code], cut_line(stopped.to_line()))
    state = _STATES[intake.status]
    why = Cause.stored(intake.why).bare().to_line() if intake.why else ""
    return Standing(state, cut_line(why or (remark if state is State.READS else "")))


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything stands that a note says beside the standing: the lane at HQ, and the basis."""

    hub: str
    center: str
    lane: str
    size: int
    basis: int
    hq_lane: str
    rules: int


@dataclass(frozen=True, slots=True)
class Telling:
    """What one center has been told, and what is to be told to it.

    Shapes: `is_read`: the center has announced that it reads this; `is_asked`: a connector has started; `said` is what
            was said last by this process, None where nothing was.
    Units:  `since` is HQ's clock, moments in seconds are of the caller's monotonic one.
    """

    standing: Standing | None = None
    since: datetime | None = None
    is_read: bool = False
    is_asked: bool = False
    said: Standing | None = None
    said_at_s: float = NEVER_S
    heard_at_s: float = NEVER_S
    times: SignedTimes = field(default_factory=SignedTimes)

    @classmethod
    def again(cls, presence: str | None, told: str | None, times: SignedTimes | None = None) -> Telling:
        """Return what another process of HQ's has left of it.

        Shapes: presence and told are the texts of the newest presence, and of a standing. times are those of
                presences, None where an earlier release has kept none.
        """
        telling = cls(times=times or SignedTimes())
        try:
            if presence is not None:
                newest = Presence.from_text(presence)
                known = times or SignedTimes(
                    ahead=(newest.time,)
                )  # as if it had been ahead: it is heard no second time
                telling = replace(telling, is_read=STATUS_V1 in newest.reads, times=known)
            if told is not None:
                note = StatusNote.from_text(told)
                telling = replace(telling, standing=Standing(note.state, note.why), since=note.since)
        except Malformed:
            pass  # a later release wrote it: it is found out anew
        return telling

    def heard(self, presence: Presence, now: datetime, tick_s: float) -> Telling:
        """The center has said that it is there, or as its last word that it is no more."""
        times = self.times.heard(presence.time, now)
        if times is None:
            return self
        is_read = STATUS_V1 in presence.reads
        is_gone = presence.more is not None and bool(presence.more.ended)
        is_asked = is_read and (self.is_asked or presence.more is None)
        heard_at_s = NEVER_S if is_gone else tick_s
        return replace(self, is_read=is_read, is_asked=is_asked, heard_at_s=heard_at_s, times=times)

    def stands(self, standing: Standing, now: datetime) -> Telling:
        """HQ stands so now."""
        return self if standing == self.standing else replace(self, standing=standing, since=now)

    def is_due(self, tick_s: float) -> bool:
        """Return whether it is to be said now."""
        if not self.is_read or self.standing is None:
            return False
        quiet_s = tick_s - self.said_at_s
        if self.standing != self.said:
            return quiet_s >= CHANGES_PAUSE_S
        if self.is_asked:
            return quiet_s >= ANSWERS_PAUSE_S
        is_listening = self.standing.state is not State.READS or tick_s - self.heard_at_s <= HEARD_FOR_S
        return is_listening and quiet_s >= SAY_EVERY_S

    def told(self, tick_s: float) -> Telling:
        """It was said."""
        return replace(self, said=self.standing, said_at_s=tick_s, is_asked=False)

    def note(self, place: Place, now: datetime) -> StatusNote:
        """Return what is said."""
        assert self.standing is not None
        return StatusNote(
            place.hub,
            place.center,
            now,
            place.lane,
            place.size,
            self.standing.state,
            self.since or now,
            self.standing.why,
            place.basis,
            place.hq_lane,
            place.rules,
            READ_FORMS,
        )
