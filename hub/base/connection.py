"""A connection to a broker that closes it at once: aiokafka is told so.

Where the other end closes a TLS connection in the moment in which it was made, asyncio returns no transport for it
(Python 3.11's `create_connection` reads what its protocol has already let go of). aiokafka takes that for a connection,
and fails by an `AttributeError` that none of its callers expects: a process that waits for its broker would end.
"""

from __future__ import annotations

from typing import Any

from aiokafka import conn


class _Loop:
    """The event loop, which raises where a connection is over before it begins."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(self, *args: Any, **settings: Any) -> Any:
        """See asyncio. Errors: ConnectionResetError as well."""
        transport, protocol = await self._loop.create_connection(*args, **settings)
        if transport is None:
            raise ConnectionResetError("the other end closed the connection at once")
        return transport, protocol


class Connection(conn.AIOKafkaConnection):  # type: ignore[misc]
    """aiokafka's connection."""

    async def connect(self) -> Any:
        """Connect. Errors: OSError, KafkaError."""
        loop: Any = self._loop
        self._loop: Any = _Loop(loop)
        try:
            return await super().connect()
        finally:
            self._loop = loop


def mend_connections() -> None:
    """Have every client of this process make such connections; aiokafka looks the class up by its name."""
    conn.AIOKafkaConnection = Connection
