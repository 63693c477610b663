"""A writer of HQ's own lane without HQ: it seals and signs as HQ does, and says what a test has it say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors.runtime.codecs import released_readers
from connectors.runtime.registry import Registry
from hub.domain.catalogue import KINDS
from hub.domain.hq_lane import HqLane, HqStretch
from hub.domain.stream import HQ
from hub.hq.headquarters import announcements
from hub.kafka.memory import MemoryBroker
from hub.ledger.publication import Outbound, lane_records
from hub.protocol.avro import frame
from hub.protocol.checkpoint import seal
from hub.protocol.keys import COSIGNATURE_MLDSA44, Signer
from hub.protocol.note import sign_note
from hub.protocol.receipt import Receipt
from hub.protocol.record import CENTER_REGISTERED, LANE_OPENED, canonical, origin_of, write_headers
from hub.protocol.schema import DATASCHEMA
from hub.protocol.topics import LANE
from hub.protocol.tree import Edge, leaf_hash
from hub.protocol.trust import HqKeys, Trust
from tests.support.center import CODECS, HUB, NOW, RELEASED, Center, filled
from tests.support.hq import center_record

ROOT = Signer(f"{HUB}/root", b"o" * 32)
RECEIPTS = Signer(f"{HUB}/receipts", b"r" * 32)
HQ_KEY = Signer(f"{HUB}/hq", b"h" * 32)
LOGS = (Signer(f"{HUB}/log", b"l" * 32).verifier, Signer(f"{HUB}/log", b"m" * 32, COSIGNATURE_MLDSA44).verifier)
TRUST = Trust(HUB, ROOT.verifier, (RECEIPTS.verifier,), LOGS, (HQ_KEY.verifier,), serial=1, time=NOW)


@dataclass
class LaneWriter:
    """HQ's own lane as it grows. Each `say` is one stretch under one seal."""

    epoch: str = "00000001"
    hub: str = HUB
    hq: Signer = HQ_KEY
    receipts: Signer = RECEIPTS
    now: datetime = NOW
    edge: Edge = field(default_factory=Edge)
    stretches: list[HqStretch] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return origin_of(self.hub, HQ, self.epoch)

    def open(self, *types: str) -> LaneWriter:
        """Open the lane, and announce the schemas of these types of events (none named: of all)."""
        opening = filled(LANE_OPENED, {"origin": self.origin, "previous_size": 0, "reason": "first start"})
        wanted = announcements(RELEASED, set())
        if types:
            ids = {str(RELEASED[KINDS[kind].schema_path].id) for kind in types}
            wanted = [event for event in wanted if event.key in ids]
        self.say((LANE_OPENED, self.epoch, opening), *((e.type, e.key, e.value) for e in wanted))
        return self

    def register(self, *keys: Center, **fields: Any) -> LaneWriter:
        """Register a center with these keys of its."""
        return self.say((CENTER_REGISTERED, keys[0].id, center_record(*keys, **fields)))

    def say(self, *events: tuple[str, str, Mapping[str, Any]]) -> LaneWriter:
        """Say events, each its type, its entity's key and its value."""
        data = []
        for number, (kind, key, value) in enumerate(events, self.edge.size + 1):
            schema = RELEASED[KINDS[kind].schema_path]
            headers = write_headers(
                center=HQ,
                epoch=self.epoch,
                sequence=number,
                event_id=f"019ca92a-4a7a-7c0e-8b1d-{number:012x}",
                event_type=kind,
                subject=f"{HQ}:{key}",
                time=self.now,
                dataschema=DATASCHEMA + schema.sha256,
            )
            data.append(canonical(headers, frame(schema.id, CODECS[KINDS[kind].schema_path].encode(value))))
        self.now += timedelta(seconds=1)
        before = self.edge.size
        self.edge = self.edge.append(map(leaf_hash, data))
        receipt = Receipt(self.origin, before + 1, self.edge.size, self.edge.root, self.now, before)
        note = sign_note(receipt.to_text(), [self.receipts]).to_bytes()
        self.stretches.append(HqStretch(tuple(data), seal(self.origin, self.edge, self.hq), note))
        return self

    def records(self, after: int = 0) -> list[Outbound]:
        """Return the records of `hub.lane` from stretch number `after` on."""
        return lane_records(self.stretches[after:])

    def lane(self, trust: Trust = TRUST) -> HqLane:
        """Return the lane as its readers come to it."""
        return HqLane().taken(self.stretches, HqKeys.of(trust), released_readers())

    def registry(self, center: str = "uz") -> Registry:
        """Return the registry of an office that has read all of it."""
        found = Registry(center)
        found.follow(self.lane())
        found.complete = True
        return found

    async def publish(self, broker: MemoryBroker, after: int = 0) -> None:
        """Write the records from stretch number `after` on to the topic."""
        await write(broker, self.records(after))


async def write(broker: MemoryBroker, records: Sequence[Outbound]) -> None:
    """Write records to `hub.lane`."""
    producer = broker.producer()
    for key, value, headers in records:
        await producer.send_and_wait(LANE, value, key=key, partition=0, headers=list(headers))
