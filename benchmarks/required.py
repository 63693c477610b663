"""What a run must have come to, before its figures are told: else another work was measured than is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.lanes import BenchLane, decoded
from hub.domain.stream import HQ
from hub.protocol.record import split_canonical
from hub.protocol.verdict import Code

_REFUSED = """
SELECT origin, sequence, code, field, params FROM ledger JOIN lane ON id = lane_id WHERE code <> ?
ORDER BY origin, sequence"""
_LATEST = """
SELECT entity.id, entity.sequence, entity.record_sequence, ledger.data FROM entity JOIN ledger
ON ledger.lane_id = entity.record_lane_id AND ledger.sequence = entity.record_sequence WHERE entity.center = ?"""


def require_accepted(database: Path, rejected: Iterable[tuple[str, int]] = ()) -> None:
    """Errors: RuntimeError, if HQ has put a record in quarantine, or rejected other events than these.

    Shapes: `rejected` are places: origin and sequence.
    """
    with closing(sqlite3.connect(database)) as ledger:
        unread = ledger.execute(
            "SELECT reason, count(*) FROM quarantine GROUP BY reason UNION ALL SELECT reason, records FROM unkept"
        ).fetchall()
        refused = ledger.execute(_REFUSED, (Code.ACCEPTED,)).fetchall()
    if unread:
        raise RuntimeError(f"HQ has put records of the benchmark in quarantine: {unread[:3]}")
    expected, found = set(rejected), {(origin, sequence): why for origin, sequence, *why in refused}
    if unexpected := [(place, why) for place, why in found.items() if place not in expected]:
        raise RuntimeError(f"HQ has rejected events of the benchmark: {unexpected[:3]}")
    if missed := sorted(expected - found.keys()):
        raise RuntimeError(f"HQ has not rejected {len(missed)} events that it is to reject: {missed[:3]}")


def require_taken(database: Path, lanes: Sequence[BenchLane]) -> None:
    """Errors: RuntimeError, if HQ has not judged every event of these lanes as it is to, and nothing else.

    The record of every entity must be the latest one that was written of it, byte for byte and in its place.
    """
    require_accepted(database, [(lane.origin, sequence) for lane in lanes for sequence in lane.rejected])
    with closing(sqlite3.connect(database)) as ledger:
        for lane in lanes:
            accepted, highest = ledger.execute(
                "SELECT count(*), max(sequence) FROM ledger JOIN lane ON id = lane_id WHERE origin = ? AND code = ?",
                (lane.origin, Code.ACCEPTED),
            ).fetchone()
            (size,) = ledger.execute(
                "SELECT coalesce(max(size), 0) FROM lane WHERE origin = ?", (lane.origin,)
            ).fetchone()
            if accepted != lane.edge.size - len(lane.rejected) or size != lane.edge.size:
                told = f"{accepted} events up to {highest}, and calls the lane {size} long"
                raise RuntimeError(f"{lane.origin} has {lane.edge.size} events; HQ has accepted {told}")
            kept = {
                entity: (sequence, split_canonical(data)[1]) if sequence == record else (sequence, b"")
                for entity, sequence, record, data in ledger.execute(_LATEST, (lane.center,))
            }
            _require_same(kept, lane.accepted)
        (others,) = ledger.execute("SELECT count(*) FROM lane WHERE center <> ?", (HQ,)).fetchone()
    if others != len(lanes):
        raise RuntimeError(f"HQ has {others} lanes of centers; {len(lanes)} were written")


def require_latest(found: Iterable[tuple[str, Any]], lanes: Iterable[BenchLane]) -> None:
    """Errors: RuntimeError, if this is not the latest event of every entity, as it was written to the lanes."""
    _require_same(dict(found), {key: decoded(value) for lane in lanes for key, value in lane.latest.items()})


def _require_same(kept: dict[str, Any], latest: dict[str, Any]) -> None:
    wrong = [key for key, value in latest.items() if kept.get(key) != value]
    if wrong or len(kept) != len(latest):
        example = f"; of {wrong[0]} it kept {kept.get(wrong[0])!r}" if wrong else ""
        raise RuntimeError(f"kept {len(kept)} entities of {len(latest)}, {len(wrong)} of them wrong{example}")
