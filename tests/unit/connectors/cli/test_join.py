"""`connector join`: what it makes, what it refuses, what it says; HQ is not there, or is a wrong address."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.cli.join import PATIENCE, _refusal, _Teller
from connectors.cli.main import run_command
from connectors.cli.speaker import Speaker
from connectors.runtime.joining import JOINED, PASSWORD, REQUEST, finish, read_bundle
from connectors.runtime.told import error_text
from hub.protocol.errors import Retriable
from hub.protocol.fingerprint import Fingerprint
from hub.protocol.invitation import Invitation, KafkaWay
from hub.protocol.joining import Answer, JoinRequest, State, Why
from hub.protocol.note import sign_note
from hub.protocol.trust import open_trust
from schemas.vectors.joining import bundle
from schemas.vectors.keys import signer
from schemas.words import LANGUAGES

NOBODY = KafkaWay(("127.0.0.1:9",), "PLAINTEXT")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run_command(list(arguments))
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the file of an invitation whose broker nobody runs."""
    return write(tmp_path / "uz.cohub", bundle(kafka=NOBODY, https=None))


def write(path: Path, one: Invitation) -> Path:
    path.write_bytes(one.to_bytes())
    return path


def joined(run: Run, file: Path, office: Path, *more: str) -> dict[str, Any]:
    status, out, err = run("join", str(file), "--office", str(office), "--json", "--wait", "0", *more)
    assert status in (0, 1), err
    found: dict[str, Any] = json.loads(out)
    return found


def test_office_is_laid_out_and_waits(run: Run, file: Path, tmp_path: Path) -> None:
    """Its keys and password are its owner's alone; it is no office before HQ has confirmed."""
    office = tmp_path / "office"
    found = joined(run, file, office, "--language", "ru")
    assert (found["state"], found["center"]) == ("waits", "uz")
    request = JoinRequest.from_bytes((office / REQUEST).read_bytes())
    assert found["own"]["numbers"] == list(request.fingerprint.numbers)
    assert found["root"]["words"] == list(Fingerprint.of_root(read_bundle(file).root).words)
    assert not (office / "connector.yaml").exists()
    assert list(office.glob("*.note")) == [office / "trust.note"]
    if os.name == "posix":
        for name in (REQUEST, PASSWORD, "keys/seal.key", "keys/witness.key", "keys/hq-root.pin"):
            assert stat.S_IMODE((office / name).stat().st_mode) == 0o600, name


def test_said_again_it_asks_the_same(run: Run, file: Path, tmp_path: Path) -> None:
    """Wherever it was killed: keys, password and request are made once."""
    office = tmp_path / "office"
    first = joined(run, file, office)
    kept = {name: (office / name).read_bytes() for name in (REQUEST, PASSWORD, "keys/seal.key")}
    for lost in ((), (REQUEST + ".part",), ("mappings/offers.yaml",)):
        for name in lost:
            (office / name).unlink(missing_ok=True)
        assert joined(run, file, office)["own"] == first["own"]
        assert {name: (office / name).read_bytes() for name in kept} == kept


def test_killed_before_its_request_was_kept_it_makes_another(run: Run, file: Path, tmp_path: Path) -> None:
    """Nothing was sent then: the keys and the password stay."""
    office = tmp_path / "office"
    first = joined(run, file, office)
    password = (office / PASSWORD).read_bytes()
    for damage in (None, b"", b"{}"):
        (office / REQUEST).unlink()
        if damage is not None:
            (office / REQUEST).write_bytes(damage)
            (office / REQUEST).chmod(0o600)
        again = joined(run, file, office)
        assert again["own"] != first["own"]
        assert (office / PASSWORD).read_bytes() == password


