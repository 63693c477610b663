"""What HQ has signed beyond a database that was put back from a copy."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime

from hub.protocol.moment import to_us
from hub.store.database import OnDatabase, suspends
from hub.store.owed_store import KeptReceipt
from hub.store.rows import is_count, is_text
from hub.store.sql_log_rows import NOT_COME_TO, SqlLogRows


class SqlOwed(OnDatabase):
    """An OwedStore on the connection of a SqlStore."""

    @suspends
    async def keep(self, receipts: Sequence[KeptReceipt]) -> None:
        """See OwedStore."""
        with self._database.writing() as db:
            db.executemany(
                "INSERT INTO owed(center, origin, last, note) VALUES (?, ?, ?, ?) ON CONFLICT(origin, last) DO NOTHING",
                [(one.center, one.origin, one.last, one.note) for one in receipts],
            )

    @suspends
    async def owed(self, centers: Collection[str] | None = None) -> list[KeptReceipt]:
        """See OwedStore."""
        named = "true" if centers is None else "o.center IN (SELECT value FROM json_each(?))"
        rows = self._database.lenient(
            f"SELECT o.center, o.origin, o.last, o.note FROM owed o"  # noqa: S608
            f" WHERE {named} AND {NOT_COME_TO} ORDER BY o.id",
            () if centers is None else (json.dumps(sorted(centers)),),
        )
        return [
            KeptReceipt(center, origin, last, note)
            for center, origin, last, note in rows
            if is_text(center) and is_text(origin) and is_count(last) and isinstance(note, bytes)
        ]

    @suspends
    async def forget(self, origins: Collection[str] | None = None) -> int:
        """See OwedStore."""
        with self._database.writing() as db:
            named = "true" if origins is None else "o.origin IN (SELECT value FROM json_each(?))"
            values = () if origins is None else (json.dumps(sorted(origins)),)
            (count,) = db.execute(
                f"SELECT count(*) FROM owed o WHERE {named} AND {NOT_COME_TO}",  # noqa: S608
                values,
            ).fetchone()
            db.execute(f"DELETE FROM owed AS o WHERE {named}", values)  # noqa: S608
            return int(count)

    @suspends
    async def sizes(self, centers: Collection[str]) -> dict[str, int]:
        """See OwedStore."""
        rows = self._database.lenient(
            "SELECT origin, size FROM lane WHERE center IN (SELECT value FROM json_each(?))",
            (json.dumps(sorted(centers)),),
        )
        return {origin: size for origin, size in rows if is_text(origin) and is_count(size)}

    @suspends
    async def begin_log(self, size: int, reason: str, now: datetime) -> None:
        """See OwedStore."""
        with self._database.writing() as db:
            db.execute(
                "INSERT INTO log_begun(size, reason, confirmed_at_us) VALUES (?, ?, ?)"
                " ON CONFLICT(size) DO UPDATE SET reason = excluded.reason, confirmed_at_us = excluded.confirmed_at_us",
                (size, reason, to_us(now)),
            )

    @suspends
    async def log_begun(self) -> int:
        """See OwedStore."""
        return SqlLogRows(self._database.questions).begun()
