"""What this center has seen of HQ's log, what it has cosigned, and which of its receipts are not in the log yet.

All of it is bounded: one edge, the notes of the newest checkpoints, the newest leaves, and a row for each receipt that
waits to be seen in the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connectors.runtime.outbox.database import Database
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.witness import Break, Log
from connectors.runtime.witness_state import WitnessState
from hub.protocol.moment import write_time
from hub.protocol.tiles import split_hashes
from hub.protocol.tree import HASH_BYTES, Edge

CHECKPOINTS_KEPT: Final = 256
COSIGNED_KEPT: Final = 256
BREAKS_KEPT: Final = 16
LEAVES_KEPT: Final = 1 << 16  # 2 MiB: enough for every receipt that comes later than its leaf
_QUERY_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """Two notes of HQ's that can't both stand in one append-only log, and why; `retried_at` once a person went on."""

    at: str
    reason: str
    ours: bytes
    theirs: bytes
    retried_at: str | None


@dataclass(frozen=True, slots=True)
class Missing:
    """A receipt that the log does not have: its lane, its last sequence, and when it was stored."""

    hash: bytes
    origin: str
    last: int
    stored_at: str


class Witnessed:
    """The witness's part of the outbox. What it writes is durable when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self) -> tuple[Log, int]:
        """Return the log as it was last found consistent, and the place in the topic to go on from."""
        rows = self._database.read("SELECT size, edge, note, position FROM log_seen")
        if not rows:
            return Log(), 0
        size, edge, note, position = rows[0]
        return Log(Edge.from_bytes(size, edge), note), position

    def note_at(self, size: int) -> bytes | None:
        """Return the note that HQ signed at a size, None if that was not seen or is forgotten."""
        rows = self._database.read("SELECT note FROM log_checkpoint WHERE size=?", (size,))
        return bytes(rows[0][0]) if rows else None

    def leaves(self, after: int, size: int) -> list[bytes]:
        """Return the leaves of HQ's log from one size to another; none where some of them are not kept any more."""
        rows = self._database.read("SELECT after, leaves FROM log_leaf WHERE after<? ORDER BY after", (size,))
        found: list[bytes] = []
        for begins, hashes in rows:
            end = begins + len(hashes) // HASH_BYTES
            if end <= after + len(found):
                continue
            if begins > after + len(found):
                return []
            found += split_hashes(hashes[(after + len(found) - begins) * HASH_BYTES :])
        return found[: size - after] if len(found) >= size - after else []

    def newest_cosigned(self) -> tuple[int, bytes]:
        """Return size and note of the newest cosignature, size 0 if there is none."""
        rows = self._database.read("SELECT size, note FROM cosigned ORDER BY size DESC LIMIT 1")
        return rows[0] if rows else (0, b"")

    def saw(
        self,
        log: Log,
        position: int,
        passed: Iterable[tuple[int, bytes]],
        leaves: Sequence[tuple[int, Sequence[bytes]]],
        now: datetime,
        cosigned: bytes | None = None,
    ) -> None:
        """Keep what was read, in one transaction.

        Shapes: `passed` are the checkpoints by size, `leaves` by the size before them; `cosigned` is what HQ is told
                next about `log.size`. A crash before this returns leaves nothing said and nothing seen.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO log_seen VALUES (1, ?, ?, ?, ?, ?)",
                (log.size, log.edge.to_bytes(), log.note, position, write_time(now)),
            )
            connection.executemany("INSERT OR IGNORE INTO log_checkpoint VALUES (?, ?)", passed)
            connection.execute(
                "DELETE FROM log_checkpoint WHERE size <= (SELECT size FROM log_checkpoint ORDER BY size DESC "
                "LIMIT 1 OFFSET ?)",
                (CHECKPOINTS_KEPT,),
            )
            self.logged(leaf for _, some in leaves for leaf in some)
            connection.executemany(
                "INSERT OR REPLACE INTO log_leaf VALUES (?, ?)", [(after, b"".join(some)) for after, some in leaves]
            )
            connection.execute("DELETE FROM log_leaf WHERE after < ?", (log.size - LEAVES_KEPT,))
            if cosigned is not None:
                connection.execute("INSERT INTO cosigned VALUES (?, ?, ?)", (log.size, cosigned, write_time(now)))
                connection.execute(
                    "DELETE FROM cosigned WHERE size <= (SELECT size FROM cosigned ORDER BY size DESC "
                    "LIMIT 1 OFFSET ?)",
                    (COSIGNED_KEPT,),
                )

    def broke(self, found: Break, now: datetime) -> None:
        """Keep why the witness stops, with the notes that prove it.

        The caller stops with it: until a person lets the witness look again, nothing more is found to break.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO log_break (at, reason, ours, theirs) VALUES (?, ?, ?, ?)",
                (write_time(now), found.reason, found.ours, found.theirs),
            )
            connection.execute(
                "DELETE FROM log_break WHERE retried_at IS NOT NULL AND id <= (SELECT max(id) FROM log_break) - ?",
                (BREAKS_KEPT,),
            )

    def breaks(self) -> list[Kept]:
        """Return every break, the newest first."""
        if not self._is_there():
            return []
        rows = self._database.read("SELECT at, reason, ours, theirs, retried_at FROM log_break ORDER BY id DESC")
        return [Kept(*row) for row in rows]

    def stopped(self) -> Kept | None:
        """Return the break that the witness stands still for, None if it goes on."""
        rows = self._database.read(
            "SELECT at, reason, ours, theirs, retried_at FROM log_break WHERE retried_at IS NULL "
            "ORDER BY id DESC LIMIT 1"
        )
        return Kept(*rows[0]) if rows else None

    def retry(self, now: datetime) -> int:
        """Let a stopped witness look again; return how many breaks that is for. What it saw before still binds it."""
        with self._database.transaction() as connection:
            done = connection.execute("UPDATE log_break SET retried_at=? WHERE retried_at IS NULL", (write_time(now),))
            return int(done.rowcount)

    def logged(self, leaves: Iterable[bytes]) -> None:
        """Note that the log has these leaves: receipts of ours among them wait no longer."""
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM unlogged WHERE hash=?", ((leaf,) for leaf in leaves))

    def waiting(self) -> int:
        """Return how many receipts are not known to be in the log yet."""
        return int(self._database.read("SELECT count(*) FROM unlogged")[0][0])

    def missing(self, before: datetime) -> list[Missing]:
        """Return the receipts that came before that time and that the log does not have, as far as it was read."""
        rows = self._database.read(
            "SELECT hash, coalesce(origin, ''), last, stored_at FROM unlogged LEFT JOIN epoch ON number = epoch "
            "WHERE stored_at < ? ORDER BY stored_at LIMIT ?",
            (write_time(before), _QUERY_MAX),
        )
        found = [Missing(*row) for row in rows]
        # Their leaves may have gone by before they came.
        by = self._among_newest({missing.hash for missing in found}) if found else set()
        if by:
            self.logged(by)
        return [missing for missing in found if missing.hash not in by]

    def remembers_from(self) -> int:
        """Return the size from which on every leaf is remembered."""
        return int(self._database.read("SELECT coalesce(min(after), 0) FROM log_leaf")[0][0])

    def _among_newest(self, hashes: set[bytes]) -> set[bytes]:
        found: set[bytes] = set()
        for (leaves,) in self._database.read("SELECT leaves FROM log_leaf"):
            found.update(hashes.intersection(leaves[at : at + HASH_BYTES] for at in range(0, len(leaves), HASH_BYTES)))
        return found

    def _is_there(self) -> bool:
        """Whether the file has the witness's tables: those who only look may find one of a release before them."""
        return bool(self._database.read("SELECT 1 FROM sqlite_master WHERE name='log_break'"))

    def status(self) -> dict[str, Any]:
        """Return what `connector status` says of the log."""
        if not self._is_there():
            return {"state": str(WitnessState.NOT_YET)}
        seen = self._database.read("SELECT size, seen_at FROM log_seen")
        cosigned = self._database.read("SELECT size, at FROM cosigned ORDER BY size DESC LIMIT 1")
        stopped = self.stopped()
        return {
            "state": self._database.meta(Meta.WITNESS_STATE, str(WitnessState.NEVER_RAN)),
            "size": seen[0][0] if seen else 0,
            "seen_at": seen[0][1] if seen else None,
            "cosigned": cosigned[0][0] if cosigned else 0,
            "cosigned_at": cosigned[0][1] if cosigned else None,
            "receipts_waiting": self.waiting(),
            "stopped": None if stopped is None else {"at": stopped.at, "reason": stopped.reason},
        }
