"""The demo network ends when it is told to; that every row comes true is tried where the documents are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.integration

DEADLINE_S = 180.0
STOP_S = 10.0


def family(process: subprocess.Popen[Any]) -> list[psutil.Process]:
    return list(psutil.Process(process.pid).children(recursive=True))


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
