"""CPU per event of one worker pinned to one core, beside a plain loop and a stock Faust agent on the same topics."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.lanes import HUB, BenchLane, write
from hub.broker.embedded import EmbeddedKafka
from hub.domain.catalogue import STREAMS
from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters, HqEvent
from hub.hq.identity import make_identity
from hub.kafka.topics import ensure_topics, standard_topics
from hub.protocol.control import key_text
from hub.protocol.record import CENTER_REGISTERED
from hub.store.released import released_schemas
from hub.store.sqlite import SqliteStore


async def make_hub(data_dir: Path, lanes: list[BenchLane]) -> None:
    """Make a hub that knows the lanes' centers."""
    identity = make_identity(HubFolder(data_dir).keys, HUB)
    store = SqliteStore.open(HubFolder(data_dir).database)
    try:
        headquarters = Headquarters(store, identity, released_schemas())
        await headquarters.prepare()
        await headquarters.say([HqEvent(CENTER_REGISTERED, lane.center, _center(lane)) for lane in lanes])
    finally:
        await store.close()


def _center(lane: BenchLane) -> dict[str, Any]:
    proof = lane.signer.sign(key_text(HUB, lane.center, "seal", lane.signer.verifier).encode())
    return {
        "name": lane.center,
        "country": "UZ",
        "direction": "north",
        "zone": None,
        "languages": ["en"],
        "timezone": "Asia/Tashkent",
        "streams": [s.name for s in STREAMS.values() if s.writer == "center"],
        "keys": [
            {
                "vkey": lane.signer.verifier.to_text(),
                "purpose": "seal",
                "status": "active",
                "proof": base64.b64encode(proof).decode(),
                "previous_proof": None,
                "replaced_lost": False,
                "status_reason": None,
            }
        ],
    }


def contend(kind: str, *arguments: str, core: int | None = None) -> dict[str, Any]:
    """Run one contender on one core and return what it printed."""
    cores = os.cpu_count() or 1
    pinned = cores - 1 if core is None else core

    def pin() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {pinned})

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.contender", kind, *arguments],
        stdout=subprocess.PIPE, check=True, timeout=1800, preexec_fn=pin,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


async def throughput(
    kafka: EmbeddedKafka, lanes_count: int, events: int, kinds: list[str], *, seal_every: int = 256, rounds: int = 1
) -> dict[str, dict[str, Any]]:
    """Return for each contender its best round over the same events."""
    entities = max(1, events // lanes_count // 4)
    tag = f"b{os.urandom(3).hex()}"
    lanes = [BenchLane(f"{tag}-{n}", seal_every) for n in range(lanes_count)]
    await ensure_topics(kafka.cluster, standard_topics([lane.center for lane in lanes], list(STREAMS)))
    size = await write(kafka.bootstrap, lanes, events // lanes_count, entities)
    total = sum(lane.edge.size for lane in lanes)
    topics = ",".join(f"in.{lane.center}" for lane in lanes)
    print(f"{total} events of {size} bytes in {lanes_count} lanes, sealed by {seal_every}", file=sys.stderr)
    found: dict[str, dict[str, Any]] = {}
    for _ in range(rounds):
        for kind in kinds:
            base = Path(tempfile.mkdtemp(prefix="cohub-bench-"))
            try:
                arguments = ["--bootstrap", kafka.bootstrap, "--topics", topics, "--events", str(total)]
                if kind.startswith("hub"):
                    await make_hub(base, lanes)
                    arguments += ["--data-dir", str(base)]
                result = await asyncio.to_thread(contend, kind, *arguments)
                print(f"  {kind:11} {result['cpu_us_per_event']:6.1f} µs of CPU an event", file=sys.stderr)
                if kind not in found or result["cpu_us_per_event"] < found[kind]["cpu_us_per_event"]:
                    found[kind] = result
            finally:
                shutil.rmtree(base, ignore_errors=True)
    return found
