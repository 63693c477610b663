"""What `connector check` says where the broker lets in, or not any more, and HQ does not read this center."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.cli.check_standing import closed_obstacle, past_times, standing_obstacle
from connectors.cli.main import run_command
from connectors.cli.office import OpenedOffice
from connectors.runtime.joining import REQUEST
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.registry import OurCenter, Registry
from connectors.runtime.standing import Kept
from hub.base.obstacle import plain_obstacle
from hub.protocol.status import State, StatusNote
from schemas.words import LANGUAGES
from schemas.words.said import said

HUB = "hub.example"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SINCE = NOW - timedelta(days=3)


def note(state: State, why: str = "") -> StatusNote:
    return StatusNote(HUB, "uz", NOW, "", 0, state, SINCE, why, 17, f"{HUB}/hq/00c0ffee", 1)


def registry(status: str, reason: str = "") -> Registry:
    found = Registry("uz")
    found.center = OurCenter(status, (), frozenset(), reason)
    return found


def test_active_center_has_no_obstacle() -> None:
    """Nor has one that HQ does not know, which is told as that."""
    assert standing_obstacle(registry("active"), note(State.READS)) is None
    assert standing_obstacle(Registry("uz"), None) is None


@pytest.mark.parametrize("state", [State.SUSPENDED, State.CLOSED])
def test_since_when_and_why_are_told_in_each_language(state: State) -> None:
    """The sealed lane says that it is so, and why; HQ's status note since when."""
    found = standing_obstacle(registry(state, "an audit"), note(state, f"{state.upper()} an audit"))
    assert found is not None
    assert plain_obstacle(found)["code"] == state
    for language in LANGUAGES:
        text = found.text(language)
        assert "2026-05-29 12:00:00 UTC" in text
        assert "an audit" in text
    assert "What to do: ask HQ" in found.text()


def test_time_that_nobody_told_is_not_invented() -> None:
    """A note of before, or none: since when is not known here."""
    for before in (None, note(State.READS)):
        found = standing_obstacle(registry("suspended"), before)
        assert found is not None
        assert "since a time that is not known here" in found.text()


def test_login_that_is_refused_after_a_closing_is_told_as_that() -> None:
    """HQ takes a closed center's user away: what it said last explains why the password is of no use."""
    refused = (said("obstacles.at", address="hq:9093", reason=said("obstacles.login_refused")),)
    closed = Kept.read(note(State.CLOSED, "CLOSED moved"), NOW, NOW)
    found = closed_obstacle(closed, refused)
    assert found is not None
    assert "moved" in found.text("ru")
    assert closed_obstacle(Kept.read(note(State.READS), NOW, NOW), refused) is None
    assert closed_obstacle(None, refused) is None
    assert closed_obstacle(closed, (said("obstacles.nobody_listens"),)) is None


def test_what_hq_signed_is_a_time_that_has_been(tmp_path: Path) -> None:
    """It proves a clock that is behind; an office that never heard of HQ has none."""
    (tmp_path / "connector.yaml").write_text("hub: hub.example\ncenter: uz\nbootstrap: 127.0.0.1:1\n", "utf-8")
    office = OpenedOffice.open(tmp_path)
    assert past_times(office) == []
    with Outbox(office.outbox) as outbox:
        assert past_times(office) == []
        outbox.database.set_meta(Meta.HQ_STATUS, Kept.read(note(State.READS), NOW, NOW).to_text())
    assert [(clock.at, clock.is_past) for clock in past_times(office)] == [(NOW, True)]


def test_check_of_an_office_that_hq_has_not_confirmed_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no settings yet that would say its language: so each reads it in his own."""
    (tmp_path / "keys").mkdir()
    (tmp_path / REQUEST).write_text("{}")
    assert run_command(["check", "--office", str(tmp_path)]) == 63
    text = capsys.readouterr().out
    assert "HQ has not confirmed it yet: call HQ" in text
    assert "штаб-квартира его ещё не подтвердила" in text
    assert "总部尚未确认" in text
    assert run_command(["check", "--office", str(tmp_path), "--json"]) == 63
    (found,) = json.loads(capsys.readouterr().out)
    assert found["obstacles"] == [{"code": "unconfirmed", "values": {}}]
    (tmp_path / REQUEST).unlink()
    assert run_command(["check", "--office", str(tmp_path)]) == 2
