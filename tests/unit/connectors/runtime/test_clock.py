"""A wrong clock of the office's computer is measured, told, and mended where the connector gave the time itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.clock import OfficeClock, find_gap, hours
from connectors.runtime.ids import EventIds, is_misdated, time_of
from hub.protocol.moment import write_time
from tests.support.office import NOW, Office

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("stamped", "gap"),
    [
        (NOW + SECOND, timedelta()),
        (NOW - DAY, DAY - timedelta(milliseconds=1)),
        (NOW + DAY, 2 * SECOND - DAY),
        (NOW - timedelta(milliseconds=1), timedelta()),
    ],
)
def test_gap_is_what_lies_outside_of_the_two_moments(stamped: datetime, gap: timedelta) -> None:
    """A broker that is slow makes no clock wrong; a stamp is cut to a millisecond."""
    assert find_gap(NOW, stamped, NOW + 2 * SECOND) == gap


def test_clock_that_is_wrong_is_told_and_put_right_until_it_is_set(office: Office) -> None:
    """The time that the connector gives is the broker's; when a person has set the clock, the alarm is over."""
    changes: list[str] = []
    clock = OfficeClock(office.outbox.database, lambda: changes.append("measured"), lambda: NOW)
    assert (clock.now(), clock.is_known) == (NOW, False)
    clock.measured(2 * DAY + SECOND)
    assert clock.now() == NOW - 2 * DAY - SECOND
    assert "48:00:01" in office.outbox.status("ru")["alarms"][AlarmName.CLOCK]
    clock.measured(2 * DAY)
    assert len(changes) == 1  # it goes on as it was
    clock.measured(-DAY)
    assert "отстают на 24:00:00" in office.outbox.status("ru")["alarms"][AlarmName.CLOCK]
    clock.measured(SECOND)
    assert (clock.now(), office.outbox.status()["alarms"], len(changes)) == (NOW, {}, 3)


def test_time_is_the_connectors_own_if_it_is_that_of_the_events_id() -> None:
    """A date of the sheet is the person's; a time that has come by now is no reason to send anything again."""
    event_id, now = EventIds().make(), datetime.now(UTC)
    own, dated = write_time(time_of(event_id)), write_time(now + 2 * DAY)
    assert is_misdated(own, event_id, now - 2 * DAY)
    assert not is_misdated(dated, event_id, now - 2 * DAY)
    assert not is_misdated(own, event_id, now + DAY)
    assert not is_misdated(own, event_id, None)
    assert not is_misdated("yesterday", event_id, now)


def test_gap_is_said_in_hours() -> None:
    assert hours(-timedelta(days=2, hours=3, seconds=4.4)) == "51:00:04"
