"""HQ without Kafka: the same store, lanes and rules, fed by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from hub.domain.catalogue import STREAMS
from hub.domain.hq_lane import HqLane
from hub.domain.stream import HQ
from hub.hq.headquarters import Headquarters, HqEvent
from hub.hq.identity import TRUST_FILE, Identity
from hub.hq.lane import read_lane
from hub.ledger.keyring import Keyring
from hub.ledger.lane import Status
from hub.ledger.reading import Reading
from hub.ledger.step import Step
from hub.protocol.keys import COSIGNATURE_MLDSA44, Signer
from hub.protocol.note import Note, sign_note
from hub.protocol.receipt import Resend, read_answer
from hub.protocol.record import KafkaRecord
from hub.protocol.rules import NEWEST, Rules
from hub.protocol.trust import Trust
from hub.store.consolidate import Driver, Instant
from hub.store.read.reads import Reads
from hub.store.sqlite import SqliteStore
from hub.store.store import QUARANTINE_QUOTA_BYTES, HqRows, Store
from tests.support.center import HUB, NOW, RELEASED, Center, Sent, filled
from tests.support.engines import SQLITE, Engine

IDENTITY = Identity(
    HUB,
    receipts=Signer(f"{HUB}/receipts", b"r" * 32),
    hq=Signer(f"{HUB}/hq", b"h" * 32),
    log=Signer(f"{HUB}/log", b"l" * 32),
    log_long=Signer(f"{HUB}/log", b"m" * 32, COSIGNATURE_MLDSA44),
)
ALL_STREAMS = tuple(s.name for s in STREAMS.values() if s.writer == "center" and s.name != "lane")


def center_record(*centers: Center, **fields: Any) -> dict[str, Any]:
    """Return a center's record with its keys."""
    return {
        "name": "Co-center",
        "country": "UZ",
        "direction": "north",
        "zone": None,
        "languages": ["en"],
        "timezone": "Asia/Tashkent",
        "streams": list(ALL_STREAMS),
        "keys": [
            {
                "vkey": center.signer.verifier.to_text(),
                "purpose": "seal",
                "status": "active",
                "proof": center.proof,
                "previous_proof": None,
                "replaced_lost": number > 0,
                "status_reason": None,
            }
            for number, center in enumerate(centers)
        ],
    } | fields


def keep_trust(keys: Path, identity: Identity) -> None:
    """Put the note beside the database by which commands know HQ's words, where there is none."""
    if not (keys / TRUST_FILE).exists():
        logs = (identity.log.verifier, identity.log_long.verifier)
        root = Signer(f"{identity.hub}/root", b"o" * 32)
        trust = Trust(
            identity.hub, root.verifier, (identity.receipts.verifier,), logs, identity.hqs(), serial=1, time=NOW
        )
        keys.mkdir(exist_ok=True, parents=True, mode=0o700)
        (keys / TRUST_FILE).write_bytes(sign_note(trust.to_text(), [root]).to_bytes())
        (keys / TRUST_FILE).chmod(0o600)


