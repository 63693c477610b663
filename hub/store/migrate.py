"""Brings a database to the tables of this release."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from hub.protocol.errors import Fatal, UsageError

HEAD: Final = "0002"


def migrate(engine: Engine) -> None:
    """Create or upgrade the tables. Errors: Fatal when the database was written by a newer release."""
    with engine.begin() as connection:
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
        command.upgrade(config, "head")


def check_current(engine: Engine) -> None:
    """Return if the tables are those of this release, for whoever only reads. Errors: UsageError with the remedy."""
    with engine.connect() as connection:
        version = _version(connection)
    if version is None or version < HEAD:
        raise UsageError(
            f"the database is at version {version or 'none'}, expected {HEAD}: start the worker of this release, which "
            "brings it up to date"
        )
    if version > HEAD:
        raise UsageError(f"the database is at version {version}, this release knows up to {HEAD}: use a newer cohub")


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return str(row[0]) if row else None
