"""Whatever strangers write, what people read has no control, no escape, nothing unseen and no change of direction."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any, Final

import openpyxl
import pytest
import structlog
import typer

from connectors.cli import main as connector
from connectors.cli.log import configure_logging
from connectors.cli.speaker import Speaker
from connectors.runtime.life import LifeFile
from connectors.runtime.told import told_of
from connectors.runtime.verdicts import escape
from hub.base import output
from hub.base.obstacle import STATUSES
from hub.cli import main as hub
from hub.cli.logs import log_to_stderr
from hub.cli.options import Settings
from hub.evidence.markup import text as html_text
from schemas.words import LANGUAGES
from tests.support.sheets_office import MAPPING, SheetsOffice

# C0, DEL and C1; marks of direction; what nobody can see; separators of lines; halves of characters.
RAW: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\u115f\u3164]"
)
HOSTILE: Final = "a\x1b[31m\x9b2J\x07\x7f\u202eevil\u2066\u200b\ufeff\u2028\x85\u3164z"
NAME: Final = "offers\x1b]0;x\x07\x9b1m\u202exslx.csv"
# These go on by themselves, or start other programs; what they print goes through the same functions.
RUNS_ON: Final = {"up", "run", "demo", "worker", "broker"}


def leaves(command: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Return every command with the words that call it."""
    below = getattr(command, "commands", None)
    if below is None:
        return [(path, command)]
    return [leaf for name, one in below.items() for leaf in leaves(one, (*path, name))]


CONNECTOR: Final = leaves(typer.main.get_command(connector.app))
HUB: Final = leaves(typer.main.get_command(hub.app))


def arguments(command: Any, *, hostile: str, where: Path) -> list[str]:
    """Return a hostile text for each argument and required option; the folder for what names one."""
    given: list[str] = []
    for param in command.params:
        if "--office" in param.opts or "--data-dir" in param.opts:
            given += [param.opts[0], str(where)]
        elif param.param_type_name == "argument":
            given += [hostile]
        elif param.required:
            given += [param.opts[0], hostile]
    return given


