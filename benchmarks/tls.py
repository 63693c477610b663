"""What TLS costs between Kafka and its clients: an office's producer, and HQ's whole worker, beside plain text.

Two brokers stand side by side: a plain one, and one that is locked as `hub up` has it. The same records go to both and
are read from both, in turns; CPU time is the client's alone. A worker of the locked one also keeps its offices' rights.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmarks.lanes import SENTENCE, BenchLane, Headers, offer
from benchmarks.meter import spare_the_collector
from benchmarks.report import tls_report, turned
from benchmarks.throughput import Input, measure, write_input
from connectors.runtime.link import KAFKA_BATCH_BYTES_MAX, REQUEST_BYTES_MAX
from hub.broker.embedded import EmbeddedKafka
from hub.kafka.administration import administration
from hub.kafka.cluster import Cluster
from hub.kafka.desired import office_rights
from hub.kafka.topics import ensure_topics, standard_topics
from hub.protocol.limits import BATCH_EVENTS_MAX
from hub.protocol.scram import ITERATIONS, SALT_LENGTH, Credential

KINDS: Final = ("plain", "tls")
LARGER: Final = 4  # a large record stands for so many small ones in how many are measured
LARGE_SEALED_BY: Final = 64

Row = tuple[bytes, bytes, Headers]


class LargeLane(BenchLane):
    """A lane of offers whose texts are about as long as they may be: 9 kB a record."""

    def offer(self, number: int) -> dict[str, Any]:
        """See BenchLane."""
        texts = {"description": 4000, "advantages": 2000, "partner_role": 2000}
        return offer(number) | {name: (SENTENCE * 50)[:length].strip() for name, length in texts.items()}


SIZES: Final[Mapping[str, tuple[type[BenchLane], int, int]]] = {
    "small": (BenchLane, BATCH_EVENTS_MAX, 1),
    "large": (LargeLane, LARGE_SEALED_BY, LARGER),
}


async def tls(plain: EmbeddedKafka, lanes: int, events: int, rounds: int) -> dict[str, Any]:
    """Return CPU µs an event of producer and worker, by size of the records and by kind, and TLS in times of plain."""
    costs: dict[str, dict[str, dict[str, list[float]]]] = {
        side: {size: {kind: [] for kind in KINDS} for size in SIZES} for side in ("producer", "worker")
    }
    with tempfile.TemporaryDirectory(prefix="cohub-bench-", ignore_cleanup_errors=True) as folder:
        async with EmbeddedKafka(Path(folder)) as locked:
            brokers = {"plain": plain, "tls": locked}
            offices = {kind: await _offices(broker, rounds * len(SIZES)) for kind, broker in brokers.items()}
            for number in range(rounds):
                for size, (lane, sealed_by, larger) in SIZES.items():
                    given = {
                        kind: await write_input(broker, lanes, events // larger, sealed_by, lane)
                        for kind, broker in brokers.items()
                    }
                    given["tls"] = replace(given["tls"], broker=Path(folder))
                    batches = list(batched(lane("office", sealed_by), events // larger))
                    for kind in turned(KINDS, number):
                        costs["worker"][size][kind].append(await _worker(given[kind], f"hub, {size}, {kind}"))
                        cost_us = await _produce(*offices[kind].pop(), batches)
                        costs["producer"][size][kind].append(cost_us)
                        print(f"  {f'producer, {size}, {kind}':25} {cost_us:6.1f} µs of CPU an event", file=sys.stderr)
    return tls_report(costs)


async def _worker(given: Input, name: str) -> float:
    return float((await measure(given, "hub", name=name))["cpu_us_per_event"])


async def _offices(broker: EmbeddedKafka, count: int) -> list[tuple[Cluster, str]]:
    """Return so many centers that were never written for, each as its office has the cluster."""
    tag = secrets.token_hex(3)
    centers = [f"t{tag}-{number}" for number in range(count)]
    await ensure_topics(broker.cluster, standard_topics(centers, []))
    if broker.authority is None:
        return [(broker.cluster, center) for center in centers]
    passwords = {center: secrets.token_hex(32) for center in centers}
    async with administration(broker.cluster) as access:
        await access.set_users(
            {c: Credential.of(word, os.urandom(SALT_LENGTH), ITERATIONS) for c, word in passwords.items()}
        )
        await access.grant(right for center in centers for right in office_rights(center, may_write=True))
    return [(broker.cluster_of(center, word), center) for center, word in passwords.items()]


def batched(lane: BenchLane, events: int) -> Iterator[list[Row]]:
    """Yield a lane's records in batches, each up to its seal."""
    batch: list[Row] = []
    for row in lane.records(events, max(1, events // 4)):
        batch.append(row)
        if lane.edge.size % lane.seal_every == 0:
            yield batch
            batch = []
    if batch:
        yield batch


async def _produce(cluster: Cluster, center: str, batches: Sequence[Sequence[Row]]) -> float:
    """Send batches one behind the other as a connector does; return the CPU µs an event, the first one left out."""
    producer = await cluster.producer(
        f"cohub-{center}", max_batch_size=KAFKA_BATCH_BYTES_MAX, max_request_size=REQUEST_BYTES_MAX
    )
    try:
        began = 0.0
        for batch in batches:
            builder = producer.create_batch()
            for key, value, headers in batch:
                if builder.append(timestamp=None, key=key, value=value, headers=headers) is None:
                    raise RuntimeError(f"a batch of {len(batch)} records does not go into one of Kafka's")
            builder.close()
            await (await producer.send_batch(builder, f"in.{center}", partition=0))
            if not began:  # connections are made, and all is imported
                spare_the_collector()
                began = time.process_time()
        spent_s = time.process_time() - began
    finally:
        await producer.stop()
    return spent_s / sum(map(len, batches[1:])) * 1e6
