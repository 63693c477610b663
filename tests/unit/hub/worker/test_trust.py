"""A worker takes over rotated keys only when the note that names them is published."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.base.faulty import Fault
from hub.hq.identity import Identity, load_identity, make_identity, read_root
from hub.hq.rotation import current, next_note, put, rotated
from hub.kafka.cluster import Cluster
from hub.kafka.memory import MemoryBroker
from hub.protocol.errors import Retriable
from hub.protocol.topics import TRUST
from hub.worker.trust import TrustPublisher
from tests.support.fanned import at

NOWHERE = Cluster.at("127.0.0.1:9")


def rotate(folder: Path) -> None:
    identity = load_identity(folder)
    put(
        folder,
        next_note(rotated(identity, "receipts"), datetime.now(UTC), "x"),
        read_root(folder / "root.key", current(identity).root),
    )


async def test_keys_are_not_taken_over_while_the_broker_is_away(tmp_path: Path) -> None:
    """Nobody could look them up: the old ones go on, and the log says once why."""
    folder = tmp_path / "keys"
    make_identity(folder, "hub.example")
    identity = load_identity(folder)
    before = identity.receipts
    rotate(folder)
    with capture_logs() as logs:
        task = asyncio.create_task(TrustPublisher(NOWHERE, identity).run())
        async with asyncio.timeout(20):
            while not logs:
                await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait([task])
    assert {entry["event"] for entry in logs} == {"keys_not_taken_over"}
    assert "can't be published" in logs[0]["error"]
    assert identity.receipts == before != load_identity(folder).receipts


async def test_worker_with_rotated_keys_does_not_start_without_a_broker_and_others_do(tmp_path: Path) -> None:
    """A hub whose keys were never rotated has nothing to tell that its centers do not have."""
    folder = tmp_path / "keys"
    make_identity(folder, "hub.example")
    await TrustPublisher(NOWHERE, load_identity(folder)).first()
    rotate(folder)
    with pytest.raises(Retriable, match="can't be published"):
        await TrustPublisher(NOWHERE, load_identity(folder)).first()


async def taken_over(publisher: TrustPublisher, identity: Identity, expected: Identity) -> list[str]:
    """Run it until the identity is the expected one; return what was logged."""
    with capture_logs() as logs:
        task = asyncio.create_task(publisher.run())
        async with asyncio.timeout(20):
            while identity.receipts != expected.receipts:
                await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait([task])
    return [entry["event"] for entry in logs]


@pytest.mark.parametrize("fault", list(Fault))
async def test_keys_are_taken_over_once_the_note_that_names_them_is_known_to_be_there(
    tmp_path: Path, fault: Fault
) -> None:
    """Refused, or there though it was said to have failed: the note is published again, and signed by only then."""
    folder, broker = tmp_path / "keys", MemoryBroker({TRUST: 1})
    make_identity(folder, "hub.example")
    identity = load_identity(folder)
    before = identity.receipts
    rotate(folder)
    expected = load_identity(folder)
    broker.fail(fault, topic=TRUST)
    publisher = TrustPublisher(at(broker), identity)
    with pytest.raises(Retriable, match="can't be published"):
        await publisher.publish(expected)
    assert identity.receipts == before
    broker.fail(fault, topic=TRUST)
    tried_again = ["keys_not_taken_over"] if fault is Fault.REFUSED else []  # else it stands there, and is seen
    assert await taken_over(publisher, identity, expected) == [*tried_again, "keys_taken_over"]
    assert {(record.key, record.value) for record in broker.records(TRUST)} == {(b"hub.example", expected.note)}


@pytest.mark.parametrize("fault", list(Fault))
async def test_worker_whose_first_note_failed_does_not_start_and_the_next_one_does(
    tmp_path: Path, fault: Fault
) -> None:
    """Nothing is signed by rotated keys before every connector can look them up."""
    folder, broker = tmp_path / "keys", MemoryBroker({TRUST: 1})
    make_identity(folder, "hub.example")
    rotate(folder)
    broker.fail(fault, topic=TRUST)
    with pytest.raises(Retriable, match="can't be published"):
        await TrustPublisher(at(broker), load_identity(folder)).first()
    identity = load_identity(folder)
    await TrustPublisher(at(broker), identity).first()
    assert {record.value for record in broker.records(TRUST)} == {identity.note}


class Others:
    """Whether another worker has the lease."""

    def __init__(self, *, ours: bool) -> None:
        self.ours = ours

    async def __call__(self) -> bool:
        return self.ours


async def test_worker_that_does_not_lead_takes_the_keys_over_when_the_note_stands_there(tmp_path: Path) -> None:
    """It says nothing itself: one of several workers does, each with files of its own."""
    folder, broker = tmp_path / "keys", MemoryBroker({TRUST: 1})
    make_identity(folder, "hub.example")
    follower, leader = load_identity(folder), load_identity(folder)
    before = follower.receipts
    rotate(folder)
    expected = load_identity(folder)
    following = asyncio.create_task(TrustPublisher(at(broker), follower, Others(ours=False), 60.0).run())
    await asyncio.sleep(1.5)
    assert (follower.receipts, broker.records(TRUST)) == (before, [])
    assert await taken_over(TrustPublisher(at(broker), leader, Others(ours=True)), leader, expected)
    async with asyncio.timeout(20):
        while follower.receipts != expected.receipts:
            await asyncio.sleep(0.02)
    following.cancel()
    await asyncio.wait([following])
    assert [record.value for record in broker.records(TRUST)] == [expected.note]


async def test_worker_whose_leader_has_older_files_says_the_note_after_a_while(tmp_path: Path) -> None:
    """Workers that are given new files one after the other wait for none that is given them last."""
    folder, broker = tmp_path / "keys", MemoryBroker({TRUST: 1})
    make_identity(folder, "hub.example")
    identity = load_identity(folder)
    rotate(folder)
    expected = load_identity(folder)
    publisher = TrustPublisher(at(broker), identity, Others(ours=False), 0.5)
    assert await taken_over(publisher, identity, expected) == ["keys_taken_over"]
    assert [record.value for record in broker.records(TRUST)] == [expected.note]


@pytest.mark.parametrize("leads", [True, False])
async def test_older_note_is_never_said_over_a_newer_one(tmp_path: Path, *, leads: bool) -> None:
    """A worker whose files are older leaves what stands there, also when it starts."""
    folder, broker = tmp_path / "keys", MemoryBroker({TRUST: 1})
    make_identity(folder, "hub.example")
    rotate(folder)
    older = load_identity(folder)
    rotate(folder)
    await TrustPublisher(at(broker), load_identity(folder)).first()
    note = broker.records(TRUST)[-1].value
    (folder / "trust.note").write_bytes(older.note)
    publisher = TrustPublisher(at(broker), older, Others(ours=leads), 0.0)
    await publisher.first()
    task = asyncio.create_task(publisher.run())
    await asyncio.sleep(1.5)
    task.cancel()
    await asyncio.wait([task])
    assert [record.value for record in broker.records(TRUST)] == [note]
