"""The two files of persons, opened as one: the register, and the key file that it is for. They are made together."""

from __future__ import annotations

import hmac
import os
import sqlite3
from pathlib import Path
from typing import Final

from connectors.runtime.persons.cipher import KEY_BYTES
from connectors.runtime.persons.keyfile import KeyFile
from connectors.runtime.told import OfficeError, OfficeFatal, OfficeWaits, os_reason
from hub.base import files

BUSY_MS: Final = 20_000  # a sheet of new persons holds it for some milliseconds at a time
VERSION: Final = 1
_MARK_SLOT: Final = 0

# person.mark: HMAC of the identity; NULL for one who was erased and let in again as another.
# person.slot: of the key file. person.erased_at: the key is destroyed.
# use: one place at HQ where a person stands or stood; `sealed` is the newest text there, NULL once it can't be read.
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS person (
    id INTEGER PRIMARY KEY, mark BLOB UNIQUE, slot INTEGER NOT NULL UNIQUE, erased_at TEXT
);
CREATE TABLE IF NOT EXISTS use (
    person INTEGER NOT NULL, stream TEXT NOT NULL, subject TEXT NOT NULL, field TEXT NOT NULL,
    key_id TEXT NOT NULL UNIQUE, sealed TEXT, PRIMARY KEY (person, stream, subject, field)
) WITHOUT ROWID;
"""


def open_files(path: Path, keys: KeyFile, *, read_only: bool) -> tuple[sqlite3.Connection, bytes]:
    """Return the register's connection, and the key under which it knows persons.

    Errors: Fatal or UsageError, if the two do not belong together, or one is gone; Retriable, if they are being made;
            SQLite's own.
    """
    connection = _connect(path, read_only=read_only)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise OfficeError("errors.outbox_later", path=path)
        if version == 0 and read_only:
            raise OfficeWaits("errors.being_made", path=path)
        if version == 0:
            _make(connection, path, keys)
        marks = keys.read(_MARK_SLOT)
        told = connection.execute("SELECT value FROM meta WHERE name='check'").fetchone()
        if marks is None or told is None or told[0] != _check_of(marks):
            raise OfficeFatal("errors.person_keys_others", keys=keys.path, path=path)
        if not read_only:
            _destroy_strays(connection, keys)
    except BaseException:
        connection.close()
        raise
    return connection, marks


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    try:
        if not read_only:
            files.make_folder(path.parent, files.PRIVATE_FOLDER, path.parents[1])
        files.settle_database(path, make=not read_only)
    except OSError as exc:
        raise OfficeError("errors.os", path=exc.filename or path, reason=os_reason(exc)) from exc
    # Also for reading alone it is opened so: after a crash whoever comes next has to take back half a transaction.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
    )
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute(f"PRAGMA query_only={int(read_only)}")
    return connection


def _make(connection: sqlite3.Connection, path: Path, keys: KeyFile) -> None:
    """Make both files, unless another process has done so meanwhile; the register's tables all or none.

    A crash anywhere leaves a register of version 0, and a key file that has at most the slot of the marks: the next
    start makes the tables for that key. Nobody is known before both are on the disk.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            if keys.count() > 1:
                raise OfficeError("errors.register_gone", keys=keys.path, path=path)
            marks = (keys.read(_MARK_SLOT) if keys.count() else None) or os.urandom(KEY_BYTES)
            # Written again if a crash has left it: it may not have reached the disk, or as zeros alone.
            keys.put(_MARK_SLOT, marks)
            keys.sync()
            for statement in filter(str.strip, _SCHEMA.split(";")):
                connection.execute(statement)
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('check', ?)", (_check_of(marks),))
            connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back when the disk is full
            connection.execute("ROLLBACK")
        raise


def _destroy_strays(connection: sqlite3.Connection, keys: KeyFile) -> None:
    """Destroy the keys that nobody has, or nobody may have.

    The first come from a crash between a key and its person, and nothing was sealed by them; the others from an old
    copy of the key file, which brought back what an erasure had destroyed.
    """
    connection.execute("BEGIN IMMEDIATE")  # whoever adds a key holds this lock until its person is there
    try:
        owned = {slot for (slot,) in connection.execute("SELECT slot FROM person WHERE erased_at IS NULL")}
        for slot in set(range(_MARK_SLOT + 1, keys.count())) - owned:
            if keys.read(slot) is not None:
                keys.destroy(slot)
    finally:
        connection.execute("COMMIT")


def _check_of(marks: bytes) -> bytes:
    return hmac.digest(marks, b"cohub persons.keys", "sha256")
