"""Commands that a message prints can be typed where it is printed."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from hub.base.command import typed


def test_command_is_told_by_its_path_where_path_does_not_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever ran `make demo` without the virtual environment types what is printed, and it runs."""
    there = Path(sys.executable).parent
    monkeypatch.setenv("PATH", str(there))
    assert typed("hub", "status") == "hub status"
    monkeypatch.setenv("PATH", str(tmp_path))
    path, command = shlex.split(typed("hub", "status"))
    assert (Path(path).resolve(), command) == ((there / "hub").resolve(), "status")
    assert typed("nothing-of-this-name", "status") == "nothing-of-this-name status"
