"""A database that is HQ's no more: whoever opens it is told so by its version, whoever has it open by each write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hub.store.tables import METADATA

MOVED: Final = "moved"  # its version
MOVED_AWAY: Final = (
    "was moved to another place: set database.url in hub.yaml to where it is, or take it out if it is in SQLite again"
)
SQLSTATE: Final = "HQMVD"  # what a server says of a write to one: a class of our own
_SAYS: Final = f"this database {MOVED_AWAY}"
_VERSION: Final = f"UPDATE alembic_version SET version_num = '{MOVED}'"  # noqa: S608 - a constant
_TRIGGER: Final = "hub_was_moved"


def closing_file() -> Iterator[str]:
    """Yield what closes a SQLite file for good, inside the mover's transaction. A row that is to be written raises."""
    yield _VERSION
    for table in METADATA.tables:
        for what in ("INSERT", "UPDATE", "DELETE"):
            yield (
                f"CREATE TRIGGER {_TRIGGER}_{table}_{what.lower()} BEFORE {what} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{_SAYS}'); END"
            )


def closing_server() -> Iterator[str]:
    """Yield what closes the tables at a server for good, inside the mover's transaction. Any statement raises."""
    yield _VERSION
    yield (
        f"CREATE OR REPLACE FUNCTION {_TRIGGER}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{_SAYS}' USING ERRCODE = '{SQLSTATE}'; END $$"
    )
    for table in METADATA.tables:
        yield (
            f"CREATE TRIGGER {_TRIGGER} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
            f" EXECUTE FUNCTION {_TRIGGER}()"
        )
