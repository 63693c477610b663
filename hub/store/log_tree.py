"""HQ's log as files: a C2SP tlog-tiles tree that any file server can serve.

Source: C2SP tlog-tiles (https://c2sp.org/tlog-tiles). Below the folder stand `checkpoint`, `tile/<L>/<N>` (hashes) and
`tile/entries/<N>` (the receipts' texts). A tree that is there already is continued. What is true if we die half-way:

    some tiles written     the checkpoint is still the one before; all that it needs is there, whole
    checkpoint replaced    all that it needs is there and on the disk; partial tiles that nobody needs may be left

A file comes to its place by a rename, so a reader sees the old one or the new one. A full tile never changes; a partial
one goes when its full tile has been there for one checkpoint already.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hub.base import files
from hub.base.durable import sync_folder
from hub.protocol.checkpoint import Checkpoint, open_checkpoint
from hub.protocol.errors import Fatal, Malformed, UsageError
from hub.protocol.tiles import TILE_HEIGHT, TILE_WIDTH, bundle_path, split_hashes, tile_path, tiles_of, write_bundle
from hub.protocol.tree import HASH_BYTES, leaf_hash
from hub.store.log import LogReader
from hub.store.log_rows import StoredCheckpoint

CHECKPOINT: Final = "checkpoint"
PART: Final = ".part-"
PART_AGE_MAX_S: Final = 3600.0


@dataclass(slots=True)
class ExportedLog:
    """What an export did. `left_out` names bundles that the format can't hold: one of their entries is too long."""

    size: int
    before: int
    files: int = 0
    bytes: int = 0
    left_out: list[str] = field(default_factory=list)


def export_log(
    reader: LogReader, folder: Path, *, newest: bool = False, progress: Callable[[int, int], None] = lambda _a, _b: None
) -> ExportedLog:
    """Bring the tree in `folder` up to the newest believed checkpoint; to the newest one where none is, or on request.

    `progress` is told of entries written, and of how many there are to write.
    Errors: UsageError where there is nothing to export, or `folder` holds another log; Fatal where it can't be written;
        Malformed where the stored log contradicts itself: nothing of that is written.
    """
    try:
        return _export(reader, folder, newest, progress)
    except OSError as exc:
        raise Fatal(f"{exc.filename or folder}: {exc.strerror or exc}; what was there before is still whole") from exc


def _export(reader: LogReader, folder: Path, newest: bool, progress: Callable[[int, int], None]) -> ExportedLog:  # noqa: FBT001
    there = _there(reader, folder)
    before = there.size if there else 0
    chosen = _chosen(reader, before, newest=newest)
    size = chosen.size
    if reader.root(size) != chosen.checkpoint.root:
        raise Malformed(f"HQ's log: its tiles up to size {size} do not give the root that HQ signed")
    done = ExportedLog(size, before)
    writing = _Writing(folder, done)
    try:
        for level, index, width in tiles_of(size):
            there_before = index * TILE_WIDTH + width <= before >> (TILE_HEIGHT * level)
            names = [tile_path(level, index, width), *([bundle_path(index, width)] if level == 0 else ())]
            if there_before and all((folder / name).exists() for name in names):
                continue
            hashes = reader.tile(level, index, width)[: width * HASH_BYTES]
            if level == 0:
                first = index * TILE_WIDTH
                _write_bundle(reader, writing, index, hashes)
                progress(first + width - before, size - before)
            writing.file(names[0], hashes)
        writing.settle()
        note = reader.cosigned_note(size)
        assert note is not None
        if done.files or note != files.read(folder / CHECKPOINT):
            writing.file(CHECKPOINT, note)
            writing.settle()
    finally:
        writing.close()
    _drop_partial(folder, before)
    return done


