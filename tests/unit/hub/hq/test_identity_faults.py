"""Each file that makes a hub's identity, lost once by the disk, and once there though its writer heard of an error."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from hub.hq.identity import Identity, load_identity, make_identity, private_keys, read_root
from hub.hq.rotation import PURPOSES, current, next_note, put, rotated
from hub.protocol.errors import Conflict, Fatal
from hub.protocol.trust import open_trust
from tests.support.disk import Disk

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk(os.fsync)
    monkeypatch.setattr(os, "fsync", made.fsync)
    return made


def is_whole(identity: Identity) -> bool:
    """Return whether the folder has a note that names the keys in use, and the private half of every one of them."""
    assert identity.folder is not None
    there, trust = private_keys(identity.folder), open_trust(identity.note)
    keys = (identity.receipts, identity.hq, identity.log, identity.log_long)
    return all(key.verifier in there for key in keys) and trust == current(identity)


def test_hub_whose_making_failed_is_made_by_the_next_attempt(tmp_path: Path, disk: Disk) -> None:
    """Keys that were made are kept, and the name is there last: a folder with it is whole."""
    for nth in count(1):
        folder = tmp_path / str(nth)
        disk.fail(nth)
        try:
            make_identity(folder, "hub.example")
        except Fatal:
            disk.heal()
        else:
            break
        kept = private_keys(folder)
        with suppress(Conflict):  # the last write was done
            make_identity(folder, "hub.example")
        identity = load_identity(folder)
        assert is_whole(identity)
        assert kept.keys() <= private_keys(folder).keys()
        read_root(folder / "root.key", current(identity).root)
    assert nth > 10


@pytest.mark.parametrize("purpose", PURPOSES)
def test_keys_whose_rotation_failed_are_the_old_or_the_new_ones_and_rotate_again(
    tmp_path: Path, disk: Disk, purpose: str
) -> None:
    """No note names a key whose file is lost; a key that no note names is not used."""
    for nth in count(1):
        folder = tmp_path / str(nth)
        before = make_identity(folder, "hub.example")
        disk.fail(nth, times=2)  # the note's folder is asked twice
        try:
            rotate(folder, purpose)
        except Fatal:
            disk.heal()
        else:
            break
        between = load_identity(folder)
        assert is_whole(between)
        rotate(folder, purpose)
        after = load_identity(folder)
        assert is_whole(after)
        assert current(after).serial == current(between).serial + 1
        assert keys_for(after, purpose) != keys_for(before, purpose)
    assert nth > 4


def test_note_that_is_in_force_though_the_disk_complained_is_not_made_again(tmp_path: Path, disk: Disk) -> None:
    """The folder is asked once more; where it fails again, the operator hears that the note is in force."""
    make_identity(tmp_path, "hub.example")
    disk.fail(4)  # file and folder of the key, the note's file, the note's folder
    rotate(tmp_path, "receipts")
    assert current(load_identity(tmp_path)).serial == 2
    disk.fail(4, times=2)
    with pytest.raises(Fatal, match="but trust note 3 is in force: do not make it again"):
        rotate(tmp_path, "receipts")
    assert is_whole(found := load_identity(tmp_path))
    assert current(found).serial == 3
    disk.fail(3)
    with pytest.raises(Fatal, match="trust note 4 is not in force, and the one before it still is"):
        rotate(tmp_path, "receipts")
    assert current(load_identity(tmp_path)).serial == 3
    disk.fail(1)
    with pytest.raises(Fatal, match="no trust note names the new key"):
        rotate(tmp_path, "receipts")


def rotate(folder: Path, purpose: str) -> None:
    identity = load_identity(folder)
    trust = next_note(rotated(identity, purpose), NOW, "a test")
    put(folder, trust, read_root(folder / "root.key", current(identity).root))


def keys_for(identity: Identity, purpose: str) -> object:
    return {"receipts": identity.receipts, "hq": identity.hq, "log": (identity.log, identity.log_long)}[purpose]
