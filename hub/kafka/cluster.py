"""A Kafka cluster as HQ uses it: where it is and how it lets us in, every client that is made for it, and their end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka.errors import KafkaError

from hub.base.access import Security, host_and_port
from hub.base.clients import Client, close, start
from hub.base.diagnosis import TIMEOUT_S, diagnose
from hub.base.kafka import AIOKAFKA, Admin, Clients, Consumer, Producer
from hub.base.reason import reason_of
from hub.kafka.security import ClusterSecurity, user_of
from hub.protocol.errors import Retriable, UsageError

DEADLINE_S: Final = 20.0
PLAIN: Final = ClusterSecurity()


class Unreachable(Retriable):
    """No broker of the cluster lets us in; the message says why, and what to do. The caller tries again later."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a cluster's brokers are, as `host:port`, and how they let us in. It knows every client that HQ makes.

    Shapes: `clients` makes them, which are started here; where they come from does not make it another cluster.
            `admins` is how an admin client gets in, which makes topics and gives rights; None: as all others do.
            `web` is how the HTTPS way in gets in, which needs rights of its own; None: nothing is said of it.
            `replicas` is how many brokers have each topic; None: three, or as many as there are when it is made.
    """

    servers: tuple[str, ...]
    security: Security = PLAIN
    admins: Security | None = None
    clients: Clients = field(default=AIOKAFKA, compare=False, repr=False)
    web: Security | None = None
    replicas: int | None = None

    @classmethod
    def at(
        cls,
        bootstrap: str,
        security: Security = PLAIN,
        admins: Security | None = None,
        web: Security | None = None,
    ) -> Cluster:
        """Return the cluster at `host:port`, or several of these with commas. Errors: UsageError."""
        servers = tuple(part.strip() for part in bootstrap.split(",") if part.strip())
        try:
            for address in servers or (bootstrap,):
                host_and_port(address)
        except ValueError as exc:
            raise UsageError(f"bootstrap {bootstrap}: {exc}") from exc
        return cls(servers, security, admins, web=web)

    @property
    def bootstrap(self) -> str:
        """Its addresses as one text, with commas. There is no secret in it."""
        return ",".join(self.servers)

    @property
    def user(self) -> str | None:
        """The name that we have there; None where it is nobody's, or that of who administers the cluster.

        Errors: UsageError for a certificate that does not tell.
        """
        return None if self.admins is None else self._other_than_admin(self.security)

    @property
    def web_user(self) -> str | None:
        """The name that the HTTPS way in has there; None as for `user`. Errors: see there."""
        return None if self.web is None else self._other_than_admin(self.web)

    @property
    def logins(self) -> frozenset[str]:
        """The names of all who are HQ's own there. Errors: see `user`."""
        every = (user_of(security) for security in (self.security, self.admins, self.web) if security is not None)
        return frozenset(name for name in every if name is not None)

    def _other_than_admin(self, security: Security) -> str | None:
        name = user_of(security)
        return None if name == user_of(self.admins or self.security) else name

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each broker."""
        return [host_and_port(address) for address in self.servers]

    async def producer(self, name: str, *, deadline_s: float = DEADLINE_S, **tuning: Any) -> Producer:
        """Return a started producer that repeats nothing and is acknowledged by all replicas; `close` ends it.

        `name` is its client id; `tuning` goes to aiokafka. Errors: Unreachable; UsageError for impossible settings.
        """
        options = self._options(name, self.security)
        made = self.clients.producer(**options, acks="all", enable_idempotence=True, **tuning)
        return await self._started(made, deadline_s, self.security)

    async def consumer(self, name: str, *, deadline_s: float = DEADLINE_S, **tuning: Any) -> Consumer:
        """Return a started consumer that commits nothing and is assigned nothing yet. Errors: see `producer`."""
        options = self._options(name, self.security)
        made = self.clients.consumer(**options, enable_auto_commit=False, auto_offset_reset="earliest", **tuning)
        return await self._started(made, deadline_s, self.security)

    async def admin(self, name: str, *, deadline_s: float = DEADLINE_S) -> Admin:
        """Return a started admin client. Errors: see `producer`."""
        security = self.admins or self.security
        return await self._started(self.clients.admin(**self._options(name, security)), deadline_s, security)

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

    def _options(self, name: str, security: Security) -> dict[str, Any]:
        return {"bootstrap_servers": list(self.servers), "client_id": name, **security.client_options()}

    async def _started(self, client: Client, deadline_s: float, security: Security) -> Client:
        try:
            async with asyncio.timeout(deadline_s):
                await start(client, deadline_s)
        except (KafkaError, TimeoutError, OSError) as exc:
            await close(client)
            why = await diagnose(self.servers, security, min(TIMEOUT_S, deadline_s))
            raise Unreachable(why or f"{self.bootstrap}: {reason_of(exc)}") from exc
        except BaseException:
            await close(client)
            raise
        return client
