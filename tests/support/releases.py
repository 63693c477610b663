"""Outboxes as older releases left them: their own tables, with what an outbox of today has in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

FORMS: Final = (1, 2, 3, 4, 5, 6)  # 1 and 2 are of 0.1.0, 3 and 4 of 0.2.0, 5 and 6 came behind it
_SCHEMAS: Final = Path(__file__).parent / "outboxes"
_WAS: Final = {"rejected_event": "refused"}  # what a column was called before


def old_schema(form: int) -> str:
    """Return the statements by which the release that wrote a form of the file made it."""
    return (_SCHEMAS / f"v{form}.sql").read_text("utf-8")


def turn_back(path: Path, form: int) -> None:
    """Replace a closed outbox by one that an older release has made, with all of the content that it had room for."""
    newer = path.with_name("newer.sqlite3")
    path.replace(newer)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(old_schema(form))
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("ATTACH ? AS newer", (str(newer),))
        for (table,) in db.execute("SELECT name FROM main.sqlite_master WHERE type='table'").fetchall():
            then = _columns(db, "main", table)
            now = {name: name for name in _columns(db, "newer", table)}
            now |= {was: name for name, was in _WAS.items() if was in then}
            columns = [name for name in then if name in now]
            if not columns:
                continue  # there is no such table any more
            db.execute(
                f"INSERT INTO main.{table} ({', '.join(columns)}) "
                f"SELECT {', '.join(now[name] for name in columns)} FROM newer.{table}"
            )
        db.commit()
    newer.unlink()


def _columns(db: sqlite3.Connection, schema: str, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA {schema}.table_info({table})")]
