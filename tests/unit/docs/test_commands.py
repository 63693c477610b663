"""Every command that the pages and the help name exists, with each option that they give it, and can be typed so."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer
from typer._click.exceptions import UsageError

from connectors.cli.main import app as connector
from hub.cli.main import app as hub

ROOT: Final = Path(__file__).parents[3]
PROGRAMS: Final[dict[str, Any]] = {"hub": typer.main.get_command(hub), "connector": typer.main.get_command(connector)}
PAGES: Final = ("README.md", "CONTRIBUTING.md", "schemas/PROTOCOL.md", "docker-compose.yml", "deploy/demo/README.md")
_SPAN: Final = re.compile(r"`((?:hub|connector) [a-z][^`]*)`")
_LINE: Final = re.compile(
    r"^(?:#? *|    \$ |.*? (?:worker|connector) )((?:hub|connector) (?!is\b)[a-z-]+.*)$", re.MULTILINE
)
# What an office types to the connector that is one file, and the words that a page of theirs shows it by.
_FILE: Final = re.compile(r"`(?:py|python3) connector\.pyz ([a-z][^`]*)`")
_EXAMPLES: Final = re.compile(r"Examples?:(.*?)(?:\n\s*\nExit status|\Z)", re.DOTALL)


def parts(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every command and group below one, by its whole name."""
    yield name, command
    for word, below in getattr(command, "commands", {}).items():
        yield from parts(below, f"{name} {word}")


EVERY: Final = {name: command for program, root in PROGRAMS.items() for name, command in parts(root, program)}


def fault(text: str) -> str | None:
    """Return what is wrong with a command that is shown, None where nothing is."""
    words = shlex.split(text, comments=True)
    name = words.pop(0)
    if words[:1] == ["--data-dir"]:
        del words[:2]
    while words and f"{name} {words[0]}" in EVERY:
        name = f"{name} {words.pop(0)}"
    command = EVERY[name]
    if hasattr(command, "commands") and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        return f"{name} has no command {words[0]}"
    params = [*command.params, *PROGRAMS[name.split()[0]].params]
    known = {"--help", *(option for param in params for option in (*param.opts, *param.secondary_opts))}
    unknown = [word for word in words if word.startswith("-") and word not in known]
    return f"{name} has no option {unknown[0]}" if unknown else None


def refusal(text: str) -> str | None:
    """Return what the program's own parser has against a command, as it is typed; None where it would be run."""
    words = shlex.split(text, comments=True)
    name = words.pop(0)
    command, context = PROGRAMS[name], None
    try:
        while True:
            context = command.make_context(name, words, parent=context)
            rest = [*context._protected_args, *context.args]
            if not hasattr(command, "commands") or (command.invoke_without_command and not rest):
                return None
            name, command, words = command.resolve_command(context, rest)
    except typer.Exit:  # of an option that tells something, such as --version
        return None
    except UsageError as exc:
        return f"{text}: {exc.format_message()}"


def typed(page: str) -> list[str]:
    """Return the commands of ours that a page has somebody type: none that is only named, or has gaps."""
    spans, lines = spans_and_lines(page)
    found = [*(text for text in spans if text not in EVERY), *lines]
    return [text.split(" > ")[0] for text in found if not re.search(r'(?<!")…', text)]


def shown(page: str) -> list[str]:
    """Return the commands that a page names, in its text and in its blocks."""
    return [text for found in spans_and_lines(page) for text in found]


def spans_and_lines(page: str) -> tuple[list[str], list[str]]:
    """Return the commands in a page's text, and those in its blocks and on an office's page, which are typed."""
    text = (ROOT / page).read_text("utf-8").replace("\\\n", " ")
    return _SPAN.findall(text), [*_LINE.findall(text), *(f"connector {given}" for given in _FILE.findall(text))]


def examples(text: str) -> list[str]:
    """Return the examples of a command's help: one a line, or with dots between them at its end."""
    found = _EXAMPLES.search(text.replace("\\\n", " "))
    if found is None:
        return []
    if "\b" in text:
        listed = [re.sub(r"  .*", "", re.sub(r" +--", " --", line.strip())) for line in found[1].splitlines()]
    elif found[1].startswith("\n"):
        listed = [re.sub(r"  .*", "", line.strip()) for line in found[1].splitlines()]
    else:
        listed = [part.strip() for part in " ".join(found[1].split()).split("·")]
    return [example for example in listed if example]


@pytest.mark.parametrize("page", [*PAGES, *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_commands_of_a_page_exist_with_their_options(page: str) -> None:
    """Whoever types what a page says is not told of an unknown command or option."""
    assert [found for text in shown(page) if (found := fault(text))] == []


@pytest.mark.parametrize("page", [*PAGES, *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_commands_of_a_page_can_be_typed(page: str) -> None:
    """What a command needs is there, and nothing that it does not take."""
    assert [found for text in typed(page) if (found := refusal(text))] == []


@pytest.mark.parametrize("name", EVERY)
def test_help_has_an_example_that_exists(name: str) -> None:
    """Every command shows how it is typed, by commands and options that there are."""
    command = EVERY[name]
    given = examples(command.help or "")
    assert given or hasattr(command, "commands"), name
    assert [found for text in given if (found := fault(text)) or text.endswith(".")] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hub audit verfy --json", "hub audit has no command verfy"),
        ("hub audit verify --joobs 4", "hub audit verify has no option --joobs"),
        ("connector run --once --dead 120", "connector run has no option --dead"),
        ("hub --data-dir demo status --json  # a comment", None),
        ('connector erase "Karimova Nigora" 1980-05-01 --yes', None),
    ],
)
def test_wrong_command_is_seen(text: str, expected: str | None) -> None:
    """A name or an option that there is not is found, in a group and below it."""
    assert fault(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hub center add --name Tashkent", "Missing argument 'ID'"),
        ("hub center show uz kz", "unexpected extra argument(s) (kz)"),
        ("hub doctor --jsn", "No such option: --jsn"),
        ("hub up --port nine", "should be a valid integer"),
        ("connector join", "Missing argument 'FILE'"),
        ("hub --data-dir demo status --json", None),
        ("hub --version", None),
    ],
)
def test_command_that_cannot_be_typed_is_seen(text: str, expected: str | None) -> None:
    """An argument that is missing, one too many, and one of another kind."""
    refused = refusal(text)
    assert refused is None if expected is None else expected in str(refused)
