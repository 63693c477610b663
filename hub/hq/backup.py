"""A backup: a hub's database and its keys in a folder that is there whole, or not at all.

    DEST/manifest.json     what it is: hub, release, schema, moment, sizes and digests; written last
    DEST/hub.sqlite3       the database as of one moment, while the hub went on
    DEST/keys.sealed       keys/ and hub.yaml, which a passphrase opens (`sealed_keys`), unless they lie elsewhere

It is made in `DEST.<hex>.part` beside its place, read back whole, and only then has its name. What is true if the
process dies behind each step: nothing has the name DEST, and the next backup removes the part that was left; behind the
last step, DEST is whole. What can be made again is not in it: topics, the broker's files, logs of the worker. Nor is
the archive, which is told to its own places (docs/backup.md).
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from hub.base import files
from hub.base.durable import disk_errors, sync_file, sync_folder, write
from hub.base.lock import alone
from hub.hq.folder import HubFolder
from hub.hq.sealed_keys import SEALED_BYTES_MAX, gather, seal, unseal
from hub.protocol.errors import Conflict, Fatal, UsageError
from hub.protocol.moment import read_time, write_time
from hub.store.backup_copy import CopyFacts, check_copy, copy_of

MANIFEST: Final = "manifest.json"
DATABASE: Final = "hub.sqlite3"
KEYS: Final = "keys.sealed"
FORM: Final = "cohub-backup/v1"
CHUNK: Final = 4 << 20
ROOT_KEY: Final = "keys/root.key"

Tell = Callable[[str, int, int], None]  # what is being done, how much of it is done, and all


def tell_nobody(_what: str, _done: int, _total: int) -> None:
    """Tell nobody how far it is."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of a backup: its size in bytes and its SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself.

    Shapes: `files` by their names; `keys.sealed` is among them also where it lies in another place.
    Units:  `made_at` is when the copy of the database was begun, in UTC: what HQ committed later is not in it.
    """

    hub: str
    release: str
    made_at: datetime
    facts: CopyFacts
    files: Mapping[str, Stored]
    keys_apart: bool = False
    has_root_key: bool = True

    def to_bytes(self) -> bytes:
        """Return the manifest as it is written."""
        facts = self.facts
        told = {
            "form": FORM,
            "hub": self.hub,
            "release": self.release,
            "made_at": write_time(self.made_at),
            "revision": facts.revision,
            "events": facts.events,
            "receipts": facts.receipts,
            "log_size": facts.log_size,
            "recorded_at": facts.recorded_at and write_time(facts.recorded_at),
            "segments": list(facts.segments),
            "keys_apart": self.keys_apart,
            "has_root_key": self.has_root_key,
            "files": {name: {"size": stored.size, "sha256": stored.sha256} for name, stored in self.files.items()},
        }
        return json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n"


def read_manifest(source: Path) -> Manifest:
    """Return what a backup says of itself, nothing of it checked. Errors: UsageError, with what to do."""
    path = source / MANIFEST
    try:
        told: Any = json.loads(files.read(path))
        if told["form"] != FORM:
            raise UsageError(f"{path}: expected {FORM}, came {str(told['form'])[:60]!r}: use the release that made it")
        recorded, made_at = told["recorded_at"], read_time(told["made_at"])
        facts = CopyFacts(
            str(told["revision"]), int(told["events"]), int(told["receipts"]), int(told["log_size"]),
            read_time(recorded) if recorded else None, tuple(map(str, told["segments"])),
        )  # fmt: skip
        stored = {name: Stored(int(of["size"]), str(of["sha256"])) for name, of in told["files"].items()}
        if set(stored) != {DATABASE, KEYS}:
            raise ValueError(f"expected the files {DATABASE} and {KEYS}")
        return Manifest(
            str(told["hub"]), str(told["release"]), made_at, facts, stored,
            bool(told["keys_apart"]), bool(told["has_root_key"]),
        )  # fmt: skip
    except FileNotFoundError as exc:
        raise UsageError(
            f"{source} is no backup: {MANIFEST} is not there. A backup that was cut off has none, and is no backup"
        ) from exc
    except OSError as exc:
        raise UsageError(f"{path} can't be read: {exc.strerror or exc}") from exc
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as exc:
        raise UsageError(f"{path} is damaged: {exc}; take another backup") from exc


def back_up(
    where: HubFolder, dest: Path, passphrase: bytes, keys_to: Path | None = None, tell: Tell = tell_nobody
) -> Manifest:
    """Make a backup of a hub at `dest`, which must not be there yet, and read it back; the hub may run.

    With `keys_to` the sealed keys are written to that file, in another place than the database.
    Errors: NotFound where there is no hub; Conflict where something has the name; UsageError, Fatal for the disk.
    """
    if keys_to is not None and keys_to.absolute() == dest.absolute():
        raise UsageError(f"--keys-to names the folder of the backup, {dest}: name a file in another place")
    with disk_errors(dest, "and no backup was made"), ExitStack() as held:
        files.make_folder(dest.absolute().parent)
        for place in (dest, keys_to):
            if place is not None:
                held.enter_context(alone(place))  # so what others have left here is nobody's any more
        if files.kind_at(dest) is None:
            _remove_left(dest, keys_to)
        for place in (dest, keys_to):
            if place is not None and files.kind_at(place) is not None:
                raise Conflict(f"{place} is there already: a backup is never written over another; name a new place")
        return _put(where, dest, passphrase, keys_to, tell)


def _put(where: HubFolder, dest: Path, passphrase: bytes, keys_to: Path | None, tell: Tell) -> Manifest:
    """Make a backup beside its place and give it its name, the keys first: what fails leaves neither."""
    beside = f"{secrets.token_hex(8)}.part"
    part = dest.with_name(f"{dest.name}.{beside}")
    keys = part / KEYS if keys_to is None else keys_to.with_name(f"{keys_to.name}.{beside}")
    files.make_folder(part, files.PRIVATE_FOLDER)
    is_named = False
    try:
        manifest = _make(where, part, passphrase, keys, tell, keys_apart=keys_to is not None)
        if keys_to is not None:
            if files.kind_at(keys_to) is not None:
                raise Conflict(f"{keys_to} was made by another program meanwhile: name a new place")
            is_named = True
            files.rename(keys, keys_to.name)
            sync_folder(keys_to.absolute().parent)
        files.rename(part, dest.name)  # before it nobody takes it for a backup; from here on it is one
    except BaseException:
        if keys_to is not None:
            for left in (keys, *([keys_to] if is_named else [])):
                with suppress(OSError):
                    files.remove(left)
        shutil.rmtree(part, ignore_errors=True)
        raise
    sync_folder(dest.absolute().parent)
    return manifest


def _make(where: HubFolder, part: Path, passphrase: bytes, keys: Path, tell: Tell, *, keys_apart: bool) -> Manifest:
    made_at = datetime.now(UTC)
    database = part / DATABASE
    copy_of(where.place(), database, lambda done, total: tell("copying the database", done, total))
    # The keys after the database: what signed anything in it is among them, and no newer key does any harm.
    kept = gather(where)
    sealed = seal(kept, passphrase)
    write(keys, sealed, mode=files.PRIVATE)
    sync_file(database)
    facts = check_copy(database)
    if unseal(files.read(keys, SEALED_BYTES_MAX), passphrase) != kept:
        raise Fatal(f"{keys} does not give back what was written: the disk is damaged, and no backup was made")
    stored = {
        DATABASE: digest(database, lambda done, total: tell("reading it back", done, total)),
        KEYS: Stored(len(sealed), hashlib.sha256(sealed).hexdigest()),
    }
    hub = kept["keys/hub.name"].decode("utf-8", "replace").strip()
    manifest = Manifest(
        hub, version("cohub"), made_at, facts, stored, keys_apart=keys_apart, has_root_key=ROOT_KEY in kept
    )
    write(part / MANIFEST, manifest.to_bytes(), mode=files.PRIVATE)
    return manifest


def digest(path: Path, tell: Callable[[int, int], None] = lambda _done, _total: None) -> Stored:
    """Return a file's size and SHA-256, read from its beginning to its end. Errors: OSError."""
    found, size, total = hashlib.sha256(), 0, files.look(path).st_size
    with files.opened(path) as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
            size += len(chunk)
            tell(size, total)
    return Stored(size, found.hexdigest())


def _remove_left(dest: Path, keys_to: Path | None) -> None:
    """Remove what backups to this place have left that were cut off; whoever calls it holds the place's lock.

    Keys that have their name already are those of a part by the part's own manifest. What can't be removed hinders
    nobody.
    """
    part_of = re.compile(re.escape(dest.name) + r"\.[0-9a-f]{16}\.part")
    with suppress(OSError):
        for entry in files.entries(dest.absolute().parent):
            if part_of.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                if keys_to is not None:
                    _remove_keys(Path(entry.path), keys_to)
                shutil.rmtree(entry.path, ignore_errors=True)
        if keys_to is not None:
            keys_of = re.compile(re.escape(keys_to.name) + r"(\.[0-9a-f]{16}\.part)+")
            for entry in files.entries(keys_to.absolute().parent):
                if keys_of.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    files.remove(Path(entry.path))


def _remove_keys(part: Path, keys_to: Path) -> None:
    with suppress(OSError, UsageError):  # a part that has no manifest has named no keys
        manifest = read_manifest(part)
        sealed = files.read(keys_to, SEALED_BYTES_MAX)
        if manifest.keys_apart and hashlib.sha256(sealed).hexdigest() == manifest.files[KEYS].sha256:
            files.remove(keys_to)
