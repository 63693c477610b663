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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.lanes import HUB, BenchLane, write
from benchmarks.meter import read_latest
from benchmarks.required import require_latest, require_taken
from hub.broker.embedded import EmbeddedKafka
from hub.domain.catalogue import STREAMS
from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters, HqEvent
from hub.hq.identity import make_identity
from hub.kafka.topics import ensure_topics, standard_topics
from hub.protocol.control import key_text
from hub.protocol.record import CENTER_REGISTERED
from hub.store.opener import open_store
from hub.store.postgres_server import Server
from hub.store.released import released_schemas

SAID_AT_ONCE: Final = 64  # events of the hq lane under one seal, which has its bounds


async def make_hub(data_dir: Path, lanes: Sequence[BenchLane], server: Server | None = None) -> None:
    """Make a hub that knows the lanes' centers; its database is a file, or one at a server that has its tables."""
    identity = make_identity(HubFolder(data_dir).keys, HUB)
    store = await open_store(server or HubFolder(data_dir).database)
    try:
        headquarters = Headquarters(store, identity, released_schemas())
        await headquarters.prepare()
        for first in range(0, len(lanes), SAID_AT_ONCE):
            some = lanes[first : first + SAID_AT_ONCE]
            await headquarters.say([HqEvent(CENTER_REGISTERED, lane.center, _center(lane)) for lane in some])
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


@dataclass(frozen=True, slots=True)
class Input:
    """What every contender of a round reads: the lanes, as they stand in Kafka.

    Shapes: `broker` is the folder of an embedded broker that is locked, whose worker a contender is; None of another.
    """

    bootstrap: str
    lanes: Sequence[BenchLane]
    broker: Path | None = None

    @property
    def total(self) -> int:
        """The number of events, openings included."""
        return sum(lane.edge.size for lane in self.lanes)

    @property
    def arguments(self) -> list[str]:
        """What each contender is told."""
        topics = ",".join(f"in.{lane.center}" for lane in self.lanes)
        locked = [] if self.broker is None else ["--broker", str(self.broker)]
        return ["--bootstrap", self.bootstrap, "--topics", topics, "--events", str(self.total), *locked]


async def write_input(
    kafka: EmbeddedKafka, lanes_count: int, events: int, seal_every: int = 256, lane: type[BenchLane] = BenchLane
) -> Input:
    """Write the events of a round, in lanes that nobody has read."""
    entities = max(1, events // lanes_count // 4)
    tag = f"b{os.urandom(3).hex()}"
    lanes = [lane(f"{tag}-{n}", seal_every) for n in range(lanes_count)]
    await ensure_topics(kafka.cluster, standard_topics([lane.center for lane in lanes], list(STREAMS)))
    size = await write(kafka.cluster, lanes, events // lanes_count, entities)
    given = Input(kafka.bootstrap, lanes)
    print(f"{given.total} events of {size} bytes in {lanes_count} lanes, sealed by {seal_every}", file=sys.stderr)
    return given


def contend(command: list[str], timeout_s: float = 1800.0, nth: int = 0) -> dict[str, Any]:
    """Run one contender on one core, the last but `nth`, and return what it printed.

    Errors: CalledProcessError, TimeoutExpired.
    """
    core = ((os.cpu_count() or 1) - 1 - nth) % (os.cpu_count() or 1)

    def pin() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {core})

    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=timeout_s, preexec_fn=pin)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


async def measure(given: Input, kind: str, *options: str, name: str = "") -> dict[str, Any]:
    """Return what one of our own contenders has measured. Errors: RuntimeError where it did not do what is told."""
    base = Path(tempfile.mkdtemp(prefix="cohub-bench-"))
    try:
        command = [sys.executable, "-m", "benchmarks.contender", kind, *given.arguments, *options]
        command += ["--folder", str(base)]
        if is_hub := kind.startswith("hub"):
            await make_hub(base, given.lanes)
        result = await asyncio.to_thread(contend, command)
        if is_hub:
            require_taken(HubFolder(base).database, given.lanes)
        else:
            require_latest(read_latest(base), given.lanes)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    tell(name or kind, result)
    return result


def tell(kind: str, result: dict[str, Any]) -> None:
    """Print what a contender has measured."""
    print(f"  {kind:25} {result['cpu_us_per_event']:6.1f} µs of CPU an event", file=sys.stderr)
