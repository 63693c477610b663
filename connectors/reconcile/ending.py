"""Which statuses end an entity: from then on HQ counts it no more, and nothing is missing if no sheet names it."""

from __future__ import annotations

from hub.domain.stream import Stream


def endings(stream: Stream) -> tuple[str, ...]:
    """Return the statuses that end an entity of `stream`, in the order of its events; () if none does.

    From such a status nothing leads on but what would begin the entity anew; what corrects its record leaves it there.
    Where that is so of every status, as of a confirmation, none of them is an end.
    """
    statuses = list(dict.fromkeys(kind.status_after for kind in stream.events if kind.status_after is not None))
    found = [
        status
        for status in statuses
        if all(
            None in kind.legal_in or kind.status_after in (None, status)
            for kind in stream.events
            if status in kind.legal_in
        )
    ]
    return () if len(found) == len(statuses) else tuple(found)
