"""`connector orphans` lists what HQ has and no sheet names, with what to do; so do `status` and the verdict sheets."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from connectors.cli.main import run_command
from connectors.reconcile.ending import endings
from connectors.runtime.outbox.schema import VERSION
from hub.domain.catalogue import STREAMS
from hub.protocol.receipt import Decision
from schemas.words import LANGUAGES
from tests.support.releases import old_schema
from tests.support.sheets_office import SheetsOffice


def command(office: SheetsOffice, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert run_command([*arguments, "--office", str(office.path)]) == 0
    return capsys.readouterr().out


def speak(office: SheetsOffice, language: str) -> None:
    path = office.path / "connector.yaml"
    path.write_text(path.read_text("utf-8").replace("language: en", f"language: {language}"), "utf-8")


@pytest.fixture
def office(tmp_path: Path) -> SheetsOffice:
    made = SheetsOffice(tmp_path / "office")
    made.write("offers.csv", "1,Pump", "2,Kiln", "3,Crane")
    made.write("offers old.csv", "8,Tower")
    made.settle()
    made.write("offers.csv", "1,Pump", "3,Crane")
    (made.path / "offers old.csv").unlink()
    made.settle()
    return made


def test_orphans_are_listed_with_what_is_known_of_them(
    office: SheetsOffice, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stream, the number, the title, the file and row that named it last, since when, and how to end it."""
    found: list[dict[str, Any]] = json.loads(command(office, capsys, "orphans", "--json"))
    assert [
        (one["stream"], one["key"], one["title"], one["status"], one["file"], one["file_is_there"], one["row"])
        for one in found
    ] == [
        ("offer", "8", "Tower", "published", "offers old.csv", False, 2),
        ("offer", "2", "Kiln", "published", "offers.csv", True, 3),
    ]
    assert all(one["since"] and one["ends_with"] == ["withdrawn"] for one in found)
    assert "with the number 2 back with the status withdrawn" in found[1]["remedy"]


