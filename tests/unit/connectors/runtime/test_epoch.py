"""Opening a lane is told as what it is: a beginning, or something that a person should know of."""

from __future__ import annotations

from structlog.testing import capture_logs

from connectors.runtime.epoch import open_epoch
from tests.support.office import CENTER, HUB, Office


def test_first_lane_is_told_as_a_beginning_and_any_other_as_a_warning(office: Office) -> None:
    """Nobody is warned by the first start of an office; a second lane is worth a look."""
    with capture_logs() as logs:
        for reason in ("a new outbox", "the office moved"):
            open_epoch(office.outbox, office.codecs, office.ids, HUB, CENTER, reason)
            office.seal()
    told = [(log["log_level"], log["reason"]) for log in logs if log["event"] == "lane_opened"]
    assert told == [("info", "a new outbox"), ("warning", "the office moved")]
