"""A lock file is held by one process at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.base.lock import HeldError, Lock, held
from hub.protocol.errors import Retriable


def test_lock_waits_for_whoever_has_it(tmp_path: Path) -> None:
    """Not for ever: a command that stands still has to be found by a person."""
    lock = tmp_path / "x.lock"
    with held(lock), pytest.raises(Retriable, match="held by another command"), held(lock, wait_s=0.05):
        raise AssertionError
    with held(lock):
        assert lock.exists()


def test_lock_names_the_process_that_holds_it(tmp_path: Path) -> None:
    """Who is refused can tell a person which process to end."""
    first, second = Lock(tmp_path / "x.lock"), Lock(tmp_path / "x.lock")
    first.acquire()
    with pytest.raises(HeldError) as refused:
        second.acquire()
    assert refused.value.holder == os.getpid()
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    """However its owner ended, nobody has to remove a file."""
    path = tmp_path / "x.lock"
    code = (
        f"import os, signal; from pathlib import Path; from hub.base.lock import Lock; "
        f"Lock(Path({str(path)!r})).acquire(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert path.exists()
    Lock(path).acquire()
