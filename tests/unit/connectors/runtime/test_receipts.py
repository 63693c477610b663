"""What of `out.<center>` is acted on: whoever can write there holds nothing but what HQ has signed, and that is old.

The real reader and the real sender run here, on a broker in memory; a small HQ answers, and somebody else writes too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.runtime.codecs import Codecs
from connectors.runtime.epoch import reason_for_epoch
from connectors.runtime.outbox.meta import Foreign
from connectors.runtime.outbox.status import hq_status
from connectors.runtime.standing import STALE
from connectors.runtime.told import OfficeFatal
from connectors.runtime.trust import LOOKS_MAX
from hub.protocol.forms import PRESENCE_V2
from hub.protocol.moment import write_time
from hub.protocol.note import Signer, sign_note
from hub.protocol.receipt import Receipt, Resend
from hub.protocol.status import State, StatusNote
from hub.protocol.topics import LANE as HQ_TOPIC
from tests.support.answering import AnsweringHq
from tests.support.center import filled
from tests.support.end import CENTER, HQ, HUB, KEY, RECEIPTS, End, broker_of_a_center, running, until
from tests.support.hq_lane import LaneWriter
from tests.unit.connectors.runtime.test_faults import row, sayer

NOW = datetime.now(UTC)
CORRECTED = "net.cohub.clock.corrected.v1"
OTHERS = f"{HUB}/kz/0a1b2c3d"
OURS = f"{HUB}/{CENTER}/0a1b2c3d"


@pytest.fixture
async def end(tmp_path: Path, codecs: Codecs) -> AsyncIterator[End]:
    end = End(tmp_path, broker_of_a_center(), codecs)
    yield end
    end.outbox.close()


@pytest.fixture
async def hq(end: End) -> AsyncIterator[AnsweringHq]:
    async with AnsweringHq("memory:1", HUB, CENTER, KEY.verifier, RECEIPTS, end.broker) as hq:
        yield hq


def signed(said: Receipt | Resend | StatusNote, key: Signer = RECEIPTS) -> bytes:
    return sign_note(said.to_text(), [key]).to_bytes()


LANE = f"{HUB}/{CENTER}/0000abcd"
BEFORE = NOW - timedelta(seconds=1)


def receipt(origin: str, last: int = 9, at: datetime = NOW) -> bytes:
    return signed(Receipt(origin, 1, last, b"x" * 32, at, 1))


def status(**changes: object) -> StatusNote:
    good = StatusNote(
        HUB, CENTER, datetime.now(UTC), "", 0, State.READS, NOW, "", 17, f"{HUB}/hq/00c0ffee", 1, (PRESENCE_V2,)
    )
    return replace(good, **changes)  # type: ignore[arg-type]


async def write(end: End, *values: bytes | None, key: bytes | None = b"x", kind: bytes = b"receipt") -> None:
    """Write records to our topic, as anybody can who may write to the broker."""
    producer = end.broker.producer(bootstrap_servers="memory:1")
    await producer.start()
    try:
        headers = [("cohub-kind", kind)]
        sent = [await producer.send(f"out.{CENTER}", each, key=key, partition=0, headers=headers) for each in values]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def passed(end: End) -> dict[str, int]:
    return dict(end.outbox.status()["passed_over"])


async def settled(end: End, keys: Sequence[str]) -> None:
    end.take([row(number, key, "title") for number, key in enumerate(keys, 2)])
    await end.settle(dict.fromkeys(keys, "accepted"))


@pytest.mark.parametrize("origin", [OTHERS, f"other.example/{CENTER}/0a1b2c3d", f"{HUB}/hq/0a1b2c3d"])
async def test_receipt_of_somebody_else_changes_nothing_whenever_it_is_written(
    end: End, hq: AnsweringHq, origin: str
) -> None:
    """One of another center, hub or lane of HQ's, copied here: before our first start, at a start, while we run."""
    note = receipt(origin, at=datetime.now(UTC) + timedelta(days=300))
    await write(end, note)
    async with end.running():
        await settled(end, ["A"])
        await write(end, note, note)
        await settled(end, ["A", "B"])
    await write(end, note)
    async with end.running():
        await settled(end, ["A", "B", "C"])
        await until(lambda: passed(end) == {"others": 4})
    assert reason_for_epoch(end.outbox) is None
    newest = end.outbox.answers.origins.newest()
    assert newest is not None
    assert newest.origin == end.outbox.lane.origin
    assert len(hq.lanes) == 1
    end.check(hq)


