"""The outbox's tables, and how the file of any older release comes to have them: in one transaction, all or nothing.

What is true when the process dies, or the power goes, at any statement: the file is as it was, and the next start does
all of it again. Of two programs that do it at once the second waits, and finds it done.
"""

from __future__ import annotations

import ast
import re
import sqlite3
from collections.abc import Iterable
from typing import Final

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.outbox.meta import Foreign, LinkState, Meta
from connectors.runtime.witness import receipt_leaf
from hub.protocol.errors import Malformed
from hub.protocol.moment import read_time

VERSION: Final = 7
FIRST_WITNESSED: Final = 3
FIRST_BELIEVED: Final = 5
FIRST_OWNED: Final = 6

# event: `id` rises by one; an event's sequence is id - epoch.base, so sealing touches no event.
#        `status` and `digest` are what HQ holds once it is accepted; digest NULL: the record stays. `correlation` and
#        `causation` are what it says of the events before it (`reconcile.story`), `traceparent` its
#        `ce_traceparent`; each NULL where it says nothing.
# entity: `id` is <stream>/<subject>; the rest is a `reconcile.belief.Belief`, which says what each of it means. The
#        verdict is code, field and params, code '' where there is none; the rejected event is rejected_event and story.
#        Its file owns it (`outbox.orphans`).
# file: `generation` is the number of its newest reading, `shown` of the one whose rows are shown; `since` is when it
#       left, NULL while it is there.
# orphan: what no file names any more, where it was named last, and since when it is not; NULL: nobody noted it.
# row.state: '' means: as the entity says, see `reconcile.belief.row_state`.
TABLES: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch (
    number INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE, base INTEGER NOT NULL,
    opened_at TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, ce_id TEXT NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL, time TEXT NOT NULL,
    dataschema TEXT NOT NULL, value BLOB NOT NULL, status TEXT NOT NULL, digest BLOB, creates INTEGER NOT NULL,
    correlation TEXT, causation TEXT, traceparent TEXT
);
CREATE TABLE IF NOT EXISTS batch (
    epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, edge BLOB NOT NULL,
    seal BLOB NOT NULL, key_id BLOB NOT NULL, PRIMARY KEY (epoch, last)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS receipt (
    epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, note BLOB NOT NULL,
    recorded_at TEXT NOT NULL, stored_at TEXT NOT NULL, PRIMARY KEY (epoch, first, last)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rejection (
    event INTEGER PRIMARY KEY, code TEXT NOT NULL, field TEXT NOT NULL, params TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS foreign_lane (origin TEXT PRIMARY KEY, recorded_at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entity (
    id TEXT PRIMARY KEY, status TEXT, digest BLOB, decided INTEGER NOT NULL,
    presumed_status TEXT, presumed_digest BLOB, inflight INTEGER NOT NULL, plan INTEGER NOT NULL,
    shaken INTEGER NOT NULL, fingerprint BLOB, file TEXT, state TEXT NOT NULL,
    code TEXT NOT NULL, field TEXT NOT NULL, params TEXT NOT NULL, rejected_event TEXT, story TEXT,
    record_decided INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file (
    name TEXT PRIMARY KEY, state TEXT NOT NULL, message TEXT NOT NULL, generation INTEGER NOT NULL,
    blank INTEGER NOT NULL, waiting BLOB, approved BLOB,
    code TEXT NOT NULL DEFAULT '', params TEXT NOT NULL DEFAULT '', shown INTEGER NOT NULL DEFAULT 0, since TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS row (
    file TEXT NOT NULL, number INTEGER NOT NULL, generation INTEGER NOT NULL, key TEXT NOT NULL, entity TEXT,
    fingerprint BLOB, state TEXT NOT NULL, code TEXT NOT NULL, field TEXT NOT NULL, params TEXT NOT NULL,
    problems TEXT NOT NULL, PRIMARY KEY (file, generation, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orphan (
    entity TEXT PRIMARY KEY, file TEXT NOT NULL, number INTEGER, since TEXT
) WITHOUT ROWID;
"""

# The witness's part (`outbox.witnessed`): the edge of HQ's log as it was last found consistent; the notes of the newest
# checkpoints by size; the newest leaves by the size before them; what was cosigned, kept before HQ is told; breaks,
# never forgotten by themselves; the leaves that the log must have for our receipts and has not shown yet.
LOG_TABLES: Final = """
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

# Until version 4 a view and an index served decisions that `reconcile.belief` makes now.
_GONE: Final = ("DROP VIEW IF EXISTS row_verdict", "DROP INDEX IF EXISTS entity_shaken")
_RENAMED: Final = (("entity", "refused", "rejected_event"),)  # "refused" is the connector's word, HQ rejects
# Columns that came after the first version of the file. What was queued before them says the same bytes as ever: NULL.
_ADDED: Final = (
    ("file", "code", "TEXT NOT NULL DEFAULT ''"),
    ("file", "params", "TEXT NOT NULL DEFAULT ''"),
    ("event", "correlation", "TEXT"),
    ("event", "causation", "TEXT"),
    ("event", "traceparent", "TEXT"),
    ("entity", "rejected_event", "TEXT"),
    ("entity", "story", "TEXT"),
    ("entity", "record_decided", "INTEGER NOT NULL DEFAULT 0"),
    ("file", "shown", "INTEGER NOT NULL DEFAULT 0"),
    ("file", "since", "TEXT"),
)
# Until version 5 a row stood under its number alone, so that a reading wrote over the one before.
_OVERWRITTEN: Final = ("file", "number")
# What 0.1 and 0.2 wrote of a foreign lane: a sentence, which ended in the reason as Python writes a text.
_FOREIGN: Final = re.compile(r"(?P<origin>\S+) recorded (?P<at>[^\s,]+)(, opened as (?P<reason>.+))?", re.DOTALL)


def read_version(connection: sqlite3.Connection) -> int:
    """Return which form of the tables a file has, 0 if none was ever finished."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Make the tables, or bring those of an older release up to date, in one transaction of its own.

    Each step looks at what is there: tables that somebody left half made are completed. A file of a later release, or
    one that another program has brought up to date meanwhile, is left as it is.
    Errors: SQLite's own; then the file is as it was.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = read_version(connection)
        if version < VERSION:
            _alter(connection)
            for statement in filter(str.strip, (TABLES + LOG_TABLES).split(";")):
                connection.execute(statement)
            _convert(connection, version)
            connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back when the disk is full
            connection.execute("ROLLBACK")
        raise


def must_be_logged(connection: sqlite3.Connection, receipts: Iterable[tuple[bytes, int, int, str]]) -> None:
    """Note that HQ's log must have these receipts; inside the transaction that stores them.

    Shapes: each is its note, its epoch's number, its last sequence, and when it was stored.
    """
    connection.executemany(
        "INSERT OR IGNORE INTO unlogged VALUES (?, ?, ?, ?)", ((receipt_leaf(note), *rest) for note, *rest in receipts)
    )


def _alter(connection: sqlite3.Connection) -> None:
    """Give tables that are there the columns that they have now."""
    for statement in _GONE:
        connection.execute(statement)
    for table, old, new in _RENAMED:
        if old in _columns(connection, table):
            connection.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    for table, column, form in _ADDED:
        columns = _columns(connection, table)
        if columns and column not in columns:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {form}")

    if _key(connection, "row") == _OVERWRITTEN:
        connection.execute("DROP TABLE IF EXISTS old_row")
        connection.execute("ALTER TABLE row RENAME TO old_row")


def _key(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    """Return the columns of a table's primary key, in their order."""
    found = connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table,))
    return tuple(name for (name,) in found)


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """Return the columns of a table, none if there is no such table."""
    return {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def _convert(connection: sqlite3.Connection, version: int) -> None:
    """Write what is in the tables as this release has it."""
    if version < FIRST_WITNESSED:
        must_be_logged(connection, connection.execute("SELECT note, epoch, last, stored_at FROM receipt").fetchall())
    if version < FIRST_BELIEVED:
        connection.execute("UPDATE entity SET record_decided=decided")
        for (sentence,) in connection.execute("SELECT value FROM meta WHERE name=?", (AlarmName.FOREIGN,)).fetchall():
            text = _read_foreign(sentence).to_text()
            connection.execute("UPDATE meta SET value=? WHERE name=?", (text, AlarmName.FOREIGN))
    if version < FIRST_OWNED:
        for (text,) in connection.execute("SELECT value FROM meta WHERE name=?", (Meta.LINK_STATE,)).fetchall():
            kept = LinkState.from_text(text).to_text()
            connection.execute("UPDATE meta SET value=? WHERE name=?", (kept, Meta.LINK_STATE))
        _convert_rows(connection)


def _convert_rows(connection: sqlite3.Connection) -> None:
    """Have the rows of each file stand as one reading, and find the entities that none of them names.

    A refused row was kept without its entity: it names the one that has its key, and was planned for its file. What a
    later row had written over is found here, too. Where and when it was named last is not known any more.
    """
    connection.execute("UPDATE file SET shown = generation")
    if _columns(connection, "old_row"):
        connection.execute(
            "INSERT INTO row SELECT old_row.file, number, coalesce(file.generation, 0), key, entity, fingerprint, "
            "old_row.state, old_row.code, field, old_row.params, problems "
            "FROM old_row LEFT JOIN file ON file.name = old_row.file"
        )
        connection.execute("DROP TABLE old_row")
    planned = connection.execute("SELECT id, file FROM entity WHERE file IS NOT NULL").fetchall()
    by_key = {(file, entity.partition(":")[2]): entity for entity, file in planned}
    refused = connection.execute("SELECT file, generation, number, key FROM row WHERE entity IS NULL AND key <> ''")
    connection.executemany(
        "UPDATE row SET entity=? WHERE file=? AND generation=? AND number=?",
        [
            (by_key[file, key], file, generation, number)
            for file, generation, number, key in refused.fetchall()
            if (file, key) in by_key
        ],
    )
    connection.execute(
        "INSERT INTO orphan SELECT id, file, NULL, NULL FROM entity WHERE file IS NOT NULL AND id NOT IN "
        "(SELECT entity FROM row JOIN file ON file.name = row.file "
        "WHERE entity IS NOT NULL AND file.state NOT IN ('vanished', 'unmapped'))"
    )
    connection.execute("DROP TABLE IF EXISTS vanished")


def _read_foreign(sentence: str) -> Foreign:
    found = _FOREIGN.fullmatch(sentence)
    if found is None:
        raise Malformed(f"the outbox says of a foreign lane what no release has written: {sentence[:200]!r}")
    reason = found["reason"]
    return Foreign(found["origin"], read_time(found["at"]), "" if reason is None else str(ast.literal_eval(reason)))
