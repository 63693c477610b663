"""What `connector --help` and `--version` say, and how fast."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest
import typer

from connectors.cli.main import app, run_command


def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """Help shows how a command is called, not only what its options are."""
    group = typer.main.get_command(app)
    names = [[name] for name in group.commands if name not in {"epoch", "key", "mapping", "person", "witness"}]  # type: ignore[attr-defined]
    witness = [["witness", "status"], ["witness", "retry"]]
    person = [["person", name] for name in ("list", "show", "readmit")]
    for arguments in [
        *names,
        ["epoch", "new"],
        ["key", "new"],
        ["key", "use"],
        ["mapping", "propose"],
        *person,
        *witness,
    ]:
        assert run_command([*arguments, "--help"]) == 0
        text = capsys.readouterr().out
        assert f"connector {' '.join(arguments)}" in text.split("Example", 1)[1]


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """What an office tells whoever helps it."""
    assert run_command(["--version"]) == 0
    assert capsys.readouterr().out == f"connector {version('cohub')}\n"


def test_help_is_fast_because_heavy_modules_are_not_loaded() -> None:
    """`connector --help` answers at once on an old office machine."""
    heavy = ("aiokafka", "openpyxl", "fastavro", "pydantic")
    code = f"import sys, connectors.cli.main; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
