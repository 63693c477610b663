"""The whole ledger verified and rebuilt: events a second of CPU time, and how much memory it takes.

Each is measured in a process of its own, from CPU time, so that a busy machine makes less difference; what Python
imports is not counted. With two processes the rate is what their CPU time allows: twice that of one, less what each
must do for itself (starting, the hq lane). Whether they wait for each other is seen in the wall time alone: the
speed-ups are that of one process over that of two, on a machine with two cores or more that has nothing else to do.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from hub.audit.rebuild import rebuild
from hub.audit.verify import verify
from hub.protocol.trust import open_trust

PROCESSES: Final = 2


def replaying(path: Path) -> dict[str, float]:
    """Return the rates for the ledger at `path`, beside which its keys are."""
    checked, checked_2p, built, both = (
        _measure(kind, path) for kind in ("verify", "verify_2p", "rebuild", "rebuild_2p")
    )
    return {
        "verify_per_s": round(checked["events"] / checked["cpu_s"]),
        "rebuild_per_s": round(built["events"] / built["cpu_s"]),
        "rebuild_2p_per_s": round(PROCESSES * both["events"] / both["cpu_s"]),
        "verify_2p_speedup": round(checked["wall_s"] / checked_2p["wall_s"], 2),
        "rebuild_2p_speedup": round(built["wall_s"] / both["wall_s"], 2),
        "verify_rss_mb": checked["rss_mb"],
        "rebuild_rss_mb": built["rss_mb"],
        "rebuild_2p_wall_per_s": round(both["events"] / both["wall_s"]),
    }


def _measure(kind: str, path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.replaying", kind, str(path)],
        stdout=subprocess.PIPE, check=True, timeout=3600,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _run(kind: str, path: Path) -> dict[str, Any]:
    trust = open_trust((path.parent / "keys" / "trust.note").read_bytes())
    cpu_s, wall_s = _cpu_s(), time.monotonic()
    processes = PROCESSES if kind.endswith("_2p") else 1
    if kind.startswith("verify"):
        report = verify(path, trust, processes=processes)
        assert report.is_good, report.findings[:3]
        events = report.events
    else:
        with tempfile.TemporaryDirectory(prefix="cohub-bench-") as folder:
            built = rebuild(path, trust, Path(folder) / "state", processes=processes)
        assert built.is_equal, built.differences[:3]
        events = built.events
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "events": events,
        "cpu_s": _cpu_s() - cpu_s,
        "wall_s": time.monotonic() - wall_s,
        "rss_mb": round(own / 1024, 1),
    }


def _cpu_s() -> float:
    """Return the CPU time of this process and of those that it started and that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


if __name__ == "__main__":
    print(json.dumps(_run(sys.argv[1], Path(sys.argv[2]))))
