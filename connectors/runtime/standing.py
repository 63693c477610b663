"""What HQ says of how it stands with this center, as an office keeps it, and which of HQ's words are acted on. Pure.

Whoever can write `out.<center>` can put there what HQ has truly signed, for somebody else or long ago. So what is acted
on is signed by HQ, addressed to this center, and news.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

import orjson

from hub.protocol.forms import PRESENCE_V2
from hub.protocol.limits import BROKER_CLOCK_OFF_MAX
from hub.protocol.moment import read_time, write_time
from hub.protocol.receipt import Receipt, Resend
from hub.protocol.record import is_origin
from hub.protocol.status import State, StatusNote

STALE: Final = timedelta(minutes=25)  # HQ says it every ten minutes


class Passed(StrEnum):
    """Why a record of our topic is passed over."""

    NOT_HQ = "not_hq"  # no key that HQ signs with has signed it
    OTHERS = "others"  # it is for another center or hub
    OLD = "old"  # HQ has said something newer, or has answered what it asks for
    AHEAD = "ahead"  # it is said to be from the future


@dataclass(frozen=True, slots=True)
class Kept:
    """The newest status note that came, and how old it was when it did.

    Units: `read_at` is this computer's clock, and so is what is asked later: what is wrong with it is wrong both times.
    """

    note: StatusNote
    read_at: datetime
    age: timedelta

    @classmethod
    def read(cls, note: StatusNote, wall: datetime, now: datetime) -> Self:
        """Return a note that was just read; `now` is the time as far as it is known, `wall` this computer's clock."""
        return cls(note, wall, max(now - note.time, timedelta()))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the record that `to_text` has written. Errors: Malformed."""
        found = orjson.loads(text)
        note = StatusNote.from_text(found["text"])
        return cls(note, read_time(found["read_at"]), timedelta(seconds=found["age_s"]))

    def to_text(self) -> str:
        """Return the record as it is kept."""
        found = {"text": self.note.to_text(), "read_at": write_time(self.read_at), "age_s": self.age.total_seconds()}
        return orjson.dumps(found).decode()

    def is_stale(self, wall: datetime) -> bool:
        """Return whether HQ should have said something newer by now; also where this clock was set back behind it."""
        passed = wall - self.read_at
        return passed + self.age > STALE or passed < -BROKER_CLOCK_OFF_MAX

    def reads_second_presence(self, wall: datetime) -> bool:
        """Return whether HQ reads the second form of presence: an earlier release may be in its place by now."""
        return PRESENCE_V2 in self.note.reads and not self.is_stale(wall)

    def plain(self, wall: datetime) -> dict[str, Any]:
        """Return it as plain values, its times as text."""
        note = self.note
        return {
            "state": str(note.state),
            "since": write_time(note.since),
            "why": note.why,
            "said_at": write_time(note.time),
            "stale": self.is_stale(wall),
            "lane": note.lane,
            "size": note.size,
            "basis": note.basis,
            "hq_lane": note.hq_lane,
            "rules": note.rules,
        }

    @property
    def stops(self) -> bool:
        """Whether HQ does not read the lane."""
        return self.note.state is not State.READS


def passed_over(said: Receipt | Resend | StatusNote, hub: str, center: str) -> Passed | None:
    """Return why HQ's word is none for this center; None if it is."""
    if isinstance(said, StatusNote):
        is_ours = (said.hub, said.center) == (hub, center)
    else:
        is_ours = is_origin(said.origin, hub, center)
    return None if is_ours else Passed.OTHERS


def lost_from(note: StatusNote, lane: str, receipted: int, recorded_at: datetime | None) -> int | None:
    """Return the first event of our open lane that HQ has receipted and lost since; None if it has lost none.

    So it is where HQ's ledger was put back from an older copy. A request to send again has no time, and says nothing
    new of what is receipted; this note has one.

    Shapes: `lane` is our open lane's origin, `recorded_at` that of its newest receipt, None where it has none.
    """
    if recorded_at is None or recorded_at >= note.time:
        return None
    size = note.size if note.lane == lane else 0
    return size + 1 if size < receipted else None


def status_passed_over(note: StatusNote, newest: StatusNote | None, now: datetime) -> Passed | None:
    """Return why a status note of HQ's to us is no news; None if it is. `now` is the broker's clock when it came.

    A newest one that is ahead of that by now came when both clocks were wrong: it keeps nothing from being heard.
    """
    latest = now + BROKER_CLOCK_OFF_MAX
    if note.time > latest:
        return Passed.AHEAD
    return Passed.OLD if newest is not None and note.time <= newest.time <= latest else None
