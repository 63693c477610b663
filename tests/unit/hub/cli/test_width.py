"""Every command's table holds at the width that there is: no line is longer, no word is broken, no Python is shown."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from hub.base import output
from hub.base.text import in_one_line, words
from hub.cli.main import run_command
from hub.cli.options import Settings
from hub.hq.code_lists import Term, publish
from hub.hq.folder import HubFolder
from hub.hq.identity import make_identity
from tests.support.center import HUB, Center
from tests.support.lived import lived
from tests.support.witness import Witness

COMMANDS = [
    ["status"], ["center", "show", "uz"],
    ["center", "list"], ["lane", "list"], ["lane", "show", "uz"], ["lane", "show", "kz"], ["key", "list"],
    ["show", "offer"], ["show", "deal"], ["show", "code_list"], ["show", "offer", "uz:K-1"], ["show", "deal", "kz:D-1"],
    ["show", "code_list", "hq:technology"], ["quarantine", "list"], ["quarantine", "show", "1"],
    ["quarantine", "show", "2"],
    ["settings", "show"], ["log", "status"], ["ledger", "archive", "--older-than", "9999", "--to", "archive"],
    ["replay", "as-of", "now"], ["replay", "history", "uz:K-1"], ["replay", "diff", "2020-01-01", "now"],
    ["replay", "rejudge"], ["replay", "rebuild"], ["audit", "verify"],
    ["view", "list"], ["view", "contracts"], ["view", "references", "offer", "uz:K-1"],
    ["view", "figures"], ["view", "figures", "offers_published", "--entities"], ["view", "check"],
]  # fmt: skip
HOSTILE = "Licence\x1b[2J of \u202ereversed\u2066 things \x9b31m, a title that goes on for longer than a line"
PYTHON = re.compile(r"\{'|\['|\bNone\b|datetime\.|Decimal\(|\bTrue\b|\bFalse\b|tzinfo=")


@pytest.fixture(scope="module")
def hub_of_many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data directory of a hub that has lived, with records in quarantine and a code list."""
    folder = tmp_path_factory.mktemp("wide") / "data"

    async def live() -> None:
        found = await lived(folder, make_identity(folder / "keys", HUB))
        uz, kz = Center("uz"), Center("kz")
        strange = Witness(uz).alarm("x", offset=900, center="kz")
        await found.hq.feed("uz", [strange])
        await found.hq.feed("kz", [Witness(kz).alarm("y", offset=901, center="uz")])
        await found.hq.store.close()
        terms = [Term(f"code-{n}", "技术转让", "technology", "технология") for n in range(12)]
        await publish(HubFolder(folder), "technology", terms)

    asyncio.run(live())
    return folder


@pytest.mark.parametrize("width", [80, 100])
def test_no_line_is_longer_than_the_terminal_and_no_word_is_broken(
    hub_of_many: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """What stands in a table at 1,000 columns stands at 80 with the same words; nothing of Python's shows."""
    for command in COMMANDS:
        printed = []
        for columns in (1_000, width):
            monkeypatch.setenv("COLUMNS", str(columns))
            capsys.readouterr()
            assert run_command(list(command), Settings(hub_of_many)) in {0, 1}, (command, capsys.readouterr())
            printed.append(capsys.readouterr().out)
        wide, narrow = printed
        # A line without columns is prose, which a terminal wraps as it likes.
        assert [t for t in narrow.splitlines() if cell_len(t) > width and "  " in t.strip()] == [], command
        there = {word for word in wide.split() if cell_len(word) < width - 30} - set(narrow.split())
        assert {word for word in there if not _moves(word)} == set(), command
        assert not PYTHON.search(narrow), (command, PYTHON.search(narrow))


def _moves(word: str) -> bool:
    """Return whether a word tells of now: how long something took, or is ago."""
    return bool(re.fullmatch(r"[\d.,:TZ-]+|s|min|h|─+", word))


def test_titles_of_strangers_reach_a_terminal_as_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One door: tables, lines, notes, errors and JSON show what would draw, hide or turn the text beside it."""
    monkeypatch.setenv("COLUMNS", "80")
    output.line(HOSTILE)
    output.note(HOSTILE)
    output.table("", ["title"], [[HOSTILE]])
    output.facts_table({"title": HOSTILE})
    output.as_json({"title": HOSTILE})
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)
        assert "\\x1b[2J" in text
        assert "\\u202e" in text
    assert json.loads(said.out[said.out.index("{") :]) == {"title": HOSTILE}


def test_show_gives_all_to_programs_and_says_what_people_do_not_see(hub_of_many: Path, capsys: Any) -> None:
    """A listing never ends in silence."""

    def ran(*arguments: str) -> Any:
        capsys.readouterr()
        assert run_command(list(arguments), Settings(hub_of_many)) == 0
        return capsys.readouterr()

    total = len(json.loads(ran("show", "offer", "--json").out))
    assert total > 1
    one = ran("show", "offer", "--json", "--limit", "1")
    assert (len(json.loads(one.out)), one.err) == (1, f"1 of {total}; --limit shows more, --all shows all\n")
    assert f"1 of {total}" in ran("show", "offer", "--limit", "1").err
    assert ran("show", "offer", "--all").err == ""


def test_words_break_where_their_script_does() -> None:
    """Blanks part words; Chinese has none, and any two of its characters may be parted."""
    assert list(words("  a-b c  ")) == ["a-b", "c"]
    assert list(words("ab技术c")) == ["ab", "技", "术", "c"]
    assert in_one_line("a\r\nb\tc\u2028d\u200c") == "a b c d\u200c"
