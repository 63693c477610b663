"""A disk that fails: before a file has its name, or behind that."""

from __future__ import annotations

from collections.abc import Callable


class Disk:
    """`os.fsync` that fails when it is told to: at a file's before it has its name, at its folder's behind that."""

    def __init__(self, sync: Callable[[int], None]) -> None:
        self._sync = sync
        self._failing = range(0)
        self._calls = 0

    def fail(self, nth: int, times: int = 1) -> None:
        """Fail at the `nth` call from now, and at those behind it, so many `times` in all."""
        self._calls, self._failing = 0, range(nth, nth + times)

    def heal(self) -> None:
        """Fail no more."""
        self._failing = range(0)

    def fsync(self, handle: int) -> None:
        """Do as os.fsync does, or fail."""
        self._calls += 1
        if self._calls in self._failing:
            raise OSError(5, "Input/output error")
        self._sync(handle)
