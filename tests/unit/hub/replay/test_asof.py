"""The state at another time, the differences and the history of a hub that lived a known life (tests.support.lived)."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hub.domain.catalogue import STREAMS
from hub.protocol.errors import Fatal
from hub.protocol.moment import to_us
from hub.replay.asof import AsOf, State
from hub.replay.chain import back, newest, streams_of
from hub.replay.decoding import Decoder
from hub.replay.diff import diff
from hub.replay.history import history
from hub.replay.known import KnownSizes, recorded_at_us
from hub.replay.source import Ledger
from tests.support.center import Center, offer
from tests.support.hq import Hq
from tests.support.lived import CORRELATION, PUBLISHED, REVISED, WITHDRAWN, day

US = timedelta(microseconds=1)


def state(ledger: Ledger, stream: str, entity_id: str, when: datetime, *, happened: bool = False) -> State | None:
    found = newest(ledger, stream, entity_id)
    assert found is not None
    return AsOf(ledger, Decoder(ledger), when, happened=happened).entity(found)


def brief(found: State | None) -> tuple[str, int, str] | None:
    return None if found is None else (found.entity.status, found.entity.version, found.entity.record["title"])


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (day(1) - US, None),
        (day(1), ("published", 1, "First")),
        (day(2) - US, ("published", 1, "First")),
        (day(2), ("published", 2, "First")),
        (day(5), ("published", 2, "First")),
        (day(6), ("published", 3, "First, again")),
    ],
)
def test_known_is_what_hq_had_taken_to_the_microsecond(
    ledger: Ledger, when: datetime, expected: tuple[str, int, str] | None
) -> None:
    """A commit at T is known at T and not before; an entity goes on in its center's next lane."""
    assert brief(state(ledger, "offer", "uz:K-1", when)) == expected


def test_status_event_keeps_the_record_and_says_its_own(ledger: Ledger) -> None:
    found = state(ledger, "offer", "uz:K-2", day(9))
    assert brief(found) == ("withdrawn", 2, "Second")
    assert found is not None
    assert found.entity.changed == {"reason": "sold", "effective_on": None}
    assert found.entity.kind == "net.cohub.offer.published.v1"


@pytest.mark.parametrize(
    ("when", "expected", "left_out"),
    [
        (day(2, 9) - US, None, 0),
        (day(2, 9), ("opened", 1, "Licence"), 0),
        (day(3, 8), ("opened", 2, "Licence, amended"), 1),
        (day(5, 8), ("signed", 3, "Licence, amended"), 0),
    ],
)
def test_happened_takes_what_was_told_late_at_its_own_time(
    ledger: Ledger, when: datetime, expected: tuple[str, int, str] | None, left_out: int
) -> None:
    """The amendment of day 3, told on day 5 after the signing, is in on day 3; the signing's status is not."""
    found = state(ledger, "deal", "kz:D-1", when, happened=True)
    assert brief(found) == expected
    assert found is None or found.left_out == left_out


def test_last_word_of_the_ledger_stands_though_it_happened_earlier(ledger: Ledger) -> None:
    """Told last counts, as in the ledger itself: on day 5 the deal has the title of the amendment of day 3."""
    assert brief(state(ledger, "deal", "kz:D-1", day(9), happened=True)) == brief(
        state(ledger, "deal", "kz:D-1", day(9))
    )


async def test_event_that_leaves_the_status_has_it_from_what_was_left_out_before(tmp_path: Path) -> None:
    """A revision that happened before its publication is the first there is; a withdrawal before it is nothing."""
    uz = Center("uz")
    hq = await Hq.open(tmp_path, uz)
    told = [(PUBLISHED, offer("First"), day(5)), (REVISED, offer("Second"), day(3)), (WITHDRAWN, {}, day(2)),
            (PUBLISHED, offer("Third"), day(8))]  # fmt: skip
    records = [uz.opening(), *(uz.append(uz.event(kind, "K-1", value, time=at)) for kind, value, at in told)]
    await hq.feed("uz", [*records[:-1], uz.sealed(records[-1])], day(9))
    await hq.store.close()
    with Ledger.open(tmp_path / "hub.sqlite3") as ledger:
        answers = [(when, state(ledger, "offer", "uz:K-1", day(when), happened=True)) for when in (2, 3, 5, 8)]
    assert [(when, brief(found)) for when, found in answers] == [
        (2, None),
        (3, ("withdrawn", 2, "Second")),
        (5, ("withdrawn", 3, "Second")),
        (8, ("published", 4, "Third")),
    ]
    assert [found.left_out for _, found in answers if found] == [1, 0, 0]


def test_known_at_every_commit_is_the_state_of_then(ledger: Ledger, database: Path) -> None:
    """At now every entity is, byte for byte and digest for digest, what the database has."""
    with sqlite3.connect(database) as db:
        rows = db.execute("SELECT stream, id, document, digest FROM entity ORDER BY stream, id").fetchall()
    now = AsOf(ledger, Decoder(ledger), datetime.fromisoformat("2199-01-01T00:00:00Z"))
    found = [(s.entity.stream, s.entity.id, s.document.decode(), s.digest) for name in STREAMS for s in now.all(name)]
    assert sorted(found) == rows


def test_sizes_known_are_those_of_the_receipts(ledger: Ledger) -> None:
    for lane in ledger.lanes:
        assert KnownSizes(ledger, day(1) - US).size(lane.id) == 0
        for receipt in ledger.receipts(lane):
            at = KnownSizes(ledger, datetime.fromtimestamp(0, day(1).tzinfo) + receipt.recorded_at_us * US)
            assert at.size(lane.id) >= receipt.last
            assert recorded_at_us(ledger, lane.id, receipt.first) == receipt.recorded_at_us


