"""One daemon for one office folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, Self

from connectors.runtime.told import OfficeError, os_reason
from hub.base.lock import HeldError, Lock

TRIES: Final = 5
TRY_AGAIN_S: Final = 0.02


def lock_of(outbox: Path) -> Path:
    """Return the lock file of an outbox."""
    return outbox.with_name(outbox.name + ".lock")


class FolderLock:
    """The right to write one outbox.

    Guards: the outbox's tables, and all that is in them but approvals and the witness's retries.

    Errors: UsageError on entering, while another process has it.
    """

    def __init__(self, outbox: Path) -> None:
        self._lock = Lock(lock_of(outbox))

    def __enter__(self) -> Self:
        folder = self._lock.path.parent
        try:
            self._acquire()
        except HeldError as exc:
            raise OfficeError("errors.running", process=exc.holder or "?", path=folder) from exc
        except OSError as exc:
            raise OfficeError("errors.folder_unusable", path=folder, reason=os_reason(exc)) from exc
        return self

    def _acquire(self) -> None:
        """Take the lock. Who only looks whether it is held holds it for a moment, and is waited for."""
        for tries_left in reversed(range(TRIES)):
            try:
                self._lock.acquire()
            except HeldError:
                if not tries_left:
                    raise
                time.sleep(TRY_AGAIN_S)
            else:
                return

    def __exit__(self, *_: object) -> None:
        self._lock.release()
