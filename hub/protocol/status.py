"""The status note: how HQ stands with a center, signed by its receipts key and said on `out.<center>`.

    cohub-status/v1
    <hub>
    <center>
    time <RFC 3339>
    lane <the lane of the center that is open at HQ, or ->
    size <how many of its events HQ has taken>
    state <reads, waits, parked, forked, suspended or closed>
    since <RFC 3339>
    why <one line of at most 200 bytes, a code first (`hub.protocol.cause`), or ->
    basis <size of the hq lane> <its origin>
    rules <the number of the rules in force>
    reads <the forms that HQ reads from centers, or ->

It is derived: it stands neither in the ledger nor in HQ's log, and is made again at any time. Of two notes the one with
the later `time` counts. Source: schemas/PROTOCOL.md, "The status note".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from hub.protocol.cause import is_coded
from hub.protocol.control import HUB
from hub.protocol.errors import Malformed
from hub.protocol.forms import read_forms, read_lines, read_reason, write_forms
from hub.protocol.moment import write_time
from hub.protocol.receipt import Receipt, Resend, cut_line, read_answer, read_number, read_own_time
from hub.protocol.record import ID, is_origin

STATUS: Final = "cohub-status/v1"
STATUS_KIND: Final = "status"  # the record's header `cohub-kind`
HQ_CENTER: Final = "hq"
_NAMES: Final = ("time", "lane", "size", "state", "since", "why", "basis", "rules", "reads")


class State(StrEnum):
    """What HQ does with a center's lane."""

    READS = "reads"
    WAITS = "waits"  # for something that could still make good what came: a key, above all
    PARKED = "parked"  # for a person at HQ
    FORKED = "forked"  # two valid seals of one size with different roots; for a person at HQ
    SUSPENDED = "suspended"  # the center is
    CLOSED = "closed"  # the center is, for good


@dataclass(frozen=True, slots=True)
class StatusNote:
    """What HQ says of its own standing with a center, at `time` by HQ's clock.

    Shapes: lane is '' where none is open yet, why is a cause's line, '' where there is nothing to say; basis is a
            size of the hq lane whose origin hq_lane is; reads names the forms that HQ reads.
    """

    hub: str
    center: str
    time: datetime
    lane: str
    size: int
    state: State
    since: datetime
    why: str
    basis: int
    hq_lane: str
    rules: int
    reads: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return the note text, byte for byte as it is signed. A longer reason is cut."""
        return (
            f"{STATUS}\n{self.hub}\n{self.center}\ntime {write_time(self.time)}\nlane {self.lane or '-'}\n"
            f"size {self.size}\nstate {self.state}\nsince {write_time(self.since)}\n"
            f"why {cut_line(self.why) or '-'}\nbasis {self.basis} {self.hq_lane}\nrules {self.rules}\n"
            f"reads {write_forms(self.reads)}\n"
        )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the status in a note's text. Errors: Malformed."""
        lines = text.split("\n")
        if len(lines) != len(_NAMES) + 4 or lines.pop() or lines[0] != STATUS:
            raise Malformed(f"status: expected {len(_NAMES) + 3} lines, the first {STATUS!r}")
        hub, center = lines[1], lines[2]
        if not HUB.fullmatch(hub) or not ID.fullmatch(center) or center == HQ_CENTER:
            raise Malformed("status: expected a hub's name and a center's id in the second and third line")
        said = read_lines(lines[3:], _NAMES, "status")
        basis, _, hq_lane = said["basis"].partition(" ")
        lane = "" if said["lane"] == "-" else said["lane"]
        if (said["lane"] != "-" and not is_origin(lane, hub, center)) or not is_origin(hq_lane, hub, HQ_CENTER):
            raise Malformed("status: expected a lane of the center, or -, and the hq lane behind the basis")
        if said["state"] not in tuple(State):
            raise Malformed(f"status: expected a state of {', '.join(State)}, got {said['state'][:30]!r}")
        why = read_reason(said["why"], "status: why")
        if why and not is_coded(why):
            raise Malformed(f"status: why: expected a code and what it is about, or -, got {why[:60]!r}")
        rules = read_number(said["rules"], "rules")
        if not rules or (not lane and said["size"] != "0"):
            raise Malformed("status: expected rules from 1 on, and the size 0 where no lane is open")
        return cls(
            hub,
            center,
            read_own_time(said["time"]),
            lane,
            read_number(said["size"], "size"),
            State(said["state"]),
            read_own_time(said["since"]),
            why,
            read_number(basis, "basis"),
            hq_lane,
            rules,
            read_forms(said["reads"]),
        )


def read_said(text: str) -> Receipt | Resend | StatusNote:
    """Return what a note of `out.<center>` says, by its first line. Errors: Malformed."""
    return StatusNote.from_text(text) if text.startswith(STATUS + "\n") else read_answer(text)
