"""Which of two lanes is the newer one, where HQ's clock was ahead and HQ took back what it gave then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connectors.runtime.codecs import Codecs
from connectors.runtime.epoch import reason_for_epoch
from connectors.runtime.outbox.meta import Foreign
from connectors.runtime.outbox.origins import ReceiptOutcome
from hub.domain.clock import Correction
from hub.protocol.errors import Fatal
from tests.support.office import CENTER, HUB, NOW, Office

OTHER = f"{HUB}/{CENTER}/eeeeeeee"
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
