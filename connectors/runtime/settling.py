"""Which rows of a file have said the same for long enough, so that a half-written one is not sent."""

from __future__ import annotations


class Settling:
    """Which rows have said the same for long enough; what waits is kept for the next reading."""

    def __init__(self, seen: dict[str, tuple[bytes, float]], settle_s: float, age_s: float, now: float) -> None:
        self._seen = seen
        self._settle_s = settle_s
        self._all = age_s >= settle_s
        self._now = now
        self.waiting: dict[str, tuple[bytes, float]] = {}
        self.due_s: float | None = None

    def is_settled(self, key: str, fingerprint: bytes) -> bool:
        """Return whether the row may be taken now."""
        if self._all:
            return True
        before = self._seen.get(key)
        since = before[1] if before is not None and before[0] == fingerprint else self._now
        left = since + self._settle_s - self._now
        if left <= 0:
            return True
        self.waiting[key] = (fingerprint, since)
        self.due_s = left if self.due_s is None else min(left, self.due_s)
        return False
