"""Every durable write of a center's end fails once: refused, or done though its caller was told that it failed.

Each of these runs the real sender and the real receipt reader. Whatever failed, and whenever: in the end both ends have
the same lane, every event was accepted once, and every row has its verdict.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.mapping.outcome import RowOutcome, Wanted
from connectors.runtime.codecs import Codecs
from connectors.runtime.course import Course
from connectors.runtime.presence import RefusedRows, Sayer, presence_note
from hub.base.faulty import Fault
from hub.domain.entity import Entity
from hub.protocol.errors import Rejected, Retriable
from hub.protocol.verdict import Code
from tests.support.answering import AnsweringHq
from tests.support.end import CENTER, HUB, KEY, RECEIPTS, TOPIC, End, broker_of_a_center, running, until

COMMITS = 20  # of the life below, when nothing fails, or a few less: what comes together is one commit
WRITES = 4  # of batches, likewise at most: how many batches there are is a matter of time


def sayer(end: End) -> Sayer:
    """Return what says that the center is there, as the daemon has it."""
    return Sayer(end.settings, end.outbox, KEY, RefusedRows(end.outbox.path), lambda: end.reader.told)


def row(number: int, key: str, title: str, status: str = "published") -> RowOutcome:
    """Return a row that the mapping has read."""
    record = {"title": title, "language": "en", "export_control": "free"}
    return RowOutcome(
        number,
        key,
        Wanted("offer", f"{CENTER}:{key}", status, record, None, {"reason": "sold"} if status == "withdrawn" else None),
        (),
        False,
        f"{key}{title}{status}".encode(),
    )


@pytest.fixture
async def end(tmp_path: Path, codecs: Codecs) -> AsyncIterator[End]:
    end = End(tmp_path, broker_of_a_center(), codecs)
    yield end
    end.outbox.close()


@pytest.fixture
async def hq(end: End) -> AsyncIterator[AnsweringHq]:
    async with AnsweringHq("memory:1", HUB, CENTER, KEY.verifier, RECEIPTS, end.broker) as hq:
        hq.refuse = lambda _entity, value: (
            Rejected(Code.CODE_NOT_LISTED, "title", "list=x") if "bad" in str(value.get("title")) else None
        )
        yield hq


async def live(end: End, hq: AnsweringHq) -> None:
    """A lane is opened, rows are taken, one is rejected and mended, one is withdrawn; all of it is answered."""
    async with end.running():
        end.take([row(2, "A", "first"), row(3, "B", "bad"), row(4, "C", "third")])
        await end.settle({"A": "accepted", "B": "rejected", "C": "accepted"})
        end.take([row(2, "A", "first"), row(3, "B", "good"), row(4, "C", "third", "withdrawn")])
        await end.settle({"A": "accepted", "B": "accepted", "C": "accepted"})
    end.check(hq)
    titles = {entity.id.partition(":")[2]: entity.record["title"] for entity in offers(hq)}
    assert titles == {"A": "first", "B": "good", "C": "third"}
    assert {entity.id.partition(":")[2]: entity.status for entity in offers(hq)}["C"] == "withdrawn"
    assert len(hq.accepted) == 5  # the lane's opening, A, C, then B again and C's end


def offers(hq: AnsweringHq) -> list[Entity]:
    return [entity for entity in hq.entities.values() if entity.stream == "offer"]


async def test_life_without_a_fault_has_as_many_writes_as_are_tried(end: End, hq: AnsweringHq) -> None:
    """Were there more of them, some would go untried below."""
    await live(end, hq)
    assert end.faults.writes <= COMMITS
    assert end.faults.writes > COMMITS - 8
    assert end.broker.writes >= 2


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("nth", range(1, COMMITS + 1))
async def test_life_goes_on_when_a_commit_fails(end: End, hq: AnsweringHq, nth: int, fault: Fault) -> None:
    end.faults.plan(fault, nth)
    await live(end, hq)


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("nth", range(1, WRITES + 1))
async def test_life_goes_on_when_a_batch_fails(end: End, hq: AnsweringHq, nth: int, fault: Fault) -> None:
    end.broker.fail(fault, nth, topic=TOPIC)
    await live(end, hq)


def small_hq(end: End) -> AnsweringHq:
    return AnsweringHq("memory:1", HUB, CENTER, KEY.verifier, RECEIPTS, end.broker)


async def test_life_goes_on_when_the_link_is_lost_with_acknowledgements_under_way(end: End) -> None:
    """The broker has what it did not acknowledge: it is sent again, and HQ takes it once."""
    end.broker.hold()
    async with end.running():
        end.take([row(2, "A", "first")])
        await until(lambda: len(end.sent()) >= 2)
        end.broker.cut()
        end.broker.mend()
        end.broker.release()
        await until(lambda: end.sender.sent == 2)
        assert len(end.sent()) > len(set(end.sent()))
        async with small_hq(end) as hq:
            await end.settle({"A": "accepted"})
    end.check(hq)


@pytest.mark.parametrize("fault", Fault)
async def test_events_without_a_file_are_sent_once_though_queueing_them_failed(
    end: End, hq: AnsweringHq, fault: Fault
) -> None:
    """Refused, they are not there; done all the same they go out, though nobody else rings."""
    events = [end.event("A"), end.event("B")]
    async with end.running():
        await until(end.sender.linked.is_set)
        await end.settle({})
        end.faults.plan(fault)
        with pytest.raises(Retriable):
            end.outbox.enqueue_events(events)
        if fault is Fault.REFUSED:
            assert not end.outbox.backlog()
            end.outbox.enqueue_events(events)
        await end.settle({})
    end.check(hq)
    assert hq.accepted[1:] == [event.id for event in events]


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("nth", [1, 2, 3])  # the reading begins, its rows are queued, it ends
async def test_rows_are_sent_once_though_taking_them_failed(end: End, hq: AnsweringHq, nth: int, fault: Fault) -> None:
    """What was queued all the same goes out, though the next reading finds nothing to queue."""
    async with end.running():
        await until(end.sender.linked.is_set)
        await end.settle({})
        end.faults.plan(fault, nth)
        end.take([row(2, "A", "first"), row(3, "B", "second")])
        assert end.failed == 1
        await end.settle({"A": "accepted", "B": "accepted"})
    end.check(hq)
    assert len(hq.accepted) == 3


@pytest.mark.parametrize("fault", Fault)
async def test_batch_is_sealed_once_though_its_commit_failed(end: End, hq: AnsweringHq, fault: Fault) -> None:
    """No two seals of one size: what the file has is what is sent."""
    async with end.running():
        await until(end.sender.linked.is_set)
        await end.settle({})
        end.take([row(2, "A", "first")])
        end.faults.plan(fault)  # the sender has not had its turn yet
        await end.settle({"A": "accepted"})
    end.check(hq)
    assert end.database.read("SELECT first, last FROM batch") == [(1, 1), (2, 2)]


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("nth", [1, 2, 3])  # as many receipts come, one by one or together
async def test_row_whose_plan_was_shaken_is_planned_again_though_storing_the_receipts_failed(
    end: End, nth: int, fault: Fault
) -> None:
    """Its revision was presumed on what HQ rejects: the file is read again, even if nobody was told which it is."""
    async with end.running():
        end.take([row(2, "A", "bad")])
        await until(lambda: len(end.sent()) >= 2)
        end.take([row(2, "A", "good")])
        await until(lambda: len(end.sent()) >= 3)
        end.faults.plan(fault, nth)
        async with small_hq(end) as hq:
            rejections = iter([Rejected(Code.BAD_VALUE, "title", ""), Rejected(Code.UNKNOWN_ENTITY, "", "")])
            hq.refuse = lambda _entity, _value: next(rejections, None)
            await end.settle({"A": "accepted"})
    end.check(hq)
    assert [entity.record["title"] for entity in offers(hq)] == ["good"]


@pytest.mark.parametrize("fault", Fault)
async def test_lane_is_opened_once_at_a_start_though_its_commit_failed(
    end: End, hq: AnsweringHq, tmp_path: Path, codecs: Codecs, fault: Fault
) -> None:
    """What has no receipt is said in the new lane, and nothing in the old one any more."""
    async with end.running():
        end.take([row(2, "A", "first")])
        await end.settle({"A": "accepted"})
    before = end.outbox.lane.origin
    end.outbox.epoch_new("a test wants it")
    end.outbox.close()
    again = End(tmp_path, end.broker, codecs)
    with again.outbox:
        again.take([row(2, "A", "first"), row(3, "B", "second")])
        again.faults.plan(fault)
        async with again.running():
            await again.settle({"A": "accepted", "B": "accepted"})
        assert again.outbox.lane.origin != before
        assert len(again.database.read("SELECT * FROM epoch")) == 2
        again.check(hq)
    assert len(hq.accepted) == 4


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("nth", [1, 2, 3])  # HQ's word is stored, what HQ holds is forgotten, the lane is opened
async def test_lane_is_opened_while_it_runs_though_a_commit_failed(
    end: End, hq: AnsweringHq, nth: int, fault: Fault
) -> None:
    """HQ has more of our lane than we do: a new one is opened and told of, without a restart, and rows go on in it."""
    async with end.running():
        end.take([row(2, "A", "first")])
        await end.settle({"A": "accepted"})
        await end.rest()
        before = end.outbox.lane.origin
        end.faults.plan(fault, nth)
        await hq.claim_more(before)
        await until(lambda: end.outbox.lane.origin != before and end.outbox.lane.receipted())
        await end.settle({"A": "accepted"})
        end.take([row(2, "A", "first"), row(3, "B", "second")])
        await end.settle({"A": "accepted", "B": "accepted"})
    assert len(end.database.read("SELECT * FROM epoch")) == 2
    end.check(hq)


@pytest.mark.parametrize("fault", Fault)
async def test_what_hq_asks_for_is_sent_again_though_a_commit_failed(end: End, hq: AnsweringHq, fault: Fault) -> None:
    """HQ asks once, and then not for a while; where its silence is no reason yet nothing else would send it again."""
    end.sender._course = Course.begin(60.0, time.monotonic())
    hq.loses_receipts = 100
    async with end.running():
        end.take([row(2, "A", "first")])
        await until(lambda: len(hq.accepted) == 2)  # the lane, and A
        await end.rest()
        sent = end.sent()
        end.faults.plan(fault)
        await hq.ask_again(hq.lanes[end.outbox.lane.origin.rpartition("/")[2]], 1)
        await until(lambda: end.sent() == [*sent, *sent])
        await end.settle({"A": "accepted"})
    end.check(hq)


@pytest.mark.parametrize("fault", Fault)
async def test_purge_goes_on_where_it_was_though_its_commit_failed(end: End, hq: AnsweringHq, fault: Fault) -> None:
    """What is deleted was receipted long ago; the lane goes on from what is left."""
    async with end.running():
        for title in ("first", "second", "third"):
            end.take([row(2, "A", title)])
            await end.settle({"A": "accepted"})
        later = datetime.now(UTC) + timedelta(days=91)
        end.faults.plan(fault)
        with pytest.raises(Retriable):
            end.outbox.purge(later)
        assert end.outbox.purge(later) == (3 if fault is Fault.REFUSED else 0)
        end.take([row(2, "A", "fourth")])
        await end.settle({"A": "accepted"})
    end.check(hq)


@pytest.mark.parametrize("fault", Fault)
async def test_events_go_out_though_a_control_record_failed(end: End, hq: AnsweringHq, fault: Fault) -> None:
    """A producer of which one write failed takes no more: the next one begins where it is not known."""
    async with end.running():
        await until(end.sender.linked.is_set)
        await end.settle({})
        end.broker.fail(fault, topic=TOPIC)
        note = presence_note(end.settings, end.outbox, KEY, datetime.now(UTC))
        assert not await end.sender.send_control("presence", note)
        end.take([row(2, "A", "first")])
        await end.settle({"A": "accepted"})
    end.check(hq)


async def test_presence_is_told_when_there_is_a_link_and_tells_what_is_sealed(end: End, hq: AnsweringHq) -> None:
    async with end.running(), running(sayer(end).tell(end.sender)):
        end.take([row(2, "A", "first")])
        await end.settle({"A": "accepted"})
        await until(lambda: any(told.size == 2 and not told.backlog for told in hq.presence))
    assert end.database.meta("sent") == 2
    assert all(told.origin == end.outbox.lane.origin for told in hq.presence[1:])
