"""`connector install-service` makes what starts this office's connector, says so, and `check` and `status` know it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from connectors.cli.main import run_command
from connectors.cli.office import OpenedOffice
from connectors.cli.program import service_words
from connectors.cli.service import NETWORK, find_service, unseen
from connectors.runtime.life import look
from connectors.runtime.outbox import Outbox
from connectors.runtime.service import Keeper, service_of
from connectors.runtime.service_text import System
from hub.protocol.keys import Signer
from hub.protocol.note import sign_note
from hub.protocol.trust import Trust
from schemas.words import LANGUAGES, Language
from tests.support.services import imitate, path_with, words_of

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="systemd is imitated by a shell script")
HUB = "hub.example"
NAME = 'Офис "5", 100% 办公室 $HOME'
DONE = {"en": "keeps the connector of uz running", "ru": "работает постоянно", "zh": "一直运行"}
NONE = {"en": "not installed", "ru": "не настроен", "zh": "没有设置"}
DEADLINE_S = 30.0


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Language:
    found: Language = request.param
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home of its own, with a systemctl that is imitated."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    imitate("linux", tmp_path / "bin", home / ".config/systemd/user")
    return home


def make_office(tmp_path: Path, language: str, name: str = NAME) -> Path:
    root, receipts = Signer(f"{HUB}/root", b"r" * 32), Signer(f"{HUB}/receipts", b"x" * 32)
    trust = tmp_path / "hub.trust.note"
    trust.write_bytes(sign_note(Trust(HUB, root.verifier, (receipts.verifier,)).to_text(), [root]).to_bytes())
    options = ["--trust", str(trust), "--center", "uz", "--bootstrap", "127.0.0.1:1", "--language", language]
    assert run_command(["init", *options, "--office", str(tmp_path / name)]) == 0
    return tmp_path / name


@pytest.mark.usefixtures("home")
def test_it_is_installed_and_taken_away_in_the_offices_language(
    tmp_path: Path, language: Language, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was done is said; `check` and `status` say how it is; again is no error."""
    office = make_office(tmp_path, language)
    with Outbox(office / "outbox.sqlite3"):
        pass
    capsys.readouterr()
    assert run_command(["check", "--office", str(office)]) == 11  # nobody listens at the broker
    assert NONE[language] in capsys.readouterr().out
    for _ in range(2):
        assert run_command(["install-service", "--office", str(office)]) == 0
        told = capsys.readouterr()
        assert (DONE[language] in told.out) == (not _), told
        assert told.err == ""
    run_command(["status", "--office", str(office), "--json"])
    assert json.loads(capsys.readouterr().out)["service"]["state"] == "installed"
    run_command(["status", "--office", str(office)])
    assert NONE[language] not in capsys.readouterr().out
    assert run_command(["uninstall-service", "--office", str(office)]) == 0
    assert ".service" in capsys.readouterr().out
    assert run_command(["uninstall-service", "--office", str(office)]) == 0
    assert find_service(OpenedOffice.open(office))[0] == "none"


def test_print_shows_all_and_does_nothing(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file's place, its text, and every command that would follow."""
    office = make_office(tmp_path, "en")
    capsys.readouterr()
    assert run_command(["install-service", "--print", "--office", str(office)]) == 0
    shown = capsys.readouterr().out
    assert f"# {home}/.config/systemd/user/cohub-connector-uz-" in shown
    assert "Restart=always" in shown
    assert "$ systemctl --user enable" in shown
    assert not (home / ".config").exists()
    assert run_command(["uninstall-service", "--print", "--office", str(office)]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("home")
def test_it_is_taken_away_when_its_folder_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever moved or deleted the office first can still stop what looks for it."""
    office = make_office(tmp_path, "en")
    assert run_command(["install-service", "--office", str(office)]) == 0
    office.rename(tmp_path / "moved")
    capsys.readouterr()
    assert run_command(["uninstall-service", "--office", str(office)]) == 0
    assert "is not started any more" in capsys.readouterr().out


@pytest.mark.usefixtures("home")
def test_what_only_the_terminal_knows_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A password in the environment works by hand, and not as a service."""
    for name in NETWORK:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COHUB_CONNECTOR_PASSWORD", "Geheim-77")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    office = make_office(tmp_path, "en")
    assert run_command(["install-service", "--office", str(office)]) == 0
    out = capsys.readouterr().out
    assert "COHUB_CONNECTOR_PASSWORD, https_proxy is set in this terminal alone" in out
    assert "Geheim-77" not in out
    assert unseen({"PATH": "", "COHUB_OFFICE": "x"}) == []


@pytest.mark.usefixtures("home")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_folder_of_another_user_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `sudo` installs would make files in the office that its user can't write."""
    office = make_office(tmp_path, "en")
    os.chown(office, 12345, 12345)
    assert run_command(["install-service", "--office", str(office)]) == 2
    assert "belongs to another user" in capsys.readouterr().err


def test_its_command_runs_the_connector_of_that_folder(tmp_path: Path) -> None:
    """What each system takes out of its file is the same command; it runs without a terminal, and ends when asked."""
    office = make_office(tmp_path, "ru", 'Офис "5", 100% 办公室 $HOME' if sys.platform != "win32" else "Офис 办公室")
    settings, found = OpenedOffice.open(office).settings, set()
    systems: tuple[System, ...] = ("linux", "macos", "windows")
    for system in systems:
        keeper = Keeper(system, tmp_path, "me")
        found.add(
            words_of(keeper.text(service_of(office, settings, system, service_words(None, windows=False))), system)
        )
    (words,) = found
    process = subprocess.Popen(
        words, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        ends = time.monotonic() + DEADLINE_S
        while look(office, office / "outbox.sqlite3").standing != "running":
            assert process.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.1)
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()
    assert look(office, office / "outbox.sqlite3").standing == "stopped"


def test_it_runs_where_there_is_no_output_at_all(tmp_path: Path) -> None:
    """A program without a window has neither output nor errors on Windows; here both are closed."""
    office = make_office(tmp_path, "en")
    words = [sys.executable, "-m", "connectors.cli.main", "status", "--office", str(office)]
    script = 'exec "$@" >&- 2>&-'
    done = subprocess.run(["sh", "-c", script, "sh", *words], check=False, timeout=60, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")
