"""How long a connection may be silent, as the system's sockets take it."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest
from aiokafka.conn import create_conn

from hub.base.connection import Connection, _Loop
from hub.base.kafka import AIOKAFKA
from hub.base.silence import SILENT_S, bear_no_silence, silence_options


def user_timeout_ms(sock: socket.socket) -> int:
    return sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, "TCP_USER_TIMEOUT", 18))


async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing, until the client goes."""
    try:
        await asyncio.sleep(60)
    finally:
        writer.close()


def test_every_system_is_asked_for_signs_of_life() -> None:
    """Each option is one that this system has, named once; all have keep-alive."""
    options = silence_options()
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options
    assert len({option[:2] for option in options}) == len(options)
    with socket.socket() as sock:
        bear_no_silence(sock)
        assert all(sock.getsockopt(level, name) for level, name, _ in options)


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is Linux's")
def test_accepted_connection_inherits_what_its_listener_bears() -> None:
    """What `hub web` accepts is set by its listening socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bear_no_silence(listener)
        with socket.create_connection(listener.getsockname()) as _, listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert user_timeout_ms(accepted) == SILENT_S * 1000


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is Linux's")
async def test_connection_to_a_broker_bears_no_silence() -> None:
    """Every client of Kafka's has such connections."""
    assert AIOKAFKA is not None  # whoever makes clients has the mended connection
    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    seen: list[int] = []

    class Seen(Connection):
        async def _do_version_lookup(self) -> None:
            seen.append(user_timeout_ms(self._writer.get_extra_info("socket")))
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await Seen("127.0.0.1", port).connect()
    with pytest.raises(TimeoutError):
        await create_conn("127.0.0.1", port, request_timeout_ms=100)
    assert seen == [SILENT_S * 1000]
    server.close()


async def test_connection_that_does_not_begin_is_given_up_in_time() -> None:
    """Another one asks at once, where TCP would ask again ever later."""

    class Never:
        async def create_connection(self, *_: object, **__: object) -> None:
            await asyncio.Event().wait()

    async with asyncio.timeout(10):
        with pytest.raises(TimeoutError):
            await _Loop(Never(), connect_s=0.01).create_connection()
