"""Which of two lanes is the newer one, where HQ's clock was ahead and HQ took back what it gave then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connectors.runtime.codecs import Codecs
from connectors.runtime.epoch import reason_for_epoch
from connectors.runtime.outbox.database import OutboxBroken
from connectors.runtime.outbox.meta import Foreign, Meta, began
from connectors.runtime.outbox.origins import ReceiptOutcome
from hub.domain.clock import Correction
from hub.protocol.errors import Fatal
from tests.support.office import CENTER, HUB, NOW, Office

OTHER = f"{HUB}/{CENTER}/eeeeeeee"
THIRD = f"{HUB}/{CENTER}/dddddddd"
HOUR = timedelta(hours=1)
AHEAD = NOW + timedelta(days=365)
START = NOW - timedelta(days=90)
SAID = Correction(NOW, AHEAD, "a year ahead")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path / "outbox.sqlite3", Codecs())
    yield made
    made.outbox.close()


def begin(office: Office, at: object) -> None:
    office.open()
    office.seal()
    office.answer(1, 1, at=at)  # type: ignore[arg-type]


def test_former_lane_that_a_wrong_clock_dated_ahead_stops_nobody(office: Office) -> None:
    """Ours has followed it: without HQ's word it would count as another machine's for a year."""
    begin(office, NOW + HOUR)
    office.outbox.answers.origins.correct(SAID)
    assert office.answer(1, 9, origin=OTHER, at=AHEAD).outcomes == [ReceiptOutcome.STRAY]
    assert reason_for_epoch(office.outbox) is None
    newest = office.outbox.answers.origins.newest()
    assert newest is not None
    assert newest.origin != OTHER


def test_lane_that_follows_ours_is_known_though_ours_was_dated_ahead(office: Office) -> None:
    """Another machine writes for this center, and is not taken for an old one until the wrong time has come."""
    begin(office, AHEAD)
    office.outbox.answers.origins.correct(SAID)
    assert office.answer(1, 9, origin=OTHER, at=NOW + HOUR).outcomes == [ReceiptOutcome.FOREIGN]


def test_office_that_was_stopped_before_it_knew_goes_on_at_its_next_start(office: Office) -> None:
    """Once HQ's word was read: it is kept in the outbox, and looked at before the reason to stop is."""
    begin(office, NOW + HOUR)
    office.outbox.database.set_foreign(Foreign(OTHER, AHEAD))
    with pytest.raises(Fatal):
        reason_for_epoch(office.outbox)
    office.outbox.answers.origins.correct(SAID)
    office.outbox.answers.origins.correct(None)  # a registry that does not say it takes nothing away
    office.outbox.claim(HUB, CENTER)
    assert reason_for_epoch(office.outbox) is None


@pytest.mark.parametrize("is_ours_later", [True, False])
def test_of_two_lanes_that_a_wrong_clock_dated_the_later_is_the_later(office: Office, is_ours_later: bool) -> None:
    """HQ's times never go back but at its word: within what it took back their order is the right one."""
    begin(office, AHEAD - HOUR)
    office.outbox.answers.origins.correct(SAID)
    at = AHEAD - 2 * HOUR if is_ours_later else AHEAD
    expected = ReceiptOutcome.STRAY if is_ours_later else ReceiptOutcome.FOREIGN
    assert office.answer(1, 9, origin=OTHER, at=at).outcomes == [expected]


@pytest.mark.parametrize(
    ("ours", "theirs", "basis", "stops"),
    [
        (START + 2 * HOUR, START + 9 * HOUR, 4, False),  # by the wrong clock, before ours: HQ took it back
        (START + 2 * HOUR, START + 9 * HOUR, 5, True),  # under HQ's word: the right clock, and later than ours
        (START - HOUR, START + 9 * HOUR, 4, True),  # ours began before the clock was wrong
    ],
)
def test_time_that_has_come_meanwhile_is_told_by_its_basis(
    office: Office, ours: datetime, theirs: datetime, basis: int, stops: bool
) -> None:
    """Also a year later, and by a computer whose own clock is wrong: what was judged before HQ's word is wrong."""
    office.open()
    office.seal()
    office.answer(1, 1, at=ours, basis=5 if ours > START else 3)
    office.outbox.database.set_foreign(Foreign(OTHER, theirs, basis=basis))
    origins = office.outbox.answers.origins
    assert origins.reconsider(Correction(START, START + 30 * HOUR, "ahead", 1, 5), HUB, CENTER) is stops
    assert (office.outbox.database.foreign() is not None) is stops


def test_of_two_lanes_that_were_met_before_ours_the_later_counts_whatever_a_wrong_clock_called_the_time(
    office: Office,
) -> None:
    """One that HQ dated ahead, and took that back, keeps no later one from being known."""
    office.open()
    office.seal()
    office.outbox.answers.origins.correct(Correction(START, AHEAD, "ahead", 1, 5))
    for origin, at, basis in ((OTHER, AHEAD, 4), (THIRD, START + 3 * HOUR, 6)):
        assert office.answer(1, 9, origin=origin, at=at, basis=basis).outcomes == [ReceiptOutcome.MET]
    assert office.answer(1, 1, at=START + 2 * HOUR, basis=6).outcomes == [ReceiptOutcome.FOREIGN]
    foreign = office.outbox.database.foreign()
    assert foreign is not None
    assert foreign.origin == THIRD


@pytest.mark.parametrize("value", ["{}", "[", "7", "yesterday 1"])
@pytest.mark.parametrize("name", [Meta.NEWEST, Meta.CLOCK_CORRECTED, began(1)])
def test_value_that_no_release_has_written_is_damage(office: Office, name: str, value: str) -> None:
    """Told as that, with what to do: no error of a parser ends a connector."""
    begin(office, NOW)
    office.outbox.database.set_meta(name, value)
    with pytest.raises(OutboxBroken, match="is damaged: restore a copy"):
        office.answer(1, 9, origin=OTHER, at=NOW + HOUR)


def test_lane_that_was_met_and_is_kept_in_no_form_of_a_release_is_damage(office: Office) -> None:
    office.open()
    office.seal()
    office.outbox.database.set_meta(Meta.MET, "{}")
    with pytest.raises(OutboxBroken, match="is damaged: restore a copy"):
        office.answer(1, 9, origin=OTHER, at=NOW + HOUR)
