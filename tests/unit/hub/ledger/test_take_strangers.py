"""Taking where a stranger writes the topic, or a key comes late: what heals, what is waited for, what is kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from hub.ledger.lane import Status
from hub.ledger.take import take
from hub.protocol.checkpoint import seal
from hub.protocol.limits import TAIL_EVENTS_MAX
from hub.protocol.note import Signer
from hub.protocol.record import SEAL_HEADER
from hub.protocol.rules import RULES
from tests.support.center import HUB, Center, offer
from tests.support.hq import Hq, accepted, center_record, feed, ready, reasons, resends

PUBLISHED = "net.cohub.offer.published.v1"
NAME = "hub.example/uz"


async def test_junk_under_a_stray_key_is_replaced_by_what_the_center_sends(hq: Hq) -> None:
    """More of it than fits, in one fetch or in many: the lane waits for a key that may come, and is read on."""
    center, _ = await ready(hq)
    stray = Center(seed=b"s" * 32, edge=center.edge, offsets=center.offsets)
    junk = [*stray.offers(1, first=700), *stray.offers(400, first=1_000)]
    for at in range(0, len(junk), 150):
        step = await feed(hq, junk[at : at + 150])
        assert (accepted(step), reasons(step), step.resends) == ([], [], ())
    intake = hq.reading("uz").intake
    assert (intake.status, intake.is_read, intake.offset) == (Status.WAITING, True, junk[0].offset)
    assert len(hq.reading("uz").tail) == TAIL_EVENTS_MAX
    step = await feed(hq, center.offers(3, first=10))
    assert accepted(step) == [5, 6, 7]
    assert Counter(reasons(step)) == {"UNKNOWN_KEY": 1, "SUPERSEDED": TAIL_EVENTS_MAX - 1}
    assert (step.reading.intake.status, step.reading.intake.why) == (Status.READING, "")


async def test_right_seal_over_the_same_bytes_heals_what_a_stray_key_sealed(hq: Hq) -> None:
    """The records come again, or only the last of them does: what vouches for them is all that was missing."""
    center, _ = await ready(hq)
    records = center.offers(3, first=10)
    stray = records[-1].header(SEAL_HEADER, seal(center.origin, center.edge, Signer(NAME, b"s" * 32)))
    assert (await feed(hq, [*records[:-1], stray])).reading.intake.status is Status.WAITING
    step = await feed(hq, [records[-1]])
    assert (accepted(step), reasons(step), step.reading.intake.status) == ([5, 6, 7], [], Status.READING)


async def test_lane_that_begins_disturbs_the_open_one_no_more_than_junk_does(hq: Hq) -> None:
    """Thousands of epochs that nobody sealed well come and go; the open lane's records wait for their seal."""
    center, _ = await ready(hq)
    first, *rest = center.offers(3, first=10)
    strays = [Center("uz", f"{n:08x}", seed=b"s" * 32) for n in range(2_000)]
    record = strays[0].event(PUBLISHED, "K-1", offer())
    junk = [replace(record, offset=100 + n).header("ce_epoch", c.epoch.encode()) for n, c in enumerate(strays)]
    step = await feed(hq, [first, *junk])
    assert ([p.record for p in step.reading.tail], step.reading.intake.offset) == ([first, junk[-1]], first.offset)
    assert Counter(reasons(step)) == {"SUPERSEDED": len(junk) - 1}
    step = await feed(hq, rest)
    assert (accepted(step), reasons(step)) == ([5, 6, 7], ["SUPERSEDED"])
    assert (step.reading.tail, dict(step.reading.intake.closed)) == ((), {})


async def test_new_epoch_under_an_unknown_key_waits_while_the_old_one_is_read(hq: Hq) -> None:
    """A restored office with a new key: HQ remembers from where; the topic is read again when the key is enrolled."""
    center, _ = await ready(hq)
    again = replace(center.next_epoch("0000beef"), seed=b"n" * 32)
    records = [again.opening(), *again.offers(2, first=50), *again.offers(300, first=100)]
    step = await feed(hq, records)
    assert (accepted(step), step.reading.intake.status) == ([], Status.WAITING)
    assert (step.reading.intake.offset, step.reading.intake.lane and step.reading.intake.lane.epoch) == (4, "0000abcd")
    await hq.said("key_added", center, center_record(center, again))
    step = await feed(hq, records[:3])
    assert (accepted(step), dict(step.reading.intake.closed)) == ([1, 2, 3], {"0000abcd": 4})


@pytest.mark.parametrize("how", ["headers", "seal", "key", "unsigned"])
async def test_record_with_more_beside_its_events_than_any_needs_is_not_looked_at(hq: Hq, how: str) -> None:
    """What no limit of a tail counts is limited by itself; what follows is asked for."""
    center, _ = await ready(hq)
    record, last = center.offers(2, first=10)
    large = {
        "headers": replace(record, headers=(*record.headers, *[("", None)] * 300)),
        "seal": record.plus(SEAL_HEADER, b"x" * 20_000),
        "key": replace(record, key=b"x" * 20_000),
        "unsigned": record.plus("else", b"x" * 20_000),
    }[how]
    step = await feed(hq, [large, last])
    assert (accepted(step), reasons(step), [r.first for r in resends(step)]) == ([], ["OVERSIZED"], [5])
    assert accepted(await feed(hq, [record, last])) == [5, 6]


