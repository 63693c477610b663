"""What audits found about the events of centers, kept to be told to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from hub.protocol.control import Presence
from hub.protocol.errors import Malformed
from hub.protocol.forms import STATUS_V1
from hub.protocol.moment import to_us
from hub.protocol.remark import RepeatedIds


def write_remarks(db: sqlite3.Connection, found: Mapping[str, RepeatedIds], now: datetime) -> list[str]:
    """Put what an audit of the whole ledger found in the place of what the one before did; return who is told.

    Who has no more than before, and was heard since as one who reads what HQ says, is told no longer: a ledger keeps
    what once came, and nobody can take it back. What one has of which less is found stands in another ledger, from a
    copy perhaps: it is told anew.
    """
    rows = db.execute(
        "SELECT remark.center, count, text, kept_at_us, seen_at_us, presence FROM remark"
        " LEFT JOIN intake ON intake.center = remark.center"
    ).fetchall()
    for center, count, text, kept_at_us, seen_at_us, presence in rows:
        if center not in found:
            db.execute("DELETE FROM remark WHERE center = ?", (center,))
        elif count == found[center].count and text and (seen_at_us or 0) > kept_at_us and _reads(presence):
            db.execute("UPDATE remark SET text = '' WHERE center = ?", (center,))
    for center, repeated in found.items():
        db.execute(
            "INSERT INTO remark(center, count, text, kept_at_us) VALUES (?, ?, ?, ?)"
            " ON CONFLICT(center) DO UPDATE SET count = excluded.count, text = excluded.text,"
            " kept_at_us = excluded.kept_at_us WHERE remark.count <> excluded.count",
            (center, repeated.count, repeated.to_text(), to_us(now)),
        )
    return sorted(read_remarks(db))


def read_remarks(db: sqlite3.Connection) -> dict[str, str]:
    """Return what is to be told to each center, of those to whom there is anything."""
    return dict(db.execute("SELECT center, text FROM remark WHERE text <> ''").fetchall())


def _reads(presence: str | None) -> bool:
    try:
        return presence is not None and STATUS_V1 in Presence.from_text(presence).reads
    except Malformed:
        return False  # a later release wrote it
