"""A small honest HQ for the connector's tests: real topics, real seals checked, real receipts, entities folded.

It can be told to misbehave as networks do: to lose receipts, to ask again, to be away, to have gone back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Self

from aiokafka import TopicPartition

import schemas
from hub.base.kafka import AIOKAFKA, Clients, Producer
from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity
from hub.domain.fold import fold
from hub.protocol.avro import Codec, unframe
from hub.protocol.checkpoint import open_seal
from hub.protocol.control import Presence
from hub.protocol.errors import Malformed, Rejected
from hub.protocol.leaf import LeafReader
from hub.protocol.moment import read_time, write_time
from hub.protocol.note import Note, Signer, Verifier, sign_note
from hub.protocol.receipt import Decision, Receipt, Resend
from hub.protocol.record import CONTROL_HEADER, SEAL_HEADER, position
from hub.protocol.schema import load_released
from hub.protocol.tree import Edge
from hub.protocol.verdict import Code

ASK_PAUSE_S = 0.5  # the real one waits 5 s, then longer
Refuse = Callable[[str, dict[str, Any]], Rejected | None]


@cache
def _codecs() -> dict[int, Codec]:
    released = load_released(schemas.read("released.json"), schemas.every())
    return {schema.id: Codec(schema) for schema in released.values()}


@dataclass
class HqLane:
    """One lane as HQ has it: sealed edge, unsealed tail, stored receipts."""

    origin: str
    edge: Edge = field(default_factory=Edge)
    tail: list[tuple[Any, bytes, dict[str, Any]]] = field(default_factory=list)
    receipts: list[tuple[int, int, bytes]] = field(default_factory=list)
    asks_at: float = 0.0


class AnsweringHq:
    """Consumes `in.<center>`, answers on `out.<center>`. State is in memory; `run` it as a task."""

    def __init__(
        self, bootstrap: str, hub: str, center: str, key: Verifier, receipts: Signer, clients: Clients = AIOKAFKA
    ) -> None:
        self.bootstrap = bootstrap
        self.clients = clients
        self.hub = hub
        self.center = center
        self.keys = [key]
        self.receipts_key = receipts
        self.lanes: dict[str, HqLane] = {}
        self.entities: dict[str, Entity] = {}
        self.accepted: list[str] = []  # ce_id, in order
        self.presence: list[Presence] = []
        self.loses_receipts = 0  # how many of the next receipts are made and never sent
        self.basis = 1  # under which it judges
        self.drops = 0  # how many of the next records are not read, as if the broker had lost them
        self.refuse: Refuse = lambda _entity, _value: None
        self.unknown_seals = 0
        self._reader = LeafReader()
        self._codecs = _codecs()
        self._producer: Producer
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def run(self) -> None:
        topic = TopicPartition(f"in.{self.center}", 0)
        consumer = self.clients.consumer(
            bootstrap_servers=self.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        self._producer = self.clients.producer(bootstrap_servers=self.bootstrap, acks="all")
        await consumer.start()
        await self._producer.start()
        try:
            consumer.assign([topic])
            while True:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        await self._take(record)
        finally:
            await consumer.stop()
            await self._producer.stop()

    async def _take(self, record: Any) -> None:
        headers, _, digest = self._reader.read(record)
        if CONTROL_HEADER in headers:
            note = Note.from_bytes(record.value)
            try:
                note.verify(self.keys)
            except Malformed:
                return  # said under a key that we do not have (any more): it is worth nothing, and harms nothing
            self.presence.append(Presence.from_text(note.text))
            return
        if self.drops:
            self.drops -= 1
            return
        found = position(headers)
        assert found is not None, headers
        epoch, sequence = found
        lane = self.lanes.setdefault(epoch, HqLane(f"{self.hub}/{self.center}/{epoch}"))
        if sequence <= lane.edge.size:
            if SEAL_HEADER in headers:
                for first, last, stored in lane.receipts:
                    if first <= sequence <= last:
                        await self._say("receipt", stored, lane.origin)
            return
        if sequence > lane.edge.size + len(lane.tail) + 1:
            lane.tail.clear()
            if time.monotonic() >= lane.asks_at:
                lane.asks_at = time.monotonic() + ASK_PAUSE_S
                await self.ask_again(lane, lane.edge.size + 1)
            return
        del lane.tail[sequence - lane.edge.size - 1 :]
        lane.tail.append((record, digest, headers))
        if SEAL_HEADER in headers:
            await self._commit(lane, headers[SEAL_HEADER] or b"")

    async def ask_again(self, lane: HqLane, first: int) -> None:
        text = Resend(lane.origin, first, "gap").to_text()
        await self._say("resend", sign_note(text, [self.receipts_key]).to_bytes(), lane.origin)

    async def claim_more(self, origin: str) -> None:
        """Say that a lane is longer than it is, as HQ does to an outbox that is an old copy."""
        edge = self.lanes[origin.rpartition("/")[2]].edge
        receipt = Receipt(origin, edge.size + 1, edge.size + 7, bytes(32), datetime.now(UTC), 1, ())
        await self._say("receipt", sign_note(receipt.to_text(), [self.receipts_key]).to_bytes(), origin)

    async def _commit(self, lane: HqLane, seal: bytes) -> None:
        checkpoint, note = open_seal(seal)
        try:
            note.verify([key.named(lane.origin) for key in self.keys])
        except Malformed:
            self.unknown_seals += 1  # the lane waits: the same tree may come again under a key that we know
            return
        edge = lane.edge.append(digest for _, digest, _ in lane.tail)
        if (checkpoint.origin, checkpoint.size, checkpoint.root) != (lane.origin, edge.size, edge.root):
            raise Malformed(f"the seal says {checkpoint}, the tree is {edge.size} {edge.root.hex()}")
        decisions = []
        for sequence, (record, _, headers) in enumerate(lane.tail, lane.edge.size + 1):
            try:
                self._judge(record, headers)
            except Rejected as exc:
                decisions.append(Decision(sequence, exc.code, exc.field, exc.params))
        first = lane.edge.size + 1
        receipt = Receipt(lane.origin, first, edge.size, edge.root, datetime.now(UTC), self.basis, tuple(decisions))
        stored = sign_note(receipt.to_text(), [self.receipts_key]).to_bytes()
        lane.receipts.append((first, edge.size, stored))
        lane.edge, lane.tail = edge, []
        if self.loses_receipts:
            self.loses_receipts -= 1
            return
        await self._say("receipt", stored, lane.origin)

    def _judge(self, record: Any, headers: dict[str, bytes | None]) -> None:
        kind = KINDS[(headers["ce_type"] or b"").decode()]
        schema_id, body = unframe(record.value)
        value = self._codecs[schema_id].decode(body)
        subject = record.key.decode()
        entity = f"{kind.stream}/{subject}"
        time = read_time((headers["ce_time"] or b"").decode())
        if time > datetime.now(UTC) + timedelta(hours=24):
            raise Rejected(Code.TIME_IN_FUTURE, "ce_time", write_time(time))
        refused = self.refuse(entity, value)
        if refused is not None:
            raise refused
        self.entities[entity] = fold(self.entities.get(entity), kind, subject, self.center, value)
        self.accepted.append((headers["ce_id"] or b"").decode())

    async def _say(self, kind: str, note: bytes, origin: str) -> None:
        await self._producer.send_and_wait(
            f"out.{self.center}",
            note,
            key=origin.encode(),
            partition=0,
            headers=[("cohub-kind", kind.encode())],
        )
