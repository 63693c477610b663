"""One suite for every store: what `hub.store.store.Store` promises, on a real database.

A new engine adds its opener to `tests.support.engines`; it has to pass all of this unchanged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Context, Decimal
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from hub.hq.headquarters import Headquarters
from hub.ledger.lane import Status
from hub.ledger.notary import append
from hub.ledger.witness import Witnesses
from hub.protocol.errors import Fatal, Retriable
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt, read_answer
from hub.protocol.tree import Edge, leaf_hash
from hub.store.store import (
    FencedError,
    TakenError,
)
from hub.store.version import HEAD
from tests.contract.conftest import position, prepared
from tests.support.center import HUB, NOW, RELEASED, Center, Sent, offer
from tests.support.engines import Engine
from tests.support.hq import IDENTITY, Hq, center_record
from tests.support.witness import Witness

REVISED, WITHDRAWN = "net.cohub.offer.revised.v1", "net.cohub.offer.withdrawn.v1"


async def test_claim_of_a_new_center_begins_at_its_earliest_record(hq: Hq) -> None:
    """An intake that nobody had reads, has no offset and no lane."""
    claimed = await hq.store.claim(["by", "uz"], "first")
    assert sorted(claimed) == ["by", "uz"]
    intake = claimed["by"].intake
    assert (intake.offset, intake.status, intake.lane, dict(intake.closed)) == (None, Status.READING, None, {})


async def test_claim_tells_of_each_center_where_it_stands(hq: Hq) -> None:
    """Many are claimed at once: new ones, one that has followed an earlier lane, one with the lane that it began."""
    uz, kz = Center("uz"), Center("kz")
    await hq.feed("uz", uz.opened(2))
    later = uz.next_epoch("0000000b")
    last = {"previous_origin": uz.origin, "previous_size": uz.edge.size, "previous_root": uz.edge.root.hex()}
    step = await hq.feed("uz", [later.sealed(later.opening(**last))])
    other = await hq.feed("kz", kz.opened(1))
    claimed = await hq.store.claim(["uz", "by", "kz", "am"], "next")
    assert {center: claim.term for center, claim in claimed.items()} == {"am": 1, "by": 1, "kz": 2, "uz": 2}
    assert claimed["uz"].intake == step.reading.intake
    assert dict(claimed["uz"].intake.closed) == {uz.epoch: uz.edge.size}
    assert claimed["kz"].intake == other.reading.intake
    assert [claimed[center].intake.lane for center in ("am", "by")] == [None, None]
    assert await hq.store.claim([], "nobody") == {}


async def test_claim_voids_every_older_term(hq: Hq) -> None:
    """Who was overtaken is fenced from committing and from setting a status, and changes nothing by trying."""
    center = Center()
    step, old = await prepared(hq, center, center.opened(2))
    new = (await hq.store.claim(["uz"], "second"))["uz"].term
    assert new > old
    assert (await hq.store.changes()).intakes["uz"] == (new, "reading")
    with pytest.raises(FencedError):
        await hq.store.commit(step, old)
    with pytest.raises(FencedError):
        await hq.store.set_status("uz", old, Status.PARKED, "late")
    assert issubclass(FencedError, Retriable)
    assert await position(hq.store, "uz") == (None, "reading", "", None, 0)
    assert await hq.store.edge_at(center.origin, 0) is None


async def test_commit_moves_lane_entities_receipt_and_position_together(hq: Hq) -> None:
    """All that one transaction writes is read back as it was decided."""
    center = Center()
    step, term = await prepared(hq, center, center.opened(3))
    await hq.store.commit(step, term)
    (commit,) = step.commits
    intake = (await hq.store.claim(["uz"], "next"))["uz"].intake
    assert (intake.offset, intake.lane) == (step.reading.intake.offset, commit.lane)
    assert await hq.store.receipt_at(center.origin, 4) == commit.note
    known = await hq.store.entities(step.entities.keys() | {("offer", "uz:nobody")})
    assert {key: replace(k, value=None) for key, k in step.entities.items()} == known
    assert len(known) == 4
    assert step.reading.tail == ()


async def test_commit_that_fails_half_way_leaves_nothing(hq: Hq) -> None:
    """A fault behind ledger, receipt and entities undoes them all, and the store is none the worse for it."""
    center, other = Center("uz"), Center("kz")
    step, term = await prepared(hq, center, center.opened(2))
    wrong = replace(step, measures={**step.measures, ("a lane that is not there", "offers"): Decimal(1)})
    with pytest.raises(Fatal):
        await hq.store.commit(wrong, term)
    assert await position(hq.store, "uz") == (None, "reading", "", None, 0)
    assert await hq.store.entities(step.entities) == {}
    assert await hq.store.receipt_at(center.origin, 1) is None
    assert await hq.store.edge_at(center.origin, 0) is None
    assert await hq.store.unpublished(["uz"]) == []
    # Another lane takes the place that the failed one would have had: nothing remembered may point there.
    await hq.feed("kz", other.opened(4))
    await hq.store.commit(step, (await hq.store.claim(["uz"], "again"))["uz"].term)
    for lane in (center, other):
        assert await hq.store.edge_at(lane.origin, lane.edge.size) == lane.edge
        found = await hq.store.entities([("offer", f"{lane.id}:K-1")])
        assert [k.origin for k in found.values()] == [lane.origin]


# Two of them have more digits than Python's usual 28; the last is the longest measure that is added to.
LONG_SUMS = {
    "money of a lane": ["99999999999999999999999.9999", "900000000000000000000000.0001", "0.0001", "-0.0002"],
    "of 29 digits": ["12345678901234567890123456789", "1"],
    "the longest": [f"{'9' * 59}.{'9' * 60}", f"{'1' * 59}.{'0' * 59}1", f"-{'2' * 59}.{'3' * 60}"],
}


@pytest.mark.parametrize("is_usual", [True, False], ids=["usual", "with more beside it"])
@pytest.mark.parametrize("changes", LONG_SUMS.values(), ids=LONG_SUMS)
async def test_measures_are_added_exactly(
    engine: Engine, tmp_path: Path, changes: list[str], *, is_usual: bool
) -> None:
    """However many digits a sum has, every engine keeps all of them."""
    hq, center = await Hq.open(tmp_path, Center("uz"), engine=engine), Center("uz")
    await hq.feed("uz", center.opened(1))
    for number, change in enumerate(changes):
        records = [center.append(center.event(REVISED, "K-1", offer(trl=number + 1)))]
        records = [center.sealed(records[-1])]
        if not is_usual:
            records.append(Sent(b"x", b"nothing of ours", (), offset=records[-1].offset + 1))
        step, term = await prepared(hq, center, records)
        await hq.store.commit(replace(step, measures={(center.origin, "deal.sum"): Decimal(change)}), term)
        assert bool(step.quarantine) is not is_usual
    await hq.store.close()
    (kept,) = engine.peek(tmp_path, "SELECT value FROM measure WHERE key = 'deal.sum'")
    exact = Context(prec=200)
    assert Decimal(*kept) == reduce(exact.add, map(Decimal, changes))


async def test_event_is_never_written_twice(hq: Hq) -> None:
    """The same step under a good term is told that it is there already; what is there stays as it is."""
    center = Center()
    step, term = await prepared(hq, center, center.opened(2))
    await hq.store.commit(step, term)
    before = await hq.store.receipt_at(center.origin, 3)
    with pytest.raises(TakenError):
        await hq.store.commit(step, term)
    assert await hq.store.edge_at(center.origin, 3) == center.edge
    assert await hq.store.receipt_at(center.origin, 3) == before


async def test_entities_are_found_as_of_their_last_event(hq: Hq) -> None:
    """A revision and a withdrawal stand on the same row; the record's own event stays known."""
    center = Center()
    await hq.feed("uz", center.opened(2))
    revised = center.append(center.event(REVISED, "K-1", offer("Revised")))
    await hq.feed("uz", [revised, center.sealed(center.append(center.event(WITHDRAWN, "K-2", {"reason": "sold"})))])
    found = await hq.store.entities([("offer", "uz:K-1"), ("offer", "uz:K-2"), ("request", "uz:K-1")])
    first, second = found["offer", "uz:K-1"], found["offer", "uz:K-2"]
    assert (first.entity.version, first.sequence, first.record_sequence) == (2, 4, 4)
    assert first.entity.record["title"] == "Revised"
    assert (second.entity.version, second.sequence, second.record_sequence) == (2, 5, 3)
    assert (second.entity.status, second.changed_by) == ("withdrawn", WITHDRAWN)
    assert len(found) == 2


