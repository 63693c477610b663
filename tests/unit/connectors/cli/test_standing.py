"""How HQ stands with the center is shown in the office's language: in the status, in a check, and as old as it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.cli.check_hq import check_hq
from connectors.cli.main import run_command
from connectors.cli.office import OpenedOffice
from connectors.runtime.hq_words import hq_notice, plain_said, status_said
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.standing import STALE, Kept
from hub.protocol.keys import Signer
from hub.protocol.note import sign_note
from hub.protocol.status import State, StatusNote
from hub.protocol.trust import Trust
from schemas.words import LANGUAGES, Language

HUB = "hub.example"
NOW = datetime.now(UTC)
SAID = {
    "en": {
        State.READS: "reads",
        State.WAITS: "decided nothing",
        State.PARKED: "taken nothing",
        State.SUSPENDED: "suspended",
    },
    "ru": {
        State.READS: "читает",
        State.WAITS: "пока не рассматривает",
        State.PARKED: "ничего не принимает",
        State.SUSPENDED: "приостановила",
    },
    "zh": {State.READS: "读取本中心的报送", State.WAITS: "暂不处理", State.PARKED: "不再处理", State.SUSPENDED: "暂停"},
}
WHY = {State.WAITS: "UNKNOWN_KEY 1f2e3d4c 0a1b2c3d", State.PARKED: "GAP 0a1b2c3d 6 8", State.SUSPENDED: "SUSPENDED"}
OTHERS = {"en": "for another center 3", "ru": "для другого центра — 3", "zh": "写给别的中心的 3"}
NEVER = {"en": "has not said yet", "ru": "ещё не сообщила", "zh": "尚未说明"}
OLD = {"en": "nothing newer since", "ru": "новее нет", "zh": "之后没有新的消息"}


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Language:
    found: Language = request.param
    return found


@pytest.fixture
def office(tmp_path: Path, language: Language) -> Path:
    root, receipts = Signer(f"{HUB}/root", b"r" * 32), Signer(f"{HUB}/receipts", b"x" * 32)
    trust = tmp_path / "hub.trust.note"
    trust.write_bytes(sign_note(Trust(HUB, root.verifier, (receipts.verifier,)).to_text(), [root]).to_bytes())
    folder = tmp_path / "office"
    options = ["--trust", str(trust), "--center", "uz", "--bootstrap", "127.0.0.1:1", "--language", language]
    assert run_command(["init", *options, "--office", str(folder)]) == 0
    with Outbox(folder / "outbox.sqlite3"):
        return folder


def hear(office: Path, state: State, age: timedelta = timedelta()) -> Kept:
    """Have the office have heard from HQ how it stands, so long ago."""
    now = datetime.now(UTC)
    since = now - timedelta(hours=5)
    why = WHY.get(state, "")
    note = StatusNote(HUB, "uz", now - age, "", 0, state, since, why, 17, f"{HUB}/hq/00c0ffee", 1)
    kept = Kept.read(note, now, now)
    with Outbox(office / "outbox.sqlite3") as outbox:
        outbox.database.set_meta(Meta.HQ_STATUS, kept.to_text())
        outbox.database.set_meta(Meta.PASSED_OVER, '{"others": 3}')
    return kept


@pytest.mark.parametrize("state", [State.READS, State.WAITS, State.PARKED, State.SUSPENDED])
def test_status_and_check_show_what_hq_says(
    office: Path, language: Language, capsys: pytest.CaptureFixture[str], state: State
) -> None:
    """Fresh: a state in which HQ does not read needs a person, and says what to do."""
    kept = hear(office, state)
    capsys.readouterr()
    found = run_command(["status", "--office", str(office)])
    shown = capsys.readouterr().out
    assert SAID[language][state] in shown.replace("\n", " ")
    assert OTHERS[language] in shown.replace("\n", " ")
    assert found == (0 if state is State.READS else 1)
    assert run_command(["status", "--office", str(office), "--json"]) == found
    status = json.loads(capsys.readouterr().out)
    assert (status["hq"]["state"], status["hq"]["stale"]) == (state, False)
    assert ("hq" in [need["code"] for need in status["needs"]]) == (state is not State.READS)
    checked = check_hq(OpenedOffice.open(office))
    assert checked.ok is (state is State.READS)
    assert SAID[language][state] in checked.text(OpenedOffice.open(office).speaker)
    notice = hq_notice(kept, language, is_stale=False)
    assert SAID[language][state] in notice.said
    assert bool(notice.todo) == (state is not State.READS)


BUT = {"en": "but says since", "ru": "указывает", "zh": "但指出"}


def test_what_hq_cannot_take_is_shown_though_it_reads(language: Language) -> None:
    """The lane goes on, and something of it does not: the reason is shown, and nobody is called for it."""
    note = StatusNote(
        HUB, "uz", NOW, "", 0, State.READS, NOW, "BAD_SEAL 0a1b2c3d 6 no note", 17, f"{HUB}/hq/00c0ffee", 1
    )
    kept = Kept.read(note, NOW, NOW)
    for text in (status_said(kept).text(language), plain_said(kept.plain(NOW)).text(language)):
        assert BUT[language] in text
        assert "0a1b2c3d" in text
        assert "no note" in text
    assert not kept.stops


REPEATED = {"en": "an earlier one has: 3", "ru": "уже был у другого: 3", "zh": "发现 3 个事件"}


def test_what_an_audit_found_is_shown_as_a_remark(
    office: Path, language: Language, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the office's words, by the status and by a check, with what to do; nobody is called for it."""
    note = StatusNote(HUB, "uz", NOW, "", 0, State.READS, NOW, "REPEATED_ID 3 0a1b2c3d 71", 17, f"{HUB}/hq/00c0ffee", 1)
    with Outbox(office / "outbox.sqlite3") as outbox:
        outbox.database.set_meta(Meta.HQ_STATUS, Kept.read(note, NOW, NOW).to_text())
    capsys.readouterr()
    assert run_command(["status", "--office", str(office)]) == 0
    checked = check_hq(OpenedOffice.open(office))
    assert checked.ok is True
    shown = capsys.readouterr().out.replace("\n", " " if language != "zh" else "")
    for text in (shown, checked.text(OpenedOffice.open(office).speaker)):
        assert REPEATED[language] in text
        for part in ("71", "0a1b2c3d", "ce_id", "UUID"):
            assert part in text


