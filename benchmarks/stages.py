"""Where the worker's CPU time goes: that of each stage, taken around its own functions, in its own process.

A coroutine's time is what it uses between two suspensions; a stage's time is without that of the stages inside it. What
no stage has is the rest: aiokafka's fetch, Faust, sockets, other threads.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final

STAGES: Final = ("take", "read entities", "decide", "commit", "handle", "publish")
IN_TURN: Final = ("take", "commit")  # called again and again, with events


class Stages:
    """Adds up the CPU seconds of each stage in this process, once `install` has put the clocks there."""

    def __init__(self, cpu: Callable[[], float] = time.thread_time) -> None:
        self._cpu = cpu
        self.cpu_s: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._inside_s: list[float] = [0.0]  # of each segment that is running, the time of the segments inside it

    def install(self) -> None:
        """Put a clock around the functions of each stage of the worker."""
        from hub.ledger import engine  # noqa: PLC0415 - each contender pays for its own imports only
        from hub.store.sqlite import SqliteStore  # noqa: PLC0415
        from hub.worker.consolidator import Consolidator  # noqa: PLC0415
        from hub.worker.publisher import Publisher  # noqa: PLC0415
        from hub.worker.remembered import Remembered  # noqa: PLC0415

        for stage, owner, name, clocked in (
            ("take", engine, "plan", self.called),
            ("read entities", Remembered, "known", self.called),
            ("read entities", SqliteStore, "entities", self.awaited),
            ("decide", engine, "judge", self.called),
            ("commit", SqliteStore, "commit", self.awaited),
            ("handle", Consolidator, "handle", self.awaited),
            ("publish", Publisher, "run", self.awaited),
        ):
            setattr(owner, name, clocked(stage, getattr(owner, name)))

    def begin(self) -> None:
        """Count from here on."""
        self.cpu_s.clear()
        self.calls.clear()

    def report(self, total_us: float, events: int) -> dict[str, dict[str, float]]:
        """Return the µs an event of each stage, with what is left of the total, and how many events come at once."""
        cpu_us = {stage: self.cpu_s[stage] / events * 1e6 for stage in STAGES}
        return {
            "cpu_us": cpu_us | {"rest": total_us - sum(cpu_us.values())},
            "events_per_call": {stage: events / self.calls[stage] for stage in IN_TURN if self.calls[stage]},
        }

    def called(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with a clock around it."""

        @wraps(function)
        def clocked(*given: Any, **named: Any) -> Any:
            self.calls[stage] += 1
            with self.segment(stage):
                return function(*given, **named)

        return clocked

    def awaited(self, stage: str, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        """Return the coroutine function with a clock around all that it does between suspensions."""

        @wraps(function)
        async def clocked(*given: Any, **named: Any) -> Any:
            self.calls[stage] += 1
            return await _Clocked(self, stage, function(*given, **named))

        return clocked

    @contextmanager
    def segment(self, stage: str) -> Iterator[None]:
        """Count what runs meanwhile for the stage, but for the segments inside it."""
        self._inside_s.append(0.0)
        start = self._cpu()
        try:
            yield
        finally:
            spent = self._cpu() - start
            self.cpu_s[stage] += spent - self._inside_s.pop()
            self._inside_s[-1] += spent


class _Clocked:
    def __init__(self, stages: Stages, stage: str, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._stages = stages
        self._stage = stage
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        go_on, given = self._coroutine.send, None
        while True:
            with self._stages.segment(self._stage):
                try:
                    suspended = go_on(given)
                except StopIteration as done:
                    return done.value
            try:
                go_on, given = self._coroutine.send, (yield suspended)
            except BaseException as exc:  # noqa: BLE001 - a cancellation is the coroutine's own to answer
                go_on, given = self._coroutine.throw, exc
