"""The door before TLS: who has too many connections is closed out before a byte of a handshake is read."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from hub.web.door import Connections, Seat, client_of
from tests.unit.hub.web.test_server import running


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_client_is_an_address_or_a_network_of_them(host: str, client: str) -> None:
    """Of IPv6 everybody has as many addresses as he likes."""
    assert client_of(host) == client


def test_connections_are_bounded_in_all_for_each_client_and_in_time() -> None:
    """Whoever has gone makes room for one more at the same time, and not for one more in the same second."""
    connections = Connections(most=3, of_one=2, rate=0.001, burst=2.5)
    assert [connections.enter("a") for _ in range(3)] == [True, True, False]
    assert [connections.enter("b") for _ in range(2)] == [True, False]
    connections.leave("a")
    assert connections.enter("a")
    connections.leave("a")
    assert not connections.enter("a")
    assert connections.enter("b")


def test_seat_is_given_back_once() -> None:
    """Whoever ends a connection may say so, and whoever notices it as well."""
    connections = Connections(of_one=1)
    assert connections.enter("a")
    seat = Seat(connections, "a")
    seat.leave()
    assert connections.enter("a")
    seat.leave()
    assert not connections.enter("a")


async def connected(port: int, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))


async def test_connection_over_the_bound_costs_no_handshake(tmp_path: Path) -> None:
    """It is closed before a byte was said by either, and who comes from elsewhere is let in."""
    async with running(tmp_path, connections=Connections(of_one=2)) as up:
        port = up.server.ports[0]
        waiting = [await connected(port) for _ in range(2)]  # they say nothing, and wait for their handshake
        reader, writer = await connected(port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        async with up.connected(source="127.0.0.2") as (reader, writer):
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 " in await asyncio.wait_for(reader.readline(), 5)
        for _, one in waiting:
            one.close()


async def test_handshake_that_fails_gives_its_place_back(tmp_path: Path) -> None:
    """Plain text, garbage, and who goes away in the middle of it."""
    connections = Connections(of_one=1)
    async with running(tmp_path, connections=connections) as up:
        for said in (b"GET / HTTP/1.1\r\n\r\n", bytes(100), b"\x16\x03\x01\x02", b""):
            reader, writer = await connected(up.server.ports[0])
            writer.write(said)
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 5)
            writer.close()
            async with asyncio.timeout(5):
                while not connections.enter("127.0.0.1"):
                    await asyncio.sleep(0.01)
            connections.leave("127.0.0.1")


async def test_stop_ends_handshakes_and_frees_the_port(tmp_path: Path) -> None:
    """Nobody who says nothing is waited for."""
    connections = Connections(of_one=1, burst=100_000)
    async with running(tmp_path, connections=connections) as up:
        port = up.server.ports[0]
        reader, writer = await connected(port)
        async with asyncio.timeout(5):
            while connections.enter("127.0.0.1"):  # as long as it is not let in
                connections.leave("127.0.0.1")
                await asyncio.sleep(0.01)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    with socket.create_server(("127.0.0.1", port)):
        pass
