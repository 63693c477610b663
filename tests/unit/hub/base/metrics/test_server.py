"""The answers of a process: its metrics, whether its loop turns, whether it does its work; strangers at its port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from connectors.runtime.told import told_of
from hub.base.metrics import declared, server
from hub.base.metrics.book import Book
from hub.base.metrics.options import LOOPBACK, MetricsOptions
from hub.base.metrics.server import CONNECTIONS_MAX, HEAD_BYTES_MAX, PATIENCE_S, Readiness, serving
from hub.protocol.errors import UsageError

LARGE = 32 << 20  # more than the system holds for a connection


@dataclass
class Up:
    """A server, and what it tells of."""

    book: Book = field(default_factory=Book)
    readiness: Readiness = field(default_factory=Readiness)
    ports: list[int] = field(default_factory=list)

    async def said(self, request: bytes) -> bytes:
        """Return all that comes back."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self.ports[0])
        writer.write(request)
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    async def get(self, path: str) -> tuple[int, str]:
        """Return status and body."""
        head, _, body = (await self.said(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())).partition(b"\r\n\r\n")
        assert f"content-length: {len(body)}\r\n".encode() in head
        return int(head.split()[1]), body.decode()


@asynccontextmanager
async def served() -> AsyncIterator[Up]:
    up = Up()
    async with serving((LOOPBACK, 0), up.book, up.readiness, up.ports.append):
        yield up


async def test_process_is_alive_from_the_start_and_ready_once_it_works() -> None:
    """Liveness asks nothing of the work; readiness says what is done instead."""
    async with served() as up:
        assert await up.get("/live") == (200, "alive\n")
        assert await up.get("/ready") == (503, "starting\n")
        up.readiness.waits("waiting for a broker")
        assert await up.get("/ready") == (503, "waiting for a broker\n")
        assert "\ncohub_ready 0.0\n" in (await up.get("/metrics"))[1]
        up.readiness.ready()
        assert await up.get("/ready") == (200, "ready\n")
        assert "\ncohub_ready 1.0\n" in (await up.get("/metrics"))[1]
    assert up.readiness.why == "stopping"


async def test_metrics_are_what_the_book_has() -> None:
    """Counted now, told now, with the release that runs."""
    async with served() as up:
        up.book.add(declared.STEPS, 4)
        status, text = await up.get("/metrics?name=all")
        assert status == 200
        assert "# TYPE cohub_worker_steps_total counter\ncohub_worker_steps_total 4.0\n" in text
        assert 'cohub_build_info{release="' in text


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"\r\n\r\n", b"405"),
        (b"\x16\x03\x01\x00\xff\r\n\r\n", b"405"),
        (b"GET /live HTTP/1.1\r\nx: " + b"y" * HEAD_BYTES_MAX + b"\r\n\r\n", b"431"),
        (b"GET " + b"/" * 2 * HEAD_BYTES_MAX, b"431"),
    ],
)
async def test_what_is_no_question_is_refused(request_: bytes, status: bytes) -> None:
    """Other methods, other paths, TLS, and what does not end within its bytes."""
    async with served() as up:
        assert (await up.said(request_)).startswith(b"HTTP/1.1 " + status)


async def test_connections_that_ask_nothing_are_bounded_and_take_the_place_of_nobody_for_long() -> None:
    """One over the number is closed at once, and there is room again when one of them has gone."""
    async with served() as up:
        idle = [await asyncio.open_connection(LOOPBACK, up.ports[0]) for _ in range(CONNECTIONS_MAX)]
        while await up.said(b"GET /live HTTP/1.1\r\n\r\n"):  # the last of them may still be on its way in
            await asyncio.sleep(0)
        for _, writer in idle:
            writer.close()
        while not (answer := await up.said(b"GET /live HTTP/1.1\r\n\r\n")):
            await asyncio.sleep(0)
        assert answer.startswith(b"HTTP/1.1 200")


async def test_answer_that_nobody_reads_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection would count as none, and stay open for as long as the other end likes."""
    monkeypatch.setattr(server, "PATIENCE_S", 0.1)
    async with served() as up:
        up.readiness.waits("x" * LARGE)
        reader, writer = await asyncio.open_connection(LOOPBACK, up.ports[0], limit=1)
        writer.write(b"GET /ready HTTP/1.1\r\n\r\n")
        await asyncio.sleep(0.5)
        assert len(await rest(reader)) < LARGE
        writer.close()


@pytest.mark.parametrize("turns", range(8))
async def test_end_leaves_no_connection_open(turns: int) -> None:
    """Whoever has only just come is closed, too: the loop may be over a moment later."""
    async with served() as up:
        reader, writer = await asyncio.open_connection(LOOPBACK, up.ports[0])
        for _ in range(turns):
            await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S / 2):
        assert await rest(reader) == b""
    writer.close()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the connection is closed, or broken off."""
    found = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := await reader.read(1 << 16):
            found += piece
    return bytes(found)


async def test_place_that_is_taken_is_told_with_its_remedy() -> None:
    """Two workers of one machine can't listen at one port, and hear which setting it is."""
    async with served() as up:
        with pytest.raises(
            UsageError, match=r"metrics.listen: can't listen at 127.0.0.1:\d+ \(.+\): name a place"
        ) as told:
            async with serving((LOOPBACK, up.ports[0]), Book(), Readiness()):
                pass
    assert "нельзя принимать соединения" in told_of(told.value).text("ru")


async def test_nothing_listens_where_no_place_is_set() -> None:
    """Off is off."""
    told: list[int] = []
    async with serving(MetricsOptions().place, Book(), Readiness(), told.append):
        assert told == []


@pytest.mark.parametrize(
    ("listen", "place"),
    [
        (9464, (LOOPBACK, 9464)),
        ("9464", (LOOPBACK, 9464)),
        (":9464", (LOOPBACK, 9464)),
        ("0.0.0.0:9464", ("0.0.0.0", 9464)),
        ("[::1]:9464", ("::1", 9464)),
    ],
)
def test_port_alone_is_of_the_loopback(listen: object, place: tuple[str, int]) -> None:
    """Of others nobody is let in by a short form."""
    assert MetricsOptions.model_validate({"listen": listen}).place == place


@pytest.mark.parametrize("listen", ["here", "host:", "::1:9464", 0, 70_000, True, 1.5, "x@y:9464"])
def test_what_is_no_place_is_refused(listen: object) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r"expected host:port|valid string"):
        MetricsOptions.model_validate({"listen": listen})
