"""One process of the HTTPS way in: server, registry, Kafka's clients and certificates under one supervisor.

Stopping: no more connections, waits for records end at once, requests under way have some seconds, then the clients are
closed. A request that was broken off is sent again by its office, and nothing is taken twice for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from hub.base import files
from hub.base.tls import tidy
from hub.domain.hq_lane import HqLane
from hub.hq.folder import HubFolder
from hub.hq.identity import read_hq_keys
from hub.hq.lane import FollowedLane
from hub.hq.web_options import CLIENT_CONNECTIONS_MAX, CLIENT_CONNECTIONS_PER_S, CLIENT_REQUESTS_PER_S
from hub.kafka.cluster import Cluster
from hub.kafka.desired import RATE_DEFAULT, READS_A_WRITE
from hub.protocol.errors import Fatal, NotFound, Retriable, UsageError
from hub.store.released import released_schemas
from hub.web.allowance import Allowance
from hub.web.app import create_app
from hub.web.desk import Desk, Joining, strangers
from hub.web.door import Connections
from hub.web.reading import Readers
from hub.web.registered import REFRESH_S, Registered
from hub.web.server import Server
from hub.web.sessions import Sessions
from hub.web.writing import Writers

SWEEP_S: Final = 15.0
RENEW_S: Final = 30.0  # how often it is looked whether the certificate's files were replaced

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where to listen, how HQ is called from outside, and what proves it.

    Shapes: `renew` sees that the certificate's files are there and last, and `joining` takes who was invited: both need
            private keys, so it is said from outside how it is done. The last three are what one client may have.
    """

    host: str
    port: int
    addresses: Sequence[str]
    certificate: Path
    key: Path
    renew: Callable[[], object] = lambda: None
    joining: Joining | None = None
    client_connections_max: int = CLIENT_CONNECTIONS_MAX
    client_connections_per_s: float = CLIENT_CONNECTIONS_PER_S
    client_requests_per_s: float = CLIENT_REQUESTS_PER_S


