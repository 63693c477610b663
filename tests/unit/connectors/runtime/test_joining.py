"""What an office lets go of once it has joined: its request, and whatever a start that was killed has left."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.runtime.joining import JOINED, REQUEST, tidy


@pytest.fixture
def office(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "keys" / "kafka.password").write_text("here")
    (tmp_path / "keys" / "kafka.password.0123456789abcdef.part").write_text("here")
    (tmp_path / REQUEST).write_text("what stands for the password")
    return tmp_path


def test_request_stays_until_it_was_answered(office: Path) -> None:
    """The same one is sent by the next start, which is no second use."""
    tidy(office)
    assert names(office) == {"kafka.password", "join.request"}


def test_request_that_was_answered_goes(office: Path) -> None:
    """Also where the process died between its last two steps: the connector's next start lets it go."""
    (office / JOINED).write_text("0123abcd\n")
    tidy(office)
    tidy(office)
    assert names(office) == {"kafka.password", "joined"}


def test_folder_without_keys_is_no_error(tmp_path: Path) -> None:
    tidy(tmp_path)
    assert list(tmp_path.iterdir()) == []


def names(office: Path) -> set[str]:
    return {path.name for path in (office / "keys").iterdir()}
