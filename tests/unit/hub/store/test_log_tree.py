"""The exported tree: what the format wants, continued without rewriting, right also when a run was killed half-way."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from hub.protocol.checkpoint import open_checkpoint
from hub.protocol.errors import Fatal, Malformed, UsageError
from hub.protocol.tiles import bundle_path, read_bundle, tile_path, tile_width, tiles_of
from hub.protocol.tiles import root as root_of
from hub.protocol.tree import HASH_BYTES, leaf_hash
from hub.store.log import LogReader
from hub.store.log_tree import CHECKPOINT, PART, ExportedLog, export_log
from hub.store.sqlite import SqliteStore
from tests.support.engines import open_store
from tests.support.hq import IDENTITY
from tests.support.interop import needs_go, verify_log
from tests.support.notarized import add_receipts, notarize
from tests.support.peek import edit, log_of, opened
from tests.unit.hub.store.test_log import cosigned

KEYS = [IDENTITY.log.verifier, IDENTITY.log_long.verifier]
VKEYS = [key.to_text() for key in KEYS]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(tmp_path / "hub.sqlite3")
    yield opened
    await opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "www" / "log"


async def grown(store: SqliteStore, count: int, text_bytes: int = 0) -> LogReader:
    """Return a reader of the log after `count` more receipts."""
    add_receipts(store.path, "uz", count, text_bytes)
    await notarize(store, IDENTITY)
    return log_of(store.path)


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return every file with the time of its writing."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


def verified(folder: Path) -> int:
    """Check the whole tree as a monitor does, from its files alone; return its size."""
    checkpoint, note = open_checkpoint((folder / CHECKPOINT).read_bytes())
    for key in KEYS:
        note.verify([key])

    def tile(level: int, index: int, _: int) -> bytes:
        return (folder / tile_path(level, index, tile_width(level, index, checkpoint.size))).read_bytes()

    assert root_of(checkpoint.size, tile) == checkpoint.root
    for level, index, width in tiles_of(checkpoint.size):
        hashes = (folder / tile_path(level, index, width)).read_bytes()
        assert len(hashes) == width * HASH_BYTES
        if level == 0:
            bundle = (folder / bundle_path(index, width)).read_bytes()
            assert b"".join(leaf_hash(entry) for entry in read_bundle(bundle)) == hashes
    return checkpoint.size


@needs_go
async def test_go_reads_the_exported_log(store: SqliteStore, folder: Path) -> None:
    """The checksum database's reader proves every tile and entry of ours, after each of several exports."""
    for count in (1, 254, 1, 1, 443, 65_300):
        log = await grown(store, count)
        export_log(log, folder)
        said = verify_log(folder, VKEYS)
        assert (said["error"], said["size"]) == ("", log.size)
        assert all(".p/" in name for name in said["extra"])  # what earlier checkpoints need
        assert said["bundles"] == -(-log.size // 256)
        assert verified(folder) == log.size


async def test_second_run_writes_only_what_is_new(store: SqliteStore, folder: Path) -> None:
    """Full tiles and bundles are never touched again; nothing new writes nothing."""
    log = await grown(store, 600)
    first = export_log(log, folder)
    before = files(folder)
    assert first == ExportedLog(600, 0, len(before), sum(len(data) for _, data in before.values()))
    # Three tiles and three bundles, the tile above them, the checkpoint.
    assert len(before) == 8
    second = export_log(log, folder)
    assert (second.before, second.size, second.files) == (600, 600, 0)
    log = await grown(store, 300)
    assert export_log(log, folder).files == 2 * 2 + 1 + 1
    now = files(folder)
    full = {name for name in before if "tile/" in name and ".p/" not in name}
    assert len(full) == 4
    assert {name: now[name] for name in full} == {name: before[name] for name in full}
    assert verified(folder) == 900


async def test_partial_tile_stays_for_one_checkpoint_after_its_full_tile_came(store: SqliteStore, folder: Path) -> None:
    """Who fetched the last checkpoint still finds what it names; one export later it is gone."""
    export_log(await grown(store, 200), folder)
    log = await grown(store, 100)
    export_log(log, folder)
    assert (folder / tile_path(0, 0, 200)).exists()
    export_log(log, folder)
    assert not (folder / f"{tile_path(0, 0)}.p").exists()
    assert not (folder / f"{bundle_path(0)}.p").exists()
    assert verified(folder) == 300


async def test_export_killed_at_any_file_leaves_a_tree_that_is_right(
    store: SqliteStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before every single rename it dies: the checkpoint in place is always wholly served, and the next run ends it."""
    log = await grown(store, 500)
    export_log(log, folder)
    log = await grown(store, 800)
    real, left = os.replace, 0

    def replace(old: str, new: str, **places: int | None) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        real(old, new, **places)

    monkeypatch.setattr(os, "replace", replace)
    sizes = []
    for allowed in range(20):
        left = allowed
        with suppress(KeyboardInterrupt):
            export_log(log, folder)
        sizes.append(verified(folder))
        assert not [name for name in files(folder) if PART in name]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (500, 1300)


async def test_bundle_that_the_format_cannot_hold_is_left_out_and_named(store: SqliteStore, folder: Path) -> None:
    """A receipt of an older release may be longer than two bytes can say: its tile is there, its bundle is not."""
    await grown(store, 300)
    await grown(store, 2, text_bytes=70_000)
    log = await grown(store, 300)
    done = export_log(log, folder)
    assert done.left_out == [bundle_path(1)]
    assert not (folder / bundle_path(1)).exists()
    assert (folder / tile_path(0, 1)).exists()
    assert export_log(log, folder).left_out == [bundle_path(1)]


async def test_export_goes_to_what_is_believed_and_never_back(store: SqliteStore, folder: Path) -> None:
    """A checkpoint that centers stand by is preferred; what is served already is not taken back for it."""
    row = "('center', 'hq:uz', 'hq', 'active', 1, '{}', x'', 1, 1, 1, 1, '', 0)"
    edit(store.path, f"INSERT INTO entity VALUES {row}")
    await grown(store, 10)
    log = await grown(store, 10)
    assert export_log(log, folder / "one").size == 20
    cosigned(store.path, 10, "uz")
    assert export_log(log, folder / "two").size == 10
    assert len(open_checkpoint((folder / "two" / CHECKPOINT).read_bytes())[1].signatures) == 3
    assert export_log(log, folder / "one").size == 20
    assert export_log(log, folder / "two", newest=True).size == 20


async def test_folder_of_another_log_is_refused(store: SqliteStore, folder: Path, tmp_path: Path) -> None:
    """What an export must not continue: other files, another log's tree, a longer one, a checkpoint that is none."""
    log = await grown(store, 10)
    async with opened(tmp_path / "other.sqlite3") as other:
        add_receipts(other.path, "kz", 5)
        await notarize(other, IDENTITY)
        export_log(log_of(other.path), folder)
        with pytest.raises(UsageError, match="another log"):
            export_log(log, folder)
        add_receipts(other.path, "kz", 15)
        await notarize(other, IDENTITY)
        export_log(log_of(other.path), folder)
        with pytest.raises(UsageError, match="HQ's is at 10"):
            export_log(log, folder)
    (folder / CHECKPOINT).write_text("hello\n")
    with pytest.raises(UsageError, match="no checkpoint"):
        export_log(log, folder)
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "index.html").write_text("")
    with pytest.raises(UsageError, match="empty folder"):
        export_log(log, strange)
    with pytest.raises(Fatal, match="still whole"):
        export_log(log, strange / "index.html")


async def test_empty_log_has_nothing_to_export(store: SqliteStore, folder: Path) -> None:
    """Before its first leaf the log says nothing."""
    with pytest.raises(UsageError, match="empty"):
        export_log(log_of(store.path), folder)
    assert files(folder) == {}


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE receipt SET note = 'changed' || x'0a0a' WHERE last = 300",
        "UPDATE log_leaf SET hash = zeroblob(32) WHERE leaf_index = 599",
        "UPDATE log_tile SET hashes = zeroblob(8192) WHERE tile_index = 1",
        "DELETE FROM receipt WHERE last = 3",
    ],
)
async def test_log_that_contradicts_itself_is_not_served(store: SqliteStore, folder: Path, damage: str) -> None:
    """A tile that does not give the signed root, or an entry that is not its leaf's, never gets a checkpoint."""
    log = await grown(store, 600)
    edit(store.path, damage)
    with pytest.raises(Malformed):
        export_log(log, folder)
    assert not (folder / CHECKPOINT).exists()


async def test_files_can_be_read_by_a_web_server(store: SqliteStore, folder: Path) -> None:
    """What is served has the permissions that the umask gives, not those of a temporary file."""
    log = await grown(store, 3)
    before = os.umask(0o022)
    try:
        export_log(log, folder)
    finally:
        os.umask(before)
    assert {(folder / name).stat().st_mode & 0o777 for name in files(folder)} == {0o644}


async def test_part_of_a_run_that_was_killed_long_ago_is_cleared_away(store: SqliteStore, folder: Path) -> None:
    """A left-over part is no reason to refuse the folder, and does not stay for ever."""
    log = await grown(store, 3)
    export_log(log, folder)
    old, young = folder / f"{PART}1", folder / f"{PART}2"
    for part in (old, young):
        part.write_bytes(b"x")
    os.utime(old, (1, 1))
    export_log(log, folder)
    assert (old.exists(), young.exists()) == (False, True)