async def test_entitys_history_is_linked_and_every_commit_has_its_state_digest(
    hq: Hq, engine: Engine, tmp_path: Path
) -> None:
    """From its last event an entity leads back to its first, past the rejected ones; also into an earlier epoch."""
    center = Center()
    await hq.feed("uz", center.opened(1))
    await hq.feed("uz", [center.sealed(center.append(center.event(REVISED, "K-1", offer("Revised"))))])
    await hq.feed("uz", [center.sealed(center.append(center.event(REVISED, "K-9", offer("Never published"))))])
    later = center.next_epoch("0000000b")
    last = {"previous_origin": center.origin, "previous_size": 4, "previous_root": center.edge.root.hex()}
    await hq.feed("uz", [later.sealed(later.opening(**last))])
    step = await hq.feed("uz", [later.sealed(later.append(later.event(REVISED, "K-1", offer("Again"))))])
    lanes = engine.peek(tmp_path, "SELECT origin, id, state_digest FROM lane")
    ids = {origin: lane_id for origin, lane_id, _ in lanes}
    old, seen = ids[center.origin], []
    event = "SELECT version, previous_lane_id, previous FROM ledger WHERE lane_id = ? AND sequence = ?"
    lane_id, sequence = ids[later.origin], 2
    while lane_id is not None:
        ((version, *previous),) = engine.peek(tmp_path, event, lane_id, sequence)
        seen.append((lane_id, sequence, version))
        lane_id, sequence = previous
    assert seen == [(ids[later.origin], 2, 3), (old, 3, 2), (old, 2, 1)]
    rejected = "SELECT code = 'ACCEPTED', previous FROM ledger WHERE lane_id = ? AND sequence = 4"
    assert engine.peek(tmp_path, rejected, old) == [(False, None)]
    for _, lane_id, state_digest in lanes:
        digests = engine.peek(tmp_path, "SELECT state_digest FROM receipt WHERE lane_id = ? ORDER BY last", lane_id)
        assert digests[-1] == (state_digest,)
        assert (None,) not in digests
    assert step.commits[0].rows[0].previous == (center.origin, 3)


