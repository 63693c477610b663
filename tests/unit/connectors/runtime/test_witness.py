"""What a witness makes of each checkpoint: it follows, it is known, all is read again, or HQ's log breaks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.runtime.witness import (
    BRANCHES_MAX,
    DOUBTS_MAX,
    PROMISES_MAX,
    WAITING_LEAVES_MAX,
    WAITING_MAX,
    Break,
    Follows,
    Log,
    SignedCheckpoint,
    Why,
    missing,
    read,
    receipt_leaf,
    step,
)
from hub.protocol.checkpoint import Checkpoint
from hub.protocol.errors import Malformed
from hub.protocol.keys import Signer
from hub.protocol.note import sign_note
from hub.protocol.tree import Edge, leaf_hash
from hub.protocol.witness import AFTER_HEADER, LEAVES_HEADER
from tests.support.log import NOW, Published, TestLog, leaf


def nothing(_size: int) -> bytes | None:
    return None


def said(log: TestLog, record: Published) -> SignedCheckpoint:
    return read(record.value, record.headers, log.origin, log.verifiers)


def follow(log: Log, honest: TestLog, records: Iterable[Published]) -> Log:
    for record in records:
        done = step(log, said(honest, record), nothing)
        assert isinstance(done, Follows), done
        log = done.log
    return log


@pytest.fixture
def hq() -> TestLog:
    return TestLog()


def test_step_next_checkpoint_follows(hq: TestLog) -> None:
    """Each checkpoint's leaves are appended, and are told as new exactly once."""
    log = Log()
    told: list[bytes] = []
    for count in (1, 3, 1, 8):
        record = hq.append(*(leaf(len(hq.leaves) + n) for n in range(count)))
        done = step(log, said(hq, record), nothing)
        assert isinstance(done, Follows)
        log = done.log
        told += done.leaves
        assert (log.edge, log.note) == (Edge().append(hq.leaves), record.value)
    assert told == hq.leaves


def test_step_newest_again_says_nothing_new(hq: TestLog) -> None:
    """HQ says its newest every minute, whatever is in the headers then."""
    log = follow(Log(), hq, [hq.append(leaf(1), leaf(2))])
    for record in (hq.record(2, 0), hq.record(2, 0, headers={LEAVES_HEADER: b"?"})):
        assert step(log, said(hq, record), nothing) == Follows(log)


def test_step_other_root_at_same_size_breaks(hq: TestLog) -> None:
    """Two roots for one size: the two notes are the evidence."""
    log = follow(Log(), hq, [hq.append(leaf(1)), hq.append(leaf(2))])
    other = hq.fork(1)
    record = other.append(leaf(3))
    done = step(log, said(other, record), nothing)
    assert isinstance(done, Break)
    assert (done.ours, done.theirs) == (log.note, record.value)
    assert "another root at size 2" in done.reason


UNUSABLE: list[dict[str, bytes | None]] = [
    {LEAVES_HEADER: leaf(3) + leaf(2)},
    {LEAVES_HEADER: leaf(2)},
    {LEAVES_HEADER: None},
    {AFTER_HEADER: b"x"},
    {AFTER_HEADER: None},
    {AFTER_HEADER: b"4"},
    {AFTER_HEADER: b"3", LEAVES_HEADER: b""},
    {AFTER_HEADER: b"2", LEAVES_HEADER: leaf(9)},
    {AFTER_HEADER: b"0", LEAVES_HEADER: leaf(9) * 3},
]


@pytest.mark.parametrize("headers", UNUSABLE)
def test_step_genuine_note_with_headers_of_a_strangers_waits_for_the_right_ones(
    hq: TestLog, headers: dict[str, bytes | None]
) -> None:
    """HQ signs the note alone: leaves that lead nowhere may be anybody's, and HQ is accused of nothing."""
    log = follow(Log(), hq, [hq.append(leaf(1))])
    whole = hq.append(leaf(2), leaf(3))
    done = step(log, said(hq, hq.record(3, 1, headers=headers)), nothing)
    assert isinstance(done, Follows)
    assert (done.log.size, done.log.ahead, done.log.is_whole, done.leaves) == (1, 3, False, ())
    lacks = missing(done.log)
    assert lacks is not None
    assert (lacks.why, lacks.reason) == (Why.NOWHERE, "the leaves from 1 on are nowhere, and HQ has signed 3")
    log = follow(done.log, hq, [whole])
    assert (log.size, log.is_whole, missing(log)) == (3, True, None)


