"""docs/operations.md: what each runbook has people type, in a network to which it has just happened.

Real processes; of the ids that the page shows others are typed, which are asked for in the way that it says.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters, HqEvent
from hub.hq.identity import load_identity, make_identity
from hub.protocol.rules import rules
from hub.store.released import released_schemas
from tests.support.center import Center
from tests.support.documents import ROOT, Terminal, blocks
from tests.support.engines import open_store
from tests.support.network import Network
from tests.support.sheet import Row
from tests.support.worker import produce

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(900)]

PAGE: Final = "docs/operations.md"
KEY: Final = "1f2e3d4c"  # the id that the page shows
# What is not run here, and why.
NOT_RUN: Final = {"hub center rotate uz --to uz.password": "the plain broker here has no passwords; test_operator.py"}
DEADLINE_S: Final = 120.0


def of(heading: str) -> list[str]:
    """Return the commands below a heading of the page, in their order. Errors: AssertionError where there are none."""
    (text,) = re.findall(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", (ROOT / PAGE).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    found = [command for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) for command in
             block.splitlines()]  # fmt: skip
    assert found, heading
    return [command for command in found if command not in NOT_RUN]


@dataclass
class Site:
    """A network that lives, HQ's people at one terminal and the office's at another."""

    network: Network
    hq: Terminal
    office: Terminal

    def types(self, command: str, status: int = 0) -> str:
        """Return what a command prints, typed where the page has it typed: an office's in its folder."""
        where = self.office if command.startswith("connector") else self.hq
        if status:
            command = f"{command} || test $? = {status}"  # or all is well
        return where.run(command, deadline_s=DEADLINE_S)

    def all(self, heading: str, **stand_ins: str) -> dict[str, str]:
        """Return what each command of a runbook prints; one that only looks may say that a person is needed."""
        self.hq.stand_ins |= stand_ins
        looks = ("hub status", "hub doctor", "hub log status", "hub clock show", "connector")
        return {each: self.types(each, status=int(each.startswith(looks))) for each in of(heading)}

    async def until(self, seen: Callable[[], Any]) -> None:
        await self.network.until(seen, DEADLINE_S)

    def status(self) -> dict[str, Any]:
        """Return what `hub status --json` has."""
        return dict(json.loads(self.types("hub status --json", status=1)))

    def center(self, name: str) -> dict[str, Any]:
        """Return how a center stands."""
        (found,) = [center for center in self.status()["centers"] if center["center"] == name]
        return dict(found)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Yield a network of an earlier release's rules, with an office whose rows were decided."""
    data = tmp_path / "hub"
    store = open_store(HubFolder(data).database)
    identity = make_identity(HubFolder(data).keys, "hub.example")
    await Headquarters(store, identity, released_schemas()).prepare(rules(1))
    await store.close()
    network = await Network.set_up(tmp_path, ["uz"])
    (office,) = network.offices
    office.sheet.put("first", Row(title="first"))
    office.mark()
    environment = {"HUB_DATA_DIR": str(data), "HUB_BOOTSTRAP": network.broker.bootstrap}
    terminals = [Terminal(data.parent / "desk", environment, {}), Terminal(office.folder, environment, {})]
    try:
        network.start()
        await network.settle()
        yield Site(network, *terminals)
    finally:
        network.kill()


async def decided(site: Site, name: str) -> None:
    """Return once a new row of the office has its verdict."""
    (office,) = site.network.offices
    office.mark(name)
    await site.until(office.is_settled)


async def test_what_befalls_hq_is_seen_and_mended(site: Site) -> None:
    """A worker is killed, the broker is, the database is looked through, the disk is, a release has come, a clock."""
    network = site.network
    network.worker.kill()
    found = site.all("A worker is down, or falls behind")
    assert "stopped" in found["hub status"]
    network.start()
    await decided(site, "END1")
    assert site.status()["worker"]["state"] == "running"

    network.broker.kill()
    assert "FAILS" in site.types("hub doctor", status=1)
    network.start()
    await network.broker.ready()
    await decided(site, "END2")
    found = site.all("The broker is lost")
    await decided(site, "END3")

    found = site.all("The database is lost, or was restored")
    assert "nothing found" in found["hub audit verify"]
    found = site.all("The disk is full")
    assert "nothing to move" in found["hub ledger archive --older-than 365 --to archive"]
    found = site.all("An upgrade")
    assert found["hub --version"].startswith("hub ")
    found = site.all("A release brings schemas or rules")
    assert json.loads(site.types("hub rules --json"))["in_force"] == 2
    await decided(site, "END4")

    await network.worker.stop()
    store = open_store(network.hub.database)
    headquarters = Headquarters(store, network.hub.identity, released_schemas())
    await headquarters.prepare()
    await headquarters.say(
        [HqEvent("net.cohub.code_list.revised.v1", "technology", {"name": "technology", "codes": []})],
        datetime.now(UTC) + timedelta(hours=2),
    )
    await store.close()
    assert "clock" in site.status()["needs"]
    site.all("A clock is wrong")
    network.start()
    await decided(site, "END5")


