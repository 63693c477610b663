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
from hub.store.tables import METADATA

HEAD: Final = "0010"
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
    # Alembic takes a fifth of a second to import, and nearly every start finds nothing to do.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise Fatal(f"the database is at version {version}, this release knows up to {HEAD}: install a newer cohub")
    if version is None:
        _clear_first_tables(connection)
    command.upgrade(config, "head")


def check_current(engine: Engine) -> None:
    """Return if the tables are those of this release, for whoever only reads. Errors: UsageError with the remedy."""
    with engine.connect() as connection:
        version = _version(connection)
    if version is None or version < HEAD:
        raise UsageError(
            f"the database is at version {version or 'none'}, expected {HEAD}: start the worker of this release, which "
            "brings it up to date (`hub up` or `hub worker`)"
        )
    if version > HEAD:
        raise UsageError(f"the database is at version {version}, this release knows up to {HEAD}: use a newer cohub")


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
