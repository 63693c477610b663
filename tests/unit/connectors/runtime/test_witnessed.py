"""The witness's part of the outbox: what is kept, how little of it, and what an older outbox becomes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.runtime.codecs import Codecs
from connectors.runtime.outbox import Outbox, witnessed
from connectors.runtime.outbox.witnessed import CHECKPOINTS_KEPT, COSIGNED_KEPT, Witnessed
from connectors.runtime.witness import Break, Follows, Log, Why, read, receipt_leaf, step
from tests.support.log import TestLog, leaf
from tests.support.office import NOW, Office
from tests.support.releases import turn_back


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path / "outbox.sqlite3", Codecs())
    yield made
    made.outbox.close()


def count(office: Office, table: str) -> int:
    return int(office.outbox.database.read(f"SELECT count(*) FROM {table}")[0][0])


def see(kept: Witnessed, hq: TestLog, log: Log, *leaves: bytes, cosigned: bool = True) -> Log:
    """Read one more checkpoint and keep it."""
    record = hq.append(*leaves)
    done = step(log, read(record.value, record.headers, hq.origin, hq.verifiers), kept.note_at)
    assert isinstance(done, Follows)
    after = done.log
    kept.saw(
        after, after.size, [(after.size, record.value)], [(log.size, done.leaves)], NOW, b"c" if cosigned else None
    )
    return after


def test_what_was_seen_is_there_after_a_restart(office: Office) -> None:
    """Edge, note, place and cosignature come back as they were kept."""
    hq = TestLog()
    log = see(office.outbox.witnessed, hq, Log(), leaf(1), leaf(2), leaf(3))
    office.reopen()
    kept = office.outbox.witnessed
    assert kept.load() == (log, 3)
    assert kept.newest_cosigned() == (3, b"c")
    assert (kept.note_at(3), kept.note_at(2)) == (log.note, None)
    assert kept.stopped() is None


def test_one_size_is_cosigned_once(office: Office) -> None:
    """The table's key refuses what the reader should never ask for: another word about the same size."""
    kept = office.outbox.witnessed
    log = see(kept, TestLog(), Log(), leaf(1))
    with pytest.raises(sqlite3.IntegrityError):
        kept.saw(log, 9, [], [], NOW, b"another")
    assert kept.newest_cosigned() == (1, b"c")
    assert kept.load()[1] == 1


def test_what_is_kept_is_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long HQ's log grows, a connector keeps the newest of it."""
    kept, hq, log = office.outbox.witnessed, TestLog(), Log()
    monkeypatch.setattr(witnessed, "LEAVES_KEPT", 100)
    note = hq.append(leaf(0)).value
    for number in range(2 * CHECKPOINTS_KEPT):
        log = Log(log.edge.append([leaf(number)]), note)
        kept.saw(log, number, [(log.size, note)], [(log.size - 1, [leaf(number)])], NOW, b"c")
    assert (count(office, "log_checkpoint"), count(office, "cosigned")) == (CHECKPOINTS_KEPT, COSIGNED_KEPT)
    assert count(office, "log_leaf") == 100
    assert kept.remembers_from() == log.size - 100
    assert kept.newest_cosigned()[0] == log.size


def test_breaks_stay_until_and_after_a_retry(office: Office) -> None:
    """A person lets the witness look again; the evidence stays."""
    kept = office.outbox.witnessed
    kept.broke(Break(Why.TWO_ROOTS, {"size": "2"}, b"ours", b"theirs"), NOW)
    stopped = kept.stopped()
    assert stopped is not None
    assert (stopped.reason, stopped.ours, stopped.theirs) == ("HQ has signed two roots at size 2", b"ours", b"theirs")
    assert office.outbox.status()["witness"]["stopped"]["reason"] == "HQ has signed two roots at size 2"
    assert (kept.retry(NOW), kept.retry(NOW), kept.stopped()) == (1, 0, None)
    assert len(kept.breaks()) == 1
    for number in range(40):
        kept.broke(Break(Why.TWO_ROOTS, {"size": str(number)}, b"", b""), NOW)
        kept.retry(NOW)
    assert len(kept.breaks()) <= witnessed.BREAKS_KEPT + 1


def test_receipt_waits_for_its_leaf(office: Office) -> None:
    """A receipt that is taken must be seen in the log; it is, whether the leaf comes after it or came before."""
    kept = office.outbox.witnessed
    office.open()
    office.queue("K-1")
    office.seal()
    office.answer(1, 1)
    office.answer(2, 2)
    assert kept.waiting() == 2
    notes = [bytes(row[0]) for row in office.outbox.database.read("SELECT note FROM receipt ORDER BY first")]
    hq = TestLog()
    log = see(kept, hq, Log(), leaf(1), receipt_leaf(notes[0]))
    assert kept.waiting() == 1
    (missing,) = kept.missing(NOW + timedelta(hours=1))
    assert (missing.origin, missing.last, missing.hash) == (office.outbox.lane.origin, 2, receipt_leaf(notes[1]))
    assert kept.missing(NOW) == []  # it came later than that
    office.outbox.database.set_meta("x", 1)
    with office.outbox.database.transaction() as connection:
        connection.execute("DELETE FROM unlogged")
    see(kept, hq, log, receipt_leaf(notes[1]))
    with office.outbox.database.transaction() as connection:
        connection.execute("INSERT INTO unlogged VALUES (?, 1, 2, '2020')", (receipt_leaf(notes[1]),))
    assert kept.missing(NOW) == []
    assert kept.waiting() == 0


def test_outbox_of_0_1_0_adopts_its_receipts(office: Office) -> None:
    """An outbox from before the log expects every receipt that it holds to be in it; none is lost, none is new."""
    office.open()
    office.queue("K-1")
    office.seal()
    office.answer(1, 2)
    office.outbox.close()
    turn_back(office.path, 2)
    with Outbox(office.path, read_only=True) as beside:
        assert "has not run here" in beside.status()["witness"]["state"]
    office.outbox = Outbox(office.path)
    assert office.outbox.witnessed.waiting() == 1
    assert office.outbox.status()["witness"]["receipts_waiting"] == 1


def test_purged_receipts_wait_no_longer(office: Office) -> None:
    """What the outbox does not hold any more, it does not look for."""
    office.open()
    for number in range(3):
        office.queue(f"K-{number}")
        office.seal()
        size = office.outbox.lane.sealed.size
        office.answer(office.outbox.lane.receipted() + 1, size)
    before = office.outbox.witnessed.waiting()
    assert office.outbox.purge(NOW + timedelta(days=91)) > 0
    assert 0 < office.outbox.witnessed.waiting() < before
