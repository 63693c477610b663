"""What a stream's lifecycle asks of a new row: which statuses there are, and which events lead to one."""

from __future__ import annotations

from collections.abc import Sequence

from hub.domain.catalogue import STREAMS
from hub.domain.lifecycle import way
from hub.domain.stream import EventKind, Stream
from hub.protocol.errors import UsageError


def mapped_streams() -> tuple[Stream, ...]:
    """Return the streams that a mapping may be for: what centers write, but for the lane's own."""
    return tuple(stream for stream in STREAMS.values() if stream.writer == "center" and stream.name != "lane")


def statuses(stream: Stream) -> tuple[str, ...]:
    """Return the statuses that an entity of the stream can be in, the one it begins in first."""
    found = [kind.status_after for kind in stream.events if kind.status_after is not None]
    return tuple(dict.fromkeys(found))


def path_to(stream: Stream, status: str) -> tuple[EventKind, ...]:
    """Return the shortest legal path from nothing to a status: the events that a new row needs.

    Errors: UsageError if no path leads there.
    """
    found = way(stream.events, (None, False), (status, True))
    if found is None:
        raise UsageError(f"no event leads a new {stream.name} to the status {status!r}")
    return found


def strictest(path: Sequence[EventKind]) -> tuple[EventKind, ...]:
    """Return the events of a path whose rules the record must keep, without those that a later one repeats."""
    carrying = [kind for kind in path if kind.carries_record]
    return tuple(
        kind
        for index, kind in enumerate(carrying)
        if not any(issubclass(later.model, kind.model) for later in carrying[index + 1 :])
    )


def changes_to(stream: Stream, status: str) -> tuple[EventKind, ...]:
    """Return the events that lead to a status and say nothing but why and when."""
    return tuple(kind for kind in stream.events if not kind.carries_record and kind.status_after == status)
