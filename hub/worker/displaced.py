"""What stands under HQ's keys on compacted topics and is not what HQ says there.

Of each key compaction keeps the last record, whoever wrote it: a copy of a checkpoint without its leaves, or an older
trust note, takes the place of HQ's own for good. So HQ reads these topics on from where it was, and says again what was
displaced. What stands under other keys displaces nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from aiokafka import TopicPartition

from hub.base.kafka import Consumer, Record
from hub.base.total import HEADER_WEIGHT, RECORD_WEIGHT
from hub.hq.identity import Identity
from hub.ledger.publication import Outbound
from hub.protocol.errors import Malformed
from hub.protocol.head import read_size
from hub.protocol.topics import CHECKPOINTS, SCHEMAS, TRUST
from hub.protocol.trust import open_trust
from hub.worker.checkpoint_topic import OwnCheckpoints

GUARDED: Final = (TRUST, SCHEMAS, CHECKPOINTS)
PAGE: Final = 64  # records; what is said again of checkpoints may have 128 KiB of leaves each
PAGE_WEIGHT_MAX: Final = 8 << 20  # bytes of memory: a page ends at it, so a stranger's large records fill none
FETCH_MS: Final = 500
DEADLINE_S: Final = 20.0


class Displaced:
    """Finds what was displaced. Errors: as of OwnCheckpoints."""

    def __init__(
        self, checkpoints: OwnCheckpoints, identity: Identity, schemas: Callable[[], Iterable[Outbound]]
    ) -> None:
        self._said = checkpoints
        self._identity = identity
        self._schemas = schemas

    async def among(self, topic: str, records: Iterable[Record]) -> list[Outbound]:
        """Return what HQ says under the keys of these records, where the last record of a key is another."""
        last = {record.key: record for record in records if record.key}
        if topic == CHECKPOINTS:
            ours = await self._checkpoints(last)
        elif topic == TRUST:
            ours = self._trust(last)
        else:
            ours = {key: said for said in self._schemas() if (key := said[0]) in last}
        return [said for key, said in ours.items() if not _is(last[key], said)]

    async def _checkpoints(self, last: Mapping[bytes, Record]) -> dict[bytes, Outbound]:
        sizes = sorted(size for size in map(_size, last) if size)
        found = await self._said.records([(size - 1, 1) for size in sizes]) if sizes else []
        return {key: said for size, said in found if said is not None and (key := b"%d" % size) in last}

    def _trust(self, last: Mapping[bytes, Record]) -> dict[bytes, Outbound]:
        trust, key = self._identity.trust, self._identity.hub.encode()
        if trust is None or not self._identity.note or key not in last:
            return {}
        try:
            if open_trust(bytes(last[key].value or b""), trust.root).serial > trust.serial:
                return {}  # a rotation: it is ours that is about to be replaced
        except Malformed:
            pass
        return {key: (key, self._identity.note, [])}


async def read_on(consumer: Consumer, topic: str, begin: int, end: int) -> tuple[list[Record], int]:
    """Return the records of a topic from one offset to another, a page at most, and the offset to go on from.

    A page has PAGE records or PAGE_WEIGHT_MAX, and one record more than that where it is the one that passes it. They
    are taken one by one: what a poll hands out at once may weigh twice as much.
    Shapes: the consumer is assigned to the topic, and paused when this returns. Errors: KafkaError, TimeoutError.
    """
    place = TopicPartition(topic, 0)
    found: list[Record] = []
    weight = 0
    async with asyncio.timeout(DEADLINE_S):
        end = min(end, (await consumer.end_offsets([place]))[place])
    if begin >= end:  # the broker has lost it: nothing would come
        return [], begin
    consumer.seek(place, begin)
    consumer.resume(place)
    try:
        async with asyncio.timeout(DEADLINE_S):
            while (behind := await consumer.position(place)) < end and len(found) < PAGE and weight < PAGE_WEIGHT_MAX:
                fetched = await consumer.getmany(place, timeout_ms=FETCH_MS, max_records=1)
                for record in fetched.get(place, ()):
                    found.append(record)
                    weight += _weight(record)
    finally:
        consumer.pause(place)
    return found, behind


def _weight(record: Record) -> int:
    """Return about how many bytes of memory a record takes."""
    own = RECORD_WEIGHT + len(record.key or b"") + len(record.value or b"")
    return own + sum(HEADER_WEIGHT + len(name) + len(held or b"") for name, held in record.headers)


def _size(key: bytes) -> int | None:
    try:
        return read_size(key.decode("ascii", "replace"), "size")
    except Malformed:
        return None


def _is(record: Record, said: Outbound) -> bool:
    """Return whether a record is what HQ says, byte for byte."""
    return record.value == said[1] and list(record.headers) == list(said[2])
