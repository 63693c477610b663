"""Record batches byte by byte: what a client may send that no Kafka library would write for it."""

from __future__ import annotations

import asyncio
import struct
import time
import zlib
from collections.abc import Sequence

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, LeaderNotAvailableError, for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

RawHeaders = Sequence[tuple[bytes, bytes | None]]


def varint(number: int) -> bytes:
    """Return a signed number as Kafka writes it in a record."""
    rest, encoded = (number << 1) ^ (number >> 63), bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


def content(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def record(
    key: bytes | None,
    value: bytes | None,
    headers: RawHeaders = (),
    *,
    delta: int = 0,
    attributes: int = 0,
    at_ms: int = 0,
    key_bytes: bytes | None = None,
) -> bytes:
    """Return one record; `key_bytes` stand for the key's length and content as they are."""
    body = bytes([attributes]) + varint(at_ms) + varint(delta)
    body += (content(key) if key_bytes is None else key_bytes) + content(value) + varint(len(headers))
    body += b"".join(content(name) + content(data) for name, data in headers)
    return varint(len(body)) + body


def batch(
    records: Sequence[bytes],
    *,
    codec: int = 0,
    payload: bytes | None = None,
    at_ms: int | None = None,
    first: int = 0,
    count: int | None = None,
) -> bytes:
    """Return a batch with a good checksum; `payload` stands for the records, as they are, `count` of them."""
    now_ms = int(time.time() * 1000) if at_ms is None else at_ms
    number = len(records) if count is None else count
    body = struct.pack(">hiqqqhii", codec, number - 1, now_ms, now_ms, -1, -1, -1, number)
    body += b"".join(records) if payload is None else payload
    checked = struct.pack(">ibI", -1, 2, calc_crc32c(body)) + body
    return struct.pack(">qi", first, len(checked)) + checked


def old_batch(magic: int, value: bytes, *, first: int = 0) -> bytes:
    """Return a message as clients before Kafka 0.11 wrote it, with a good checksum."""
    body = bytes([magic, 0]) + (struct.pack(">q", 1_700_000_000_000) if magic else b"")
    body += struct.pack(">ii", -1, len(value)) + value
    return struct.pack(">qiI", first, len(body) + 4, zlib.crc32(body)) + body


async def produce_raw(bootstrap: str, topic: str, data: bytes, deadline_s: float = 20.0) -> None:
    """Write one batch to partition 0 as it is. Errors: what the broker answered, unless it may be asked again."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        await client.set_topics([topic])
        async with asyncio.timeout(deadline_s):
            while (error := await _answer(client, topic, data)) is not None:
                if not error.retriable:
                    raise error
                await asyncio.sleep(0.1)
                await client.force_metadata_update()
    finally:
        await client.close()


async def _answer(client: AIOKafkaClient, topic: str, data: bytes) -> KafkaError | None:
    leader = client.cluster.leader_for_partition(TopicPartition(topic, 0))
    if leader is None or leader < 0:
        return LeaderNotAvailableError(topic)
    answer = await client.send(leader, ProduceRequest(None, -1, 10_000, [(topic, [(0, data)])]))
    ((_, ((_, code, *_),)),) = answer.topics
    return for_code(code)(topic) if code else None
