"""An intake as it is claimed: its row and its lanes' rows, read one by one, for one that is damaged stops its own lane.

A database can be edited, and a disk can rot. Whoever claims many lanes at once must not fall over what stands in the
rows of one: that center is parked, with what is wrong, and all others go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hub.ledger.lane import Intake, Lane, Status
from hub.protocol.cause import Cause, CauseCode
from hub.protocol.errors import Malformed
from hub.protocol.moment import from_us
from hub.protocol.tree import HASH_BYTES, Edge
from hub.store.rows import UNREADABLE, is_count, is_text
from hub.store.store import Claimed

INTAKE: Final = "center, next_offset, term, status, why, lane_id, reads_on, read_upto, quarantined_bytes"
LANE: Final = "id, origin, epoch, size, edge, state_digest, recorded_at_us"  # and the basis of its last receipt


def claimed(row: Sequence[Any], lanes: Sequence[Sequence[Any]]) -> Claimed:
    """Return a center's intake as its rows have it, or parked where they can't be read. Errors: none for any rows.

    Shapes: `row` has the columns INTAKE, `lanes` those of LANE and a basis, all of the center's lanes in their order.
    """
    center, term = row[0], row[2]
    try:
        return Claimed(_intake(row, lanes), term)
    except (*UNREADABLE, Malformed) as exc:
        cause = Cause.of(CauseCode.ROWS_DAMAGED, text=str(exc) or type(exc).__name__)
        return Claimed(Intake(center, None, Status.PARKED, cause.to_text()), term, is_damaged=True)


def _intake(row: Sequence[Any], lanes: Sequence[Sequence[Any]]) -> Intake:
    center, offset, _, status, why, lane_id, reads_on, read_upto, quarantined_bytes = row
    _must(offset is None or is_count(offset), "next_offset", offset)
    _must(is_count(read_upto), "read_upto", read_upto)
    _must(is_count(quarantined_bytes), "quarantined_bytes", quarantined_bytes)
    _must(is_text(why), "why", why)
    lane: Lane | None = None
    closed: dict[str, int] = {}
    for number, origin, epoch, size, edge, state_digest, recorded_at_us, basis in lanes:
        _must(is_text(origin) and origin.endswith(f"/{center}/{epoch}"), "origin", origin)
        _must(is_count(size), "size", size)
        if number != lane_id:
            closed[epoch] = size
            continue
        _must(type(edge) is bytes, "edge", edge)
        _must(type(state_digest) is bytes and len(state_digest) == HASH_BYTES, "state_digest", state_digest)
        _must(isinstance(recorded_at_us, int), "recorded_at_us", recorded_at_us)
        _must(is_count(basis), "basis", basis)
        lane = Lane(origin, center, epoch, Edge.from_bytes(size, edge), state_digest, from_us(recorded_at_us), basis)
    # A center that has lanes has one that is open: without it what it sends next would be taken for a closed lane's.
    _must((lane is None) == (lane_id is None) and (lane is not None or not closed), "lane_id", lane_id)
    return Intake(center, offset, Status(status), why, lane, closed, bool(reads_on), read_upto)


def _must(is_so: object, column: str, value: object) -> None:
    if not is_so:
        raise Malformed(f"{column} is {str(value)[:60]!r}")
