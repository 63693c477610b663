"""What `connector status` shows: every row in exactly one state, and how far the lane is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, get_args

import orjson

from connectors.reconcile.belief import RowState
from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.alarms import Alarm, AlarmText, alarm_text, kept_text
from connectors.runtime.ids import time_of
from connectors.runtime.outbox.database import Database
from connectors.runtime.outbox.lane import Lane
from connectors.runtime.outbox.meta import Foreign, Meta
from connectors.runtime.outbox.orphans import Orphans
from connectors.runtime.outbox.rows import FileState, count_rows
from connectors.runtime.standing import Kept
from connectors.source.copy import find_copies
from hub.protocol.errors import Malformed
from hub.protocol.moment import write_time
from schemas.words import Language

STATES: Final = get_args(RowState)


def status(database: Database, lane: Lane, language: Language) -> dict[str, Any]:
    """Return the whole status as plain values, ready for JSON.

    Shapes: files by name; every row of a file that is there is in exactly one of accepted, refused, rejected,
            unchanged, blank, pending; the totals add them up. A file that is gone is not among them: what is left
            of it at HQ is among the orphans, of which the totals have the count. backlog counts events without a
            receipt. Alarms are said in `language`. The link is a `LinkState` as plain values; hq is what HQ said last
            of how it stands with us, None where it said nothing; passed_over counts the records of our topic that
            were none for us, or no news.
    """
    with database.transaction():  # one moment for all of it
        files = _files(database)
        totals: dict[str, Any] = dict.fromkeys(("rows", *STATES), 0)
        for entry in files.values():
            for name in totals:
                totals[name] += entry[name]
        orphans = Orphans(database).counts() if database.is_current else {}
        for name, count in orphans.items():
            if name in files:
                files[name]["vanished"] = count
        totals |= {
            "events": int(database.meta(Meta.EVENTS, 0)),
            "duplicates": int(database.meta(Meta.DUPLICATES, 0)),
            "receipts": _count(database, "SELECT count(*) FROM receipt") + int(database.meta(Meta.PURGED_RECEIPTS, 0)),
            "backlog": backlog(database, lane),
            "orphans": sum(orphans.values()),
        }
        return {
            "files": files,
            "totals": totals,
            "lane": _lane(database, lane),
            "alarms": _alarms(database, language),
            "link": database.link().plain(),
            "hq": None if (told := hq_status(database)) is None else told.plain(datetime.now(UTC)),
            "passed_over": count_passed_over(database),
        }


def hq_status(database: Database) -> Kept | None:
    """Return what HQ said last of how it stands with us, None where it said nothing that is kept."""
    text = database.meta(Meta.HQ_STATUS)
    try:
        return None if text is None else Kept.from_text(text)
    except (Malformed, ValueError, KeyError, TypeError):
        return None  # a later release wrote it; HQ says it again within minutes


def count_passed_over(database: Database) -> dict[str, int]:
    """Return how many records of our topic were passed over, by `standing.Passed`."""
    return database.record(Meta.PASSED_OVER, lambda text: dict(orjson.loads(text))) or {}


def _alarms(database: Database, language: Language) -> dict[str, str]:
    foreign = database.foreign()
    found = {}
    for name in AlarmName:
        kept = database.meta(name)
        if name is AlarmName.FOREIGN and foreign is not None:
            found[str(name)] = alarm_text(_foreign_alarm(foreign), language)
        elif kept is not None:
            found[str(name)] = kept_text(kept, language)
    return found


def _foreign_alarm(foreign: Foreign) -> Alarm:
    values = {"origin": foreign.origin, "recorded_at": write_time(foreign.recorded_at)}
    if not foreign.opened_as:
        return Alarm(AlarmText.FOREIGN, values)
    return Alarm(AlarmText.FOREIGN_OPENED_AS, values | {"opened_as": foreign.opened_as})


def _files(database: Database) -> dict[str, dict[str, Any]]:
    files: dict[str, dict[str, Any]] = {}
    reason = "code, params" if database.is_current else "'', ''"  # the first release kept no code
    found = database.read(
        f"SELECT name, state, message, blank, {reason} FROM file WHERE state <> ? ORDER BY name",  # noqa: S608  constants
        (FileState.VANISHED,),
    )
    copies = find_copies(name for name, *_ in found)
    for name, state, message, blank, code, params in found:
        files[name] = {
            "state": state,
            "message": message,
            "code": code,
            "params": orjson.loads(params) if params else {},
            "copy_of": copies.get(name),
            "rows": blank,
            **dict.fromkeys(STATES, 0),
            "blank": blank,
            "vanished": 0,
            "codes": {},
        }
    for name, state, refused_for, count in count_rows(database):
        if name in files:
            files[name][state] += count
            files[name]["rows"] += count
            if refused_for:
                codes = files[name]["codes"]
                codes[refused_for] = codes.get(refused_for, 0) + count
    return files


def _lane(database: Database, lane: Lane) -> dict[str, Any]:
    found = database.read("SELECT recorded_at, stored_at FROM receipt ORDER BY epoch DESC, last DESC LIMIT 1")
    newest = found[0] if found else (None, None)
    return {
        "origin": lane.origin,
        "sealed": lane.sealed.size,
        "sent": max(int(database.meta(Meta.SENT, 0)), lane.receipted()),
        "receipted": lane.receipted(),
        "waits_since": None if (oldest := oldest_waiting(database, lane)) is None else write_time(oldest),
        "settles_at": database.meta(Meta.SETTLES_AT),
        "last_receipt_recorded_at": newest[0],
        "last_receipt_stored_at": newest[1],
    }


def oldest_waiting(database: Database, lane: Lane) -> datetime | None:
    """Return when the oldest event without a receipt was made, which its id says; None if there is none."""
    mark = 0 if lane.epoch is None else lane.epoch.base + lane.receipted()
    found = database.read("SELECT ce_id FROM event WHERE id > ? ORDER BY id LIMIT 1", (mark,))
    return None if not found else time_of(found[0][0])


def count_refused(database: Database) -> int:
    """Return how many rows the connector itself refused, of all files that are there."""
    gone = (FileState.VANISHED,)
    there = {name for (name,) in database.read("SELECT name FROM file WHERE state <> ?", gone)}
    return sum(count for name, state, _, count in count_rows(database) if state == "refused" and name in there)


def backlog(database: Database, lane: Lane) -> int:
    """Return how many events have no receipt yet: those above the mark, less what receipts beyond a hole cover."""
    epoch = lane.epoch
    if epoch is None:
        return _count(database, "SELECT count(*) FROM event")
    mark = lane.receipted()
    above = _count(database, "SELECT count(*) FROM event WHERE id > ?", (epoch.base + mark,))
    covered, at = 0, mark
    for first, last in database.read(
        "SELECT first, last FROM receipt WHERE epoch=? AND last>? ORDER BY first, last", (epoch.number, mark)
    ):
        covered += max(0, last - max(at, first - 1))
        at = max(at, last)
    return above - covered


def _count(database: Database, sql: str, values: tuple[Any, ...] = ()) -> int:
    return int(database.read(sql, values)[0][0])
