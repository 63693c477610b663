"""`connector person` and `connector erase`, as a person in an office uses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.cli.main import run_command
from connectors.mapping import PersonField, PersonSaid, person_identity
from connectors.runtime.persons import Persons
from connectors.runtime.persons.register import KEYS, REGISTER

MAPPING = """\
files: ["partners*.csv"]
stream: partner
key: [No]
fields:
  kind: {value: enterprise}
  name: {column: Name}
  country: {value: UZ}
persons:
  contact: {id: Mail, name: Who, email: Mail}
"""
SETTINGS = """\
hub: hub.example
center: uz
bootstrap: 127.0.0.1:1
"""
NIGORA = "nigora@example.org"


@pytest.fixture
def office(tmp_path: Path) -> Path:
    """An office with two persons, one of whom stands in two places."""
    folder = tmp_path / "office"
    (folder / "mappings").mkdir(parents=True)
    (folder / "mappings" / "partners.yaml").write_text(MAPPING, "utf-8")
    (folder / "connector.yaml").write_text(SETTINGS, "utf-8")
    with Persons(folder, "hub.example", "uz") as persons:
        for subject, mail, name in (
            ("uz:P-1", NIGORA, "Nigora Karimova"),
            ("uz:P-2", NIGORA, "Nigora Karimova"),
            ("uz:P-3", "timur@example.org", "Timur Aliev"),
        ):
            said = PersonSaid(person_identity([mail]), {"name": name, "email": mail})
            persons.seal(PersonField("partner", subject, "contact"), said)
    return folder


def run(office: Path, *arguments: str, status: int = 0) -> None:
    assert run_command([*arguments, "--office", str(office)]) == status


def asked(office: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    run(office, *arguments, "--json")
    return json.loads(capsys.readouterr().out)


def test_list_shows_everybody_and_reads_erased_for_those_who_are(
    office: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whom there is, where they stand, and who can't be read any more."""
    run(office, "person", "list")
    text = capsys.readouterr().out
    assert "Nigora Karimova, nigora@example.org" in text
    assert "partner uz:P-1, partner uz:P-2" in text
    run(office, "erase", "Nigora@EXAMPLE.org", "--yes")
    capsys.readouterr()
    run(office, "person", "list")
    text = capsys.readouterr().out
    assert "Nigora" not in text
    assert "(erased)" in text
    assert "Timur Aliev" in text
    found = asked(office, capsys, "person", "list")
    assert [(one["erased"], len(one["places"])) for one in found] == [(True, 2), (False, 1)]


