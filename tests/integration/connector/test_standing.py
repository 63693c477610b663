"""A connector and a real HQ on real Kafka: each says how it stands, and nobody else can say it for them."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest

from connectors.runtime.daemon import Connector
from connectors.runtime.hq_words import status_said
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.status import hq_status
from hub.hq.headquarters import HqEvent
from hub.protocol.control import Presence
from hub.protocol.note import Note, sign_note
from hub.protocol.receipt import Receipt, Resend
from hub.protocol.record import CONTROL_HEADER
from hub.protocol.remark import RepeatedIds
from hub.protocol.status import State, StatusNote, read_said
from hub.store.sqlite import SqliteStore
from tests.support.center import Center, Sent, filled
from tests.support.folder import HUB, ROOT, OfficeFolder, until
from tests.support.worker import Hub, produce, read_topic

pytestmark = pytest.mark.integration


@pytest.fixture
async def office(hub: Hub, tmp_path: Path, topic_prefix: str) -> OfficeFolder:
    """Return the office of a center that this HQ has."""
    office = OfficeFolder(tmp_path / "office", topic_prefix, hub.bootstrap, language="ru")
    assert hub.identity.trust is not None
    trust = sign_note(replace(hub.identity.trust, root=ROOT.verifier).to_text(), [ROOT])
    (office.folder / "trust.note").write_bytes(trust.to_bytes())
    await hub.register(Center(office.center, seed=b"k" * 32))
    return office


def accepted(connector: Connector) -> int:
    found: int = connector.outbox.status()["totals"]["accepted"]
    return found


def rows(count: int) -> dict[str, str]:
    return {f"K-{i}": f"Title {i}" for i in range(count)}


def state(outbox: Outbox) -> State | None:
    kept = hq_status(outbox.database)
    return None if kept is None else kept.note.state


def heard(hub: Hub, center: str) -> Presence | None:
    with closing(sqlite3.connect(hub.database)) as db:
        found = db.execute("SELECT presence FROM intake WHERE center = ?", (center,)).fetchone()
    return None if found is None or found[0] is None else Presence.from_text(found[0])


def cells(office: OfficeFolder) -> str:
    """Return every cell of the verdict sheet."""
    try:
        book = openpyxl.load_workbook(office.folder / "cohub" / "offers.csv.verdicts.xlsx", read_only=True)
    except FileNotFoundError:
        return ""
    return "\n".join(str(cell) for row in book.worksheets[0].iter_rows(values_only=True) for cell in row if cell)


async def write(hub: Hub, office: OfficeFolder, *notes: bytes | None, key: bytes | None = b"x") -> None:
    """Write to the office's topic, as anybody can who may write to the broker."""
    await produce(
        hub.bootstrap, f"out.{office.center}", [Sent(key, note, (("cohub-kind", b"receipt"),)) for note in notes]
    )


async def test_each_end_says_how_it_stands_with_the_other(hub: Hub, office: OfficeFolder) -> None:
    """HQ its state, to the outbox, the log and the sheets; the office what it refused, and its last word."""
    office.sheet(rows(3) | {"S-1": "secret thing"})
    async with office.running() as connector:
        await until(lambda: accepted(connector) == 3)
        await until(lambda: state(connector.outbox) is State.READS)
        await until(lambda: (said := heard(hub, office.center)) is not None and said.more is not None)
        said = heard(hub, office.center)
        assert said is not None
        assert said.more is not None
        assert (said.more.refused, said.more.ended, said.size) == (1, "", 4)
        reason = filled("net.cohub.center.suspended.v1", {"reason": "an audit"})
        await hub.say(HqEvent("net.cohub.center.suspended.v1", office.center, reason))
        await until(lambda: state(connector.outbox) is State.SUSPENDED)
        await until(lambda: "приостановила центр: «an audit»" in cells(office))
        office.sheet(rows(5) | {"S-1": "secret thing"})
        await until(lambda: connector.outbox.backlog() == 2)
        resumed = filled("net.cohub.center.resumed.v1", {"reason": "done"})
        await hub.say(HqEvent("net.cohub.center.resumed.v1", office.center, resumed))
        await until(lambda: state(connector.outbox) is State.READS and accepted(connector) == 5)
        await until(lambda: "приостановила центр" not in cells(office))
        await until(lambda: (said := heard(hub, office.center)) is not None and said.more is not None)
    await until(lambda: (said := heard(hub, office.center)) is not None and bool(said.more and said.more.ended))
    kinds = [dict(record.headers)["cohub-kind"] for record in await read_topic(hub.bootstrap, f"out.{office.center}")]
    assert kinds.count(b"status") <= 6


async def test_what_an_audit_found_reaches_the_office(hub: Hub, office: OfficeFolder) -> None:
    """Kept beside the ledger, said by the running worker, read by the running connector; nothing stops for it."""
    office.sheet(rows(1))
    async with office.running() as connector:
        await until(lambda: state(connector.outbox) is State.READS)
        store = SqliteStore.open(hub.database)
        try:
            found = RepeatedIds(2, "0a1b2c3d", 2)
            assert await store.remark({office.center: found}, datetime.now(UTC)) == [office.center]
        finally:
            await store.close()
        await until(lambda: (kept := hq_status(connector.outbox.database)) is not None and bool(kept.note.why))
        kept = hq_status(connector.outbox.database)
        assert kept is not None
        assert kept.note.why == found.to_text()
        assert "уже был у другого: 2" in status_said(kept).text("ru")
        assert not kept.stops
        office.sheet(rows(2))
        await until(lambda: accepted(connector) == 2)


