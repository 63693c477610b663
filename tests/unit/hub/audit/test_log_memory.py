"""However long HQ's log, its check holds a page of it."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path

import pytest

from hub.audit.findings import Findings
from hub.audit.log import LogCheck
from hub.audit.rows import open_damaged
from hub.replay.fold import BasisBook
from tests.support.evidence import TRUST
from tests.support.hq import IDENTITY, Hq
from tests.support.notarized import add_receipts, notarize

FIRST, MORE = 8_000, 40_000  # leaves: both fill the pages that are read at once
GROWTH_MAX_BYTES = 256 * 1024  # 40,000 leaves have 1.3 MB of tiles, and texts of 400 checkpoints


@pytest.mark.long
def test_memory_of_the_logs_check_does_not_grow_with_the_log(tmp_path: Path) -> None:
    """Five times the leaves, tiles and checkpoints: the same peak."""

    async def grow(count: int) -> None:
        add_receipts(hq.database, "uz", count)
        await notarize(hq.store, IDENTITY, step=100)

    with asyncio.Runner() as runner:
        hq = runner.run(Hq.open(tmp_path))
        try:
            runner.run(grow(FIRST))
            before = peak(tmp_path / "hub.sqlite3", FIRST)
            runner.run(grow(MORE))
            assert peak(tmp_path / "hub.sqlite3", FIRST + MORE) < before + GROWTH_MAX_BYTES
        finally:
            runner.run(hq.store.close())


def peak(path: Path, leaves: int) -> int:
    """Return how many bytes Python held at most while the log was checked."""
    findings = Findings()
    with open_damaged(path) as ledger:
        check = LogCheck(ledger, TRUST, BasisBook(TRUST.hqs, {}), findings)
        tracemalloc.start()
        try:
            check.check()
            held = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (len(findings), check.leaves) == (0, leaves + 1)  # and the hq lane's own
    return held
