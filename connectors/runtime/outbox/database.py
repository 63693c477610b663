"""The outbox file: SQLite in WAL mode, every commit on the disk before it returns.

Retriable
├── OutboxFull    the disk is full: nothing was written, nothing that was written before is lost
└── OutboxBusy    another process holds the file for a moment
Fatal
└── OutboxBroken  the file is damaged
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from connectors.runtime.outbox.turn import Turn
from connectors.runtime.witness import receipt_leaf
from hub.protocol.errors import Fatal, Retriable, UsageError

VERSION: Final = 4
BUSY_MS: Final = 5000

# event: `id` rises by one; an event's sequence is id - epoch.base, so sealing touches no event.
#        `status` and `digest` are what HQ holds once it is accepted; digest NULL: the record stays. `correlation` and
#        `causation` are what it says of the events before it (`reconcile.story`).
# entity: `id` is <stream>/<subject>; what HQ holds (status, digest), the same with events on their way presumed
#         accepted (presumed_*), how many those are (inflight); `fingerprint` is the wanted state that was planned for
#         last, `plan` its first event, `state` what became of it; shaken: it was planned on a presumption that proved
#         wrong; `refused` is the plan's first event that HQ refused, `story` the story of that event.
# row.state: '' means: as the entity says, if that was planned for this row's fingerprint.
SCHEMA: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE epoch (
    number INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE, base INTEGER NOT NULL,
    opened_at TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE event (
    id INTEGER PRIMARY KEY, ce_id TEXT NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL, time TEXT NOT NULL,
    dataschema TEXT NOT NULL, value BLOB NOT NULL, status TEXT NOT NULL, digest BLOB, creates INTEGER NOT NULL,
    correlation TEXT, causation TEXT
);
CREATE TABLE batch (
    epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, edge BLOB NOT NULL,
    seal BLOB NOT NULL, key_id BLOB NOT NULL, PRIMARY KEY (epoch, last)
) WITHOUT ROWID;
CREATE TABLE receipt (
    epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, note BLOB NOT NULL,
    recorded_at TEXT NOT NULL, stored_at TEXT NOT NULL, PRIMARY KEY (epoch, first, last)
) WITHOUT ROWID;
CREATE TABLE rejection (event INTEGER PRIMARY KEY, code TEXT NOT NULL, field TEXT NOT NULL, params TEXT NOT NULL);
CREATE TABLE foreign_lane (origin TEXT PRIMARY KEY, recorded_at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entity (
    id TEXT PRIMARY KEY, status TEXT, digest BLOB, decided INTEGER NOT NULL,
    presumed_status TEXT, presumed_digest BLOB, inflight INTEGER NOT NULL, plan INTEGER NOT NULL,
    shaken INTEGER NOT NULL, fingerprint BLOB, file TEXT, state TEXT NOT NULL,
    code TEXT NOT NULL, field TEXT NOT NULL, params TEXT NOT NULL, refused TEXT, story TEXT
) WITHOUT ROWID;
CREATE INDEX entity_shaken ON entity (id) WHERE shaken = 1;
CREATE TABLE file (
    name TEXT PRIMARY KEY, state TEXT NOT NULL, message TEXT NOT NULL, generation INTEGER NOT NULL,
    blank INTEGER NOT NULL, waiting BLOB, approved BLOB,
    code TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE row (
    file TEXT NOT NULL, number INTEGER NOT NULL, generation INTEGER NOT NULL, key TEXT NOT NULL, entity TEXT,
    fingerprint BLOB, state TEXT NOT NULL, code TEXT NOT NULL, field TEXT NOT NULL, params TEXT NOT NULL,
    problems TEXT NOT NULL, PRIMARY KEY (file, number)
) WITHOUT ROWID;
CREATE TABLE vanished (file TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (file, key)) WITHOUT ROWID;
CREATE VIEW row_verdict AS SELECT
    row.file, number, key, entity,
    CASE WHEN row.state <> '' THEN row.state
         WHEN entity.fingerprint IS NOT row.fingerprint THEN 'pending'
         WHEN entity.state = 'accepted' AND entity.file IS NOT row.file THEN 'unchanged'
         ELSE entity.state END AS state,
    CASE WHEN row.state <> '' THEN row.code WHEN entity.fingerprint IS row.fingerprint THEN entity.code ELSE '' END
        AS code,
    CASE WHEN row.state <> '' THEN row.field WHEN entity.fingerprint IS row.fingerprint THEN entity.field ELSE '' END
        AS field,
    CASE WHEN row.state <> '' THEN row.params WHEN entity.fingerprint IS row.fingerprint THEN entity.params ELSE '' END
        AS params,
    problems
FROM row LEFT JOIN entity ON entity.id = row.entity;
"""

