"""An office's folder is hostile ground: nothing in it makes a connector hang, leave it, or write over a key."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors.cli.log import configure_logging
from connectors.cli.main import run_command
from connectors.cli.speaker import Speaker
from connectors.runtime.life import FILE as LIFE
from connectors.runtime.life import LifeFile, look
from connectors.runtime.office import read_office
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.rows import FileState
from connectors.runtime.pin import PIN, settle_pin
from connectors.runtime.verdicts import verdicts_path
from hub.base import files
from hub.protocol.errors import UsageError
from hub.protocol.note import Signer, sign_note
from hub.protocol.trust import Trust
from schemas.words import LANGUAGES
from tests.support.sheets_office import HUB, SheetsOffice

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="made with the calls of POSIX")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[SheetsOffice]:
    office = SheetsOffice(tmp_path / "office")
    yield office
    office.outbox.close()


def key_bytes(bench: SheetsOffice) -> bytes:
    return (bench.path / "keys" / "seal.key").read_bytes()


def states(bench: SheetsOffice) -> dict[str, FileState]:
    return {one.name: FileState(one.state) for one in bench.outbox.rows.summaries()}


def test_links_pipes_and_folders_among_the_sheets_are_shown_and_not_opened(bench: SheetsOffice, tmp_path: Path) -> None:
    """Neither what lies outside is read, nor what lies inside twice; a sheet beside them is taken."""
    outside = tmp_path / "outside.csv"
    outside.write_text("Number,Title\n9,Secret\n", "utf-8")
    bench.write("offers.csv", "1,Pump")
    (bench.path / "offers-out.csv").symlink_to(outside)
    (bench.path / "offers-in.csv").symlink_to(bench.path / "offers.csv")
    (bench.path / "offers-loop.csv").symlink_to(bench.path / "offers-loop.csv")
    (bench.path / "offers-key.csv").symlink_to(bench.path / "keys" / "seal.key")
    (bench.path / "offers-folder.xlsx").mkdir()
    os.mkfifo(bench.path / "offers-pipe.csv")
    bench.look()
    found = states(bench)
    assert found.pop("offers.csv") is FileState.TAKEN
    names = ("out.csv", "in.csv", "loop.csv", "key.csv", "folder.xlsx", "pipe.csv")
    assert found == {f"offers-{name}": FileState.UNMAPPED for name in names}
    assert bench.rows("offers.csv") == {"1": "pending"}
    assert bench.outbox.backlog() == 1


def test_folder_among_the_sheets_that_cannot_be_looked_into_is_told_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other sheets are read, and those in it stay as they were; once it can be looked into it is told no more."""
    bench = SheetsOffice(tmp_path / "office", more="depth_max: 1\n")
    bench.write("offers.csv", "1,Pump")
    bench.write("many/offers-2.csv", "2,Valve")
    bench.look()
    for number in range(30):
        (bench.path / "many" / f"{number}.bin").touch()
    monkeypatch.setattr(files, "NAMES_MAX", 29)
    bench.write("offers.csv", "1,Pump", "3,Filter")
    with capture_logs() as logs:
        bench.look()
    taken = {"offers.csv": FileState.TAKEN, "many/offers-2.csv": FileState.TAKEN}
    assert states(bench) == taken | {"many": FileState.UNMAPPED}
    assert set(bench.rows("offers.csv")) == {"1", "3"}
    (said,) = (one["reason"] for one in logs if one["event"] == "file_set_aside")
    assert "can't be looked into (it has more than 29 names)" in said
    assert not [one for one in logs if one["event"] in ("file_vanished", "folder_not_listed")]
    assert run_command(["status", "--office", str(bench.path)]) in (0, 1)
    assert "can't be looked into" in capsys.readouterr().out
    bench.restart()  # what is known of the sheets within is known from before
    bench.look()
    assert states(bench) == taken | {"many": FileState.UNMAPPED}
    monkeypatch.undo()
    bench.look()
    assert states(bench) == taken
    bench.outbox.close()


