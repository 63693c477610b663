"""Joining by Kafka: hears what offices ask on `join.<center>` by their enrolment bundles, and says HQ's answers there.

What is asked and what follows from it is `hub.hq.invitations`'s to say. One of several workers does it; two of them
would say the same. What is true when the process dies behind each step:

    request read     nothing: the topic is read again from its beginning by whoever comes next
    request taken    it is kept; the answer is missing on the topic, and is said by whoever reads it again
    answer said      it stands on the topic, and is not said again before it is another one
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from hub.base.clients import close_all
from hub.base.kafka import Consumer, Headers, Producer, Record
from hub.base.seldom import Seldom
from hub.hq.identity import Identity
from hub.hq.reception import Reception
from hub.kafka.cluster import Cluster, Unreachable
from hub.kafka.desired import Invited
from hub.kafka.topics import ensure_topics, invitation_topics
from hub.ledger.invitation import Issued
from hub.protocol.errors import CohubError, Malformed, NotFound, Retriable
from hub.protocol.invitation import join_credential
from hub.protocol.joining import KIND_ANSWER, KIND_HEADER, KIND_REQUEST, Answer, State, Why, open_answer
from hub.protocol.moment import MICROSECOND
from hub.protocol.scram import Credential
from hub.protocol.topics import topic_join
from hub.store.store import Store
from hub.worker.access import Invitation
from hub.worker.lease import Lease

LOOK_EVERY_S: Final = 1.0
MORE_S: Final = 0.2  # between two pages: whoever fills the topic takes no more of the worker's time than a part
RETRY_S: Final = 2.0
DEADLINE_S: Final = 20.0
RECORDS_MAX: Final = 200  # of one look: whoever has a bundle can write as much as the topic takes
FOR_GOOD: Final = (Why.OTHER_ROOT, Why.UNREADABLE)  # they follow from the request itself
REQUESTS_MAX: Final = 32  # of one invitation that are remembered, beside the one that is not refused

log = structlog.get_logger(__name__)


class Guests:
    """Whom HQ's brokers let in by an invitation: what the keeper of access is to bring about."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._credentials: dict[str, Credential] = {}  # one takes milliseconds to work out

    async def invitations(self) -> Sequence[Invitation]:
        """Return who is let in, and by what. Errors: those of the store; UsageError without the access key."""
        found = await self._reception.let_in()
        known = self._credentials
        self._credentials = {id_: known.get(id_) or join_credential(secret) for id_, (_, secret) in found.items()}
        return [Invitation(Invited(id_, center), self._credentials[id_]) for id_, (center, _) in sorted(found.items())]


