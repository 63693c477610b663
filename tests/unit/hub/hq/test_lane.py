"""HQ's own lane as HQ reads it: whoever edits the database adds nothing to what HQ believes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.domain.hq_lane import HqLane
from hub.hq.headquarters import Headquarters, HqEvent
from hub.hq.lane import FollowedLane
from hub.protocol.avro import Codec, frame
from hub.protocol.errors import Fatal
from hub.protocol.keys import Signer
from hub.protocol.record import canonical, split_canonical
from hub.protocol.tree import leaf_hash
from hub.protocol.trust import HqKeys
from hub.store.read.reads import Reads
from tests.support.center import HUB, NOW, RELEASED, Center
from tests.support.hq import IDENTITY, Hq, center_record

STRANGE = Signer(f"{HUB}/uz", b"x" * 32).verifier
STOPPED = "the hq lane is not what HQ has sealed"
OF_HQ = "(SELECT id FROM lane WHERE center = 'hq')"


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    """Return HQ with two centers and some events of one."""
    made = await Hq.open(tmp_path, Center("uz"), Center("kz"))
    await made.said("suspended", Center("kz"), {"reason": "audit"})
    await made.feed("uz", Center("uz").opened(2))
    yield made
    await made.store.close()


def edit(hq: Hq, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(hq.database)) as db, db:
        db.execute(statement, values)


def one(hq: Hq, query: str) -> Any:
    with closing(sqlite3.connect(hq.database)) as db:
        return db.execute(query).fetchone()[0]


def anew(hq: Hq) -> Headquarters:
    """Return HQ as a process that starts on this database."""
    return Headquarters(hq.store, IDENTITY, RELEASED)


def with_strange_key(document: str) -> bytes:
    """Return a center's entity with one more key that seals."""
    entity = orjson.loads(document)
    entity["record"]["keys"] += [{**entity["record"]["keys"][0], "vkey": STRANGE.to_text()}]
    return orjson.dumps(entity, option=orjson.OPT_SORT_KEYS)


async def test_key_that_somebody_writes_into_an_entity_is_no_key(hq: Hq) -> None:
    """The running HQ does not believe it, nor one that starts; HQ says nothing that would be built on that row."""
    document = one(hq, "SELECT document FROM entity WHERE stream = 'center' AND id = 'hq:uz'")
    edited = with_strange_key(document)
    edit(
        hq,
        "UPDATE entity SET document = ?, digest = ? WHERE stream = 'center' AND id = 'hq:uz'",
        edited.decode(),
        sha256(edited).digest(),
    )
    await hq.register(Center("tj"))  # the lane grows, and is looked at again
    for headquarters in (hq.headquarters, anew(hq)):
        basis = await headquarters.basis()
        assert [key.vkey for key in basis.registry.centers["uz"].keys] == [Center("uz").signer.verifier.to_text()]
        assert STRANGE.public not in basis.keyring.centers["uz"].keys
        said = HqEvent("net.cohub.center.revised.v1", "uz", center_record(Center("uz"), name="New"))
        with pytest.raises(Fatal, match="another center hq:uz than the sealed hq lane makes"):
            await headquarters.say([said], NOW)


def forged_event(hq: Hq) -> bytes:
    """Return the canonical bytes of the registration of uz with another key, as if HQ had said so."""
    data = one(hq, f"SELECT data FROM ledger WHERE subject = 'hq:uz' AND lane_id = {OF_HQ}")
    headers, _ = split_canonical(data)
    schema = RELEASED["center/center.registered.v1.avsc"]
    record = center_record(Center("uz", seed=b"x" * 32))
    return canonical(headers, frame(schema.id, Codec(schema).encode(record)))


