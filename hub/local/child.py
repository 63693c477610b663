"""A child process of a command: it can't outlive us, it prints into a file, and it ends within a deadline."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Final

from hub.base import files
from hub.broker.process import Process, end, spawn

LOG_SIZE_MAX: Final = 8 << 20
TAIL_BYTES: Final = 4096


class Child:
    """One program of ours, started again and again by its supervisor."""

    def __init__(self, name: str, arguments: list[str], folder: Path, log: Path) -> None:
        self.name = name
        self.log = log
        self._command = [sys.executable, *arguments]
        self._folder = folder
        self._process: Process | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The pid of the running process; None while there is none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start it. On Linux it dies with the thread that calls this, so call it from the main thread."""
        files.make_folder(self.log.parent, files.PRIVATE_FOLDER)
        with contextlib.suppress(FileNotFoundError):
            if files.look(self.log).st_size > LOG_SIZE_MAX:
                files.rename(self.log, self.log.name + ".1")
        with files.appending(self.log) as output:
            self._log_start = output.seek(0, os.SEEK_END)
            self._process = spawn(self._command, self._folder, output, is_ours=True)

    def status(self) -> int | None:
        """Return the exit status of the last run, None while it runs. Errors: none was started."""
        assert self._process is not None
        return self._process.poll()

    async def stop(self, deadline_s: float) -> None:
        """End it: politely, at the deadline by force. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            await end(process, deadline_s)

    def last_words(self) -> str:
        """Return the last line that this run printed, '' when it printed none."""
        try:
            with files.opened(self.log) as file:
                file.seek(max(self._log_start, file.seek(0, os.SEEK_END) - TAIL_BYTES))
                lines = file.read().decode("utf-8", "replace").strip().splitlines()
                return lines[-1][:500] if lines else ""
        except FileNotFoundError:
            return ""
