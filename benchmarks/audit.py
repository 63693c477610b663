"""What is asked of a ledger of many events, which is made once for all of it."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.evidence import evidence
from benchmarks.replaying import replaying
from benchmarks.timetravel import fill, timetravel

REPORTED: Final = (
    "asof_entity_ms",
    "history_entity_ms",
    "verify_per_s",
    "rebuild_per_s",
    "rebuild_2p_per_s",
    "verify_2p_speedup",
    "rebuild_2p_speedup",
    "bundle_check_ms",
)


async def audit(events: int) -> dict[str, float]:
    """Return what questions about one entity take, how fast the whole is verified and rebuilt, a bundle checked."""
    with tempfile.TemporaryDirectory(prefix="cohub-bench-", ignore_cleanup_errors=True) as folder:
        began = time.monotonic()
        path = await fill(Path(folder), events)
        print(f"  a ledger of {events} events, made in {time.monotonic() - began:.0f} s", file=sys.stderr)
        found = timetravel(path) | replaying(path) | await evidence(Path(folder) / "evidence")
        for name, value in found.items():
            print(f"  {name} {value:g}", file=sys.stderr)
        return {name: found[name] for name in REPORTED}
