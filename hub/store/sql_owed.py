"""What HQ has signed beyond a database that was put back from a copy."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from hub.protocol.moment import to_us
from hub.store.database import Connection, OnDatabase, suspends
from hub.store.owed_store import Begun, KeptReceipt
from hub.store.rows import is_count, is_text
from hub.store.sql_log_rows import NOT_COME_TO, SqlLogRows

# What no worker has said of its center that it can't be come to.
_AWAITED: Final = (
    f"SELECT o.center, count(*) FROM owed o WHERE {NOT_COME_TO} AND NOT EXISTS (SELECT 1 FROM owed AS other"  # noqa: S608
    " WHERE other.center = o.center AND other.why IS NOT NULL) GROUP BY o.center ORDER BY o.center"
)


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
            return _forget(db, named, values)

    @suspends
    async def sizes(self, centers: Collection[str]) -> dict[str, int]:
        """See OwedStore."""
        rows = self._database.lenient(
            "SELECT origin, size FROM lane WHERE center IN (SELECT value FROM json_each(?))",
            (json.dumps(sorted(centers)),),
        )
        return {origin: size for origin, size in rows if is_text(origin) and is_count(size)}

    @suspends
    async def lost(self, centers: Collection[str], why: str | None) -> None:
        """See OwedStore."""
        with self._database.writing() as db:
            db.executemany("UPDATE owed SET why = ? WHERE center = ?", [(why, center) for center in sorted(centers)])

    @suspends
    async def begin_log(self, size: int, reason: str, now: datetime, *, all_of_it: bool = False) -> Begun:
        """See OwedStore."""
        with self._database.writing() as db:
            self._database.alone(db, "owed")  # none is found between the question and what follows from it
            rows = self._database.lenient(_AWAITED)
            awaited = {center: count for center, count in rows if is_text(center) and is_count(count)}
            if awaited and not all_of_it:
                return Begun(0, awaited)
            db.execute(
                "INSERT INTO log_begun(size, reason, confirmed_at_us) VALUES (?, ?, ?)"
                " ON CONFLICT(size) DO UPDATE SET reason = excluded.reason, confirmed_at_us = excluded.confirmed_at_us",
                (size, reason, to_us(now)),
            )
            return Begun(_forget(db, "true", ()), {})

    @suspends
    async def log_begun(self) -> int:
        """See OwedStore."""
        return SqlLogRows(self._database.questions).begun()

    @suspends
    async def is_unheard(self) -> bool:
        """See OwedStore."""
        return self._database.questions.one("SELECT 1 FROM restored LIMIT 1") is not None

    @suspends
    async def heard(self) -> None:
        """See OwedStore."""
        with self._database.writing() as db:
            db.execute("DELETE FROM restored")


def _forget(db: Connection, named: str, values: Sequence[object]) -> int:
    """Forget those that are named, inside the caller's transaction; return how many the ledger had not come to."""
    (count,) = db.execute(f"SELECT count(*) FROM owed o WHERE {named} AND {NOT_COME_TO}", values).fetchone()  # noqa: S608
    db.execute(f"DELETE FROM owed AS o WHERE {named}", values)  # noqa: S608
    return int(count)
