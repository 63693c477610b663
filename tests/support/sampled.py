"""What other processes can see of ours: command lines and environments, read many times a second while they live."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path
from typing import Final, Self

EVERY_S: Final = 0.03
AGAIN: Final = 50


class Sampler:
    """Reads what /proc tells of each process that names `mark` there, until the block ends.

    Shapes: `seen` has every text once, by its process's program and what it is, `cmdline` or `environ`.
    """

    def __init__(self, mark: Path, every_s: float = EVERY_S) -> None:
        self.seen: dict[tuple[str, str], set[bytes]] = {}
        self.looks = 0
        self._others: set[str] = set()
        self._strange: dict[str, int] = {}
        self._mark = os.fsencode(mark)
        self._every_s = every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def look(self) -> None:
        """Read all of them once; those of others are looked at again seldom: a number may be another one by then."""
        if self.looks % AGAIN == 0:
            self._others = {str(os.getpid())}
        for pid in (process.name for process in Path("/proc").glob("[0-9]*")):
            if pid not in self._others:
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    self._look_at(pid)
        self.looks += 1

    def _look_at(self, pid: str) -> None:
        told = {what: Path("/proc", pid, what).read_bytes() for what in ("cmdline", "environ")}
        if not any(self._mark in text for text in told.values()):
            self._strange[pid] = self._strange.get(pid, 0) + 1
            if self._strange[pid] > 2:  # between fork and exec a process has its parent's
                self._others.add(pid)
            return
        program = Path("/proc", pid, "comm").read_text("utf-8", "replace").strip()
        for what, text in told.items():
            self.seen.setdefault((program, what), set()).add(text)

    def _look_on(self) -> None:
        took_s = 0.0
        while not self._over.wait(max(self._every_s, took_s)):  # half of the time is others'
            began = time.monotonic()
            self.look()
            took_s = time.monotonic() - began
