"""Each file that HQ writes beside its database, on a disk that fails before it is there, or behind that."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.base.durable import disk_errors, write
from hub.local.hub import write_ready
from hub.protocol.errors import Fatal, UsageError
from hub.store.depot import open_depot
from hub.store.log_tree import export_log
from hub.store.sqlite import SqliteStore
from tests.support.disk import Disk
from tests.support.hq import IDENTITY
from tests.support.notarized import add_receipts, notarize
from tests.support.peek import log_of
from tests.unit.hub.store.test_log_tree import verified

BEFORE, BEHIND = 1, 2  # the file's fsync, its folder's


def ready(folder: Path) -> Path:
    write_ready(folder / "worker.json", {"pid": 1})
    return folder / "worker.json"


def segment(folder: Path) -> Path:
    open_depot(str(folder)).put("segment", b"events")
    return folder / "segment"


def handed_out(folder: Path) -> Path:
    with disk_errors(folder / "trust.note"):
        write(folder / "trust.note", b"note")
    return folder / "trust.note"


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk(os.fsync)
    monkeypatch.setattr(os, "fsync", made.fsync)
    return made


@pytest.mark.parametrize("nth", [BEFORE, BEHIND])
@pytest.mark.parametrize("put", [ready, segment, handed_out])
def test_file_that_could_not_be_written_is_there_whole_or_not_and_can_be_written_again(
    tmp_path: Path, disk: Disk, put: Callable[[Path], Path], nth: int
) -> None:
    """The disk's error is fatal and no wrong use; to do the same again comes to the same file."""
    disk.fail(nth)
    with pytest.raises(Fatal, match="can't be written: Input/output error") as told:
        put(tmp_path)
    assert not isinstance(told.value, UsageError)
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    path = put(tmp_path)
    assert left == ({path.name: path.read_bytes()} if nth == BEHIND else {})


def test_place_that_is_none_is_wrong_use(tmp_path: Path) -> None:
    """Nobody can write there, however often: who named it is told."""
    with pytest.raises(UsageError, match="can't be written: No such file or directory"):
        handed_out(tmp_path / "not here")


def test_worker_that_wrote_that_it_is_ready_says_what_it_was_told(tmp_path: Path) -> None:
    assert json.loads(ready(tmp_path).read_text("utf-8")) == {"pid": 1}


async def test_export_over_a_failing_disk_leaves_a_tree_that_is_right_and_goes_on(tmp_path: Path, disk: Disk) -> None:
    """Whichever fsync fails, a file's or a folder's, the checkpoint that is there has all that it needs."""
    store = SqliteStore.open(tmp_path / "hub.sqlite3")
    add_receipts(store.path, "uz", 300)
    await notarize(store, IDENTITY)
    reader = log_of(store.path)
    nth = 0
    while True:
        nth += 1
        folder = tmp_path / f"log{nth}"
        disk.fail(nth)
        try:
            export_log(reader, folder)
        except Fatal:
            disk.heal()
        else:
            break
        if (folder / "checkpoint").exists():
            assert verified(folder) == 300
        export_log(reader, folder)
        assert verified(folder) == 300
    assert nth > 8
    await store.close()