@pytest.mark.parametrize("headers", UNUSABLE)
def test_step_compacted_topic_whose_first_records_were_displaced_is_read(
    hq: TestLog, headers: dict[str, bytes | None]
) -> None:
    """A new witness finds a stranger's copies in the place of HQ's; when HQ says them again, all is there."""
    records = [hq.append(leaf(1)), hq.append(leaf(2), leaf(3)), *(hq.append(leaf(n)) for n in range(4, 9))]
    topic = [records[0], hq.record(3, 1, headers=headers), *records[2:]]
    log = follow(Log(), hq, topic)
    assert (log.size, log.ahead, log.is_whole) == (1, 8, False)
    log = follow(log.from_beginning(), hq, topic)
    assert (log.size, log.again, log.is_whole) == (1, False, False)
    log = follow(log, hq, [records[1]])
    assert (log.size, log.is_whole) == (8, True)


def test_step_overlapping_leaves_follow(hq: TestLog) -> None:
    """Leaves that begin before our size are skipped: the root alone decides."""
    log = follow(Log(), hq, [hq.append(leaf(1), leaf(2))])
    hq.append(leaf(3))
    done = step(log, said(hq, hq.record(3, 0)), nothing)
    assert isinstance(done, Follows)
    assert done.leaves == (leaf(3),)


def test_step_smaller_size_that_is_remembered(hq: TestLog) -> None:
    """An older checkpoint is nothing new with the root that we saw, and a break with another."""
    first, second = hq.append(leaf(1)), hq.append(leaf(2))
    log = follow(Log(), hq, [first, second])
    seen = {1: first.value}
    assert step(log, said(hq, first), seen.get) == Follows(log)
    other = TestLog()
    record = other.append(leaf(9))
    done = step(log, said(other, record), seen.get)
    assert isinstance(done, Break)
    assert (done.ours, done.theirs) == (first.value, record.value)


def test_step_rolled_back_log_is_found_though_forgotten(hq: TestLog) -> None:
    """A smaller size that we do not remember has everything read again, and the two stories can't both be met."""
    records = [hq.append(leaf(n)) for n in range(6)]
    log = follow(Log(), hq, records)
    other = hq.fork(2)
    forked = other.append(leaf(99))
    done = step(log, said(other, forked), nothing)
    assert isinstance(done, Follows)
    assert list(done.log.doubted) == [3]
    outcome: object = None
    log = done.log.from_beginning()
    for record in [*records, forked]:
        outcome = step(log, said(hq, record), nothing)
        if not isinstance(outcome, Follows):
            break
        log = outcome.log
    assert isinstance(outcome, Break)
    assert (outcome.ours, outcome.theirs) == (forked.value, records[2].value)
    assert outcome.why is Why.TWO_ROOTS


def test_step_rolled_back_log_that_skips_what_it_said_before_is_found(hq: TestLog) -> None:
    """HQ went back to 2 and signs 7: the leaves that lead there do not lead through what it signed at 3, 4 and 5."""
    records = [hq.append(leaf(n)) for n in range(5)]
    log = follow(Log(), hq, records)
    other = hq.fork(2)
    forked = other.append(*(leaf(99 + n) for n in range(5)))
    done = step(log, said(other, forked), nothing)
    assert isinstance(done, Follows)  # by itself it may be a stranger's copy of what HQ has signed
    assert "checkpoint 7: its leaves lead to another root" in done.unusable
    log = follow(done.log.from_beginning(), hq, records)
    found = step(log, said(other, forked), nothing)
    assert isinstance(found, Break)
    assert (found.why, found.ours, found.theirs) == (Why.DOES_NOT_FOLLOW, records[4].value, forked.value)


def test_step_log_that_leads_past_what_was_signed_breaks(hq: TestLog) -> None:
    """What could not be led to is not forgotten: HQ's own leaves show that it signed another root there."""
    log = follow(Log(), hq, [hq.append(leaf(1))])
    other = hq.fork(1)
    other.append(leaf(9))
    signed = other.record(2, 1, headers={LEAVES_HEADER: None})
    done = step(log, said(other, signed), nothing)
    assert isinstance(done, Follows)
    record = hq.append(leaf(2), leaf(3))
    found = step(done.log, said(hq, record), nothing)
    assert isinstance(found, Break)
    assert (found.why, found.ours, found.theirs) == (Why.OTHER_STORY, signed.value, record.value)


def test_step_gap_is_read_again_and_goes_on(hq: TestLog) -> None:
    """What is missing may stand anywhere; what is read again must lead through what was seen."""
    records = [hq.append(leaf(n), leaf(-n)) for n in range(1, 6)]
    log = follow(Log(), hq, [*records[:2], records[3]])
    assert (log.size, log.ahead) == (4, 8)
    log = log.from_beginning()
    assert (log.again, log.ahead) == (True, 8)
    log = follow(log, hq, records)
    assert (log.size, log.is_whole, missing(log)) == (10, True, None)
    assert log.settled() == Log(log.edge, log.note)