async def test_what_befalls_an_office_is_seen_and_mended(site: Site) -> None:
    """Its key leaks, HQ's does, two machines write as it, and at last its computer is stolen."""
    network, (office,) = site.network, site.network.offices
    assert "uz" in site.all("An office raises an alarm")["connector status"]
    new, enrol, use, revoke, rotate, listing, retire = of("A key has leaked")
    before = active(site, "seal")
    site.types(new)
    (note,) = office.folder.glob("*.rotation.note")
    site.hq.folder.joinpath("uz.rotation.note").write_bytes(note.read_bytes())
    site.types(enrol)
    await site.until(lambda: len(active(site, "seal")) == 2)
    await network.offices[0].connector.stop()
    site.types(use)
    site.hq.stand_ins[KEY] = before[0]
    site.types(revoke)
    await decided(site, "END1")
    assert before[0] not in active(site, "seal")

    site.types(rotate)
    keys = json.loads(site.types("hub key list --json"))["keys"]
    site.types(listing)
    site.hq.stand_ins[KEY] = next(k["id"] for k in keys if k["purpose"] == "receipts" and k["status"] == "former")
    await until_retired(site, retire)
    await decided(site, "END2")

    two, one = Center("kz"), Center("kz")
    await network.hub.register(two)
    await produce(network.broker.bootstrap, "in.kz", two.opened(1))
    await site.until(lambda: network.ask("SELECT count(*) FROM lane WHERE center = 'kz'"))
    await produce(network.broker.bootstrap, "in.kz", [one.opening(), *one.offers(1, title="Another")])
    await site.until(lambda: site.center("kz")["status"] == "forked")
    status, show, resume, epoch = of("A lane is parked, or forked")
    assert "kz" in site.types(status, status=1)
    site.hq.stand_ins[" uz"] = " kz"
    assert "forked" in site.types(show, status=1)
    site.types(resume)
    await site.until(lambda: site.center("kz")["status"] == "reading")
    del site.hq.stand_ins[" uz"]
    await network.offices[0].connector.stop()
    site.types(epoch)
    await decided(site, "END3")

    suspend, shown, revoke = of("An office's computer is down, or stolen")
    stolen = active(site, "seal")[0]
    site.types(suspend)
    assert stolen in site.types(shown, status=1)
    site.hq.stand_ins[KEY] = stolen
    site.types(revoke)
    assert active(site, "seal") == []
    site.types("hub center resume uz")


async def until_retired(site: Site, retire: str) -> None:
    """Return once HQ's former key is retired, which the page has people do half a minute later."""
    deadline = time.monotonic() + DEADLINE_S
    while "30 s old" in (told := site.types(f"{retire} 2>&1", status=2)):  # the page says half a minute later
        assert time.monotonic() < deadline
        await asyncio.sleep(1)
    assert "retired: " in told
    site.network.hub.identity = load_identity(
        HubFolder(site.network.hub.data_dir).keys
    )  # as each command of HQ's reads it anew


def active(site: Site, purpose: str) -> list[str]:
    """Return the ids of the office's active keys for a purpose."""
    found = json.loads(site.types("hub center show uz --json", status=1))
    return [key["id"] for key in found["registered"]["keys"] if key["purpose"] == purpose and key["status"] == "active"]


def test_every_block_is_run_by_one_of_these() -> None:
    """Each command of the page is below a heading whose commands are run above."""
    text = Path(__file__).read_text("utf-8")
    headings = re.findall(r"^## (.+)$", (ROOT / PAGE).read_text("utf-8"), re.MULTILINE)
    assert [heading for heading in headings if f'"{heading}"' not in text] == []
    every = [command for block in blocks(PAGE) for command in block]
    assert sorted(every) == sorted([*(command for heading in headings for command in of(heading)), *NOT_RUN])
