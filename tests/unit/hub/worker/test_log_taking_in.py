"""HQ's log, whose database went back, goes on from what HQ had signed: the same leaves, the same notes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiokafka import TopicPartition

from hub.audit.verify import verify
from hub.hq.identity import TRUST_FILE
from hub.kafka.cluster import Cluster
from hub.kafka.memory_log import Unwritten
from hub.ledger.notary import NOTHING_KNOWN, Unlogged, read_record, receipt_text
from hub.protocol.errors import Malformed
from hub.protocol.topics import CHECKPOINTS
from hub.protocol.tree import leaf_hash
from hub.protocol.trust import open_trust
from hub.protocol.witness import LENT_LOG_KIND, LentLog
from hub.store.backup_copy import copy_database
from hub.worker.checkpoint_topic import Said
from hub.worker.log_taking_in import LogTakingIn, UnloggedPlaces
from hub.worker.notary import Notary
from tests.support.center import NOW, Center
from tests.support.hq import IDENTITY, Hq
from tests.support.notaries import ORIGIN, REST_S, Board, Clock, notary, reader, witness
from tests.support.peek import edit, peek

if TYPE_CHECKING:
    from hub.base.kafka import Clients
    from hub.store.store import Store

LOG = (
    "SELECT * FROM log_leaf ORDER BY 1",
    "SELECT size, note, edge FROM checkpoint ORDER BY 1",
    "SELECT * FROM logged",
)


@dataclass
class Gone:
    """HQ's log as it was said on its topic; a database that has its receipts and not its end; one that has neither."""

    before: Hq
    with_receipts: Hq
    without: Hq
    board: Board
    clock: Clock
    center: Center
    newest: int


@pytest.fixture
async def gone(tmp_path: Path) -> AsyncIterator[Gone]:
    center, board, clock = Center(), Board(), Clock()
    async with AsyncExitStack() as closing:
        hq = await Hq.open(tmp_path / "a", center)
        closing.push_async_callback(hq.store.close)
        await hq.feed("uz", center.opened(2))
        signing = notary(hq.store, board, clock)
        await signing.round()
        copies = {}
        for name in ("c", "b"):
            (tmp_path / name).mkdir()
            copy_database(hq.database, tmp_path / name / "hub.sqlite3")
            for number in range(3) if name == "c" else ():
                await hq.feed("uz", center.offers(2, first=10 * (number + 1)))
                if number == 2:
                    copy_database(hq.database, tmp_path / "receipts.sqlite3")
        (tmp_path / "b" / "hub.sqlite3").unlink()
        (tmp_path / "receipts.sqlite3").rename(tmp_path / "b" / "hub.sqlite3")
        for _ in range(2):
            clock.move(REST_S)
            await signing.round()
            await hq.feed("uz", center.offers(1, first=100 + int(clock.s)))
        copies = {name: await Hq.open(tmp_path / name) for name in ("b", "c")}
        for copy in copies.values():
            closing.push_async_callback(copy.store.close)
        yield Gone(hq, copies["b"], copies["c"], board, clock, center, reader(hq).size)


def findings(path: Path) -> list[str]:
    trust = open_trust((path.parent / "keys" / TRUST_FILE).read_bytes())
    return [str(finding.what) for finding in verify(path, trust).findings]


async def rounds(signing: Notary, clock: Clock, count: int = 8) -> None:
    for _ in range(count):
        clock.move(REST_S)
        await signing.round()


async def test_log_goes_on_from_what_hq_had_signed(gone: Gone) -> None:
    """Leaves and notes are those of before, in their places, and the witness never sees another log."""
    signing = notary(gone.with_receipts.store, gone.board, gone.clock, "second")
    await signing.round()
    assert signing.stopped is not None
    assert signing.stopped.why == "SIGNED_BEYOND"
    had = {query: peek(gone.before.database, query) for query in LOG}
    records = gone.board.records
    await rounds(signing, gone.clock, 1)
    first = reader(gone.with_receipts).size
    assert first > 3
    for query in LOG[:2]:
        now = peek(gone.with_receipts.database, query)
        assert now == had[query][: len(now)]
    assert gone.board.records == records
    assert witness(gone.board) == gone.newest


async def test_log_waits_for_receipts_and_begins_anew_where_a_person_says_so(gone: Gone) -> None:
    """Until then nothing is signed; then the leaves stay where they were, as lost ones, and the log goes on."""
    store = gone.without.store
    signing = notary(store, gone.board, gone.clock, "second")
    await rounds(signing, gone.clock)
    size = reader(gone.without).size
    assert signing.stopped is not None
    assert size < gone.newest
    await store.owed.begin_log(gone.newest, "a test", NOW)
    await rounds(signing, gone.clock)
    assert signing.stopped is None
    log = reader(gone.without)
    assert log.size == gone.newest
    assert [leaf.hash for leaf in log.leaves(0, gone.newest)] == [
        leaf.hash for leaf in reader(gone.before).leaves(0, gone.newest)
    ]
    assert log.root(gone.newest) == reader(gone.before).root(gone.newest)
    assert log.standing().lost == gone.newest - size
    await gone.without.feed("uz", Center(id="uz", epoch="0000abce").opened(2))
    await rounds(signing, gone.clock)
    assert reader(gone.without).size == gone.newest + 1
    assert witness(gone.board) == gone.newest + 1


