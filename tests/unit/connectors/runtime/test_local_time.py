"""Times as people of an office read them, whatever somebody has signed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from connectors.runtime.hq_words import hq_notice, plain_said, status_said
from connectors.runtime.local_time import show_time
from connectors.runtime.standing import Kept
from hub.protocol.status import State, StatusNote
from schemas.words import LANGUAGES

FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(params=["Asia/Shanghai", "America/New_York", "UTC"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield str(request.param)
    time.tzset()


def test_time_is_shown_in_this_computers_zone_and_what_no_calendar_has_as_it_stands(zone: str) -> None:
    """The last day that there is has no next one in the east, and the first no one before it in the west."""
    assert show_time(NOW)[11:] == {"Asia/Shanghai": "20:00:00", "America/New_York": "07:00:00", "UTC": "12:00:00"}[zone]
    for moment in (FIRST, LAST):
        assert len(show_time(moment, "%H:%M")) == 5
    if zone != "America/New_York":
        assert show_time(LAST) == "9999-12-31 23:59:59"


@pytest.mark.parametrize("time_said", [FIRST, NOW, LAST])
@pytest.mark.parametrize("since", [FIRST, LAST])
def test_status_of_any_time_is_told(zone: str, time_said: datetime, since: datetime) -> None:
    """HQ's note is signed, and ends nobody."""
    note = StatusNote("hub.example", "uz", time_said, "", 0, State.PARKED, since, "GAP 0a1b2c3d 1 2", 2**63 - 1,
                      "hub.example/hq/00c0ffee", 2**63 - 1)  # fmt: skip
    kept = Kept.read(StatusNote.from_text(note.to_text()), NOW, NOW)
    for language in LANGUAGES:
        assert status_said(kept, is_stale=True).text(language)
        assert hq_notice(kept, language, is_stale=False).said
        for wall in (FIRST, NOW, LAST):
            assert plain_said(kept.plain(wall)).text(language), zone