def test_folder_of_the_sheets_that_cannot_be_listed_is_told_until_it_can(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the log, in status and in check; nothing in it counts as gone, and it is read on when it is there again."""
    bench = SheetsOffice(tmp_path / "office", more="folder: share\n")
    bench.write("share/offers.csv", "1,Pump")
    bench.look()
    (bench.path / "share").rename(bench.path / "away")
    with capture_logs() as logs:
        bench.look()
    assert {one["event"] for one in logs} == {"folder_not_listed"}
    assert states(bench) == {"offers.csv": FileState.TAKEN}
    capsys.readouterr()
    assert run_command(["status", "--json", "--office", str(bench.path)]) == 1
    needs = {need["code"]: need["said"] for need in json.loads(capsys.readouterr().out)["needs"]}
    assert "cannot list" in needs["folder"]
    assert run_command(["check", "--json", "--office", str(bench.path)]) == 11  # nobody listens at the broker, either
    (sheet,) = (one for one in json.loads(capsys.readouterr().out) if one["name"] == "sheet")
    assert (sheet["ok"], "cannot list" in sheet["said"]) == (False, True)
    (bench.path / "away").rename(bench.path / "share")
    bench.write("share/offers.csv", "1,Pump", "2,Valve")
    bench.look()
    assert set(bench.rows("offers.csv")) == {"1", "2"}
    run_command(["status", "--json", "--office", str(bench.path)])
    assert "folder" not in {need["code"] for need in json.loads(capsys.readouterr().out)["needs"]}
    bench.outbox.close()


def test_hard_link_to_a_key_is_told_nowhere(bench: SheetsOffice) -> None:
    """A second name of a key, or a copy of it, is no sheet, and none of it stands in log or verdict sheet."""
    os.link(bench.path / "keys" / "seal.key", bench.path / "offers.csv")
    with capture_logs() as logs:
        bench.look()
    secret = key_bytes(bench).decode().rpartition("+")[2]
    assert states(bench)["offers.csv"] is FileState.REFUSED
    assert secret not in str(logs)
    assert secret.encode() not in (bench.path / "outbox.sqlite3").read_bytes()


def test_sheet_that_a_link_replaces_is_not_followed(bench: SheetsOffice, tmp_path: Path) -> None:
    """What was a sheet and is a link now is gone, and shown as what it is."""
    outside = tmp_path / "outside.csv"
    outside.write_text("Number,Title\n9,Secret\n", "utf-8")
    path = bench.write("offers.csv", "1,Pump")
    bench.look()
    path.unlink()
    path.symlink_to(outside)
    bench.look(times=6)
    assert states(bench)["offers.csv"] is not FileState.TAKEN
    assert bench.outbox.backlog() == 1


@pytest.mark.parametrize("kind", ["link", "pipe", "loop", "folder"])
def test_verdict_sheet_takes_the_place_of_whatever_has_its_name(bench: SheetsOffice, kind: str) -> None:
    """A link to a key is replaced and the key is as it was; a folder of the name is said, and the rest goes on."""
    before = key_bytes(bench)
    sheet = verdicts_path(bench.path / "offers.csv")
    sheet.parent.mkdir(exist_ok=True)
    if kind == "link":
        sheet.symlink_to(bench.path / "keys" / "seal.key")
    elif kind == "loop":
        sheet.symlink_to(sheet)
    elif kind == "folder":
        sheet.mkdir()
    else:
        os.mkfifo(sheet)
    bench.write("offers.csv", "1,Pump")
    with capture_logs() as logs:
        bench.look()
    assert key_bytes(bench) == before
    assert sheet.is_dir() if kind == "folder" else sheet.is_file() and not sheet.is_symlink()
    assert ("verdicts_wait" in [entry["event"] for entry in logs]) == (kind == "folder")


def test_cohub_that_is_a_link_is_written_into_by_nobody(bench: SheetsOffice) -> None:
    """Verdict sheets, log and life file stay out of what it leads to, and the office is told."""
    elsewhere = bench.path / "keys"
    before = sorted(path.name for path in elsewhere.iterdir())
    (bench.path / "cohub").symlink_to(elsewhere)
    bench.write("offers.csv", "1,Pump")
    with capture_logs() as logs:
        bench.look()
    LifeFile(bench.path).begin()
    configure_logging(bench.path, Speaker(), quiet=True, terminal=False)
    assert sorted(path.name for path in elsewhere.iterdir()) == before
    assert any("it is a link" in str(entry.get("reason")) for entry in logs)


@pytest.mark.parametrize("kind", ["link", "pipe", "hard link"])
def test_log_life_and_lock_do_not_write_over_a_key(bench: SheetsOffice, kind: str) -> None:
    """The log is appended to and the lock file written over in its place: never where that is a key."""
    key, before = bench.path / "keys" / "seal.key", key_bytes(bench)
    bench.outbox.close()
    (bench.path / "cohub").mkdir(exist_ok=True)
    lock = bench.path / "outbox.sqlite3.lock"
    for path in (bench.path / "cohub" / "connector.log", bench.path / LIFE, lock):
        path.unlink(missing_ok=True)
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "link":
            path.symlink_to(key)
        else:
            os.link(key, path)
    configure_logging(bench.path, Speaker(), quiet=True, terminal=False)
    assert look(bench.path, bench.path / "outbox.sqlite3").life is None
    assert run_command(["run", "--once", "--office", str(bench.path)]) == 2
    assert key_bytes(bench) == before


@pytest.mark.parametrize("language", LANGUAGES)
def test_pipe_among_the_mappings_is_told_at_once(
    bench: SheetsOffice, language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The start does not wait for it: it says which file it is, and what it is, in the office's language, and goes on.

    Where no other mapping is good, it ends with that.
    """
    os.mkfifo(bench.path / "mappings" / "a.yaml")
    settings = bench.path / "connector.yaml"
    settings.write_text(settings.read_text("utf-8").replace("language: en", f"language: {language}"), "utf-8")
    bench.outbox.close()
    said = {"en": "it is a pipe", "ru": "это канал", "zh": "这是一个管道"}[language]
    assert run_command(["run", "--once", "--office", str(bench.path)]) == 0
    told = capsys.readouterr().err.replace("\n", " ")
    assert said in told
    assert "a.yaml" in told
    (bench.path / "mappings" / "offers.yaml").unlink()
    assert run_command(["run", "--once", "--office", str(bench.path)]) == 2
    assert said in capsys.readouterr().err.replace("\n", " ")


def test_outbox_that_is_a_link_is_refused(bench: SheetsOffice, tmp_path: Path) -> None:
    """SQLite would follow it; the file behind it is not made."""
    bench.outbox.close()
    (bench.path / "other.sqlite3").symlink_to(tmp_path / "made.sqlite3")
    with pytest.raises(UsageError, match="it is a link"):
        Outbox(bench.path / "other.sqlite3")
    assert not (tmp_path / "made.sqlite3").exists()


def test_outbox_of_an_earlier_release_becomes_private(bench: SheetsOffice) -> None:
    """What HQ was told and what it answered is read by its owner alone."""
    bench.outbox.close()
    for path in bench.path.glob("outbox.sqlite3*"):
        path.chmod(0o644)
    Outbox(bench.path / "outbox.sqlite3").close()
    assert (bench.path / "outbox.sqlite3").stat().st_mode & 0o777 == 0o600


def test_names_of_all_bytes_are_told_in_one_line(bench: SheetsOffice) -> None:
    """Names that are no text, have line breaks or escapes, or are as long as may be; twins are told as copies."""
    long = "offers" + "n" * (255 - len("offers.csv")) + ".csv"
    nfd = unicodedata.normalize("NFD", "offers-й.csv")
    names = [long, "offers\n2.csv", "offers\x1b[31m.csv", "offers-й.csv", nfd, "OFFERS\n2.csv"]
    for number, name in enumerate(names):
        bench.write(name, f"{number},Pump")
    bench.write(os.fsdecode(b"offers\xff.csv"), "9,Pump")
    with capture_logs() as logs:
        bench.look()
    assert {name for name, state in states(bench).items() if state is FileState.TAKEN} == set(names)
    assert len(verdicts_path(bench.path / long).name.encode()) <= 255
    assert all(verdicts_path(bench.path / name).is_file() for name in names)
    assert [entry["event"] for entry in logs].count("file_is_a_copy") == 2


def other_note(root: Signer) -> bytes:
    receipts = Signer(f"{HUB}/receipts", b"y" * 32)
    return sign_note(Trust(HUB, root.verifier, (receipts.verifier,)).to_text(), [root]).to_bytes()


def test_trust_note_by_another_root_is_refused_though_its_hub_has_the_name(
    bench: SheetsOffice, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first start takes the key over and says so once; from then on the key counts, and not the name."""
    with capture_logs() as logs:
        settle_pin(bench.path, bench.outbox, bench.office.trust)
        settle_pin(bench.path, bench.outbox, bench.office.trust)
    assert [entry["event"] for entry in logs] == ["root_taken_over"]
    assert (bench.path / PIN).stat().st_mode & 0o777 == 0o600
    theirs = Signer(f"{HUB}/root", b"o" * 32)
    (bench.path / "trust.note").write_bytes(other_note(theirs))
    with pytest.raises(UsageError, match="has pinned") as caught:
        read_office(bench.path)
    assert f"connector key pin {theirs.verifier.to_text()}" in str(caught.value)
    assert run_command(["check", "--office", str(bench.path)]) == 11  # nobody listens at the broker, either
    assert "has pinned" in capsys.readouterr().out.replace("\n", " ").replace("  ", " ")


def test_pin_that_is_taken_away_is_had_of_the_outbox(bench: SheetsOffice) -> None:
    """Whoever removes the file and puts another note there gains nothing."""
    ours = bench.office.trust
    settle_pin(bench.path, bench.outbox, ours)
    (bench.path / PIN).unlink()
    (bench.path / "trust.note").write_bytes(other_note(Signer(f"{HUB}/root", b"o" * 32)))
    with pytest.raises(UsageError, match="has pinned"):
        settle_pin(bench.path, bench.outbox, read_office(bench.path).trust)
    assert not (bench.path / PIN).exists()
    settle_pin(bench.path, bench.outbox, ours)
    assert (bench.path / PIN).exists()


def test_person_pins_another_root(bench: SheetsOffice, capsys: pytest.CaptureFixture[str]) -> None:
    """The key must be typed, and must be the one that the note is by."""
    settle_pin(bench.path, bench.outbox, bench.office.trust)
    bench.outbox.close()
    theirs = Signer(f"{HUB}/root", b"o" * 32)
    (bench.path / "trust.note").write_bytes(other_note(theirs))
    ours = Signer(f"{HUB}/root", b"r" * 32).verifier.to_text()
    assert run_command(["key", "pin", ours, "--office", str(bench.path)]) == 2
    assert run_command(["key", "pin", theirs.verifier.to_text(), "--office", str(bench.path)]) == 0
    capsys.readouterr()
    assert read_office(bench.path).trust.root == theirs.verifier
    bench.start()
    settle_pin(bench.path, bench.outbox, bench.office.trust)


@pytest.mark.parametrize("mode", [0o644, 0o666])
def test_pin_that_others_may_write_is_refused(bench: SheetsOffice, mode: int) -> None:
    """As a key is, with the command that mends it."""
    settle_pin(bench.path, bench.outbox, bench.office.trust)
    (bench.path / PIN).chmod(mode)
    with pytest.raises(UsageError, match="chmod 600"):
        read_office(bench.path)
