"""A wrong clock of the office's computer is measured, told, and mended where the connector gave the time itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.reconcile.belief import Aim
from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.clock import OfficeClock, find_gap, hours
from connectors.runtime.ids import EventIds, is_misdated, time_of
from connectors.runtime.outbox.beliefs import save
from connectors.runtime.outbox.queue import append
from hub.protocol.moment import write_time
from hub.protocol.receipt import Decision
from hub.protocol.verdict import Code
from tests.support.office import CENTER, NOW, Office

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


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


@pytest.mark.parametrize("gap", [3650 * DAY, 2 * DAY])
def test_stamp_that_is_older_than_what_hq_has_signed_puts_no_clock_right(office: Office, gap: timedelta) -> None:
    """Whoever holds the broker would date all that the connector gives a time; a stamp behind it is believed."""
    office.open()
    office.queue("A")
    office.seal()
    clock = OfficeClock(office.outbox.database, wall=lambda: NOW + DAY, signed=office.outbox.answers.newest_recorded_at)
    clock.measured(HOUR)  # nothing of HQ's is here yet
    assert clock.now() == NOW + DAY - HOUR
    office.answer(1, 2)
    recorded = office.outbox.answers.newest_recorded_at()
    assert recorded is not None
    assert recorded > NOW + DAY - gap + HOUR
    clock.measured(gap)
    assert clock.now() == NOW + DAY - HOUR
    clock.measured(2 * HOUR)
    assert clock.now() == NOW + DAY - 2 * HOUR


@pytest.mark.parametrize(
    ("gap", "jump"),
    [
        (3 * DAY, -3 * DAY),  # set right: a time of three days ago would be given, and HQ would take it
        (-3 * DAY, 3 * DAY),
        (timedelta(), -3 * DAY),  # a right clock that is set wrong: it is put right before the next stamp tells
        (3 * DAY, -DAY),
        (3 * DAY, HOUR),  # it slept, and is as wrong as before
        (timedelta(), HOUR),
        (timedelta(), 30 * SECOND),
    ],
)
def test_clock_that_is_set_between_two_stamps_gives_right_times(
    office: Office, gap: timedelta, jump: timedelta
) -> None:
    """The steady clock tells that it was set; a machine that slept has stopped that one alone."""
    slept = jump if jump > timedelta() and gap + jump else timedelta()
    wall, steady = [NOW + gap], [100.0]
    clock = OfficeClock(office.outbox.database, wall=lambda: wall[0], steady_s=lambda: steady[0])
    clock.measured(gap)
    assert clock.now() == NOW
    wall[0] += 10 * SECOND + jump
    steady[0] += 10
    assert clock.now() == NOW + 10 * SECOND + slept


def test_time_is_the_connectors_own_if_it_is_that_of_the_events_id() -> None:
    """A date of the sheet is the person's; a time that has come by now is no reason to send anything again."""
    event_id, now = EventIds().make(), datetime.now(UTC)
    own, dated = write_time(time_of(event_id)), write_time(now + 2 * DAY)
    assert is_misdated(own, event_id, now - 2 * DAY)
    assert not is_misdated(dated, event_id, now - 2 * DAY)
    assert not is_misdated(own, event_id, now + DAY)
    assert not is_misdated(own, event_id, None)
    assert not is_misdated("yesterday", event_id, now)


@pytest.mark.parametrize("count", [3, 60])
def test_rows_are_planned_again_in_one_pass_over_the_events(office: Office, count: int) -> None:
    """A clock that was wrong at the first start may have had all rows rejected; the sheet's own dates are left."""
    ahead = datetime.now(UTC) + 3 * DAY
    made = EventIds(lambda: int(ahead.timestamp() * 1000))
    keys = [f"K-{number}" for number in range(count)]
    events = [replace(office.event(key), id=made.make(), time=ahead) for key in keys]
    events.append(replace(office.event("dated"), id=made.make(), time=ahead + DAY))
    aims = {f"offer/{CENTER}:{key}": Aim(b"1", "a.csv") for key in (*keys, "dated")}
    with office.outbox.database.transaction() as connection:
        save(connection, append(connection, events, {}, aims))
    office.open()
    batch = office.seal()
    late = [Decision(number, Code.TIME_IN_FUTURE, "ce_time") for number in range(2, batch.last + 1)]
    office.answer(batch.first, batch.last, *late)
    assert office.outbox.answers.replan_own_times() == set()  # nobody knows yet what time it is
    office.outbox.answers.time = lambda: datetime.now(UTC)
    asked: list[str] = []
    with office.outbox.database.transaction() as connection:
        connection.set_trace_callback(asked.append)
        assert office.outbox.answers.replan_own_times() == {"a.csv"}
        connection.set_trace_callback(None)
    assert len([sql for sql in asked if "FROM event" in sql]) == 1
    assert {office.entity(key)[3] for key in keys} == {"pending"}
    assert office.entity("dated")[3] == "rejected"


def test_gap_is_said_in_hours() -> None:
    assert hours(-timedelta(days=2, hours=3, seconds=4.4)) == "51:00:04"