async def test_center_that_announces_nothing_hears_nothing_new(hub: Hub, office: OfficeFolder) -> None:
    """A connector of 0.2 says presence/v1 without an announcement."""
    center = Center(office.center, seed=b"k" * 32)
    presence = Presence(office.center, "", datetime.now(UTC), 0, 0, "cohub 0.2.0")
    note = sign_note(presence.to_text(), [center.signer]).to_bytes()
    await produce(hub.bootstrap, f"in.{office.center}", [Sent(b"x", note, ((CONTROL_HEADER, b"presence"),))])
    await until(lambda: heard(hub, office.center) is not None)
    reason = filled("net.cohub.center.suspended.v1", {"reason": "an audit"})
    await hub.say(HqEvent("net.cohub.center.suspended.v1", office.center, reason))
    await asyncio.sleep(2.5)  # two looks
    assert await read_topic(hub.bootstrap, f"out.{office.center}") == []


async def test_what_others_write_to_the_offices_topic_stops_nothing(hub: Hub, office: OfficeFolder) -> None:
    """HQ's own words for others, of former lanes, of other days, and what is none: before, at and after a start."""
    key, other = hub.identity.receipts, f"{HUB}/kz/0a1b2c3d"
    now = datetime.now(UTC)

    def signed(said: Receipt | Resend | StatusNote) -> bytes:
        return sign_note(said.to_text(), [key]).to_bytes()

    def status(center: str, time: datetime) -> bytes:
        hq_lane = f"{HUB}/hq/00c0ffee"
        return signed(StatusNote(HUB, center, time, "", 0, State.CLOSED, now, "", 17, hq_lane, 1))

    theirs = [
        signed(Receipt(other, 1, 9, b"x" * 32, now + timedelta(days=1), 1)),
        signed(Receipt(f"{HUB}/{office.center}/0a1b2c3d", 1, 9, b"x" * 32, now - timedelta(days=9), 1)),
        signed(Resend(other, 1, "gap")),
        status("kz", now),
        status(office.center, now + timedelta(days=1)),
        None,
        b"",
        b"z" * 900_000,
    ]
    await write(hub, office, *theirs, key=b"")
    office.sheet(rows(5))
    async with office.running() as connector:
        await write(hub, office, *theirs, key=b"9" * 5000)
        await until(lambda: accepted(connector) == 5)
        await write(hub, office, *theirs, key=b"\xff\xfe")
        office.sheet(rows(8))
        await until(lambda: accepted(connector) == 8)
        await until(lambda: state(connector.outbox) is State.READS)
    await write(hub, office, *theirs)
    async with office.running() as connector:
        office.sheet(rows(9))
        await until(lambda: accepted(connector) == 9)
        await until(lambda: sum(connector.outbox.status()["passed_over"].values()) >= 4 * 7)
        counts = connector.outbox.status()["passed_over"]
        assert (counts["others"], counts["ahead"], counts["not_hq"]) == (12, 4, 12)
        assert connector.outbox.status()["alarms"] == {}
        opened = connector.outbox.database.read("SELECT count(*) FROM epoch")
        assert opened == [(1,)]


@pytest.mark.long
async def test_request_that_is_replayed_all_the_time_costs_new_events_next_to_nothing(
    hub: Hub, office: OfficeFolder
) -> None:
    """HQ's request for a range that it has long since: 200 new events take about what they take without it."""
    office.sheet(rows(2000))
    async with office.running() as connector:
        await until(lambda: accepted(connector) == 2000, 60)
        begin = time.monotonic()
        office.sheet(rows(2200))
        await until(lambda: accepted(connector) == 2200, 60)
        idle_s = time.monotonic() - begin
        asked = sign_note(Resend(connector.outbox.lane.origin, 1, "gap").to_text(), [hub.identity.receipts]).to_bytes()
        before = len(await read_topic(hub.bootstrap, f"in.{office.center}"))

        async def replay() -> None:
            while True:
                await write(hub, office, asked)
                await asyncio.sleep(0.6)

        replaying = asyncio.create_task(replay())
        try:
            await until(lambda: connector.outbox.status()["passed_over"].get("old"))
            begin = time.monotonic()
            office.sheet(rows(2400))
            await until(lambda: accepted(connector) == 2400, 60)
            assert time.monotonic() - begin < 3 * idle_s + 2
        finally:
            replaying.cancel()
        written = len(await read_topic(hub.bootstrap, f"in.{office.center}")) - before
        assert written < 1000  # the events, again where a busy HQ is slow, and presences: following it once makes 2,000


def test_kinds_of_answers_are_told_by_their_first_line() -> None:
    """The header beside the note is nobody's word."""
    note = sign_note(Resend(f"{HUB}/uz/0a1b2c3d", 1, "gap").to_text(), [ROOT]).to_bytes()
    assert isinstance(read_said(Note.from_bytes(note).text), Resend)
