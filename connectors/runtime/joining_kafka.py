"""Asking HQ by Kafka: the request goes to `join.<center>` under the bundle's own login, and the answer comes there.

When HQ has confirmed, that login may be gone before the answer was read. Then the office tries its own: a broker that
lets it in by the password of its request has been told so by HQ, and nobody else knew how.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from connectors.runtime.link import Link
from connectors.runtime.outbox import IN_MEMORY, Outbox
from connectors.runtime.settings import ConnectorSettings
from connectors.runtime.told import OfficeWaits, told_of
from connectors.runtime.trust import Trusted, TrustReader
from hub.base.clients import CLOSE_S, close, start
from hub.base.kafka import AIOKAFKA, Clients, Consumer, Record
from hub.base.obstacle import Obstacle, obstacle_of, obstacles_in
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.invitation import Invitation
from hub.protocol.joining import (
    KIND_ANSWER,
    KIND_HEADER,
    KIND_REQUEST,
    Answer,
    JoinRequest,
    State,
    is_by_another_key,
    open_answer,
    seal_request,
)
from hub.protocol.topics import topic_join

AGAIN_S: Final = 60.0  # without an answer the request is sent again: it is the same, and no second use
FRESH_S: Final = 30.0  # a client whose login is gone says nothing any more: a new one is told
POLL_MS: Final = 1000
RECORDS_MAX: Final = 2000  # of one look: whoever has the bundle can write there too


class KafkaInquiry:
    """Asks by Kafka. `guest` are settings under the bundle's login, `own` under the office's."""

    def __init__(
        self,
        bundle: Invitation,
        request: JoinRequest,
        guest: ConnectorSettings,
        own: ConnectorSettings,
        trusted: Trusted,
        clients: Clients = AIOKAFKA,
        steady_s: Callable[[], float] = time.monotonic,
        poll_ms: int = POLL_MS,
    ) -> None:
        self._bundle = bundle
        self._request = request
        self._outbox = Outbox(IN_MEMORY)
        self._clients = clients
        self._guest = Link(guest, self._outbox, clients)
        self._own = Link(own, self._outbox, clients)
        self._trusted = trusted
        self._trust = TrustReader(trusted, self._guest)
        self._place = TopicPartition(topic_join(bundle.center), 0)
        self._consumer: Consumer | None = None
        self._made_s = 0.0
        self._sent_s: float | None = None
        self._newest: Answer | None = None
        self._steady_s = steady_s
        self._poll_ms = poll_ms

    async def ask(self) -> Answer | None:
        """See Inquiry."""
        if self._consumer is not None and self._steady_s() - self._made_s >= FRESH_S:
            await self._drop()
        try:
            if self._consumer is None:
                self._consumer = await self._guest.consumer(self._place.topic, wait_ms=self._poll_ms)
                self._consumer.assign([self._place])
                await self._consumer.seek_to_beginning(self._place)
                self._made_s = self._steady_s()
            await self._read(self._consumer)
            if self._newest is None and self._is_due():
                await self._send()
                await self._read(self._consumer)
        except Retriable as exc:
            await self._drop()
            if await self._is_let_in():
                return self._accepted()
            if any(obstacle_of(text) is Obstacle.LOGIN_REFUSED for text in obstacles_in(told_of(exc))):
                raise OfficeWaits("join.not_let_in", center=self._bundle.center) from exc
            raise
        except (KafkaError, TimeoutError, OSError) as exc:
            await self._drop()
            raise OfficeWaits("join.broken_off", detail=type(exc).__name__) from exc
        return self._newest

    async def close(self) -> None:
        """See Inquiry."""
        await self._drop()
        self._outbox.close()

    async def _read(self, consumer: Consumer) -> None:
        """Read what the topic has, and wait a little for more."""
        read = 0
        while read < RECORDS_MAX:
            records = (await consumer.getmany(self._place, timeout_ms=self._poll_ms)).get(self._place, ())
            for record in records:
                await self._hear(record)
            if not records:
                return
            read += len(records)

    async def _hear(self, record: Record) -> None:
        if (KIND_HEADER, KIND_ANSWER) not in [(name, value) for name, value in record.headers]:
            return
        answer = await self._opened(record.value or b"")
        if answer is None or (answer.hub, answer.center) != (self._bundle.hub, self._bundle.center):
            return
        if (answer.invitation, answer.request) != (self._bundle.id, self._request.digest):
            return
        if self._newest is None or answer.time > self._newest.time:
            self._newest = answer

    async def _opened(self, data: bytes) -> Answer | None:
        """Return an answer of HQ's, None for what is nobody's word; a key that is not known is looked up."""
        for last in (False, True):
            try:
                return open_answer(data, self._trusted.trust)
            except Malformed:
                if last or not is_by_another_key(data, self._trusted.trust):
                    return None
                await self._trust.look_seldom()
        return None

    def _is_due(self) -> bool:
        return self._sent_s is None or self._steady_s() - self._sent_s >= AGAIN_S

    async def _send(self) -> None:
        data = seal_request(self._bundle, self._request)
        producer = self._clients.producer(**self._guest.client_settings(), acks="all", enable_idempotence=True)
        try:
            async with asyncio.timeout(self._guest.settings.request_timeout_s):
                await start(producer, CLOSE_S)
                headers: Any = [(KIND_HEADER, KIND_REQUEST)]
                key = self._bundle.id.encode()
                await producer.send_and_wait(self._place.topic, data, key=key, partition=0, headers=headers)
        finally:
            await close(producer)
        self._sent_s = self._steady_s()

    async def _is_let_in(self) -> bool:
        """Return whether the brokers know the office itself by now, where they know anybody."""
        if not self._own.settings.security.has_login:
            return False
        try:
            await close(await self._own.consumer())
        except Retriable:
            return False
        return True

    def _accepted(self) -> Answer:
        one = self._request
        return Answer(one.hub, one.center, one.invitation, one.digest, datetime.now(UTC), State.ACCEPTED)

    async def _drop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await close(consumer)
