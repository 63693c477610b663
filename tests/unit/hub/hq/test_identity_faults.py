"""Each file that makes a hub's identity, lost once by the disk, and once there though its writer heard of an error."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from hub.hq.identity import Identity, load_identity, make_identity, private_keys, read_root
from hub.hq.rotation import PURPOSES, current, next_note, put, rotated
from hub.protocol.errors import Conflict
from hub.protocol.trust import open_trust

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Disk:
    """`os.fsync` that fails at its `left`-th call: at a file's before it has its name, at its folder's behind that."""

    def __init__(self, sync: Callable[[int], None]) -> None:
        self._sync = sync
        self.left = 0

    def fsync(self, handle: int) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(5, "Input/output error")
        self._sync(handle)


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
        disk.left = nth
        try:
            make_identity(folder, "hub.example")
        except OSError:
            disk.left = 0
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
        disk.left = nth
        try:
            rotate(folder, purpose)
        except OSError:
            disk.left = 0
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


def rotate(folder: Path, purpose: str) -> None:
    identity = load_identity(folder)
    trust = next_note(rotated(identity, purpose), NOW, "a test")
    put(folder, trust, read_root(folder / "root.key", current(identity).root))


def keys_for(identity: Identity, purpose: str) -> object:
    return {"receipts": identity.receipts, "hq": identity.hq, "log": (identity.log, identity.log_long)}[purpose]