async def test_newest_recorded_at_is_the_newest_of_all_lanes(engine: Engine, tmp_path: Path, hq: Hq) -> None:
    """None of an empty database; the newest of all, to the microsecond, whichever lane moved last."""
    empty = await engine.open(tmp_path / "empty")
    assert await empty.newest_recorded_at() is None
    await empty.close()
    newest = NOW + timedelta(days=9000, microseconds=1)
    await hq.feed("uz", Center("uz").opened(), now=newest)
    await hq.feed("kz", Center("kz").opened(), now=NOW)
    assert await hq.store.newest_recorded_at() == newest


async def test_edge_and_receipt_are_there_at_every_size(hq: Hq) -> None:
    """Wherever a seal may have stood, the tree has its one root, and one receipt covers the event."""
    center = Center()
    leaves: list[bytes] = []
    notes: dict[int, bytes] = {}
    for records in (center.opened(1), center.offers(3, first=10), center.offers(7, first=20)):
        step = await hq.feed("uz", records)
        (commit,) = step.commits
        leaves += [leaf_hash(row.data) for row in commit.rows]
        notes |= dict.fromkeys(range(commit.receipt.first, commit.receipt.last + 1), commit.note)
    assert len(leaves) == center.edge.size == 12
    for size in range(13):
        assert await hq.store.edge_at(center.origin, size) == Edge().append(leaves[:size])
        assert await hq.store.receipt_at(center.origin, size) == notes.get(size)
    assert await hq.store.edge_at(center.origin, 13) is None
    assert await hq.store.receipt_at(center.origin, 13) is None
    assert await hq.store.edge_at(center.next_epoch("00000009").origin, 0) is None


async def test_status_is_set_without_moving_the_intake(hq: Hq) -> None:
    """A parked lane stands where it stood, and says why."""
    center = Center()
    await hq.feed("uz", center.opened(1))
    offset, _, _, origin, size = await position(hq.store, "uz")
    term = (await hq.store.claim(["uz"], "owner"))["uz"].term
    await hq.store.set_status("uz", term, Status.PARKED, "a gap")
    assert (await hq.store.changes()).intakes["uz"] == (term, "parked")
    assert await position(hq.store, "uz") == (offset, "parked", "a gap", origin, size)


