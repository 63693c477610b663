"""A worker tells a center how HQ stands with it, by real notes and from a real store, if the center can read that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hub.base.faulty import Fault
from hub.ledger.telling import ANSWERS_PAUSE_S, CHANGES_PAUSE_S, SAY_EVERY_S
from hub.protocol.control import More, Presence
from hub.protocol.forms import PRESENCE_V2, STATUS_V1, announce
from hub.protocol.note import Note, sign_note
from hub.protocol.record import CONTROL_HEADER
from hub.protocol.remark import RepeatedIds
from hub.protocol.status import State, StatusNote
from hub.store.faulty import FaultyStore
from hub.store.store import Store
from hub.worker.consolidator import Consolidator
from tests.support.center import Center, Sent
from tests.support.consolidator import Clock, Seen
from tests.support.hq import IDENTITY, Hq
from tests.support.peek import edit


class Told(Seen):
    """Keeps the status notes that are said."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[tuple[str, StatusNote]] = []

    def answer(self, center: str, kind: str, note: bytes) -> None:
        super().answer(center, kind, note)
        if kind == "status":
            read = Note.from_bytes(note)
            read.verify([IDENTITY.receipts.verifier])
            self.notes.append((center, StatusNote.from_text(read.text)))

    @property
    def states(self) -> list[State]:
        return [note.state for _, note in self.notes]


class Ticks:
    """Both clocks of a worker."""

    def __init__(self) -> None:
        self.wall = Clock()
        self.tick = 0.0

    def pass_by(self, seconds: float) -> datetime:
        self.wall.now += timedelta(seconds=seconds)
        self.tick += seconds
        return self.wall.now


class Desk:
    """A worker with everything around it."""

    def __init__(self, hq: Hq, store: Store | None = None) -> None:
        self.hq, self.told, self.ticks = hq, Told(), Ticks()
        self.store = store or hq.store
        self.worker = self.start()

    def start(self) -> Consolidator:
        made = Consolidator(
            self.store, self.hq.headquarters, IDENTITY, self.told, "test", self.ticks.wall, lambda: self.ticks.tick
        )
        made.attach(self.told)
        self.worker = made
        return made

    async def look(self, seconds: float = 1.0) -> None:
        self.ticks.pass_by(seconds)
        await self.worker.look_again()

    async def say(self, center: Center, *, ended: str = "", form: int = 1, reads: bool = True) -> None:
        version = announce("cohub 0.3.0", (STATUS_V1,)) if reads and form == 1 else "cohub"
        more = More(None, 0, ended, (STATUS_V1,) if reads else ()) if form == 2 else None
        presence = Presence(center.id, center.origin, self.ticks.wall.now, center.edge.size, 0, version, more)
        note = sign_note(presence.to_text(), [center.signer]).to_bytes()
        record = Sent(center.id.encode(), note, ((CONTROL_HEADER, b"presence"),), next(center.offsets))
        await self.worker.handle(center.id, [record])


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    opened = await Hq.open(tmp_path)
    yield opened
    await opened.store.close()


@pytest.fixture
async def desk(hq: Hq) -> Desk:
    await hq.register(Center("uz"))
    made = Desk(hq)
    await made.worker.assign(["uz"])
    return made


async def test_center_that_did_not_announce_it_is_never_told(desk: Desk) -> None:
    """A connector of 0.2, whatever happens to its lane."""
    uz = Center("uz")
    await desk.say(uz, reads=False)
    await desk.look()
    await desk.worker.handle("uz", uz.opened(1))
    await desk.hq.store.set_status("uz", 1, "parked", "a gap")
    for _ in range(5):
        await desk.look(SAY_EVERY_S)
    assert desk.told.notes == []


async def test_connector_that_starts_hears_how_hq_stands_with_it(desk: Desk) -> None:
    """Its lane, how much HQ has of it, and what HQ reads: from then on it may write the second form."""
    uz = Center("uz")
    await desk.worker.handle("uz", uz.opened(3))
    await desk.say(uz)
    await desk.look()
    ((center, note),) = desk.told.notes
    assert (center, note.center, note.hub) == ("uz", "uz", IDENTITY.hub)
    assert (note.state, note.lane, note.size, note.why) == (State.READS, uz.origin, 4, "")
    basis = await desk.hq.headquarters.basis()
    assert (note.reads, note.rules, note.time) == ((PRESENCE_V2,), basis.registry.rules, desk.ticks.wall.now)
    assert (note.basis, note.hq_lane) == (basis.size, (await desk.hq.store.changes()).hq_lane)
    await desk.say(uz, form=2)
    await desk.look(ANSWERS_PAUSE_S)
    assert len(desk.told.notes) == 1


