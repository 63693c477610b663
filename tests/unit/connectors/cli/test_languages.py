"""What an office reads on its terminal is in its own language: no English sentence reaches a Russian or Chinese one."""

from __future__ import annotations

import logging
import re
import shlex
import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import structlog

from connectors.cli.log import configure_logging
from connectors.cli.main import run_command
from connectors.cli.speaker import Speaker, speaker_for
from connectors.runtime.alarms import Alarm, AlarmText
from connectors.runtime.life import LifeFile
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.meta import LinkState
from connectors.runtime.outbox.rows import FileState, Reason, StoredRow, put_rows
from connectors.runtime.told import OfficeFatal, OfficeWaits
from connectors.source.table import FormatOptions
from hub.protocol.keys import Signer
from hub.protocol.note import sign_note
from hub.protocol.trust import Trust
from schemas.words import Language
from schemas.words.asked import Asked, asked_texts
from schemas.words.said import said
from tests.support.office import NOW

HUB = "hub.example"
NOWHERE = "127.0.0.1:1"
LOCAL: tuple[Language, ...] = ("ru", "zh")
# Names, paths, addresses, options, codes, times, and what stands between quotation marks or is a command.
QUOTED = re.compile(r"`[^`]*`|«[^»]*»|“[^”]*”|<[^>]*>")
NOT_WORDS = re.compile(r"'[^']*'|--[\w-]+|\S*[/\\@:.=+_|]\S*|\b[A-Z0-9_-]{2,}\b|\b\S*\d\S*\b|\([a-z]+\)")
WORD = re.compile(r"\b[A-Za-z]{2,}\b")
NAMES = {
    *FormatOptions.model_fields,
    "seal",
    "witness",
    "uz",
    "hub",
    "COHUB",
    "cohub",
    "Excel",
    "FILE",
    "ru",
    "zh",
    "en",
    "offers",
    "mappings",
    "keys",
    "bootstrap",
}


def english(text: str) -> list[str]:
    """Return the lines that have two English words or more beside names, paths, commands and quoted values."""
    found = []
    for line in text.splitlines():
        bare = NOT_WORDS.sub(" ", QUOTED.sub(" ", line.removeprefix("connector: ")))
        if len([word for word in WORD.findall(bare) if word not in NAMES]) >= 2:
            found.append(line)
    return found


@pytest.fixture(params=LOCAL)
def language(request: pytest.FixtureRequest) -> Language:
    found: Language = request.param
    return found


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    root, receipts = Signer(f"{HUB}/root", b"r" * 32), Signer(f"{HUB}/receipts", b"x" * 32)
    path = tmp_path / "hub.trust.note"
    path.write_bytes(sign_note(Trust(HUB, root.verifier, (receipts.verifier,)).to_text(), [root]).to_bytes())
    return path


@pytest.fixture
def office(tmp_path: Path, trust: Path, language: Language) -> Path:
    """Return an office with a sheet that has mistakes, one that nothing fits, and an outbox full of bad news."""
    folder = tmp_path / "office"
    options = ["--trust", str(trust), "--center", "uz", "--bootstrap", NOWHERE, "--language", language]
    assert run_command(["init", *options, "--office", str(folder)]) == 0
    sample = (folder / "sample" / "offers.xlsx").read_bytes()
    (folder / "offers 1.xlsx").write_bytes(sample)
    (folder / "offers 2.csv").write_text("a;b\n1;2\n", "utf-8")
    (folder / "offers 3.xlsx").write_bytes(b"no workbook")
    with Outbox(folder / "outbox.sqlite3") as outbox:
        outbox.rows.set_file("offers 1.xlsx", FileState.WAITING, Reason("30 rows changed", "", {"known": "9"}), b"x")
        outbox.rows.set_file("offers 2.csv", FileState.REFUSED, Reason("no column", "UNFIT", {"column": "X"}))
        outbox.rows.set_aside("more.xlsx", FileState.UNMAPPED, Reason("no mapping is for this name", "UNMAPPED"))
        outbox.rows.set_aside("open.xlsx", FileState.LOCKED, Reason("cannot read it"))
        with outbox.database.transaction() as connection:
            put_rows(connection, "offers 1.xlsx", 1, [StoredRow(2, "1", None, None, "refused", "NO_KEY")])
        outbox.database.set_meta("clock", Alarm(AlarmText.CLOCK_AHEAD, {"gap": "48:00:00"}).to_text())
        why = said("errors.unreachable", obstacles=(said("obstacles.nobody_listens"),))
        outbox.database.set_link(LinkState("down", NOW, NOW, why.text(), why))
    return folder


def ended(office: Path) -> None:
    LifeFile(office, lambda: NOW).end(OfficeFatal("errors.foreign", lane="hub.example/uz/ffffffff", path="x"))


def killed(office: Path) -> None:
    LifeFile(office, lambda: NOW).begin()


