"""Spoiling a database, and asking whether an audit names what was spoiled."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from hub.audit.findings import Finding, readable
from hub.audit.verify import verify
from tests.support.audited import TRUST

KEYS: Final = {
    "lane": ("id",),
    "logged": ("lane_id",),
    "ledger": ("lane_id", "sequence"),
    "receipt": ("lane_id", "last"),
    "entity": ("stream", "id"),
    "measure": ("lane_id", "key"),
    "quarantine": ("id",),
    "evidence": ("origin", "size"),
    "log_leaf": ("leaf_index",),
    "log_tile": ("level", "tile_index"),
    "checkpoint": ("size",),
    "cosignature": ("size", "name", "key_id"),
    "segment": ("digest",),
}


def change(path: Path, *statements: str | tuple[str, Sequence[Any]]) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            sql, values = statement if isinstance(statement, tuple) else (statement, ())
            db.execute(sql, values)


def ask(path: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql, values).fetchall()


def origins(path: Path) -> dict[int, str]:
    return dict(ask(path, "SELECT id, origin FROM lane"))


def names(finding: Finding, table: str, key: tuple[Any, ...], lanes: dict[int, str]) -> bool:
    """Return whether a finding names this row."""
    if not key:
        return False  # the number of a lane is what its row goes by: there is none of the old one any more
    lane = finding.lane in (lanes.get(key[0]), f"#{key[0]}")
    match table:
        case "lane":
            return lane
        case "logged":
            return lane and finding.table == table
        case "ledger" | "receipt":
            first, last = finding.first, finding.last if finding.last is not None else finding.first
            inside = first is not None and last is not None and first <= key[1] <= last
            return lane and inside and table in (finding.table, "receipt")
        case "measure":
            place: tuple[object, ...] = (lane, finding.key)
            return finding.table == table and place == (True, key[1])
        case "entity":
            place = (finding.key,)
            key = (f"{key[0]} {key[1]}",)
        case "log_tile":
            place = (finding.key, finding.first)
            key = (f"level {key[0]}", key[1])
        case "segment":
            place = (finding.key,)
            key = (key[0].hex(),)
        case "evidence":
            place, key = (finding.lane,), key[:1]
        case _:
            place, key = (finding.first,), key[:1]
    return finding.table == table and place == key


def key_of(path: Path, table: str, rowid: int) -> tuple[Any, ...]:
    columns = ", ".join(KEYS[table])
    with closing(sqlite3.connect(path)) as db:
        db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        found = db.execute(f"SELECT {columns} FROM {table} WHERE rowid = ?", (rowid,)).fetchone()
    return tuple(readable(part) if isinstance(part, str) else part for part in found) if found else ()


def lane_id(path: Path, origin: str) -> int:
    found: int = ask(path, "SELECT id FROM lane WHERE origin = ?", origin)[0][0]
    return found


def findings(path: Path) -> list[Finding]:
    return verify(path, TRUST).findings


def has(found: Sequence[Finding], what: str, table: str, lane: str = "", first: int | None = None) -> bool:
    """Return whether this was found, there."""
    return any(
        (f.what, f.table, f.lane) == (what, table, lane)
        and (first is None or (f.first is not None and f.first <= first <= (f.last or f.first)))
        for f in found
    )
