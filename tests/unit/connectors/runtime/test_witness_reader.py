"""A center's witness on its topic: what it keeps, what it tells HQ and in which order, and when it stops."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from connectors.cli.main import run_command
from connectors.runtime import lending
from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.schema import must_be_logged
from hub.base.faulty import Fault
from hub.kafka.memory import MemoryBroker
from hub.protocol.keys import COSIGNATURE_MLDSA44, Signer
from hub.protocol.moment import write_time
from hub.protocol.note import Note, sign_note
from hub.protocol.topics import CHECKPOINTS
from hub.protocol.tree import leaf_hash
from hub.protocol.witness import LENT_LOG_KIND
from tests.support.folder import until
from tests.support.log import Published, TestLog, leaf
from tests.support.witnesses import Answers, Bench, publish, sizes


def text_of(record: Published) -> str:
    return Note.from_bytes(record.value).text


async def test_witness_cosigns_the_newest_of_a_backlog_and_then_each(bench: Bench, broker: MemoryBroker) -> None:
    """Old checkpoints in a backlog are checked and not cosigned one by one; each that comes then is."""
    records = [bench.hq.append(leaf(n)) for n in range(5)]
    await publish(broker, *records)
    async with bench.running() as outbox:
        await until(lambda: sizes(bench) == [5])
        records.append(bench.hq.append(leaf(5), leaf(6)))
        await publish(broker, records[-1], records[-1])
        await until(lambda: sizes(bench) == [5, 7])
        assert outbox.witnessed.load()[0].size == 7
        assert [said.note.text for said in bench.answers.cosigned] == [text_of(records[4]), text_of(records[5])]
        assert outbox.witnessed.status()["state"] == "reads"


async def test_witness_tells_the_stored_bytes_after_a_restart(bench: Bench, broker: MemoryBroker) -> None:
    """Killed between keeping and telling: the same bytes are told by the next run, unless something newer came."""
    await publish(broker, bench.hq.append(leaf(1)))
    bench.answers.is_linked = False
    async with bench.running() as outbox:
        await until(lambda: outbox.witnessed.newest_cosigned()[0] == 1)
    assert bench.answers.said == []
    bench.answers.is_linked = True
    async with bench.running() as outbox:
        await until(lambda: sizes(bench) == [1])
        assert bench.answers.said[0][1] == outbox.witnessed.newest_cosigned()[1]
    bench.answers.is_linked = False
    await publish(broker, bench.hq.append(leaf(2)))
    async with bench.running() as outbox:
        await until(lambda: outbox.witnessed.newest_cosigned()[0] == 2)
    await publish(broker, bench.hq.append(leaf(3)))
    bench.answers.is_linked = True
    async with bench.running():
        await until(lambda: 3 in sizes(bench))
    assert sizes(bench) == [1, 3]


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_checkpoint_is_cosigned_once_though_keeping_it_failed(
    bench: Bench, broker: MemoryBroker, nth: int, fault: Fault
) -> None:
    """HQ is told what is kept, and of one size never two things."""
    await publish(broker, bench.hq.append(leaf(1)))
    async with bench.running() as outbox:
        await until(lambda: sizes(bench) == [1])
        bench.faults.plan(fault, nth)
        await publish(broker, bench.hq.append(leaf(2)))
        await until(lambda: sizes(bench)[-1] == 2)
        await publish(broker, bench.hq.append(leaf(3)))
        await until(lambda: sizes(bench)[-1] == 3)
        assert outbox.witnessed.newest_cosigned() == (3, bench.answers.said[-1][1])
        assert outbox.witnessed.load()[0].size == 3
    assert sizes(bench) == sorted(sizes(bench))
    assert len({said.note.to_bytes() for said in bench.answers.cosigned}) == 3


@pytest.mark.parametrize("fault", Fault)
async def test_break_is_kept_once_and_told_though_keeping_it_failed(
    bench: Bench, broker: MemoryBroker, fault: Fault
) -> None:
    """Nothing is cosigned after a break, whatever the disk does."""
    await publish(broker, bench.hq.append(leaf(1)), bench.hq.append(leaf(2)))
    async with bench.running() as outbox:
        await until(lambda: sizes(bench) == [2])
        await until(lambda: outbox.database.meta(AlarmName.LOG) is None)
        bench.faults.plan(fault)
        await publish(broker, bench.hq.fork(1).append(leaf(9), leaf(10)))
        await until(lambda: outbox.witnessed.stopped() is not None)
        await until(lambda: len(bench.answers.alarms) == 1)
        assert len(outbox.witnessed.breaks()) == 1
    assert sizes(bench) == [2]


async def test_witness_of_a_restored_office_says_nothing_older(bench: Bench, broker: MemoryBroker) -> None:
    """An old copy of the outbox reads on to what it had promised before it says a word."""
    await publish(broker, bench.hq.append(leaf(1)))
    async with bench.running():
        await until(lambda: sizes(bench) == [1])
    copy = bench.path.with_suffix(".copy")
    shutil.copy(bench.path, copy)
    await publish(broker, bench.hq.append(leaf(2)), bench.hq.append(leaf(3)))
    async with bench.running():
        await until(lambda: 3 in sizes(bench))
    shutil.copy(copy, bench.path)
    for extra in bench.path.parent.glob("outbox.sqlite3-*"):
        extra.unlink()
    before = len(bench.answers.said)
    async with bench.running():
        await until(lambda: len(bench.answers.said) > before)
    assert sizes(bench)[-1] == 3
    assert sizes(bench) == sorted(sizes(bench))


async def test_witness_stops_at_another_root_and_goes_on_when_it_is_mended(
    bench: Bench, broker: MemoryBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    """A break is kept with both notes, told to HQ, shown, and looked at again only when a person says so."""
    records = [bench.hq.append(leaf(n)) for n in range(3)]
    await publish(broker, *records)
    folder = str(bench.office.folder)
    async with bench.running() as outbox:
        await until(lambda: sizes(bench) == [3])
        forked = bench.hq.fork(2).append(leaf(9), leaf(10))
        await publish(broker, forked)
        await until(lambda: outbox.witnessed.stopped() is not None)
        await until(lambda: len(bench.answers.alarms) == 1)
        await publish(broker, bench.hq.append(leaf(4)))
        kept = outbox.witnessed.breaks()
        assert [(k.ours, k.theirs) for k in kept] == [(records[2].value, forked.value)]
        assert "4 does not follow from 3" in kept[0].reason
        stands_still = "nothing is cosigned any more, see `connector witness status`"
        assert bench.answers.alarms[0] == f"{kept[0].reason}; {stands_still}"
        assert kept[0].reason in outbox.status()["alarms"][AlarmName.LOG]
        capsys.readouterr()
        assert run_command(["witness", "status", "-C", folder, "--evidence", f"{folder}/evidence"]) == 1
        assert "ALARM: HQ's log did not only grow: checkpoint 4 does not follow from 3" in capsys.readouterr().out
        assert (bench.office.folder / "evidence" / "1-after.note").read_bytes() == forked.value
        assert run_command(["witness", "retry", "-C", folder]) == 0
        await until(lambda: len(outbox.witnessed.breaks()) == 2)  # the forged record is still there
        assert sizes(bench) == [3]
    assert run_command(["witness", "retry", "-C", folder]) == 0
    assert run_command(["witness", "retry", "-C", folder]) == 2


async def test_witness_starts_over_where_the_topic_is_another(bench: Bench, broker: MemoryBroker) -> None:
    """A place behind the topic's end, as after HQ has lost its broker: all is read again, and must lead through."""
    await publish(broker, *(bench.hq.append(leaf(n)) for n in range(3)))
    async with bench.running():
        await until(lambda: sizes(bench) == [3])
    with Outbox(bench.path) as outbox, outbox.database.transaction() as connection:
        connection.execute("UPDATE log_seen SET position = position + 1000000")
    await publish(broker, bench.hq.append(leaf(3)))
    async with bench.running() as outbox:
        await until(lambda: sizes(bench)[-1] == 4)
        log, position = outbox.witnessed.load()
        assert (log.size, position < 1_000_000) == (4, True)


