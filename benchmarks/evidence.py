"""An evidence bundle of one entity with a hundred events: milliseconds to make it, and to check it in one process."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.timetravel import fill
from hub.evidence.check import check_bundle
from hub.evidence.export import export_bundle
from hub.evidence.report import Severity
from hub.evidence.subject import Subject
from hub.ledger.notary import LEAVES_MAX, append
from hub.protocol.trust import open_trust
from hub.replay.chain import every
from hub.replay.source import Ledger
from hub.store.sqlite import SqliteStore
from hub.worker.identity import load_identity
from hub.worker.service import keys

EVENTS: Final = 100
ROUNDS: Final = 7


async def evidence(folder: Path) -> dict[str, float]:
    """Return the median milliseconds of an export and of a check; what Python imports is not counted."""
    # Two lanes: the entity of the first has all its events, in one fetch as in life they would be in many.
    path = await fill(folder, 2 * (EVENTS + 1), lanes_count=2)
    await _notarize(folder, path)
    trust_note = (keys(folder) / "trust.note").read_bytes()
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
    events = sum(1 for _ in bundle.case.story())
    assert events >= EVENTS, events
    return {
        "bundle_export_ms": round(median(made) * 1000, 1),
        "bundle_check_ms": round(median(checked) * 1000, 1),
        "bundle_kb": round(len(bundle.data) / 1024, 1),
    }


async def _notarize(folder: Path, path: Path) -> None:
    """Let HQ's log have every receipt."""
    identity = load_identity(keys(folder))
    store = SqliteStore.open(path)
    try:
        log = await store.log.read(f"{identity.hub}/log")
        found = await store.log.unlogged(LEAVES_MAX)
        await store.log.append(append(log, found, [identity.log, identity.log_long], datetime.now(UTC)))
    finally:
        store.close()


def main() -> None:
    """Print what is measured."""
    with tempfile.TemporaryDirectory(prefix="cohub-bench-") as folder:
        print(asyncio.run(evidence(Path(folder))), file=sys.stdout)


if __name__ == "__main__":
    main()