class Joining:
    """Hears and answers by Kafka, for one hub."""

    def __init__(
        self,
        store: Store,
        cluster: Cluster,
        reception: Reception,
        identity: Identity,
        owner: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster = cluster
        self._reception = reception
        self._identity = identity
        self._lease = Lease(store.access, owner, clock)
        self._consumer: Consumer | None = None
        self._producer: Producer | None = None
        # By invitation the requests that came, in their order; with an answer that never becomes another one.
        self._asked: dict[str, dict[str, Answer | None]] = {}
        self._said: dict[tuple[str, str], Answer] = {}  # what stands on the topic, by invitation and request
        self._seldom = Seldom(log)

    async def run(self) -> None:
        """Do it until cancelled. Errors: faults of the store, which end the process."""
        try:
            while True:
                pause_s = await self.round()
                await asyncio.sleep(pause_s)
        finally:
            await self._begin_anew()

    async def round(self) -> float:
        """Hear what came, and answer it; return after how many seconds to look again."""
        try:
            if not await self._lease.is_ours():
                await self._begin_anew()
                return RETRY_S
            issued = await self._reception.open()
            if not issued:
                await self._begin_anew()
                return LOOK_EVERY_S
            is_more = await self._hear({topic_join(one.center) for one in issued})
            await self._answer({one.id: one for one in await self._reception.open()})  # as they are after what came
        except (CohubError, Unreachable, KafkaError, TimeoutError, OSError) as exc:
            if isinstance(exc, CohubError) and not isinstance(exc, (Retriable, NotFound)):
                self._seldom.warning("joining_waits", topic="join", error=str(exc))
            else:
                log.debug("joining_waits", error=str(exc) or type(exc).__name__)
            await self._begin_anew()
            return RETRY_S
        return MORE_S if is_more else LOOK_EVERY_S

    async def _hear(self, topics: Collection[str]) -> bool:
        """Take what came on these topics; return whether there is more."""
        consumer = await self._reading(topics)
        async with asyncio.timeout(DEADLINE_S):
            fetched = await consumer.getmany(timeout_ms=200, max_records=RECORDS_MAX)
        records = [record for found in fetched.values() for record in found]
        for record in records:
            await self._take(record)
        return len(records) >= RECORDS_MAX

    async def _take(self, record: Record) -> None:
        kind, invitation = _header(record.headers), (record.key or b"").decode("utf-8", "replace")
        try:
            if kind == KIND_REQUEST:
                answer = await self._reception.take(invitation, record.value or b"")
                asked = self._asked.setdefault(invitation, {})
                is_remembered = len(asked) < REQUESTS_MAX or answer.state is not State.REFUSED
                if topic_join(answer.center) == record.topic and is_remembered:
                    asked[answer.request] = answer if answer.why in FOR_GOOD else None
            elif kind == KIND_ANSWER and self._identity.trust is not None:
                said = open_answer(record.value or b"", self._identity.trust)
                before = self._said.get((said.invitation, said.request))
                if before is None or before.time <= said.time:
                    self._said[said.invitation, said.request] = said
        except (Malformed, NotFound) as exc:
            self._seldom.warning("join_record_passed_over", topic=record.topic, offset=record.offset, reason=str(exc))

    async def _answer(self, issued: dict[str, Issued]) -> None:
        """Say what is not said yet, or is another answer by now."""
        for invitation, requests in self._asked.items():
            if invitation not in issued:
                continue
            for request, for_good in requests.items():
                answer = for_good or self._reception.answer(issued[invitation], request)
                said = self._said.get((invitation, request))
                if said is not None and (said.state, said.why) == (answer.state, answer.why):
                    continue
                if said is not None and answer.time <= said.time:  # HQ's clock was set back: the newest one counts
                    answer = replace(answer, time=said.time + MICROSECOND)
                await self._say(answer)

    async def _say(self, answer: Answer) -> None:
        if self._producer is None:
            self._producer = await self._cluster.producer("cohub-joining")
        async with asyncio.timeout(DEADLINE_S):
            await self._producer.send_and_wait(
                topic_join(answer.center),
                self._reception.signed(answer),
                key=answer.invitation.encode(),
                partition=0,
                headers=[(KIND_HEADER, KIND_ANSWER)],
            )
        self._said[answer.invitation, answer.request] = answer
        log.info(
            "join_answered", center=answer.center, invitation=answer.invitation, state=answer.state, why=answer.why
        )

    async def _reading(self, topics: Collection[str]) -> Consumer:
        """Return a consumer of these topics, which begins each of them at its beginning."""
        wanted = {TopicPartition(topic, 0) for topic in topics}
        if self._consumer is None:
            self._consumer = await self._cluster.consumer("cohub-joining")
        before = set(self._consumer.assignment())
        if wanted - before:
            await ensure_topics(self._cluster, invitation_topics(sorted(topics)))
        if wanted != before:
            places = {at: await self._consumer.position(at) for at in wanted & before}
            self._consumer.assign(sorted(wanted))
            for at in wanted:
                self._consumer.seek(at, places.get(at, 0))
        return self._consumer

    async def _begin_anew(self) -> None:
        """Close the clients and forget what was read: whoever begins reads it again."""
        clients = (self._consumer, self._producer)
        self._consumer = self._producer = None
        self._asked, self._said = {}, {}
        await close_all(clients)


def _header(headers: Headers) -> bytes | None:
    found = [value for name, value in headers if name == KIND_HEADER]
    return found[-1] if found else None
