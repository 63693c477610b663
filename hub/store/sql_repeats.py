"""States that have to go out again, and who publishes HQ's own lane."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from hub.domain.catalogue import KINDS
from hub.domain.stream import HQ
from hub.ledger.flight import center_in
from hub.ledger.publication import Publication
from hub.protocol.verdict import Code
from hub.store.database import Connection, Database, OnDatabase, reading, suspends
from hub.store.repeat_store import Noted, Sent
from hub.store.rows import is_count, is_text
from hub.store.sql_publication import SqlPublication

HQ_LANE: Final = "publication of hq"
# What somebody has put there that is no number is noted anew.
_NOTE: Final = (
    "INSERT INTO said_late(lane_id, after, times) SELECT l.id, CAST(? AS BIGINT), 1 FROM lane l"
    " WHERE l.origin = ? AND NOT EXISTS (SELECT 1 FROM {terms} AND t.term = ?)"
    " ON CONFLICT(lane_id) DO UPDATE SET times = said_late.times + 1,"
    " after = CASE WHEN said_late.after <= excluded.after THEN said_late.after ELSE excluded.after END"
)
_NOTE_CENTER: Final = _NOTE.format(terms="intake t WHERE t.center = l.center")
_NOTE_HQ: Final = _NOTE.format(terms=f"tenure t WHERE t.name = '{HQ_LANE}'")


def note_overtaken(db: Connection, sent: Mapping[str, Sent]) -> frozenset[str]:
    """Note what was sent under a term that is over, inside the caller's transaction `db`; return its centers."""
    found = set()
    for origin, (after, term) in sorted(sent.items()):
        center = center_in(origin)
        if db.execute(_NOTE_HQ if center == HQ else _NOTE_CENTER, (after, origin, term)).rowcount:
            found.add(center)
    return frozenset(found)


class SqlRepeats(OnDatabase):
    """A RepeatStore on the connection of a SqlStore."""

    def __init__(self, database: Database, publication: SqlPublication) -> None:
        super().__init__(database)
        self._publication = publication

    @suspends
    async def begin_hq(self, owner: str) -> int:
        """See RepeatStore."""
        with self._database.writing() as db:
            db.execute(
                "INSERT INTO tenure(name, term, owner) VALUES (?, 1, ?)"
                " ON CONFLICT(name) DO UPDATE SET term = tenure.term + 1, owner = excluded.owner",
                (HQ_LANE, owner),
            )
            return int(db.execute("SELECT term FROM tenure WHERE name = ?", (HQ_LANE,)).fetchone()[0])

    @suspends
    async def noted(self, centers: Collection[str]) -> list[Noted]:
        """See RepeatStore."""
        rows = self._database.lenient(
            "SELECT l.center, l.origin, s.after, l.size, s.times FROM said_late s JOIN lane l ON l.id = s.lane_id"
            " ORDER BY l.id"
        )
        wanted = set(centers)
        # A row that somebody has edited: all of its lane goes out again.
        return [
            Noted(origin, after if is_count(after) and after <= size else 0, size, times if is_count(times) else 0)
            for center, origin, after, size, times in rows
            if center in wanted and is_text(origin) and is_count(size)
        ]

    @suspends
    async def done(self, origin: str, times: int) -> None:
        """See RepeatStore."""
        with self._database.writing() as db:
            db.execute(
                "DELETE FROM said_late WHERE lane_id = ? AND (times = ? OR typeof(times) <> 'integer')",
                (self._database.lane_id(origin), times),
            )

    @suspends
    async def states(self, origin: str, after: int, limit: int) -> Publication | None:
        """See RepeatStore."""
        lane_id = self._database.lane_id(origin)
        with reading(self.location, f"what {origin} has changed"):
            rows = self._database.connection.execute(
                "SELECT sequence, code, type, subject FROM ledger WHERE lane_id = ? AND sequence > ?"
                " ORDER BY sequence LIMIT ?",
                (lane_id, after, limit),
            ).fetchall()
            if not rows:
                return None
            keys = {(KINDS[kind].stream, subject) for _, code, kind, subject in rows if code == Code.ACCEPTED}
            entities = self._publication.states(keys, origin if after == 0 else None)
            return Publication(origin, center_in(origin), after + 1, int(rows[-1][0]), [], [], entities)