class Certificate:
    """The context of a listener, whose certificate is read again when its files were replaced."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self.context = tidy(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.options |= ssl.OP_NO_RENEGOTIATION  # a handshake is paid for at the door, and once
        self.context.set_alpn_protocols(["http/1.1"])
        self._seen = self._stamps()
        self._load()

    def renew(self) -> bool:
        """Read the files again if they are others now; return whether they are. Errors: UsageError."""
        seen = self._stamps()
        if seen == self._seen:
            return False
        self._load()
        self._seen = seen
        return True

    def _load(self) -> None:
        certificate, key = self._files
        try:
            self.context.load_cert_chain(certificate, key)
        except OSError as exc:  # ssl.SSLError is one, too
            raise UsageError(
                f"{certificate}, {key}: expected a certificate chain and its key as PEM: {exc.strerror or exc}"
            ) from exc

    def _stamps(self) -> list[tuple[int, int, int]]:
        try:
            return [(s.st_ino, s.st_mtime_ns, s.st_size) for s in (path.stat() for path in self._files)]
        except OSError as exc:
            raise UsageError(
                f"{exc.filename}: {exc.strerror}; it is to be the certificate of the HTTPS way in"
            ) from exc


async def run_web(
    folder: HubFolder,
    cluster: Cluster,
    settings: WebSettings,
    stop: asyncio.Event,
    ready: Callable[[int], None] = lambda _: None,
) -> None:
    """Serve until `stop` is set. `ready` is told the port when requests are taken.

    Errors: NotFound where there is no hub yet; UsageError for a certificate or an address that is none; Fatal where the
        hq lane is not what HQ has sealed.
    """
    settings.renew()
    certificate = Certificate(settings.certificate, settings.key)
    ledger, stopping = Ledger(folder), asyncio.Event()
    registered = Registered(ledger.look)
    writers, readers = Writers(cluster), Readers(cluster, stopping)
    desk = Desk(
        _hub(folder),
        tuple(settings.addresses),
        registered,
        Sessions(),
        writers,
        readers,
        stopping,
        joining=settings.joining,
        strangers=strangers(settings.client_requests_per_s),
        written=Allowance("bytes written", ledger.rate),
        read=Allowance("bytes read", lambda center: READS_A_WRITE * ledger.rate(center)),
    )

    def listening(port: int) -> None:
        log.info("web_ready", port=port)
        ready(port)

    connections = Connections(of_one=settings.client_connections_max, rate=settings.client_connections_per_s)
    server = Server(
        create_app(desk),
        settings.host,
        settings.port,
        certificate.context,
        connections=connections,
        ready=listening,
    )
    try:
        with contextlib.suppress(Retriable):
            await registered.refresh()
        await _serve(server, desk, partial(_renew, settings.renew, certificate), stop)
    finally:
        stopping.set()
        await asyncio.gather(writers.close(), readers.close())
        ledger.close()


async def _serve(
    server: Server, desk: Desk, renew: Callable[[], Coroutine[Any, Any, None]], stop: asyncio.Event
) -> None:
    watches = [
        asyncio.create_task(_refresh(desk.registered), name="registry"),
        asyncio.create_task(_sweep(desk), name="sweep"),
        asyncio.create_task(renew(), name="certificate"),
    ]
    stopped = asyncio.create_task(stop.wait(), name="stop")
    serving = asyncio.create_task(_listen(server), name="server")
    try:
        await asyncio.wait([serving, stopped, *watches], return_when=asyncio.FIRST_COMPLETED)
    finally:
        desk.stopping.set()
        server.should_exit = True
        await asyncio.wait([serving])
        for task in (stopped, *watches):
            task.cancel()
        ended = await asyncio.gather(serving, stopped, *watches, return_exceptions=True)
    for result in ended:
        if isinstance(result, Exception):
            raise result


async def _listen(server: Server) -> None:
    config = server.config
    try:
        await server.serve()
    except OSError as exc:
        raise UsageError(f"can't listen at {config.host}:{config.port}: {exc.strerror or exc}") from exc


async def _refresh(registered: Registered) -> None:
    """Look at the hq lane again and again. Errors: Fatal where it is not what HQ has sealed."""
    while True:
        await asyncio.sleep(REFRESH_S)
        try:
            await registered.refresh()
        except Retriable as exc:
            log.warning("registry_not_read", reason=str(exc))


async def _sweep(desk: Desk) -> None:
    while True:
        await asyncio.sleep(SWEEP_S)
        await desk.writers.close_idle()
        await desk.readers.close_idle()


async def _renew(renew: Callable[[], object], certificate: Certificate) -> None:
    while True:
        await asyncio.sleep(RENEW_S)
        try:
            await asyncio.to_thread(renew)
            if certificate.renew():
                log.info("certificate_renewed")
        except (Fatal, Retriable) as exc:  # the one in use stays: half of a pair may have been replaced
            log.warning("certificate_not_renewed", reason=str(exc))


class Ledger:
    """What is read of HQ's database: the hq lane, verified by public keys, and how much each center may write.

    Errors: NotFound, UsageError, Fatal where there is none, or it is of another release.
    """

    def __init__(self, folder: HubFolder) -> None:
        followed = FollowedLane(partial(read_hq_keys, folder.keys), released_schemas())
        self._reads = folder.reads(followed)
        self._rates: dict[str, int] = {}

    def look(self) -> HqLane:
        """Return the hq lane as it is now, and remember the rates. Errors: Retriable, Fatal."""
        with self._reads.snapshot() as now:
            given = now.access()
            self._rates = {center: each.rate for center, each in given.items() if each.rate is not None}
            return now.lane

    def rate(self, center: Hashable) -> float:
        """Return how many bytes a second a center may write, as at the last look."""
        return float(self._rates.get(str(center), RATE_DEFAULT))

    def close(self) -> None:
        """Close it."""
        self._reads.close()


def _hub(folder: HubFolder) -> str:
    try:
        return files.read_text(folder.keys / "hub.name").strip()
    except OSError as exc:
        raise NotFound(f"{folder.keys}: there is no hub here yet: run `hub up`") from exc
