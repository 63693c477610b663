"""What today's rules would decide of past events."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hub.hq.headquarters import HqEvent
from hub.replay.export import Selection, spans
from hub.replay.rejudge import ENTITIES_KEPT, Judgement, newest_basis, rejudge
from hub.replay.source import Ledger
from tests.support.center import NOW, Center, offer
from tests.support.hq import ALL_STREAMS, Hq, center_record, sealed_lane
from tests.support.lived import OPENED, PUBLISHED, REVISED, Lived, day, deal, lived


def judge(database: Path, entities_kept: int = ENTITIES_KEPT) -> list[Judgement]:
    with Ledger.open(database) as ledger:
        every = spans(ledger, Selection(ledger.lanes))
        return list(rejudge(ledger, newest_basis(sealed_lane(database)), every, entities_kept=entities_kept))


def others(found: list[Judgement]) -> list[tuple[str, str, str]]:
    return [(j.subject, j.then[0], j.now[0]) for j in found if j.is_other]


def test_same_rules_decide_alike_of_every_event(database: Path) -> None:
    """Field and parameters too, whatever the entities went through, in HQ's own lane as well."""
    found = judge(database)
    with Ledger.open(database) as ledger:
        assert len(found) == sum(lane.size for lane in ledger.lanes)
    assert all(j.then == j.now for j in found)
    assert Counter(j.then[0] for j in found if j.then[0] != "ACCEPTED") == {"OUT_OF_RANGE": 1, "WRONG_CENTER": 1}


async def test_rules_of_today_are_those_of_the_newest_basis(tmp_path: Path) -> None:
    """A stream that HQ took from a center since, and a center that it did not know then."""
    found: Lived = await lived(tmp_path)
    kz = found.kz
    rejected = found.event(kz, OPENED, "D-9", deal(counterpart_center="by"), time=day(7))
    amended = found.event(kz, OPENED, "D-9", deal(), time=day(7))
    await found.take(kz, [rejected, amended], day(7))
    await found.hq.register(Center("by"))
    without = center_record(found.uz, streams=[name for name in ALL_STREAMS if name != "offer"])
    await found.hq.said("revised", found.uz, without)
    await found.hq.store.close()
    told = others(judge(found.database))
    assert told == [
        ("uz:K-1", "ACCEPTED", "STREAM_NOT_ALLOWED"),
        ("uz:K-2", "ACCEPTED", "STREAM_NOT_ALLOWED"),
        ("uz:K-1", "ACCEPTED", "STREAM_NOT_ALLOWED"),
        ("uz:K-2", "ACCEPTED", "STREAM_NOT_ALLOWED"),
        ("kz:D-9", "UNKNOWN_CENTER", "ACCEPTED"),
        ("uz:K-1", "ACCEPTED", "STREAM_NOT_ALLOWED"),
    ]


async def test_each_event_is_judged_against_its_entity_as_recorded(tmp_path: Path) -> None:
    """The first event would be rejected now; those that built on it are not rejected for want of it."""
    uz = Center("uz")
    hq = await Hq.open(tmp_path, uz)
    records = [
        uz.opening(),
        uz.append(uz.event(PUBLISHED, "K-1", offer("First", technology_keywords=["old"]))),
        uz.append(uz.event(REVISED, "K-1", offer("Second"))),
        uz.append(uz.event(PUBLISHED, "K-1", offer("Again"))),
    ]
    await hq.feed("uz", [*records[:-1], uz.sealed(records[-1])])
    await _list_codes(hq)
    await hq.store.close()
    found = judge(tmp_path / "hub.sqlite3")
    assert others(found) == [("uz:K-1", "ACCEPTED", "CODE_NOT_LISTED")]
    assert [j.now[0] for j in found if j.lane.center == "uz"][2:] == ["ACCEPTED", "ALREADY_EXISTS"]


async def _list_codes(hq: Hq) -> None:
    codes = [{"code": "new", "zh": "新", "en": "new", "ru": "новое"}]
    await hq.headquarters.say(
        [HqEvent("net.cohub.code_list.published.v1", "technology", {"name": "technology", "codes": codes})], NOW
    )


def test_entities_that_are_not_kept_are_read_again(database: Path) -> None:
    """With no entity kept in memory every one is read from the ledger, with the same verdicts; so is a range."""
    whole = judge(database)
    assert judge(database, entities_kept=0) == whole
    judged_under = newest_basis(sealed_lane(database))
    with Ledger.open(database) as ledger:
        for lane in ledger.lanes:
            for first in range(1, lane.size + 1):
                part = list(rejudge(ledger, judged_under, [(lane, first, first)]))
                assert [j.now for j in part] == [j.now for j in whole if (j.lane.id, j.sequence) == (lane.id, first)]
