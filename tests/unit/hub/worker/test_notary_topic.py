"""The notary and what its topic has: filled again, compared, and believed over a database that is older."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.base.faulty import Fault
from hub.hq.headquarters import Headquarters
from hub.protocol.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from hub.protocol.keys import Signer
from hub.protocol.topics import CHECKPOINTS
from hub.store.faulty import FaultyStore
from hub.worker.checkpoint_topic import Said
from hub.worker.lease import LEASE_S
from hub.worker.notary import COMPARE_EVERY_S, SAY_AGAIN_S, Notary
from tests.support.center import NOW, RELEASED, Center
from tests.support.halts import told
from tests.support.hq import IDENTITY, Hq
from tests.support.notaries import (
    ORIGIN,
    REST_S,
    Board,
    Clock,
    every_receipt_is_a_leaf,
    notary,
    older_copy,
    reader,
    witness,
)
from tests.support.peek import log_of


@pytest.mark.parametrize("fault", list(Fault))
async def test_checkpoint_whose_saying_failed_is_said_by_the_next_round(
    staffed: Hq, clock: Clock, fault: Fault
) -> None:
    """Each write to the topic is lost, or is there though it was said to have failed: a witness follows it all."""
    topic, uz = Board(), Center("uz")
    nth = 0
    for nth in range(1, 5):
        topic.broker.fail(fault, nth)
        working = notary(staffed.store, topic, clock, f"notary {nth}")
        for n in range(4):
            await staffed.feed("uz", uz.offers(1, first=100 * nth + n) if uz.edge.size else uz.opened())
            clock.move(SAY_AGAIN_S)
            await working.round()
        await working.round()
        assert working.stopped is None
        assert witness(topic) == every_receipt_is_a_leaf(staffed)
        clock.move(LEASE_S)
    first = {open_checkpoint(value)[0].size: value for value, _ in topic.records}
    assert all(first[open_checkpoint(value)[0].size] == value for value, _ in topic.records)


async def test_notary_waits_for_a_topic_that_nobody_has_made_yet_and_makes_it(staffed: Hq, clock: Clock) -> None:
    """A broker that lost the topic itself gets it again, compacted, with all that was said."""
    topic = Board()
    working = notary(staffed.store, topic, clock)
    await working.round()
    said = topic.records
    topic.broker.delete_topic(CHECKPOINTS)
    clock.move(COMPARE_EVERY_S)
    await working.round()
    assert topic.broker.configs(CHECKPOINTS) == {"cleanup.policy": "compact"}
    await working.round()
    assert topic.records == said


async def said(staffed: Hq, clock: Clock, checkpoints: int) -> tuple[Board, Notary, Center]:
    """Return a topic with so many checkpoints, the notary that has said them, and the center that they are of."""
    topic, uz = Board(), Center("uz")
    working = notary(staffed.store, topic, clock)
    for n in range(checkpoints):
        await staffed.feed("uz", uz.offers(1, first=n) if n else uz.opened())
        await working.round()
        clock.move(REST_S)
    return topic, working, uz


async def test_topic_that_the_broker_lost_is_filled_again_in_order(staffed: Hq, clock: Clock) -> None:
    """SQL has every checkpoint with its leaves: a topic made again has the same records, byte for byte."""
    topic, working, _ = await said(staffed, clock, 4)
    before, topic.records = topic.records, []
    topic.broker.cut()
    clock.move(SAY_AGAIN_S)
    await working.round()
    topic.broker.mend()
    await working.round()
    assert topic.records == before
    clock.move(LEASE_S)
    # One that begins in the middle is filled as well, though its newest is there.
    topic.records = before[2:]
    await notary(staffed.store, topic, clock, "second").round()
    assert topic.records == [*before[2:], *before]


@pytest.mark.parametrize("junk", [(), (("cohub-after", b"0"), ("cohub-leaves", b"?"))])
async def test_copy_of_the_newest_note_does_not_say_that_all_before_it_is_there(
    staffed: Hq, clock: Clock, junk: tuple[tuple[str, bytes], ...]
) -> None:
    """The broker lost the end of the topic, and a stranger has put a genuine note there: HQ says what is missing."""
    topic, working, _ = await said(staffed, clock, 4)
    before = topic.records
    topic.records = [*before[:2], (before[3][0], junk)]
    clock.move(COMPARE_EVERY_S)
    await working.round()
    assert topic.records[3:5] == before[2:]
    assert witness(Board([record for record in topic.records if record[1] != list(junk)])) == every_receipt_is_a_leaf(
        staffed
    )


async def test_topic_made_anew_behind_our_back_is_filled_within_a_minute(staffed: Hq, clock: Clock) -> None:
    """No write was refused, and yet what was said is gone: it is looked at again, and said again from the beginning."""
    topic, working, uz = await said(staffed, clock, 3)
    before, topic.records = topic.records, []
    await staffed.feed("uz", uz.offers(1, first=9))
    await working.round()
    assert len(topic.records) == 1
    clock.move(COMPARE_EVERY_S)
    await working.round()
    assert topic.records[1 : len(before) + 1] == before
    topic.records = topic.records[1:]
    assert witness(topic) == every_receipt_is_a_leaf(staffed)


async def test_copy_of_the_hub_that_signs_elsewhere_is_found_within_a_minute(
    staffed: Hq, clock: Clock, tmp_path: Path
) -> None:
    """Two databases with one hub's keys, both at work: the second to look stops, and keeps the proof."""
    topic, uz = Board(), Center("uz")
    working = notary(staffed.store, topic, clock)
    await working.round()
    twin = older_copy(staffed, tmp_path / "twin.sqlite3")
    other = Hq(twin, Headquarters(twin, IDENTITY, RELEASED), {})
    await twin.log.follow("first")
    second = notary(twin, topic, clock, "second")
    await second.round()
    clock.move(2)
    await staffed.feed("uz", uz.opened(1))
    await other.feed("kz", Center("kz").opened(1))
    await working.round()
    await second.round()
    assert [open_checkpoint(value)[0].size for value, _ in topic.records[-2:]] == [reader(staffed).size] * 2
    clock.move(COMPARE_EVERY_S)
    await working.round()
    assert "another root" in told(working.stopped)
    assert reader(staffed).rolled_back() == working.stopped
    await twin.close()


