"""Persons whose writes fail when they are told to, those of the key file and those of the register: for tests."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from connectors.runtime.persons.keyfile import KeyFile
from connectors.runtime.persons.register import KEYS, Persons
from hub.base.faulty import Fault, Faults
from hub.protocol.errors import UsageError


class FaultyKeyFile(KeyFile):
    """A key file that fails as `faults` has it: at `put`, `sync` and `destroy`, which are places of these names."""

    def __init__(self, path: Path, faults: Faults) -> None:
        super().__init__(path)
        self._faults = faults

    def put(self, slot: int, key: bytes) -> None:
        """Store a key. Errors: Retriable, also as told."""
        fault = self._faults.next("put")
        if fault is not Fault.REFUSED:
            super().put(slot, key)
        if fault is not None:
            raise self._full(_no_room(self.path))

    def sync(self) -> None:
        """Have the disk keep what was added. Errors: Retriable, also as told."""
        if not self._unsynced:
            return
        fault = self._faults.next("sync")
        if fault is not Fault.REFUSED:
            super().sync()
        if fault is not None:
            raise self._full(_no_room(self.path))

    def destroy(self, slot: int) -> None:
        """Overwrite a key. Errors: UsageError, also as told."""
        fault = self._faults.next("destroy")
        if fault is not Fault.REFUSED:
            super().destroy(slot)
        if fault is not None:
            raise UsageError(f"can't overwrite the key in {self.path}: as it was told; it is not erased")


class FaultyPersons(Persons):
    """Persons that fail as `faults` has it: at the key file's writes, and at `commit`."""

    def __init__(self, office: Path, hub: str, center: str) -> None:
        self.faults = Faults()
        super().__init__(office, hub, center, keys=FaultyKeyFile(office / KEYS, self.faults))

    def _commit(self, connection: sqlite3.Connection) -> None:
        fault = self.faults.next("commit")
        if fault is not Fault.REFUSED:
            super()._commit(connection)
        if fault is not None:
            raise sqlite3.OperationalError("database or disk is full (as it was told)")


def _no_room(path: Path) -> OSError:
    return OSError(errno.ENOSPC, "No space left on device", str(path))