def test_step_gap_behind_another_past_breaks(hq: TestLog) -> None:
    """HQ shows another past than the one that we saw: found where it differs, whatever is behind it."""
    log = follow(Log(), hq, [hq.append(leaf(1), leaf(2), leaf(3))])
    other = TestLog()
    records = [other.append(*(leaf(n) for n in range(4))), other.append(leaf(7))]
    done = step(log, said(other, records[1]), nothing)
    assert isinstance(done, Follows)
    found = step(done.log.from_beginning(), said(other, records[0]), nothing)
    assert isinstance(found, Break)
    assert (found.ours, found.theirs) == (log.note, records[0].value)


def test_step_out_of_order_waits_while_read_again(hq: TestLog) -> None:
    """A compacted topic has a checkpoint that was said again behind a later one: it is waited for."""
    records = [hq.append(leaf(n)) for n in range(5)]
    log = follow(Log(), hq, [records[0], records[3], records[2]])
    assert (log.size, len(log.waiting)) == (1, 2)
    assert not log.is_whole
    lacks = missing(log)
    assert lacks is not None
    assert lacks.reason == "the leaves from 1 on are nowhere, and HQ has signed 4"
    log = follow(log, hq, [records[1]])
    assert (log.size, log.is_whole) == (4, True)


def test_step_lost_log_is_missing(hq: TestLog) -> None:
    """A topic that ends before what we stand by lacks something, and breaks nothing: nobody signs what is not there."""
    records = [hq.append(leaf(n)) for n in range(3)]
    log = follow(follow(Log(), hq, records).from_beginning(), hq, records[:1])
    lacks = missing(log)
    assert lacks is not None
    assert (lacks.why, lacks.reason) == (Why.CUT_OFF, "HQ's log ends at 1, and it has signed one of 3")
    log = follow(log, hq, records[1:])
    assert (log.size, log.is_whole, missing(log)) == (3, True, None)


def test_step_older_notes_said_again_are_looked_for_once(hq: TestLog) -> None:
    """Whoever repeats what HQ signed long ago has it read again, seldom, and breaks nothing."""
    records = [hq.append(leaf(n)) for n in range(40)]
    log = follow(Log(), hq, records)
    replayed = [hq.record(record_size, 0, headers={LEAVES_HEADER: b""}) for record_size in range(1, 40)]
    log = follow(log, hq, [*replayed, *replayed])
    assert (log.size, log.is_whole, sorted(log.doubted)) == (40, True, list(range(1, 40)))
    log = follow(log.from_beginning(), hq, [*records, *replayed])
    assert (log.size, log.is_whole, dict(log.doubted)) == (40, True, {})


def test_log_that_is_read_on_does_not_doubt_what_it_has_read(hq: TestLog) -> None:
    """What was dropped on the way is found when the topic is read once more, from where the log stands."""
    records = [hq.append(leaf(n)) for n in range(WAITING_MAX + 9)]
    topic = [*records[1:], records[0]]
    log = follow(Log(), hq, topic)
    assert (log.size, log.dropped, log.is_whole) == (WAITING_MAX + 1, True, False)
    log = follow(log.once_more(), hq, topic)
    assert (log.size, log.dropped, log.is_whole, dict(log.doubted)) == (len(records), False, True, {})


def test_what_is_held_of_strangers_copies_is_bounded(hq: TestLog) -> None:
    """Whatever is put beside HQ's notes, and however many of them: so much is kept, and the log is not whole."""
    hq.append(*(leaf(n) for n in range(2 * PROMISES_MAX)))
    log = Log()
    for size in range(2, len(hq.leaves), 2):
        checkpoint = Checkpoint(hq.origin, size, leaf(size))
        for after, leaves in ((1, (leaf(0),) * (size - 1)), (size - 1, (leaf(1),)), (0, (leaf(2),) * size))[
            : 600 // size
        ]:
            done = step(log, SignedCheckpoint(checkpoint, b"note", after, leaves), nothing)
            assert isinstance(done, Follows)
            log = done.log
    assert not log.is_whole
    assert len(log.promised) <= PROMISES_MAX
    assert len(log.waiting) <= WAITING_MAX
    assert sum(len(held.leaves) for held in log.waiting) <= WAITING_LEAVES_MAX
    assert len(log.branches) <= BRANCHES_MAX
    log = follow(Log(), hq, [hq.record(len(hq.leaves), 0)])
    for size in range(1, 2 * DOUBTS_MAX):
        done = step(log, SignedCheckpoint(Checkpoint(hq.origin, size, leaf(size)), b"note"), nothing)
        assert isinstance(done, Follows)
        log = done.log
    assert len(log.doubted) == DOUBTS_MAX


