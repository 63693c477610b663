"""Connections to a broker: made within a time, over when they are silent, failed where they are closed at once.

None of them outlives the client that it was made for.

TCP asks for a connection after 0, 1, 3 and 7 seconds, and then ever more seldom: whoever goes on waiting for the same
one is late where a line was healed. So it is given up in time, and another one is made.

Where the other end closes a TLS connection in the moment in which it was made, asyncio returns no transport for it
(Python 3.11's `create_connection` reads what its protocol has already let go of). aiokafka takes that for a connection,
and fails by an `AttributeError` that none of its callers expects: a process that waits for its broker would end.

aiokafka says good-bye on a TLS connection, and the other end has half a minute to say it, too. Of its first connection
it does not wait for that, and of one that it was making when it was broken off it knows nothing any more: with a broker
that is slow their sockets stay open, also when the client is closed and the event loop ends. So each connection is
remembered with the client that it is for, and `give_up` ends what is left of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from contextvars import ContextVar, copy_context
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from aiokafka import conn
from aiokafka.client import AIOKafkaClient

from hub.base.silence import bear_no_silence

T = TypeVar("T")
CONNECT_S: Final = 8.0  # TCP and TLS

# Whose connections the task makes that runs now, and all that it begins: aiokafka does not say it of its first one.
_maker: ContextVar[AIOKafkaClient | None] = ContextVar("maker", default=None)


class _Loop:
    """The event loop, which raises where a connection is over before it begins, or does not begin."""

    def __init__(self, loop: Any, connect_s: float = CONNECT_S) -> None:
        self._loop = loop
        self._connect_s = connect_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(self, *args: Any, **settings: Any) -> Any:
        """See asyncio. Errors: ConnectionResetError, TimeoutError as well."""
        async with asyncio.timeout(self._connect_s):
            transport, protocol = await self._loop.create_connection(*args, **settings)
        if transport is None:
            raise ConnectionResetError("the other end closed the connection at once")
        with contextlib.suppress(OSError):  # it may be over by now
            bear_no_silence(transport.get_extra_info("socket"))
        return transport, protocol


class Connection(conn.AIOKafkaConnection):  # type: ignore[misc]
    """aiokafka's connection."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        maker = getattr(settings.get("on_close"), "__self__", None)
        self._maker = maker if isinstance(maker, AIOKafkaClient) else _maker.get()
        self._transport: asyncio.WriteTransport | None = None
        self._is_given_up = False

    async def connect(self) -> Any:
        """Connect. Errors: OSError, KafkaError."""
        loop: Any = self._loop
        self._loop: Any = _Loop(loop)
        is_known = self._on_close_cb is not None  # its client has it in its own list, once it is made
        self._remember()
        try:
            made = await super().connect()
        except BaseException:
            if self._transport is None:
                self._forget()
            raise
        finally:
            self._loop = loop
        if self._is_given_up:
            self.give_up()
            raise ConnectionAbortedError("the client was closed meanwhile")
        if is_known:
            self._forget()
        return made

    def close(self, reason: Any = None, exc: BaseException | None = None) -> Any:
        """Close, as soon as the other end has said good-bye; return a future of that. See `give_up`."""
        if self._writer is not None:
            self._transport = self._writer.transport
            self._remember()
            self._closed_fut.add_done_callback(lambda _: self._forget())
        closed = super().close(reason, exc)
        if self._is_given_up and self._transport is not None:
            self._transport.abort()
        # Whoever gives up waiting cancels what it waits for; whether the socket is closed, others want to know, too.
        return closed if closed is None or closed.done() else asyncio.shield(closed)

    def give_up(self) -> None:
        """Close now: the socket is closed a turn of the event loop later, whatever the other end does.

        One that is being made is closed as soon as it is.
        """
        self._is_given_up = True
        self.close()

    def _remember(self) -> None:
        """Be known by the client that this is for."""
        if self._maker is not None:
            _left.setdefault(self._maker, set()).add(self)

    def _forget(self) -> None:
        if self._maker is not None:
            _left.get(self._maker, set()).discard(self)


_left: Final[WeakKeyDictionary[AIOKafkaClient, set[Connection]]] = WeakKeyDictionary()


def make_for(client: Any, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Return the task of what connects a client: whatever connection it makes first is known to be the client's."""
    context = copy_context()
    context.run(_maker.set, _kafka(client))
    return asyncio.get_running_loop().create_task(work, context=context)


def make_only_for(client: Any) -> None:
    """Have all that the task which runs now connects known to be this client's, where one event loop has no other."""
    _maker.set(_kafka(client))


def give_up_all(client: Any) -> None:
    """Close what is left of a client's connections: nobody needs them, and nobody else knows of them any more."""
    kafka = _kafka(client)
    if kafka is None:
        return
    known = [one for one in kafka._conns.values() if isinstance(one, Connection)]  # noqa: SLF001  aiokafka's own
    for connection in {*known, *_left.get(kafka, ())}:
        connection.give_up()


def mend_connections() -> None:
    """Have every client of this process make such connections; aiokafka looks the class up by its name."""
    conn.AIOKafkaConnection = Connection


def _kafka(client: Any) -> AIOKafkaClient | None:
    """Return what has the connections of a client of aiokafka's; None for any other."""
    found = getattr(client, "_client", None) or getattr(client, "client", None)
    return found if isinstance(found, AIOKafkaClient) else None