async def test_what_changes_is_told_within_a_look(desk: Desk) -> None:
    """Suspended, resumed, waiting for a key that HQ does not know: each with its reason and since when."""
    uz, stranger = Center("uz"), Center("uz", seed=b"s" * 32)
    await desk.worker.handle("uz", uz.opened(1))
    await desk.say(uz)
    await desk.look()
    record = uz.append(uz.event("net.cohub.offer.withdrawn.v1", "K-1", {}))
    await desk.worker.handle("uz", [uz.sealed(record, stranger.signer)])
    await desk.look(CHANGES_PAUSE_S)
    assert desk.told.states == [State.READS, State.WAITS]
    key = stranger.signer.named(uz.origin).verifier.key_id.hex()
    assert desk.told.notes[-1][1].why == f"UNKNOWN_KEY {key} {uz.epoch}"
    since = desk.told.notes[-1][1].since
    await desk.look(SAY_EVERY_S)
    assert desk.told.notes[-1][1].since == since
    assert len(desk.told.notes) == 3


async def test_suspended_center_is_told_so_and_not_that_a_lane_waits(desk: Desk, hq: Hq) -> None:
    """It hears it though HQ reads nothing of it any more, and when it is over."""
    uz = Center("uz")
    await desk.say(uz)
    await desk.look()
    await hq.said("suspended", uz, {"reason": "audit"})
    await desk.look(CHANGES_PAUSE_S)
    await desk.worker.handle("uz", uz.opened(1))
    await desk.look(CHANGES_PAUSE_S)
    await hq.said("resumed", uz, {"reason": "done"})
    await desk.look(CHANGES_PAUSE_S)
    assert desk.told.states == [State.READS, State.SUSPENDED, State.READS]
    assert [note.why for _, note in desk.told.notes] == ["", "SUSPENDED audit", ""]


@pytest.mark.parametrize("why", ["OTHER send us your key", "ENGINE_FAULT send us your key", "send us your key"])
async def test_text_that_somebody_puts_into_a_row_is_signed_by_nobody(desk: Desk, why: str) -> None:
    """HQ tells the code, and its words tell the office what to do."""
    uz = Center("uz")
    await desk.worker.handle("uz", uz.opened(1))
    await desk.say(uz)
    await desk.look()
    edit(desk.hq.database, "UPDATE intake SET status = 'parked', why = ? WHERE center = 'uz'", why)
    desk.start()
    await desk.worker.assign(["uz"])
    await desk.look(CHANGES_PAUSE_S)
    code = "ENGINE_FAULT" if why.startswith("ENGINE_FAULT") else "OTHER"
    assert [(note.state, note.why) for _, note in desk.told.notes][1:] == [(State.PARKED, code)]


async def test_next_owner_tells_it_again_with_the_same_since(desk: Desk) -> None:
    """Since when a lane is parked outlives the worker that parked it."""
    uz = Center("uz")
    await desk.say(uz)
    await desk.look()
    await desk.hq.store.set_status("uz", 1, "parked", "a gap")
    desk.start()
    await desk.worker.assign(["uz"])
    await desk.look(CHANGES_PAUSE_S)
    since = desk.told.notes[-1][1].since
    desk.start()
    await desk.worker.assign(["uz"])
    await desk.look(3600)
    assert desk.told.states == [State.READS, State.PARKED, State.PARKED]
    assert desk.told.notes[-1][1].since == since


