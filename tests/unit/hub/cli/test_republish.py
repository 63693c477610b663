"""`hub republish` where there is no broker to say anything to."""

from __future__ import annotations

from pathlib import Path

from tests.support.peek import peek
from tests.unit.hub.cli.conftest import Run


def test_broker_that_does_not_answer_ends_it_and_nothing_is_asked(made: Run, tmp_path: Path) -> None:
    """It would wait for ever, and the next worker would begin to say all of it again."""
    profile = ("--name", "T", "--country", "UZ", "--direction", "north", "--language", "en")
    assert made("center", "add", "uz", *profile).status == 0
    done = made("republish", "events", "--bootstrap", "127.0.0.1:1")
    assert (done.status, done.out) == (1, "")
    assert "nobody listens there" in done.err
    assert peek(tmp_path / "data" / "hub.sqlite3", "SELECT count(*) FROM said_again") == [(0,)]
