"""Every command that a message prints can be typed: it exists, its options exist, and what it needs is named.

Messages stand in the words' files and in the code; a command in them stands between backticks.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import typer

import schemas
from connectors.cli.main import app as connector
from hub.cli.main import app as hub
from schemas.words import texts_in

ROOT: Final = Path(__file__).parents[2]
PROGRAMS: Final = {"hub": hub, "connector": connector}
COMMAND: Final = re.compile(r"`((?:hub|connector) [^`]+)`")
PLACE: Final = re.compile(r"\{[^{}]*\}")
OPTIONS: Final = re.compile(r"(?<=\w)\{options?\}")  # ` --option value`, or nothing: made by `options_of`
# What a placeholder in a message may stand for without being quoted: none of these has a blank or a quote in it.
SAFE: Final = {"center", "key", "stream", "number", "id", "purpose", "size", "sequence", "origin", "lane"}
QUOTES: Final = {"quote"}


def in_words() -> Iterator[tuple[str, str]]:
    for path in schemas.paths(".toml"):
        for name, text in texts_in(path, schemas.read(path)):
            for language, said in text.items():
                yield from ((f"{path} {name}.{language}", found) for found in COMMAND.findall(said))


def in_code(program: str) -> Iterator[tuple[str, str]]:
    """Yield where, and each command of a program in a text of the code that is no docstring."""
    return (found for found in commands_in_code() if found[1].startswith(program))


@cache
def commands_in_code() -> tuple[tuple[str, str], ...]:
    """Return where, and each command; places to fill in stand as {…}."""
    return tuple(_in_code())


def _in_code() -> Iterator[tuple[str, str]]:
    for package in ("hub", "connectors"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree, file = ast.parse(path.read_text("utf-8")), path.relative_to(ROOT)
            parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
            parts |= {id(doc) for node in ast.walk(tree) for doc in _docstring(node)}
            for node in ast.walk(tree):
                if id(node) not in parts:
                    where = f"{file}:{getattr(node, 'lineno', 0)}"
                    yield from ((where, command) for command in COMMAND.findall(_text(node)))


def _docstring(node: ast.AST) -> list[ast.expr]:
    body = getattr(node, "body", None)
    return [body[0].value] if isinstance(body, list) and body and isinstance(body[0], ast.Expr) else []


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if not isinstance(node, ast.JoinedStr):
        return ""
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}"
        for part in node.values
        if isinstance(part, ast.Constant | ast.FormattedValue)
    )


def is_quoted(place: str) -> bool:
    """Return whether what is filled in there is one word of a shell, whatever it is."""
    call = re.match(r"\{(?:\w+\.)*(\w+)\(", place)
    last = re.findall(r"\w+", place)
    return bool(call and call[1] in QUOTES) or bool(last and last[-1] in SAFE)


@cache
def made(program: str) -> object:
    """Return a program's tree of commands."""
    return typer.main.get_command(PROGRAMS[program])


def fault(command: str) -> str | None:
    """Return why a command can't be typed as it stands; None where it can, or only names a command."""
    text = PLACE.sub("1", OPTIONS.sub("", command)).replace("…", "").replace("[", "").replace("]", "")
    try:
        program, *words = shlex.split(text)
    except ValueError as exc:
        return str(exc)
    found: Any = made(program)
    while hasattr(found, "commands") and words and not words[0].startswith("-"):
        if words[0] not in found.commands:
            return f"there is no command {words[0]}"
        found, words = found.commands[words[0]], words[1:]
    if not words:
        return None
    try:
        found.make_context(found.name, list(words))
    except Exception as exc:  # noqa: BLE001 -- typer has its own click, whose errors go by their names alone
        # A placeholder is no number and no file, and help is shown where it is asked for: neither is a fault.
        if type(exc).__name__ not in {"BadParameter", "Exit"}:
            return str(exc) or type(exc).__name__
    return None


def told(program: str) -> list[tuple[str, str]]:
    return [*((w, c) for w, c in in_words() if c.startswith(program)), *in_code(program)]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_that_a_message_prints_can_be_typed(program: str) -> None:
    """What a person is told to run runs."""
    found = told(program)
    assert len(found) > 20
    assert [f"{where}: `{command}`: {why}" for where, command in found if (why := fault(command))] == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_names_that_are_filled_into_commands_are_quoted(program: str) -> None:
    """A file's name may have blanks: a command with one in it is copied, and must still be that command."""
    loose = [
        f"{where}: `{command}`: {place}"
        for where, command in in_code(program)
        for place in PLACE.findall(OPTIONS.sub("", command))
        if not is_quoted(place)
    ]
    assert loose == []


@pytest.mark.parametrize(
    "wrong",
    [
        "hub nonsense",
        "hub status --nonsense",
        "hub center revoke-key uz 1f2e3d4c",
        "hub center set uz --name 'x",
        "hub log proof uz",
        "connector epoch nonsense",
    ],
)
def test_command_that_cannot_be_typed_is_found(wrong: str) -> None:
    """The check itself finds a wrong command, option, quote, and what is missing."""
    assert fault(wrong) is not None
