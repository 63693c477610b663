"""What the daemon's parts tell each other: made first, then handed to whoever rings and to the one that waits."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Collection
from dataclasses import dataclass


class Signal:
    """Says that there is something to do. Any thread may ring; one task waits.

    Guards: `_lock` makes sure that a ring from another thread is not missed while the first wait begins.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def ring(self) -> None:
        """Have whoever waits go on, now or as soon as it waits."""
        with self._lock:
            if self._loop is None or threading.get_ident() == self._thread:
                self._event.set()
                return
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
                self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Return True when it was rung since it was last cleared, False when the time is over. It stays rung."""
        with self._lock:
            self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        return True

    def clear(self) -> None:
        """Have the next wait wait for the next ring. What is looked at after this is looked at late enough."""
        self._event.clear()


@dataclass(frozen=True, slots=True)
class Asked:
    """Which files are to be planned again: these, or all that are known."""

    files: frozenset[str]
    every: bool


class Replans:
    """Files whose rows are to be planned again though the files are unchanged. Any thread may add some.

    Guards: `_lock` the files that nobody has taken yet.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: set[str] = set()
        self._every = False
        self.added = Signal()

    def add(self, files: Collection[str]) -> None:
        """Have these files read again, soon."""
        if files:
            self.note(files)
            self.added.ring()

    def note(self, files: Collection[str]) -> None:
        """Have these files read again when the folder is looked at the next time."""
        with self._lock:
            self._files |= set(files)

    def add_every(self) -> None:
        """Have every known file read again: something was written, and it is not known which rows it was about.

        A row whose events are on their way, or that HQ holds as it is, says nothing twice.
        """
        with self._lock:
            self._every = True
        self.added.ring()

    def take(self) -> Asked:
        """Return what was added since the last time."""
        with self._lock:
            asked = Asked(frozenset(self._files), self._every)
            self._files, self._every = set(), False
        return asked
