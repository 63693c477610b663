"""A job that fails, in a module that another process can import."""

from __future__ import annotations

from typing import Final

from hub.audit.jobs import Tick
from hub.protocol.errors import AgainstRules, Retriable
from hub.protocol.verdict import Code
from hub.store.reader import Unreadable

RAISED: Final = {
    "rules": AgainstRules("it is against a rule", Code.INCONSISTENT, "field", "params"),
    "unreadable": Unreadable("hub.sqlite3", "it is damaged"),
    "busy": Retriable("it is in use"),
}


def fail(center: str, tick: Tick) -> str:
    """Raise what has the center's name."""
    tick(1)
    raise RAISED[center]
