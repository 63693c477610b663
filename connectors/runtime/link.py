"""The link to the broker: clients with our settings, the one check before writing, and what `status` says of it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, NodeNotReadyError

from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.meta import NEVER_LINKED, LinkState
from connectors.runtime.settings import ConnectorSettings
from connectors.runtime.told import OfficeWaits, told_of
from hub.base.clients import CLOSE_S, close, start
from hub.base.diagnosis import TIMEOUT_S, find_obstacles
from hub.base.kafka import AIOKAFKA, Clients, Consumer, Producer
from hub.protocol.errors import Retriable

REQUEST_BYTES_MAX: Final = 2 << 20
KAFKA_BATCH_BYTES_MAX: Final = 1_048_500
BACKOFF_MIN_S: Final = 0.2
CONFIRM_EVERY: Final = timedelta(seconds=10)  # that the link is as it was is noted this often at most

# What a link that breaks is seen by, wherever something waits for it.
WEATHER: Final = (TimeoutError, OSError, KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError)

log = structlog.get_logger(__name__)


class Backoff:
    """How long to wait before the link is tried again: ever longer, until `reset` tells that it was there."""

    def __init__(self, max_s: float = 10.0) -> None:
        self._max_s = max_s
        self._next_s = BACKOFF_MIN_S

    def reset(self) -> None:
        """Begin again with the shortest wait."""
        self._next_s = BACKOFF_MIN_S

    async def wait(self) -> None:
        """Wait, and longer the next time."""
        await asyncio.sleep(self._next_s * random.uniform(0.5, 1.0))  # noqa: S311  no secret: spreads the centers
        self._next_s = min(self._next_s * 2, self._max_s)


class BrokerAway(OfficeWaits):
    """No broker can be reached, or lets us in; the message says why, and what to do."""


class TopicHidden(OfficeWaits):
    """The broker answers, and has no such topic, or does not show it to us."""


class Link:
    """The state of the link, kept in the outbox so that `connector status` in another process shows it.

    Shapes: `clients` makes the Kafka clients, which are started here; `clock` tells the time.
    """

    def __init__(
        self,
        settings: ConnectorSettings,
        outbox: Outbox,
        clients: Clients = AIOKAFKA,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self._outbox = outbox
        self._clients = clients
        self._clock = clock
        self._state = NEVER_LINKED
        self._told: set[tuple[str, str]] = set()  # what readers were kept by since the link came up

    def is_up(self) -> None:
        """Note that the broker answers."""
        self._note(LinkState("up"))

    def is_down(self, exc: BaseException) -> None:
        """Note that it does not, and why."""
        why = told_of(exc)
        self._note(LinkState("down", reason=why.text(), why=why))

    def _note(self, seen: LinkState) -> None:
        now, before = self._clock(), self._state
        is_news = (seen.state, seen.reason) != (before.state, before.reason)
        if not is_news and before.last_true is not None and timedelta() <= now - before.last_true < CONFIRM_EVERY:
            return
        since = before.since if seen.state == before.state else now
        self._state = replace(seen, since=since, last_true=now)
        if seen.state != before.state:
            self._tell(before, now)
        with contextlib.suppress(Retriable):  # a full disk is reported by those who lose by it
            self._outbox.database.set_link(self._state)

    def _tell(self, before: LinkState, now: datetime) -> None:
        """Log that the link was lost, or came back: each outage is one line at its start and one at its end."""
        self._told.clear()
        if self._state.state == "down":
            log.warning("link_down", reason=self._state.reason, said=self._state.why)
        elif before.state == "down" and before.since is not None:
            log.info("link_up", down_s=round((now - before.since).total_seconds()))
        else:
            log.info("link_made")

    def tell_lost(self, event: str, exc: BaseException) -> None:
        """Log that a reader has lost its place, once for each reason: bad weather is the link's own line to tell."""
        reason = str(exc) or type(exc).__name__
        if isinstance(exc, (BrokerAway, *WEATHER)) or (event, reason) in self._told:
            log.debug(event, reason=reason)
            return
        self._told.add((event, reason))
        log.info(event, reason=reason, said=told_of(exc))

    def client_settings(self) -> dict[str, Any]:
        """Return what every Kafka client of ours is made with."""
        settings = self.settings
        return {
            "bootstrap_servers": list(settings.bootstrap),
            "client_id": f"cohub-{settings.center}",
            "request_timeout_ms": int(settings.request_timeout_s * 1000),
            **settings.security.client_options(),
        }

    async def producer(self) -> Producer:
        """Return a started producer. Errors: BrokerAway; TopicHidden."""
        settings = self.settings
        producer = self._clients.producer(
            **self.client_settings(),
            acks="all",
            enable_idempotence=True,
            max_batch_size=KAFKA_BATCH_BYTES_MAX,
            max_request_size=REQUEST_BYTES_MAX,
            compression_type=None if settings.compression == "none" else settings.compression,
        )

        async def topics() -> Collection[str]:
            found: Collection[str] = (await producer.client.fetch_all_metadata()).topics()
            return found

        await self._start(producer, topics, [settings.topic_in])
        return producer

    async def consumer(self, *topics: str, wait_ms: int = 500) -> Consumer:
        """Return a started consumer that is assigned to nothing yet; `topics` (our answers) are there.

        Units:  wait_ms is how long the broker holds back a fetch that finds nothing.
        Errors: BrokerAway; TopicHidden, if it is one of the topics.
        """
        consumer = self._clients.consumer(
            **self.client_settings(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=min(wait_ms, int(self.settings.request_timeout_s * 500)),  # it is an answer in time
        )
        await self._start(consumer, consumer.topics, topics or [self.settings.topic_out])
        return consumer

    async def _start(
        self, client: Producer | Consumer, present: Callable[[], Awaitable[Collection[str]]], topics: Sequence[str]
    ) -> None:
        """Start a client and see that its topics are there: writing to a missing one waits, reading from it spins."""
        try:
            async with asyncio.timeout(self.settings.request_timeout_s):
                await start(client, CLOSE_S)
                known = await present()
        except BaseException as exc:
            await close(client)
            if isinstance(exc, KafkaError | TimeoutError | OSError):
                raise await self._explain(exc) from exc
            raise
        for topic in topics:
            if topic not in known:
                await close(client)
                raise TopicHidden("errors.no_topic", topic=topic)

    async def _explain(self, exc: BaseException) -> BrokerAway:
        settings = self.settings
        why = await find_obstacles(settings.bootstrap, settings.security, min(TIMEOUT_S, settings.request_timeout_s))
        if why is not None:
            return BrokerAway("errors.unreachable", obstacles=why)
        servers = ", ".join(settings.bootstrap)
        return BrokerAway("errors.unreachable_somehow", servers=servers, detail=type(exc).__name__)
