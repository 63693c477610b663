"""The demo network, whole: every row of every sheet becomes exactly what `expected.json` says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from hub.demo.network import find_network

pytestmark = pytest.mark.integration

DEADLINE_S = 180.0
STOP_S = 10.0
STATES = ("rows", "accepted", "refused", "rejected", "unchanged", "blank", "pending")


def expected() -> dict[str, Counter[str]]:
    """Return what must become of each center's rows."""
    files = json.loads((find_network(None) / "expected.json").read_text("utf-8"))
    found: dict[str, Counter[str]] = {}
    for center, sheets in files.items():
        sums = found.setdefault(center, Counter(dict.fromkeys(STATES, 0)))
        for sheet in sheets.values():
            for name in ("rows", "accepted", "unchanged", "blank"):
                sums[name] += sheet[name]
            for name in ("refused", "rejected"):
                sums[name] += sheet[name]["rows"]
    return found


def family(process: subprocess.Popen[Any]) -> list[psutil.Process]:
    return list(psutil.Process(process.pid).children(recursive=True))


def start(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "hub.cli.main", "demo", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_demo_once_accounts_for_every_row(tmp_path: Path) -> None:
    process = start("--once", "--data-dir", str(tmp_path / "data"))
    out, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, out[-3000:]
    summary = json.loads(out.strip().splitlines()[-1])
    for center, sums in expected().items():
        counts = summary["centers"][center]
        assert {name: counts[name] for name in STATES} == dict(sums), center
        assert counts["backlog"] == 0
        assert counts["receipts"] >= 1
    assert set(summary["entities"]) == {"deal", "deal_confirmation", "offer", "partner", "request"}
    assert 0 < summary["first_event_s"] <= summary["seconds"]
    assert "refused by the connector or rejected by HQ" in out
    # The data directory is one that `hub up` and every other command know.
    done = subprocess.run(
        [sys.executable, "-m", "hub.cli.main", "--data-dir", str(tmp_path / "data"), "status", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)
    totals = found["totals"]
    assert (done.returncode, found["needs"], found["worker"]["state"]) == (1, ["worker"], "stopped")
    assert {center["status"] for center in found["centers"]} == {"stopped"}
    assert totals["entities"] == summary["entities"]
    opened = len(summary["centers"])  # each lane's first event is about no row
    assert totals["events"] == sum(c["events"] for c in summary["centers"].values()) + opened
    assert sum(totals["rejected"].values()) >= sum(c["rejected"] for c in summary["centers"].values())


def test_demo_ends_within_ten_seconds_and_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C in the middle of it: no process and no temporary folder stays."""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "hub.cli.main", "demo"]
    log = tmp_path / "demo.out"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        deadline = time.monotonic() + DEADLINE_S
        # The broker, the worker, five connectors: the last of them may come after the first events.
        while " events " not in log.read_text("utf-8") or len(family(process)) < 7:
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.1)
        children = family(process)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0, log.read_text("utf-8")
        assert time.monotonic() - began < STOP_S
        assert not [child for child in children if child.is_running()]
        assert [path.name for path in tmp_path.iterdir()] == ["demo.out"]
    finally:
        process.kill()
        process.wait()
