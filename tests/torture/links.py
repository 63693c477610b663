"""The lines between a network's parts, as TCP proxies: each passes on, breaks, swallows, delays, as it is told.

They are a process of their own, so that nobody who is busy holds up what others say: `python -m tests.torture.links`
reads one JSON object a line, `{"link": NAME, "mode": MODE}`, or `{"link": NAME, "listen": PORT, "to": "HOST:PORT"}`,
and answers each with its line. All proxies of one name are one link.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import IO, Any, Final

CHUNK: Final = 65_536
DELAY_S: Final = 0.3
LOSS: Final = 0.05  # of the chunks: what TCP makes of a lost packet is that all behind it waits
RESENT_S: Final = 0.6  # so long, about, until it was sent again
LOOK_S: Final = 0.02
HOST: Final = "127.0.0.1"


class Mode(StrEnum):
    """How a link is."""

    PASS = "pass"
    CUT = "cut"  # connections end at once, and none is let in
    HOLE = "hole"  # nothing arrives, either way, and nobody is told
    UP_ONLY = "up only"
    DOWN_ONLY = "down only"
    SLOW = "slow"


@dataclass
class Link:
    """One link: what it does now, and the connections over it."""

    mode: Mode = Mode.PASS
    rng: Random = field(default_factory=lambda: Random(0))  # of packets, not of the plan
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    def turn(self, mode: Mode) -> None:
        """Be another link from now on."""
        self.mode = mode
        if mode is Mode.CUT:
            for writer in list(self.open):
                writer.transport.abort()

    def swallows(self, *, is_up: bool) -> bool:
        """Return whether bytes of this direction do not arrive for now."""
        return self.mode is Mode.HOLE or self.mode is (Mode.DOWN_ONLY if is_up else Mode.UP_ONLY)

    def delay_s(self) -> float:
        """Return how late a chunk is that sets out now."""
        if self.mode is not Mode.SLOW:
            return 0.0
        return DELAY_S + (RESENT_S if self.rng.random() < LOSS else 0.0)


class Proxy:
    """Lets in at one port what is for a place behind one link."""

    def __init__(self, link: Link, host: str, port: int) -> None:
        self._link = link
        self._place = (host, port)
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection(*self._place)
                await self._join(reader, writer, far_reader, far_writer)
            writer.close()
        finally:
            self._tasks.discard(task)

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        """Carry both ways, unless the link was cut while the far end was opened."""
        ends = (writer, far_writer)
        self._link.open.update(ends)
        try:
            if self._link.mode is Mode.CUT:
                writer.transport.abort()
                return
            await asyncio.gather(
                self._pump(reader, far_writer, is_up=True), self._pump(far_reader, writer, is_up=False)
            )
        finally:
            self._link.open.difference_update(ends)
            far_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_up: bool) -> None:
        """Pass on what comes, in its order, late by what the link was when it came."""
        loop, link = asyncio.get_running_loop(), self._link
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)

        async def arrive() -> None:
            while True:
                due_s, data = await on_the_way.get()
                if (left_s := due_s - loop.time()) > 0:
                    await asyncio.sleep(left_s)
                while link.swallows(is_up=is_up):
                    await asyncio.sleep(LOOK_S)
                if not data:
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()

        arriving = asyncio.create_task(arrive())
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(CHUNK):
                    await on_the_way.put((loop.time() + link.delay_s(), data))
            await on_the_way.put((loop.time(), b""))
            with contextlib.suppress(OSError):
                await arriving
        finally:
            arriving.cancel()
            writer.close()


class Links:
    """The process of all links, as whoever started it tells it what to do."""

    def __init__(self, folder: Path) -> None:
        self._log = (folder / "links.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.links"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._log, start_new_session=True,
        )  # fmt: skip

    def add(self, link: str, port: int, to: str) -> None:
        """Have a proxy listen on a port of this machine for a place behind a link."""
        self._say({"link": link, "listen": port, "to": to})

    def turn(self, link: str, mode: Mode) -> None:
        """Have a link be another one from now on."""
        self._say({"link": link, "mode": mode})

    def _say(self, said: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(said).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer == b"done\n", f"the links' process answered {answer!r} to {said}"

    def end(self) -> None:
        """End the process, and so all connections."""
        for end in (self._process.stdin, self._process.stdout):
            if end is not None:
                end.close()
        self._process.kill()
        self._process.wait()
        self._log.close()


async def _run(commands: IO[str]) -> None:
    loop, links, servers = asyncio.get_running_loop(), dict[str, Link](), list[asyncio.Server]()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), commands)
    while line := await reader.readline():
        said = json.loads(line)
        link = links.setdefault(said["link"], Link(rng=Random(said["link"])))
        if "mode" in said:
            link.turn(Mode(said["mode"]))
        else:
            host, _, port = said["to"].rpartition(":")
            servers.append(await asyncio.start_server(Proxy(link, host, int(port)).serve, HOST, said["listen"]))
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_run(sys.stdin))
