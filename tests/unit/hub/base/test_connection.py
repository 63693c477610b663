"""A connection that is over before it begins is an error that aiokafka's callers expect."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from aiokafka.conn import create_conn

from hub.base.connection import Connection
from hub.base.kafka import AIOKAFKA


async def test_connection_that_is_closed_at_once_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left behind that complains when it is collected, either."""
    assert AIOKAFKA is not None  # whoever makes clients has the mended connection

    async def closed(*_: Any, **__: Any) -> tuple[None, None]:
        return None, None

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", closed, raising=False)
    with pytest.raises(ConnectionResetError, match="closed the connection at once"):
        await create_conn("127.0.0.1", 1)
    gc.collect()


async def test_loop_is_the_connections_own_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for futures, calls and readers as before."""
    connection: Any = Connection("127.0.0.1", 1)
    loop = asyncio.get_running_loop()

    async def refused(*_: Any, **__: Any) -> tuple[None, None]:
        raise ConnectionRefusedError

    monkeypatch.setattr(loop, "create_connection", refused, raising=False)
    with pytest.raises(ConnectionRefusedError):
        await connection.connect()
    assert connection._loop is loop