def test_what_hq_said_long_ago_is_shown_as_that(
    office: Path, language: Language, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its time; it is no need of a person any more, for nobody knows whether it is still so."""
    kept = hear(office, State.PARKED, STALE + timedelta(minutes=1))
    capsys.readouterr()
    assert run_command(["status", "--office", str(office)]) == 0
    shown = capsys.readouterr().out.replace("\n", " ")
    at = kept.note.time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert OLD[language] in shown
    assert at in shown
    checked = check_hq(OpenedOffice.open(office))
    assert checked.ok is None
    assert at in checked.text(OpenedOffice.open(office).speaker)
    assert at in hq_notice(kept, language, is_stale=True).said


def test_what_hq_never_said_is_not_made_up(
    office: Path, language: Language, capsys: pytest.CaptureFixture[str]
) -> None:
    """An HQ of 0.2 says nothing of itself; what a later release has kept is nothing to this one."""
    for text in (None, "{", '{"text": "cohub-status/v9\\n", "read_at": "x", "age_s": 1}'):
        with Outbox(office / "outbox.sqlite3") as outbox:
            outbox.database.set_meta(Meta.HQ_STATUS, text)
        capsys.readouterr()
        assert run_command(["status", "--office", str(office)]) == 0
        assert NEVER[language] in capsys.readouterr().out.replace("\n", " ")
        assert check_hq(OpenedOffice.open(office)).ok is None