def _there(reader: LogReader, folder: Path) -> Checkpoint | None:
    """Return the checkpoint that the folder has, None in a new one. Errors: UsageError where it is of another log."""
    path = folder / CHECKPOINT
    if not path.exists():
        strange = [entry.name for entry in files.entries(folder)] if folder.exists() else []
        # A first run that was killed leaves tiles without a checkpoint.
        if any(name != "tile" and not name.startswith(PART) for name in strange):
            raise UsageError(f"{folder}: expected an empty folder, or one that `hub log export` has written")
        return None
    try:
        there, _ = open_checkpoint(files.read(path))
    except Malformed as exc:
        raise UsageError(f"{path}: it is no checkpoint ({exc}); export into an empty folder") from exc
    ours = reader.newest()
    if ours is None or there.size > ours.size:
        raise UsageError(
            f"{folder} has a log of size {there.size}, HQ's is at {ours.size if ours else 0}: the folder belongs "
            "to another hub, or HQ's database was rolled back (`hub log status`)"
        )
    if there.origin != ours.checkpoint.origin or there.root != reader.root(there.size):
        raise UsageError(f"{folder} has another log ({there.origin}, size {there.size}): export into an empty folder")
    return there


def _chosen(reader: LogReader, before: int, *, newest: bool) -> StoredCheckpoint:
    believed = None if newest else reader.newest_believed()
    if believed is not None and believed.size < before:
        believed = reader.checkpoint(before)  # never back; it may have more cosignatures by now
    chosen = believed or reader.newest()
    if chosen is None:
        raise UsageError("HQ's log is empty: the worker signs its first checkpoint when it runs (`hub up`)")
    return chosen


def _write_bundle(reader: LogReader, writing: _Writing, index: int, hashes: bytes) -> None:
    """Write the entries whose hashes these are. Errors: Malformed where one of them is not."""
    expected = split_hashes(hashes)
    first = index * TILE_WIDTH
    found = dict(reader.entries(first, first + len(expected)))
    if len(found) < len(expected) and first < reader.begun:
        # A bundle has all of its entries or is none: receipts that were lost are nowhere to be had.
        writing.done.left_out.append(bundle_path(index, len(expected)))
        return
    entries = list(found.values())
    if [leaf_hash(entry) for entry in entries] != expected:
        raise Malformed(f"HQ's log: the receipts of leaves {first} to {first + len(expected) - 1} are not those logged")
    name = bundle_path(index, len(expected))
    try:
        bundle = write_bundle(entries)
    except Malformed:
        writing.done.left_out.append(name)
    else:
        writing.file(name, bundle)


class _Writing:
    """Puts files in place, and counts them."""

    def __init__(self, folder: Path, done: ExportedLog) -> None:
        self.done = done
        self._folder = folder
        files.make_folder(folder)
        parts = (folder / entry.name for entry in files.entries(folder) if entry.name.startswith(PART))
        for old in parts:  # left by a run that was killed
            if time.time() - old.lstat().st_mtime > PART_AGE_MAX_S:
                files.remove(old)
        self._part = folder / f"{PART}{os.getpid()}-{secrets.token_hex(8)}"
        self._folders: set[Path] = {folder}

    def file(self, name: str, data: bytes) -> None:
        """Write one file whole; on the disk before it has its name.

        `hub.base.durable.replacing` waits for the folder at every file, which a tree of a million tiles does not need:
        `settle` does so once for each folder. And one part file at the top is found again after a kill without a walk
        through the tree.
        """
        path = self._folder / name
        files.make_folder(path.parent, under=self._folder)
        with files.creating(self._part) as part:
            part.write(data)
            part.flush()
            os.fsync(part.fileno())
        files.move(self._part, path, self._folder)
        self._folders.update(path.parents[: len(Path(name).parts)])
        self.done.files += 1
        self.done.bytes += len(data)

    def settle(self) -> None:
        """Return when the names, too, are on the disk."""
        for folder in self._folders:
            sync_folder(folder)

    def close(self) -> None:
        files.remove(self._part)


def _drop_partial(folder: Path, before: int) -> None:
    """Drop partial tiles whose full tile was there at the checkpoint before: nobody needs them any more."""
    for level, index, width in tiles_of(before):
        if width < TILE_WIDTH:
            continue
        for name in (tile_path(level, index), *([bundle_path(index)] if level == 0 else ())):
            partial = folder / f"{name}.p"
            if partial.exists():
                shutil.rmtree(partial)