async def test_receipts_of_our_former_lanes_do_not_stop_an_office_that_was_made_anew(end: End, hq: AnsweringHq) -> None:
    """Its outbox is new, and knows nothing of them; its lane names the newest of them as what it continues."""
    old, older = (
        receipt(f"{HUB}/{CENTER}/{epoch * 8}", at=NOW - timedelta(days=d)) for epoch, d in (("1", 1), ("2", 2))
    )
    await write(end, older, old, older)
    async with end.running():
        await settled(end, ["A"])
        await write(end, old, older, receipt(f"{HUB}/{CENTER}/33333333", at=NOW - timedelta(days=3)))
        await settled(end, ["A", "B"])
    async with end.running():
        await settled(end, ["A", "B", "C"])
    assert reason_for_epoch(end.outbox) is None
    (opened,) = end.database.read("SELECT value FROM event WHERE type='net.cohub.lane.opened.v1'")
    assert b"11111111" in opened[0]
    end.check(hq)


async def test_receipt_that_is_replayed_ten_thousand_times_holds_up_nothing(end: End, hq: AnsweringHq) -> None:
    """It is counted; what is new goes through meanwhile, and HQ's silence is still noticed."""
    async with end.running():
        await settled(end, ["A"])
        replayed = hq.lanes[end.outbox.lane.origin.rpartition("/")[2]].receipts[0][2]
        await write(end, *[replayed] * 10_000)
        begin = time.monotonic()
        await settled(end, ["A", "B"])
        hq.loses_receipts = 1
        await settled(end, ["A", "B", "C"])
        assert time.monotonic() - begin < 10
        await until(lambda: end.outbox.status()["totals"]["duplicates"] >= 10_000)
    end.check(hq)


async def test_request_that_is_replayed_lets_new_events_through(end: End, hq: AnsweringHq) -> None:
    """What is receipted is not sent again, however often it is asked for."""
    keys = [f"K-{number}" for number in range(600)]
    async with end.running():
        await settled(end, keys)
        before = len(end.sent())
        asked = signed(Resend(end.outbox.lane.origin, 1, "gap"))
        for number in range(20):
            await write(end, *[asked] * 5, kind=b"resend")
            keys.append(f"N-{number}")
            await settled(end, keys)
        await until(lambda: passed(end).get("old") == 100)
    assert len(end.sent()) - before == 20
    end.check(hq)


async def test_request_for_what_is_not_answered_is_followed_once_until_we_send_again_by_ourselves(
    end: End, hq: AnsweringHq
) -> None:
    """HQ is silent, and somebody says its last request again and again."""
    async with end.running():
        await settled(end, ["A"])
        hq.drops = 10_000  # HQ reads nothing any more
        end.outbox.enqueue_events(end.event(f"K-{number}") for number in range(300))
        await until(lambda: len(end.sent()) >= 302)
        asked = signed(Resend(end.outbox.lane.origin, 3, "gap"))
        begin = time.monotonic()
        while time.monotonic() - begin < 1.0:
            await write(end, *[asked] * 3, kind=b"resend")
            await asyncio.sleep(0.02)
        steps = (time.monotonic() - begin) / end.settings.receipt_wait_s + 2
        assert len(end.sent()) <= 302 + 300 * 2 * steps


