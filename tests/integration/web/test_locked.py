"""An office that is let in by one file and has nothing but HTTPS, at a hub whose broker lets no one in."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import httpx2
import pytest

from hub.cli.main import run_command
from hub.cli.options import Settings
from hub.hq import invitations
from hub.hq.folder import HubFolder
from hub.protocol.invitation import HttpsWay, Invitation
from hub.protocol.joining import State, open_answer
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt
from hub.protocol.status import read_said
from hub.protocol.trust import open_trust
from tests.integration.web.test_web import values
from tests.support.center import Center
from tests.support.joining import asking, request_of
from tests.support.network import Program
from tests.support.ports import free_port
from tests.support.web_app import Office, record_batch

pytestmark = [pytest.mark.integration, pytest.mark.long]
PROFILE = ["--name", "Tashkent", "--country", "UZ", "--direction", "north", "--language", "ru", "--stream", "offer"]


async def test_office_joins_writes_and_reads_by_https_alone(tmp_path: Path) -> None:
    """By the hub's own certificate and the user `web`, with least rights: no client here speaks Kafka."""
    data, port = tmp_path / "hub", free_port()
    address, where = f"https://127.0.0.1:{port}", HubFolder(tmp_path / "hub")
    command = ["-m", "hub.cli.main", "--data-dir", str(data)]
    up = Program("up", [*command, "up"], tmp_path)
    web = Program("web", [*command, "web", "--listen", f"127.0.0.1:{port}", "--public", address], tmp_path)
    up.start()
    try:
        async with asyncio.timeout(90):
            while not any("is up at" in line for line in up.said()):
                assert up.is_running, up.said()
                await asyncio.sleep(0.1)
            assert await asyncio.to_thread(run_command, ["center", "add", "uz", *PROFILE], Settings(data)) == 0
            web.start()
            while not where.authority.exists() or not any("listens on port" in line for line in web.said()):
                assert web.is_running, web.said()
                await asyncio.sleep(0.1)
            context = ssl.create_default_context(cafile=str(where.authority))
            async with httpx2.AsyncClient(verify=context, base_url=address, timeout=40) as client:
                await _live(client, where, address, tmp_path)
    finally:
        for program in (web, up):
            if program.is_running:
                assert await program.stop() == 0, program.said()
    assert "password" not in web.log.read_text()


async def _live(client: httpx2.AsyncClient, where: HubFolder, address: str, folder: Path) -> None:
    invited = await invitations.invite(where, "uz", folder / "uz.cohub", None, HttpsWay(address, ""))
    bundle = Invitation.from_bytes(invited.file.read_bytes())
    trust = open_trust(bundle.trust)

    async def ask() -> State:
        answer = await client.post(f"/v1/join/{bundle.id}", content=asking(bundle))
        assert answer.status_code == 200, answer.text
        return open_answer(answer.content, trust).state

    assert await ask() is State.WAITS
    await invitations.confirm(where, "uz", request_of(bundle).fingerprint)
    assert await ask() is State.ACCEPTED
    center = replace(Center("uz"), seed=sha256(b"office").digest())
    office = Office(client, center, address=address)
    while (begun := await office.begin()).status_code != 201:
        assert begun.json()["code"] == "key", begun.text
        await asyncio.sleep(0.2)
    records = center.opened(5)
    while (posted := await office.post(record_batch(records))).status_code != 200:
        assert posted.json()["code"] == "away", posted.text  # its topics and rights are on their way
        await asyncio.sleep(0.2)
    offset, taken = 0, 0
    while taken < 6:
        read = await office.get(f"/v1/topics/out.uz/records?offset={offset}&wait_s=5")
        page = read.json()
        if read.status_code == 200:
            answers = [read_said(Note.from_bytes(value).text) for value in values(page)]
            taken = max([taken, *(answer.last for answer in answers if isinstance(answer, Receipt))])
            offset = page["next"]