def test_another_file_for_the_same_center_asks_anew_with_the_same_keys(run: Run, file: Path, tmp_path: Path) -> None:
    """The first one expired, say: its office need not begin from nothing."""
    office = tmp_path / "office"
    joined(run, file, office)
    keys = (office / "keys/seal.key").read_bytes()
    second = write(tmp_path / "second", replace(read_bundle(file), id="00000002", secret=b"2" * 32))
    joined(run, second, office)
    assert (office / "keys/seal.key").read_bytes() == keys
    assert JoinRequest.from_bytes((office / REQUEST).read_bytes()).invitation == "00000002"


def test_second_run_after_success_says_so_and_does_nothing(run: Run, file: Path, tmp_path: Path) -> None:
    """Also where the process died right behind the settings."""
    office = tmp_path / "office"
    joined(run, file, office)
    kept = (office / REQUEST).read_bytes()
    finish(office, read_bundle(file), "hub: hub.example\ncenter: uz\nbootstrap: ['127.0.0.1:9']\n")
    assert not (office / REQUEST).exists()
    for language, word in (("en", "already"), ("zh", "无需再做"), ("ru", "уже")):
        status, out, _ = run("join", str(file), "--office", str(office), "--language", language)
        assert (status, word in out) == (0, True), language
    assert joined(run, file, office)["state"] == "joined"
    (office / JOINED).unlink()
    (office / REQUEST).write_bytes(kept)
    (office / REQUEST).chmod(0o600)
    assert joined(run, file, office)["state"] == "joined"


def test_folder_that_is_another_office_is_left_alone(run: Run, file: Path, tmp_path: Path) -> None:
    """Another hub, another center, another root, or this office by other means: nothing is changed."""
    office = tmp_path / "office"
    joined(run, file, office)
    other = signer("hub.example/root", 7)
    pinned = open_trust(bundle().trust)
    forged = sign_note(replace(pinned, root=other.verifier).to_text(), [other]).to_bytes()
    root = write(tmp_path / "root", replace(read_bundle(file), trust=forged))
    before = {path: path.read_bytes() for path in office.rglob("*") if path.is_file()}
    status, _, err = run("join", str(root), "--office", str(office), "--wait", "0")
    assert (status, "trusts HQ's root key" in err) == (2, True)
    assert {path: path.read_bytes() for path in office.rglob("*") if path.is_file()} == before
    settings = office / "connector.yaml"
    for text, word in (
        ("hub: hub.example\ncenter: kz\nbootstrap: ['h:1']\n", "is the office of hub.example/kz"),
        ("hub: hub.other\ncenter: uz\nbootstrap: ['h:1']\n", "is the office of hub.other/uz"),
        ("hub: hub.example\ncenter: uz\nbootstrap: ['h:1']\n", "has not joined by this file"),
    ):
        settings.write_text(text)
        (office / REQUEST).unlink(missing_ok=True)
        status, _, err = run("join", str(file), "--office", str(office), "--wait", "0")
        assert (status, word in err) == (2, True), err
        assert settings.read_text() == text


def test_file_that_is_no_bundle_is_refused_before_anything_is_made(run: Run, file: Path, tmp_path: Path) -> None:
    """A damaged one, another file, none: in the office's language, and no folder is made."""
    office = tmp_path / "office"
    damaged = tmp_path / "damaged"
    damaged.write_bytes(file.read_bytes().replace(b"127.0.0.1:9", b"127.0.0.1:8"))
    sheet = tmp_path / "sheet.xlsx"
    sheet.write_bytes(b"PK\x03\x04")
    for path in (damaged, sheet, tmp_path / "none", tmp_path):
        for language in LANGUAGES:
            status, _, err = run("join", str(path), "--office", str(office), "--language", language)
            assert status == 2
            assert path.name in err
    assert not office.exists()


def test_password_that_others_may_read_is_refused(run: Run, file: Path, tmp_path: Path) -> None:
    """It is not sent then; deleted, another one is made."""
    office = tmp_path / "office"
    joined(run, file, office)
    (office / PASSWORD).chmod(0o644)
    status, _, err = run("join", str(file), "--office", str(office), "--wait", "0")
    if os.name == "posix":
        assert (status, PASSWORD in err) == (2, True)
    (office / PASSWORD).unlink()
    assert joined(run, file, office)["state"] == "waits"


