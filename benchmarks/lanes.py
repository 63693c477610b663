"""Sealed lanes for the benchmark: real keys, Avro and seals, written to Kafka once and read by every contender."""

from __future__ import annotations

import io
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import fastavro
from aiokafka import AIOKafkaProducer

from hub.domain.catalogue import KINDS
from hub.protocol.avro import Codec, frame
from hub.protocol.checkpoint import seal
from hub.protocol.control import seal_key_name
from hub.protocol.identifier import uuid7
from hub.protocol.note import Signer
from hub.protocol.record import LANE_OPENED, SEAL_HEADER, canonical, origin_of, write_headers
from hub.protocol.tree import Edge, leaf_hash
from hub.protocol.verdict import Code
from hub.store.released import released_schemas

HUB: Final = "hub.example"
RELEASED: Final = released_schemas()
PUBLISHED: Final = "net.cohub.offer.published.v1"
REVISED: Final = "net.cohub.offer.revised.v1"
SENTENCE: Final = "A low-cost membrane process that keeps volatile compounds while water is removed under vacuum. "

_WRITERS: Final = {schema.id: schema.parsed for schema in RELEASED.values()}

Headers = list[tuple[str, bytes]]


def _filled(event_type: str, fields: dict[str, Any]) -> dict[str, Any]:
    parsed = RELEASED[KINDS[event_type].schema_path].parsed
    return {f["name"]: f.get("default") for f in parsed["fields"]} | fields


def offer(number: int) -> dict[str, Any]:
    """Return an offer whose record is about 700 bytes with its headers and key."""
    return _filled(
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


@dataclass
class BenchLane:
    """One center's lane: `records` yields its records in order, sealed every `seal_every` events.

    `latest` has the value of the latest record of each key.
    """

    center: str
    seal_every: int = 256
    epoch: str = field(default_factory=lambda: secrets.token_hex(4))

    def __post_init__(self) -> None:
        self.signer = Signer(seal_key_name(HUB, self.center), secrets.token_bytes(32))
        self.edge = Edge()
        self.latest: dict[str, bytes] = {}

    @property
    def origin(self) -> str:
        """The lane's origin."""
        return origin_of(HUB, self.center, self.epoch)

    def records(self, count: int, entities: int) -> Iterator[tuple[bytes, bytes, Headers]]:
        """Yield the opening and `count` events over `entities` offers: published once, then revised."""
        opening = {
            "origin": self.origin,
            "previous_origin": None,
            "previous_size": 0,
            "previous_root": None,
            "reason": None,
        }
        yield self._record(LANE_OPENED, self.epoch, frame_of(LANE_OPENED, opening), last=False)
        bodies = [frame_of(PUBLISHED, offer(n)) for n in range(min(entities, 64))]
        revised = [frame_of(REVISED, offer(n)) for n in range(min(entities, 64))]
        for number in range(count):
            entity = number % entities
            first = number < entities
            kind, values = (PUBLISHED, bodies) if first else (REVISED, revised)
            last = number == count - 1 or (self.edge.size + 1) % self.seal_every == 0
            yield self._record(kind, f"K-{entity}", values[number % len(values)], last=last)

    def _record(self, kind: str, key: str, value: bytes, *, last: bool) -> tuple[bytes, bytes, Headers]:
        now = datetime.now(UTC)
        subject = f"{self.center}:{key}"
        headers: Headers = write_headers(
            center=self.center,
            epoch=self.epoch,
            sequence=self.edge.size + 1,
            event_id=uuid7(now, secrets.token_bytes(10)),
            event_type=kind,
            subject=subject,
            time=now,
            dataschema=f"urn:sha256:{RELEASED[KINDS[kind].schema_path].sha256}",
        )
        self.edge = self.edge.append([leaf_hash(canonical(headers, value))])
        if last:
            headers.append((SEAL_HEADER, seal(self.origin, self.edge, self.signer)))
        self.latest[subject] = value
        return subject.encode(), value, headers


def require_accepted(database: Path) -> None:
    """Errors: RuntimeError, if HQ has rejected an event: what is measured then is another work than is told."""
    with closing(sqlite3.connect(database)) as ledger:
        query = "SELECT code, field, params, count(*) FROM ledger WHERE code <> ? GROUP BY code, field, params LIMIT 3"
        refused = ledger.execute(query, (Code.ACCEPTED,)).fetchall()
    if refused:
        raise RuntimeError(f"HQ has rejected events of the benchmark: {refused}")


def decoded(value: bytes) -> Any:
    """Return what is in a framed value, as every contender in Python decodes it."""
    return fastavro.schemaless_reader(io.BytesIO(value[5:]), _WRITERS[int.from_bytes(value[1:5], "big")], None)


def require_latest(found: Iterable[tuple[str, Any]], lanes: Iterable[BenchLane]) -> None:
    """Errors: RuntimeError, if this is not the latest event of every entity, as it was written to the lanes."""
    kept = dict(found)
    latest = {key: value for lane in lanes for key, value in lane.latest.items()}
    wrong = [key for key, value in latest.items() if kept.get(key) != decoded(value)]
    if wrong or len(kept) != len(latest):
        example = f"; of {wrong[0]} it kept {kept.get(wrong[0])!r}" if wrong else ""
        raise RuntimeError(f"kept {len(kept)} entities of {len(latest)}, {len(wrong)} of them wrong{example}")


_CODECS: dict[str, Codec] = {}


def frame_of(event_type: str, fields: dict[str, Any]) -> bytes:
    """Return the framed value of an event."""
    schema = RELEASED[KINDS[event_type].schema_path]
    if event_type not in _CODECS:
        _CODECS[event_type] = Codec(schema)
    return frame(schema.id, _CODECS[event_type].encode(fields))


async def write(bootstrap: str, lanes: list[BenchLane], count: int, entities: int) -> int:
    """Write `count` events of every lane to its topic. Returns the mean bytes of a record (headers, key, value)."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        max_batch_size=900_000,
        max_request_size=1_000_000,
    )
    await producer.start()
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