async def test_witness_reminds_hq_of_what_its_log_does_not_reach_any_more(bench: Bench, broker: MemoryBroker) -> None:
    """HQ was put back from an older copy: it hears once more, in the same bytes, what was cosigned."""
    records = [bench.hq.append(leaf(n)) for n in range(3)]
    await publish(broker, *records)
    async with bench.running():
        await until(lambda: sizes(bench) == [3])
        said = bench.answers.said[-1]
    broker.delete_topic(CHECKPOINTS)
    broker.create_topic(CHECKPOINTS)
    await publish(broker, records[0])
    bench.answers.said.clear()
    bench.answers.is_linked, bench.answers.tries = False, 0
    async with bench.running():
        await until(lambda: bench.answers.tries > 0)
        assert bench.answers.said == []
        bench.answers.is_linked = True  # what could not be told is told when the link is up
        await until(lambda: bool(bench.answers.said))
        assert bench.answers.said[0] == said


async def test_leaves_that_did_not_go_out_are_lent_again(
    bench: Bench, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link broke off between two parts: without the rest HQ's log would stand still; nobody else may have it."""
    monkeypatch.setattr(lending, "LENT_LEAVES_MAX", 1)
    monkeypatch.setattr(lending, "hq_status", lambda _database: "said once")
    records = [bench.hq.append(leaf(n)) for n in range(4)]
    await publish(broker, *records)
    async with bench.running():
        await until(lambda: sizes(bench) == [4])
    broker.delete_topic(CHECKPOINTS)
    broker.create_topic(CHECKPOINTS)
    await publish(broker, records[0])
    bench.answers = Breaking(at=2)
    async with bench.running():
        await until(lambda: len(bench.answers.lent) >= 4)
        assert [part.after for part in bench.answers.lent] == [0, 1, 2, 3]


class Breaking(Answers):
    """A sender whose link is away for one part of the leaves that are lent."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at, self._parts = at, 0

    async def send_control(self, kind: str, value: bytes) -> bool:
        if kind == LENT_LOG_KIND:
            self._parts += 1
            if self._parts == self._at:
                return False
        return await super().send_control(kind, value)


async def test_witness_of_a_lost_log_tells_it_after_a_while_and_goes_on_when_it_is_there(
    bench: Bench, broker: MemoryBroker
) -> None:
    """HQ shows less than it has signed: that is told in time, accuses nobody, and ends when HQ says it again."""
    lost = TestLog(seed=bench.hq.seed)
    records = [lost.append(leaf(n)) for n in range(3)]
    await publish(broker, records[0])
    async with bench.running():
        await until(lambda: sizes(bench) == [1])
    with Outbox(bench.path) as outbox:
        log = outbox.witnessed.load()[0]
        ahead = replace(log, edge=log.edge.append(lost.leaves[1:]), note=records[2].value)
        outbox.witnessed.saw(ahead, 1_000_000_000, [(3, records[2].value)], [], datetime.now(UTC))
    async with bench.running() as outbox:
        await until(lambda: len(bench.answers.alarms) == 1)
        assert "ends at 1, and it has signed one of 3" in bench.answers.alarms[0]
        assert "ends at 1, and it has signed one of 3" in outbox.status()["alarms"][AlarmName.LOG]
        assert outbox.witnessed.breaks() == []
        assert set(sizes(bench)) == {1}
        await publish(broker, *records[1:])
        await until(lambda: bench.answers.alarms[1:] == [""])
        await until(lambda: sizes(bench)[-1] == 3)
        assert AlarmName.LOG not in outbox.status()["alarms"]


async def test_rotation_of_the_log_keys_is_no_gap(bench: Bench, broker: MemoryBroker) -> None:
    """A checkpoint by a key that is not known yet is looked up before anything is made of it; a stranger's once."""
    await publish(broker, bench.hq.append(leaf(1)))
    async with bench.running():
        await until(lambda: sizes(bench) == [1])
        before = bench.looked
        name, seed = bench.hq.origin, os.urandom(32)
        bench.hq.keys = [Signer(name, seed), Signer(name, seed[::-1], COSIGNATURE_MLDSA44)]
        await publish(broker, bench.hq.append(leaf(2)), bench.hq.append(leaf(3)))
        await until(lambda: sizes(bench)[-1] == 3)
        assert bench.looked == before + 1
        stranger = TestLog(seed=os.urandom(32))
        await publish(broker, stranger.append(leaf(7)), stranger.append(leaf(8)), bench.hq.append(leaf(4)))
        await until(lambda: sizes(bench)[-1] == 4)
        assert bench.looked == before + 2


async def test_garbage_on_the_topic_is_passed_over(bench: Bench, broker: MemoryBroker) -> None:
    """What HQ did not sign stops no witness."""
    stranger = TestLog(seed=os.urandom(32))
    record = bench.hq.append(leaf(1))
    cut = replace(record, value=record.value[:-30])
    await publish(broker, Published(b"1", b"junk", ()), stranger.append(leaf(7)), cut, record)
    async with bench.running() as outbox:
        await until(lambda: sizes(bench) == [1])
        assert outbox.witnessed.stopped() is None


async def test_receipt_that_is_not_logged_raises_an_alarm_that_clears_itself(
    bench: Bench, broker: MemoryBroker
) -> None:
    """Every receipt has to be in the log in time, whether its leaf comes before it or after it."""
    notes = [sign_note(f"cohub-receipt/v1\n{n}\n", [bench.hq.keys[0]]).to_bytes() for n in range(3)]
    leaves = [leaf_hash(f"cohub-receipt/v1\n{n}\n".encode()) for n in range(3)]
    await publish(broker, bench.hq.append(leaves[0]))
    async with bench.running() as outbox:
        await until(lambda: sizes(bench) == [1])
        old = write_time(datetime.now(UTC) - timedelta(hours=1))
        with outbox.database.transaction() as connection:
            receipts: list[tuple[Any, ...]] = [(note, 1, n + 1, old) for n, note in enumerate(notes)]
            must_be_logged(connection, cast("Any", receipts))
        await publish(broker, bench.hq.append(leaves[1]))
        await until(lambda: len(bench.answers.alarms) == 1)
        assert outbox.witnessed.waiting() == 1  # the first came after its leaf, the second before it
        assert "not in its log:  to 3" in outbox.status()["alarms"][AlarmName.NOT_LOGGED]
        assert sizes(bench) == [1, 2]  # consistent it is
        await publish(broker, bench.hq.append(leaves[2]))
        await until(lambda: bench.answers.alarms[1:] == [""])
        assert AlarmName.NOT_LOGGED not in outbox.status()["alarms"]


async def test_without_log_keys_nothing_is_witnessed_and_status_says_so(bench: Bench, broker: MemoryBroker) -> None:
    """A trust file of version 1 names no log keys: there is nothing to believe yet."""
    await publish(broker, bench.hq.append(leaf(1)))
    bench.keys = lambda: ()  # type: ignore[method-assign]
    async with bench.running() as outbox:
        await until(lambda: "fetch the new one" in outbox.witnessed.status()["state"])
        assert bench.answers.said == []
