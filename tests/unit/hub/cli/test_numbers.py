"""Numbers that no database and no calendar holds, wherever a command takes one."""

from __future__ import annotations

import pytest

from tests.unit.hub.cli.conftest import Run

HUGE = "9" * 25
LONG = "9" * 5_000  # Python makes no number of it


@pytest.mark.parametrize("number", [HUGE, LONG])
@pytest.mark.parametrize(
    "command",
    [
        "quarantine show {}",
        "log checkpoint {}",
        "log proof uz/00000001 {}",
        "ledger archive --older-than {}",
        "rules adopt {} --yes",
        "quarantine list --limit {}",
    ],
)
def test_number_that_is_too_large_is_wrong_use(made: Run, command: str, number: str) -> None:
    """It is said in a sentence, and no error of Python's."""
    done = made(*command.format(number).split())
    assert done.status == 2
    assert "Error" not in done.err


@pytest.mark.parametrize("number", [HUGE, LONG])
def test_sequence_beyond_every_lane_bounds_nothing(made: Run, number: str) -> None:
    profile = ("--name", "T", "--country", "UZ", "--direction", "north", "--language", "en")
    assert made("center", "add", "uz", *profile).status == 0
    lane = made("lane", "list", "--json").out.split('"origin": "')[1].split('"')[0]
    assert made("audit", "verify", "--lane", lane, "--from", "1", "--to", number).status == 0
    done = made("audit", "verify", "--lane", lane, "--from", number, "--to", "1")
    assert (done.status, "before it begins" in done.err) == (2, True)
    done = made("replay", "to", "file.avro", "--after", f"{lane}:{number}")
    assert (done.status, "Error" in done.err) == (2, False)
