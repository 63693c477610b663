"""A process that does to HQ's doors what somebody would who means ill: what, and against whom, comes as JSON by stdin.

It says `begun` when it has begun, and at its end how often it had what it wanted and how often it was refused, as JSON.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
import os
import ssl
import struct
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.fetch import FetchRequest_v4
from aiokafka.protocol.metadata import MetadataRequest_v1
from aiokafka.protocol.produce import ProduceRequest_v3
from aiokafka.record.util import calc_crc32c

from hub.protocol.http_signature import Request
from hub.protocol.keys import Signer
from hub.protocol.receipt import read_own_time
from hub.protocol.session import SessionNote, begin_session, signed_fields
from tests.support.address import calling_from
from tests.support.raw import batch, record

LARGE: Final = 900_000
PACED_S: Final = 0.005  # after a refusal: who is refused asks again at once
FAILURES: Final = (OSError, KafkaError, TimeoutError, asyncio.IncompleteReadError, EOFError)


class Storm:
    """What is told, and what came of it."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.counted: Counter[str] = Counter()
        self.session, self.number, self.begins = "", 0, asyncio.Lock()
        self.context = ssl.create_default_context(cafile=told["ca_file"])

    def __getattr__(self, name: str) -> Any:
        return self.told[name]

    async def kafka(self, password: str | None = None) -> AIOKafkaConnection:
        return await create_conn(
            self.host,
            self.port,
            security_protocol="SASL_SSL",
            ssl_context=self.context,
            sasl_mechanism="SCRAM-SHA-512",
            sasl_plain_username=self.user,
            sasl_plain_password=password or self.password,
            request_timeout_ms=30_000,
        )

    async def tls(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.host, self.port, ssl=self.context, local_addr=(self.source, 0))


Weapon = Callable[[Storm, int], Coroutine[Any, Any, None]]


async def handshakes(storm: Storm, _: int) -> None:
    """TLS, and nothing behind it."""
    while True:
        try:
            writer = (await storm.tls())[1]
        except FAILURES:
            storm.counted["refused"] += 1
            await asyncio.sleep(PACED_S)
            continue
        storm.counted["served"] += 1
        writer.transport.abort()


async def failed_logins(storm: Storm, _: int) -> None:
    """A wrong password."""
    while True:
        try:
            await storm.kafka("wrong")
        except FAILURES as exc:
            storm.counted["served" if type(exc).__name__ == "SaslAuthenticationFailed" else "refused"] += 1
            await asyncio.sleep(PACED_S)


async def _asked(storm: Storm, request: Callable[[], Any]) -> None:
    while True:
        connection = None
        try:
            connection = await storm.kafka()
            while True:
                await connection.send(request())
                storm.counted["served"] += 1
        except FAILURES:
            storm.counted["refused"] += 1
            await asyncio.sleep(PACED_S)
        finally:
            if connection is not None:
                connection.close()


async def large_batches(storm: Storm, _: int) -> None:
    """What a quota of bytes is for."""
    data = batch([record(b"k", bytes(LARGE))])
    await _asked(storm, lambda: ProduceRequest_v3(None, 1, 30_000, [(f"in.{storm.user}", [(0, data)])]))


async def small_requests(storm: Storm, _: int) -> None:
    """What a quota of bytes does not see."""
    await _asked(storm, lambda: MetadataRequest_v1([f"in.{storm.user}"]))


async def consumers(storm: Storm, _: int) -> None:
    """Its own answers, from the beginning, again and again."""
    asked = [(f"out.{storm.user}", [(0, 0, 8 << 20)])]
    await _asked(storm, lambda: FetchRequest_v4(-1, 0, 0, 8 << 20, 0, asked))


async def waiting_fetches(storm: Storm, _: int) -> None:
    """What waits at the broker, and is asked for anew when it has waited."""
    asked = [(f"out.{storm.user}", [(0, storm.told.get("end", 0), 1 << 20)])]
    await _asked(storm, lambda: FetchRequest_v4(-1, 100, 1 << 20, 1 << 20, 0, asked))


async def new_producers(storm: Storm, task: int) -> None:
    """Each record is another producer's, whom the broker remembers."""
    first = (1000 * storm.task + task) << 32
    numbers = iter(range(first, first + (1 << 32)))

    def request() -> Any:
        data = bytearray(batch([record(b"k", b"")]))
        return ProduceRequest_v3(None, 1, 30_000, [(f"in.{storm.user}", [(0, by_producer(data, next(numbers)))])])

    await _asked(storm, request)


def by_producer(data: bytearray, number: int) -> bytes:
    """Return a batch as the first one of this producer."""
    struct.pack_into(">qhi", data, 43, number, 0, 0)
    struct.pack_into(">I", data, 17, calc_crc32c(bytes(data[21:])))
    return bytes(data)


