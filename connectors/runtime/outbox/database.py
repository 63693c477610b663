"""The outbox file: SQLite in WAL mode, every commit on the disk before it returns.

Retriable
├── OutboxFull    the disk is full: nothing was written, nothing that was written before is lost
└── OutboxBusy    another process holds the file for a moment
Fatal
└── OutboxBroken  the file is damaged
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.outbox.meta import NEVER_LINKED, Foreign, LinkState, Meta, is_number
from connectors.runtime.outbox.schema import VERSION, bring_up_to_date, read_version
from connectors.runtime.outbox.turn import Turn
from connectors.runtime.told import OfficeError, OfficeFatal, OfficeWaits, os_reason
from hub.base import files
from hub.protocol.errors import Malformed

BUSY_MS: Final = 5000
_LOOK_S: Final = 0.02  # between two looks at whether an outbox is made
IN_MEMORY: Final = Path(":memory:")  # SQLite's name for it
T = TypeVar("T")


class OutboxFull(OfficeWaits):
    """The disk is full. The transaction left no trace; the caller stops reading sources and tries again."""


class OutboxBusy(OfficeWaits):
    """Another process holds the outbox. The caller tries again."""


class OutboxBroken(OfficeFatal):
    """The outbox is damaged. A person restores it from a copy; a restored outbox opens a new epoch by itself."""


class Database:
    """One connection to an outbox, shared by the threads of one process.

    Guards: `_lock` makes a transaction, reads included, the work of one thread at a time, each in its turn.
    Shapes: `read_only` and `beside` are for other programs than the daemon, which alone makes the file and brings it up
            to date, under the folder's lock: the one writes nothing, the other only into tables of this release.
            `IN_MEMORY` is no file: nothing is left of it.
    Errors: UsageError, if a later release has written the file, or an earlier one and it is opened `beside`;
            OutboxBusy, if it is to be opened beside the daemon, which is still making it after `BUSY_MS`.
    """

    def __init__(self, path: Path, *, read_only: bool = False, beside: bool = False) -> None:
        self.path = path
        self._lock = Turn()
        self._depth = 0
        self.is_current = False  # until it is known which release has written the file
        self._begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
        try:
            if path is not IN_MEMORY:
                files.settle_database(path, make=not read_only)
        except OSError as exc:
            raise OfficeError("errors.os", path=exc.filename or path, reason=os_reason(exc)) from exc
        with self._translated():
            if read_only:
                self._connection = sqlite3.connect(
                    f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
                )
            else:
                self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
            version = _version_once_made(self._connection) if read_only or beside else read_version(self._connection)
        try:
            self._refuse_later(version)
            if version == 0 and (read_only or beside):
                raise OutboxBusy("errors.outbox_made", path=path)
            if beside and version < VERSION:
                # A daemon of the earlier release may be running: it would not understand the tables of this one.
                raise OfficeError("errors.outbox_older", path=path)
            self.is_current = not read_only or version == VERSION  # no reader brings the file up to date
            if not read_only:
                self._prepare(version)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, version: int) -> None:
        with self._translated():
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")  # a commit has reached the disk when it returns
            self._connection.execute("PRAGMA wal_autocheckpoint=4000")  # pages: fewer, larger writes to the file itself
            self._connection.execute("PRAGMA cache_size=-16384")  # KiB
            self._connection.execute("PRAGMA temp_store=MEMORY")
            if version == VERSION:
                return
            bring_up_to_date(self._connection)
            self._refuse_later(read_version(self._connection))  # it may have been somebody else who did

    def _refuse_later(self, version: int) -> None:
        if version > VERSION:
            raise OfficeError("errors.outbox_later", path=self.path)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection inside a transaction; on leaving it is durable, on an error it never was.

        A transaction opened inside another joins it.
        Errors: OutboxFull, OutboxBusy, OutboxBroken.
        """
        with self._lock, self._translated():
            if self._depth:
                yield self._connection
                return
            self._connection.execute(self._begin)
            self._depth += 1
            try:
                yield self._connection
                self._commit()
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself rolls back when the disk is full
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def _commit(self) -> None:
        self._connection.execute("COMMIT")

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with self._lock, self._translated():
            return self._connection.execute(sql, values).fetchall()

    def meta(self, name: str, default: Any = None) -> Any:
        """Return one named value. Errors: OutboxBroken, if it is none that any release has written under the name."""
        rows = self.read("SELECT value FROM meta WHERE name=?", (name,))
        if not rows:
            return default
        value = rows[0][0]
        is_known = str(value).isdecimal() if is_number(name) else isinstance(value, str)
        if isinstance(value, bytes) or not is_known:
            raise OutboxBroken("errors.outbox_broken", path=self.path)
        return value

    def record(self, name: str, read: Callable[[str], T]) -> T | None:
        """Return one named value as `read` returns it, None if there is none. Errors: OutboxBroken."""
        text = self.meta(name)
        try:
            return None if text is None else read(text)
        except (Malformed, ValueError, LookupError, TypeError, AttributeError) as exc:
            raise OutboxBroken("errors.outbox_broken", path=self.path) from exc

    def set_meta(self, name: str, value: Any) -> None:
        """Store one named value; None removes it."""
        with self.transaction() as connection:
            if value is None:
                connection.execute("DELETE FROM meta WHERE name=?", (name,))
            else:
                connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def foreign(self) -> Foreign | None:
        """Return the lane by which we know that another machine writes for this center, None if there is none.

        None too where an older release has kept its sentence instead, for those who only look.
        """
        return self.record(AlarmName.FOREIGN, lambda text: Foreign.from_text(text) if text.startswith("{") else None)

    def set_foreign(self, foreign: Foreign | None) -> None:
        """Keep what is known of such a lane; None: it is no reason to stop any more."""
        self.set_meta(AlarmName.FOREIGN, None if foreign is None else foreign.to_text())

    def link(self) -> LinkState:
        """Return how the link was when it was last looked at."""
        return self.record(Meta.LINK_STATE, LinkState.from_text) or NEVER_LINKED

    def set_link(self, link: LinkState) -> None:
        """Keep how the link is."""
        self.set_meta(Meta.LINK_STATE, link.to_text())

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as exc:
            text = str(exc)
            # With a limit on the file's size or a quota, the system says "file too large" and SQLite "disk I/O error".
            if "full" in text or "disk I/O" in text:
                raise OutboxFull("errors.outbox_full", path=self.path) from exc
            if "locked" in text or "busy" in text:
                raise OutboxBusy("errors.outbox_busy", path=self.path) from exc
            if "unable to open" in text or "readonly" in text:
                # Also where a program died while it wrote, and who only reads may not put right what it left.
                raise OfficeError("errors.outbox_unopened", path=self.path) from exc
            if "no such" in text and self.is_current:
                raise OutboxBroken("errors.outbox_broken", path=self.path) from exc
            raise
        except sqlite3.DatabaseError as exc:
            if isinstance(exc, sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise
            raise OutboxBroken("errors.outbox_broken", path=self.path) from exc


def _version_once_made(connection: sqlite3.Connection) -> int:
    """Return which form of the tables a file has; 0 if whoever makes it has not finished within `BUSY_MS`."""
    deadline = time.monotonic() + BUSY_MS / 1000
    while (version := read_version(connection)) == 0 and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    return version
