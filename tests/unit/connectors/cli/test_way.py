"""By which way in HQ is reached is said by `init`, `status` and `check`, in the office's language."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.cli.main import run_command
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.meta import LinkState
from connectors.runtime.settings import Way, read_settings
from hub.protocol.keys import Signer
from hub.protocol.note import sign_note
from hub.protocol.trust import Trust
from schemas.words import LANGUAGES, Language
from schemas.words.said import said

HUB = "hub.example"
NOW = datetime.now(UTC)
NOBODY = {"en": "nobody listens there", "ru": "там никто не отвечает", "zh": "无人应答"}
WAY = {
    "en": "way in: HTTPS; Kafka does not let us in",
    "ru": "путь: HTTPS; через Kafka связи нет",
    "zh": "通路：HTTPS；Kafka",
}


@pytest.fixture
def office(tmp_path: Path) -> Path:
    return tmp_path / "office"


def init(office: Path, language: Language, *more: str) -> None:
    root, receipts = Signer(f"{HUB}/root", b"r" * 32), Signer(f"{HUB}/receipts", b"x" * 32)
    trust = office.parent / "hub.trust.note"
    trust.write_bytes(sign_note(Trust(HUB, root.verifier, (receipts.verifier,)).to_text(), [root]).to_bytes())
    options = ["--trust", str(trust), "--center", "uz", "--language", language, "--office", str(office)]
    assert run_command(["init", *options, *more]) == 0


@pytest.mark.parametrize(
    ("options", "ways"),
    [
        (["--https", "https://hub.example:8443"], (Way.HTTPS,)),
        (["--https", "https://Hub.Example/", "--bootstrap", "hub.example:9092"], (Way.KAFKA, Way.HTTPS)),
        (["--bootstrap", "hub.example:9092"], (Way.KAFKA,)),
    ],
)
def test_office_is_made_with_the_ways_that_were_named(office: Path, options: list[str], ways: tuple[Way, ...]) -> None:
    """An office that has nothing but HTTPS names no broker."""
    init(office, "en", *options)
    assert read_settings(office).ways == ways


@pytest.mark.parametrize("language", LANGUAGES)
def test_status_says_the_way_and_why(office: Path, language: Language, capsys: pytest.CaptureFixture[str]) -> None:
    """Where HTTPS is not the first choice, what keeps us out of Kafka is told."""
    init(office, language, "--https", "https://hub.example", "--bootstrap", "hub.example:9092")
    because = said("obstacles.at", address="hub.example:9092", reason=said("obstacles.nobody_listens"))
    for state, expected in (
        (LinkState("up", NOW, NOW, way="https", because=because), [WAY[language], NOBODY[language]]),
        (LinkState("up", NOW, NOW, way="https"), ["HTTPS"]),
        (LinkState("up", NOW, NOW), []),
    ):
        with Outbox(office / "outbox.sqlite3") as outbox:
            outbox.database.set_link(state)
        capsys.readouterr()
        run_command(["status", "--office", str(office)])
        out = " ".join(capsys.readouterr().out.split())
        assert all(text in out for text in expected), out
        assert ("HTTPS" in out) == (state.way == "https")
        run_command(["status", "--office", str(office), "--json"])
        link: dict[str, Any] = json.loads(capsys.readouterr().out)["link"]
        assert link["way"] == state.way
        assert link["because"] == (None if state.because is None else state.because.text())


@pytest.mark.parametrize("language", LANGUAGES)
def test_check_says_what_is_wrong_with_each_way(
    office: Path, language: Language, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither lets us in: both are told, and neither hides the other."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    init(office, language, "--https", "https://127.0.0.1:9", "--bootstrap", "127.0.0.1:9")
    capsys.readouterr()
    run_command(["check", "--office", str(office)])
    out = capsys.readouterr().out
    assert out.count(NOBODY[language]) == 2
    assert "https://127.0.0.1:9" in out


@pytest.mark.parametrize(
    ("more", "holds"),
    [
        ("security: {username: uz, password: word}\n", True),
        ("https: {address: 'https://127.0.0.1:9', proxy: 'http://uz:word@127.0.0.1:9'}\n", True),
        ("https: {address: 'https://127.0.0.1:9', proxy: 'http://127.0.0.1:9'}\n", False),
        ("security: {username: uz, password_file: keys/kafka.password}\n", False),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="WINDOWS HAS NO MODES: nothing of them was tried")
def test_check_fails_where_others_may_read_a_password_in_the_settings(
    office: Path, more: str, holds: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Broker's or proxy's; what to do is said, and the password is not."""
    init(office, "en", "--bootstrap", "127.0.0.1:9")
    file = office / "connector.yaml"
    file.write_text(file.read_text() + more)
    for mode in (0o644, 0o600):
        file.chmod(mode)
        capsys.readouterr()
        assert run_command(["check", "--office", str(office), "--json"]) != 0
        out = capsys.readouterr().out
        found = next(one for one in json.loads(out) if one["name"] == "settings")
        is_exposed = holds and mode == 0o644
        assert (found["ok"], found["code"]) == (not is_exposed, "check.exposed" if is_exposed else "check.settings")
        assert ("security.password_file" in found["said"]) == is_exposed
        assert ":word" not in out


def test_office_that_goes_by_kafka_does_without_httpx() -> None:
    """It takes a third of a second to import."""
    asked = "import sys, connectors.runtime.daemon; print({'httpx2', 'h11', 'anyio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
