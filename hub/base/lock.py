"""One program at a time, by a lock of the operating system: it ends with the process, however that ends."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hub.base import files
from hub.protocol.errors import Conflict, Retriable

WAIT_S: Final = 10.0  # whoever has it only reads and replaces one small file
LOOK_AGAIN_S: Final = 0.01


class HeldError(Retriable):
    """Another process holds the lock. The caller tells who, as `holder` says it, or waits."""

    def __init__(self, path: Path, holder: int | None) -> None:
        self.path = path
        self.holder = holder  # its process id; None where that can't be read
        super().__init__(f"{path} is held by another process")


class Lock:
    """A lock file that names the process which holds it.

    Errors: OSError where the file can't be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock, or raise HeldError at once."""
        fd = files.updating(self.path)
        try:
            _lock(fd)
        except OSError:
            holder = _holder(fd)
            os.close(fd)
            raise HeldError(self.path, holder) from None
        self._fd = fd
        os.ftruncate(fd, 0)
        os.write(fd, f" {os.getpid()}\n".encode())  # byte 0 is the one that Windows locks

    def is_named(self) -> bool:
        """Return whether the file that is held still has its name: else another may hold one of the same name."""
        return self._fd is not None and (os.name != "posix" or os.fstat(self._fd).st_nlink > 0)

    def release(self) -> None:
        """Give the lock back. Idempotent. The file stays, or two processes could hold two files of one name."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)


@contextlib.contextmanager
def held(path: Path, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the lock file `path`; await nothing meanwhile. Errors: Retriable, if another has it for too long."""
    lock, deadline_s = Lock(path), time.monotonic() + wait_s
    while True:
        try:
            lock.acquire()
            break
        except HeldError as exc:
            if time.monotonic() >= deadline_s:
                message = f"{path} is held by another command for {wait_s:.0f} s: end that, and try again"
                raise Retriable(message) from exc
            time.sleep(LOOK_AGAIN_S)
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def alone(target: Path) -> Iterator[None]:
    """Be the only one that makes `target` while the block runs, by a lock beside it, which goes with the block.

    Shapes: the lock is `<name>.cohub-lock`, a name that nobody else has for a file.
    Errors: Conflict at once where another program makes it; OSError.
    """
    path = target.with_name(f"{target.name}.cohub-lock")
    lock = Lock(path)
    try:
        lock.acquire()
        while not lock.is_named():  # whoever held it took it away between our two calls
            lock.release()
            lock.acquire()
    except HeldError as exc:
        who = f" (process {exc.holder})" if exc.holder else ""
        raise Conflict(
            f"another command{who} makes {target} just now: wait until it has ended; nothing was changed"
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(
            OSError
        ):  # Windows keeps the name of what is open: there it stays, and holds nobody up
            files.remove(path)
        lock.release()


def find_holder(path: Path) -> int | None:
    """Return the process that holds a lock file, 0 where that can't be read; None if nobody does.

    It is asked for by a lock that readers share, which lives for a moment: whoever takes the lock then tries again.
    """
    try:
        fd = files.updating(path, make=False)
    except OSError:
        return None
    try:
        _share(fd)
    except OSError:
        return _holder(fd) or 0
    finally:
        os.close(fd)
    return None


def _holder(fd: int) -> int | None:
    if sys.platform == "win32":
        return None
    text = os.pread(fd, 20, 1).decode("ascii", "replace").strip()
    return int(text) if text.isdecimal() else None


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> None:
        os.lseek(fd, 0, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

    _share = _lock  # Windows' runtime knows no shared lock; it ends with the descriptor

else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _share(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