SIZE = f"(SELECT size FROM lane WHERE id = {OF_HQ})"
DAMAGES = {
    "event changed": f"UPDATE ledger SET data = :data, digest = :digest WHERE subject = 'hq:uz' AND lane_id = {OF_HQ}",
    "event emptied": f"UPDATE ledger SET data = x'' WHERE subject = 'hq:uz' AND lane_id = {OF_HQ}",
    "event of another type": f"UPDATE ledger SET data = 'text' WHERE subject = 'hq:uz' AND lane_id = {OF_HQ}",
    "event deleted": f"DELETE FROM ledger WHERE subject = 'hq:uz' AND lane_id = {OF_HQ}",
    "last event deleted": f"DELETE FROM ledger WHERE sequence = {SIZE} AND lane_id = {OF_HQ}",
    "last receipt deleted": f"DELETE FROM receipt WHERE last = {SIZE} AND lane_id = {OF_HQ}",
    "last seal swapped": f"UPDATE receipt SET seal = (SELECT seal FROM receipt WHERE last < {SIZE} AND lane_id ="
    f" {OF_HQ} ORDER BY last DESC LIMIT 1) WHERE last = {SIZE} AND lane_id = {OF_HQ}",
    "last receipt swapped": f"UPDATE receipt SET note = (SELECT note FROM receipt WHERE lane_id <> {OF_HQ} LIMIT 1)"
    f" WHERE last = {SIZE} AND lane_id = {OF_HQ}",
    "receipt that is text": f"UPDATE receipt SET note = 'text' WHERE last = {SIZE} AND lane_id = {OF_HQ}",
    "lane said to be longer": f"UPDATE lane SET size = size + 3 WHERE id = {OF_HQ}",
    "lane said to be no number": f"UPDATE lane SET size = 'many' WHERE id = {OF_HQ}",
    "lane given away": f"UPDATE lane SET center = 'uz' WHERE id = {OF_HQ}",
    "second lane": "INSERT INTO lane(origin, center, epoch, size, edge, state_digest, recorded_at_us, missing)"
    " VALUES ('hub.example/hq/ffffffff', 'hq', 'ffffffff', 0, x'', x'', 0, 0)",
    "lane renamed": f"UPDATE lane SET origin = 'hub.example/hq/ffffffff' WHERE id = {OF_HQ}",
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damaged_hq_lane_stops_hq_with_the_reason_and_the_way_out(hq: Hq, damage: str) -> None:
    """Whatever was done to its rows: HQ that starts on them reads no registry, and says what to do."""
    data = forged_event(hq)
    with closing(sqlite3.connect(hq.database)) as db, db:
        db.execute(DAMAGES[damage], {"data": data, "digest": leaf_hash(data)})
    with pytest.raises(Fatal, match=STOPPED) as raised:
        await anew(hq).basis()
    assert "hub audit verify" in str(raised.value)


async def test_hq_lane_whose_rows_were_put_back_goes_on(hq: Hq, tmp_path: Path) -> None:
    """The newest copy stands where the damaged rows were: HQ that starts on it believes and says as before."""
    before = await hq.headquarters.basis()
    kept = tmp_path / "kept"
    with closing(sqlite3.connect(hq.database)) as db, closing(sqlite3.connect(kept)) as copy:
        db.backup(copy)
    edit(hq, f"UPDATE lane SET size = size - 1 WHERE id = {OF_HQ}")
    with pytest.raises(Fatal, match=STOPPED):
        await anew(hq).basis()
    with closing(sqlite3.connect(kept)) as copy, closing(sqlite3.connect(hq.database)) as db:
        copy.backup(db)
    again = anew(hq)
    assert (await again.basis()).registry == before.registry
    kind = "net.cohub.center.resumed.v1"
    await again.say([HqEvent(kind, "kz", {"reason": "put right", "effective_on": None})], NOW)
    assert (await again.basis()).size == before.size + 1


async def test_lane_that_is_mended_is_read_again(hq: Hq) -> None:
    """The way out: with the rows as they were HQ goes on, and says what it has to say."""
    last = f"WHERE last = {SIZE} AND lane_id = {OF_HQ}"
    before = one(hq, f"SELECT seal FROM receipt {last}")
    edit(hq, f"UPDATE receipt SET seal = x'00' {last}")
    with pytest.raises(Fatal, match=STOPPED):
        await anew(hq).basis()
    edit(hq, f"UPDATE receipt SET seal = ? {last}", before)
    await anew(hq).say([HqEvent("net.cohub.center.registered.v1", "tj", center_record(Center("tj")))], NOW)
    assert "tj" in (await anew(hq).basis()).registry.centers


async def test_lane_of_a_newer_release_stops_hq_and_says_so(hq: Hq) -> None:
    """What it does not know it can't judge under: here the schema of a center's suspension is missing."""
    known = {path: schema for path, schema in RELEASED.items() if "suspended" not in path}
    with pytest.raises(Fatal, match=r"a newer release wrote .*: update cohub here"):
        await Headquarters(hq.store, IDENTITY, known).basis()


async def test_rows_behind_the_last_seal_are_not_read(hq: Hq) -> None:
    """A ledger row that somebody adds is under no seal: it says nothing, now and when HQ starts anew."""
    before = await hq.headquarters.lane.read()
    edit(
        hq,
        "INSERT INTO ledger(lane_id, sequence, data, digest, code, field, params, type, subject, version)"
        f" VALUES ({OF_HQ}, {SIZE} + 1, ?, ?, 'ACCEPTED', '', '', 'net.cohub.center.key_added.v1', 'hq:uz', 2)",
        forged_event(hq),
        leaf_hash(forged_event(hq)),
    )
    assert await anew(hq).lane.read() == await hq.headquarters.lane.read() == before


async def test_row_and_receipt_that_somebody_adds_stop_hq(hq: Hq) -> None:
    """With a receipt and a seal by strange keys, and the lane's size moved: the running HQ does not follow."""
    await hq.headquarters.basis()
    data = forged_event(hq)
    edit(
        hq,
        "INSERT INTO ledger(lane_id, sequence, data, digest, code, field, params, type, subject, version)"
        f" VALUES ({OF_HQ}, {SIZE} + 1, ?, ?, 'ACCEPTED', '', '', 'net.cohub.center.key_added.v1', 'hq:uz', 2)",
        data,
        leaf_hash(data),
    )
    edit(
        hq,
        "INSERT INTO receipt(lane_id, last, first, seal, edge, note, recorded_at_us, basis)"
        f" SELECT lane_id, last + 1, last + 1, seal, edge, note, recorded_at_us, basis FROM receipt"
        f" WHERE lane_id = {OF_HQ} AND last = {SIZE}",
    )
    edit(hq, f"UPDATE lane SET size = size + 1 WHERE id = {OF_HQ}")
    for headquarters in (hq.headquarters, anew(hq)):
        with pytest.raises(Fatal, match=STOPPED):
            await headquarters.basis()


@pytest.mark.parametrize("restarts", [False, True])
async def test_lane_that_was_cut_back_is_noticed(hq: Hq, *, restarts: bool) -> None:
    """Its last commit and all that tells of it deleted: the running HQ knows its size, a new one from other lanes."""
    await hq.headquarters.basis()
    last = one(hq, f"SELECT max(first) FROM receipt WHERE lane_id = {OF_HQ}")
    edit(hq, f"DELETE FROM ledger WHERE sequence >= ? AND lane_id = {OF_HQ}", last)
    edit(hq, f"DELETE FROM receipt WHERE first >= ? AND lane_id = {OF_HQ}", last)
    edit(hq, f"UPDATE lane SET size = ? WHERE id = {OF_HQ}", last - 1)
    with pytest.raises(Fatal, match=STOPPED):
        await (anew(hq) if restarts else hq.headquarters).basis()


async def test_a_thousand_events_are_read_within_a_second(tmp_path: Path) -> None:
    """At each start, and at each command, HQ reads its whole lane: one signature stands for many events."""
    hq = await Hq.open(tmp_path, Center("uz"))
    number = 0
    while (await hq.store.changes()).basis < 1_000:
        records = [
            HqEvent("net.cohub.center.registered.v1", f"c{number + i}", center_record(Center(f"c{number + i}")))
            for i in range(250)
        ]
        await hq.headquarters.say(records, NOW)
        number += 250
    began = time.perf_counter()
    lane = await anew(hq).lane.read()
    took_s = time.perf_counter() - began
    assert (lane.size, len(lane.registry().centers)) == ((await hq.store.changes()).basis, number + 2)
    assert took_s < 5  # 0.1 s where it was measured
    assert lane.taken([], IDENTITY.hq_keys(), {}) == lane != HqLane()
    await hq.store.close()


async def test_lane_is_followed_by_public_keys_alone(hq: Hq) -> None:
    """Who stays reads on from where it was; since when a center is suspended stands in it, and edits stop it."""
    keys, looks = IDENTITY.hq_keys(), []
    followed = FollowedLane(lambda: keys, RELEASED)

    def look() -> HqLane:
        with closing(Reads.open(hq.database, followed)) as reads, reads.snapshot() as now:
            looks.append(now.lane.size)
            return now.lane

    first = look()
    assert (first.registry().centers["kz"].status, first.changed) == ("suspended", {"kz": first.recorded_at})
    assert first.recorded_at is not None
    hq.now = first.recorded_at + timedelta(hours=1)
    await hq.said("resumed", Center("kz"))
    then = look()
    assert (then.registry().centers["kz"].status, then.changed) == ("active", {"kz": look().recorded_at})
    assert then.changed["kz"] == hq.now
    assert looks == [first.size, first.size + 1, first.size + 1]
    edit(hq, f"UPDATE lane SET size = size - 1 WHERE id = {OF_HQ}")
    with pytest.raises(Fatal, match=STOPPED):
        look()


async def test_lane_by_keys_that_are_not_known_is_not_followed(hq: Hq) -> None:
    """A database of another hub is nobody's word."""
    other = HqKeys(HUB, (Signer(f"{HUB}/hq", b"z" * 32).verifier,), (IDENTITY.receipts.verifier,))
    reads = Reads.open(hq.database, FollowedLane(lambda: other, RELEASED))
    with closing(reads), reads.snapshot() as now, pytest.raises(Fatal, match=STOPPED):
        now.lane  # noqa: B018