@pytest.mark.parametrize("rules", [1, 2])
@pytest.mark.parametrize("order", ["good last", "good first"])
async def test_record_with_two_seals_has_none_under_rules_2(hq: Hq, rules: int, order: str) -> None:
    """Two readers could take different ones for the seal; under rules 1 the last one counts, as it always did."""
    center, _ = await ready(hq)
    (record,) = center.offers(1, first=10)
    good = dict(record.headers)[SEAL_HEADER]
    seals = [b"no note", good] if order == "good last" else [good, b"no note"]
    double = record.without(SEAL_HEADER)
    for each in seals:
        double = double.plus(SEAL_HEADER, each)
    keyring = replace((await hq.headquarters.basis()).keyring, rules=RULES[rules])
    taken = take(hq.reading("uz"), [double], keyring, HUB, 0.0)
    assert len(taken.stretches) == (rules == 1 and order == "good last")
    assert len(take(taken.reading, [record], keyring, HUB, 0.0).stretches) + len(taken.stretches) == 1


async def test_hole_that_is_proved_is_asked_for_at_once_whatever_a_stranger_made_hq_ask(hq: Hq) -> None:
    """A stranger's numbers use up the requests; the center's own lost record is asked for three times all the same."""
    center, _ = await ready(hq)
    stray = Center(edge=center.edge, offsets=center.offsets)
    junk = stray.offers(5, first=700)[2].without(SEAL_HEADER)
    for moment in (0.0, 5.0, 25.0):
        hq.monotonic_s = moment
        assert len(resends(await feed(hq, [replace(junk, offset=next(center.offsets))]))) == 1
    hq.monotonic_s = 26.0
    batch = center.offers(3, first=10)
    asked = [resends(await feed(hq, batch[1:]))]  # the first one is lost on its way
    for moment in (31.0, 51.0):
        hq.monotonic_s = moment
        asked.append(resends(await feed(hq, [])))
    assert [(note.origin, note.first) for notes in asked for note in notes] == [(center.origin, 5)] * 3
    assert hq.reading("uz").intake.status is Status.READING
    step = await feed(hq, [replace(record, offset=next(center.offsets)) for record in batch])
    assert accepted(step) == [5, 6, 7]


async def test_lane_that_begins_is_asked_for_at_once_whatever_epoch_a_stranger_made_up(hq: Hq) -> None:
    """The first record of a new lane is lost; a stranger's epoch is asked for, and holds up nothing."""
    center, _ = await ready(hq)
    stray = Center(epoch="00000bad", offsets=center.offsets)
    stray.opening()
    await feed(hq, [stray.offers(1)[0].without(SEAL_HEADER)])
    hq.monotonic_s = 1.0
    newer = center.next_epoch("0000abce")
    records = [newer.opening(), *newer.offers(2, first=50)]
    step = await feed(hq, records[1:])
    assert [note.origin for note in resends(step)] == [newer.origin]
    step = await feed(hq, [replace(record, offset=next(center.offsets)) for record in records])
    assert accepted(step) == [1, 2, 3]


async def test_new_lane_that_came_after_its_middle_is_not_missed_any_more(hq: Hq) -> None:
    """A hole that the center's key has sealed is asked for; once the lane is there, time brings nothing more."""
    center, _ = await ready(hq)
    again = center.next_epoch("0000beef")
    records = [again.opening(), *again.offers(3, first=50)]
    step = await feed(hq, records[-1:])
    assert [(asked.origin, asked.first) for asked in resends(step)] == [(again.origin, 1)]
    assert accepted(await feed(hq, records)) == [1, 2, 3, 4]
    for _ in range(5):
        hq.monotonic_s += 61
        step = await feed(hq, [])
        assert (step.resends, step.reading.intake.status) == ((), Status.READING)


async def test_hole_that_was_given_up_keeps_no_other_lane_from_being_asked_for(hq: Hq) -> None:
    """A lane that never got whole is parked; another one goes on, and of a third the beginning is lost."""
    center, _ = await ready(hq)
    lost = center.next_epoch("0000000a")
    await feed(hq, [lost.opening(), *lost.offers(3, first=50)][2:])
    for moment in (5.0, 25.0, 85.0):
        hq.monotonic_s = moment
        step = await feed(hq, [])
    assert step.reading.intake.status is Status.PARKED
    other = center.next_epoch("0000000b")
    assert accepted(await feed(hq, [other.opening(), *other.offers(2, first=60)])) == [1, 2, 3]
    third = center.next_epoch("0000000c")
    asked = [resends(await feed(hq, [third.opening(), *third.offers(3, first=70)][2:]))]
    for moment in (90.0, 110.0, 170.0):
        hq.monotonic_s = moment
        step = await feed(hq, [])
        asked.append(resends(step))
    assert [note.origin for notes in asked for note in notes] == [third.origin] * 3
    assert step.reading.intake.status is Status.PARKED
