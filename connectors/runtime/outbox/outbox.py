"""The outbox as one object: everything that a center has to say and has heard, in one file."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from connectors.runtime.outbox.answers import Answers
from connectors.runtime.outbox.beliefs import load, save
from connectors.runtime.outbox.database import Database
from connectors.runtime.outbox.lane import Lane
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.outbox.orphans import Orphans
from connectors.runtime.outbox.queue import NewEvent, append, entity_id
from connectors.runtime.outbox.rows import Rows
from connectors.runtime.outbox.status import backlog, status
from connectors.runtime.outbox.witnessed import Witnessed
from connectors.runtime.signals import Signal
from connectors.runtime.told import OfficeError
from hub.protocol.moment import write_time
from schemas.words import Language

KEEP: Final = timedelta(days=90)
PURGE_EVENTS_MAX: Final = 10_000


class Outbox:
    """One center's outbox.

    Shapes: `queued` is rung after each commit of new events, from the thread that queued them; `read_only` is for other
            processes than the daemon: it sees the last commit, and writes nothing; `beside` is for those of them that
            write a little; `database` is the file, opened already.
    Errors: UsageError, if the outbox belongs to another center; see `outbox.database` for the rest.
    """

    def __init__(
        self,
        path: Path,
        queued: Signal | None = None,
        *,
        read_only: bool = False,
        beside: bool = False,
        database: Database | None = None,
    ) -> None:
        self.path = path
        self._read_only = read_only
        self.database = Database(path, read_only=read_only, beside=beside) if database is None else database
        self.lane = Lane(self.database)
        self.answers = Answers(self.database, self.lane)
        self.rows = Rows(self.database)
        self.orphans = Orphans(self.database)
        self.witnessed = Witnessed(self.database)
        self.queued = queued or Signal()

    def claim(self, hub: str, center: str) -> None:
        """Make this the outbox of one center, for good. Errors: UsageError, if it is another's."""
        owner = self.database.meta(Meta.OWNER)
        if owner is None:
            self.database.set_meta(Meta.OWNER, f"{hub}/{center}")
        elif owner != f"{hub}/{center}":
            raise OfficeError("errors.outbox_others", path=self.path, owner=owner, center=f"{hub}/{center}")
        self.answers.origins.forget_others(hub, center)

    def enqueue_events(self, events: Iterable[NewEvent]) -> int:
        """Queue events that no file stands behind, in one transaction; return how many.

        Errors: OutboxFull; Rejected(TOO_LARGE).
        """
        try:
            with self.database.transaction() as connection:
                new = list(events)
                beliefs = load(connection, list({entity_id(event.type, event.subject) for event in new}))
                save(connection, append(connection, new, beliefs))
        finally:
            # Durable from here: a crash loses none of them, and sends none twice, for they are sealed in this order. A
            # commit that failed may have been done all the same: whoever waits for events has a look.
            self.queued.ring()
        return len(new)

    def epoch_new(self, reason: str) -> None:
        """Ask for a new epoch: the daemon opens it at its next start, when it has read what HQ holds.

        Lanes of this center that other outboxes opened are continued by it, and no longer a reason to stop.
        """
        with self.database.transaction() as connection:
            self.database.set_meta(Meta.EPOCH_WANTED, reason)
            foreign = self.database.foreign()
            if foreign is not None:
                connection.execute("INSERT OR IGNORE INTO foreign_lane VALUES (?, '')", (foreign.origin,))
                self.database.set_foreign(None)

    def purge(self, now: datetime, keep: timedelta = KEEP) -> int:
        """Delete events that were receipted more than `keep` ago, a bounded number; return how many.

        The newest batch and all that it holds stay, so that the lane's tree and the ids go on from them.
        """
        epoch = self.lane.epoch
        if epoch is None:
            return 0
        with self.database.transaction() as connection:
            found = connection.execute(
                "SELECT max(last) FROM receipt WHERE epoch=? AND stored_at<? AND last<=?",
                (epoch.number, write_time(now - keep), self.lane.receipted()),
            ).fetchone()[0]
            if found is None:
                return 0
            oldest = int(connection.execute("SELECT min(id) FROM event").fetchone()[0] or 0)
            bound = min(int(found), oldest - epoch.base + PURGE_EVENTS_MAX)
            # To the end of a batch: what is left of a batch could not be sent again.
            last = connection.execute(
                "SELECT max(last) FROM batch WHERE epoch=?1 AND last<=?2 AND last<(SELECT max(last) FROM batch "
                "WHERE epoch=?1)",
                (epoch.number, bound),
            ).fetchone()[0]
            if last is None:
                return 0
            gone = connection.execute("DELETE FROM event WHERE id<=?", (epoch.base + last,)).rowcount
            connection.execute("DELETE FROM rejection WHERE event<=?", (epoch.base + last,))
            receipts = connection.execute(
                "DELETE FROM receipt WHERE epoch<?1 OR (epoch=?1 AND last<=?2)", (epoch.number, last)
            ).rowcount
            connection.execute("DELETE FROM unlogged WHERE epoch<?1 OR (epoch=?1 AND last<=?2)", (epoch.number, last))
            # The batch that ends at `last` stays: the edge that the next one begins from.
            connection.execute("DELETE FROM batch WHERE epoch<?1 OR (epoch=?1 AND last<?2)", (epoch.number, last))
            self.database.set_meta(Meta.PURGED_RECEIPTS, int(self.database.meta(Meta.PURGED_RECEIPTS, 0)) + receipts)
        return int(gone)

    def backlog(self) -> int:
        """Return how many events have no receipt yet."""
        return backlog(self.database, self.lane)

    def status(self, language: Language = "en") -> dict[str, Any]:
        """Return what `connector status` shows, its alarms in `language`."""
        if self._read_only:
            self.lane.reload()  # the daemon, in its own process, has moved on
        return status(self.database, self.lane, language) | {"witness": self.witnessed.status()}

    def close(self) -> None:
        """Close the file. Idempotent."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
