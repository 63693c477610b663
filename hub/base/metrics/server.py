"""Answers Prometheus and whoever watches the process: `/metrics`, `/live` and `/ready`, in as little HTTP as they need.

It runs in the process's own loop, so that an answer at `/live` is the proof that this loop turns; a worker that is
catching up is alive, and ready. A request is a line and header fields of at most 8 KiB, which have five seconds; so has
the answer, also to be read; then the connection is closed, whether or not the other end has taken it. It counts as
open until its socket is closed, and none outlives the server. There is no login: it listens on this machine's loopback
unless it is told otherwise, and what it tells is no secret.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from hub.base.metrics.book import Book
from hub.base.metrics.declared import BUILD, READY
from hub.base.release import release
from hub.protocol.errors import UsageError
from schemas.words.said import Said, said

HEAD_BYTES_MAX: Final = 8192
PATIENCE_S: Final = 5.0
CONNECTIONS_MAX: Final = 16  # at the same time; a further one is closed: it is asked again
TURNS: Final = 4  # of the loop, in which asyncio hands on a connection that it has taken
TEXT: Final = "text/plain; charset=utf-8"

log = structlog.get_logger(__name__)


class PlaceTaken(UsageError):
    """Nobody can listen there; `said` is why, for whoever reads it."""

    def __init__(self, text: Said) -> None:
        self.said = text
        super().__init__(text.text())


@dataclass(slots=True)
class Readiness:
    """Whether the process does its work. Lag is no reason why not: `why` is what it does instead, '' for nothing."""

    why: str = "starting"

    def ready(self) -> None:
        """Note that it works."""
        self.why = ""

    def waits(self, why: str) -> None:
        """Note what it does instead."""
        self.why = why


@dataclass(frozen=True, slots=True)
class _Answer:
    status: str
    body: bytes
    kind: str = TEXT


class MetricsServer:
    """The answers of one process."""

    def __init__(self, book: Book, readiness: Readiness) -> None:
        self._book = book
        self._readiness = readiness
        self._text: Callable[[], bytes] | None = None
        self._kind = TEXT
        self._open: dict[asyncio.Task[object], asyncio.StreamWriter] = {}
        self._is_over = False
        book.ask(self._told)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close; return when that is done."""
        task = asyncio.current_task()
        assert task is not None
        is_room = len(self._open) < CONNECTIONS_MAX and not self._is_over
        self._open[task] = writer
        try:
            if is_room:
                await self._serve(reader, writer)
        finally:
            await _closed(writer)
            del self._open[task]

    async def end(self) -> None:
        """Close what is open, and what asyncio has taken by now: whoever has not asked yet is answered by nobody."""
        self._is_over = True
        for _ in range(TURNS):
            await asyncio.sleep(0)
        for writer in self._open.values():
            writer.transport.abort()
        if self._open:
            await asyncio.wait(list(self._open))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                writer.write(_bytes(self._answer(await reader.readuntil(b"\r\n\r\n"))))
                await writer.drain()
        except asyncio.LimitOverrunError:
            writer.write(_bytes(_Answer("431 Request Header Fields Too Large", b"the header fields are too long\n")))
        except (TimeoutError, asyncio.IncompleteReadError, OSError):
            return  # whoever asked has gone, or takes his time

    def _told(self, book: Book) -> None:
        book.put(BUILD, 1, release())
        book.put(READY, not self._readiness.why)

    def _answer(self, head: bytes) -> _Answer:
        method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method != b"GET":
            return _Answer("405 Method Not Allowed", b"expected GET\n")
        match path:
            case b"/live":
                return _Answer("200 OK", b"alive\n")
            case b"/ready" if self._readiness.why:
                return _Answer("503 Service Unavailable", f"{self._readiness.why}\n".encode())
            case b"/ready":
                return _Answer("200 OK", b"ready\n")
            case b"/metrics":
                return self._metrics()
        return _Answer("404 Not Found", b"there are /metrics, /live and /ready\n")

    def _metrics(self) -> _Answer:
        if self._text is None:
            # A tenth of a second, once; who is never asked does not import it.
            from hub.base.metrics.exposition import CONTENT_TYPE_LATEST, Exposition

            self._text, self._kind = Exposition(self._book).text, CONTENT_TYPE_LATEST
        return _Answer("200 OK", self._text(), self._kind)


@contextlib.asynccontextmanager
async def serving(
    place: tuple[str, int] | None, book: Book, readiness: Readiness, listens: Callable[[int], None] = lambda _: None
) -> AsyncIterator[None]:
    """Answer at `place` (host, port) while the context lasts; nowhere for None. `listens` is told the port.

    Errors: PlaceTaken where the place is taken, or is not of this machine.
    """
    if place is None:
        yield
        return
    host, port = place
    answers = MetricsServer(book, readiness)
    try:
        server = await asyncio.start_server(answers.connected, host, port, limit=HEAD_BYTES_MAX)
    except OSError as exc:
        detail = exc.strerror or type(exc).__name__
        raise PlaceTaken(said("errors.metrics_taken", place=f"{host}:{port}", detail=detail)) from exc
    async with server:
        found = server.sockets[0].getsockname()[1]
        log.info("metrics_served", host=host, port=found)
        listens(found)
        try:
            yield
        finally:
            readiness.waits("stopping")
            server.close()
            await answers.end()


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection as soon as what was written is on its way, and in time where the other end takes none."""
    writer.close()
    closed = asyncio.create_task(writer.wait_closed())
    try:
        await asyncio.wait([closed], timeout=PATIENCE_S)
    finally:
        writer.transport.abort()
    with contextlib.suppress(OSError):
        await closed


def _bytes(answer: _Answer) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status}\r\ncontent-type: {answer.kind}\r\ncontent-length: {len(answer.body)}\r\n"
        "cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + answer.body