async def test_status_is_kept_and_what_is_older_or_for_others_or_from_the_future_is_not(
    end: End, hq: AnsweringHq
) -> None:
    """The newest of HQ's to us counts; each that is passed over is counted by why."""
    newest = status(state=State.PARKED, why="GAP 0a1b2c3d 6 8")
    notes = {
        "old": [signed(replace(newest, time=newest.time - timedelta(seconds=age))) for age in (1, 60, 86_400)],
        "others": [
            signed(replace(newest, center="kz", time=newest.time + timedelta(seconds=1))),
            signed(replace(newest, hub="other.example", hq_lane="other.example/hq/00c0ffee")),
        ],
        "ahead": [signed(replace(newest, time=newest.time + timedelta(days=366)))],
        "not_hq": [signed(newest, KEY), signed(newest)[:-5], signed(newest).replace(b"parked", b"reads"), b"", b"\xff"],
    }
    async with end.running():
        await settled(end, ["A"])
        await write(end, signed(newest))
        for values in notes.values():
            await write(end, *values, signed(newest))
        await until(lambda: sum(passed(end).values()) == sum(map(len, notes.values())) + len(notes))
        kept = hq_status(end.database)
        assert kept is not None
        assert kept.note == newest
        assert passed(end) == {name: len(values) for name, values in notes.items()} | {"old": 3 + len(notes)}
        assert end.reader.told == kept
    assert end.outbox.status()["hq"]["state"] == "parked"


@pytest.mark.parametrize("stamp_s", [-62_135_596_800, -1, 253_402_300_799, 10**15])
async def test_stamp_that_no_clock_can_have_ends_nobody(tmp_path: Path, codecs: Codecs, stamp_s: int) -> None:
    """Whoever runs the broker stamps as he likes: the first and the last second that there is, and what is beyond."""
    end = End(tmp_path, broker_of_a_center(lambda: stamp_s), codecs)
    async with AnsweringHq("memory:1", HUB, CENTER, KEY.verifier, RECEIPTS, end.broker), end.running():
        await write(end, signed(status()))
        await settled(end, ["A"])
        await until(lambda: end.outbox.status()["hq"])
    end.outbox.close()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, None),
        (b"9" * 5000, b"9" * 5000),
        (b"\xff\xfe", b"\xff\xfe"),
        (b"x" * 1000, b"y" * 999_000),
        (b"x", b"\n\n" * 400_000),
        (b"x", ("a\n" * 400_000 + "\n— x y\n").encode()),
        (b"x", signed(status())[:-1]),
        (b"x", signed(status()) + b"\n"),
        (b"x", signed(status(), Signer(f"{HUB}/receipts", b"z" * 32))),
        (b"x", b"cohub-status/v1\n"),
    ],
)
async def test_what_is_no_note_of_hqs_is_passed_over(
    end: End, hq: AnsweringHq, key: bytes | None, value: bytes | None
) -> None:
    """No value, no text, a megabyte of nothing, any key: the reader goes on, and counts."""
    async with end.running():
        await write(end, value, value, key=key)
        await settled(end, ["A"])
        await until(lambda: passed(end) == {"not_hq": 2})
    end.check(hq)


