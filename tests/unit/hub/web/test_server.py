"""The server as strangers meet it, over TLS on this machine: slow ones, many of them, and what is no HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.responses import Response
from starlette.routing import Route

from hub.protocol.problem import MEDIA_TYPE
from hub.web.answers import answer
from hub.web.app import create_app
from hub.web.door import Connections
from hub.web.server import Server
from hub.web.service import Certificate
from tests.support.center import Center
from tests.support.certificates import Authority
from tests.support.web_app import Web, web


@dataclass
class Running:
    """A server, and how a client reaches it."""

    server: Server
    context: ssl.SSLContext
    web: Web

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.ports[0]}"

    @asynccontextmanager
    async def connected(
        self, *, tls: bool = True, source: str = "127.0.0.1"
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.server.ports[0], ssl=self.context if tls else None, local_addr=(source, 0)
        )
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def running(
    folder: Path, more: list[Route] | None = None, limits: dict[str, float] | None = None, **options: Any
) -> AsyncIterator[Running]:
    authority = Authority(folder)
    leaf = authority.leaf("hub")
    certificate = Certificate(leaf, leaf)
    async with web(folder, Center(), **(limits or {})) as made:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        server = Server(
            create_app(made.desk, more or []), "127.0.0.1", 0, certificate.context, ready=ready.set_result, **options
        )
        serving = asyncio.create_task(server.serve())
        await asyncio.wait_for(ready, 10)
        try:
            yield Running(server, ssl.create_default_context(cafile=str(authority.file)), made)
        finally:
            made.desk.stopping.set()
            server.should_exit = True
            await asyncio.wait_for(serving, 20)


async def read_end(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the other end closes."""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        return await asyncio.wait_for(reader.read(), 20)
    return b""


async def test_requests_are_served_over_tls_on_kept_connections(tmp_path: Path) -> None:
    """With HQ's time in each answer, by which an office sees that its clock is wrong."""
    async with running(tmp_path) as up, httpx2.AsyncClient(verify=up.context) as client:
        for _ in range(2):
            answer = await client.get(f"{up.url}/livez")
            assert (answer.status_code, answer.json()) == (200, {"status": "alive"})
            assert "date" in answer.headers
            assert "server" not in answer.headers
        assert len(up.server.server_state.connections) == 1


async def test_client_that_does_not_say_its_fields_is_ended(tmp_path: Path) -> None:
    """At once after the connection, in the middle of the fields, and on a connection that has served already."""
    async with running(tmp_path, fields_s=0.2) as up:
        for said in (b"", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "):
            async with up.connected() as (reader, writer):
                writer.write(said)
                assert await read_end(reader) == b""
        async with up.connected() as (reader, writer):
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"alive" in await reader.readuntil(b"}")
            writer.write(b"GET /liv")
            assert await read_end(reader) == b""


async def test_body_that_does_not_come_is_waited_for_a_while(tmp_path: Path) -> None:
    """The connection is answered, and closed."""
    async with running(tmp_path, limits={"body_s": 0.2}) as up, up.connected() as (reader, writer):
        writer.write(b"POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        answer = await read_end(reader)
        assert b" 408 " in answer
        assert b'"code":"too_slow"' in answer


async def test_client_that_does_not_read_is_ended(tmp_path: Path) -> None:
    """What is being sent to it is held for a while, and then nobody is waited for."""

    async def large(_: Any) -> Response:
        return answer({"much": "x" * (32 << 20)})

    async with (
        running(tmp_path, [Route("/large", large)], {"request_s": 0.5}, close_s=0.5) as up,
        up.connected() as (_, writer),
    ):
        writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(20):
            while b'route="/large"' not in up.web.desk.metrics.text() or up.server.server_state.connections:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x00\x00",
        b"GET\r\n\r\n",
        b"GET / HTTP/x.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nBad Name: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000,
        b"POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\nab",
        b"POST /v1/session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\nab",
    ],
)
async def test_what_is_no_http_is_refused_in_the_one_form(tmp_path: Path, said: bytes) -> None:
    """Also two lengths of a body, by which two readers would see two requests."""
    async with running(tmp_path) as up, up.connected() as (reader, writer):
        writer.write(said)
        head, _, body = (await read_end(reader)).partition(b"\r\n\r\n")
        assert int(head.split(b" ", 2)[1]) in {400, 431, 501}
        assert MEDIA_TYPE.encode() in head
        assert json.loads(body)["code"] in {"bad_request", "fields"}


async def test_header_flood_in_one_piece_is_refused(tmp_path: Path) -> None:
    """What comes at once is counted by the app."""
    async with running(tmp_path) as up, up.connected() as (reader, writer):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(200)) + b"\r\n")
        assert b" 431 " in await reader.readline()


async def test_one_address_has_so_many_connections(tmp_path: Path) -> None:
    """The next one is ended at once; when one has gone there is room again."""
    async with running(tmp_path, connections=Connections(10, 2)) as up, up.connected():
        async with up.connected():
            with pytest.raises(OSError):
                async with up.connected():
                    pass
        while len(up.server.server_state.connections) > 1:
            await asyncio.sleep(0.01)
        async with up.connected() as (reader, writer):
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 " in await reader.readline()


async def test_plain_http_at_the_tls_port_gets_nothing(tmp_path: Path) -> None:
    """And costs the server nothing but that connection."""
    async with running(tmp_path) as up:
        async with up.connected(tls=False) as (reader, writer):
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"HTTP" not in await read_end(reader)
        async with httpx2.AsyncClient(verify=up.context) as client:
            assert (await client.get(f"{up.url}/livez")).status_code == 200


async def test_stop_lets_requests_end_and_waits_for_nobody_else(tmp_path: Path) -> None:
    """What is under way is answered; idle connections are closed."""
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Any) -> Response:
        began.set()
        await go.wait()
        return Response("done")

    async with running(tmp_path, [Route("/slow", slow)]) as up, httpx2.AsyncClient(verify=up.context) as client:
        async with up.connected() as (idle, _):
            asked = asyncio.create_task(client.get(f"{up.url}/slow"))
            await began.wait()
            up.server.should_exit = True
            assert await read_end(idle) == b""
        go.set()
        assert (await asked).text == "done"


async def test_request_that_does_not_end_is_told_that_hq_stops(tmp_path: Path) -> None:
    """After a while nobody is waited for, and what is refused has its one form then, too."""
    began = asyncio.Event()

    async def never(_: Any) -> Response:
        began.set()
        await asyncio.Event().wait()
        return Response()

    async with (
        running(tmp_path, [Route("/never", never)], grace_s=1) as up,
        httpx2.AsyncClient(verify=up.context) as client,
    ):
        asked = asyncio.create_task(client.get(f"{up.url}/never"))
        await began.wait()
        up.web.desk.stopping.set()
        up.server.should_exit = True
        assert ((await asked).status_code, (await asked).json()["code"]) == (503, "stopping")


async def test_certificate_is_read_again_when_it_was_replaced(tmp_path: Path) -> None:
    """New connections see the new one; half a pair leaves the old one in use."""
    authority = Authority(tmp_path)
    old, new = authority.leaf("old"), authority.leaf("new")
    place = tmp_path / "listener.pem"
    place.write_bytes(old.read_bytes())
    certificate = Certificate(place, place)
    assert not certificate.renew()
    place.write_bytes(new.read_bytes())
    assert certificate.renew()
    assert not certificate.renew()
