"""Log lines about what strangers may do a thousand times a second: each is written once a minute, with how often."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

EVERY_S: Final = 60.0


class Seldom:
    """Warns by `log`: of each event the first time at once, and then once a minute at most.

    Shapes: `log` is structlog's; a line's `times` is how often it happened since the line before. What is of no topic
            has none.
    """

    def __init__(self, log: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._said: dict[tuple[str, str], tuple[float, int]] = {}  # when, and how often since; few: events are fixed

    def warning(self, event: str, *, topic: str = "", times: int = 1, **facts: object) -> None:
        """Warn of an event, on a topic or of none, or count it."""
        key, now = (event, topic), self._clock()
        at, missed = self._said.get(key, (float("-inf"), 0))
        missed += times
        if now - at < EVERY_S:
            self._said[key] = at, missed
            return
        self._said[key] = now, 0
        where = {"topic": topic} if topic else {}
        self._log.warning(event, **where, times=missed, **facts)
