"""The error tree of the whole project.

    CohubError
    ├── Retriable            the world was not ready: try again, nothing is lost
    ├── Rejected             a verdict for the sender: code, field path, parameters
    ├── Malformed            bytes that are not what the protocol says; the reader decides what follows
    └── Fatal                this process must stop
        └── UsageError       wrong use of a command or setting: one line, exit status 2

Foreign exceptions are translated into one of these at the edge, `from exc`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.protocol.verdict import Code


class CohubError(Exception):
    """Every error that cohub raises on purpose."""


class Retriable(CohubError):
    """The world was not ready (broker away, file locked). The caller backs off and tries again."""


class Malformed(CohubError):
    """Bytes that do not parse or do not verify. The caller answers with a verdict, a quarantine row or an alarm."""


class Rejected(CohubError):
    """An event that breaks a rule. The caller records `code`, `field` and `params` as the event's final verdict."""

    def __init__(self, code: Code, field: str = "", params: str = "") -> None:
        super().__init__(f"{code} {field} {params}".strip())
        self.code = code
        self.field = field
        self.params = params


class Fatal(CohubError):
    """This process must stop; its supervisor may start it again."""


class UsageError(Fatal):
    """Wrong use of a command or a setting. The command prints the message as one line and exits with status 2."""