async def test_lost_leaf_that_nobody_confirmed_is_found(gone: Gone) -> None:
    """Whoever takes a receipt out of the log by editing the database is found by the audit."""
    await gone.without.store.owed.begin_log(gone.newest, "a test", NOW)
    await rounds(notary(gone.without.store, gone.board, gone.clock, "second"), gone.clock)
    assert [what for what in findings(gone.without.database) if what.startswith("LOG")] == []
    await gone.without.store.close()
    # Nor does a size excuse it of which HQ has signed nothing: such a row anybody can write.
    edit(gone.without.database, "UPDATE log_begun SET size = 1000000")
    assert "LOG_LEAF" in findings(gone.without.database)
    edit(gone.without.database, "DELETE FROM log_begun")
    assert "LOG_LEAF" in findings(gone.without.database)


async def test_witness_lends_what_the_topic_lost(gone: Gone) -> None:
    """Parts that lead from our log to a checkpoint by HQ are taken; all else that was lent is passed over."""
    stored = [read_record(*record)[1] for record in gone.board.records]
    newest = stored[-2]  # whose receipts are all there
    leaves = tuple(leaf for each in stored for leaf in each.leaves)[: newest.size]
    ours = await gone.with_receipts.store.log.read(ORIGIN)
    good = [LentLog(at, leaves[at : at + 2], newest.note) for at in range(ours.size, newest.size, 2)]
    bad = [LentLog(ours.size, (b"x" * 32,) * (newest.size - ours.size), newest.note.replace(b"+", b"/"))]

    class Lending(Board):
        async def lent(self, centers: object) -> list[bytes]:
            del centers
            return [b"nothing", *(part.to_bytes() for part in (*bad, *good))]

    taking = LogTakingIn(gone.with_receipts.store, IDENTITY, ORIGIN, Lending())
    assert await taking.look(ours, ["uz"])
    assert await taking.next(ours)
    log = await gone.with_receipts.store.log.read(ORIGIN)
    assert (log.size, log.note) == (newest.size, newest.note)


class CountingBoard(Board):
    """Counts the records that were read of the topic."""

    def __init__(self, records: list[Said]) -> None:
        super().__init__(records)
        self.read, made = 0, self.broker.consumer

        def consumer(*topics: str, **settings: Any) -> Any:
            client: Any = made(*topics, **settings)
            getmany = client.getmany

            async def counted(*partitions: Any, **more: Any) -> Any:
                found = await getmany(*partitions, **more)
                self.read += sum(len(records) for records in found.values())
                return found

            client.getmany = counted
            return client

        self._cluster = Cluster(("b:1",), clients=cast("Clients", _Clients(consumer)))

    def taken(self) -> int:
        """Return how many were read since this was asked last."""
        found, self.read = self.read, 0
        return found


@dataclass
class _Clients:
    consumer: Any


async def test_topic_of_a_log_that_went_back_is_read_once_and_then_what_is_new(gone: Gone) -> None:
    """It is looked at every five seconds: of what was read only the last record, which tells if it is the same."""
    records = gone.board.records
    board, ours = CountingBoard(records[:-1]), await gone.without.store.log.read(ORIGIN)
    taking, count = LogTakingIn(gone.without.store, IDENTITY, ORIGIN, board), len(records)
    assert count >= 3
    assert await taking.look(ours, [])
    assert board.taken() == count - 1
    for _ in range(3):
        assert await taking.look(ours, [])
        assert board.taken() == 1
    value, headers = records[-1]
    board.broker.write(TopicPartition(CHECKPOINTS, 0), [Unwritten(0, b"key", value, tuple(headers))])
    assert await taking.look(ours, [])
    assert board.taken() == 2
    for again in (records[:-1], [records[0], *records]):  # made anew, with less than before and with more
        board.records = again
        assert await taking.look(ours, [])
        assert board.taken() >= len(again)
        assert await taking.look(ours, [])
        assert board.taken() == 1


class CountingLog:
    """A store whose log counts the receipts that were asked for."""

    def __init__(self, store: Store) -> None:
        self.log, self._store, self.read = self, store, 0

    async def unlogged(self, limit: int, known: Mapping[int, int] = NOTHING_KNOWN) -> list[Unlogged]:
        found = await self._store.log.unlogged(limit, known)
        self.read += len(found)
        return found


async def test_receipts_that_are_no_leaf_are_hashed_once_while_one_is_waited_for(gone: Gone) -> None:
    """Each second it is looked whether the one has come."""
    hq = gone.with_receipts
    counting, size = CountingLog(hq.store), (await hq.store.log.read(ORIGIN)).size
    places, behind = UnloggedPlaces(cast("Store", counting)), reader(hq).behind()
    wanted = frozenset([b"w" * 32])
    for _ in range(3):
        assert len(await places.find(size, wanted)) == behind
    assert counting.read == behind
    await hq.feed("uz", Center(id="uz", epoch="0000abce").opened(2))
    new = reader(hq).behind() - behind
    assert new > 0
    found = await places.find(size, wanted)
    assert (len(found), counting.read) == (behind + new, behind + new)
    every = await hq.store.log.unlogged(1000)
    assert found == {leaf_hash(receipt_text(each.note)): (each.lane_id, each.last) for each in every}
    await places.find(size + 1, wanted)  # another worker has gone on: what is no leaf yet is asked for anew
    assert counting.read == 2 * (behind + new)


def test_lent_log_is_read_as_it_was_written() -> None:
    """Half a leaf, none, too many, and numbers that are none are refused."""
    part = LentLog(7, (leaf_hash(b"1"), leaf_hash(b"2")), b"a note\n")
    data = part.to_bytes()
    assert LentLog.from_bytes(data) == part
    for broken in (
        b"",
        b"\n",
        data[:40],
        data.replace(b" 2\n", b" 0\n"),
        data.replace(b" 2\n", b" 99999\n"),
        b"x" + data,
    ):
        with pytest.raises(Malformed):
            LentLog.from_bytes(broken)
    assert LENT_LOG_KIND == "log"
