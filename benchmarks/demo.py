"""`hub demo --once` as a user runs it: how soon the first event is consolidated, how long all of it takes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Final

DEADLINE_S: Final = 300.0


async def demo() -> dict[str, float]:
    """Return `demo_first_event_s`, counted from the command's start. Errors: RuntimeError if the demo fails."""
    return await asyncio.to_thread(_demo)


def _demo() -> dict[str, float]:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "hub.cli.main", "demo", "--once"], capture_output=True, timeout=DEADLINE_S, check=False
    )
    whole_s = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"hub demo ended with {done.returncode}: {done.stderr.decode('utf-8', 'replace')[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"  first event {found['first_event_s']} s, all {found['seconds']} s, ended {whole_s:.1f} s", file=sys.stderr)
    return {"demo_first_event_s": found["first_event_s"]}
