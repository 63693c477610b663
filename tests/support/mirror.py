"""A mirror: every table of a database, as of one moment, in a SQLite file of its own (docs/adr/0015)."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import create_engine, insert, select, text

from hub.store.sqlite_open import open_database
from hub.store.tables import METADATA, SEGMENT


def mirror(path: Path, to: Path) -> Path:
    """Copy the database at `path` row by row, through nothing but its tables' description; return the copy's path."""
    open_database(to).close()
    source, target = create_engine(f"sqlite:///{path}"), create_engine(f"sqlite:///{to}")
    with source.begin() as read, target.begin() as written:
        for table in METADATA.sorted_tables:
            # Segments are told in the order in which they were written; of other tables none has an order but its key.
            query = select(table).order_by(text("rowid")) if table is SEGMENT else select(table)
            rows = [dict(row) for row in read.execute(query).mappings()]
            if rows:
                written.execute(insert(table), rows)
    source.dispose()
    target.dispose()
    return to