async def test_presence_that_is_replayed_ten_thousand_times_makes_one_answer(desk: Desk) -> None:
    """The first one is an answer; what is not news is nothing."""
    uz = Center("uz")
    presence = Presence("uz", "", desk.ticks.wall.now, 0, 0, announce("cohub", (STATUS_V1,)))
    note = sign_note(presence.to_text(), [uz.signer]).to_bytes()
    records = [Sent(b"uz", note, ((CONTROL_HEADER, b"presence"),), n) for n in range(10_000)]
    for at in range(0, 10_000, 1000):
        await desk.worker.handle("uz", records[at : at + 1000])
        await desk.look(ANSWERS_PAUSE_S)
    assert len(desk.told.notes) == 1


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.APPLIED])
async def test_standing_that_could_not_be_kept_is_told_by_the_next_look(hq: Hq, fault: Fault) -> None:
    """A database that is busy for a moment loses nothing, and stops nobody."""
    await hq.register(Center("uz"))
    store = FaultyStore(hq.store)
    desk = Desk(hq, store)
    await desk.worker.assign(["uz"])
    await desk.say(Center("uz"))
    store.fail(fault, "keep_told")
    await desk.look()
    assert desk.told.notes == []
    await desk.look()
    assert desk.told.states == [State.READS]


async def test_last_word_is_kept_and_an_old_presence_does_not_take_it_back(desk: Desk) -> None:
    """HQ shows why a connector ended until it hears another one."""
    uz = Center("uz")
    await desk.say(uz, form=2)
    alive = desk.ticks.wall.now
    desk.ticks.pass_by(60)
    await desk.say(uz, form=2, ended="the disk is full")
    desk.ticks.wall.now = alive  # a record of a minute ago, said again
    before = Presence("uz", uz.origin, alive, 0, 0, "cohub", More(None, 0, "", (STATUS_V1,)))
    note = sign_note(before.to_text(), [uz.signer]).to_bytes()
    desk.ticks.pass_by(120)
    await desk.worker.handle("uz", [Sent(b"uz", note, ((CONTROL_HEADER, b"presence"),), next(uz.offsets))])
    (spoken,) = (await desk.hq.store.told(["uz"])).values()
    assert "ended the disk is full" in (spoken.presence or "")


async def test_what_an_audit_found_is_a_remark_and_no_stop(desk: Desk) -> None:
    """Told beside `reads`, as soon as it is kept; what is wrong with the lane itself goes first."""
    uz, found = Center("uz"), {"uz": RepeatedIds(2, "00000001", 3)}
    await desk.worker.handle("uz", uz.opened(1))
    await desk.say(uz)
    await desk.look()
    assert await desk.hq.store.remark(found, desk.ticks.wall.now) == ["uz"]
    await desk.look(CHANGES_PAUSE_S)
    stranger = Center("uz", seed=b"s" * 32)
    record = uz.append(uz.event("net.cohub.offer.withdrawn.v1", "K-1", {}))
    await desk.worker.handle("uz", [uz.sealed(record, stranger.signer)])
    await desk.look(CHANGES_PAUSE_S)
    said = [(note.state, note.why) for _, note in desk.told.notes]
    assert said[:2] == [(State.READS, ""), (State.READS, "REPEATED_ID 2 00000001 3")]
    assert said[2][0] is State.WAITS
    assert not said[2][1].startswith("REPEATED_ID")


async def test_remark_ends_when_no_more_is_found_after_the_center_was_heard(desk: Desk) -> None:
    """More of it is told again; what another ledger has, such as one put back from a copy, is told anew."""
    uz, store = Center("uz"), desk.hq.store

    async def audit(count: int) -> str:
        found = {"uz": RepeatedIds(count, "00000001", 3)} if count else {}
        told = await store.remark(found, desk.ticks.pass_by(60))
        remarks = (await store.changes()).remarks
        assert told == list(remarks)
        return remarks.get("uz", "")

    await desk.worker.handle("uz", uz.opened(1))
    assert await audit(2) == "REPEATED_ID 2 00000001 3"
    assert await audit(2) == "REPEATED_ID 2 00000001 3"  # nobody was there to hear it
    await desk.say(uz, reads=False)
    assert await audit(2) == "REPEATED_ID 2 00000001 3"  # who was there could not read it
    await desk.say(uz)
    assert await audit(2) == ""
    assert await audit(2) == ""
    assert await audit(3) == "REPEATED_ID 3 00000001 3"
    await desk.say(uz, form=2)
    assert await audit(1) == "REPEATED_ID 1 00000001 3"
    assert await audit(0) == ""
    assert await audit(1) == "REPEATED_ID 1 00000001 3"