@pytest.mark.parametrize("status", list(Status))
async def test_resume_lets_only_stopped_lanes_go_on(hq: Hq, status: Status) -> None:
    """Parked and forked read again under the same term; the others stay as they are; no intake is None."""
    term = (await hq.store.claim(["uz"], "owner"))["uz"].term
    await hq.store.set_status("uz", term, status, "why")
    assert await hq.store.resume("uz") == status
    resumes = status in {Status.PARKED, Status.FORKED}
    assert (await hq.store.changes()).intakes["uz"] == (term, "reading" if resumes else status)
    assert (await position(hq.store, "uz"))[2] == ("" if resumes else "why")
    assert await hq.store.resume("nobody") is None


async def test_evidence_is_kept_once(hq: Hq, engine: Engine, tmp_path: Path) -> None:
    """The first two notes that prove a fork stay; the same fork seen again is no error."""
    await hq.store.keep_evidence("hub.example/uz/1", 4, b"ours", b"theirs", NOW)
    await hq.store.keep_evidence("hub.example/uz/1", 4, b"ours", b"other", NOW)
    await hq.store.keep_evidence("hub.example/uz/1", 5, b"ours", b"theirs", NOW)
    rows = engine.peek(tmp_path, "SELECT size, ours, theirs FROM evidence ORDER BY size")
    assert rows == [(4, b"ours", b"theirs"), (5, b"ours", b"theirs")]


async def test_database_that_is_opened_again_has_everything(engine: Engine, tmp_path: Path, hq: Hq) -> None:
    """Nothing lives in the process alone: a second opening, migrated again, answers alike and goes on."""
    center = Center()
    step = await hq.feed("uz", center.opened(3))
    await hq.store.set_published({center.origin: 4})
    before = await hq.store.hq_lane(0)
    await hq.store.close()
    await hq.store.close()
    again = await engine.open(tmp_path)
    try:
        assert await again.hq_lane(0) == before
        assert await again.edge_at(center.origin, 4) == center.edge
        stored = await again.receipt_at(center.origin, 4)
        assert stored == step.commits[0].note
        receipt = read_answer(Note.from_bytes(stored or b"").text)
        assert isinstance(receipt, Receipt)
        assert await again.unpublished(["uz"]) == []
        assert await again.entities(step.entities) == {k: replace(v, value=None) for k, v in step.entities.items()}
        other = Hq(again, Headquarters(again, IDENTITY, RELEASED), {})
        await other.feed("uz", center.offers(1, first=50))
        assert await again.edge_at(center.origin, 5) == center.edge
    finally:
        await again.close()


async def test_every_call_lets_others_run(hq: Hq) -> None:
    """Whoever asks a store must expect that something else happens before the answer, on any engine."""
    store, log = hq.store, hq.store.log
    step, term = await prepared(hq, Center(), Center().opened(1))
    empty = Edge()
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.claim(["kz"], "me"), lambda: store.commit(step, term), lambda: store.entities([]),
        lambda: store.hq_lane(0), store.changes,
        store.newest_recorded_at, lambda: store.edge_at("no/such/lane", empty.size),
        lambda: store.receipt_at("no/such/lane", 1), lambda: store.set_status("uz", term, Status.READING, ""),
        lambda: store.resume("uz"), lambda: store.keep_evidence("x", 1, b"", b"", NOW),
        lambda: store.unpublished(["uz"]), lambda: store.cursors(["uz"]), lambda: store.set_published({}),
        lambda: store.publication(Center().origin, 0, 1), lambda: log.lead("me", NOW, NOW), lambda: log.follow("me"),
        lambda: log.read(f"{HUB}/log"), lambda: log.unlogged(1), lambda: log.stored(0, 1), lambda: log.notes([]),
        lambda: log.note(1), lambda: log.root(1), lambda: log.rolled_back(Witnesses()),
    ]  # fmt: skip
    for number, call in enumerate(calls):
        others = asyncio.create_task(asyncio.sleep(0))
        await call()
        assert others.done(), number


async def test_database_that_is_too_new_is_refused(engine: Engine, tmp_path: Path) -> None:
    """It says both versions, from which one on programs may use it, and what to install; nothing is changed."""
    await (await engine.open(tmp_path)).close()
    engine.edit(
        tmp_path, "UPDATE alembic_version SET version_num = '9999', compatible_since = '9998', since_release = '9.8.0'"
    )
    before = engine.peek(tmp_path, "SELECT * FROM alembic_version")
    said = f"version 9999, this release knows up to {HEAD}, and only programs from version 9998.*install cohub 9.8.0"
    with pytest.raises(Fatal, match=said):
        await engine.open(tmp_path)
    assert engine.peek(tmp_path, "SELECT * FROM alembic_version") == before


