"""What an operator is told of a log that stands still."""

from __future__ import annotations

from hub.hq.alarms import halt_line
from hub.ledger.halt import Halt


def told(halt: Halt | None) -> str:
    """Return the English line, empty where nothing is held against the log."""
    return "" if halt is None else halt_line(halt)
