"""Restoring a hub from a backup: all of it is checked before anything is written, and it is there whole or not at all.

    checked     manifest, digests, every page of the database, the passphrase, the hub's name in all of them
    written     into DATA/restoring, from where database, settings and keys are moved to their places, the keys last
    noted       in the database that was written there, that HQ has to hear itself: before anybody else has it
    filled      a database at a server, where hub.yaml or the environment names one, with that note in it: it must have
                no row yet, or be the very one that a restore of this backup has filled

What is true if the process dies: while DATA/restoring is there no command takes the folder for a hub
(`HubFolder.refuse_half_restored`), and the next `hub restore` begins anew. A worker that starts on the restored hub
takes in what HQ had signed beyond it, before it signs anything (docs/adr/0038). One restore at a time is at work in a
folder, as long as it holds DATA/restore.lock.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hub.base import files
from hub.base.durable import disk_errors, sync_folder, write
from hub.base.lock import HeldError, Lock, find_holder
from hub.hq.backup import CHUNK, DATABASE, KEYS, Manifest, Tell, digest, read_manifest, tell_nobody
from hub.hq.folder import RESTORING, HubFolder
from hub.hq.identity import load_identity
from hub.hq.pulse import worker_standing
from hub.hq.sealed_keys import SEALED_BYTES_MAX, SETTINGS, Kept, unseal
from hub.hq.settings import read_settings
from hub.protocol.errors import Conflict, UsageError
from hub.store.backup_copy import check_copy, check_revision, note_restored, put_at

# What may lie in the folder already: a broker that has survived has what HQ takes in, and these are no part of a hub.
_MAY_STAY: Final = frozenset({"broker", "worker.json", "worker.log", RESTORING})


def restore(
    where: HubFolder, source: Path, passphrase: bytes, keys_from: Path | None = None, tell: Tell = tell_nobody
) -> Manifest:
    """Put a hub back as it was in a backup. Errors: Conflict, UsageError, each with the remedy; Fatal for the disk."""
    if (holder := find_holder(where.restore_lock)) is not None:
        raise _at_work(where, holder)
    _refuse_a_hub(where)
    manifest, kept = check_backup(source, passphrase, keys_from, tell)
    with disk_errors(where.data_dir, "and no hub was restored: run the same command again"):
        files.make_folder(where.data_dir, files.PRIVATE_FOLDER)
        with _alone(where):
            _refuse_a_hub(where)  # another one may have been at work meanwhile
            _write(where, source, kept, manifest, tell)
    return manifest


@contextmanager
def _alone(where: HubFolder) -> Iterator[None]:
    """Let nobody else restore into this folder. Errors: Conflict where somebody does; OSError."""
    lock = Lock(where.restore_lock)
    try:
        lock.acquire()
    except HeldError as exc:
        raise _at_work(where, exc.holder) from exc
    try:
        yield
    finally:
        lock.release()


def _at_work(where: HubFolder, holder: int | None) -> Conflict:
    who = f"process {holder}" if holder else "another process"
    return Conflict(f"a `hub restore` into {where.data_dir} is at work ({who}): wait for it, or end it, and try again")


def check_backup(
    source: Path, passphrase: bytes, keys_from: Path | None = None, tell: Tell = tell_nobody
) -> tuple[Manifest, Kept]:
    """Return what a backup says of itself and the files that were sealed, once all of it was found whole.

    Errors: UsageError with what is wrong.
    """
    manifest = read_manifest(source)
    keys = keys_from or source / KEYS
    if keys_from is None and files.kind_at(keys) is None and manifest.keys_apart:
        raise UsageError(f"the keys of this backup were written to another place: name their file, --keys {KEYS}")
    try:
        sealed = files.read(keys, SEALED_BYTES_MAX)
        found = digest(source / DATABASE, lambda done, total: tell("checking the digests", done, total))
    except OSError as exc:
        raise UsageError(f"{exc.filename or source} can't be read: {exc.strerror or exc}") from exc
    if hashlib.sha256(sealed).hexdigest() != manifest.files[KEYS].sha256:
        raise UsageError(f"{keys} is not the file that this backup was made with, or is damaged: take another backup")
    if found != manifest.files[DATABASE]:
        raise UsageError(f"{source / DATABASE} is not as it was written: it is damaged; take another backup")
    kept = unseal(sealed, passphrase)
    hub = kept.get("keys/hub.name", b"").decode("utf-8", "replace").strip()
    if hub != manifest.hub:
        raise UsageError(f"{keys} has the keys of the hub {hub or '(none)'}, and the backup is of {manifest.hub}")
    facts = check_copy(source / DATABASE)
    check_revision(facts)
    if facts != manifest.facts:
        raise UsageError(f"{source / DATABASE} does not hold what the manifest says: take another backup")
    return manifest, kept


def _refuse_a_hub(where: HubFolder) -> None:
    """Refuse a folder that has a hub, or anything that a hub is not made of. Errors: Conflict."""
    if files.kind_at(where.data_dir) is None:
        return
    with disk_errors(where.data_dir):
        names = {entry.name for entry in files.entries(where.data_dir)}
    state = worker_standing(where.worker_file, datetime.now(UTC)).state
    if state in ("running", "silent"):
        raise Conflict(f"a worker of {where.data_dir} is {state}: stop the hub first")
    is_ours = RESTORING in names  # what a restore that was cut off has moved to its place
    there = sorted(
        names - _MAY_STAY - {where.restore_lock.name} - ({SETTINGS, DATABASE, "keys", *_BESIDE} if is_ours else set())
    )
    if there:
        raise Conflict(
            f"{where.data_dir} is not empty ({', '.join(there)[:200]}), and nothing is ever restored over a hub: name "
            "an empty folder, or move these away. The folder broker may stay: its topics have what came since"
        )


_BESIDE: Final = (f"{DATABASE}-wal", f"{DATABASE}-shm")


def _write(where: HubFolder, source: Path, kept: Kept, manifest: Manifest, tell: Tell) -> None:
    root, stage = where.data_dir, where.data_dir / RESTORING
    if files.kind_at(stage) is not None:  # an earlier one was cut off: what it has written is written again
        shutil.rmtree(stage)
        shutil.rmtree(where.own_keys, ignore_errors=True)
        for name in (DATABASE, *_BESIDE, SETTINGS):
            files.remove(root / name)
    files.make_folder(stage, files.PRIVATE_FOLDER)
    _copy(source / DATABASE, stage / DATABASE, manifest, tell)
    files.make_folder(stage / "keys", files.PRIVATE_FOLDER)
    for name, data in kept.items():
        write(stage / name, data, mode=files.PRIVATE)
    load_identity(stage / "keys")  # they fit together, or nothing is put in place
    note_restored(stage / DATABASE, manifest.made_at)
    server = read_settings(stage, where.environment).settings.database.server()
    if server is not None:
        put_at(server, stage / DATABASE)
    for name in (*([] if server else [DATABASE]), *([SETTINGS] if SETTINGS in kept else []), "keys"):
        files.move(stage / name, root / name, root)
    sync_folder(root)
    shutil.rmtree(stage)  # only now is the folder a hub
    sync_folder(root)


def _copy(source: Path, target: Path, manifest: Manifest, tell: Tell) -> None:
    """Copy the database, and look at every byte of it once more as it goes. Errors: UsageError; OSError."""
    found, size, total = hashlib.sha256(), 0, manifest.files[DATABASE].size
    with files.opened(source) as read, files.creating(target, files.PRIVATE) as written:
        while chunk := read.read(CHUNK):
            found.update(chunk)
            written.write(chunk)
            size += len(chunk)
            tell("writing the database", size, total)
        written.flush()
        os.fsync(written.fileno())
    if found.hexdigest() != manifest.files[DATABASE].sha256:
        raise UsageError(f"{source} has changed while it was copied: nothing was restored; see to its disk")
