"""HQ's clock, compared with the broker's before anything is recorded by it, and again while the worker runs.

What HQ records it signs, with the time: a clock that is ahead for one commit would hold up its lanes until that time
has come. So the worker asks the broker's time before its first commit, every minute, and whenever its clock was set,
which a steady clock shows before the next commit does harm. A difference ends the process, in both directions: which
of the two clocks is wrong, a person has to find out.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from hub.base.kafka import LOG_APPEND_TIME
from hub.kafka.clock import Stamped
from hub.protocol.errors import Fatal, Retriable
from hub.protocol.limits import BROKER_CLOCK_OFF_MAX
from hub.protocol.record import KafkaRecord

COMPARE_EVERY_S: Final = 60.0
CLOCK_BEHIND_MAX_S: Final = 5.0
APART: Final = timedelta(seconds=1)  # by less two clocks on two machines may differ
SET_S: Final = 60.0  # by so much the clock may part from the steady one before it is compared again

log = structlog.get_logger(__name__)


WHOSE_CLOCK: Final = (
    "HQ has recorded later than it is here: the clock of this worker is behind, or that of the worker was ahead which "
    "had this lane before: compare both with the broker's"
)


async def until_recorded(clock: Callable[[], datetime], recorded: datetime | None, newest: KafkaRecord) -> None:
    """Wait until the clock has passed what HQ recorded last. Errors: Fatal where it is off, also by `newest`."""
    now = clock()
    ahead_ms = newest.timestamp - int(now.timestamp() * 1000)  # no datetime: not every timestamp has one
    if ahead_ms > BROKER_CLOCK_OFF_MAX / timedelta(milliseconds=1) and newest.timestamp_type == LOG_APPEND_TIME:
        raise Fatal(
            f"HQ's clock is at {now:%Y-%m-%dT%H:%M:%SZ}, the broker's {ahead_ms / 1000:.0f} s ahead of it: set it"
        )
    if recorded is not None and now < recorded:
        behind_s = (recorded - now).total_seconds()
        if behind_s > CLOCK_BEHIND_MAX_S:
            raise Fatal(
                f"the clock of this worker, on {socket.gethostname()}, runs {behind_s:.0f} s behind its newest record, "
                "nothing was committed: set this clock, or that of the worker which recorded it, whichever is wrong; "
                "if this one is right, and one was ahead then, `hub clock correct` takes the wrong times back"
            )
        await asyncio.sleep(behind_s)


def refuse_apart(gap: timedelta, ours: datetime, brokers: datetime) -> None:
    """Return if HQ's clock, ahead of the broker's by `gap`, may be recorded by. Errors: Fatal."""
    if abs(gap) > BROKER_CLOCK_OFF_MAX:
        side = "ahead of" if gap > timedelta(0) else "behind"
        raise Fatal(
            f"HQ's clock ({ours:%Y-%m-%dT%H:%M:%SZ}) is {abs(gap).total_seconds():.0f} s {side} the broker's "
            f"({brokers:%Y-%m-%dT%H:%M:%SZ}), nothing is recorded by it: set the one that is wrong"
        )


class ComparedClock:
    """Whether HQ's clock may be believed.

    Shapes: `ask` returns the broker's time, beside ours by `wall`; `steady_s` never goes back, and is set by nobody.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[Stamped]],
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        steady_s: Callable[[], float] = time.monotonic,
        every_s: float = COMPARE_EVERY_S,
    ) -> None:
        self._ask = ask
        self._wall = wall
        self._steady_s = steady_s
        self._every_s = every_s
        self.ahead: timedelta | None = None  # of the broker's, when they were compared last
        self._epoch_s: float | None = None  # of the steady clock, in seconds of ours, when it was compared

    async def compare(self) -> None:
        """Compare the clocks. Errors: Fatal where they are apart; Retriable if no broker answers."""
        stamped = await self._ask()
        self.ahead = stamped.gap
        refuse_apart(stamped.gap, stamped.after, stamped.stamp)
        self._epoch_s = self._parted()

    async def sure(self) -> None:
        """Return once the clock may be believed: at once, where it has gone on as the steady one has since.

        Errors: as `compare`.
        """
        if self._epoch_s is None or abs(self._parted() - self._epoch_s) > SET_S:
            log.warning("clock_was_set", meaning="the process slept, or somebody set the clock: it is compared again")
            await self.compare()

    async def run(self) -> None:
        """Compare again and again; never returns. Errors: Fatal where the clocks are apart."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.compare()
            except Retriable as exc:
                log.info("clock_not_compared", error=str(exc))

    def _parted(self) -> float:
        return self._wall().timestamp() - self._steady_s()
