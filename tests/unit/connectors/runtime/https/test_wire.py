"""Connections to HQ, seen from the socket up: over real TLS, without HQ."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.runtime.https.faults import HttpsAway, HttpsHungUp
from connectors.runtime.https.wire import Wire
from connectors.runtime.settings import Https
from tests.support.certificates import Authority

ASKERS = 4


class Listener:
    """Answers when all have asked, so that each has a connection of its own; `open` are those that have not ended."""

    def __init__(self) -> None:
        self.open = 0
        self.all_asked = asyncio.Barrier(ASKERS)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                await self.all_asked.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        self.open -= 1
        writer.close()


@pytest.fixture
async def listener() -> Listener:
    return Listener()


@pytest.fixture
async def wire(listener: Listener, tmp_path: Path) -> AsyncIterator[Wire]:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.leaf("node"))
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    yield Wire(Https(address=f"https://127.0.0.1:{port}", ca_file=authority.file, proxy="none"), 10.0)
    server.close()


async def test_closing_that_is_broken_off_leaves_no_connection_open(wire: Wire, listener: Listener) -> None:
    """A deadline of the caller's may pass while connections are closed: it is told when all of them are."""
    wire.open()
    await asyncio.gather(*(wire.ask("GET", "/", {}) for _ in range(ASKERS)))
    assert listener.open == ASKERS
    closing = asyncio.create_task(wire.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    async with asyncio.timeout(10):
        while listener.open:
            await asyncio.sleep(0.01)


async def test_tunnel_that_is_not_made_is_given_up_in_time() -> None:
    """A proxy whose own connection to HQ gets no answer asks ever more seldom: another one asks at once."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    wire = Wire(Https(address="https://hq.example", proxy=proxy), 300.0, reach_s=0.1)
    wire.open()
    async with asyncio.timeout(60):
        with pytest.raises(HttpsAway):
            await wire.ask("GET", "/", {})
    await wire.close()
    server.close()


async def test_request_that_is_under_way_is_given_its_whole_time(wire: Wire, listener: Listener) -> None:
    """To be there must not take long; the answer may."""
    wire.open()
    wire._reach_s = 2.0
    asking = [asyncio.create_task(wire.ask("POST", "/", {})) for _ in range(ASKERS - 1)]
    await asyncio.sleep(2.5)
    assert not any(task.done() for task in asking)
    await wire.ask("POST", "/", {})
    assert {answer.body for answer in await asyncio.gather(*asking)} == {b"ok"}
    await wire.close()


async def test_silence_is_heard_first_by_who_waits_for_news(wire: Wire, listener: Listener) -> None:
    """A change has its time, and is asked for again by a new connection when the old one is known to be dead."""
    wire.open()
    wire._timeout_s = 60.0
    change = asyncio.create_task(wire.ask("POST", "/", {}))
    while not listener.open:
        await asyncio.sleep(0.01)
    wire._timeout_s = 0.2
    async with asyncio.timeout(30):
        with pytest.raises(HttpsAway):
            await wire.ask("GET", "/", {}, wait_s=0.1)
        with pytest.raises(HttpsHungUp):
            await change
    await wire.close()