def stopped(office: Path) -> None:
    LifeFile(office, lambda: NOW).end(None)


def broken_settings(office: Path) -> None:
    path = office / "connector.yaml"
    path.write_text(path.read_text("utf-8") + "colour: red\n", "utf-8")


def no_yaml(office: Path) -> None:
    path = office / "connector.yaml"
    path.write_text(path.read_text("utf-8") + "colour: [\n", "utf-8")


def wrong_number(office: Path) -> None:
    path = office / "connector.yaml"
    path.write_text(path.read_text("utf-8").replace("settle_s: 60", "settle_s: soon"), "utf-8")


def no_login(office: Path) -> None:
    path = office / "connector.yaml"
    path.write_text(path.read_text("utf-8") + "security: {protocol: SASL_SSL}\n", "utf-8")


def open_key(office: Path) -> None:
    (office / "keys" / "seal.key").chmod(0o644)


def no_key(office: Path) -> None:
    (office / "keys" / "seal.key").unlink()


def broken_trust(office: Path) -> None:
    (office / "trust.note").write_text("nothing", "utf-8")


def broken_mapping(office: Path) -> None:
    (office / "mappings" / "offers.yaml").write_text("files: [", "utf-8")


def no_mapping(office: Path) -> None:
    (office / "mappings" / "offers.yaml").unlink()


def broken_outbox(office: Path) -> None:
    (office / "outbox.sqlite3").write_bytes(b"SQLite format 3\x00" + b"x" * 4096)


def later_outbox(office: Path) -> None:
    connection = sqlite3.connect(office / "outbox.sqlite3")
    connection.execute("PRAGMA user_version=999")
    connection.close()


def nothing(office: Path) -> None:
    assert office.exists()


CASES: list[tuple[Callable[[Path], None], list[str]]] = [
    (nothing, ["status"]),
    (nothing, ["check"]),
    (nothing, ["preview"]),
    (nothing, ["preview", "offers 1.xlsx", "--rows", "9"]),
    (nothing, ["preview", "missing.xlsx"]),
    (nothing, ["approve"]),
    (nothing, ["approve", "offers 1.xlsx"]),
    (nothing, ["approve", "other.xlsx"]),
    (nothing, ["epoch", "new", "--reason", " "]),
    (nothing, ["epoch", "new", "--reason", "why not"]),
    (nothing, ["key", "new"]),
    (nothing, ["key", "new", "--long"]),
    (nothing, ["key", "new", "--purpose", "witness"]),
    (nothing, ["key", "new", "--purpose", "tea"]),
    (nothing, ["key", "use"]),
    (nothing, ["witness", "status"]),
    (nothing, ["witness", "retry"]),
    (nothing, ["person", "list"]),
    (nothing, ["person", "show"]),
    (nothing, ["person", "show", "nobody"]),
    (nothing, ["person", "readmit", "--number", "3"]),
    (nothing, ["erase", "--number", "3"]),
    (nothing, ["run", "--once", "--deadline", "1"]),
    (nothing, ["run", "--loud"]),
    (nothing, ["run", "--deadline"]),
    (nothing, ["epoch", "new"]),
    (nothing, ["preview", "--rows", "many"]),
    (nothing, ["status", "--json=3"]),
    (nothing, ["approve", "a", "b"]),
    (nothing, ["nonsense"]),
    (ended, ["status"]),
    (ended, ["check"]),
    (killed, ["status"]),
    (killed, ["check"]),
    (stopped, ["status"]),
    (stopped, ["check"]),
    (broken_settings, ["status"]),
    (broken_settings, ["run", "--once"]),
    (no_yaml, ["check"]),
    (wrong_number, ["check"]),
    (no_login, ["check"]),
    (open_key, ["check"]),
    (open_key, ["run", "--once"]),
    (no_key, ["run", "--once"]),
    (broken_trust, ["check"]),
    (broken_mapping, ["check"]),
    (broken_mapping, ["run", "--once"]),
    (no_mapping, ["preview"]),
    (no_mapping, ["check"]),
    (broken_outbox, ["status"]),
    (broken_outbox, ["run", "--once"]),
    (later_outbox, ["status"]),
]


def test_english_sentence_is_seen() -> None:
    """The test finds what it looks for, and passes over names, commands and what is quoted."""
    assert english("связь: link is down\nсостояние «it is down», см. `connector run`, COHUB_DEBUG=1, a.b/c") == [
        "связь: link is down"
    ]


