"""Who listens at a port of this machine: with a certificate or without, saying nothing, or what a web server says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

GOODBYE_S: Final = 10.0
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def tls(certificate: Path | None) -> ssl.SSLContext | None:
    """Return what a server shows this certificate by."""
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@asynccontextmanager
async def listening(
    certificate: Path | None, answer: Answer | None = None, heard: bytearray | None = None
) -> AsyncIterator[str]:
    """Yield the address of one who takes connections, with this certificate, and answers so; by default he is silent.

    What is said to a silent one is added to `heard`.
    """
    held: set[asyncio.StreamWriter] = set()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.add(writer)
        try:
            if answer is not None:
                await answer(reader, writer)
            else:
                while data := await reader.read(4096):
                    if heard is not None:
                        heard.extend(data)
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0, ssl=tls(certificate))
    async with server:
        host, port = server.sockets[0].getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            server.close()
            async with asyncio.timeout(GOODBYE_S):
                while _open(server):  # also those that are in the middle of their handshake
                    for writer in held:
                        writer.transport.abort()  # who says no good-bye on TLS would keep it open beyond this test
                    await asyncio.sleep(0.01)


def _open(server: Any) -> int:
    """Return how many connections a server has; Python before 3.13 only counts them."""
    return len(server._clients) if hasattr(server, "_clients") else int(server._active_count)


def web_server(at: datetime | None = None, status: str = "404 Not Found") -> Answer:
    """Return what a web server answers to anything: a status, and what time it is."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        date = format_datetime(datetime.now(UTC) if at is None else at.astimezone(UTC), usegmt=True)
        text = f"HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        writer.write(text.encode())
        await writer.drain()

    return answer
