"""Who is let in to TLS: so many connections of one client, and so many new ones a second.

A handshake costs HQ more than it costs whoever asks for it, so a client is counted from the moment at which its
connection is taken, before a byte of TLS: one that is over its share is closed at once. A client is an address, and of
IPv6 the whole network of 64 bits, in which an address costs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from hub.base.seldom import Seldom
from hub.base.silence import bear_no_silence
from hub.hq.web_options import CLIENT_CONNECTIONS_MAX, CLIENT_CONNECTIONS_PER_S
from hub.protocol.problem import Problem
from hub.web.allowance import Allowance

CONNECTIONS_MAX: Final = 2_000
CONNECTIONS_BURST: Final = 200.0  # new ones of a client at once: HQ was started again, and all come back
BACKLOG: Final = 256
HANDSHAKE_S: Final = 10.0
AGAIN_S: Final = 0.5  # where the system gives no more connections
NETWORK_BITS: Final = 64

log = structlog.get_logger(__name__)


def client_of(host: str) -> str:
    """Return what is counted as one client: an address, of IPv6 its network."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, NETWORK_BITS), strict=False))


class Connections:
    """How many there are, how many of each client, and how many it has begun of late."""

    def __init__(
        self,
        most: int = CONNECTIONS_MAX,
        of_one: int = CLIENT_CONNECTIONS_MAX,
        rate: float = CLIENT_CONNECTIONS_PER_S,
        burst: float | None = None,
    ) -> None:
        self._most = most
        self._of_one = of_one
        self._begun = Allowance("connections", rate, max(CONNECTIONS_BURST, rate) if burst is None else burst)
        self._open: Counter[str] = Counter()

    def enter(self, client: str) -> bool:
        """Count one more, if there is room for it; return whether there is."""
        if self._open.total() >= self._most or self._open[client] >= self._of_one:
            return False
        try:
            self._begun.check(client)
        except Problem:
            return False
        self._begun.take(client)
        self._open[client] += 1
        return True

    def leave(self, client: str) -> None:
        """Count one less."""
        self._open[client] -= 1
        if self._open[client] <= 0:
            del self._open[client]


class Seat:
    """One place among the connections. Whoever has it gives it back, once or more often."""

    def __init__(self, connections: Connections, client: str) -> None:
        self._connections = connections
        self._client = client
        self._is_taken = True

    def leave(self) -> None:
        """Give it back."""
        if self._is_taken:
            self._is_taken = False
            self._connections.leave(self._client)


class Door:
    """Listening sockets; each connection that may enter has TLS, and then a protocol of its own.

    Shapes: `protocol` makes the protocol of a connection, whose seat it gives back when the connection is lost. uvicorn
            ends it by `close` and `wait_closed`, as it does an asyncio.Server.
    """

    def __init__(
        self,
        connections: Connections,
        context: ssl.SSLContext,
        protocol: Callable[[Seat], asyncio.Protocol],
        close_s: float,
    ) -> None:
        self._connections = connections
        self._context = context
        self._protocol = protocol
        self._close_s = close_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._seldom = Seldom(log)
        self.sockets: list[socket.socket] = []

    async def listen(self, host: str, port: int) -> None:
        """Listen at every address of a host. Errors: OSError where it is taken, or is not of this machine."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, address in dict.fromkeys((family, address) for family, *_, address in found):
                listener = socket.create_server(address, family=family, backlog=BACKLOG)
                listener.setblocking(False)
                bear_no_silence(listener)
                self.sockets.append(listener)
        except OSError:
            self.close()
            raise
        for listener in self.sockets:
            self._begin(self._take(listener))

    def close(self) -> None:
        """Take no more connections, and wait for no handshake; those that are open stay."""
        for task in self._tasks:
            task.cancel()
        for listener in self.sockets:
            listener.close()

    async def wait_closed(self) -> None:
        """Return when nothing of it goes on any more."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                taken, peer = await loop.sock_accept(listener)
            except OSError as exc:  # it has gone again, or there are no more files to be had
                self._seldom.warning("connection_not_taken", reason=exc.strerror or str(exc))
                await asyncio.sleep(AGAIN_S)
                continue
            client = client_of(peer[0])
            if self._connections.enter(client):
                self._begin(self._shake_hands(taken, Seat(self._connections, client)))
            else:
                self._seldom.warning("connection_refused", reason="too many of one client")
                taken.close()

    async def _shake_hands(self, taken: socket.socket, seat: Seat) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                lambda: self._protocol(seat),
                taken,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=self._close_s,
            )
        except (OSError, asyncio.CancelledError):  # ssl.SSLError is one, too: it was no TLS, or took too long
            seat.leave()
            with contextlib.suppress(OSError):
                taken.close()
