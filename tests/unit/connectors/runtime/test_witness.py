"""What a witness makes of each checkpoint: it follows, it is known, all is read again, or HQ's log breaks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.runtime.witness import (
    PROMISES_MAX,
    Break,
    Follows,
    Log,
    ReadAgain,
    SignedCheckpoint,
    read,
    receipt_leaf,
    step,
    unmet,
)
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


def test_step_leaves_that_lead_elsewhere_break(hq: TestLog) -> None:
    """A checkpoint that HQ signed and whose leaves give another root is a break, not a garbled record."""
    log = follow(Log(), hq, [hq.append(leaf(1))])
    hq.append(leaf(2), leaf(3))
    for headers in (
        {LEAVES_HEADER: leaf(3) + leaf(2)},
        {LEAVES_HEADER: leaf(2)},
        {LEAVES_HEADER: None},
        {AFTER_HEADER: b"x"},
        {AFTER_HEADER: None},
        {AFTER_HEADER: b"4"},
    ):
        assert isinstance(step(log, said(hq, hq.record(3, 1, headers=headers)), nothing), Break), headers


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
    seen = {1: Edge().append([leaf(1)]).root}
    assert step(log, said(hq, first), seen.get) == Follows(log)
    other = TestLog()
    record = other.append(leaf(9))
    done = step(log, said(other, record), seen.get)
    assert isinstance(done, Break)
    assert done.theirs == record.value


def test_step_rolled_back_log_is_found_though_forgotten(hq: TestLog) -> None:
    """A smaller size that we do not remember has everything read again, and the two stories can't both be met."""
    records = [hq.append(leaf(n)) for n in range(6)]
    log = follow(Log(), hq, records)
    other = hq.fork(2)
    forked = other.append(leaf(99))
    done = step(log, said(other, forked), nothing)
    assert isinstance(done, ReadAgain)
    outcome: object = None
    log = done.log
    for record in [*records, forked]:
        outcome = step(log, said(hq, record), nothing)
        if not isinstance(outcome, Follows):
            break
        log = outcome.log
    assert isinstance(outcome, Break)
    assert outcome.ours == forked.value
    assert "does not lead to the root that it signed at 3" in outcome.reason


def test_step_gap_reads_again_and_goes_on(hq: TestLog) -> None:
    """Beyond a gap all is read from the beginning; what it leads through must be what was seen."""
    records = [hq.append(leaf(n), leaf(-n)) for n in range(1, 6)]
    log = follow(Log(), hq, records[:2])
    done = step(log, said(hq, records[3]), nothing)
    assert isinstance(done, ReadAgain)
    assert done.log.ahead == 4
    log = follow(done.log, hq, records)
    assert (log.size, log.is_whole, unmet(log)) == (10, True, None)
    assert log.settled() == Log(log.edge, log.note)


def test_step_gap_behind_another_past_breaks(hq: TestLog) -> None:
    """HQ shows another past than the one that we saw: found where it differs, whatever is behind it."""
    log = follow(Log(), hq, [hq.append(leaf(1), leaf(2), leaf(3))])
    other = TestLog()
    records = [other.append(*(leaf(n) for n in range(4))), other.append(leaf(7))]
    done = step(log, said(other, records[1]), nothing)
    assert isinstance(done, ReadAgain)
    found = step(done.log, said(other, records[0]), nothing)
    assert isinstance(found, Break)
    assert (found.ours, found.theirs) == (log.note, records[0].value)


def test_step_out_of_order_waits_while_read_again(hq: TestLog) -> None:
    """A compacted topic has a checkpoint that was said again behind a later one: it is waited for."""
    records = [hq.append(leaf(n)) for n in range(5)]
    start = Log().from_beginning()
    log = follow(start, hq, [records[0], records[3], records[2]])
    assert (log.size, len(log.waiting)) == (1, 2)
    assert not log.is_whole
    found = unmet(log)
    assert found is not None
    assert "leaves 1 to 2 are nowhere" in found.reason
    log = follow(log, hq, [records[1]])
    assert (log.size, log.is_whole) == (4, True)


def test_step_lost_log_is_unmet(hq: TestLog) -> None:
    """A topic that ends before what HQ has signed is a break once it was waited for."""
    records = [hq.append(leaf(n)) for n in range(3)]
    log = follow(follow(Log(), hq, records).from_beginning(), hq, records[:1])
    found = unmet(log)
    assert found is not None
    assert found.ours == records[2].value
    assert "ends at 1, and it has signed one of 3" in found.reason


def test_step_endless_going_back_ends(hq: TestLog) -> None:
    """HQ can't have us read its topic again for ever."""
    records = [hq.append(leaf(n)) for n in range(40)]
    log = follow(Log(), hq, records)
    for count, record in enumerate(records[:-1]):
        done = step(log, said(hq, record), nothing)
        if isinstance(done, Break):
            assert count <= PROMISES_MAX
            return
        assert isinstance(done, ReadAgain)
        log = follow(done.log, hq, records)
    pytest.fail("it went on for ever")


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
        if isinstance(done, Break):
            assert "again and again" in done.reason or "nowhere" in done.reason
            return
        log = done.log
        assert roots[log.size] == log.edge.root


def test_receipt_leaf_is_of_the_text_alone() -> None:
    """The leaf is the hash of the note's text, so it does not depend on who signed."""
    note = sign_note("cohub-receipt/v1\nbody\n", [Signer("hub.example/receipts", b"r" * 32)])
    assert receipt_leaf(note.to_bytes()) == leaf_hash(b"cohub-receipt/v1\nbody\n")