def test_show_reads_what_is_sealed_until_it_is_erased(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One person with every place; the erased value says that it is."""
    run(office, "person", "show", NIGORA)
    text = capsys.readouterr().out
    assert "partner uz:P-1, contact; at HQ: not yet\n    name: Nigora Karimova\n    email: nigora@example.org\n" in text
    found = asked(office, capsys, "person", "show", NIGORA)
    assert [place["value"]["name"] for place in found["places"]] == ["Nigora Karimova"] * 2
    run(office, "erase", NIGORA, "--yes")
    capsys.readouterr()
    run(office, "person", "show", NIGORA)
    text = capsys.readouterr().out
    assert text.startswith("erased 20")
    assert "    (erased)\n" in text
    assert "Nigora" not in text


def test_erase_says_what_it_did_and_what_it_can_not_reach(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every place is named, and so are the sheets and copies of the key file; it can be repeated."""
    found = asked(office, capsys, "erase", NIGORA, "--yes")
    assert (found["erased"], found["again"], len(found["places"])) == (True, False, 2)
    assert [place["value"] for place in found["places"]] == [None, None]
    assert found["not_reached"] == [
        "the sheets and their copies",
        "copies of keys/persons.keys made before now",
    ]
    run(office, "erase", NIGORA)  # nothing is asked: nothing can be lost by it
    text = capsys.readouterr().out
    assert "this person was erased 20" in text
    assert "not reached by this: the sheets" in text


def test_person_can_be_named_by_number(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What told them from others may stand nowhere any more: the list has a number for each."""
    listed = asked(office, capsys, "person", "list")
    (timur,) = [one["number"] for one in listed if "Timur" in repr(one)]
    assert asked(office, capsys, "erase", "--number", str(timur), "--yes")["number"] == timur
    assert [one["erased"] for one in asked(office, capsys, "person", "list")] == [False, True]
    run(office, "erase", "--number", "99", "--yes", status=2)
    assert "nobody is known here" in capsys.readouterr().err
    for wrong in ([], [NIGORA, "--number", "1"]):
        run(office, "erase", *wrong, status=2)
        assert "expected who it is, or --number" in capsys.readouterr().err


def test_person_under_another_name_is_pointed_at(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nigora has a new mail, and stood in the same place under the old one: erasing one is said not to be all."""
    with Persons(office, "hub.example", "uz") as persons:
        said = PersonSaid(person_identity(["new@example.org"]), {"name": "Nigora Karimova"})
        persons.seal(PersonField("partner", "uz:P-1", "contact"), said)
    run(office, "erase", "new@example.org", "--yes")
    assert "also known in the same places, and not erased: 1 (--number)" in capsys.readouterr().out
    run(office, "person", "show", NIGORA)
    assert "also known" not in capsys.readouterr().out


def test_erase_where_nobody_can_be_asked_wants_yes(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script says what it does; nothing happens by mistake."""
    before = (office / KEYS).read_bytes()
    run(office, "erase", NIGORA, status=2)
    assert capsys.readouterr().err == "connector: expected --yes, for nobody can be asked here\n"
    assert (office / KEYS).read_bytes() == before


@pytest.mark.parametrize("command", [["erase"], ["person", "show"], ["person", "readmit"]])
def test_person_who_is_not_known_is_said_to_be_so_without_repeating_the_name(
    command: list[str], office: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit 2; and an office without persons stays without the files."""
    run(office, *command, "Somebody Else", status=2)
    text = capsys.readouterr().err
    assert text.startswith("connector: nobody is known here by that: ")
    assert "Somebody" not in text
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "connector.yaml").write_text(SETTINGS, "utf-8")
    run(empty, *command, NIGORA, status=2)
    assert not (empty / REGISTER).exists()
    capsys.readouterr()
    run(empty, "person", "list")
    assert capsys.readouterr().out.startswith("nobody: ")


def test_readmit_lets_somebody_be_sealed_again(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever agrees again is not erased any more, and what was erased is."""
    run(office, "person", "readmit", NIGORA, "--yes", status=2)
    assert "is not erased" in capsys.readouterr().err
    run(office, "erase", NIGORA, "--yes")
    run(office, "person", "readmit", NIGORA, "--yes")
    with Persons(office, "hub.example", "uz") as persons:
        assert persons.find(person_identity([NIGORA])) is None
        assert [one.erased_at is None for one in persons.everyone()] == [False, True]


def test_preview_shows_what_will_be_sealed_and_makes_no_key(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The office sees whether its columns are read right; who was erased reads so; no file is touched."""
    sheet = f"No,Name,Who,Mail\nP-1,Firm,Nigora,{NIGORA}\nP-9,New,Olim Saidov,olim@example.org\n"
    (office / "partners.csv").write_text(sheet, "utf-8")
    run(office, "erase", NIGORA, "--yes")
    before = [(office / name).read_bytes() for name in (KEYS, REGISTER)]
    found = asked(office, capsys, "preview", "partners.csv")
    assert [row["record"]["contact"] for row in found["first"]] == [
        "(erased)",
        "(sealed for HQ) name=Olim Saidov, email=olim@example.org",
    ]
    assert [row["events"] for row in found["first"]] == [["net.cohub.partner.registered.v2"]] * 2
    assert [(remark["row"], remark["code"]) for remark in found["remarks"]] == [(2, "PERSON_ERASED")]
    run(office, "preview")
    assert "row 2, PERSON_ERASED: Mail: this person was erased" in capsys.readouterr().out
    assert [(office / name).read_bytes() for name in (KEYS, REGISTER)] == before
