"""A forward proxy as offices have them: makes tunnels, asks for a login, opens TLS by its own CA, or is a bad link."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

CHUNK = 65_536
GOODBYE_S = 2.0


@dataclass
class ForwardProxy:
    """`login` is `name:password`; with `certificate` it opens TLS, and `upstream` is how it trusts HQ.

    `seen` has, for each tunnel, what went to HQ in the clear, if TLS is opened. `delay_s` holds back every byte each
    way; a `hole` swallows all that comes, and with `forgets` what was connected before it is
    never heard of again; `says` answers instead of making a tunnel.
    """

    login: str = ""
    certificate: Path | None = None
    upstream: ssl.SSLContext | None = None
    says: str = ""
    delay_s: float = 0.0
    forgets: bool = False
    url: str = ""
    targets: list[str] = field(default_factory=list)
    seen: list[bytearray] = field(default_factory=list)
    holes: int = 0
    _is_hole: bool = False
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def is_hole(self) -> bool:
        """Whether all that comes is swallowed just now."""
        return self._is_hole

    @is_hole.setter
    def is_hole(self, value: bool) -> None:
        self.holes += value
        self._is_hole = value

    @property
    def connections(self) -> int:
        """How many connections it has open, to either side."""
        return len(self._open)

    def cut(self) -> None:
        """End all connections, as a line that breaks."""
        for writer in list(self._open):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            # Cancelled by `end` alone: asyncio's own callback would take it for an error.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._tunnel(reader, writer)
        finally:
            await _closed(writer)
            self._tasks.discard(task)
            self._open.discard(writer)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        while self.is_hole:
            await asyncio.sleep(0.05)
        given = next((line for line in head if line.lower().startswith("proxy-authorization:")), "")
        expected = f"Basic {base64.b64encode(self.login.encode()).decode()}"
        if self.login and not given.endswith(expected):
            writer.write(b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="p"\r\n')
            writer.write(b"Content-Length: 0\r\n\r\n")
            await writer.drain()
            return
        if self.says:
            writer.write(f"HTTP/1.1 {self.says}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        assert method == "CONNECT"
        self.targets.append(target)
        host, _, port = target.rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=self.upstream)
        self._open.add(far_writer)
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
            seen = bytearray()
            if self.certificate is not None:
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                context.load_cert_chain(self.certificate)
                await _open_tls(writer, context)
                self.seen.append(seen)
            await asyncio.gather(self._pump(reader, far_writer, seen), self._pump(far_reader, writer, bytearray()))
        finally:
            await _closed(far_writer)
            self._open.discard(far_writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: bytearray) -> None:
        """Pass on what comes, until it ends; what fell into a hole is as if it had been on its way all the time."""
        loop, holes = asyncio.get_running_loop(), self.holes
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def arrive() -> None:
            while True:
                due_s, data = await on_the_way.get()
                await asyncio.sleep(max(0.0, due_s - loop.time()))
                while self.is_hole or (self.forgets and self.holes > holes):
                    await asyncio.sleep(0.05)
                if not data:
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()

        arriving = asyncio.create_task(arrive())
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(CHUNK):
                    seen += data
                    on_the_way.put_nowait((loop.time() + self.delay_s, data))
            on_the_way.put_nowait((loop.time() + self.delay_s, b""))
            with contextlib.suppress(OSError):
                await arriving
        finally:
            arriving.cancel()

    async def end(self) -> None:
        """End all connections, and return when their sockets are closed."""
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _open_tls(writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
    """Go on in TLS. Errors: OSError, also where the connection was broken off here before TLS was agreed on.

    Python 3.11 then has no transport to return, leaves the writer without the one that it had, and tells nobody.
    """
    transport, protocol = writer.transport, writer.transport.get_protocol()
    try:
        await writer.start_tls(context)
    except AttributeError:
        if writer.transport is not None:
            raise
        writer._transport = transport
        protocol.connection_lost(None)
        raise ConnectionAbortedError("the connection was cut") from None


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and return when its socket is closed: now, if the other end says no good-bye in time."""
    writer.close()
    closed = asyncio.create_task(writer.wait_closed())
    with contextlib.suppress(asyncio.CancelledError):  # by `end`: now
        await asyncio.wait([closed], timeout=GOODBYE_S)
    writer.transport.abort()
    await asyncio.wait([closed], timeout=GOODBYE_S)
    closed.cancel()  # it was never told, see above
    await asyncio.gather(closed, return_exceptions=True)


@asynccontextmanager
async def forward_proxy(**settings: object) -> AsyncIterator[ForwardProxy]:
    """Yield a proxy that runs; its `url` has the login."""
    proxy = ForwardProxy(**settings)  # type: ignore[arg-type]
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy.url = f"http://{proxy.login}{'@' if proxy.login else ''}127.0.0.1:{port}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()
        await server.wait_closed()


async def _run(port: int) -> None:
    server = await asyncio.start_server(ForwardProxy().serve, "0.0.0.0", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1])))
