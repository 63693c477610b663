"""What audits found about the events of centers, kept to be told to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from hub.protocol.cause import Cause, CauseCode
from hub.protocol.control import Presence
from hub.protocol.errors import Malformed
from hub.protocol.forms import STATUS_V1
from hub.protocol.moment import to_us
from hub.protocol.remark import RepeatedIds
from hub.store.database import Connection, Database
from hub.store.rows import is_count, is_text


def write_remarks(database: Database, db: Connection, found: Mapping[str, RepeatedIds], now: datetime) -> list[str]:
    """Put what an audit of the whole ledger found in the place of what the one before did; return who is told.

    Who has no more than before, and was heard since as one who reads what HQ says, is told no longer: a ledger keeps
    what once came, and nobody can take it back. What one has of which less is found stands in another ledger, from a
    copy perhaps: it is told anew.
    """
    database.alone(db, "remark")
    rows = database.lenient(
        "SELECT remark.rowid, remark.center, count, text, kept_at_us, seen_at_us, presence FROM remark"
        " LEFT JOIN intake ON intake.center = remark.center"
    )
    for number, center, count, text, kept_at_us, seen_at_us, presence in rows:
        is_ours = is_count(count) and is_count(kept_at_us) and (text == "" or _said(text) is not None)
        if center not in found or not is_ours:
            db.execute("DELETE FROM remark WHERE rowid = ?", (number,))  # one that somebody edited is written anew
        elif count == found[center].count and text and _is_later(seen_at_us, kept_at_us) and _reads(presence):
            db.execute("UPDATE remark SET text = '' WHERE center = ?", (center,))
    for center, repeated in found.items():
        db.execute(
            "INSERT INTO remark(center, count, text, kept_at_us) VALUES (?, ?, ?, ?)"
            " ON CONFLICT(center) DO UPDATE SET count = excluded.count, text = excluded.text,"
            " kept_at_us = excluded.kept_at_us WHERE remark.count <> excluded.count",
            (center, repeated.count, repeated.to_text(), to_us(now)),
        )
    return sorted(read_remarks(database))


def read_remarks(database: Database) -> dict[str, str]:
    """Return what is to be told to each center, of those to whom there is anything.

    HQ signs it: what no audit has written there is passed over, and the next audit writes it anew.
    """
    rows = database.lenient("SELECT center, text FROM remark WHERE text <> ''")
    return {center: text for center, text in rows if is_text(center) and _said(text) is not None}


def _is_later(at_us: object, than_us: int) -> bool:
    return isinstance(at_us, int) and at_us > than_us


def _said(text: object) -> Cause | None:
    found = Cause.read(text) if isinstance(text, str) else None
    return found if found is not None and found.code is CauseCode.REPEATED_ID and not found.text else None


def _reads(presence: object) -> bool:
    try:
        return isinstance(presence, str) and STATUS_V1 in Presence.from_text(presence).reads
    except Malformed:
        return False  # a later release wrote it
