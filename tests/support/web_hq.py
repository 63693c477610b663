"""HQ's real app of the HTTPS way in over a broker in memory, without a ledger: a test says how a center stands."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hub.domain.hq_lane import HqLane
from hub.domain.registry import Center, Key
from hub.kafka.cluster import Cluster
from hub.kafka.memory import APPEND_TIME, MemoryBroker
from hub.protocol.keys import Signer
from hub.protocol.topics import CHECKPOINTS, LANE, TRUST
from hub.web.app import create_app
from hub.web.desk import Desk
from hub.web.reading import Readers
from hub.web.registered import Registered
from hub.web.server import Server
from hub.web.sessions import Sessions
from hub.web.writing import Writers

ADDRESS = "https://hq.example"


def center_of(name: str, seal: Signer, status: str = "active", reason: str = "") -> Center:
    key = seal.verifier
    known = Key(name, key.to_text(), key.name, key.key_id, key.algorithm, key.public, "seal", "active")
    return Center(name, status, name, "UZ", "inbound", None, ("en",), "UTC", frozenset({"offer"}), (known,), reason)


class Standing(Registered):
    """What HQ knows of centers, as a test says it."""

    def __init__(self, *centers: Center) -> None:
        super().__init__(HqLane)
        self.centers = {center.id: center for center in centers}

    def find(self, center: str) -> Center | None:
        return self.centers.get(center)

    def change(self, center: str, **changes: Any) -> None:
        self.centers[center] = replace(self.centers[center], **changes)


class WebHq:
    """The app with all that a test turns. `now` may be set: then HQ's clock stands there."""

    def __init__(self, hub: str, center: str, seal: Signer, address: str = ADDRESS) -> None:
        self.broker = MemoryBroker()
        for topic in (f"in.{center}", f"out.{center}", TRUST, CHECKPOINTS, LANE):
            self.broker.create_topic(topic, 1, APPEND_TIME)
        self.broker.create_topic("state.lane", 8)
        self.now: datetime | None = None
        self.hub = hub
        self.standing = Standing(center_of(center, seal))
        self.stopping = asyncio.Event()
        self.start(address)

    def start(self, *addresses: str) -> None:
        """Begin again with an empty memory, as after a restart."""
        cluster = Cluster(("memory:1",), clients=self.broker)
        self.sessions = Sessions(lambda: self.now or datetime.now(UTC))
        self.desk = Desk(
            self.hub,
            addresses,
            self.standing,
            self.sessions,
            Writers(cluster),
            Readers(cluster, self.stopping),
            self.stopping,
        )
        self.app = create_app(self.desk)

    async def close(self) -> None:
        self.stopping.set()
        await asyncio.gather(self.desk.writers.close(), self.desk.readers.close())


@asynccontextmanager
async def serving(hq: WebHq, certificate: Path) -> AsyncIterator[str]:
    """Yield the address by which an app is served over real TLS; its own address is that one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    server: Server | None = None

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hq.app(scope, receive, send)  # of now: a test may have it started again

    server = Server(app, "127.0.0.1", 0, context, ready=ready.set_result)
    task = asyncio.create_task(server.serve())
    try:
        address = f"https://127.0.0.1:{await ready}"
        hq.start(address)
        yield address
    finally:
        hq.stopping.set()
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await hq.close()
