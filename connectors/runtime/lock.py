"""One daemon for one office folder, by a lock of the operating system: it ends with the process, however that ends."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Self

from hub.protocol.errors import UsageError


class FolderLock:
    """The right to write one outbox. Guards: everything in the outbox but approvals.

    Errors: UsageError on entering, while another process has it.
    """

    def __init__(self, outbox: Path) -> None:
        self.path = outbox.with_name(outbox.name + ".lock")
        self._fd: int | None = None

    def __enter__(self) -> Self:
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise UsageError(f"can't use the office folder {self.path.parent}: {exc.strerror}") from exc
        try:
            _lock(fd)
        except OSError as exc:
            holder = os.pread(fd, 20, 1).decode("ascii", "replace").strip() if sys.platform != "win32" else ""
            os.close(fd)
            who = f" (process {holder})" if holder else ""
            raise UsageError(
                f"another connector{who} runs on {self.path.parent}: stop it first, one office folder has one connector"
            ) from exc
        self._fd = fd
        os.ftruncate(fd, 0)
        os.write(fd, f" {os.getpid()}\n".encode())  # byte 0 is the one that Windows locks
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.close(self._fd)  # closing frees the lock; the file stays, or two could hold two files of one name
            self._fd = None


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> None:
        os.lseek(fd, 0, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
