"""A Kafka cluster as HQ uses it: where it is and how it lets us in, every client that is made for it, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from hub.base.access import Security, host_and_port
from hub.base.diagnosis import TIMEOUT_S, diagnose
from hub.protocol.errors import Retriable, UsageError

DEADLINE_S: Final = 20.0
PLAIN: Final = Security()

Client = TypeVar("Client", AIOKafkaProducer, AIOKafkaConsumer, AIOKafkaAdminClient)


class Unreachable(Retriable):
    """No broker of the cluster lets us in; the message says why, and what to do. The caller tries again later."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a cluster's brokers are, as `host:port`, and how they let us in. It knows every client that HQ makes."""

    servers: tuple[str, ...]
    security: Security = PLAIN

    @classmethod
    def at(cls, bootstrap: str, security: Security = PLAIN) -> Cluster:
        """Return the cluster at `host:port`, or several of these with commas. Errors: UsageError."""
        servers = tuple(part.strip() for part in bootstrap.split(",") if part.strip())
        try:
            for address in servers or (bootstrap,):
                host_and_port(address)
        except ValueError as exc:
            raise UsageError(f"bootstrap {bootstrap}: {exc}") from exc
        return cls(servers, security)

    @property
    def bootstrap(self) -> str:
        """Its addresses as one text, with commas. There is no secret in it."""
        return ",".join(self.servers)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each broker."""
        return [host_and_port(address) for address in self.servers]

    async def producer(self, name: str, *, deadline_s: float = DEADLINE_S, **tuning: Any) -> AIOKafkaProducer:
        """Return a started producer that repeats nothing and is acknowledged by all replicas; `close` ends it.

        `name` is its client id; `tuning` goes to aiokafka. Errors: Unreachable; UsageError for impossible settings.
        """
        made = AIOKafkaProducer(**self._options(name), acks="all", enable_idempotence=True, **tuning)
        return await self._started(made, deadline_s)

    async def consumer(self, name: str, *, deadline_s: float = DEADLINE_S, **tuning: Any) -> AIOKafkaConsumer:
        """Return a started consumer that commits nothing and is assigned nothing yet. Errors: see `producer`."""
        made = AIOKafkaConsumer(**self._options(name), enable_auto_commit=False, auto_offset_reset="earliest", **tuning)
        return await self._started(made, deadline_s)

    async def admin(self, name: str, *, deadline_s: float = DEADLINE_S) -> AIOKafkaAdminClient:
        """Return a started admin client. Errors: see `producer`."""
        return await self._started(AIOKafkaAdminClient(**self._options(name)), deadline_s)

    def faust_options(self) -> dict[str, Any]:
        """Return what a Faust app is to be made with: its broker by our transport, and its credentials.

        Errors: UsageError for settings that no connection can be made with.
        """
        import faust  # noqa: PLC0415 - it takes half a second, and commands that only look need none of it

        options: dict[str, Any] = {"broker": ";".join(f"hub://{address}" for address in self.servers)}
        context = self.security.ssl_context() if self.security.has_tls else None
        if self.security.has_login:
            username, password = self.security.login()
            options["broker_credentials"] = faust.SASLCredentials(
                username=username, password=password, mechanism=self.security.mechanism, ssl_context=context
            )
        elif context is not None:
            options["broker_credentials"] = faust.SSLCredentials(context)
        return options

    async def diagnose(self, timeout_s: float = TIMEOUT_S) -> str | None:
        """Return in plain words what keeps us out, None if a broker lets us in. Errors: UsageError."""
        return await diagnose(self.servers, self.security, timeout_s)

    def _options(self, name: str) -> dict[str, Any]:
        return {"bootstrap_servers": list(self.servers), "client_id": name, **self.security.client_options()}

    async def _started(self, client: Client, deadline_s: float) -> Client:
        try:
            async with asyncio.timeout(deadline_s):
                await start(client, deadline_s)
        except (KafkaError, TimeoutError, OSError) as exc:
            await close(client, deadline_s)
            why = await self.diagnose(min(TIMEOUT_S, deadline_s))
            raise Unreachable(why or f"{self.bootstrap}: {str(exc) or type(exc).__name__}") from exc
        except BaseException:
            await close(client, deadline_s)
            raise
        return client


@asynccontextmanager
async def closing(client: Client, deadline_s: float = DEADLINE_S) -> AsyncIterator[Client]:
    """Yield a client, and close it afterwards; see `close`."""
    try:
        yield client
    finally:
        await close(client, deadline_s)


async def start(client: Any, deadline_s: float) -> None:
    """Run a client's `start`. One that is broken off leaves its first connection open, so it is let end first.

    A deadline of the caller's, or a cancellation, is passed on after at most `deadline_s` more.
    """
    starting = asyncio.ensure_future(client.start())
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting], timeout=deadline_s)
        if not starting.done():
            starting.cancel()
        elif not starting.cancelled():
            starting.exception()  # seen: the cancellation is what counts
        raise


async def close(client: Any, deadline_s: float = DEADLINE_S) -> None:
    """Close a client within a deadline, whatever state it is in; what it raises is of no use any more.

    A cancellation that comes meanwhile is passed on when the client is closed. In the same task aiokafka would take it
    for one of its own tasks' cancellations, which it has just asked for itself, and swallow it: the task would go on
    for ever, and whoever waits for its end with it.
    """
    clock = asyncio.get_running_loop().time
    until_s = clock() + deadline_s
    stopping = asyncio.ensure_future(client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())
    told: asyncio.CancelledError | None = None
    while not stopping.done() and (left_s := until_s - clock()) > 0:
        try:
            await asyncio.wait([stopping], timeout=left_s)
        except asyncio.CancelledError as exc:
            told = exc
    if not stopping.done():
        stopping.cancel()
    elif not stopping.cancelled():
        stopping.exception()  # seen
    if told is not None:
        raise told
