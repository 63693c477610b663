"""The single values that the outbox keeps by name: which there are, and the records among them.

Alarms stand beside them, each under its own name (`connectors.runtime.alarm_name`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self

import orjson

from hub.protocol.errors import Malformed
from hub.protocol.moment import read_time, write_time
from schemas.words.said import Said


class Meta(StrEnum):
    """The names of single values."""

    OWNER = "owner"  # <hub>/<center>, for good
    ROOT = "root"  # HQ's root key, as `connectors.runtime.pin` has it
    EPOCH_WANTED = "epoch_wanted"  # why a person asked for a new lane
    POSITION = "position"  # the offset in `out.<center>` that is read next
    NEWEST = "newest"  # the lane of this center of which HQ spoke last: JSON
    BEGAN = "began"  # see the function of that name
    MET = "met"  # a lane that we never opened, met before HQ had recorded anything of ours: a `Foreign`
    TOLD_ELSEWHERE = "told_elsewhere"  # set once HQ was told by another outbox what this one does not know
    HQ_STATUS = "hq_status"  # what HQ said last of how it stands with us: a `standing.Kept`
    PASSED_OVER = "passed_over"  # how many records of our topic were, by `standing.Passed`: JSON
    EVENTS = "events"  # how many were ever queued
    DUPLICATES = "duplicates"  # receipts that came twice
    PURGED_RECEIPTS = "purged_receipts"
    SENT = "sent"  # the newest sequence that the broker has acknowledged
    LINK_STATE = "link_state"  # a `LinkState`
    SETTLES_AT = "settles_at"  # when the first row that waits for its settling time may be taken
    WITNESS_STATE = "witness_state"  # what `status` says of the witness
    REGISTRY_SEEN = "registry_seen"  # how far HQ's own lane was read: origin, size and root as JSON
    CLOCK_CORRECTED = "clock_corrected"  # the times that HQ took back last: since, until and basis as JSON
    WITNESS_TOLD = "witness_told"  # what HQ was told last that is wrong with its log


def began(epoch: int) -> str:
    """Return the name under which stands when HQ recorded the first event of an epoch, and its basis."""
    return f"{Meta.BEGAN}:{epoch}"


def receipted(epoch: int) -> str:
    """Return the name under which stands up to which sequence every event of an epoch has a receipt."""
    return f"receipted:{epoch}"


def said_again(epoch: int) -> str:
    """Return the name under which stands up to which event an epoch says what an earlier one may have told HQ."""
    return f"said_again:{epoch}"


def is_number(name: str) -> bool:
    """Return whether what stands under a name is a whole number."""
    return name in _NUMBERS or name.startswith(("receipted:", "said_again:", "persons_wait:"))


_NUMBERS = frozenset((Meta.POSITION, Meta.EVENTS, Meta.DUPLICATES, Meta.PURGED_RECEIPTS, Meta.SENT))


def persons_wait(stream: str, field: str) -> str:
    """Return the name that is set while HQ can't take the persons of a field."""
    return f"persons_wait:{stream}.{field}"


@dataclass(frozen=True, slots=True)
class Foreign:
    """A lane of our center that another machine opened after ours, as the alarm of that name keeps it.

    Shapes: recorded_at is the time of HQ's receipt for it, basis the size of HQ's lane that this was judged under, 0
            where an earlier release did not keep it; opened_as is the reason that its first event gives, which names
            the machine, '' until HQ has told it.
    """

    origin: str
    recorded_at: datetime
    opened_as: str = ""
    basis: int = 0

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the record that `to_text` has written."""
        found = orjson.loads(text)
        return cls(found["origin"], read_time(found["recorded_at"]), found["opened_as"], found.get("basis", 0))

    def to_text(self) -> str:
        """Return the record as it is kept."""
        found = {"origin": self.origin, "recorded_at": write_time(self.recorded_at), "opened_as": self.opened_as}
        return orjson.dumps({**found, "basis": self.basis}).decode()


@dataclass(frozen=True, slots=True)
class LinkState:
    """How the link to the broker was when it was last looked at.

    Shapes: since is when it came to be so, last_true when it was last seen to be so, both None where nobody noted it;
            reason is a sentence in English, for a link that is down, and `why` the same for whoever reads it, None
            where an older release has noted it; way is the way in, and because what keeps us out of the one that would
            be the first choice.
    """

    state: Literal["up", "down", "never"]
    since: datetime | None = None
    last_true: datetime | None = None
    reason: str = ""
    why: Said | None = None
    way: str = "kafka"
    because: Said | None = None

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the record that `to_text` has written, or what the sentence of an older release says of it."""
        if not text.startswith("{"):
            state, _, reason = text.partition(": ")
            if state not in ("up", "down"):
                raise Malformed(f"the outbox says of the link what no release has written: {text[:200]!r}")
            return cls("up" if state == "up" else "down", reason=reason)
        found = orjson.loads(text)
        why, because = (None if each is None else Said.from_json(each) for each in map(found.get, ("why", "because")))
        return cls(
            found["state"],
            _moment(found["since"]),
            _moment(found["last_true"]),
            found["reason"],
            why,
            found.get("way", "kafka"),
            because,
        )

    def to_text(self) -> str:
        """Return the record as it is kept."""
        return orjson.dumps(self.plain()).decode()

    def plain(self) -> dict[str, Any]:
        """Return the record as plain values, its times as text."""
        since, last_true = (None if at is None else write_time(at) for at in (self.since, self.last_true))
        why, because = (None if each is None else each.to_json() for each in (self.why, self.because))
        found = {"state": self.state, "since": since, "last_true": last_true, "reason": self.reason, "why": why}
        return {**found, "way": self.way, "because": because}


NEVER_LINKED = LinkState("never")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else read_time(text)