def test_orphan_that_hq_may_have_is_listed_as_not_known(
    office: SheetsOffice, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No status is guessed: it is said in words that it is not known."""
    monkeypatch.setenv("COLUMNS", "160")
    with office.outbox.database.transaction() as connection:
        connection.execute("UPDATE entity SET status='', presumed_status='' WHERE id LIKE '%:2'")
    found = json.loads(command(office, capsys, "orphans", "--json"))
    assert [(one["key"], one["status"]) for one in found] == [("8", "published"), ("2", "unknown")]
    assert "not known: HQ may have it" in command(office, capsys, "orphans")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no tzset")
def test_table_has_the_time_of_this_computer(
    office: SheetsOffice, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every other time that an office reads on its terminal."""
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", "XXX-7")  # seven hours ahead of UTC, as POSIX writes it
            time.tzset()
            said = command(office, capsys, "orphans")
    finally:
        time.tzset()
    since = datetime.fromisoformat(json.loads(command(office, capsys, "orphans", "--json"))[0]["since"])
    there = since.astimezone(timezone(timedelta(hours=7)))
    assert f"{there:%H:%M}" in said
    assert f"{since.astimezone(UTC):%H:%M}" not in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_orphans_are_told_in_the_offices_language(
    office: SheetsOffice, capsys: pytest.CaptureFixture[str], language: str
) -> None:
    """A table, and what to do about each stream, said once."""
    speak(office, language)
    said = command(office, capsys, "orphans")
    assert "Kiln" in said
    assert "offers" in said
    assert "old.csv" in said  # below the other word, where the column is narrow
    head, end = {
        "en": ("HQ has these 2", "with the status withdrawn, and"),
        "ru": ("В штаб-квартире есть (2)", "статусом withdrawn (отозвано)"),
        "zh": ("总部有 2 项", "withdrawn (已撤回)"),
    }[language]
    assert said.startswith(head)
    assert end in said
    counted = {"en": "HQ has 2 that no sheet", "ru": "есть (2) то, чего нет", "zh": "总部有 2 项"}[language]
    assert counted in command(office, capsys, "status")


def test_orphan_that_is_ended_as_it_was_told_leaves_the_list(
    office: SheetsOffice, capsys: pytest.CaptureFixture[str]
) -> None:
    """The row is put back with the status, accepted, and deleted again."""
    mapping = office.path / "mappings" / "offers.yaml"
    mapping.write_text(mapping.read_text("utf-8") + "status: {column: Status}\n", "utf-8")
    head = "Number,Title,Status"
    office.write("offers.csv", "1,Pump,published", "2,Kiln,withdrawn", "3,Crane,published", head=head)
    office.settle()
    office.write("offers.csv", "1,Pump,published", "3,Crane,published", head=head)
    office.settle()
    assert [one["key"] for one in json.loads(command(office, capsys, "orphans", "--json"))] == ["8"]
    assert json.loads(command(office, capsys, "status", "--json"))["totals"]["orphans"] == 1


def test_nothing_is_said_to_be_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An office whose sheets name all that HQ has is told so; a row that HQ never took is no orphan when it goes."""
    office = SheetsOffice(tmp_path / "office")
    office.write("offers.csv", "1,Pump")
    office.look()
    office.accept(Decision(2, "BAD_FIELD", "title"))
    office.write("offers.csv", "2,Kiln")
    office.settle()
    assert json.loads(command(office, capsys, "orphans", "--json")) == []
    assert command(office, capsys, "orphans").startswith("Nothing: all that HQ has")
    assert "no sheet names" not in command(office, capsys, "status")


def test_outbox_of_an_earlier_release_is_not_said_to_have_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody has looked for them there: the office is told to start the connector, not that all is well."""
    office = SheetsOffice(tmp_path / "office")
    office.outbox.close()
    (office.path / "outbox.sqlite3").unlink()
    with closing(sqlite3.connect(office.path / "outbox.sqlite3")) as db:
        db.executescript(old_schema(VERSION - 1))
    for form in ((), ("--json",)):
        capsys.readouterr()
        assert run_command(["orphans", *form, "--office", str(office.path)]) == 2
        said = capsys.readouterr()
        assert (said.out, "start the connector of this one" in said.err) == ("", True)


def test_verdict_sheets_tell_orphans(office: SheetsOffice) -> None:
    """In the sheet that named them last; those of files that are gone in every sheet, for theirs is read by nobody."""
    said = office.said("offers.csv")
    assert "rows are gone" in said
    assert ": 2\n" in said
    assert "offers old.csv" in said
    assert ": 8\n" in said
    assert "connector orphans" in said


def test_number_is_shown_as_the_sheet_had_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not as it stands in an id."""
    office = SheetsOffice(tmp_path / "office")
    office.write("offers.csv", "Печь № 1,Kiln", "2,Pump")
    office.settle()
    office.write("offers.csv", "2,Pump")
    office.settle()
    assert "Печь № 1" in office.said("offers.csv")
    assert "Печь № 1" in command(office, capsys, "orphans")
    assert "the number Печь № 1 back" in json.loads(command(office, capsys, "orphans", "--json"))[0]["remedy"]


def test_every_stream_ends_in_what_its_life_cycle_has() -> None:
    """A status from which nothing leads on but a new beginning; of a confirmation there is none."""
    assert {name: endings(stream) for name, stream in STREAMS.items() if stream.writer == "center"} == {
        "activity": ("held", "cancelled"),
        "deal": ("closed", "terminated"),
        "deal_confirmation": (),
        "investment": ("exited",),
        "lane": (),
        "offer": ("withdrawn",),
        "output": (),
        "partner": ("ended",),
        "project": ("completed", "cancelled"),
        "request": ("withdrawn",),
        "revenue": (),
        "service": ("delivered", "cancelled"),
    }
