"""This computer's clock, put right by the broker's: a time that the connector itself gives is its own to mend.

The broker stamps whatever it acknowledges. What lies outside of the moments before and behind is how much this clock is
off, for sure. From then on the connector gives times as the broker would, and tells people to set the clock right; rows
that HQ rejected for such a time are planned again. A time that the sheet gives stays the person's. A clock that is set
between two stamps is noticed by the steady one, which only a sleeping machine stops.

Nobody signs a stamp. One that is older than what HQ has signed is the broker's error, or a lie: it is not believed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.alarms import Alarm, AlarmText
from connectors.runtime.outbox.database import Database
from hub.protocol.errors import Retriable
from hub.protocol.limits import BROKER_CLOCK_NOTICED, BROKER_CLOCK_OFF_MAX
from hub.protocol.moment import write_time

RIGHT: Final = timedelta()
# A stamp is cut to a millisecond.
STAMP: Final = timedelta(milliseconds=1)
# A gap that moves by less is told as it was.
TOLD_AGAIN: Final = timedelta(seconds=10)

log = structlog.get_logger(__name__)


def find_gap(before: datetime, stamped: datetime, after: datetime) -> timedelta:
    """Return by how much a clock is ahead (behind, if it is negative) of the one that stamped between two moments."""
    return min(after - stamped, RIGHT) or max(before - stamped - STAMP, RIGHT)


class OfficeClock:
    """What time it is.

    Shapes: `changed` is called when it was first measured, and when it is set; `steady_s` never goes back; `signed`
            returns the newest time that HQ has signed, None where nothing of HQ's is here.
    """

    def __init__(
        self,
        database: Database,
        changed: Callable[[], None] = lambda: None,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        steady_s: Callable[[], float] = time.monotonic,
        signed: Callable[[], datetime | None] = lambda: None,
    ) -> None:
        self._database = database
        self._changed = changed
        self._signed = signed
        self._is_believed = True
        self._steady_s = steady_s
        self._gap: timedelta | None = None
        self._measured_at = wall(), steady_s()
        self.wall = wall

    @property
    def is_known(self) -> bool:
        """Whether it was compared with the broker's."""
        return self._gap is not None

    def now(self) -> datetime:
        """Return the time, right as far as it is known."""
        wall = self.wall()
        gap = RIGHT if self._gap is None else self._gap + self._set_since(wall)
        return wall - gap if abs(gap) > BROKER_CLOCK_NOTICED else wall

    def _set_since(self, wall: datetime) -> timedelta:
        """Return by how much the clock was set since it was compared, forward or, if it is negative, back.

        A machine that slept looks as if its clock had been set forward: that is believed where it puts the clock right.
        """
        assert self._gap is not None
        wall_then, steady_then_s = self._measured_at
        jump = wall - wall_then - timedelta(seconds=self._steady_s() - steady_then_s)
        is_set = jump < -BROKER_CLOCK_NOTICED or (
            jump > BROKER_CLOCK_NOTICED and abs(self._gap + jump) <= BROKER_CLOCK_NOTICED
        )
        return jump if is_set else RIGHT

    def measured(self, gap: timedelta) -> None:
        """Take note of how much the clock is off; not where HQ has signed what would be a later time than now."""
        # A smaller gap is not gone by, and a stamp that is ahead of this clock is no older than what HQ has signed.
        signed = self._signed() if gap > BROKER_CLOCK_NOTICED else None
        stamped = self.wall() - gap
        was_believed, self._is_believed = self._is_believed, signed is None or stamped >= signed - BROKER_CLOCK_OFF_MAX
        if signed is not None and not self._is_believed:
            if was_believed:
                log.warning("broker_clock_behind", stamped=write_time(stamped), signed=write_time(signed))
            return
        before, then = self._gap, self._measured_at
        self._gap, self._measured_at = gap, (self.wall(), self._steady_s())
        if before is not None and abs(gap - before) < TOLD_AGAIN:
            return
        try:
            self._tell(gap)
            self._changed()
        except Retriable:
            self._gap, self._measured_at = before, then  # it is measured again soon

    def _tell(self, gap: timedelta) -> None:
        alarm: Alarm | None = None
        if abs(gap) > BROKER_CLOCK_NOTICED:
            text = AlarmText.CLOCK_AHEAD if gap > RIGHT else AlarmText.CLOCK_BEHIND
            alarm = Alarm(text, {"gap": hours(gap)})
            log.warning("clock_wrong", gap=hours(gap), ahead=gap > RIGHT)
        elif self._database.meta(AlarmName.CLOCK) is not None:
            log.info("clock_right")
        self._database.set_meta(AlarmName.CLOCK, None if alarm is None else alarm.to_text())


def hours(gap: timedelta) -> str:
    """Return how long a time is, as hours, minutes and seconds."""
    seconds = round(abs(gap).total_seconds())
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
