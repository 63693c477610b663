"""How an entity gets from one status to another: the shortest legal run of events, found once and kept."""

from __future__ import annotations

from functools import cache
from typing import Final

from hub.domain.catalogue import STREAMS
from hub.domain.stream import EventKind

# Nothing follows these: what is closed or terminated is a matter of record, what HQ announced is never taken back.
FINAL_STATUSES: Final = frozenset(
    {("center", "closed"), ("deal", "closed"), ("deal", "terminated"), ("schema", "announced"), ("lane", "open")}
)


def statuses(stream: str) -> frozenset[str]:
    """Return every status an entity of this stream can have."""
    return frozenset(kind.status_after for kind in STREAMS[stream].events if kind.status_after is not None)


@cache
def shortest_path(
    stream: str, status: str | None, wanted: str, *, record_changes: bool = False
) -> tuple[EventKind, ...] | None:
    """Return the fewest events that lead from `status` to `wanted`, or None if no legal run of events does.

    Shapes: status is None for an entity that does not exist yet; the empty tuple means that it is there already.
            With record_changes at least one event of the run carries the record: give them all the wanted one.
            Of several shortest runs, the one whose events the stream declares first.
    """
    start = (status, not record_changes and status is not None)
    goal = (wanted, True)
    paths: dict[tuple[str | None, bool], tuple[EventKind, ...]] = {start: ()}
    frontier = [start]
    while frontier and goal not in paths:
        following = []
        for here in frontier:
            for kind in STREAMS[stream].events:
                if here[0] not in kind.legal_in:
                    continue
                there = (kind.status_after or here[0], here[1] or kind.carries_record)
                if there not in paths:
                    paths[there] = (*paths[here], kind)
                    following.append(there)
        frontier = following
    return paths.get(goal)
