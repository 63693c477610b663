"""A center that writes a hundred times what it may holds up nobody but itself."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from hub.base.clients import closing
from hub.broker.embedded import EmbeddedKafka
from hub.kafka.administration import administration
from hub.kafka.cluster import Cluster
from hub.kafka.desired import MIB, Member, desired
from hub.kafka.topics import ensure_topics, lane_topics
from hub.protocol.scram import ITERATIONS_MIN, Credential

pytestmark = [pytest.mark.integration, pytest.mark.long]

PASSWORDS: Final = {"uz": "the flooding one", "kz": "the quiet one"}
WRITES: Final = 400
EVERY_S: Final = 0.025
FLOOD_S: Final = 20.0
CONNECTIONS: Final = 8
RATE: Final = MIB // 32  # a hundredth of what one process of Python writes over TLS on two busy cores
AT_ONCE: Final = MIB  # of each connection: a request is taken whole, and the next one waits
FLOOR_S: Final = 0.005  # below this it is the machine that is measured


async def percentile(cluster: Cluster, topic: str) -> float:
    """Return the 99th percentile of the seconds from a record of an office to the broker's acknowledgement."""
    took = []
    async with closing(await cluster.producer("kz", linger_ms=0)) as producer:
        for _ in range(20):
            await producer.send_and_wait(topic, bytes(1000), partition=0)
        for _ in range(WRITES):
            began = time.perf_counter()
            await producer.send_and_wait(topic, bytes(1000), partition=0)
            took.append(time.perf_counter() - began)
            await asyncio.sleep(EVERY_S)
    return sorted(took)[int(len(took) * 0.99)]


async def flooded(told: Mapping[str, object], cluster: Cluster, topic: str) -> tuple[float, int]:
    """Return the same while another process floods, and how many bytes of the flood were taken."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.flood",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(dict(told)).encode() + b"\n")
        await process.stdin.drain()
        assert await process.stdout.readline() == b"begun\n"
        await asyncio.sleep(2.0)
        took = await percentile(cluster, topic)
        async with asyncio.timeout(FLOOD_S + 30):
            return took, int(json.loads(await process.stdout.readline())["bytes"])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_flood_of_one_center_leaves_the_others_their_time(tmp_path: Path) -> None:
    """Its p99 stays within three times of what it is while nobody else writes; the flood is held to its quota."""
    async with EmbeddedKafka(tmp_path / "broker") as kafka:
        wanted = desired([Member("uz", "active", 1, RATE), Member("kz", "active", 1)], worker=None)
        await ensure_topics(kafka.cluster, lane_topics(["uz", "kz"]))
        async with administration(kafka.cluster) as access:
            await access.set_quotas(wanted.quotas)
            salted = {name: Credential.of(word, bytes(32), ITERATIONS_MIN) for name, word in PASSWORDS.items()}
            await access.set_users(salted)
            await access.grant(wanted.rights)
        quiet = kafka.cluster_of("kz", PASSWORDS["kz"])
        async with asyncio.timeout(20):
            while await quiet.diagnose() is not None:
                await asyncio.sleep(0.1)
        told = {
            "bootstrap": kafka.bootstrap,
            "user": "uz",
            "password": PASSWORDS["uz"],
            "ca_file": str(kafka.authority),
            "topic": "in.uz",
            "seconds": FLOOD_S,
            "connections": CONNECTIONS,
        }
        idle_s = min([await percentile(quiet, "in.kz") for _ in range(2)])
        took_s, taken = await flooded(told, quiet, "in.kz")
        told_apart = f"idle {idle_s * 1000:.1f} ms, flooded {took_s * 1000:.1f} ms, {taken / MIB:.1f} MiB taken"
        assert took_s <= 3 * max(idle_s, FLOOR_S), told_apart
        # Kafka allows eleven seconds of the rate at once, and then the rate.
        assert taken <= RATE * (11 + FLOOD_S + 10) + 2 * CONNECTIONS * AT_ONCE, told_apart
