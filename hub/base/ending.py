"""The end of a process that can't end by itself: after a deadline it is ended by force, with its stacks in the log.

A task that swallows its cancellation, a thread that computes on, an event loop that stands still: whoever waits for
such a process waits for ever, and no supervisor starts it again, since it lives. A thread of its own counts the seconds
here. It counts only those that it lived through itself, so that a process that was frozen, or a computer that slept,
is not taken for one that hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

END_S: Final = 30.0
EXIT_BY_FORCE: Final = 70  # sysexits' word for an error inside the software
TICKS: Final = 30  # of one deadline
LAST_WORDS_S: Final = 3.0  # for the log and the last words: what hangs may hold their locks
GRACE_S: Final = 5.0  # more, until even the interpreter's lock is not waited for
STACKS_CHARS_MAX: Final = 20_000

log = structlog.get_logger(__name__)

_ENDINGS: Final[weakref.WeakSet[Ending]] = weakref.WeakSet()

Ends = Callable[[str], None]


def ends_by_itself(_why: str) -> None:
    """Stand for an Ending where nobody watches."""


class Ending:
    """Watches over one process: `begin` when it is to end, `watch_loop` while its event loop has to turn.

    Shapes: `last_words` is called with the reason before the process is ended; `exit_by` ends it, for good.
    Units:  both, the way to the end and a standstill of the loop, may last `deadline_s`.
    """

    def __init__(
        self,
        deadline_s: float = END_S,
        last_words: Callable[[str], None] = lambda _: None,
        exit_by: Callable[[int], object] = os._exit,
    ) -> None:
        self._deadline_s = deadline_s
        self._last_words = last_words
        self._exit_by = exit_by
        self._tick_s = deadline_s / TICKS
        self._lock = threading.Lock()  # guards all that follows
        self._why: str | None = None
        self._ending = 0  # ticks since `begin`
        self._standing: int | None = None  # ticks since the loop turned; None while it is not watched
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        _ENDINGS.add(self)

    def begin(self, why: str) -> None:
        """Have the process end within the deadline from now on, or be ended. The first reason counts."""
        with self._lock:
            if self._why is not None:
                return
            self._why, self._ending = why, 0
            self._watch()
        with contextlib.suppress(RuntimeError, ValueError, AttributeError, OSError):  # where stderr is no file
            # Needs neither the interpreter's lock nor its memory: for what hangs in compiled code.
            faulthandler.dump_traceback_later(self._deadline_s + LAST_WORDS_S + GRACE_S, exit=True)

    def cancel(self) -> None:
        """Take back what `begin` began: the process goes on."""
        with self._lock:
            self._why = None
        faulthandler.cancel_dump_traceback_later()

    def watch_loop(self) -> None:
        """See from now on that the running event loop turns. Idempotent."""
        loop = asyncio.get_running_loop()
        with self._lock:
            watched, self._loop = self._loop is loop, loop
            self._standing = 0
            self._watch()
        if not watched:
            self._beat(loop)

    def unwatch_loop(self) -> None:
        """Look at no loop any more: it has ended, or is about to do what takes long."""
        with self._lock:
            self._loop = self._standing = None

    def close(self) -> None:
        """Watch over nothing any more."""
        self.cancel()
        self.unwatch_loop()
        self._over.set()

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            if self._loop is not loop:
                return
            self._standing = 0
        loop.call_later(self._tick_s, self._beat, loop)

    def _watch(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._count, name="ending", daemon=True)
            self._thread.start()

    def _count(self) -> None:
        while not self._over.wait(self._tick_s):
            reason = self._tick()
            if reason is not None:
                self._end(reason)
                return

    def _tick(self) -> str | None:
        with self._lock:
            if self._why is not None:
                self._ending += 1
                if self._ending > TICKS:
                    return f"it has not ended for {self._deadline_s:g} s, and was to: {self._why}"
            if self._standing is not None:
                self._standing += 1
                if self._standing > TICKS:
                    return f"its event loop has stood still for {self._deadline_s:g} s"
        return None

    def _end(self, reason: str) -> None:
        """Say why, in a thread that may hang as all others may, and end the process."""
        telling = threading.Thread(target=self._tell, args=(reason, stacks(), self._tasks()), daemon=True)
        telling.start()
        telling.join(LAST_WORDS_S)
        self._exit_by(EXIT_BY_FORCE)

    def _tell(self, reason: str, stacks: str, tasks: list[str]) -> None:
        with contextlib.suppress(Exception):
            log.error("process_ended_by_force", reason=reason, status=EXIT_BY_FORCE, tasks=tasks, stacks=stacks)
        with contextlib.suppress(Exception):
            self._last_words(reason)
        with contextlib.suppress(Exception):
            sys.stderr.flush()

    def _tasks(self) -> list[str]:
        """Return the names of the tasks that live; they tell which one has swallowed its cancellation."""
        loop = self._loop
        if loop is None:
            return []
        with contextlib.suppress(RuntimeError):  # they come and go meanwhile
            return sorted(task.get_name() for task in asyncio.all_tasks(loop))
        return []


def close_all() -> None:
    """Watch over nothing any more, in a process that lives on though a command has ended in it."""
    for ending in list(_ENDINGS):
        ending.close()


def stacks() -> str:
    """Return where each thread of this process stands now."""
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read().decode("utf-8", "replace")[:STACKS_CHARS_MAX]


async def telling(work: Coroutine[Any, Any, None], ends: Ends) -> None:
    """Run `work`, and tell at once when it fails: whoever waits for the others may wait for ever."""
    try:
        await work
    except asyncio.CancelledError:
        raise
    except BaseException as exc:
        ends(f"{type(exc).__name__}: {exc}")
        raise
