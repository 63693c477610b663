"""An outbox that is damaged within, though SQLite reads it, is told as what it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.database import OutboxBroken
from hub.protocol.errors import UsageError


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE row",
        "INSERT OR REPLACE INTO meta VALUES ('events', x'ff00')",
        "INSERT OR REPLACE INTO meta VALUES ('sent', '{}')",
        "INSERT OR REPLACE INTO meta VALUES ('events', '²')",
        "INSERT OR REPLACE INTO meta VALUES ('link_state', '{}')",
        "INSERT OR REPLACE INTO meta VALUES ('link_state', '[')",
        "INSERT OR REPLACE INTO meta VALUES ('newest', 'null')",
        "INSERT OR REPLACE INTO meta VALUES ('passed_over', '7')",
        "INSERT OR REPLACE INTO meta VALUES ('foreign', '{\"origin\": 1}')",
    ],
)
def test_outbox_with_values_that_no_release_has_written_is_damaged(tmp_path: Path, damage: str) -> None:
    """A table that is gone, or a value of another kind: it is told as damage, with what to do, and not as an error."""
    path = tmp_path / "outbox.sqlite3"
    Outbox(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(damage)
        connection.commit()
    with pytest.raises(OutboxBroken, match="is damaged: restore a copy"):
        ask_everything(path)


def ask_everything(path: Path) -> None:
    outbox = Outbox(path)
    try:
        outbox.status()
        outbox.answers.origins.newest()
    finally:
        outbox.close()


def test_outbox_that_was_left_in_the_middle_of_a_write_is_told_to_who_only_reads(tmp_path: Path) -> None:
    """Another program's journal lies beside it: putting that right is for the connector, which may write."""
    path = tmp_path / "outbox.sqlite3"
    Outbox(path).close()
    path.with_name("outbox.sqlite3-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\xff" * 600)
    with pytest.raises(UsageError, match="can't open the outbox"):
        Outbox(path, read_only=True)
