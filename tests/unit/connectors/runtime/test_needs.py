"""What of an office's status needs a person, and what does not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.runtime.needs import ANSWER_MAX, KNOWN_FOR, LINK_DOWN_MAX, find_needs, is_known
from connectors.runtime.standing import STALE, Kept
from hub.protocol.moment import write_time
from hub.protocol.status import State, StatusNote
from schemas.words.said import said
from tests.support.office import CENTER, HUB, NOW

SECOND = timedelta(seconds=1)


def status(**changes: Any) -> dict[str, Any]:
    """Return a status in which all is well, but for the changes."""
    found: dict[str, Any] = {
        "connector": {"state": "running"},
        "link": {"state": "up", "since": write_time(NOW), "last_true": write_time(NOW)},
        "lane": {"waits_since": None},
        "alarms": {},
        "hq": None,
        "files": {"offers.xlsx": {"state": "taken"}},
        "totals": {"refused": 0, "rejected": 0},
    }
    return found | changes


def hq(state: State, age: timedelta = timedelta()) -> dict[str, Any]:
    """Return what HQ said of itself so long ago, as the status has it."""
    note = StatusNote(HUB, CENTER, NOW - age, "", 0, state, NOW - age, "OTHER a reason", 17, f"{HUB}/hq/00c0ffee", 1)
    return Kept.read(note, NOW, NOW).plain(NOW)


def down(since: timedelta) -> dict[str, Any]:
    return {"state": "down", "since": write_time(NOW - since), "last_true": write_time(NOW)}


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"connector": {"state": "stopped"}}, []),
        ({"connector": {"state": "never"}}, []),
        ({"connector": {"state": "ended"}}, ["connector"]),
        ({"connector": {"state": "killed"}}, ["connector"]),
        ({"link": down(LINK_DOWN_MAX)}, []),
        ({"link": down(LINK_DOWN_MAX + SECOND)}, ["link"]),
        ({"link": down(LINK_DOWN_MAX + SECOND), "connector": {"state": "stopped"}}, []),
        ({"lane": {"waits_since": write_time(NOW - ANSWER_MAX)}}, []),
        ({"lane": {"waits_since": write_time(NOW - ANSWER_MAX - SECOND)}}, ["answer"]),
        ({"hq": hq(State.READS)}, []),
        ({"hq": hq(State.WAITS)}, ["hq"]),
        ({"hq": hq(State.CLOSED)}, ["hq"]),
        ({"hq": hq(State.PARKED, age=STALE + SECOND)}, []),
        ({"alarms": {"key": "…", "clock": "…"}}, ["alarm.key", "alarm.clock"]),
        ({"files": {"a": {"state": "refused"}, "b": {"state": "waiting"}}}, ["file.refused", "file.waiting"]),
        ({"files": {"a": {"state": "locked"}, "b": {"state": "vanished"}, "c": {"state": "unmapped"}}}, []),
        ({"totals": {"refused": 1, "rejected": 2}}, ["rows.refused", "rows.rejected"]),
    ],
)
def test_needs_are_what_only_a_person_can_mend(changes: dict[str, Any], codes: list[str]) -> None:
    """Bad weather passes; after a while somebody should look all the same."""
    assert [need.code for need in find_needs(status(**changes), NOW)] == codes


def test_link_is_known_for_as_long_as_something_told_of_it() -> None:
    """What nobody has seen for a while is not how it is now, whichever way the clock went."""
    link = status()["link"]
    assert is_known(link, NOW + KNOWN_FOR)
    assert not is_known(link, NOW + KNOWN_FOR + SECOND)
    assert not is_known(link, NOW - KNOWN_FOR - SECOND)
    assert not is_known({"last_true": None}, NOW)


def test_mapping_that_cannot_be_used_needs_a_person() -> None:
    wrong = said("errors.other", detail="a.yaml: no valid YAML")
    (need,) = find_needs(status(), NOW, {"a.yaml": wrong})
    assert (need.code, need.text.text()) == (
        "mapping",
        "a mapping is wrong, and is not used: a.yaml: no valid YAML",
    )
