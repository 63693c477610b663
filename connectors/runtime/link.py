"""The link to HQ: clients with our settings, the one check before writing, and what `status` says of it.

Which way in it goes, by Kafka or over HTTPS, is seen here alone (`connectors.runtime.way`).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
)

from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.meta import NEVER_LINKED, LinkState
from connectors.runtime.settings import ConnectorSettings, Way
from connectors.runtime.told import OfficeWaits, told_of
from connectors.runtime.way import Ways, WayTurned
from hub.base.clients import CLOSE_S, close, start
from hub.base.diagnosis import TIMEOUT_S, find_obstacles
from hub.base.kafka import AIOKAFKA, Clients, Consumer, Producer
from hub.protocol.errors import Retriable
from schemas.words.said import Said, said

REQUEST_BYTES_MAX: Final = 2 << 20
KAFKA_BATCH_BYTES_MAX: Final = 1_048_500
BACKOFF_MIN_S: Final = 0.2
BACKOFF_MAX_S: Final = 3.0  # with the time that a connection takes: ten seconds after a link is healed it is used
KAFKA_TRY_S: Final = 8.0  # where there is another way in, it is not waited longer for a client of Kafka's
FOUND_AGAIN_S: Final = 15.0  # so long what keeps us out of Kafka is not looked for anew
AGAIN_S: Final = 2.0  # so soon the way that is taken is tried again, while it is looked whether another one is better
FRUITLESS_MAX: Final = 2
CONFIRM_EVERY: Final = timedelta(seconds=10)  # that the link is as it was is noted this often at most

# What a link that breaks is seen by, wherever something waits for it.
WEATHER: Final = (TimeoutError, OSError, KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError)

T = TypeVar("T", bound=Producer | Consumer)

log = structlog.get_logger(__name__)


class Backoff:
    """How long to wait before the link is tried again: ever longer, until `reset` tells that something came of it.

    That a broker lets us in, and tells where a topic ends, is less than that: whatever is wrong behind it would be met
    again at once, and by every center.
    """

    def __init__(self, max_s: float = BACKOFF_MAX_S) -> None:
        self._max_s = max_s
        self._next_s = BACKOFF_MIN_S

    def reset(self) -> None:
        """Begin again with the shortest wait."""
        self._next_s = BACKOFF_MIN_S

    def landed(self, consumer: Consumer, place: TopicPartition) -> None:
        """Begin again, if a fetch of this consumer was answered. It is told once what came of it is taken."""
        if consumer.highwater(place) is not None:
            self.reset()

    async def wait(self) -> None:
        """Wait, and longer the next time."""
        await asyncio.sleep(self._next_s * random.uniform(0.5, 1.0))  # noqa: S311  no secret: spreads the centers
        self._next_s = min(self._next_s * 2, self._max_s)


class BrokerAway(OfficeWaits):
    """No broker can be reached, or lets us in; the message says why, and what to do."""


class TopicHidden(OfficeWaits):
    """The broker answers, and has no such topic, or does not show it to us."""


class MayNotWrite(OfficeWaits):
    """The broker lets us in, and has no topic that we may write to."""


class Link:
    """The state of the link, kept in the outbox so that `connector status` in another process shows it.

    Shapes: `clients` makes the Kafka clients, which are started here, and `https` what makes those over HTTPS; without
            it Kafka is the only way. `clock` tells the time.
    """

    def __init__(
        self,
        settings: ConnectorSettings,
        outbox: Outbox,
        clients: Clients = AIOKAFKA,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        https: Callable[[], Clients] | None = None,
        ways: Ways | None = None,
    ) -> None:
        self.settings = settings
        self.ways = ways or Ways(settings.ways if https is not None else (Way.KAFKA,))
        self._outbox = outbox
        self._clients = clients
        self._https = https
        self._https_clients: Clients | None = None
        self._fruitless = 0  # producers in a row by which nothing was acknowledged
        self._turning = asyncio.Lock()  # one at a time looks whether the other way lets us in
        self._looking: asyncio.Task[Said | None] | None = None  # who looks for all that can't get in by the present one
        self._asking = asyncio.Lock()
        self._kept_out: tuple[Said, ...] | None = None  # what was found to keep us out of Kafka
        self._asked_s = 0.0  # when that was
        self._clock = clock
        self._state = NEVER_LINKED
        self._told: set[tuple[str, str]] = set()  # what readers were kept by since the link came up

    def is_up(self) -> None:
        """Note that the broker answers."""
        self._kept_out = None
        self._note(LinkState("up"))

    def is_down(self, exc: BaseException) -> None:
        """Note that it does not, and why; that the way was changed is no such thing."""
        if isinstance(exc, WayTurned):
            return
        why = self._told_of(exc)
        self._note(LinkState("down", reason=why.text(), why=why))

    def _told_of(self, exc: BaseException) -> Said:
        """Return what is wrong with the link; bad weather for which nobody has found words is no fault of a program."""
        has_words = hasattr(exc, "said") or (isinstance(exc, OSError) and exc.errno is not None)
        if has_words or not isinstance(exc, WEATHER):
            return told_of(exc)
        servers = ", ".join(self.settings.bootstrap) if self.ways.now is Way.KAFKA else self.settings.https.address
        return said("errors.unreachable_somehow", servers=servers or "", detail=type(exc).__name__)

    def _note(self, seen: LinkState) -> None:
        now, before = self._clock(), self._state
        seen = replace(seen, way=str(self.ways.now), because=self.ways.why)
        is_news = (seen.state, seen.reason, seen.way) != (before.state, before.reason, before.way)
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
        """Return a started producer. Errors: BrokerAway; TopicHidden; MayNotWrite."""
        return await self._by_any_way(self._producer)

    async def consumer(self, *topics: str, wait_ms: int = 500) -> Consumer:
        """Return a started consumer that is assigned to nothing yet; `topics` (our answers) are there.

        Units:  wait_ms is how long the broker holds back a fetch that finds nothing.
        Errors: BrokerAway; TopicHidden, if it is one of the topics.
        """
        wanted = topics or (self.settings.topic_out,)
        return self.ways.bound(await self._by_any_way(lambda way: self._consumer(way, wanted, wait_ms)))

    async def find_first_choice(self) -> None:
        """Go back to Kafka when it lets us in again, for as long as the task lives."""
        while True:
            await self.ways.is_due()
            kafka = self.ways.other
            assert kafka is not None
            try:
                await close(await self._producer(kafka))
            except (BrokerAway, TopicHidden, MayNotWrite) as exc:
                log.debug("first_choice_away", reason=str(exc))
                self.ways.missed(exc.said)
                continue
            async with self._turning:
                if self.ways.other is kafka:
                    self._turn(None)

    async def doubt(self, why: Said) -> None:
        """Take note that a producer has come to its end without anything of it ever being acknowledged.

        A way that lets us in and carries nothing is none. After a few of these the other way is taken, if that lets us
        in; `why` says what became of the last of them.
        """
        self._fruitless += 1
        if self.ways.other is None or self._fruitless < FRUITLESS_MAX:
            return
        await self._looked_elsewhere(why, self._producer)

    def carried(self) -> None:
        """Take note that the broker has acknowledged something."""
        self._fruitless = 0
        self.is_up()

    async def _by_any_way(self, make: Callable[[Way], Awaitable[T]]) -> T:
        """Return a client of the way that is taken; where that does not let us in, of the other, which is then taken.

        Looking there may take long, where something swallows what is sent; meanwhile it is tried here again, for it is
        the line of both that may just have been healed.
        Errors: BrokerAway, where neither does; TopicHidden; MayNotWrite.
        """
        while True:
            way, period = self.ways.now, self.ways.period
            try:
                client = await make(way)
            except BrokerAway as exc:
                if self.ways.other is None:
                    raise
                away = exc
            else:
                if period == self.ways.period:
                    return client
                await close(client)  # all others have gone over to another way meanwhile
                continue
            if period != self.ways.period:
                continue
            obstacle = await self._looked_elsewhere(away.said, self._reader)
            if obstacle is not None and period == self.ways.period:
                raise BrokerAway("errors.unreachable", obstacles=(away.said, obstacle)) from away

    async def _looked_elsewhere(self, why: Said, make: Callable[[Way], Awaitable[Producer | Consumer]]) -> Said | None:
        """Have one task look whether the other way lets us in; return what keeps us out of it, if that is known soon.

        `why` is what is wrong with the way that is taken.
        """
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_elsewhere(why, make, self.ways.period))
        looking = self._looking
        await asyncio.wait([looking], timeout=AGAIN_S)
        return looking.result() if looking.done() else None

    async def _look_elsewhere(
        self, why: Said, make: Callable[[Way], Awaitable[Producer | Consumer]], period: int
    ) -> Said | None:
        """Take the other way, if it lets us in; return what keeps us out of it."""
        async with self._turning:
            other = self.ways.other
            if other is None or period != self.ways.period:
                return None  # somebody has found out meanwhile
            try:
                await close(await make(other))
            except (BrokerAway, TopicHidden, MayNotWrite) as exc:
                log.debug("other_way_away", reason=str(exc))
                return exc.said
            self._turn(why if other is Way.HTTPS else None)
            return None

    def _turn(self, why: Said | None) -> None:
        self._fruitless = 0
        self.ways.turn(why)
        told = said("way.now_kafka") if why is None else said("way.now_https", why=why)
        log.warning("way_turned", way=str(self.ways.now), reason=str(why or ""), said=told)

    async def _reader(self, way: Way) -> Consumer:
        return await self._consumer(way, (self.settings.topic_out,), 500)

    async def _producer(self, way: Way) -> Producer:
        settings = self.settings
        producer = self._of(way).producer(
            **self._options(way),
            acks="all",
            enable_idempotence=True,
            max_batch_size=KAFKA_BATCH_BYTES_MAX,
            max_request_size=REQUEST_BYTES_MAX,
            compression_type=None if settings.compression == "none" else settings.compression,
        )

        async def topics() -> Collection[str]:
            found: Collection[str] = (await producer.client.fetch_all_metadata()).topics()
            return found

        await self._start(way, producer, topics, [settings.topic_in])
        return producer

    async def _consumer(self, way: Way, topics: Sequence[str], wait_ms: int) -> Consumer:
        consumer = self._of(way).consumer(
            **self._options(way, topics),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=min(wait_ms, int(self.settings.request_timeout_s * 500)),  # it is an answer in time
        )
        await self._start(way, consumer, consumer.topics, topics)
        return consumer

    def _of(self, way: Way) -> Clients:
        """Return what makes the clients of one way."""
        if way is Way.KAFKA:
            return self._clients
        if self._https_clients is None:
            assert self._https is not None
            self._https_clients = self._https()
        return self._https_clients

    def _options(self, way: Way, topics: Sequence[str] = ()) -> dict[str, Any]:
        return self.client_settings() if way is Way.KAFKA else {"topics": topics}

    async def _start(
        self,
        way: Way,
        client: Producer | Consumer,
        present: Callable[[], Awaitable[Collection[str]]],
        topics: Sequence[str],
    ) -> None:
        """Start a client and see that its topics are there: writing to a missing one waits, reading from it spins."""
        try:
            async with asyncio.timeout(self._start_s(way)):
                await start(client, CLOSE_S)
                known = await present()
        except BaseException as exc:
            await close(client)
            if isinstance(exc, ClusterAuthorizationFailedError):  # an idempotent producer gets no id from it
                raise MayNotWrite("errors.may_not_write", topic=topics[0]) from exc
            if isinstance(exc, KafkaError | TimeoutError | OSError):
                raise await self._explain(way, exc) from exc
            raise
        for topic in topics:
            if topic not in known:
                await close(client)
                raise TopicHidden("errors.no_topic", topic=topic)

    def _start_s(self, way: Way) -> float:
        """Return how long the start of a client may take: over HTTPS it is several requests."""
        timeout_s = self.settings.request_timeout_s
        if way is Way.HTTPS:
            return timeout_s * 2
        return timeout_s if self.ways.other is None else min(timeout_s, KAFKA_TRY_S)

    async def _explain(self, way: Way, exc: BaseException) -> BrokerAway:
        settings = self.settings
        if way is Way.HTTPS:
            text = getattr(exc, "said", None) or said("way.no_answer")
            return BrokerAway("errors.unreachable", obstacles=(text,))
        why = await self._kept_out_by()
        if why is not None:
            return BrokerAway("errors.unreachable", obstacles=why)
        servers = ", ".join(settings.bootstrap)
        return BrokerAway("errors.unreachable_somehow", servers=servers, detail=type(exc).__name__)

    async def _kept_out_by(self) -> tuple[Said, ...] | None:
        """Return what keeps us out of Kafka, as it was found lately; None where a broker lets us in.

        To find it takes several connections to each broker, and brokers that begin again have all offices to answer.
        """
        settings, now_s = self.settings, asyncio.get_running_loop().time
        async with self._asking:
            if self._kept_out is None or now_s() - self._asked_s > FOUND_AGAIN_S:
                timeout_s = min(TIMEOUT_S, settings.request_timeout_s)
                self._kept_out = await find_obstacles(settings.bootstrap, settings.security, timeout_s)
                self._asked_s = now_s()
            return self._kept_out