def test_diff_lists_what_came_and_what_changed_by_field(ledger: Ledger) -> None:
    decoder = Decoder(ledger)
    before, after = (AsOf(ledger, decoder, when) for when in (day(1), day(4)))
    found = {d.id: d for d in diff(ledger, before, after, ["offer", "deal"])}
    assert {(d.id, d.what) for d in found.values()} == {
        ("uz:K-1", "changed"),
        ("uz:K-2", "changed"),
        ("kz:D-1", "added"),
    }
    assert [c.as_dict() for c in found["uz:K-1"].fields] == [
        {"field": "countries", "old": None, "new": ["UZ", "CN"]},
        {"field": "trl", "old": 4, "new": 5},
    ]
    assert found["uz:K-2"].as_dict()["status"] == ["published", "withdrawn"]
    assert [c.field for c in found["uz:K-2"].fields] == ["changed.reason"]


def test_diff_the_other_way_round_is_the_same_turned_over(ledger: Ledger) -> None:
    decoder = Decoder(ledger)
    before, after = (AsOf(ledger, decoder, when) for when in (day(1), day(4)))
    there = [d.as_dict() for d in diff(ledger, before, after, list(STREAMS))]
    back_again = [d.as_dict() for d in diff(ledger, after, before, list(STREAMS))]
    assert [d["id"] for d in there] == [d["id"] for d in back_again]
    assert [d["status"] for d in there] == [d["status"][::-1] for d in back_again]
    assert {d["what"] for d in back_again} == {"changed", "removed"}


def test_diff_of_what_happened_goes_by_the_time_of_happening(ledger: Ledger) -> None:
    decoder = Decoder(ledger)
    before, after = (AsOf(ledger, decoder, when, happened=True) for when in (day(2, 9), day(3, 8)))
    found = [d.as_dict() for d in diff(ledger, before, after, ["offer", "deal"])]
    assert [(d["id"], d["what"], d["version"]) for d in found] == [
        ("uz:K-2", "changed", [1, 2]),
        ("kz:D-1", "changed", [1, 2]),
    ]


def test_diff_of_one_moment_with_itself_is_nothing(ledger: Ledger) -> None:
    decoder = Decoder(ledger)
    for happened in (False, True):
        at = AsOf(ledger, decoder, day(3), happened=happened)
        assert list(diff(ledger, at, at, list(STREAMS))) == []


def test_history_has_every_event_and_verdict_in_the_order_of_recording(ledger: Ledger) -> None:
    """Rejected ones stand between, those of a stranger too; each says what it changed."""
    found = list(history(ledger, Decoder(ledger), "offer", "uz:K-1"))
    assert [(t.name, t.event.code, t.event.version, t.status) for t in found] == [
        ("published", "ACCEPTED", 1, "published"),
        ("revised", "ACCEPTED", 2, "published"),
        ("revised", "OUT_OF_RANGE", 0, ""),
        ("revised", "WRONG_CENTER", 0, ""),
        ("revised", "ACCEPTED", 3, "published"),
    ]
    assert [t.origin.partition("/")[2] for t in found] == [
        "uz/0000aaaa", "uz/0000aaaa", "uz/0000aaaa", "kz/0000bbbb", "uz/0000cccc",
    ]  # fmt: skip
    assert [(c.field, c.old, c.new) for c in found[4].changed] == [
        ("countries", ["UZ", "CN"], None),
        ("title", "First", "First, again"),
        ("trl", 5, 6),
    ]
    assert found[0].as_dict()["correlation_id"] == CORRELATION
    assert found[3].as_dict()["value"]["title"] == "Mine now"


def test_id_that_was_only_ever_rejected_has_a_history(ledger: Ledger) -> None:
    assert streams_of(ledger, "uz:K-1") == ["offer"]
    assert streams_of(ledger, "uz:nothing") == []


def test_chain_that_does_not_lead_back_is_a_damaged_ledger(database: Path, tmp_path: Path) -> None:
    """A link that was turned to another event, or cut, is told; it is never followed in a circle."""
    for number, change in enumerate(
        ["previous = 3 WHERE lane_id = 4 AND sequence = 2", "previous = NULL WHERE lane_id = 4 AND sequence = 2",
         "previous = 2, previous_lane_id = 4 WHERE lane_id = 2 AND sequence = 2"]
    ):  # fmt: skip
        copy = tmp_path / f"{number}.sqlite3"
        shutil.copy(database, copy)
        with sqlite3.connect(copy) as db:
            lane = db.execute("SELECT id FROM lane WHERE origin LIKE '%/uz/0000cccc'").fetchone()[0]
            assert lane == 4
            db.execute(f"UPDATE ledger SET {change}")
        with Ledger.open(copy) as damaged:
            found = newest(damaged, "offer", "uz:K-1")
            assert found is not None
            with pytest.raises(Fatal, match="hub audit verify"):
                list(back(damaged, found.lane_id, found.sequence))


def test_entity_that_is_not_what_its_events_make_is_told(database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "hub.sqlite3"
    shutil.copy(database, copy)
    with sqlite3.connect(copy) as db:
        db.execute("UPDATE entity SET digest = zeroblob(32) WHERE id = 'uz:K-1'")
    with Ledger.open(copy) as damaged:
        assert brief(state(damaged, "offer", "uz:K-1", day(5))) is not None
        with pytest.raises(Fatal, match="another state"):
            state(damaged, "offer", "uz:K-1", day(6))


def test_microseconds_are_those_of_the_tables() -> None:
    assert to_us(day(1)) == 1772366400000000
