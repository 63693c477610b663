"""An evidence bundle of an entity with 100 events in 100 receipts: milliseconds to make and to check it, in process."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.lanes import BenchLane
from benchmarks.required import require_taken
from benchmarks.throughput import make_hub
from hub.evidence.check import check_bundle
from hub.evidence.export import export_bundle
from hub.evidence.report import Severity
from hub.evidence.subject import Subject
from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters
from hub.hq.identity import load_identity
from hub.ledger.notary import LEAVES_MAX, append
from hub.ledger.reading import Reading
from hub.protocol.plain_record import PlainRecord
from hub.protocol.trust import open_trust
from hub.replay.chain import every
from hub.replay.source import Ledger
from hub.store.consolidate import Driver, Instant
from hub.store.released import released_schemas
from hub.store.sqlite import SqliteStore

EVENTS: Final = 100
ROUNDS: Final = 7


async def evidence(folder: Path) -> dict[str, float]:
    """Return the median milliseconds of an export and of a check; what Python imports is not counted."""
    path = await _fill(folder)
    await _notarize(folder, path)
    trust_note = (HubFolder(folder).keys / "trust.note").read_bytes()
    root = open_trust(trust_note).root
    made, checked = [], []
    with Ledger.open(path) as ledger:
        entity = next(every(ledger, "offer"))
        for _ in range(ROUNDS):
            began = time.perf_counter()
            bundle = export_bundle(ledger, trust_note, Subject("entity", entity.id, entity.stream))
            made.append(time.perf_counter() - began)
            began = time.perf_counter()
            report = check_bundle(bundle.data, root).report
            checked.append(time.perf_counter() - began)
            assert not report.has(Severity.ERROR), report.findings
    assert sum(1 for _ in bundle.case.story()) == EVENTS
    return {
        "bundle_export_ms": round(median(made) * 1000, 1),
        "bundle_check_ms": round(median(checked) * 1000, 1),
        "bundle_kb": round(len(bundle.data) / 1024, 1),
    }


async def _fill(folder: Path) -> Path:
    """Make a hub with one offer of EVENTS events, each under its own seal and receipt; return its database."""
    lane = BenchLane("c00", seal_every=1)
    await make_hub(folder, [lane])
    identity = load_identity(HubFolder(folder).keys)
    store = SqliteStore.open(HubFolder(folder).database)
    try:
        basis = await Headquarters(store, identity, released_schemas()).basis()
        claimed = (await store.claim([lane.center], "bench"))[lane.center]
        reading, driver = Reading.of(claimed.intake), Driver(store, store, identity)
        for offset, (key, value, headers) in enumerate(lane.records(EVENTS, 1)):
            records, at = [PlainRecord(key, value, [*headers], offset)], Instant(datetime.now(UTC), 0.0)
            reading = (await driver.consolidate(reading, claimed.term, records, basis, at)).reading
    finally:
        await store.close()
    require_taken(HubFolder(folder).database, [lane])
    return HubFolder(folder).database


async def _notarize(folder: Path, path: Path) -> None:
    """Let HQ's log have every receipt."""
    identity = load_identity(HubFolder(folder).keys)
    store = SqliteStore.open(path)
    try:
        log = await store.log.read(f"{identity.hub}/log")
        found = await store.log.unlogged(LEAVES_MAX)
        await store.log.append(append(log, found, [identity.log, identity.log_long], datetime.now(UTC)))
    finally:
        await store.close()


def main() -> None:
    """Print what is measured."""
    with tempfile.TemporaryDirectory(prefix="cohub-bench-") as folder:
        print(asyncio.run(evidence(Path(folder))), file=sys.stdout)


if __name__ == "__main__":
    main()
