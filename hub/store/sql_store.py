"""A Store in SQL. What each concept needs of it stands beside this file, `sql_*`, once for all engines.

Here is what Store promises, and where an intake stands; an engine's own is its Database.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from hub.domain.clock import Correction
from hub.domain.stream import HQ
from hub.ledger.derived import Partition, Reach
from hub.ledger.lane import Status
from hub.ledger.publication import Publication
from hub.ledger.step import EntityKey, KnownEntity, Step
from hub.protocol.moment import from_us, to_us
from hub.protocol.remark import RepeatedIds
from hub.protocol.tree import Edge
from hub.store.database import Database, OnDatabase, reading, suspends
from hub.store.repeat_store import NOTHING_SENT, Sent
from hub.store.rows import is_text, stored_receipt
from hub.store.sql_access import SqlAccess
from hub.store.sql_commit import SqlCommit, read_times
from hub.store.sql_entities import SqlEntities
from hub.store.sql_hq_lane import SqlHqLane
from hub.store.sql_intakes import INTAKE, LANE, claimed
from hub.store.sql_invitations import SqlInvitations
from hub.store.sql_lease import say_alive
from hub.store.sql_log import SqlLog
from hub.store.sql_owed import SqlOwed
from hub.store.sql_publication import SqlPublication
from hub.store.sql_remarks import read_remarks, write_remarks
from hub.store.sql_repeats import SqlRepeats, note_overtaken
from hub.store.sql_topics import SqlTopics
from hub.store.store import NOWHERE, QUARANTINE_QUOTA_BYTES, Changes, Claimed, FencedError, HqRows, Spoken
from hub.store.workers import WORKER, LivingWorker

# Under which a lane's newest events were judged.
_BASIS: Final = "coalesce((SELECT basis FROM receipt WHERE lane_id = lane.id AND last = lane.size), 0)"
_LAST_US: Final = to_us(datetime.max.replace(tzinfo=UTC))


class SqlStore(OnDatabase):
    """A Store on a Database, which is its own. `quarantine_quota_bytes` is each center's."""

    def __init__(self, database: Database, quarantine_quota_bytes: int = QUARANTINE_QUOTA_BYTES) -> None:
        super().__init__(database)
        self._entities = SqlEntities(self._database)
        self._commit = SqlCommit(self._database, self._entities, quarantine_quota_bytes)
        self._hq_lane = SqlHqLane(self._database)
        self._publication = SqlPublication(self._database, self._entities)
        self.log = SqlLog(self._database)
        self.topics = SqlTopics(self._database, self._publication)
        self.repeats = SqlRepeats(self._database, self._publication)
        self.owed = SqlOwed(self._database)
        self.access = SqlAccess(self._database)
        self.invitations = SqlInvitations(self._database)

    async def close(self) -> None:
        """Close every connection. Idempotent."""
        await self._database.close()

    @suspends
    async def claim(self, centers: Collection[str], owner: str) -> dict[str, Claimed]:
        """See Store."""
        named = json.dumps(sorted(centers))  # in one order, so that two who claim the same never wait for each other
        with self._database.writing() as db:
            db.execute(
                "INSERT INTO intake(center, term, owner, status, why, duplicates, quarantined_bytes)"
                " SELECT value, 1, ?, 'reading', '', 0, 0 FROM json_each(?) WHERE true ORDER BY key"
                " ON CONFLICT(center) DO UPDATE SET term = intake.term + 1, owner = excluded.owner",
                (owner, named),
            )
            rows = self._database.lenient(
                f"SELECT {INTAKE} FROM intake WHERE center IN (SELECT value FROM json_each(?))",  # noqa: S608
                (named,),
            )
            lanes: dict[str, list[Sequence[Any]]] = {}
            for center, *lane in self._database.lenient(
                f"SELECT center, {LANE}, {_BASIS} FROM lane"  # noqa: S608
                " WHERE center IN (SELECT value FROM json_each(?)) ORDER BY id",
                (named,),
            ):
                lanes.setdefault(center, []).append(lane)
            found = {row[0]: claimed(row, lanes.get(row[0], ())) for row in rows}
            damaged = [claim.intake for claim in found.values() if claim.is_damaged]
            db.executemany(
                "UPDATE intake SET status = ?, why = ?, reads_on = 0 WHERE center = ?",
                [(intake.status, intake.why, intake.center) for intake in damaged],
            )
        for row in rows:
            if not found[row[0]].is_damaged:
                for number, origin, *_ in lanes.get(row[0], ()):
                    self._database.remember(str(origin), number)
        return found

    @suspends
    async def commit(self, step: Step, term: int) -> None:
        """See Store. If we crash before COMMIT returns, the fetch is read again from the position in SQL."""
        with self._database.writing() as db:
            self._commit.write(db, step, term)

    @suspends
    async def entities(self, keys: Collection[EntityKey]) -> dict[EntityKey, KnownEntity]:
        """See Store."""
        return self._entities.find(keys)

    @suspends
    async def hq_lane(self, after: int) -> HqRows:
        """See Store."""
        return self._hq_lane.page(after)

    @suspends
    async def say_alive(self, worker: LivingWorker) -> None:
        """See Store."""
        with self._database.writing() as db:
            say_alive(db, worker)

    @suspends
    async def workers(self) -> list[LivingWorker]:
        """See Store."""
        rows = self._database.lenient(
            "SELECT name, owner, until_us FROM lease WHERE name LIKE ? ORDER BY name", (f"{WORKER}%",)
        )
        return [LivingWorker.of(*row) for row in rows]

    @suspends
    async def changes(self) -> Changes:
        """See Store."""
        size = self._database.connection.execute(
            "SELECT coalesce(sum(size), 0) FROM lane WHERE center = ?", (HQ,)
        ).fetchone()[0]
        rows = self._database.lenient("SELECT center, term, status FROM intake")
        own = self._database.lenient("SELECT origin FROM lane WHERE center = ? ORDER BY id LIMIT 1", (HQ,))
        # What else stands in an intake's row is read when it is claimed.
        intakes = {center: (term, status) for center, term, status in rows if is_text(center) and is_text(status)}
        late = self._database.lenient("SELECT DISTINCT l.center FROM said_late s JOIN lane l ON l.id = s.lane_id")
        said_late = frozenset(center for (center,) in late if is_text(center))
        return Changes(int(size), intakes, str(own[0][0]) if own else "", read_remarks(self._database), said_late)

    @suspends
    async def newest_recorded_at(self, but: Correction | None = None) -> datetime | None:
        """See Store."""
        taken_back = (to_us(but.since), to_us(but.until), but.basis) if but else (0, 0, 0)
        row = self._database.connection.execute(
            "SELECT max(recorded_at_us) FROM lane"  # noqa: S608
            " WHERE typeof(recorded_at_us) = 'integer' AND recorded_at_us <= ?"  # others are of a lane that is parked
            f" AND NOT (recorded_at_us > ? AND recorded_at_us <= ? AND {_BASIS} < ?)",
            (_LAST_US, *taken_back),
        ).fetchone()
        return from_us(row[0]) if row[0] is not None else None

    @suspends
    async def edge_at(self, origin: str, size: int) -> Edge | None:
        """See Store. The newest receipt's edge at or below `size`, and the digests from there on."""
        lane = self._database.connection.execute("SELECT id, size FROM lane WHERE origin = ?", (origin,)).fetchone()
        if lane is None or size > lane[1]:
            return None
        row = self._database.connection.execute(
            "SELECT last, edge FROM receipt WHERE lane_id = ? AND last <= ? ORDER BY last DESC LIMIT 1",
            (lane[0], size),
        ).fetchone()
        with reading(self.location, f"the ledger of {origin}"):
            edge = Edge.from_bytes(*row) if row else Edge()
            digests = self._database.connection.execute(
                "SELECT digest FROM ledger WHERE lane_id = ? AND sequence > ? AND sequence <= ? ORDER BY sequence",
                (lane[0], edge.size, size),
            )
            return edge.append(d[0] for d in digests)

    @suspends
    async def receipt_at(self, origin: str, sequence: int) -> bytes | None:
        """See Store."""
        row = self._database.connection.execute(
            "SELECT r.note, r.first, r.last FROM receipt r JOIN lane l ON l.id = r.lane_id"
            " WHERE l.origin = ? AND r.last >= ? AND r.first <= ? ORDER BY r.last LIMIT 1",
            (origin, sequence, sequence),
        ).fetchone()
        if row is None:
            return None
        with reading(self.location, f"a receipt of {origin}"):
            note, first, last = row
            stored_receipt(note, origin, first, last)
            return bytes(note)

    @suspends
    async def set_status(self, center: str, term: int, status: str, why: str) -> None:
        """See Store."""
        with self._database.writing() as db:
            done = db.execute(
                "UPDATE intake SET status = ?, why = ?, reads_on = 0 WHERE center = ? AND term = ?",
                (status, why, center, term),
            )
            if done.rowcount != 1:
                raise FencedError(f"intake {center}: another worker has taken it over")

    @suspends
    async def told(self, centers: Collection[str]) -> dict[str, Spoken]:
        """See Store."""
        rows = self._database.lenient(
            "SELECT intake.center, presence, text, times FROM intake LEFT JOIN told ON told.center = intake.center"
            " LEFT JOIN heard ON heard.center = intake.center AND heard.kind = 'presence'"
            " WHERE intake.center IN (SELECT value FROM json_each(?))",
            (json.dumps(sorted(centers)),),
        )
        # All of it is found out anew where somebody has edited it.
        return {
            center: Spoken(_text(presence), _text(text), read_times(times)) for center, presence, text, times in rows
        }

    @suspends
    async def keep_told(self, center: str, term: int, text: str) -> None:
        """See Store."""
        with self._database.writing() as db:
            done = db.execute(
                "INSERT INTO told(center, text) SELECT center, ? FROM intake WHERE center = ? AND term = ?"
                " ON CONFLICT(center) DO UPDATE SET text = excluded.text",
                (text, center, term),
            )
            if done.rowcount != 1:
                raise FencedError(f"intake {center}: another worker has taken it over")

    @suspends
    async def remark(self, found: Mapping[str, RepeatedIds], now: datetime) -> list[str]:
        """See Store."""
        with self._database.writing() as db:
            return write_remarks(self._database, db, found, now)

    @suspends
    async def resume(self, center: str) -> str | None:
        """See Store."""
        with self._database.writing() as db:
            row = db.execute("SELECT status FROM intake WHERE center = ?", (center,)).fetchone()
            db.execute(
                "UPDATE intake SET status = ?, why = '', reads_on = 0 WHERE center = ? AND status IN (?, ?)",
                (Status.READING, center, Status.PARKED, Status.FORKED),
            )
            return str(row[0]) if row else None

    @suspends
    async def keep_evidence(self, origin: str, size: int, ours: bytes, theirs: bytes, recorded_at: datetime) -> None:
        """See Store."""
        with self._database.writing() as db:
            db.execute(
                "INSERT INTO evidence(origin, size, ours, theirs, recorded_at_us) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (origin, size, ours, theirs, to_us(recorded_at)),
            )

    @suspends
    async def unpublished(self, centers: Collection[str]) -> list[tuple[str, int, int]]:
        """See Store."""
        return self._publication.unpublished(centers)

    @suspends
    async def cursors(self, centers: Collection[str]) -> list[tuple[str, int]]:
        """See Store."""
        return self._publication.cursors(centers)

    @suspends
    async def publication(self, origin: str, after: int, limit: int) -> Publication | None:
        """See Store."""
        return self._publication.publication(origin, after, limit)

    @suspends
    async def valued(self, entities: Collection[KnownEntity]) -> list[KnownEntity]:
        """See Store."""
        with reading(self.location, "what records came with"):
            return self._publication.with_values(entities)

    @suspends
    async def set_published(
        self,
        cursors: Mapping[str, int],
        reach: Mapping[Partition, Reach] = NOWHERE,
        sent: Mapping[str, Sent] = NOTHING_SENT,
    ) -> frozenset[str]:
        """See Store. If we crash before this, the same is published again: readers go by sequence and version."""
        return self._publication.set_published(cursors, reach, lambda db: note_overtaken(db, sent))


def _text(value: object) -> str | None:
    return str(value) if is_text(value) else None
