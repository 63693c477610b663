"""One daemon for one office folder."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from hub.base.lock import HeldError, Lock
from hub.protocol.errors import UsageError


class FolderLock:
    """The right to write one outbox.

    Guards: the outbox's tables, and all that is in them but approvals and the witness's retries.

    Errors: UsageError on entering, while another process has it.
    """

    def __init__(self, outbox: Path) -> None:
        self._lock = Lock(outbox.with_name(outbox.name + ".lock"))

    def __enter__(self) -> Self:
        folder = self._lock.path.parent
        try:
            self._lock.acquire()
        except HeldError as exc:
            who = "" if exc.holder is None else f" (process {exc.holder})"
            raise UsageError(
                f"another connector{who} runs on {folder}: stop it first, one office folder has one connector"
            ) from exc
        except OSError as exc:
            raise UsageError(f"can't use the office folder {folder}: {exc.strerror}") from exc
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()