@pytest.mark.parametrize("since", [None, "", "12", "0o12", "\u0660\u0660\u0661\u0662", "moved"])
async def test_newer_database_that_does_not_say_who_may_use_it_is_refused(
    engine: Engine, tmp_path: Path, since: str | None
) -> None:
    """Nothing, or no version: nobody's guess takes its place."""
    await (await engine.open(tmp_path)).close()
    engine.edit(tmp_path, "UPDATE alembic_version SET version_num = '9999', compatible_since = ?", since)
    with pytest.raises(Fatal, match="version 9999, this release knows up to"):
        await engine.open(tmp_path)


async def test_newer_database_that_takes_older_programs_is_used_as_ever(hq: Hq, engine: Engine, tmp_path: Path) -> None:
    """Workers of the release before go on, and one that is started again takes its lanes over; nothing is undone."""
    center = Center()
    await hq.feed("uz", center.opened(2))
    engine.edit(tmp_path, "CREATE TABLE later(id INTEGER PRIMARY KEY)")
    for table in ("intake", "lane", "ledger", "entity", "receipt"):
        engine.edit(tmp_path, f"ALTER TABLE {table} ADD COLUMN later BIGINT NOT NULL DEFAULT 7")
    newer = "UPDATE alembic_version SET version_num = '9999', compatible_since = ?, since_release = '0.3.0'"
    engine.edit(tmp_path, newer, HEAD)
    before = engine.peek(tmp_path, "SELECT * FROM alembic_version")

    await hq.feed("uz", center.offers(2, first=10))  # the one that runs goes on
    before_it, hq.store = hq.store, await engine.open(tmp_path)
    await hq.claim("uz")
    await hq.feed("uz", [center.sealed(center.append(center.event(REVISED, "K-1", offer("Revised"))))])
    assert await hq.store.edge_at(center.origin, center.edge.size) == center.edge
    assert engine.peek(tmp_path, "SELECT DISTINCT later FROM ledger") == [(7,)]
    await before_it.close()
    assert engine.peek(tmp_path, "SELECT * FROM alembic_version") == before


async def test_commit_keeps_what_a_witness_says_with_the_position(hq: Hq, engine: Engine, tmp_path: Path) -> None:
    """Cosignatures and the alarm are written with the fetch that they came in: all of it, or nothing."""
    witness = Witness(Center())
    record = center_record(witness.center)
    await hq.said("key_added", witness.center, record | {"keys": [*record["keys"], witness.key()]})
    log, keys = hq.store.log, [IDENTITY.log, IDENTITY.log_long]
    addition = append(await log.read(f"{HUB}/log"), await log.unlogged(100), keys, NOW)
    await log.append(addition)
    size, note = addition.log.size, addition.log.note
    assert await log.notes({size, size + 1}) == {size: note}
    records = [witness.cosignature(note, offset=7), witness.alarm("two roots", size, offset=8)]
    step, old = await prepared(hq, witness.center, records)
    assert (len(step.cosignatures), [alarm.reason for alarm in step.heard.alarms]) == (1, ["two roots"])
    await hq.store.claim(["uz"], "second")
    with pytest.raises(FencedError):
        await hq.store.commit(step, old)
    assert said_by_witnesses(engine, tmp_path) == ([], [None])
    step, term = await prepared(hq, witness.center, records)
    await hq.store.commit(step, term)
    line = Note.from_bytes(records[0].value or b"").signatures[0]
    assert said_by_witnesses(engine, tmp_path) == (
        [(size, line.name, line.key_id, "uz", line.value)],
        [step.heard.alarms[0].to_text()],
    )
    step, term = await prepared(hq, witness.center, [witness.alarm("", size, offset=9)])
    await hq.store.commit(step, term)
    assert said_by_witnesses(engine, tmp_path)[1] == [step.heard.alarms[0].to_text()]


def said_by_witnesses(engine: Engine, folder: Path) -> tuple[list[tuple[Any, ...]], list[str | None]]:
    """Return the cosignatures that are stored, and the alarm of uz."""
    rows = engine.peek(folder, "SELECT size, name, key_id, center, value FROM cosignature")
    return rows, [text for (text,) in engine.peek(folder, "SELECT alarm FROM intake WHERE center = 'uz'")]
