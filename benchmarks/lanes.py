"""Sealed lanes for the benchmark: real keys, Avro and seals, written to Kafka once and read by every contender."""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import fastavro

from hub.domain.catalogue import KINDS
from hub.kafka.cluster import Cluster
from hub.protocol.avro import Codec, frame
from hub.protocol.checkpoint import seal
from hub.protocol.control import seal_key_name
from hub.protocol.identifier import uuid7
from hub.protocol.note import Signer
from hub.protocol.record import LANE_OPENED, SEAL_HEADER, canonical, origin_of, write_headers
from hub.protocol.tree import Edge, leaf_hash
from hub.store.released import released_schemas

HUB: Final = "hub.example"
RELEASED: Final = released_schemas()
PUBLISHED: Final = "net.cohub.offer.published.v1"
REVISED: Final = "net.cohub.offer.revised.v1"
SENTENCE: Final = "A low-cost membrane process that keeps volatile compounds while water is removed under vacuum. "

_WRITERS: Final = {schema.id: schema.parsed for schema in RELEASED.values()}

Headers = list[tuple[str, bytes]]


def filled(event_type: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return an event's fields, those that are not given as the schema has them by default."""
    parsed = RELEASED[KINDS[event_type].schema_path].parsed
    return {f["name"]: f.get("default") for f in parsed["fields"]} | fields


def offer(number: int) -> dict[str, Any]:
    """Return an offer whose record is about 700 bytes with its headers and key."""
    return filled(
        PUBLISHED,
        {
            "title": f"Vacuum membrane distillation unit, series {number}",
            "language": "en",
            "summary": (SENTENCE * 2).strip(),
            "technology_keywords": ["membranes", "food"],
            "countries": ["UZ", "KZ", "CN"],
            "export_control": "free",
            "stage": "lab_tested",
            "trl": 4 + number % 4,
            "ip_status": "granted",
            "ipc": ["B01D 61/36"],
        },
    )


@dataclass(frozen=True, slots=True)
class Said:
    """One event: its type, its entity's own key, its framed value, and whether HQ is to reject it."""

    kind: str
    key: str
    value: bytes
    correlation_id: str | None = None
    causation_id: str | None = None
    is_rejected: bool = False


@dataclass
class BenchLane:
    """One center's lane: `records` yields its records in order, sealed every `seal_every` events.

    `latest` has the value of the latest record of each key, `accepted` place and value of the latest one that HQ is to
    accept, `rejected` the places of those that it is to reject.
    """

    center: str
    seal_every: int = 256
    epoch: str = field(default_factory=lambda: secrets.token_hex(4))

    def __post_init__(self) -> None:
        self.signer = Signer(seal_key_name(HUB, self.center), secrets.token_bytes(32))
        self.edge = Edge()
        self.latest: dict[str, bytes] = {}
        self.accepted: dict[str, tuple[int, bytes]] = {}
        self.rejected: set[int] = set()

    @property
    def origin(self) -> str:
        """The lane's origin."""
        return origin_of(HUB, self.center, self.epoch)

    def offer(self, number: int) -> dict[str, Any]:
        """Return what stands in an offer of this lane."""
        return offer(number)

    def records(self, count: int, entities: int) -> Iterator[tuple[bytes, bytes, Headers]]:
        """Yield the opening and `count` events over `entities` offers: published once, then revised."""
        opening = {
            "origin": self.origin,
            "previous_origin": None,
            "previous_size": 0,
            "previous_root": None,
            "reason": None,
        }
        yield self._record(Said(LANE_OPENED, self.epoch, frame_of(LANE_OPENED, opening)), last=False)
        for number, said in enumerate(self.said(count, entities)):
            last = number == count - 1 or (self.edge.size + 1) % self.seal_every == 0
            yield self._record(said, last=last)

    def said(self, count: int, entities: int) -> Iterator[Said]:
        """Yield what the lane says behind its opening."""
        bodies = [frame_of(PUBLISHED, self.offer(n)) for n in range(min(entities, 64))]
        revised = [frame_of(REVISED, self.offer(n)) for n in range(min(entities, 64))]
        for number in range(count):
            kind, values = (PUBLISHED, bodies) if number < entities else (REVISED, revised)
            yield Said(kind, f"K-{number % entities}", values[number % len(values)])

    def _record(self, said: Said, *, last: bool) -> tuple[bytes, bytes, Headers]:
        now = datetime.now(UTC)
        subject = f"{self.center}:{said.key}"
        schema = RELEASED[KINDS[said.kind].schema_path]
        headers: Headers = write_headers(
            center=self.center,
            epoch=self.epoch,
            sequence=self.edge.size + 1,
            event_id=uuid7(now, secrets.token_bytes(10)),
            event_type=said.kind,
            subject=subject,
            time=now,
            dataschema=f"urn:sha256:{schema.sha256}",
            correlation_id=said.correlation_id,
            causation_id=said.causation_id,
        )
        self.edge = self.edge.append([leaf_hash(canonical(headers, said.value))])
        if last:
            headers.append((SEAL_HEADER, seal(self.origin, self.edge, self.signer)))
        self.latest[subject] = said.value
        if said.is_rejected:
            self.rejected.add(self.edge.size)
        else:
            self.accepted[subject] = self.edge.size, said.value
        return subject.encode(), said.value, headers


def decoded(value: bytes) -> Any:
    """Return what is in a framed value, as every contender in Python decodes it."""
    return fastavro.schemaless_reader(io.BytesIO(value[5:]), _WRITERS[int.from_bytes(value[1:5], "big")], None)


_CODECS: dict[str, Codec] = {}


def frame_of(event_type: str, fields: dict[str, Any]) -> bytes:
    """Return the framed value of an event."""
    schema = RELEASED[KINDS[event_type].schema_path]
    if event_type not in _CODECS:
        _CODECS[event_type] = Codec(schema)
    return frame(schema.id, _CODECS[event_type].encode(fields))


async def write(cluster: Cluster, lanes: Sequence[BenchLane], count: int, entities: int) -> int:
    """Write `count` events of every lane to its topic. Returns the mean bytes of a record (headers, key, value)."""
    producer = await cluster.producer("benchmark", max_batch_size=900_000, max_request_size=1_000_000)
    total = records = 0
    try:
        for lane in lanes:
            topic, futures = f"in.{lane.center}", []
            builder = producer.create_batch()
            for key, value, headers in lane.records(count, entities):
                total += len(key) + len(value) + sum(len(n) + len(v) for n, v in headers)
                records += 1
                if builder.append(key=key, value=value, timestamp=None, headers=headers) is None:
                    futures.append(await producer.send_batch(builder, topic, partition=0))
                    builder = producer.create_batch()
                    builder.append(key=key, value=value, timestamp=None, headers=headers)
            if builder.record_count():
                futures.append(await producer.send_batch(builder, topic, partition=0))
            for future in futures:
                await future
    finally:
        await producer.stop()
    return total // records