async def test_keys_that_nobody_knows_are_looked_up_a_few_times_a_minute(
    end: End, hq: AnsweringHq, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can name a key in a line: that costs a look at HQ's topic only as long as it may be HQ's."""
    looks = 0
    trust = end.reader._trust
    genuine = trust.look

    async def look() -> None:
        nonlocal looks
        looks += 1
        await genuine()

    monkeypatch.setattr(trust, "look", look)
    strange = [signed(status(), Signer(f"{HUB}/receipts", bytes([seed]) * 32)) for seed in range(1, 101)]
    async with end.running():
        await write(end, *strange)
        await settled(end, ["A"])
        await until(lambda: passed(end) == {"not_hq": 100})
    assert looks == LOOKS_MAX


async def test_second_presence_is_said_while_hq_says_that_it_reads_it(end: End, hq: AnsweringHq) -> None:
    """First the form that every HQ reads, which announces; then the second; the first again when HQ falls silent."""
    async with end.running(), running(sayer(end).tell(end.sender)):
        await settled(end, ["A"])
        await until(lambda: len(hq.presence) >= 3)
        assert all(told.more is None and told.reads == ("status/v1",) for told in hq.presence)
        await write(end, signed(status()))
        await until(lambda: hq.presence[-1].more is not None)
        more = hq.presence[-1].more
        assert more is not None
        assert (more.oldest_s, more.refused, more.ended, more.reads) == (None, 0, "", ("status/v1",))
        told = end.reader.told
        assert told is not None
        end.reader.told = replace(told, age=STALE + timedelta(seconds=1))
        await until(lambda: hq.presence[-1].more is None)


async def test_status_from_before_the_start_does_not_make_the_first_presence_a_second_one(
    end: End, hq: AnsweringHq
) -> None:
    """The first presence of each start is the first form: by it HQ knows that a connector has started."""
    await write(end, signed(status()))
    async with end.running(), running(sayer(end).tell(end.sender)):
        await until(lambda: len(hq.presence) >= 3)
        assert all(told.more is None for told in hq.presence)
    assert hq_status(end.database) is not None


async def test_status_that_does_not_read_the_second_form_gets_the_first(end: End, hq: AnsweringHq) -> None:
    """An HQ that says its status, and reads no other presence."""
    async with end.running(), running(sayer(end).tell(end.sender)):
        await until(lambda: hq.presence)
        await write(end, signed(status(reads=())))
        await until(lambda: end.reader.told is not None)
        before = len(hq.presence)
        await until(lambda: len(hq.presence) >= before + 3)
        assert all(told.more is None for told in hq.presence)


AHEAD = NOW + timedelta(days=365)


async def corrected(end: End, hq: AnsweringHq, until: datetime) -> None:
    """Have HQ's own lane say that its clock was ahead until then, and HQ judge under that."""
    hq.basis = 99
    end.broker.create_topic(HQ_TOPIC, 1)
    lane = LaneWriter(hub=HUB, hq=HQ, receipts=RECEIPTS).open(CORRECTED)
    record = {"since": write_time(NOW - timedelta(hours=1)), "ahead_until": write_time(until), "reason": "a year ahead"}
    await lane.say((CORRECTED, "clock", filled(CORRECTED, record))).publish(end.broker)


async def test_office_that_a_wrong_clock_stopped_goes_on_by_itself_once_hq_took_it_back(
    end: End, hq: AnsweringHq
) -> None:
    """Its own former lane, dated a year ahead, was taken for another machine's: HQ's word is read before it stops."""
    hq.basis = 99
    async with end.running():
        await settled(end, ["A"])
    end.database.set_foreign(Foreign(LANE, AHEAD, basis=1))
    with pytest.raises(OfficeFatal):
        await end.reader.run()
    await corrected(end, hq, AHEAD)
    async with end.running():
        await settled(end, ["A", "B"])
        await write(end, receipt(LANE, at=AHEAD))  # while it runs, too
        await settled(end, ["A", "B", "C"])
    assert end.database.foreign() is None
    end.check(hq)


async def test_office_that_runs_hears_of_hqs_correction_before_it_stops(end: End, hq: AnsweringHq) -> None:
    """The receipt came before the correction was read; the lane goes on where it was."""
    await corrected(end, hq, AHEAD)
    async with end.running():
        await settled(end, ["A"])
        await write(end, receipt(LANE, at=AHEAD))
        await settled(end, ["A", "B"])
    assert end.database.foreign() is None
    assert len(hq.lanes) == 1
    end.check(hq)


@pytest.mark.parametrize("at", [AHEAD + timedelta(days=1), NOW + timedelta(minutes=30)])
async def test_correction_that_is_not_of_the_other_lanes_time_ends_no_stop(
    end: End, hq: AnsweringHq, at: datetime
) -> None:
    """A receipt beyond what HQ took back is not explained by it; nor is one where HQ has taken nothing back."""
    if at > AHEAD:
        await corrected(end, hq, AHEAD)
    async with end.running():
        await settled(end, ["A"])
    end.database.set_foreign(Foreign(LANE, at))
    with pytest.raises(OfficeFatal):
        await end.reader.run()
    assert end.database.foreign() is not None
    end.check(hq)
