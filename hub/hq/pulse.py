"""Whether a worker of this hub lives: what it was told when it got ready, and when it last looked at its lanes.

A worker that reads touches `worker.json` every second. Its process is asked for where it runs on this machine; where it
does not, or was killed with its machine, the file's age tells.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from hub.base import files
from hub.store.read.model import ReadModel

SILENT_S: Final = 15.0  # a worker looks every second; a machine that swaps may need a few

Life = Literal["running", "silent", "stopped", "unknown"]


class WorkerStanding(ReadModel):
    """How the worker is that last got ready here."""

    state: Life = Field(
        description="running; silent: its process lives and does nothing; stopped; unknown: none ever got ready here"
    )
    pid: int | None = Field(default=None, description="Its process")
    seen_at: datetime | None = Field(default=None, description="When it last looked at its lanes")


def beat(worker_file: Path) -> None:
    """Say that the worker is at work. A disk that is full or gone is told by those who lose by it."""
    with suppress(OSError):
        os.utime(worker_file)


def worker_standing(worker_file: Path, now: datetime) -> WorkerStanding:
    """Return how the worker is, as far as its file and its process tell."""
    try:
        seen_at = datetime.fromtimestamp(files.look(worker_file).st_mtime, UTC)
        said = json.loads(files.read_text(worker_file))
        pid, host = said.get("pid"), said.get("host")
    except (OSError, ValueError, AttributeError):
        return WorkerStanding(state="unknown")
    pid = pid if isinstance(pid, int) and not isinstance(pid, bool) else None
    is_silent = abs((now - seen_at).total_seconds()) > SILENT_S  # a clock set back makes nothing fresh
    if pid is not None and host in (None, socket.gethostname()):
        state: Life = "stopped" if not _lives(pid) else "silent" if is_silent else "running"
    else:
        state = "stopped" if is_silent else "running"
    return WorkerStanding(state=state, pid=pid, seen_at=seen_at)


def owner_is_gone(owner: str) -> bool:
    """Return whether the worker that an intake names is known to have ended: a process of this machine alone is."""
    host, _, pid = owner.rpartition(":")
    return host == socket.gethostname() and pid.isdecimal() and not _lives(int(pid))


def _lives(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # signal 0 is Ctrl-C there, and would end what is asked for: the file's age tells
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # it is somebody else's
    return True
