"""A hub's data directory, and its command line as a person would call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.cli.main import run_command
from hub.cli.options import Settings
from hub.protocol.control import enrolment, seal_key_name
from hub.protocol.note import Signer

HUB = "hub.example"


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def hub(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs `hub` on one data directory, which is not made yet."""

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        status = run_command(list(arguments), Settings(tmp_path / "data"))
        said = capsys.readouterr()
        return Done(status, said.out, said.err)

    return run


@pytest.fixture
def made(hub: Run) -> Run:
    """Return the same, after `hub init`."""
    assert hub("init").status == 0
    return hub


@pytest.fixture
def note(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes an enrolment note and returns its path."""

    def write(center: str = "uz", seed: int = 1, previous: int | None = None, hub: str = HUB) -> str:
        new = Signer(seal_key_name(hub, center), bytes([seed]) * 32)
        old = Signer(seal_key_name(hub, center), bytes([previous]) * 32) if previous is not None else None
        path = tmp_path / f"{center}-{seed}-{previous}.note"
        path.write_bytes(enrolment(hub, center, "seal", new, old))
        return str(path)

    return write
