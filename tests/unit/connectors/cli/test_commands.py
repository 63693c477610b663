from __future__ import annotations

import json
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from connectors.cli.main import run_command
from connectors.cli.office import write_private
from connectors.cli.sample import sample_mapping
from connectors.mapping import outcomes, read_mapping
from connectors.runtime.explanation import remedy
from connectors.runtime.lock import FolderLock
from connectors.runtime.office import read_office
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.rows import FileState, Reason
from connectors.runtime.outbox.schema import read_version
from connectors.source import load
from hub.protocol.control import open_enrolment
from hub.protocol.errors import UsageError
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, Signer
from hub.protocol.note import sign_note
from hub.protocol.trust import Trust
from schemas.words import LANGUAGES, Language
from tests.support.releases import FORMS, turn_back

HUB = "hub.example"
NOWHERE = "127.0.0.1:1"


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    root, receipts = Signer(f"{HUB}/root", b"r" * 32), Signer(f"{HUB}/receipts", b"x" * 32)
    text = Trust(HUB, root.verifier, (receipts.verifier,)).to_text()
    path = tmp_path / "hub.trust.note"
    path.write_bytes(sign_note(text, [root]).to_bytes())
    return path


def make_office(folder: Path, trust: Path, language: str) -> Path:
    options = ["--trust", str(trust), "--center", "uz", "--bootstrap", NOWHERE, "--language", language]
    assert run_command(["init", *options, "--office", str(folder)]) == 0
    return folder


@pytest.fixture
def office(tmp_path: Path, trust: Path) -> Path:
    return make_office(tmp_path / "office", trust, "en")


@pytest.fixture
def russian(tmp_path: Path, trust: Path) -> Path:
    return make_office(tmp_path / "office", trust, "ru")


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    return lines[0]


def test_init_lays_out_an_office_that_hq_can_enrol(office: Path) -> None:
    """Key, trust, settings, samples and the note for HQ are there, and the key is for its owner's eyes alone."""
    enrolled = open_enrolment((office / "uz.enrolment.note").read_bytes())
    assert (enrolled.hub, enrolled.center, enrolled.purpose) == (HUB, "uz", "seal")
    key = office / "keys" / "seal.key"
    if sys.platform != "win32":
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert Signer.from_text(key.read_text("ascii")).verifier == enrolled.key
    assert key.read_text("ascii").strip() not in (office / "uz.enrolment.note").read_text("utf-8")
    assert (office / "connector.yaml").is_file()


