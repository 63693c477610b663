"""docs/https.md: the client on the page is a client, and its example an event."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.protocol.record import canonical
from hub.web.app import create_app
from hub.web.server import Server
from hub.web.service import Certificate
from tests.support.center import HUB, Center
from tests.support.certificates import Authority
from tests.support.web_app import cloud_event, web

PAGE = (Path(__file__).parents[3] / "docs" / "https.md").read_text("utf-8")


def block(language: str) -> str:
    """Return the only block of the page in this language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.fixture
def client_class() -> Any:
    made: dict[str, Any] = {}
    exec(compile(block("python"), "docs/https.md", "exec"), made)
    return made["Client"]


async def test_client_of_the_page_posts_and_reads(tmp_path: Path, client_class: Any) -> None:
    """Copied from the page, it begins a session over TLS, posts a sealed lane and reads what HQ says."""
    center = Center()
    authority = Authority(tmp_path)
    certificate = Certificate(leaf := authority.leaf("hub"), leaf)
    records = center.opened(3)
    async with web(tmp_path, center) as app:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        server = Server(create_app(app.desk), "127.0.0.1", 0, certificate.context, ready=ready.set_result)
        serving = asyncio.create_task(server.serve())
        address = f"https://127.0.0.1:{await asyncio.wait_for(ready, 10)}"
        app.desk.addresses = (address,)

        def use() -> list[httpx2.Response]:
            with httpx2.Client(verify=ssl.create_default_context(cafile=str(authority.file))) as http:
                client = client_class(
                    HUB, center.id, address, Ed25519PrivateKey.from_private_bytes(center.signer.seed), http
                )
                client.begin()
                posted = client.post([cloud_event(record) for record in records])
                app.desk.stopping.set()  # nobody waits for HQ's answer here
                return [posted, client.read(0)]

        try:
            posted, read = await asyncio.to_thread(use)
        finally:
            server.should_exit = True
            await asyncio.wait_for(serving, 20)
        assert (posted.status_code, posted.json()["count"]) == (200, 4), posted.text
        assert (read.status_code, read.json()["records"]) == (200, []), read.text
        written = app.broker.records("in.uz")
        assert [canonical(r.headers, r.value) for r in written] == [canonical(r.headers, r.value) for r in records]


def test_example_has_the_attributes_of_an_event() -> None:
    """Those that a sealed event of ours has, and no other."""
    (example,) = json.loads(block("json"))
    sealed = Center().opened(1)[-1]
    assert set(example) == set(cloud_event(sealed))
    assert base64.b64decode(cloud_event(sealed)["cohubseal"])