@pytest.mark.parametrize("new_receipts", [0, 5])
async def test_database_that_was_rolled_back_signs_nothing_more(
    staffed: Hq, clock: Clock, tmp_path: Path, new_receipts: int
) -> None:
    """An older copy, also one that has grown again since, does not fit what the topic has: the log stands still."""
    topic, uz = Board(), Center("uz")
    working = notary(staffed.store, topic, clock)
    await working.round()
    older = older_copy(staffed, tmp_path / "older.sqlite3")
    for n in range(3):
        await staffed.feed("uz", uz.offers(1, first=n) if n else uz.opened())
        clock.move(REST_S)
        await working.round()
    restored = Hq(older, Headquarters(older, IDENTITY, RELEASED), {})
    again = Center("uz", epoch="0000beef")
    for n in range(new_receipts):
        await restored.feed("uz", again.offers(1, first=n) if n else again.opened())
    size = log_of(older.path).size
    if new_receipts:
        # It went on while the topic could not be read: by another notary, before this one looked.
        blind = notary(older, Board(), clock)
        clock.move(LEASE_S)
        await blind.round()
        size = log_of(older.path).size
        assert size > reader(staffed).size
    clock.move(LEASE_S)
    said = list(topic.records)
    for owner in ("one", "one again"):
        working = notary(older, topic, clock, owner)
        await working.round()
        assert working.stopped is not None
        assert "rolled back" in told(working.stopped)
        await restored.feed("uz", again.offers(1, first=50) if again.edge.size else again.opened())
        clock.move(SAY_AGAIN_S)
        await working.round()
        await older.log.follow(owner)
    log = log_of(older.path)
    assert (topic.records, log.size) == (said, size)
    assert log.rolled_back() == working.stopped == log.standing().rolled_back
    await older.close()
    # The newest copy, put back, is free of it.
    clock.move(LEASE_S)
    newest = notary(staffed.store, topic, clock, "newest")
    await newest.round()
    assert newest.stopped is None


async def test_records_of_others_on_the_topic_stop_nobody(staffed: Hq, clock: Clock) -> None:
    """What HQ's log keys have not signed is no word of HQ's, whatever size it says."""
    topic, stranger = Board(), Signer(ORIGIN, b"x" * 32)
    forged = sign_checkpoint(Checkpoint(ORIGIN, 10**6, bytes(32)), [stranger], NOW)
    topic.records = [*[(b"nonsense", [])] * 2500, *[(forged, [])] * 10]
    working = notary(staffed.store, topic, clock)
    await working.round()
    assert working.stopped is None
    ours = topic.records[2510:]
    assert witness(Board(ours)) == every_receipt_is_a_leaf(staffed)
    # Behind however many of them, what HQ said itself is found: only the newest is said again.
    assert len(ours) == 1
    topic.records = [*ours, *topic.records[:2510]]
    clock.move(LEASE_S)
    await notary(staffed.store, topic, clock, "second").round()
    assert topic.records[2511:] == ours


@pytest.mark.parametrize("fault", list(Fault))
async def test_notary_that_could_not_keep_the_evidence_keeps_it_before_it_stops(
    staffed: Hq, clock: Clock, tmp_path: Path, fault: Fault
) -> None:
    """A rolled back database is known as such by whoever comes later, and nothing is signed meanwhile."""
    topic, uz = Board(), Center("uz")
    older = older_copy(staffed, tmp_path / "older.sqlite3")
    await staffed.feed("uz", uz.opened(2))
    await notary(staffed.store, topic, clock).round()
    said = list(topic.records)
    store = FaultyStore(older)
    store.fail(fault, "keep_evidence")
    clock.move(LEASE_S)
    working = notary(store, topic, clock, "second")
    await working.round()
    assert working.stopped is None
    await working.round()
    assert "rolled back" in told(working.stopped)
    assert log_of(older.path).rolled_back() == working.stopped
    assert (topic.records, log_of(older.path).size) == (said, 0)
    await older.close()


async def test_record_that_is_larger_than_any_checkpoint_says_nothing() -> None:
    """HQ looks back at 64 records: whoever can write there would fill its memory with a megabyte of each."""
    good: Said = (b"note", [("cohub-after", b"0"), ("cohub-leaves", bytes(4096 * 32))])
    large: list[Said] = [(bytes(300_000), []), (b"note", [("x", bytes(300_000))]), (b"note", [("x", None)] * 17)]
    window = await Board([good, *large, good]).before()
    assert window.records == [good, (b"", []), (b"", []), (b"", []), good]
