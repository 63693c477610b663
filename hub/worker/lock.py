"""One command at a time replaces a file of a hub, by a lock of the operating system: it ends with the process."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hub.protocol.errors import Retriable

WAIT_S: Final = 10.0  # whoever has it only reads and replaces one small file
LOOK_AGAIN_S: Final = 0.01


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; await nothing meanwhile. Errors: Retriable, if another has it for too long."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline_s = time.monotonic() + WAIT_S
        while not _locked(fd):
            if time.monotonic() >= deadline_s:
                raise Retriable(f"{path} is held by another command for {WAIT_S:.0f} s: end that, and try again")
            time.sleep(LOOK_AGAIN_S)
        yield
    finally:
        os.close(fd)  # which frees the lock; the file stays, or two could hold two files of one name


def _locked(fd: int) -> bool:
    try:
        _lock(fd)
    except OSError:
        return False
    return True


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> None:
        os.lseek(fd, 0, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
