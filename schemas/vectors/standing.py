"""Vectors of sequences: which of HQ's status notes an office goes by, and which of a center's presences HQ does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from connectors.runtime.standing import Kept, lost_from, passed_over, status_passed_over
from connectors.runtime.trust import Trusted
from hub.ledger.control import SignedTimes
from hub.protocol.control import More, Presence
from hub.protocol.errors import Malformed
from hub.protocol.forms import PRESENCE_V2, STATUS_V1, announce
from hub.protocol.moment import write_time
from hub.protocol.note import Note, sign_note
from hub.protocol.status import State, StatusNote
from hub.protocol.trust import Trust
from schemas.vectors.keys import CENTER, HUB, ORIGIN, RECEIPTS, ROOT, SEAL, signer, text_or_hex
from schemas.vectors.records import START

Row = dict[str, Any]
Came = tuple[str, float]  # a note's name, and when it came to the topic, in seconds behind START

OLD_KEY: Final = signer(RECEIPTS.name, 2)
RETIRED_AT: Final = START + timedelta(seconds=100)
TRUST: Final = Trust(
    HUB, ROOT.verifier, (OLD_KEY.verifier, RECEIPTS.verifier), retired=((RETIRED_AT, OLD_KEY.verifier),)
)
HQ_LANE: Final = f"{HUB}/hq/00c0ffee"
LAST: Final = 5  # what our open lane has receipts for, in the rows that say so
RECEIPTED_AT: Final = START + timedelta(seconds=50)
STALE_S: Final = 25 * 60
AHEAD_S: Final = 5 * 60
LATER: Final = "a" * 8


def _moment(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def _status(seconds: float, **changed: Any) -> StatusNote:
    note = StatusNote(
        HUB, CENTER, _moment(seconds), ORIGIN, LAST, State.READS, START, "", 17, HQ_LANE, 2, (PRESENCE_V2,)
    )
    return replace(note, **changed)


def _notes() -> dict[str, bytes]:
    said = {
        "first": _status(0),
        "second": _status(60, state=State.PARKED, why="UNKNOWN_KEY 1f2e3d4c 0a1b2c3d"),
        "third": _status(120),
        "at_the_same_moment": _status(60, why="FORK another"),
        "to_another_center": _status(90, center="kz", lane=""  , size=0),
        "of_another_hub": _status(90, hub="hub.other", lane="", size=0, hq_lane="hub.other/hq/00c0ffee"),
        "ahead_by_the_limit": _status(60 + AHEAD_S),
        "ahead_by_more": _status(60 + AHEAD_S + 1),
        "that_reads_no_second_presence": _status(60, reads=()),
        "that_reads_another_form": _status(60, reads=("presence/v20",)),
        "that_lacks_two": _status(60, size=3),
        "that_lacks_two_at_the_receipt's_time": _status(50, size=3),
        "of_the_lane_before": _status(60, lane=f"{HUB}/{CENTER}/{LATER}", size=9),
        "without_a_lane": _status(60, lane="", size=0),
    }  # fmt: skip
    found = {name: sign_note(note.to_text(), [RECEIPTS]).to_bytes() for name, note in said.items()}
    text = said["third"].to_text()
    for name, signed, key in (
        ("of_a_later_form", text.replace("status/v1", "status/v2"), RECEIPTS),
        ("by_the_root_key", text, ROOT),
        ("by_a_retired_key", text, OLD_KEY),
        ("by_a_key_that_was_retired_later", said["second"].to_text(), OLD_KEY),
    ):
        found[name] = sign_note(signed, [key]).to_bytes()
    running = More(None, 0, "", (STATUS_V1,))
    again = announce("cohub 0.3.0", (STATUS_V1,))
    for name, seconds, version, more in (
        ("presence", 0, again, None),
        ("presence_later", 60, "cohub 0.3.0", running),
        ("presence_of_the_same_moment", 60, again, None),
        ("last_word", 90, "cohub 0.3.0", replace(running, ended="the disk is full")),
        ("presence_after_the_end", 120, again, None),
        ("presence_ahead", 400, again, None),
    ):
        presence = Presence(CENTER, ORIGIN, _moment(seconds), LAST, 0, version, more)
        found[name] = sign_note(presence.to_text(), [SEAL]).to_bytes()
    return found


# What came, from when on the connector runs, when it is asked, and whether it has a receipt of its open lane.
OFFICE: Final[Mapping[str, tuple[Sequence[Came], float, float, int | None]]] = {
    "one": ([("first", 1)], 0, 2, None),
    "later_ones_count": ([("first", 1), ("second", 61), ("third", 121)], 0, 122, None),
    "older_after_clocks_were_set_back": ([("second", 61), ("first", -250)], -300, -249, None),
    "older_after_clocks_were_set_back_by_the_limit": ([("second", 61), ("first", -240)], -300, -239, None),
    "older_after_newer": ([("second", 61), ("first", 62)], 0, 63, None),
    "the_same_again": ([("second", 61), ("second", 62)], 0, 63, None),
    "two_of_one_moment": ([("second", 61), ("at_the_same_moment", 62)], 0, 63, None),
    "to_another_center": ([("first", 1), ("to_another_center", 91)], 0, 92, None),
    "of_another_hub": ([("first", 1), ("of_another_hub", 91)], 0, 92, None),
    "of_a_later_form": ([("first", 1), ("of_a_later_form", 121)], 0, 122, None),
    "by_another_key": ([("first", 1), ("by_the_root_key", 121)], 0, 122, None),
    "by_a_retired_key": ([("first", 1), ("by_a_retired_key", 121)], 0, 122, None),
    "by_a_key_that_was_retired_later": ([("first", 1), ("by_a_key_that_was_retired_later", 121)], 0, 122, None),
    "ahead_by_the_limit": ([("first", 1), ("ahead_by_the_limit", 60)], 0, 61, None),
    "ahead_by_more": ([("first", 1), ("ahead_by_more", 60), ("second", 61)], 0, 62, None),
    "old_as_may_be": ([("first", 1)], 0, STALE_S, None),
    "stale": ([("first", 1)], 0, STALE_S + 1, None),
    "stale_when_it_came": ([("first", STALE_S + 5)], 0, STALE_S + 6, None),
    "from_before_the_start": ([("first", 1)], 30, 31, None),
    "newer_since_the_start": ([("first", 1), ("second", 61)], 30, 62, None),
    "said_again_since_the_start": ([("first", 1), ("first", 61)], 30, 62, None),
    "that_reads_no_second_presence": ([("first", 1), ("that_reads_no_second_presence", 61)], 0, 62, None),
    "that_reads_another_form": ([("first", 1), ("that_reads_another_form", 61)], 0, 62, None),
    "nothing": ([], 0, 1, None),
    "all_is_there": ([("second", 61)], 0, 62, LAST),
    "events_lost": ([("that_lacks_two", 61)], 0, 62, LAST),
    "events_lost_before_the_receipt": ([("that_lacks_two_at_the_receipt's_time", 61)], 0, 62, LAST),
    "events_lost_and_no_receipt": ([("that_lacks_two", 61)], 0, 62, None),
    "lane_lost": ([("of_the_lane_before", 61)], 0, 62, LAST),
    "all_lost": ([("without_a_lane", 61)], 0, 62, LAST),
}
HEADQUARTERS: Final[Mapping[str, Sequence[Came]]] = {
    "later_presence_counts": [("presence", 1), ("presence_later", 61)],
    "older_presence_after_a_newer": [("presence_later", 61), ("presence", 62)],
    "two_presences_of_one_moment": [("presence_later", 61), ("presence_of_the_same_moment", 62)],
    "last_word_and_an_older_presence": [("presence_later", 61), ("last_word", 91), ("presence_later", 92)],
    "presence_after_the_last_word": [("last_word", 91), ("presence_after_the_end", 121)],
    "presence_ahead_by_less": [("presence_ahead", 101), ("presence_after_the_end", 121)],
    "presence_that_was_ahead_by_more": [("presence_ahead", 91), ("last_word", 92)],
    "presence_that_was_ahead_is_said_again": [("presence_ahead", 91), ("last_word", 92), ("presence_ahead", 93)],
    "presence_that_was_ahead_is_said_again_at_its_time": [
        ("presence_ahead", 91),
        ("last_word", 92),
        ("presence_ahead", 402),
    ],
}


def standing_vectors() -> Row:
    """Return what an office makes of HQ's notes as they come, and HQ of a center's."""
    notes = _notes()
    rows = [
        *(_office(name, notes, *row) for name, row in OFFICE.items()),
        *(_hq(f"hq_{name}", notes, row) for name, row in HEADQUARTERS.items()),
    ]
    return {
        "about": "notes: values of records, by name. Each row has some, and when they came by the broker's clock, which"
        " is everybody's here. Of an office: which status notes on out.<center> are acted on by a connector that runs"
        " since `started`; then, at asked_at, which one counts (null for none), whether it is stale, in which form"
        " presence is said, and from which sequence on events are sent again that HQ has lost; receipted: up to where"
        " the open lane has receipts, recorded_at: that of the newest, null where it has none. Of hq: which of a"
        " center's presences counts, after each. In a bad row something is passed over, or stale.",
        "hub": HUB,
        "center": CENTER,
        "lane": ORIGIN,
        "keys": [key.to_text() for key in TRUST.receipts],
        "retired": [{"time": write_time(since), "vkey": key.to_text()} for since, key in TRUST.retired],
        "seal": SEAL.verifier.to_text(),
        "notes": {name: text_or_hex(note) for name, note in notes.items()},
        "good": [row for row in rows if _is_plain(row)],
        "bad": [row for row in rows if not _is_plain(row)],
    }


def _is_plain(row: Row) -> bool:
    """Return whether each note of a row counts when it comes, and stays good."""
    said = row["outcome"]
    if row["side"] == "hq":
        return bool(said["counts"] == [each["note"] for each in row["came"]])
    return all(said["acted_on"]) and not said["stale"]


def _office(
    name: str, notes: Mapping[str, bytes], came: Sequence[Came], started: float, asked: float, receipted: int | None
) -> Row:
    trusted = Trusted(Path(), TRUST)
    kept: Kept | None = None
    told: Kept | None = None
    counts: str | None = None
    again: int | None = None
    acted = []
    for note_name, seconds in came:
        at = _moment(seconds)
        try:
            said = trusted.answer(Note.from_bytes(notes[note_name]))
        except Malformed:
            said = None
        newest = None if kept is None else kept.note
        is_news = isinstance(said, StatusNote) and not (
            passed_over(said, HUB, CENTER) or status_passed_over(said, newest, at)
        )
        acted.append(is_news)
        if is_news and isinstance(said, StatusNote):
            kept, counts = Kept.read(said, at, at), note_name
            told = kept if seconds >= started else None
            again = lost_from(said, ORIGIN, LAST, RECEIPTED_AT) if receipted else None
    now = _moment(asked)
    is_second = told is not None and told.reads_second_presence(now)
    return {
        "name": name,
        "side": "office",
        "came": _came(came),
        "started": write_time(_moment(started)),
        "asked_at": write_time(now),
        "receipted": receipted,
        "recorded_at": write_time(RECEIPTED_AT) if receipted else None,
        "outcome": {
            "acted_on": acted,
            "counts": counts,
            "stale": kept is not None and kept.is_stale(now),
            "presence": PRESENCE_V2 if is_second else "presence/v1",
            "again_from": again,
        },
    }


def _hq(name: str, notes: Mapping[str, bytes], came: Sequence[Came]) -> Row:
    times = SignedTimes()
    last, counts = "", []
    for note_name, seconds in came:
        said = Presence.from_text(Note.from_bytes(notes[note_name]).text)
        after = times.heard(said.time, _moment(seconds))
        if after is not None:
            times, last = after, note_name
        counts.append(last)
    return {"name": name, "side": "hq", "came": _came(came), "outcome": {"counts": counts}}


def _came(came: Sequence[Came]) -> list[Row]:
    return [{"note": name, "at": write_time(_moment(seconds))} for name, seconds in came]
