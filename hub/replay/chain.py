"""An entity's accepted events, from the newest back: each ledger row names the one before it (docs/adr/0010)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.stream import EventKind
from hub.protocol.value import value_class
from hub.replay.known import damaged
from hub.replay.source import Ledger

_COLUMNS: Final = "lane_id, sequence, type, version, occurred_at_us, previous_lane_id, previous"
_CHAIN: Final = f"""
    WITH RECURSIVE chain({_COLUMNS}) AS (
        SELECT {_COLUMNS} FROM ledger WHERE lane_id = ? AND sequence = ?
        UNION ALL
        SELECT {", ".join(f"ledger.{name}" for name in _COLUMNS.split(", "))}
        FROM chain JOIN ledger ON ledger.lane_id = chain.previous_lane_id AND ledger.sequence = chain.previous
    )
    SELECT * FROM chain
"""  # noqa: S608 - the names are ours
PAGE: Final = 500


@value_class
class Link:
    """One accepted event of an entity, without its bytes."""

    lane_id: int
    sequence: int
    type: str
    version: int
    occurred_at_us: int | None
    previous_lane_id: int | None
    previous: int | None

    @property
    def kind(self) -> EventKind:
        """What kind of event it is. Errors: Fatal, if this release knows none of that type."""
        kind = KINDS.get(self.type)
        if kind is None:
            raise damaged(f"an accepted event has the type {self.type}")
        return kind


@value_class
class Newest:
    """Where an entity's newest event stands, and the digest that the database has of the entity after it."""

    stream: str
    id: str
    lane_id: int
    sequence: int
    digest: bytes


def newest(ledger: Ledger, stream: str, entity_id: str) -> Newest | None:
    """Return where an entity's history ends, None for one that HQ never accepted."""
    row = ledger.db.execute(
        "SELECT stream, id, lane_id, sequence, digest FROM entity WHERE stream = ? AND id = ?", (stream, entity_id)
    ).fetchone()
    return None if row is None else Newest(*row)


def every(ledger: Ledger, stream: str, after: str = "") -> Iterator[Newest]:
    """Yield every entity of a stream by id, a page at a time: a reader that stops for long holds nothing open."""
    while True:
        rows = ledger.db.execute(
            "SELECT stream, id, lane_id, sequence, digest FROM entity WHERE stream = ? AND id > ? ORDER BY id LIMIT ?",
            (stream, after, PAGE),
        ).fetchall()
        yield from (Newest(*row) for row in rows)
        if len(rows) < PAGE:
            return
        after = rows[-1][1]


def streams_of(ledger: Ledger, entity_id: str) -> list[str]:
    """Return the streams in which there is, or was tried to be, an entity of this id."""
    found = {stream for stream in STREAMS if newest(ledger, stream, entity_id) is not None}
    for (event_type,) in ledger.db.execute(
        "SELECT DISTINCT type FROM ledger WHERE subject = ? AND code <> 'ACCEPTED'", (entity_id,)
    ):
        kind = KINDS.get(event_type)
        if kind is not None:
            found.add(kind.stream)
    return sorted(found)


def back(ledger: Ledger, lane_id: int, sequence: int) -> Iterator[Link]:
    """Yield the accepted events of one entity from that one back to its first; each is looked up when asked for.

    Errors: Fatal where the links do not lead back to version 1.
    """
    cursor = ledger.db.execute(_CHAIN, (lane_id, sequence))
    after: Link | None = None
    for row in cursor:
        link = Link(*row)
        if after is not None and (
            link.version != after.version - 1 or (link.lane_id, link.sequence) >= (after.lane_id, after.sequence)
        ):
            raise damaged(f"{_place(after)} names {_place(link)} as the one before it")
        yield link
        after = link
    if after is None:
        raise damaged(f"event {sequence} of lane {lane_id} is missing")
    if after.version != 1:
        raise damaged(f"the history of an entity begins at {_place(after)}")


def _place(link: Link) -> str:
    return f"event {link.sequence} of lane {link.lane_id} (version {link.version})"
