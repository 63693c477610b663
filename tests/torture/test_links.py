"""A link carries, breaks, swallows one way or both, and is late, as it was told; and all arrives in its order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.torture.links import DELAY_S, HOST, Link, Mode, Proxy

SILENT_S = 0.3


@asynccontextmanager
async def called(link: Link) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield a connection over the link to somebody who says again whatever it is told."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(100):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    far = await asyncio.start_server(echo, HOST, 0)
    near = await asyncio.start_server(Proxy(link, HOST, far.sockets[0].getsockname()[1]).serve, HOST, 0)
    reader, writer = await asyncio.open_connection(HOST, near.sockets[0].getsockname()[1])
    try:
        yield reader, writer
    finally:
        writer.close()
        link.turn(Mode.CUT)
        for server in (near, far):
            server.close()
        await asyncio.sleep(0.05)


async def hears(reader: asyncio.StreamReader, count: int) -> bytes:
    async with asyncio.timeout(5):
        return await reader.readexactly(count)


async def test_a_good_link_carries_all_of_it_in_order() -> None:
    sent = bytes(range(256)) * 2000
    async with called(Link()) as (reader, writer):
        writer.write(sent)
        assert await hears(reader, len(sent)) == sent


async def test_a_link_that_is_cut_ends_its_connections() -> None:
    link = Link()
    async with called(link) as (reader, writer):
        writer.write(b"x")
        await hears(reader, 1)
        link.turn(Mode.CUT)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await hears(reader, 1)


@pytest.mark.parametrize("mode", [Mode.HOLE, Mode.UP_ONLY, Mode.DOWN_ONLY])
async def test_what_was_swallowed_comes_when_the_link_is_healed(mode: Mode) -> None:
    link = Link()
    async with called(link) as (reader, writer):
        writer.write(b"before")
        assert await hears(reader, 6) == b"before"
        link.turn(mode)
        writer.write(b"during")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SILENT_S):
                await reader.readexactly(1)
        link.turn(Mode.PASS)
        assert await hears(reader, 6) == b"during"


async def test_a_slow_link_is_late_both_ways() -> None:
    link = Link()
    async with called(link) as (reader, writer):
        link.turn(Mode.SLOW)
        began_s = time.monotonic()
        writer.write(b"x")
        assert await hears(reader, 1) == b"x"
        assert time.monotonic() - began_s >= 2 * DELAY_S
