"""What a worker holds of an intake that it owns."""

from __future__ import annotations

from dataclasses import dataclass

from hub.ledger.basis import Basis
from hub.ledger.reading import Reading


@dataclass(slots=True)
class HeldIntake:
    """An intake that this worker owns: its reading, owner term, next offset, and the hole it went back for.

    `basis` is what HQ had said when it was read last, or, where it waits, when it began to. One that `is_damaged` is
    not read before it is claimed again. One that `is_restarting` was to be read again, and the store failed meanwhile.
    """

    reading: Reading
    term: int
    next_read: int | None
    basis: Basis
    is_damaged: bool = False
    sought: int | None = None
    is_restarting: bool = False
