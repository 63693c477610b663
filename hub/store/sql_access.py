"""How centers reach HQ."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from hub.protocol.moment import to_us
from hub.store.access_store import StoredAccess, stored_access
from hub.store.database import OnDatabase, suspends
from hub.store.rows import is_text
from hub.store.sql_lease import follow, lead

ACCESS: Final = "access"


class SqlAccess(OnDatabase):
    """An AccessStore on the connection of a SqlStore."""

    @suspends
    async def lead(self, owner: str, now: datetime, until: datetime) -> bool:
        """See AccessStore."""
        with self._database.writing() as db:
            return lead(db, ACCESS, owner, now, until)

    @suspends
    async def follow(self, owner: str) -> None:
        """See AccessStore."""
        with self._database.writing() as db:
            follow(db, ACCESS, owner)

    @suspends
    async def every(self) -> dict[str, StoredAccess]:
        """See AccessStore."""
        rows = self._database.lenient("SELECT center, version, sealed, given_at_us, rate, kept, kept_at_us FROM access")
        read = {center: stored_access(*row) for center, *row in rows if is_text(center)}
        return {center: found for center, found in read.items() if found is not None}

    @suspends
    async def give(self, center: str, sealed: bytes, now: datetime) -> int:
        """See AccessStore. If we crash before COMMIT returns, the credential before is still the center's."""
        with self._database.writing() as db:
            # A number that somebody has edited is no number to go on from.
            (version,) = db.execute(
                "INSERT INTO access(center, version, sealed, given_at_us, kept) VALUES (?, 1, ?, ?, '')"
                " ON CONFLICT(center) DO UPDATE SET sealed = excluded.sealed, given_at_us = excluded.given_at_us,"
                " version = CASE WHEN typeof(access.version) = 'integer' AND access.version BETWEEN 0 AND 999999999"
                " THEN access.version + 1 ELSE 1 END RETURNING version",
                (center, sealed, to_us(now)),
            ).fetchone()
            return int(version)

    @suspends
    async def limit(self, center: str, rate: int | None) -> None:
        """See AccessStore."""
        with self._database.writing() as db:
            db.execute(
                "INSERT INTO access(center, version, rate, kept) VALUES (?, 0, ?, '')"
                " ON CONFLICT(center) DO UPDATE SET rate = excluded.rate",
                (center, rate),
            )

    @suspends
    async def keep(self, kept: Mapping[str, str], now: datetime) -> None:
        """See AccessStore."""
        with self._database.writing() as db:
            db.executemany(
                "INSERT INTO access(center, version, kept, kept_at_us) VALUES (?, 0, ?, ?)"
                " ON CONFLICT(center) DO UPDATE SET kept = excluded.kept, kept_at_us = excluded.kept_at_us",
                [(center, digest, to_us(now)) for center, digest in sorted(kept.items())],
            )
