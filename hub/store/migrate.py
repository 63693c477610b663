"""Brings a database to the tables of this release: all the way, or not at all.

Everything here happens inside the caller's transaction, which nobody else can write beside. If we crash before it
commits, the database is as it was. Releases up to 0.2 had no such transaction on SQLite; what they left half done when
they were stopped is completed: their first tables without a row are made again (here), and migration 0002 adds what it
does not find.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from hub.protocol.errors import Fatal
from hub.store.moved import MOVED
from hub.store.tables import METADATA
from hub.store.version import HEAD, READ, TABLE, WRITE, Version

# The tables of the first migration: a release up to 0.2 that was stopped while it made them has noted no version.
_FIRST: Final = frozenset({"entity", "evidence", "intake", "lane", "ledger", "measure", "quarantine", "receipt"})


def refuse_others(tables: Collection[str]) -> None:
    """Return if a database with these tables may be HQ's. Errors: Fatal where there are some, and none is ours."""
    others = set(tables) - {TABLE}
    if others and others.isdisjoint(METADATA.tables):
        raise Fatal(
            f"this is not HQ's database: it has the tables {', '.join(sorted(others))}; name another data directory"
        )


def migrate(connection: Connection) -> Version:
    """Create or upgrade the tables, inside the caller's transaction; return their version, which may be a newer one.

    Errors: Fatal when the database was written by a release that is too new for this one, or is not HQ's. Nothing is
    changed then.
    """
    version = version_of(connection)
    if version.is_usable:
        return version
    if version.number is None:
        _make_all(connection)
    else:
        _upgrade(connection, version)
    connection.execute(text(WRITE))
    return version_of(connection)


def _upgrade(connection: Connection, version: Version) -> None:
    # Alembic takes a fifth of a second to import, and nearly every start finds nothing to do.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    if version.number == MOVED or version.is_newer:
        version.refuse()
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version.number not in known:
        raise Fatal(
            f"the database is at version {version.number}, which no release of cohub has; this one is at {HEAD}"
        )
    command.upgrade(config, "head")


def _make_all(connection: Connection) -> None:
    """Make all tables as they are now, in the place of what an older release left half made."""
    _clear_first_tables(connection)
    METADATA.create_all(connection, checkfirst=False)
    connection.execute(
        text(
            f"CREATE TABLE {TABLE}(version_num VARCHAR(32) NOT NULL PRIMARY KEY,"
            " compatible_since VARCHAR(32), since_release VARCHAR(32))"
        )
    )
    connection.execute(text(f"INSERT INTO {TABLE}(version_num) VALUES ('{HEAD}')"))  # noqa: S608 - a constant


def check_usable(engine: Engine, location: str) -> Version:
    """Return the tables' version if this release may use them, for whoever only reads. Errors: UsageError."""
    with engine.connect() as connection:
        version = version_of(connection)
    version.refuse(location)
    return version


def version_of(connection: Connection) -> Version:
    """Return what a database says of its tables."""
    if not inspect(connection).has_table(TABLE):
        return Version()
    return Version.of(connection.execute(text(READ)).mappings().first())  # type: ignore[arg-type]


def _clear_first_tables(connection: Connection) -> None:
    """Drop the first tables that an older release left half made. No release has written a row before its version.

    Releases up to 0.2 had no database but SQLite's: at a server nothing is dropped.

    Errors: Fatal where there are rows, later tables, or tables of somebody else's.
    """
    there = set(inspect(connection).get_table_names()) - {TABLE}
    refuse_others(there)
    filled = [name for name in sorted(there) if connection.execute(text(f"SELECT 1 FROM {name} LIMIT 1")).first()]  # noqa: S608
    later = there - (_FIRST if connection.dialect.name == "sqlite" else frozenset())
    if filled or later:
        found = f"rows ({', '.join(filled)})" if filled else f"tables ({', '.join(sorted(later))})"
        raise Fatal(
            f"the database has {found} and no version, so nobody can tell which release wrote them: "
            "it is part of a copy, or was edited; put the newest whole copy back. Nothing was changed"
        )
    for name in sorted(there | {TABLE}):
        connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
