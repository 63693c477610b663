"""Durable writes that fail when they are told to: refused, or done though the caller is told that they failed.

The doubles of both ends are made with this (`hub.kafka.memory`, `connectors.runtime.outbox.faulty`), so that for every
durable write there can be a test of both: what a caller does wrong after one of them, it does wrong after a real fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hub.base import durable


class Fault(Enum):
    """What becomes of a write that fails."""

    REFUSED = "refused"  # nothing was written
    APPLIED = "applied"  # everything was


@dataclass(slots=True)
class _Due:
    fault: Fault
    left: int
    place: str | None


class Faults:
    """Which of the writes to come fail, and how. Shapes: `writes` counts those that were tried."""

    def __init__(self) -> None:
        self._due: list[_Due] = []
        self.writes = 0

    def plan(self, fault: Fault, nth: int = 1, place: str | None = None) -> None:
        """Have the `nth` write from now fail, counting only those to `place` if one is named."""
        self._due.append(_Due(fault, nth, place))

    def next(self, place: str) -> Fault | None:
        """Count one write; return the fault that it is to have."""
        self.writes += 1
        found = None
        for due in [due for due in self._due if due.place in (None, place)]:
            due.left -= 1
            if due.left == 0:
                self._due.remove(due)
                found = found or due.fault
        return found


class FaultyFiles:
    """Writes files as `hub.base.durable.write` does, and fails as `faults` has it; a place is a file's name."""

    def __init__(self, write: Callable[[Path, bytes], None] = durable.write) -> None:
        self._write = write
        self.faults = Faults()

    def write(self, path: Path, data: bytes) -> None:
        """Put `data` at `path`. Errors: OSError."""
        fault = self.faults.next(path.name)
        if fault is not Fault.REFUSED:
            self._write(path, data)
        if fault is not None:
            raise OSError(28, "No space left on device", str(path))
