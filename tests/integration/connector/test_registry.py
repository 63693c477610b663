"""A connector beside a real HQ: it sees what HQ has of it, and writes only what HQ reads."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import sys
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from connectors.runtime.codecs import Codecs
from connectors.runtime.daemon import Connector
from connectors.runtime.ids import EventIds
from connectors.runtime.office import read_office
from hub.domain.catalogue import KINDS
from hub.hq.headquarters import HqEvent
from hub.protocol.control import Presence
from hub.protocol.errors import Fatal
from hub.protocol.note import Note
from hub.protocol.schema import schema_id
from tests.support.center import RELEASED, Center, filled
from tests.support.folder import OfficeFolder, run_connector, until
from tests.support.hq import center_record
from tests.support.worker import Hub, read_topic

pytestmark = pytest.mark.integration


@pytest.fixture
async def office(hub: Hub, tmp_path: Path, topic_prefix: str) -> OfficeFolder:
    """Return the office of a center that this HQ has."""
    office = OfficeFolder(tmp_path / "office", topic_prefix, hub.bootstrap)
    (office.folder / "trust.note").write_bytes(hub.identity.note)
    await hub.register(Center(office.center, seed=b"k" * 32))
    return office


def totals(connector: Connector) -> dict[str, int]:
    found: dict[str, int] = connector.outbox.status()["totals"]
    return found


def alarms(connector: Connector) -> dict[str, str]:
    found: dict[str, str] = connector.outbox.status()["alarms"]
    return found


def rows(count: int) -> dict[str, str]:
    return {f"K-{i}": f"Title {i}" for i in range(count)}


def status(event: str, center: str, reason: str) -> HqEvent:
    kind = f"net.cohub.center.{event}.v1"
    return HqEvent(kind, center, filled(kind, {"reason": reason}))


async def check(office: OfficeFolder) -> dict[str, Any]:
    """Return the findings of `connector check`, a process of its own, by name."""
    program = "from connectors.cli.main import main; main()"
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, "check", "--office", str(office.folder), "--json", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(asked.communicate(), 60)
    return {finding["name"]: finding for finding in json.loads(said)}


async def test_connector_raises_an_alarm_on_a_key_that_it_did_not_make(hub: Hub, office: OfficeFolder) -> None:
    """Whoever gets a key registered in a center's name is seen by the center, until that key is revoked."""
    ours, theirs = Center(office.center, seed=b"k" * 32), Center(office.center, seed=b"x" * 32)
    record = center_record(ours, theirs)
    office.sheet(rows(5))
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 5)
        assert alarms(connector) == {}
        findings = await check(office)
        assert [findings[name]["ok"] for name in ("key at HQ", "other keys at HQ", "center at HQ", "schemas")] == [
            True
        ] * 4
        await hub.say(HqEvent("net.cohub.center.key_added.v1", office.center, record))
        await until(lambda: theirs.signer.verifier.to_text() in alarms(connector).get("foreign_key", ""))
        findings = await check(office)
        assert (findings["key at HQ"]["ok"], findings["other keys at HQ"]["ok"]) == (True, False)
        record["keys"][1]["status"] = "revoked"
        await hub.say(HqEvent("net.cohub.center.key_revoked.v1", office.center, record))
        await until(lambda: alarms(connector) == {})
        await hub.say(status("suspended", office.center, "an audit"))
        await until(lambda: "suspended" in alarms(connector))
        office.sheet(rows(6))
        await hub.say(status("resumed", office.center, "done"))
        await until(lambda: alarms(connector) == {} and totals(connector)["accepted"] == 6)


async def test_connector_holds_back_what_hq_has_not_announced(hub: Hub, office: OfficeFolder) -> None:
    """An event of a newer release waits in its place, visibly, and all goes on when HQ announces its schema."""
    released = RELEASED["offer/offer.published.v1.avsc"].text
    exact = released.replace("{", "{" + " " * (1 + int(office.center[1:5], 16)), 1).encode()  # as a newer release's
    event = Codecs().event(
        KINDS["net.cohub.offer.published.v1"],
        f"{office.center}:new",
        {"title": "T", "language": "en", "export_control": "free"},
        event_id=EventIds().make(),
        time=datetime.now(UTC),
        status="published",
        digest=None,
    )
    async with office.running() as connector:
        await until(lambda: totals(connector)["backlog"] == 0 and connector.outbox.lane.receipted() == 1)
        connector.outbox.enqueue_events([replace(event, dataschema=f"urn:sha256:{sha256(exact).hexdigest()}")])
        office.sheet(rows(5))
        await until(lambda: "net.cohub.offer.published.v1" in alarms(connector).get("schema_not_announced", ""))
        await until(lambda: totals(connector)["pending"] == 5)
        assert connector.outbox.lane.sealed.size == 1
    async with office.running() as connector:
        await until(lambda: connector.outbox.status()["link"]["state"] == "up" and connector.sender.ready.is_set())
        assert "schema_not_announced" in alarms(connector)
        await announce(hub, exact)
        await until(lambda: totals(connector)["accepted"] == 5 and totals(connector)["backlog"] == 0)
        assert alarms(connector) == {}


async def announce(hub: Hub, exact: bytes) -> None:
    """Say what a newer HQ would: that it reads this schema."""
    number, digest = schema_id(exact), sha256(exact).hexdigest()
    named = {"stream": "offer", "event": "published", "version": 1, "definition": exact.decode()}
    kind = "net.cohub.schema.announced.v1"
    await hub.say(HqEvent(kind, str(number), {"schema_id": number, "sha256": digest} | named))


async def test_connector_that_sees_a_foreign_lane_says_which_machine_opened_it(
    hub: Hub, office: OfficeFolder, tmp_path: Path
) -> None:
    """The machine to be switched off is named in the message with which the other one stops."""
    office.sheet(rows(3))
    async with office.running() as connector:
        await until(lambda: totals(connector)["accepted"] == 3)
    shutil.copytree(office.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("outbox*"))
    first = Connector(read_office(office.folder))
    running = asyncio.create_task(first.run())
    await first.started.wait()
    await until(first.sender.ready.is_set)
    async with run_connector(tmp_path / "copy"):
        with pytest.raises(Fatal, match=f"another machine .*machine {re.escape(socket.gethostname())}"):
            await asyncio.wait_for(running, 20)


async def test_check_of_a_new_office_compares_its_clock_with_the_brokers(hub: Hub, office: OfficeFolder) -> None:
    """Before the first row is sent a wrong clock is seen; what is asked with is a sign of life that HQ can read."""
    async with asyncio.timeout(30):
        while (findings := await check(office))["clock"]["ok"] is None:
            assert findings.get("key at HQ", findings["broker"])["ok"]  # HQ publishes the center in a moment
    assert findings["clock"]["ok"] is True
    assert findings["clock"]["code"] == "check.clock_right"
    assert not (office.folder / "outbox.sqlite3").exists()
    (record,) = await read_topic(hub.bootstrap, f"in.{office.center}")
    note = Note.from_bytes(record.value)
    note.verify([office.key.verifier])
    presence = Presence.from_text(note.text)
    assert (dict(record.headers), presence.size, presence.backlog) == ({"cohub-control": b"presence"}, 0, 0)
    office.write_key(Center(office.center, seed=b"y" * 32).signer)
    findings = await check(office)
    assert findings["clock"]["ok"] is None
    assert len(await read_topic(hub.bootstrap, f"in.{office.center}")) == 1
