"""What every store keeps of records that became no events: no more than a center's quota."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hub.ledger.reading import Reading
from hub.ledger.witness import STRANGE
from hub.protocol.tree import leaf_hash
from hub.store.store import JUNK_SHARE, KEPT_BYTES_MAX, KEPT_KEY_BYTES_MAX, WHOLE_SHARE
from tests.contract.conftest import QUOTA_BYTES
from tests.support.center import Sent
from tests.support.engines import Engine
from tests.support.hq import Hq


async def test_quarantine_stays_within_its_quota(hq: Hq, engine: Engine, tmp_path: Path) -> None:
    """A few records are kept whole, of more their beginnings, and the rest is counted; another center's is its own."""
    share = int(QUOTA_BYTES * WHOLE_SHARE) // 2 - 1_500
    records = [
        Sent(b"x" * 5_000, n.to_bytes(4, "big") * (share // 4), (("no", b"header of ours"),), offset=n)
        for n in range(40)
    ]
    await hq.feed("uz", records[:30])
    await hq.feed("uz", records[30:])
    await hq.feed("kz", records[:1])
    rows = engine.peek(
        tmp_path,
        "SELECT kafka_offset, length(data), size_bytes, digest, length(key), data FROM quarantine"
        " WHERE center = 'uz' ORDER BY id",
    )
    whole = rows[0][2]
    assert [row[1] for row in rows[:2]] == [whole, whole]
    assert {row[1] for row in rows[2:]} == {KEPT_BYTES_MAX}
    assert 10 < len(rows) < 40
    assert {(row[2], row[4]) for row in rows} == {(whole, KEPT_KEY_BYTES_MAX)}
    assert len({row[3] for row in rows}) == len(rows)
    assert [leaf_hash(row[5]) == row[3] for row in rows] == [True] * 2 + [False] * (len(rows) - 2)
    used = dict(engine.peek(tmp_path, "SELECT center, quarantined_bytes FROM intake"))
    assert QUOTA_BYTES * (JUNK_SHARE - 0.05) < used["uz"] <= QUOTA_BYTES * JUNK_SHARE
    assert used["uz"] >= sum(row[1] + row[4] for row in rows)
    assert whole < used["kz"] < 2 * whole
    unkept = "SELECT center, reason, records, size_bytes FROM unkept"
    missing = 40 - len(rows)
    assert engine.peek(tmp_path, unkept) == [("uz", "NOT_ATTRIBUTABLE", missing, missing * whole)]
    # Read again from the beginning, as after a crash: nothing is kept or counted twice.
    reading, term = hq.readings["uz"]
    hq.readings["uz"] = Reading.of(replace(reading.intake, offset=None)), term
    await hq.feed("uz", records)
    assert engine.peek(tmp_path, unkept) == [("uz", "NOT_ATTRIBUTABLE", missing, missing * whole)]
    assert engine.peek(tmp_path, "SELECT count(*) FROM quarantine WHERE center = 'uz'") == [(len(rows),)]


async def test_junk_leaves_room_for_what_speaks_against_hq(hq: Hq, engine: Engine, tmp_path: Path) -> None:
    """A stranger who fills a center's quarantine hides no cosignature of another log than HQ's."""
    junk = [Sent(b"x", bytes([n]) * 5_000, (), offset=n) for n in range(200)]
    step = await hq.feed("uz", junk)
    strange = replace(step.quarantine[0], reason=STRANGE[0], record=replace(junk[0], offset=900))
    _, term = hq.readings["uz"]
    await hq.store.commit(replace(step, quarantine=(strange,)), term)
    assert engine.peek(tmp_path, "SELECT reason FROM quarantine WHERE kafka_offset = 900") == [(STRANGE[0],)]
    used = engine.peek(tmp_path, "SELECT quarantined_bytes FROM intake WHERE center = 'uz'")
    assert used[0][0] <= QUOTA_BYTES