# Columns that came after the first version of the file. What was queued before them says the same bytes as ever: NULL.
COLUMNS: Final = (
    ("file", "code", "TEXT NOT NULL DEFAULT ''"),
    ("event", "correlation", "TEXT"),
    ("event", "causation", "TEXT"),
    ("entity", "refused", "TEXT"),
    ("entity", "story", "TEXT"),
)
FIRST_WITNESSED: Final = 3

# The witness's part (`outbox.witnessed`): the edge of HQ's log as it was last found consistent; the notes of the newest
# checkpoints by size; the newest leaves by the size before them; what was cosigned, kept before HQ is told; breaks,
# never forgotten by themselves; the leaves that the log must have for our receipts and has not shown yet.
LOG_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS log_seen (
    one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, edge BLOB NOT NULL, note BLOB NOT NULL,
    position INTEGER NOT NULL, seen_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS log_checkpoint (size INTEGER PRIMARY KEY, note BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS log_leaf (after INTEGER PRIMARY KEY, leaves BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS cosigned (size INTEGER PRIMARY KEY, note BLOB NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS log_break (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, reason TEXT NOT NULL, ours BLOB NOT NULL, theirs BLOB NOT NULL,
    retried_at TEXT
);
CREATE TABLE IF NOT EXISTS unlogged (
    hash BLOB PRIMARY KEY, epoch INTEGER NOT NULL, last INTEGER NOT NULL, stored_at TEXT NOT NULL
) WITHOUT ROWID;
"""


class OutboxFull(Retriable):
    """The disk is full. The transaction left no trace; the caller stops reading sources and tries again."""


class OutboxBusy(Retriable):
    """Another process holds the outbox. The caller tries again."""


class OutboxBroken(Fatal):
    """The outbox is damaged. A person restores it from a copy; a restored outbox opens a new epoch by itself."""


class Database:
    """One connection to an outbox, shared by the threads of one process.

    Guards: `_lock` makes a transaction, reads included, the work of one thread at a time, each in its turn.
    Errors: UsageError, if a later release has written the file.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._lock = Turn()
        self._depth = 0
        self._begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
        with self._translated():
            if read_only:
                self._connection = sqlite3.connect(
                    f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
                )
            else:
                self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            self._connection.close()
            raise UsageError(f"{path} was written by a later release of cohub: install that one")
        self.is_current = not read_only or version == VERSION  # the daemon brings the file up to date, nobody else
        if not read_only:
            self._prepare(version)

    def _prepare(self, version: int) -> None:
        with self._translated():
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")  # a commit has reached the disk when it returns
            self._connection.execute("PRAGMA wal_autocheckpoint=4000")  # pages: fewer, larger writes to the file itself
            self._connection.execute("PRAGMA cache_size=-16384")  # KiB
            self._connection.execute("PRAGMA temp_store=MEMORY")
        if version == 0:
            # One transaction: a crash leaves an empty file, which the next start prepares again.
            with self.transaction() as connection:
                for statement in (SCHEMA + LOG_SCHEMA).split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={VERSION}")
        elif version < VERSION:
            with self.transaction() as connection:
                for table, column, form in COLUMNS:
                    if not connection.execute(
                        "SELECT 1 FROM pragma_table_info(?) WHERE name=?", (table, column)
                    ).fetchone():
                        connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {form}")
                for statement in LOG_SCHEMA.split(";"):
                    connection.execute(statement)
                if version < FIRST_WITNESSED:
                    stored = connection.execute("SELECT note, epoch, last, stored_at FROM receipt")
                    must_be_logged(connection, stored)
                connection.execute(f"PRAGMA user_version={VERSION}")

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
        """Return one named value."""
        rows = self.read("SELECT value FROM meta WHERE name=?", (name,))
        return rows[0][0] if rows else default

    def set_meta(self, name: str, value: Any) -> None:
        """Store one named value; None removes it."""
        with self.transaction() as connection:
            if value is None:
                connection.execute("DELETE FROM meta WHERE name=?", (name,))
            else:
                connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

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
                raise OutboxFull(f"{self.path}: no room on the disk ({text}); free some, nothing is lost") from exc
            if "locked" in text or "busy" in text:
                raise OutboxBusy(f"{self.path}: another program uses the outbox ({text})") from exc
            if "unable to open" in text:
                raise UsageError(f"can't open the outbox {self.path}: run `connector init` first") from exc
            raise
        except sqlite3.DatabaseError as exc:
            if isinstance(exc, sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise
            raise OutboxBroken(f"{self.path} is damaged ({exc}): restore a copy, it will open a new epoch") from exc


def must_be_logged(connection: sqlite3.Connection, receipts: Iterable[tuple[bytes, int, int, str]]) -> None:
    """Note that HQ's log must have these receipts; inside the transaction that stores them.

    Shapes: each is its note, its epoch's number, its last sequence, and when it was stored.
    """
    connection.executemany(
        "INSERT OR IGNORE INTO unlogged VALUES (?, ?, ?, ?)", ((receipt_leaf(note), *rest) for note, *rest in receipts)
    )
