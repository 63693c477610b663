"""No page has a person type a password into a command, and no command takes one: shells and process lists keep it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from connectors.cli.main import app as connector
from hub.cli.main import app as hub

ROOT: Final = Path(__file__).parents[3]
PAGES: Final = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md"), ROOT / "docker-compose.yml"]
)
_TYPED: Final = (
    re.compile(r"--(password|secret|token|passphrase)\b", re.IGNORECASE),
    re.compile(r"\b\w*(PASSWORD|SECRET|TOKEN)\w*=\S"),
    re.compile(r"\becho\b.*(password|secret)", re.IGNORECASE),
    re.compile(r"\b(curl|wget|export|set|setx)\b.*://[^/\s:]+:[^@\s]+@"),
    re.compile(r"^\s*(password|secret)\s*:\s*[^\s#{*]", re.IGNORECASE),
    re.compile(r"\bpassword\s*:\s*(?![\s#])[^\s},]+\s*[},]", re.IGNORECASE),
)
_PROSE: Final = re.compile(r"^\s*(\||-|\*|#)|\*\*")  # tables and sentences, which name settings


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_has_a_password_typed(page: Path) -> None:
    lines = enumerate(page.read_text("utf-8").splitlines(), 1)
    assert [f"{n}: {line}" for n, line in lines if has_password_typed(line)] == []


@pytest.mark.parametrize(
    "line",
    [
        '    COHUB_CONNECTOR_PASSWORD="$(cat /run/secrets/uz)" connector run',
        "export HUB_PASSWORD=hunter2",
        "connector join --password hunter2",
        "export HTTPS_PROXY=http://me:hunter2@proxy:3128",
        "echo password > uz.password",
        "security: {username: uz, password: hunter2}",
        "  password: hunter2",
    ],
)
def test_password_that_is_typed_is_seen(line: str) -> None:
    assert has_password_typed(line)


@pytest.mark.parametrize("app", [hub, connector], ids=["hub", "connector"])
def test_no_command_takes_a_secret(app: typer.Typer) -> None:
    """A file is named instead."""
    options = {option for command in commands(typer.main.get_command(app)) for p in command.params for option in p.opts}
    assert {"--json", "--language"} <= options
    assert [option for option in options if re.search("passw|secret|token|phrase", option)] == []


def has_password_typed(line: str) -> bool:
    return not _PROSE.search(line) and any(typed.search(line) for typed in _TYPED)


def commands(command: Any) -> Iterator[Any]:
    yield command
    for inner in getattr(command, "commands", {}).values():
        yield from commands(inner)