def test_words_are_shown_with_their_numbers_in_every_language(run: Run, file: Path, tmp_path: Path) -> None:
    """So that they can be read out; and that the file's time may be over, by this computer's clock."""
    for language in LANGUAGES:
        office = tmp_path / language
        status, out, err = run("join", str(file), "--office", str(office), "--wait", "0", "--language", language)
        assert status == 1, err
        request = JoinRequest.from_bytes((office / REQUEST).read_bytes())
        for number, word in (*request.fingerprint.pairs(), *Fingerprint.of_root(read_bundle(file).root).pairs()):
            assert number in out
            assert word in out
        assert "2026-03-04 12:00 UTC" in out
        assert "hub center invite uz FILE" in out


LANGUAGE_OF = {"ru": "офис", "zh": "本机构", "en": "this office"}


@pytest.mark.parametrize("tag", ["ru", "zh", "en", "ru-KZ"])
def test_it_speaks_as_the_invitation_says_unless_told_otherwise(run: Run, tmp_path: Path, tag: str) -> None:
    """HQ knows what the office reads; also what goes wrong is said so, and a damaged file."""
    file = write(tmp_path / "uz.cohub", bundle(kafka=NOBODY, https=None, language=tag))
    _, out, _ = run("join", str(file), "--office", str(tmp_path / "office"), "--wait", "0")
    assert LANGUAGE_OF[tag[:2]] in out
    _, out, _ = run("join", str(file), "--office", str(tmp_path / "other"), "--wait", "0", "--language", "zh")
    assert LANGUAGE_OF["zh"] in out
    file.write_bytes(file.read_bytes().replace(b"uz", b"kz", 1))
    status, _, err = run("join", str(file), "--office", str(tmp_path / "third"))
    assert (status, {"ru": "повреждён", "zh": "损坏", "en": "damaged"}[tag[:2]] in err) == (2, True), err


@pytest.mark.parametrize("tag", ["", "fr", "uz"])
def test_invitation_in_no_language_of_ours_is_spoken_to_in_english(run: Run, tmp_path: Path, tag: str) -> None:
    """As before, where nobody can be asked."""
    file = write(tmp_path / "uz.cohub", bundle(kafka=NOBODY, https=None, language=tag))
    _, out, _ = run("join", str(file), "--office", str(tmp_path / "office"), "--wait", "0")
    assert LANGUAGE_OF["en"] in out


def test_way_that_breaks_off_once_hq_has_heard_is_told_when_it_stays_away(capsys: pytest.CaptureFixture[str]) -> None:
    """The moment that HQ confirms takes the guest's rights away: nobody is frightened by that."""
    teller = _Teller(Speaker("en"), bundle(), "connector join uz.cohub", quiet=False)
    gone = Retriable("it broke off")
    teller.away("kafka", gone)
    assert "it broke off" in capsys.readouterr().out, "before HQ has heard it, each way is told at once"
    teller.heard("kafka", Answer("hub.example", "uz", "0badcafe", "0" * 64, datetime.now(UTC), State.WAITS))
    waits = capsys.readouterr().out
    assert "All is well" in waits
    assert "connector join uz.cohub" in waits
    other = Retriable("another reason")
    for _ in range(PATIENCE - 1):
        teller.away("kafka", other)
    assert capsys.readouterr().out == ""
    teller.away("kafka", other)
    assert "another reason" in capsys.readouterr().out
    teller.heard("kafka", None)
    teller.away("kafka", Retriable("a third one"))
    assert "a third one" not in capsys.readouterr().out


@pytest.mark.parametrize("why", [*Why, "SOMETHING_NEW"])
def test_every_refusal_says_what_to_do(why: str) -> None:
    """In each language; a code that is not known here is shown as it is."""
    for language in LANGUAGES:
        text = error_text(_refusal(bundle(), why), language)
        assert ("hub center invite uz FILE" in text) == (why in set(Why))
        assert why in set(Why) or why in text