@pytest.mark.parametrize(
    ("prepare", "arguments"), CASES, ids=lambda one: "-".join(one) if isinstance(one, list) else one.__name__
)
def test_no_english_sentence_reaches_the_terminal(
    office: Path, prepare: Callable[[Path], None], arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever goes well or wrong, people read it in their language; `--help` alone is in English."""
    prepare(office)
    capfd.readouterr()
    place = len(arguments) if "--" not in arguments else arguments.index("--")
    run_command(
        [*arguments[:place], *(["--office", str(office)] if arguments != ["nonsense"] else []), *arguments[place:]]
    )
    captured = capfd.readouterr()
    assert captured.out + captured.err
    if arguments != ["nonsense"]:
        assert english(captured.out + captured.err) == []
    assert "Traceback" not in captured.err


def test_first_words_of_a_new_office_are_in_its_language(
    tmp_path: Path, trust: Path, language: Language, capfd: pytest.CaptureFixture[str]
) -> None:
    """`init` says what is next, and what it writes explains itself."""
    options = ["--trust", str(trust), "--center", "uz", "--bootstrap", NOWHERE, "--language", language]
    assert run_command(["init", *options, "--office", str(tmp_path / "new")]) == 0
    text = capfd.readouterr().out
    assert english(text) == []
    assert f"`connector mapping propose FILE --office {tmp_path / 'new'}`" in text
    comments = [line for name in ("connector.yaml", "mappings/offers.yaml") for line in
                (tmp_path / "new" / name).read_text("utf-8").splitlines() if "#" in line]  # fmt: skip
    assert english("\n".join(line.partition("#")[2] for line in comments)) == []
    assert run_command(["init", *options, "--office", str(tmp_path / "new")]) == 2
    assert run_command(["init", "--language", language]) == 2
    assert run_command(["init", *options[:-1], "kk"]) == 2
    assert run_command(["init", "--trust", "missing.note", *options[2:]]) == 2
    assert english("\n".join(capfd.readouterr().err.splitlines()[:-2])) == []


@cache
def asked() -> tuple[Asked, ...]:
    """Return every place in the code that asks for a text."""
    return tuple(asked_texts())


def test_lines_of_a_running_connector_are_in_its_language(
    office: Path, language: Language, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every event that has words is said by them; one that has none is quoted, and the log file is in English."""
    root = logging.getLogger()
    before = root.handlers, root.level
    try:
        configure_logging(office, Speaker(language, office), quiet=False)
        log = structlog.get_logger("test")
        logged = [one for one in asked() if one.is_log]
        values = {name: f"<{name}>" for one in logged for name in one.values or ()}
        events = sorted({one.name.pattern.removeprefix(r"log\.(?:").removesuffix(")") for one in logged})
        why = OfficeWaits("errors.no_topic", topic="out.uz")
        for event in events:
            log.warning(event, **{**values, "said": why})
        log.info("something_new", reason="it is for support alone")
        for handler in root.handlers:
            handler.flush()
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers, level = before
        root.setLevel(level)
        structlog.reset_defaults()
    err = capfd.readouterr().err
    assert english(err) == []
    assert "something_new" not in err
    assert len(err.splitlines()) == len(events)
    kept = (office / "cohub" / "connector.log").read_text("utf-8")
    assert '"event": "something_new"' in kept
    assert "ask HQ whether" not in kept  # what is for people is not in it


@pytest.mark.parametrize(
    ("arguments", "office"),
    [
        (["status", "--office", "a b"], "a b"),
        (["status", "--office=a b"], "a b"),
        (["status", "-C", "a b"], "a b"),
        (["status", "-Ca b"], "a b"),
        (["status"], "from the environment"),
        (["approve", "--", "-C"], "from the environment"),
        (["status", "--office"], "from the environment"),
    ],
)
def test_office_is_found_in_the_arguments_before_they_are_read(arguments: list[str], office: str) -> None:
    """So that what is wrong with them, or with the settings, is told in the office's language."""
    assert speaker_for(arguments, {"COHUB_OFFICE": "from the environment"}).office == Path(office)


def test_commands_are_told_as_they_work_from_here() -> None:
    """The office's folder is named where it is not the current one, before what ends the options."""
    speaker = Speaker("en", Path("my office"))
    assert speaker.text("run `connector approve -- -x.csv` now") == (
        'run `connector approve --office "my office" -- -x.csv` now'
    )
    assert speaker.text("`connector run --office there`, `hub up`") == "`connector run --office there`, `hub up`"
    assert Speaker().text("`connector run`") == "`connector run`"


@pytest.mark.parametrize("language", LOCAL)
@pytest.mark.parametrize("wrong", [["frob"], ["key", "frob"], ["fields", "--frob"], ["epoch", "new", "--frob"]])
def test_help_that_is_told_of_a_wrong_command_can_be_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: Language, wrong: list[str]
) -> None:
    """Groups of commands know no office: the help is told as it works for all of them."""
    (tmp_path / "connector.yaml").write_text(f"language: {language}\n", "utf-8")
    assert run_command([*wrong, "--office", str(tmp_path)]) == 2
    (told,) = re.findall(r"`connector ([^`]+)`", capsys.readouterr().err)
    assert run_command(shlex.split(told)) == 0
    assert "Usage: " in capsys.readouterr().out