class Session:
    """One connection over HTTPS, of an office whose session has begun; it asks by hand, as fast as can be."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm
        self.key = Signer("session", b"s" * 32)
        self.stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def name(self) -> str:
        """The session's name: all connections have the same, since a center has but a few."""
        return str(self.storm.session)

    @name.setter
    def name(self, name: str) -> None:
        self.storm.session = name

    async def send(self, method: str, target: str, fields: dict[str, str], body: bytes = b"") -> tuple[int, bytes]:
        """Ask, and return status and body."""
        if self.stream is None:
            self.stream = await self.storm.tls()
        reader, writer = self.stream
        said = {"host": self.storm.address.removeprefix("https://"), "content-length": str(len(body))} | fields
        head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
        status = int((await reader.readline()).split(b" ")[1])
        length, closes = 0, False
        while (line := await reader.readline()) not in {b"\r\n", b""}:
            name, _, value = line.decode().partition(":")
            length = int(value) if name.lower() == "content-length" else length
            closes = closes or (name.lower() == "connection" and "close" in value)
        answer = await reader.readexactly(length)
        if closes:
            self.drop()
        return status, answer

    def drop(self) -> None:
        """End the connection."""
        if self.stream is not None:
            self.stream[1].transport.abort()
            self.stream = None

    async def begin(self) -> None:
        """Begin a session."""
        storm = self.storm
        _, answer = await self.send("POST", "/v1/session/nonce", {}, json.dumps({"center": storm.user}).encode())
        told = json.loads(answer)
        nonce, at = base64.b64decode(told["nonce"]), read_own_time(told["time"])
        said = SessionNote(told["hub"], storm.user, storm.address, nonce, self.key.verifier.public, at)
        seal = Signer(f"{told['hub']}/{storm.user}", bytes.fromhex(storm.seed))
        status, answer = await self.send("POST", "/v1/session", {}, begin_session(said, seal))
        if status == 201:
            self.name = json.loads(answer)["session"]

    def signed(self, method: str, target: str, body: bytes = b"", kind: str = "", **changes: Any) -> dict[str, str]:
        """Return the fields of a request."""
        self.storm.number += 1
        fields = {"content-type": kind} if kind else {}
        request = Request(method, self.storm.address, target, fields)
        said: dict[str, Any] = {"session": self.name, "key": self.key, "number": self.storm.number}
        return dict(signed_fields(request, body, **said, created=int(time.time()), **changes))


async def _over_https(storm: Storm, ask: Callable[[Session], Awaitable[int]], *, begins: bool = True) -> None:
    session = Session(storm)
    while True:
        try:
            async with storm.begins:
                if begins and not session.name:
                    await session.begin()
            status = await ask(session)
            storm.counted["served" if status < 400 else "refused"] += 1
            if status == 401:
                session.name = ""
        except (*FAILURES, IndexError, KeyError, ValueError):
            storm.counted["refused"] += 1
            session.drop()
            await asyncio.sleep(PACED_S)


async def large_posts(storm: Storm, _: int) -> None:
    """Record batches, as large as may be."""
    await _post(storm, batch([record(b"k", bytes(LARGE))]))


async def packed_posts(storm: Storm, _: int) -> None:
    """A few bytes that unpack to four megabytes."""
    await _post(storm, batch([b""], codec=1, payload=gzip.compress(record(b"k", bytes((4 << 20) - 64))), count=1))


async def nested_posts(storm: Storm, _: int) -> None:
    """A megabyte of JSON that is four hundred thousand lists."""
    await _post(storm, b"[" + b"[]," * 390_000 + b"[]]", "application/cloudevents-batch+json")


async def _post(storm: Storm, body: bytes, kind: str = "application/vnd.apache.kafka.records.v2") -> None:
    target = f"/v1/centers/{storm.user}/records"

    async def ask(session: Session) -> int:
        return (await session.send("POST", target, session.signed("POST", target, body, kind), body))[0]

    await _over_https(storm, ask)


async def _get(storm: Storm, target: str) -> None:
    async def ask(session: Session) -> int:
        return (await session.send("GET", target, session.signed("GET", target)))[0]

    await _over_https(storm, ask)


async def small_gets(storm: Storm, _: int) -> None:
    """Where a topic ends."""
    await _get(storm, f"/v1/topics/out.{storm.user}")


async def reads(storm: Storm, _: int) -> None:
    """Its own answers, from the beginning, again and again."""
    await _get(storm, f"/v1/topics/out.{storm.user}/records?offset=0")


async def long_polls(storm: Storm, _: int) -> None:
    """What waits for something that does not come."""
    await _get(storm, f"/v1/topics/hub.trust/records?offset={storm.told.get('end', 0)}&wait_s=25")


async def bad_signatures(storm: Storm, _: int) -> None:
    """Its own session's name, and another key: HQ has to look."""
    wrong = Signer("session", b"w" * 32)

    async def ask(session: Session) -> int:
        session.key, kept = wrong, session.key
        fields = session.signed("GET", "/v1/topics/hub.trust")
        session.key = kept
        status, answer = await session.send("GET", "/v1/topics/hub.trust", fields)
        return 403 if b"bad_signature" in answer else status

    await _over_https(storm, ask)


async def unsigned(storm: Storm, _: int) -> None:
    """What needs no session."""

    async def ask(session: Session) -> int:
        return (await session.send("GET", "/livez", {}))[0]

    await _over_https(storm, ask, begins=False)


async def sessions(storm: Storm, _: int) -> None:
    """A session, and another one."""

    async def ask(session: Session) -> int:
        session.name = ""
        await session.begin()
        return 200 if session.name else 403

    await _over_https(storm, ask, begins=False)


WEAPONS: Final[dict[str, Weapon]] = {
    weapon.__name__: weapon
    for weapon in (
        handshakes, failed_logins, large_batches, small_requests, consumers, waiting_fetches, new_producers,
        large_posts, packed_posts, nested_posts, small_gets, reads, long_polls, bad_signatures, unsigned, sessions,
    )
}  # fmt: skip


async def main() -> None:
    """Do it from so many connections at once, for so many seconds."""
    os.nice(19)  # what it takes of this machine would be another machine's
    storm = Storm(json.loads(sys.stdin.readline()))
    weapon: Weapon = WEAPONS[storm.weapon]
    tasks = [asyncio.create_task(weapon(storm, n)) for n in range(storm.connections)]
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    with calling_from(storm.source):
        await asyncio.wait(tasks, timeout=storm.seconds)
    for task in tasks:
        task.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks, return_exceptions=True)
    sys.stdout.write(json.dumps(dict(storm.counted)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
