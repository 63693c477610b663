"""What one client can do to the others, by either way in: their 99th percentile idle, under a storm, without bounds.

Each weapon is used by several connections of two processes, from an address of its own, as fast as they can; the other
office writes a record every few milliseconds and waits for its acknowledgement. The table is printed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from hub.base.clients import closing
from hub.broker.embedded import EmbeddedKafka
from hub.broker.ports import LOOPBACK, choose_port
from hub.broker.properties import UNBOUNDED, Public
from hub.kafka.administration import administration
from hub.kafka.cluster import Cluster
from hub.kafka.desired import Member, desired
from hub.kafka.topics import TopicSpec, ensure_topics, lane_topics
from hub.protocol.scram import ITERATIONS_MIN, Credential
from tests.support.certificates import Authority
from tests.support.raw import batch, record
from tests.support.storm import Session, Storm

pytestmark = [
    pytest.mark.integration,
    pytest.mark.long,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(sys.platform != "linux", reason="each side has an address of its own on this machine"),
]

PASSWORDS: Final = {"uz": "the one that storms", "kz": "the quiet one"}
SEEDS: Final = {"uz": b"u" * 32, "kz": b"k" * 32}
STORM_AT: Final = "127.0.0.9"
QUIET_AT: Final = "127.0.0.8"
SECONDS: Final = float(os.environ.get("COHUB_STORM_S", "8"))
EVERY_S: Final = 0.02
FLOOR_S: Final = 0.010  # below this it is the machine that is measured: two processes storm on it, too
BUSY_S: Final = 0.030  # where it takes so long idle, others are at work on it
ANSWERS: Final = 400  # of 64 KiB, which the storm reads again and again
BY_KAFKA: Final = {
    "handshakes": 32,
    "failed_logins": 32,
    "large_batches": 16,
    "small_requests": 32,
    "consumers": 32,
    "waiting_fetches": 100,
    "new_producers": 16,
}
BY_HTTPS: Final = {
    "handshakes": 32,
    "unsigned": 32,
    "bad_signatures": 32,
    "sessions": 16,
    "small_gets": 32,
    "reads": 16,
    "large_posts": 8,
    "packed_posts": 8,
    "nested_posts": 8,
    "long_polls": 150,
}


@dataclass
class Place:
    """One hub's doors, bounded or not."""

    kafka: EmbeddedKafka
    port: int
    certificate: Path
    authority: Path
    web: str = ""
    pid: int = 0

    def cpu_s(self, *, https: bool) -> float:
        """What HQ's process has taken of a processor so far: the one at whose door the storm is."""
        times = psutil.Process(self.pid if https else self.kafka.pid).cpu_times()
        return float(times.user + times.system)

    def told(self, weapon: str, connections: int, *, https: bool, source: str = STORM_AT) -> dict[str, Any]:
        port = int(self.web.rpartition(":")[2]) if https else self.port
        return {
            "weapon": weapon,
            "connections": connections,
            "seconds": SECONDS,
            "host": LOOPBACK,
            "port": port,
            "source": source,
            "user": "uz",
            "password": PASSWORDS["uz"],
            "seed": SEEDS["uz"].hex(),
            "address": self.web,
            "ca_file": str(self.authority if https else self.kafka.authority),
            "end": 0,
        }


