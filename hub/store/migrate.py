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

from hub.protocol.errors import Fatal, UsageError
from hub.store.moved import MOVED, MOVED_AWAY
from hub.store.tables import METADATA

HEAD: Final = "0012"
_VERSIONS: Final = "alembic_version"
# The tables of the first migration: a release up to 0.2 that was stopped while it made them has noted no version.
_FIRST: Final = frozenset({"entity", "evidence", "intake", "lane", "ledger", "measure", "quarantine", "receipt"})


def refuse_others(tables: Collection[str]) -> None:
    """Return if a database with these tables may be HQ's. Errors: Fatal where there are some, and none is ours."""
    others = set(tables) - {_VERSIONS}
    if others and others.isdisjoint(METADATA.tables):
        raise Fatal(
            f"this is not HQ's database: it has the tables {', '.join(sorted(others))}; name another data directory"
        )


def migrate(connection: Connection) -> None:
    """Create or upgrade the tables, inside the caller's transaction.

    Errors: Fatal when the database was written by a newer release, or is not HQ's. Nothing is changed then.
    """
    version = _version(connection)
    if version == HEAD:
        return
    if version is None and connection.dialect.name != "sqlite":
        _make_all(connection)
        return
    # Alembic takes a fifth of a second to import, and nearly every start finds nothing to do.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version == MOVED:
        raise Fatal(f"this database {MOVED_AWAY}")
    if version is not None and version not in known:
        raise Fatal(f"the database is at version {version}, this release knows up to {HEAD}: install a newer cohub")
    if version is None:
        _clear_first_tables(connection)
    command.upgrade(config, "head")


def _make_all(connection: Connection) -> None:
    """Make all tables as they are now: only SQLite's files were ever written by releases before migration 0010."""
    refuse_others(set(inspect(connection).get_table_names()))
    METADATA.create_all(connection, checkfirst=False)
    connection.execute(text(f"CREATE TABLE {_VERSIONS}(version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text(f"INSERT INTO {_VERSIONS} VALUES ('{HEAD}')"))  # noqa: S608 - a constant


def check_current(engine: Engine, location: str) -> None:
    """Return if the tables are those of this release, for whoever only reads. Errors: UsageError with the remedy."""
    with engine.connect() as connection:
        version = _version(connection)
    refuse_version(version, location)


def refuse_version(version: str | None, location: str) -> None:
    """Return if a database of this version is of this release. Errors: UsageError with the remedy."""
    if version == HEAD:
        return
    if version == MOVED:
        raise UsageError(f"{location} {MOVED_AWAY}")
    if version is None or version < HEAD:
        raise UsageError(
            f"{location}: the database is at version {version or 'none'}, expected {HEAD}: `hub migrate` brings it up"
            " to date (in SQLite `hub up` and `hub worker` do, too)"
        )
    raise UsageError(
        f"{location}: the database is at version {version}, this release knows up to {HEAD}: use a newer cohub"
    )


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSIONS):
        return None
    row = connection.execute(text(f"SELECT version_num FROM {_VERSIONS}")).first()  # noqa: S608 - a constant
    return str(row[0]) if row else None


def _clear_first_tables(connection: Connection) -> None:
    """Drop the first tables that an older release left half made. No release has written a row before its version.

    Errors: Fatal where there are rows, later tables, or tables of somebody else's.
    """
    there = set(inspect(connection).get_table_names()) - {_VERSIONS}
    refuse_others(there)
    filled = [name for name in sorted(there) if connection.execute(text(f"SELECT 1 FROM {name} LIMIT 1")).first()]  # noqa: S608
    if filled or there - _FIRST:
        found = f"rows ({', '.join(filled)})" if filled else f"tables ({', '.join(sorted(there - _FIRST))})"
        raise Fatal(
            f"the database has {found} and no version, so nobody can tell which release wrote them: "
            "it is part of a copy, or was edited; put the newest whole copy back. Nothing was changed"
        )
    for name in sorted(there):
        connection.execute(text(f"DROP TABLE {name}"))