@dataclass
class Hq:
    """A store, HQ's own lane, and one reading a center."""

    store: Store
    headquarters: Headquarters
    readings: dict[str, tuple[Reading, int]]
    keyrings: dict[str, Keyring] = field(default_factory=dict)  # that each was read by last
    monotonic_s: float = 0.0
    now: datetime = NOW  # when HQ says something in its own lane
    identity: Identity = field(default_factory=lambda: IDENTITY)

    @property
    def database(self) -> Path:
        """The file, for tests that look into SQLite beside the store."""
        assert isinstance(self.store, SqliteStore)
        return self.store.path

    @classmethod
    async def open(
        cls,
        folder: Path,
        *centers: Center,
        engine: Engine = SQLITE,
        quota_bytes: int = QUARANTINE_QUOTA_BYTES,
        rules: Rules = NEWEST,
        identity: Identity = IDENTITY,
    ) -> Hq:
        keep_trust(folder / "keys", identity)
        store = await engine.open(folder, quota_bytes)
        headquarters = Headquarters(store, identity, RELEASED)
        await headquarters.prepare(rules)
        hq = cls(store, headquarters, {}, identity=identity)
        for center in centers:
            await hq.register(center)
        return hq

    async def register(self, *keys: Center, **fields: Any) -> None:
        await self.headquarters.say(
            [HqEvent("net.cohub.center.registered.v1", keys[0].id, center_record(*keys, **fields))], self.now
        )

    async def said(self, event: str, center: Center, value: dict[str, Any] | None = None) -> None:
        kind = f"net.cohub.center.{event}.v1"
        await self.headquarters.say([HqEvent(kind, center.id, filled(kind, value or {}))], self.now)

    async def claim(self, center: str) -> Reading:
        claimed = (await self.store.claim([center], "test"))[center]
        self.readings[center] = (Reading.of(claimed.intake), claimed.term)
        return self.readings[center][0]

    async def feed(self, center: str, records: Sequence[KafkaRecord], now: datetime = NOW) -> Step:
        """Take one step with a fetch; a lane that waits is read again, as a worker does when HQ moves."""
        if center not in self.readings:
            await self.claim(center)
        reading, term = self.readings[center]
        basis = await self.headquarters.basis()
        if reading.intake.status is Status.WAITING and not (
            reading.intake.reads_on and basis.keyring.says_the_same(self.keyrings[center])
        ):
            reading = Reading.of(replace(reading.intake, status=Status.READING, why="", reads_on=False))
        self.keyrings[center] = basis.keyring
        driver = Driver(self.store, self.store, self.identity)
        step = await driver.consolidate(reading, term, records, basis, Instant(now, self.monotonic_s))
        self.readings[center] = (step.reading, term)
        return step

    def reading(self, center: str) -> Reading:
        return self.readings[center][0]


async def claimed(hq: Hq, centers: Iterable[str]) -> dict[str, int]:
    """Claim these lanes as the group gives them to a worker, and HQ's own as the lease does; return their terms."""
    terms = {HQ: await hq.store.repeats.begin_hq("a worker")}
    for center in centers:
        await hq.claim(center)
        terms[center] = hq.readings[center][1]
    return terms


def resends(step: Step) -> list[Resend]:
    """Return what a step asks its center to send again."""
    asked = [read_answer(Note.from_bytes(note).text) for note in step.resends]
    return [answer for answer in asked if isinstance(answer, Resend)]


def reasons(step: Step) -> list[str]:
    """Return why each record of a step went to quarantine."""
    return [item.reason for item in step.quarantine]


def refused(step: Step) -> list[str]:
    """Return why each seal behind what was taken is not good: the reason, then what is wrong."""
    return [f"{p.refusal.reason} {p.refusal.detail}" for p in step.reading.tail if p.refusal is not None]


def accepted(step: Step) -> list[int]:
    """Return the sequences of a step's accepted events."""
    return [row.sequence for commit in step.commits for row in commit.rows if row.code == "ACCEPTED"]


async def ready(hq: Hq, count: int = 3) -> tuple[Center, list[Sent]]:
    """Return a registered center whose opening and `count` offers HQ has taken, and those records."""
    center = Center()
    await hq.register(center)
    records = center.opened(count)
    step = await hq.feed("uz", records)
    assert accepted(step) == list(range(1, count + 2))
    return center, records


async def feed(hq: Hq, records: Sequence[Sent]) -> Step:
    """Take one step with a fetch of the center that is `ready`."""
    return await hq.feed("uz", records)


def sealed(page: Callable[[int], HqRows]) -> HqLane:
    """Return the hq lane of these rows, verified by IDENTITY's keys: what `Reads` asks for."""
    return read_lane(page, IDENTITY.hq_keys(), RELEASED)


def sealed_lane(database: Path) -> HqLane:
    """Return the hq lane of a database of IDENTITY's."""
    with closing(Reads.open(database, sealed)) as reads, reads.snapshot() as now:
        return now.lane


def registered(folder: Path, *centers: Center) -> Path:
    """Return a database of this folder that knows the centers, and is closed: what tests begin with copies of."""

    async def make() -> None:
        await (await Hq.open(folder, *centers)).store.close()

    asyncio.run(make())
    return folder / "hub.sqlite3"
