"""Event ids sort in the order they are made; a folder has one connector."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from connectors.runtime.ids import EventIds
from connectors.runtime.lock import FolderLock
from hub.protocol.errors import UsageError


def test_ids_are_uuid7_unique_and_in_order() -> None:
    """Also within one millisecond."""
    ids = EventIds()
    made = [ids.make() for _ in range(20_000)]
    assert made == sorted(set(made))
    assert {uuid.UUID(text).version for text in made} == {7}
    assert {uuid.UUID(text).variant for text in made} == {uuid.RFC_4122}


def test_lock_is_exclusive_and_free_again_after_its_owner(tmp_path: Path) -> None:
    """The second is refused with the first one's process; after the first, the next one gets it."""
    outbox = tmp_path / "outbox.sqlite3"
    with FolderLock(outbox), pytest.raises(UsageError, match=r"another connector \(process \d+\) runs on"):
        FolderLock(outbox).__enter__()
    with FolderLock(outbox):
        pass


def test_lock_in_a_missing_folder_says_which(tmp_path: Path) -> None:
    """A folder that is not there is one line."""
    with pytest.raises(UsageError, match="can't use the office folder"):
        FolderLock(tmp_path / "none" / "outbox.sqlite3").__enter__()