async def begun(module: str, told: dict[str, Any], stack: AsyncExitStack) -> asyncio.subprocess.Process:
    """Return a process of ours that has begun with what it was told; it ends with the stack."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[3],
    )

    async def end() -> None:
        if process.returncode is None:
            process.kill()
        await process.wait()

    stack.push_async_callback(end)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(told).encode() + b"\n")
    await process.stdin.drain()
    assert await process.stdout.readline()
    return process


@asynccontextmanager
async def placed(folder: Path, *, bounded: bool) -> AsyncIterator[Place]:
    """Yield a broker with two centers, and the HTTPS way in before it; the folder is there."""
    port = choose_port()
    where = (LOOPBACK, port), (LOOPBACK, port)
    public = Public(*where) if bounded else Public(*where, UNBOUNDED, UNBOUNDED)
    loose = {"listener.name.offices.max.connection.creation.rate": str(UNBOUNDED)}
    authority = Authority(folder)
    async with (
        EmbeddedKafka(folder / "broker", public=public, overrides={} if bounded else loose) as kafka,
        AsyncExitStack() as stack,
    ):
        wanted = desired([Member(name, "active", 1) for name in PASSWORDS], worker=None)
        await ensure_topics(kafka.cluster, [*lane_topics(list(PASSWORDS)), TopicSpec("hub.trust", 1)])
        async with administration(kafka.cluster) as access:
            if bounded:
                await access.set_quotas(wanted.quotas)
            salted = {name: Credential.of(word, bytes(32), ITERATIONS_MIN) for name, word in PASSWORDS.items()}
            await access.set_users(salted)
            await access.grant(wanted.rights)
        async with closing(await kafka.cluster.producer("test")) as producer:
            for _ in range(ANSWERS):
                await producer.send_and_wait("out.uz", bytes(1 << 16), partition=0)
        quiet = kafka.cluster_of("kz", PASSWORDS["kz"])
        async with asyncio.timeout(20):
            while await quiet.diagnose() is not None:
                await asyncio.sleep(0.1)
        web = kafka.cluster_of("web")
        place = Place(kafka, port, authority.leaf("hub"), authority.file, f"https://{LOOPBACK}:{choose_port()}")
        security = web.security.model_dump() | {"password": web.security.login()[1]}
        told = {
            "bootstrap": web.bootstrap,
            "security": {name: None if value is None else str(value) for name, value in security.items()},
            "seals": {name: seed.hex() for name, seed in SEEDS.items()},
            "certificate": str(place.certificate),
            "address": place.web,
            "bounded": bounded,
        }
        place.pid = (await begun("tests.support.storm_target", told, stack)).pid
        yield place


def p99(took: Sequence[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)]


async def repeated(write: Callable[[], Awaitable[Any]], seconds: float) -> list[float]:
    """Write again and again, and return how long each took."""
    took, until_s = [], time.monotonic() + seconds
    while time.monotonic() < until_s:
        began = time.perf_counter()
        await write()
        took.append(time.perf_counter() - began)
        await asyncio.sleep(EVERY_S)
    return took


@asynccontextmanager
async def quiet_by_kafka(place: Place) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    security = place.kafka.cluster_of("kz", PASSWORDS["kz"]).security
    cluster = Cluster((f"{LOOPBACK}:{place.port}",), security)
    async with closing(await cluster.producer("kz", linger_ms=0)) as producer:
        yield lambda: producer.send_and_wait("in.kz", bytes(1000), partition=0)


@asynccontextmanager
async def quiet_by_https(place: Place) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    told = place.told("", 1, https=True, source=QUIET_AT)
    session = Session(Storm(told | {"user": "kz", "seed": SEEDS["kz"].hex()}))
    await session.begin()
    body, target = batch([record(b"k", bytes(1000))]), "/v1/centers/kz/records"
    kind = "application/vnd.apache.kafka.records.v2"

    async def write() -> None:
        status, answer = await session.send("POST", target, session.signed("POST", target, body, kind), body)
        assert status == 200, answer

    try:
        yield write
    finally:
        session.drop()


@dataclass
class Seen:
    """The other's p99 idle and in the storm, what HQ's process took of a processor, and what the storm got."""

    idle_s: float
    storm_s: float
    idle_cpu: float
    storm_cpu: float
    served: int
    tried: int

    def __str__(self) -> str:
        return (
            f"p99 {self.idle_s * 1e3:6.1f} -> {self.storm_s * 1e3:7.1f} ms, processor {self.idle_cpu * 100:3.0f} -> "
            f"{self.storm_cpu * 100:3.0f} %, {self.served:6} of {self.tried:6} served"
        )


async def stormed(place: Place, weapon: str, connections: int, *, https: bool) -> Seen:
    quiet = quiet_by_https if https else quiet_by_kafka
    async with quiet(place) as write, AsyncExitStack() as stack:
        await repeated(write, 1.0)
        began, cpu_s = time.monotonic(), place.cpu_s(https=https)
        idle = await repeated(write, 3.0)
        idle_cpu = (place.cpu_s(https=https) - cpu_s) / (time.monotonic() - began)
        told = place.told(weapon, connections, https=https)
        storms = [await begun("tests.support.storm", told | {"task": n}, stack) for n in range(2)]
        await asyncio.sleep(1.0)
        began, cpu_s = time.monotonic(), place.cpu_s(https=https)
        took = await repeated(write, SECONDS - 2)
        storm_cpu = (place.cpu_s(https=https) - cpu_s) / (time.monotonic() - began)
        got: dict[str, int] = {}
        async with asyncio.timeout(SECONDS + 30):
            for storm in storms:
                assert storm.stdout is not None
                for name, count in json.loads(await storm.stdout.readline()).items():
                    got[name] = got.get(name, 0) + count
        tried = sum(got.values())
        return Seen(p99(idle), p99(took), idle_cpu, storm_cpu, got.get("served", 0), tried)


@pytest.mark.parametrize("https", [False, True], ids=["kafka", "https"])
async def test_storm_of_one_client_leaves_the_others_their_time(tmp_path: Path, https: bool) -> None:
    """Their p99 stays within three times of idle, whatever it does; without the bounds it would not."""
    weapons = BY_HTTPS if https else BY_KAFKA
    chosen = os.environ.get("COHUB_STORM", "")
    found: dict[tuple[str, bool], Seen] = {}
    folders = {bounded: tmp_path / name for bounded, name in ((True, "bounded"), (False, "unbounded"))}
    for bounded, folder in folders.items():
        folder.mkdir()
        async with placed(folder, bounded=bounded) as place:
            for weapon, connections in weapons.items():
                if not chosen or weapon in chosen.split(","):
                    seen = found[weapon, bounded] = await stormed(place, weapon, connections, https=https)
                    way = f"{'https' if https else 'kafka'} {weapon:15} {'bounded' if bounded else 'unbounded':9}"
                    sys.stderr.write(f"\n{way} {seen}")
                    sys.stderr.flush()
    over = {
        weapon: str(seen)
        for (weapon, bounded), seen in found.items()
        if bounded and seen.storm_s > 3 * max(seen.idle_s, FLOOR_S)
    }
    if over and max(seen.idle_s for seen in found.values()) > BUSY_S:
        pytest.skip(f"this machine is too busy to tell: {over}")
    assert over == {}
