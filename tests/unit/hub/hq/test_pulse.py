"""Whether a worker lives, by its file and its process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.hq.pulse import SILENT_S, beat, owner_is_gone, worker_standing


def ended() -> int:
    """Return the id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def written(folder: Path, age_s: float, **facts: Any) -> tuple[str, int | None]:
    file, now = folder / "worker.json", datetime.now(UTC)
    file.write_text(json.dumps(facts))
    os.utime(file, ((now.timestamp() - age_s),) * 2)
    found = worker_standing(file, now)
    assert found.seen_at is not None
    return found.state, found.pid


def test_worker_runs_is_silent_or_has_stopped(tmp_path: Path) -> None:
    """A process that lives and does nothing is no worker that reads; one that is gone has stopped at once."""
    here = socket.gethostname()
    assert written(tmp_path, 1, pid=os.getpid(), host=here) == ("running", os.getpid())
    assert written(tmp_path, SILENT_S + 5, pid=os.getpid(), host=here)[0] == "silent"
    assert written(tmp_path, 1, pid=ended(), host=here)[0] == "stopped"
    assert written(tmp_path, 1, pid=ended(), host="elsewhere")[0] == "running"
    assert written(tmp_path, SILENT_S + 5, pid=os.getpid(), host="elsewhere")[0] == "stopped"


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "\udcff"])
def test_file_that_is_missing_or_damaged_tells_nothing(tmp_path: Path, text: str) -> None:
    """It is not known then, which is said."""
    file = tmp_path / "worker.json"
    assert worker_standing(file, datetime.now(UTC)).state == "unknown"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert worker_standing(file, datetime.now(UTC)).state == "unknown"
    beat(tmp_path / "none" / "worker.json")


def test_owner_of_a_lane_is_gone_only_where_that_is_known() -> None:
    """Of another machine's process nothing is said."""
    here = socket.gethostname()
    assert owner_is_gone(f"{here}:{ended()}")
    assert not owner_is_gone(f"{here}:{os.getpid()}")
    assert not owner_is_gone(f"elsewhere:{ended()}")
    assert not owner_is_gone("a test's")
