"""The keys of persons: a file of slots of 32 bytes, and nothing else. A key is destroyed by zeros in its place.

Keys are in no database, for a database keeps what it overwrites: in a journal, in a log, in pages that are free. Here
a key is on the disk once. A slot of zeros is one whose key was destroyed; slots are never used twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from connectors.runtime.persons.cipher import KEY_BYTES
from connectors.runtime.told import OfficeError, OfficeFatal, OfficeWaits, os_reason
from hub.base import files
from hub.base.durable import sync_folder

_GONE: Final = bytes(KEY_BYTES)


class KeyFile:
    """One file of keys. Whoever writes holds the register's transaction; reading needs nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unsynced = False

    def count(self) -> int:
        """Return how many slots there are; half a slot, left by a crash, does not count."""
        try:
            return files.look(self.path).st_size // KEY_BYTES
        except FileNotFoundError:
            return 0

    def add(self, key: bytes) -> int:
        """Store a key in a new slot; return it. It is durable after `sync`. Errors: Retriable, if there is no room."""
        slot = self.count()
        self.put(slot, key)
        return slot

    def put(self, slot: int, key: bytes) -> None:
        """Store a key in a slot that nobody has. It is durable after `sync`. Errors: Retriable, if there is no room."""
        assert len(key) == KEY_BYTES
        assert key != _GONE
        try:
            with _updated(self.path, make=True) as handle:
                self._unsynced = True
                _write(handle, slot, key)
        except OSError as exc:
            raise self._full(exc) from exc

    def sync(self) -> None:
        """Have the disk keep what was added. Errors: Retriable."""
        if not self._unsynced:
            return
        try:
            with _updated(self.path) as handle:
                os.fsync(handle)
            sync_folder(self.path.parent)
        except OSError as exc:
            raise self._full(exc) from exc
        self._unsynced = False

    def _full(self, exc: OSError) -> OfficeWaits:
        return OfficeWaits("errors.person_key_unwritable", path=self.path, reason=os_reason(exc))

    def read(self, slot: int) -> bytes | None:
        """Return a key, None if it was destroyed.

        Errors: UsageError, if the file can't be read; Fatal, if it has no such slot: it is not the register's.
        """
        try:
            with files.opened(self.path) as file:
                file.seek(slot * KEY_BYTES)
                key = file.read(KEY_BYTES)
        except OSError as exc:
            raise OfficeError("errors.person_keys_unreadable", path=self.path, reason=os_reason(exc)) from exc
        if len(key) != KEY_BYTES:
            raise OfficeFatal("errors.person_keys_short", path=self.path)
        return None if key == _GONE else key

    def destroy(self, slot: int) -> None:
        """Overwrite a key in its place; when it returns, the disk has the zeros. Idempotent.

        Errors: UsageError, if the file can't be written: the key is there still.
        """
        try:
            with _updated(self.path) as handle:
                _write(handle, slot, _GONE)
                os.fsync(handle)
        except OSError as exc:
            raise OfficeError("errors.person_key_stays", path=self.path, reason=os_reason(exc)) from exc


@contextmanager
def _updated(path: Path, *, make: bool = False) -> Iterator[int]:
    handle = files.updating(path, make=make)
    try:
        yield handle
    finally:
        os.close(handle)


def _write(descriptor: int, slot: int, key: bytes) -> None:
    os.lseek(descriptor, slot * KEY_BYTES, os.SEEK_SET)
    written = os.write(descriptor, key)
    if written != KEY_BYTES:
        raise OSError(f"{written} of {KEY_BYTES} bytes were written")