def test_init_twice_is_refused_and_keeps_the_key(office: Path, trust: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A center's identity is never overwritten; one that a start which was cut off has made is taken up."""
    before = (office / "keys" / "seal.key").read_bytes()
    capsys.readouterr()
    options = ["init", "--trust", str(trust), "--center", "uz", "--bootstrap", NOWHERE, "--language", "en"]
    assert run_command([*options, "--office", str(office)]) == 2
    assert "is there already: this folder is an office" in said(capsys)
    (office / "connector.yaml").unlink()
    options[4] = "kz"
    assert run_command([*options, "--office", str(office)]) == 2
    assert "never overwritten" in said(capsys)
    options[4] = "uz"
    assert run_command([*options, "--office", str(office)]) == 0
    assert (office / "keys" / "seal.key").read_bytes() == before


@pytest.mark.parametrize("language", LANGUAGES)
def test_sample_sheet_is_read_by_the_sample_mapping(language: Language, tmp_path: Path, trust: Path) -> None:
    """What a new user tries first works, in every language, and is not among the sheets that are sent."""
    options = ["--trust", str(trust), "--center", "uz", "--bootstrap", NOWHERE, "--language", language]
    assert run_command(["init", *options, "--office", str(tmp_path / "o")]) == 0
    mapping = read_mapping(sample_mapping(language), "offers.yaml")
    table = load(tmp_path / "o" / "sample" / "offers.xlsx", mapping.format_options())
    found = outcomes(mapping, table, "uz")
    assert [(o.key, o.problems) for o in found] == [("T-1", ()), ("T-2", ())]
    assert not list((tmp_path / "o").glob("*.xlsx"))


def test_preview_tells_wanted_states_events_and_errors(russian: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person sees what would be said and what is wrong, by row and column, before anything is sent."""
    office = russian
    head = "№;Название;Кратко;Экспортный контроль;Лицензия;Состояние;Опубликовано;Действует до\n"
    text = head + "1;Насос;;не ограничен;;снято;;\n2;Кран;;запрещён;;действует;;\n"
    (office / "offers.csv").write_text(text, "utf-8")
    capsys.readouterr()
    assert run_command(["preview", "offers.csv", "--office", str(office), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == {"rows": 2, "good": 1, "refused": 1, "repeated": 0, "blank": 0}
    (first,) = found["first"]
    assert (first["entity"], first["status"], first["record"]["title"]) == ("uz:1", "withdrawn", "Насос")
    assert first["events"] == ["net.cohub.offer.published.v1", "net.cohub.offer.withdrawn.v1"]
    (problem,) = found["problems"]
    assert (problem["row"], problem["column"], problem["code"]) == (3, "Экспортный контроль", "EXPORT_CONTROLLED")
    assert run_command(["preview", "--office", str(office)]) == 0
    text = capsys.readouterr().out
    assert "delimiter «;» (определено)" in text
    assert "строка 3, EXPORT_CONTROLLED: Экспортный контроль: отправка запрещена" in text
    assert text.count(f"что делать, EXPORT_CONTROLLED: {remedy('EXPORT_CONTROLLED', 'ru')}") == 1
    assert not (office / "outbox.sqlite3").exists()


def test_check_names_what_is_wrong_and_exits_with_its_number(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One look tells which part is not in place; here only the broker is not, and nobody listens there."""
    capsys.readouterr()
    assert run_command(["check", "--office", str(office), "--json"]) == 11
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert [name for name, finding in findings.items() if finding["ok"] is False] == ["broker"]
    assert "nobody listens there: is the broker up" in findings["broker"]["said"]
    assert [found["code"] for found in findings["broker"]["obstacles"]] == ["nobody_listens"]
    (office / "keys" / "seal.key").chmod(0o644)
    assert run_command(["check", "--office", str(office)]) == 11
    assert re.search(r"FAIL +key: .*chmod 600", capsys.readouterr().out)


def test_status_shows_files_and_alarms(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another process sees the daemon's outbox: what waits, and for whom."""
    with Outbox(office / "outbox.sqlite3") as outbox:
        outbox.rows.set_file("offers.xlsx", FileState.WAITING, Reason("30 rows changed"), b"digest")
        outbox.database.set_meta("key", "HQ has a key in our name that we did not make")
    capsys.readouterr()
    assert run_command(["status", "--office", str(office)]) == 1
    text = capsys.readouterr().out
    assert f"`connector approve offers.xlsx --office {office}`" in text
    assert "ALARM: HQ has a key" in text
    assert run_command(["status", "--office", str(office), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["center"], found["files"]["offers.xlsx"]["state"]) == ("uz", "waiting")
    assert {need["code"] for need in found["needs"]} == {"alarm.key", "file.waiting"}
    assert set(found["totals"]) >= {
        "rows",
        "accepted",
        "refused",
        "rejected",
        "unchanged",
        "blank",
        "pending",
        "events",
    }


def test_approve_lets_a_waiting_file_go(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only a file that waits can be approved, and the command says which ones do."""
    with Outbox(office / "outbox.sqlite3") as outbox:
        outbox.rows.set_file("offers.xlsx", FileState.WAITING, Reason("30 rows changed"), b"digest")
    capsys.readouterr()
    assert run_command(["approve", "other.xlsx", "--office", str(office)]) == 2
    assert said(capsys) == "connector: other.xlsx does not wait for approval; these wait: offers.xlsx"
    assert run_command(["approve", "offers.xlsx", "--office", str(office)]) == 0
    with Outbox(office / "outbox.sqlite3") as outbox:
        assert outbox.rows.approvals() == {"offers.xlsx": b"digest"}


@pytest.mark.parametrize("command", [["approve", "offers.xlsx"], ["approve"], ["witness", "retry"]])
def test_commands_beside_the_daemon_leave_an_older_outbox_to_it(
    office: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """They hold no lock: a daemon of the release that wrote the file may be writing to it."""
    Outbox(office / "outbox.sqlite3").close()
    turn_back(office / "outbox.sqlite3", FORMS[-1])
    capsys.readouterr()
    assert run_command([*command, "--office", str(office)]) == 2
    assert "earlier release of cohub: start the connector" in said(capsys)
    with closing(sqlite3.connect(office / "outbox.sqlite3")) as db:
        assert read_version(db) == FORMS[-1]


def test_epoch_new_is_noted_for_the_next_start(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reason is kept for HQ's ledger; a running connector has to be stopped first."""
    assert run_command(["epoch", "new", "--reason", " moved  to a new\ncomputer", "--office", str(office)]) == 0
    with Outbox(office / "outbox.sqlite3") as outbox:
        assert outbox.database.meta("epoch_wanted") == "moved to a new computer"
    capsys.readouterr()
    with FolderLock(office / "outbox.sqlite3"):
        assert run_command(["epoch", "new", "--reason", "again", "--office", str(office)]) == 2
    assert "another connector" in said(capsys)


def test_run_once_without_a_broker_ends_at_its_deadline(russian: Path) -> None:
    """Rows are kept in the outbox and reported as pending; the log is there for support, and nothing is a traceback."""
    office = russian
    settings = office / "connector.yaml"
    settings.write_text(settings.read_text("utf-8").replace("settle_s: 60", "settle_s: 0\nfile_settle_s: 0"), "utf-8")
    head = "№;Название;Кратко;Экспортный контроль;Лицензия;Состояние;Опубликовано;Действует до\n"
    (office / "offers.csv").write_text(head + "1;Насос;;не ограничен;;действует;;\n2;Кран;;;;действует;;\n", "utf-8")
    command = [sys.executable, "-m", "connectors.cli.main", "run", "--once", "--deadline", "3", "--office", str(office)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["rows"], summary["refused"], summary["pending"]) == (2, 1, 1)
    assert "Traceback" not in done.stderr
    assert "не решено за 3 с: без квитанции строк: 1, " in done.stderr
    assert '"file_taken"' in (office / "cohub" / "connector.log").read_text("utf-8")


def test_run_with_a_broken_mapping_says_so_and_no_more(office: Path) -> None:
    """The daemon makes all of its parts before it begins one of their tasks: nothing is left that nobody awaits."""
    for path in (office / "mappings").glob("*.yaml"):  # beside a good one it would run
        path.unlink()
    (office / "mappings" / "broken.yaml").write_text("files: [", "utf-8")
    command = [sys.executable, "-m", "connectors.cli.main", "run", "--quiet", "--office", str(office)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert "broken.yaml" in done.stderr
    assert "never awaited" not in done.stderr


def test_private_file_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write .*seal\.key: No such file"):
        write_private(tmp_path / "away" / "seal.key", "secret")


def test_key_new_is_vouched_for_by_the_key_before_it(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """HQ sees that the same center made both; the present key stays in use, and asking twice makes one key."""
    present = office / "keys" / "seal.key"
    before = Signer.from_text(present.read_text("ascii"))
    assert run_command(["key", "new", "--office", str(office)]) == 0
    note = (office / "uz.rotation.note").read_bytes()
    enrolled = open_enrolment(note)
    enrolled.note.verify([before.verifier])
    assert enrolled.key != before.verifier
    assert Signer.from_text(present.read_text("ascii")).verifier == before.verifier
    assert run_command(["key", "new", "--office", str(office)]) == 0
    assert open_enrolment((office / "uz.rotation.note").read_bytes()).key == enrolled.key
    if sys.platform != "win32":
        assert stat.S_IMODE((office / "keys" / "next.key").stat().st_mode) == 0o600
    capsys.readouterr()
    assert run_command(["key", "use", "--office", str(office)]) == 2
    assert "HQ can't be asked whether it has the key" in said(capsys)
    assert Signer.from_text(present.read_text("ascii")).verifier == before.verifier
    assert run_command(["key", "use", "--unchecked", "--office", str(office)]) == 0
    assert Signer.from_text(present.read_text("ascii")).verifier == enrolled.key
    (old,) = (office / "keys").glob("seal-*.old")
    assert Signer.from_text(old.read_text("ascii")).verifier == before.verifier
    if sys.platform != "win32":
        assert stat.S_IMODE(old.stat().st_mode) == 0o600
    assert not (office / "keys" / "next.key").exists()
    capsys.readouterr()
    assert run_command(["key", "use", "--office", str(office)]) == 2
    assert f"`connector key new --office {office}` makes one" in said(capsys)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["preview", "--rows", "many"], "Invalid value for '--rows'"),
        (["run", "--loud"], "No such option"),
        (["epoch", "new"], "Missing option '--reason'"),
        (["epoch", "new", "--reason", " "], "expected a sentence"),
        (["status"], "can't read"),
        (["init", "--trust", "missing.note", "--center", "uz", "--bootstrap", NOWHERE], "cannot read the trust file"),
        (["init"], "--trust is required where nobody can be asked"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(
    arguments: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person who mistypes reads what is wrong, not how we are built."""
    monkeypatch.chdir(tmp_path)
    assert run_command(arguments) == 2
    assert text in said(capsys)
    assert list(tmp_path.iterdir()) == []


def test_unfit_settings_are_one_line_and_exit_2(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file and the setting are named."""
    path = office / "connector.yaml"
    good = path.read_text("utf-8")
    capsys.readouterr()
    for wrong, text in (("colour: red\n", "colour: there is no such setting"), ("linger_ms: soon\n", "linger_ms: ")):
        path.write_text(good + wrong, "utf-8")
        assert run_command(["preview", "--office", str(office)]) == 2
        line = said(capsys)
        assert "connector.yaml" in line
        assert text in line


def test_init_makes_a_witness_key_and_its_note(office: Path) -> None:
    """The center cosigns HQ's log by a key that does nothing else."""
    enrolled = open_enrolment((office / "uz.witness.note").read_bytes())
    path = office / "keys" / "witness.key"
    assert (enrolled.purpose, enrolled.key.algorithm) == ("witness", COSIGNATURE_ED25519)
    assert read_office(office).witness_key == Signer.from_text(path.read_text("ascii"))
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_office_of_0_1_0_gets_its_witness_key_in_use_at_once(office: Path) -> None:
    """There is none before it, so nothing has to be taken into use; the next one is rotated like any key."""
    path = office / "keys" / "witness.key"
    path.unlink()
    assert read_office(office).witness_key is None
    arguments = ["--purpose", "witness", "--office", str(office)]
    assert run_command(["key", "new", *arguments]) == 0
    first = open_enrolment((office / "uz.witness.note").read_bytes())
    found = read_office(office).witness_key
    assert found is not None
    assert found.verifier == first.key
    assert run_command(["key", "new", *arguments]) == 0
    second = open_enrolment((office / "uz.witness.note").read_bytes())
    assert second.proof(first.key)
    assert run_command(["key", "use", "--unchecked", *arguments]) == 0
    assert Signer.from_text(path.read_text("ascii")).verifier == second.key
    assert len(list((office / "keys").glob("witness-*.old"))) == 1


def test_ml_dsa_key_is_vouched_for_by_the_seal_key_and_used_by_a_setting(
    office: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`long_seals` without a key says how to make one; HQ learns of the key by a note that the seal key has signed."""
    settings = office / "connector.yaml"
    settings.write_text(settings.read_text("utf-8") + "long_seals: true\n", "utf-8")
    capsys.readouterr()
    assert run_command(["run", "--once", "--office", str(office)]) == 2
    assert f"`connector key new --long --office {office}` makes one" in said(capsys)
    assert run_command(["key", "new", "--long", "--office", str(office)]) == 0
    enrolled = open_enrolment((office / "uz.long.note").read_bytes())
    opened = read_office(office)
    assert opened.long_key is not None
    assert (opened.long_key.verifier, enrolled.key.algorithm) == (enrolled.key, COSIGNATURE_MLDSA44)
    assert enrolled.proof(opened.key.verifier)
    capsys.readouterr()
    assert run_command(["key", "new", "--long", "--purpose", "witness", "--office", str(office)]) == 2
    assert "--long is for seals alone" in said(capsys)


def test_key_file_of_another_kind_is_refused(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A witness key in the seal key's place would sign nothing that HQ takes."""
    (office / "keys" / "seal.key").write_bytes((office / "keys" / "witness.key").read_bytes())
    capsys.readouterr()
    assert run_command(["run", "--once", "--office", str(office)]) == 2
    assert "expected a key of the kind 0x01, came 0x04" in said(capsys)
