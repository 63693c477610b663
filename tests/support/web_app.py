"""The HTTPS way in for tests: an app over a broker in memory, and an office that signs as PROTOCOL.md says."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
from aiokafka.producer.message_accumulator import BatchBuilder

from hub.domain.hq_lane import HqLane
from hub.kafka.cluster import Cluster
from hub.kafka.memory import MemoryBroker
from hub.protocol.http_signature import Request
from hub.protocol.keys import Signer
from hub.protocol.problem import MEDIA_TYPE, PROBLEMS, TYPE, ProblemCode
from hub.protocol.record import SEAL_HEADER
from hub.protocol.session import SessionNote, begin_session, signed_fields
from hub.web.app import create_app
from hub.web.desk import Desk
from hub.web.posted import CLOUD_EVENTS, RECORD_BATCH
from hub.web.reading import Readers
from hub.web.registered import Registered
from hub.web.sessions import Sessions
from hub.web.writing import Writers
from tests.support.center import HUB, Center, Sent
from tests.support.hq import Hq, sealed_lane

ADDRESS = "https://hub.example:8443"
UZ, KZ = "uz", "kz"
COMMON = ("hub.trust", "hub.checkpoints", "hub.lane", "hub.schemas")


@dataclass
class Clock:
    """HQ's clock, which a test sets on."""

    moment: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.moment


@dataclass
class Web:
    """An app, what it stands on, and the way in for clients."""

    hq: Hq
    broker: MemoryBroker
    desk: Desk
    client: httpx2.AsyncClient
    clock: Clock

    async def look(self) -> None:
        """Have the app look at the hq lane."""
        await self.desk.registered.refresh()

    def office(self, center: Center, **changes: Any) -> Office:
        return Office(self.client, center, clock=self.clock, **changes)

    async def begun(self, center: Center) -> Office:
        """Return an office whose session has begun."""
        office = self.office(center)
        assert (await office.begin()).status_code == 201
        return office


def desk_of(cluster: Cluster, look: Callable[[], HqLane], clock: Callable[[], datetime], **more: Any) -> Desk:
    stopping = asyncio.Event()
    registered, sessions = Registered(look), Sessions(clock)
    writers, readers = Writers(cluster), Readers(cluster, stopping)
    more = {"held_s": 0.0} | more  # a test waits for nothing
    return Desk(HUB, (ADDRESS,), registered, sessions, writers, readers, stopping, **more)


@asynccontextmanager
async def web(folder: Path, *centers: Center, **more: Any) -> AsyncIterator[Web]:
    """Yield an app for these registered centers."""
    hq = await Hq.open(folder, *centers)
    topics = {f"{kind}.{center.id}": 1 for center in centers for kind in ("in", "out")}
    broker = MemoryBroker(topics | dict.fromkeys(COMMON, 1) | {"state.code_list": 8, "state.lane": 8, "events": 8})
    clock = Clock()
    desk = desk_of(Cluster(("127.0.0.1:1",), clients=broker), lambda: sealed_lane(hq.database), clock, **more)
    await desk.registered.refresh()
    transport = httpx2.ASGITransport(app=create_app(desk), client=("127.0.0.1", 5555))
    async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS) as client:
        yield Web(hq, broker, desk, client, clock)
    desk.stopping.set()
    await desk.writers.close()
    await desk.readers.close()
    await hq.store.close()


@dataclass
class Office:
    """An office that speaks HTTPS. `session` is its session's name once it has begun one."""

    client: httpx2.AsyncClient
    center: Center
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    address: str = ADDRESS
    key: Signer = field(default_factory=lambda: Signer("session", b"s" * 32))
    session: str = ""
    number: int = 0

    async def nonce(self, center: str | None = None) -> bytes:
        answer = await self.client.post("/v1/session/nonce", json={"center": center or self.center.id})
        assert answer.status_code == 200, answer.text
        return base64.b64decode(answer.json()["nonce"])

    def note(self, given: bytes, signer: Signer | None = None, **changes: Any) -> bytes:
        said = SessionNote(HUB, self.center.id, self.address, given, self.key.verifier.public, self.clock())
        return begin_session(replace(said, **changes), signer or self.center.signer)

    async def begin(self, signer: Signer | None = None, **changes: Any) -> httpx2.Response:
        """Ask for a session; return what HQ answered."""
        answer = await self.client.post("/v1/session", content=self.note(await self.nonce(), signer, **changes))
        if answer.status_code == 201:
            self.session = answer.json()["session"]
        return answer

    def signed(
        self, method: str, target: str, body: bytes = b"", media_type: str | None = None, **changes: Any
    ) -> Mapping[str, str]:
        """Return the fields of a request with the next number."""
        self.number = changes.pop("number", self.number + 1)
        fields = {} if media_type is None else {"content-type": media_type}
        said: dict[str, Any] = {
            "session": self.session,
            "key": self.key,
            "number": self.number,
            "created": int(self.clock().timestamp()),
        }
        return signed_fields(Request(method, self.address, target, fields), body, **(said | changes))

    async def get(self, target: str, **changes: Any) -> httpx2.Response:
        return await self.client.get(target, headers=dict(self.signed("GET", target, **changes)))

    async def post(
        self, body: bytes, media_type: str | None = RECORD_BATCH, center: str | None = None, **changes: Any
    ) -> httpx2.Response:
        target = f"/v1/centers/{center or self.center.id}/records"
        fields = self.signed("POST", target, body, media_type, **changes)
        return await self.client.post(target, content=body, headers=dict(fields))

    async def post_events(self, records: list[Sent]) -> httpx2.Response:
        return await self.post(cloud_events(records), CLOUD_EVENTS)


def record_batch(records: list[Sent], codec: int = 0) -> bytes:
    """Return records as the batch that a producer makes of them."""
    builder = BatchBuilder(1 << 20, codec)
    for record in records:
        assert builder.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
    return bytes(builder._build())


def cloud_event(record: Sent) -> dict[str, str]:
    """Return a record as a CloudEvent in JSON."""
    event: dict[str, str] = {"data_base64": base64.b64encode(record.value or b"").decode()}
    for name, value in record.headers:
        assert value is not None
        if name == SEAL_HEADER:
            event["cohubseal"] = base64.b64encode(value).decode()
        else:
            event["datacontenttype" if name == "content-type" else name.removeprefix("ce_")] = value.decode()
    return event


def cloud_events(records: list[Sent]) -> bytes:
    return json.dumps([cloud_event(record) for record in records]).encode()


def check(answer: httpx2.Response, code: ProblemCode) -> dict[str, Any]:
    """See that an answer is this problem, in the form that every one has; return its document."""
    said: dict[str, Any] = answer.json()
    assert (answer.status_code, said["code"]) == (PROBLEMS[code].status, code), answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert (said["type"], said["status"]) == (TYPE + code, answer.status_code)
    assert said["title"]
    assert said["remedy"]
    assert set(said) >= set(PROBLEMS[code].names)
    return said


async def write(broker: MemoryBroker, topic: str, value: bytes) -> None:
    producer = broker.producer()
    await producer.start()
    await producer.send_and_wait(topic, value, key=b"k", partition=0, headers=[("cohub-kind", b"receipt")])
    await producer.stop()
