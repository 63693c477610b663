"""A deal sheet, a connector and a worker on real parts: `hub replay follow` tells what became of a row, in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.runtime.daemon import Connector
from connectors.runtime.office import read_office
from connectors.runtime.outbox import Outbox
from hub.broker.embedded import EmbeddedKafka
from hub.cli.main import run_command
from hub.cli.options import Settings
from tests.support.center import Center
from tests.support.worker import Hub

pytestmark = pytest.mark.integration

MAPPING = {
    "files": "deals.csv",
    "stream": "deal",
    "key": "No",
    "key_prefix": "D-",
    "fields": {
        "title": {"column": "Title"},
        "language": {"value": "en"},
        "kind": {"value": "licence"},
        "counterpart_center": {"column": "Other center"},
        "signed_on": {"column": "Signed"},
        "closed_on": {"column": "Closed"},
    },
    "status": {"column": "Status"},
}


class Office:
    """One center's folder, its sheet of deals, and what its rows have become."""

    def __init__(self, hub: Hub, center: Center, folder: Path) -> None:
        self.center = center
        self.folder = folder
        (folder / "keys").mkdir(parents=True)
        key = folder / "keys" / "seal.key"
        key.write_text(center.signer.to_text())
        key.chmod(0o600)
        shutil.copy(hub.data_dir / "keys" / "trust.note", folder / "trust.note")
        (folder / "mappings").mkdir()
        (folder / "mappings" / "deals.yaml").write_text(yaml.safe_dump(MAPPING))
        settings = {
            "hub": hub.identity.hub,
            "center": center.id,
            "bootstrap": [hub.bootstrap],
            "settle_s": 0,
            "file_settle_s": 0,
            "poll_s": 0.05,
        }
        (folder / "connector.yaml").write_text(yaml.safe_dump(settings))

    def write(self, *rows: str) -> None:
        part = self.folder / "deals.csv.part"
        part.write_text("\n".join(["No,Title,Other center,Signed,Closed,Status", *rows]) + "\n")
        part.replace(self.folder / "deals.csv")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Connector]:
        connector = Connector(read_office(self.folder))
        task = asyncio.create_task(connector.run())
        try:
            yield connector
        finally:
            connector.stop()
            await task

    def states(self) -> list[str]:
        with Outbox(self.folder / "outbox.sqlite3", read_only=True) as outbox:
            return [verdict.state for verdict in outbox.rows.verdicts("deals.csv")]

    async def until(self, *states: str) -> None:
        async with asyncio.timeout(30):
            while not (self.folder / "outbox.sqlite3").exists() or self.states() != list(states):
                await asyncio.sleep(0.05)


def follow(hub: Hub, wanted: str, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    capsys.readouterr()
    assert run_command(["replay", "follow", wanted, *options], Settings(hub.data_dir)) == 0
    return capsys.readouterr().out


def told(hub: Hub, wanted: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the events of a story, causes first."""
    events: list[dict[str, Any]] = json.loads(follow(hub, wanted, capsys, "--json"))["events"]
    return events


async def test_a_row_of_a_deal_sheet_is_one_story_with_its_rejection_in_it(
    tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A deal that is new and closed says three events; when HQ has refused them, what mends them goes on from there."""
    hub, center = Hub.make(tmp_path / "data", kafka.bootstrap), Center(f"{topic_prefix}-1", seed=os.urandom(32))
    await hub.register(center)
    office = Office(hub, center, tmp_path / "office")
    good, bad = "1,Licence,,2026-01-10,2026-02-10,closed", "2,Know-how,nowhere,2026-01-11,2026-02-11,closed"
    async with hub.running(), office.running():
        office.write(good, bad, "3,Talks,,,,opened")
        await office.until("accepted", "rejected", "accepted")
        office.write(good, bad.replace("nowhere", ""), "3,Talks,,,,opened")
        await office.until("accepted", "accepted", "accepted")
    whole = [(0, "deal.opened"), (1, "deal.signed"), (2, "deal.closed")]
    stories = {number: _story(hub, center, number, capsys) for number in (1, 2, 3)}
    assert [(e["depth"], e["event"], e["code"]) for e in stories[1]] == [(*each, "ACCEPTED") for each in whole]
    assert [(e["depth"], e["event"]) for e in stories[3]] == [(0, "deal.opened")]
    assert stories[3][0]["correlation_id"] is None
    assert [(e["depth"], e["event"], e["code"]) for e in stories[2]] == [
        *((*each, "UNKNOWN_CENTER") for each in whole),
        *((depth + 1, name, "ACCEPTED") for depth, name in whole),
    ]
    for events in (stories[1], stories[2]):
        assert {e["correlation_id"] for e in events} == {events[0]["id"]}
        for event in events:
            assert told(hub, event["id"], capsys) == events
    shown = follow(hub, stories[2][0]["id"], capsys)
    assert [line.split(": ")[1] for line in shown.splitlines() if ": " in line] == [
        f"{e['event']} {e['subject']}" + ("" if e["code"] == "ACCEPTED" else f"  {e['code']}") for e in stories[2]
    ]


def _story(hub: Hub, center: Center, number: int, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the story of one row, found by the deal's oldest event."""
    capsys.readouterr()
    command = ["replay", "history", "deal", f"{center.id}:D-{number}", "--json"]
    assert run_command(command, Settings(hub.data_dir)) == 0
    first = json.loads(capsys.readouterr().out)[0]
    return told(hub, first["id"], capsys)
