"""A lock that goes to whoever has waited longest."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class Turn:
    """A lock that the thread which has it may take again, and that is handed over in the order of asking.

    With the lock of `threading` a thread that gives it back and wants it at once has it before any other can run: one
    that takes a large file into the outbox, transaction after transaction, would leave the sender none.
    Guards: `_door` the owner, the depth and the queue; it is held for some instructions only.
    """

    def __init__(self) -> None:
        self._door = threading.Lock()
        self._owner: int | None = None
        self._depth = 0
        self._waiting: deque[tuple[int, threading.Lock]] = deque()

    def acquire(self) -> None:
        """Return when it is this thread's turn."""
        me = threading.get_ident()
        with self._door:
            if self._owner in (None, me):  # None: nobody waits either, for it is handed over
                self._owner, self._depth = me, self._depth + 1
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append((me, gate))
        try:
            gate.acquire()
        except BaseException:
            self._leave(me, gate)
            raise

    def release(self) -> None:
        """Give it back; as often as it was taken."""
        with self._door:
            self._depth -= 1
            if not self._depth:
                self._hand_over()

    def _hand_over(self) -> None:
        self._owner = None
        if self._waiting:
            self._owner, gate = self._waiting.popleft()
            self._depth = 1
            gate.release()

    def _leave(self, me: int, gate: threading.Lock) -> None:
        """Wait no longer, as a signal handler had it; hand on what was handed over in the meantime."""
        with self._door:
            if (me, gate) in self._waiting:
                self._waiting.remove((me, gate))
            else:
                self._depth = 0
                self._hand_over()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.release()
