"""What the start of a self-unpacking file says is there in every language, and its first half runs on an old Python."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path
from string import Formatter
from typing import Final

import pytest

from deploy.connector import make
from deploy.pyz import first, pack

PYZ: Final = Path(__file__).parents[3] / "deploy/pyz"
WORDS: Final = tomllib.loads((PYZ / "words.toml").read_text("utf-8"))


def places(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def asked() -> dict[str, set[str]]:
    """Return the names of the texts that start.py asks for, with the values that it gives."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse((PYZ / "start.py").read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "say":
            (name,) = (argument.value for argument in node.args if isinstance(argument, ast.Constant))
            found[str(name)] = {str(word.arg) for word in node.keywords}
    return found


def test_start_asks_for_each_text_with_its_values() -> None:
    """None is missing, none is left over, and each has all that is filled in."""
    assert asked().keys() == WORDS.keys()
    for name, text in WORDS.items():
        assert tuple(text) == pack.LANGUAGES, name
        for language, said in text.items():
            assert set(places(said)) == asked()[name], (name, language)


@pytest.mark.parametrize("texts", [first.OTHER_PYTHON, first.DAMAGED, first.LOST])
def test_what_stands_in_the_first_half_is_said_in_every_language(texts: tuple[str, ...]) -> None:
    """As many texts as languages, with the same to be filled in."""
    assert len(texts) == len(pack.LANGUAGES)
    assert len({tuple(places(text)) for text in texts}) == 1


def test_an_old_python_reads_the_first_half_and_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be as old as 3.6; what it is told is in the office's language, too."""
    main = pack.starts(make.CONNECTOR)["__main__.py"].decode()
    ast.parse(main, feature_version=(3, 6))
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    assert first.run("connector.pyz", "cohub-connector", "-IS") == first.UNUSABLE
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "cohub-connector: expected Python 3.11, 3.12 or 3.13, this is 3.9"
    assert [("нужен" in line, "需要" in line) for line in told[1:]] == [(True, False), (False, True)]