@pytest.mark.parametrize(
    ("words", "command"), CONNECTOR, ids=lambda value: "-".join(value) if value.__class__ is tuple else ""
)
def test_commands_of_an_office_show_nothing_raw(
    words: tuple[str, ...], command: Any, office: SheetsOffice, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its sheets, mappings and names are hostile, and so is what is typed."""
    if words[-1] in RUNS_ON:
        return
    status = connector.run_command([*words, *arguments(command, hostile=HOSTILE, where=office.path)])
    shown = capfd.readouterr()
    assert status in (0, 1, 2, *STATUSES.values())
    assert RAW.search(shown.out + shown.err) is None, repr(shown)


@pytest.mark.parametrize(
    ("words", "command"), HUB, ids=lambda value: "-".join(value) if value.__class__ is tuple else ""
)
def test_commands_of_hq_show_nothing_raw(
    words: tuple[str, ...], command: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is typed, and the name of the folder, are hostile."""
    if words[-1] in RUNS_ON or words == ("init",):
        return
    where = tmp_path / HOSTILE
    assert hub.run_command([*words, *arguments(command, hostile=HOSTILE, where=where)], Settings(where)) in (0, 1, 2, 3)
    shown = capfd.readouterr()
    assert RAW.search(shown.out + shown.err) is None, repr(shown)


@pytest.fixture
def office(tmp_path: Path) -> Any:
    made = SheetsOffice(
        tmp_path / "office", {"offers.yaml": MAPPING, "b\x1b[1m.yaml": MAPPING.replace("offers*", "zz*")}
    )
    made.write(NAME, f'"{HOSTILE}","{HOSTILE}"', f"2,{HOSTILE}", head=f"Number,Title,{HOSTILE}")
    made.write("offers\x9b.xls", "x")
    made.settle()
    LifeFile(made.path).end(RuntimeError(HOSTILE))
    made.outbox.close()
    return made


def test_verdict_sheets_show_nothing_raw(office: SheetsOffice) -> None:
    """Keys, file names and reasons stand in cells that no program takes for a formula."""
    sheets = list((office.path / "cohub").glob("*.xlsx"))
    assert sheets
    for path in sheets:
        book = openpyxl.load_workbook(path)
        for sheet in book.worksheets:
            for row in sheet.iter_rows():
                assert all(cell.data_type != "f" and RAW.search(str(cell.value)) is None for cell in row)
        book.close()


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t=", "\r=", "＝", "\u200b=", "\x00="])
def test_cell_is_no_formula(begin: str) -> None:
    """Whatever stands before the sign, and whether it is seen."""
    shown = escape(f"{begin}HYPERLINK(1)")
    assert shown[0] not in "=+-@\t\r＝＋－＠"
    assert RAW.search(shown) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_log_of_an_office_shows_nothing_raw(tmp_path: Path, language: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither on the terminal, nor in the file, which people look at in one; a name can't end the line."""
    configure_logging(tmp_path, Speaker(language), quiet=False)
    log = structlog.get_logger("x")
    log.warning("file_refused", file=f"{HOSTILE}\nforged line", reason=HOSTILE)
    log.warning("unheard_of", thing=HOSTILE)
    logging.getLogger("aiokafka.x").critical("%s", HOSTILE)
    try:
        raise RuntimeError(HOSTILE)
    except RuntimeError:
        log.exception("crashed")
    shown = capsys.readouterr().err
    kept = (tmp_path / "cohub" / "connector.log").read_text("utf-8")
    for handler in logging.getLogger().handlers:
        handler.close()
    logging.getLogger().handlers = []
    structlog.reset_defaults()
    assert RAW.search(shown) is None
    assert RAW.search(kept) is None
    assert not any(line.startswith("forged") for line in shown.splitlines())
    assert json.loads(kept.splitlines()[0])["reason"] == HOSTILE


def test_log_of_hq_shows_nothing_raw(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON lines say the same with escapes of their own."""
    logging.getLogger().handlers = []
    log_to_stderr()
    structlog.get_logger().warning("x", reason=HOSTILE)
    logging.getLogger("faust").warning("%s", HOSTILE)
    shown = capsys.readouterr().err
    logging.getLogger().handlers = []
    structlog.reset_defaults()
    assert RAW.search(shown) is None
    assert json.loads(shown.splitlines()[0])["reason"] == HOSTILE


def test_pages_and_output_show_nothing_raw(capsys: pytest.CaptureFixture[str]) -> None:
    """HTML, tables, facts, notes and JSON."""
    assert RAW.search(html_text(HOSTILE)) is None
    output.line(HOSTILE)
    output.note(HOSTILE)
    output.table(HOSTILE, [HOSTILE], [[HOSTILE]])
    output.facts_table({HOSTILE: HOSTILE})
    output.hanging(HOSTILE, HOSTILE)
    output.as_json({HOSTILE: HOSTILE})
    shown = capsys.readouterr()
    assert RAW.search(shown.out + shown.err) is None


def test_crash_quotes_no_cell() -> None:
    """It is kept beside the sheets and told: what kind it is and where, and never what was read."""
    with pytest.raises(TypeError) as caught:
        escape(None)  # type: ignore[arg-type]
    assert "verdicts:" in str(told_of(caught.value))
    assert "Nigora" not in str(told_of(RuntimeError("Nigora Karimova")))


def test_nothing_is_printed_but_by_the_door() -> None:
    """Code that prints by itself is found here: `print`, typer's and click's echo, prompts, and the streams."""
    root = Path(__file__).parents[2]
    good = {"hub/base/output.py", "hub/base/command.py", "hub/broker/__main__.py", "hub/broker/launcher.py"}
    direct = re.compile(
        r"(?<![\w.])print\(|typer\.(echo|secho|prompt|confirm)\(|click\.\w*echo\(|sys\.std(out|err)\.(write|buffer)"
    )
    found = {
        str(path.relative_to(root))
        for room in ("hub", "connectors")
        for path in (root / room).rglob("*.py")
        if direct.search(path.read_text("utf-8"))
    }
    assert found - good == {"hub/cli/run.py"}  # HQ's own trust note, for a pipe, byte for byte