def test_read_refuses_what_hq_has_not_signed(hq: TestLog) -> None:
    """Both of HQ's signatures are needed, by pinned keys, over a checkpoint of its log."""
    record = hq.append(leaf(1))
    stranger = TestLog(seed=b"S" * 32)
    stranger.append(leaf(1))
    elsewhere = TestLog(hub="other.example")
    elsewhere.append(leaf(1))
    bad = [
        None,
        b"",
        b"\xff",
        record.value[:-40],
        record.value.replace(b"\n1\n", b"\n2\n"),
        hq.note(1, hq.keys[:1]),
        hq.note(1, hq.keys[1:]),
        stranger.note(1),
        hq.note(1, [hq.keys[0], stranger.keys[1]]),
        elsewhere.note(1),
        sign_note("hub.example/log\nno checkpoint\n", [hq.keys[0]]).to_bytes(),
    ]
    for value in bad:
        with pytest.raises(Malformed):
            read(value, record.headers, hq.origin, hq.verifiers)
    with pytest.raises(Malformed):
        read(record.value, record.headers, hq.origin, ())
    assert read(record.value, record.headers, hq.origin, (*stranger.verifiers, *hq.verifiers)).size == 1


def test_read_refuses_what_goes_on_by_a_retired_key(hq: TestLog) -> None:
    """What a key signed before it was retired stays good; a thief's later word, dated back or not, is nobody's.

    `TestLog` signs at NOW: the key is retired then, a second later, or the checkpoint that we stand by is later.
    """
    record = hq.append(leaf(1), leaf(2))
    second = timedelta(seconds=1)

    def taken(since: datetime, newest: tuple[int, datetime | None] = (0, None), kind: int = 0) -> bool:
        try:
            read(record.value, record.headers, hq.origin, hq.verifiers, {hq.verifiers[kind]: since}, newest)
        except Malformed:
            return False
        return True

    for kind in (0, 1):
        assert not taken(NOW, kind=kind)
        assert taken(NOW + second, kind=kind)
        assert not taken(NOW + second, (1, NOW + second), kind)  # dated back: HQ had signed later, by another key
        assert taken(NOW + second, (1, NOW), kind)
        assert taken(NOW + second, (2, NOW + second), kind)  # what we have seen already is read again


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 11), max_size=30), st.integers(0, 12))
def test_step_is_total_and_never_leaves_the_signed_roots(order: list[int], start: int) -> None:
    """In whatever order HQ's records come, the log is always at a root that HQ signed, and no step fails."""
    hq = TestLog()
    records = [hq.append(*(leaf(10 * n + m) for m in range(1 + n % 3))) for n in range(12)]
    roots = {size: Edge().append(hq.leaves[:size]).root for size in (0, *hq.said)}
    log = follow(Log(), hq, records[:start])
    for index in order:
        done = step(log, said(hq, records[index]), nothing)
        assert isinstance(done, Follows)
        log = done.log
        assert roots[log.size] == log.edge.root
    log = follow(log.from_beginning(), hq, records)
    assert (log.size, log.is_whole) == (hq.said[-1], True)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, len(UNUSABLE) - 1) | st.none()), max_size=24),
    st.integers(0, 6),
)
def test_honest_log_is_never_accused_whatever_stands_beside_its_notes(
    shown: list[tuple[int, int | None]], again: int
) -> None:
    """Strangers' copies anywhere: no break, only signed roots, and HQ's records lead to all of it in the end."""
    hq = TestLog()
    records = [hq.append(*(leaf(10 * n + m) for m in range(1 + n % 3))) for n in range(8)]
    roots = {size: Edge().append(hq.leaves[:size]).root for size in (0, *hq.said)}
    log = Log()
    for at, (index, junk) in enumerate(shown):
        record = records[index]
        if junk is not None:
            record = hq.record(int(record.key), 0, headers=UNUSABLE[junk])
        log = follow(log.from_beginning() if at % 7 == again else log, hq, [record])
        assert roots[log.size] == log.edge.root
    log = follow(log.from_beginning(), hq, records)
    assert (log.size, log.is_whole) == (hq.said[-1], True)


def test_receipt_leaf_is_of_the_text_alone() -> None:
    """The leaf is the hash of the note's text, so it does not depend on who signed."""
    note = sign_note("cohub-receipt/v1\nbody\n", [Signer("hub.example/receipts", b"r" * 32)])
    assert receipt_leaf(note.to_bytes()) == leaf_hash(b"cohub-receipt/v1\nbody\n")
