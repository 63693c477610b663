"""A ledger with everything in it that an audit looks at: three centers, 1,300 events, a log, witnesses. No Kafka.

uz has two lanes (the second says that events of the first are missing), kz changes its key and the old one is revoked,
cn is suspended for a while. Some events are rejected, records are quarantined, one lane was forked.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from hub.ledger.notary import append
from hub.protocol.checkpoint import seal
from hub.protocol.identifier import uuid7
from hub.protocol.record import CONTROL_HEADER
from hub.protocol.tree import Edge, leaf_hash
from hub.protocol.witness import COSIGNATURE_KIND, cosigned_note
from tests.support.center import HUB, NOW, Center, Sent, filled, offer
from tests.support.evidence import TRUST, witness, witness_key
from tests.support.hq import IDENTITY, Hq, center_record
from tests.support.peek import log_of

PUBLISHED, REVISED, WITHDRAWN = (f"net.cohub.offer.{name}.v1" for name in ("published", "revised", "withdrawn"))
DEAL = "net.cohub.deal.opened.v1"
STEP = timedelta(seconds=7)
CENTERS = ("uz", "kz", "cn")


@dataclass
class Audited:
    """The hub while it is made, and where its database is."""

    hq: Hq
    database: Path
    lanes: dict[str, Center]
    rng: Random
    now: datetime
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    offers: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    async def open(cls, folder: Path, seed: int = 1) -> Audited:
        """Return a hub with three registered centers whose lanes are opened."""
        lanes = {name: Center(name, f"{number:08x}") for number, name in enumerate(CENTERS, 1)}
        hq = await Hq.open(folder)
        for name, center in lanes.items():
            await hq.register(center, keys=[*center_record(center)["keys"], witness_key(name)])
        # The hq lane was opened by the real clock just now; nothing is recorded before it.
        made = cls(hq, folder / "hub.sqlite3", lanes, Random(seed), datetime.now(UTC))
        for name, center in lanes.items():
            await made.take(name, [center.opening()])
        return made

    def event(self, center: str, kind: str, key: str, value: dict[str, Any], **changes: Any) -> Sent:
        """Return the next event of a center's lane, not yet appended."""
        given = {"event_id": uuid7(NOW, next(self.numbers).to_bytes(10, "big")), "time": self.now - STEP}
        return self.lanes[center].event(kind, key, filled(kind, value), **(given | changes))

    async def take(self, center: str, records: list[Sent]) -> None:
        """Seal these records and let HQ take them."""
        lane = self.lanes[center]
        await self.hq.feed(center, [*records[:-1], lane.sealed(records[-1])], self.now)
        self.now += STEP
        self.hq.now = self.now

    async def batch(self, center: str, count: int) -> None:
        """Let a center report some things: new offers, revised and withdrawn ones, deals, and faulty events."""
        lane, rng = self.lanes[center], self.rng
        known = self.offers.setdefault(center, [])
        records = []
        for _ in range(count):
            choice, number = rng.random(), next(self.numbers)
            if choice < 0.12 and known:
                record = self._faulty(center, rng.choice(known), number)
            elif choice < 0.2 and len(known) > 3:
                record = self.event(center, WITHDRAWN, known.pop(rng.randrange(len(known))), {"reason": "sold"})
            elif choice < 0.3:
                deal = {"title": f"Deal {number}", "language": "en", "kind": "licence", "amount": None}
                record = self.event(center, DEAL, f"D-{number}", deal)
            elif choice < 0.65 and known:
                title = offer(f"Revised {number}", trl=1 + number % 9)
                record = self.event(center, REVISED, rng.choice(known), title)
            else:
                known.append(f"K-{number}")
                record = self.event(center, PUBLISHED, known[-1], offer(f"Offer {number}"))
            records.append(lane.append(record))
        await self.take(center, records)

    def _faulty(self, center: str, key: str, number: int) -> Sent:
        made = [
            lambda: self.event(center, REVISED, key, offer("Too ready", trl=12)),
            lambda: self.event(center, PUBLISHED, key, offer("Again")),
            lambda: replace(self.event(center, REVISED, key, offer("No key")), key=None),
            lambda: replace(self.event(center, REVISED, key, offer("Another key")), key=b"somebody:else"),
            lambda: self.event(center, REVISED, key, offer("Elsewhere"), subject="xx:K-1"),
            lambda: self.event(center, REVISED, key, offer("No type")).header("ce_type", b"net.cohub.offer.burned.v1"),
            lambda: replace(self.event(center, REVISED, key, offer("Empty")), value=b""),
            lambda: self.event(center, REVISED, key, offer("Trace"), correlation_id=f"c-{number}"),
        ]
        return made[number % len(made)]()

    async def notarize(self) -> None:
        """Let the notary log what there is."""
        store = self.hq.store.log
        found = await store.unlogged(4096)
        if found:
            log = await store.read(f"{HUB}/log")
            await store.append(append(log, found, [IDENTITY.log, IDENTITY.log_long], self.now))

    async def cosign(self, *centers: str) -> None:
        """Let these centers' witnesses cosign the newest checkpoint."""
        newest = log_of(self.hq.database).newest()
        assert newest is not None
        text = newest.note.decode().rpartition("\n\n")[0] + "\n"
        for center in centers:
            note = cosigned_note(text, witness(center), self.now)
            control = ((CONTROL_HEADER, COSIGNATURE_KIND.encode()),)
            await self.hq.feed(center, [Sent(None, note, control, next(self.lanes[center].offsets))], self.now)

    async def new_epoch(self, center: str, epoch: str, missing: int) -> None:
        """Let a center lose its outbox: a new lane, and events of the old one that HQ never had."""
        old = self.lanes[center]
        lane = self.lanes[center] = old.next_epoch(epoch)
        opening = lane.opening(
            previous_origin=old.origin,
            previous_size=old.edge.size + missing,
            previous_root=old.edge.root.hex(),
            reason="a new outbox",
        )
        await self.take(center, [opening])

    async def change_key(self, center: str) -> None:
        """Let a center take a new seal key into use, then revoke the old one."""
        old = self.lanes[center]
        new = Center(center, old.epoch, seed=b"N" * 32, edge=old.edge, offsets=old.offsets)
        keys = center_record(old, new)["keys"]
        await self.hq.said("key_added", old, center_record(old, new, keys=[*keys, witness_key(center)]))
        self.lanes[center] = new
        await self.batch(center, 3)
        revoked = [keys[0] | {"status": "revoked", "status_reason": "rotated"}, keys[1], witness_key(center)]
        await self.hq.said("key_revoked", old, center_record(old, new, keys=revoked))
        await self.batch(center, 3)

    async def beside(self) -> None:
        """Fill what stands beside the ledger: quarantined records, and the proof of a fork."""
        stray = Sent(b"uz:K-1", b"nobody's", (("ce_id", b"1"),), next(self.lanes["uz"].offsets))
        await self.hq.feed("uz", [stray], self.now)
        lane = self.lanes["cn"]
        ours = await self.hq.store.receipt_at(lane.origin, lane.edge.size)
        assert ours is not None
        other = Edge().append(leaf_hash(b"%d" % n) for n in range(lane.edge.size))
        theirs = seal(lane.origin, other, lane.signer)
        await self.hq.store.keep_evidence(lane.origin, lane.edge.size, ours, theirs, self.now)

    async def live(self, rounds: int) -> None:
        """Let the centers report for a while, the notary log it and the witnesses cosign."""
        for number in range(rounds):
            for center in CENTERS:
                await self.batch(center, self.rng.randint(1, 7))
            if number % 5 == 4:
                await self.notarize()
            if number % 10 == 9:
                await self.cosign(*self.rng.sample(CENTERS, 2))


async def audited(folder: Path, rounds: int = 108) -> Path:
    """Return the database of a hub that has lived: with `rounds` of 108 it has 1,300 events and over 256 leaves."""
    made = await Audited.open(folder)
    third = rounds // 3
    await made.live(third)
    await made.change_key("kz")
    await made.new_epoch("uz", "0000feed", missing=3)
    await made.live(third)
    await made.hq.said("suspended", made.lanes["cn"])
    await made.hq.said("resumed", made.lanes["cn"])
    await made.live(rounds - 2 * third)
    await made.notarize()
    await made.cosign(*CENTERS)
    await made.beside()
    await made.hq.store.close()
    return made.database


__all__ = ["CENTERS", "TRUST", "Audited", "audited"]
