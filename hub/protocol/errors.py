"""The error tree of the whole project.

    CohubError
    ├── Retriable            the world was not ready: try again, nothing is lost
    ├── Rejected             a verdict for the sender: code, field path, parameters
    ├── Malformed            bytes that are not what the protocol says; the reader decides what follows
    └── Fatal                this process must stop
        ├── Newer            what was read is of a later release: only that can judge it
        └── UsageError       wrong use of a command or setting: one line, exit status 2
            ├── NotFound     what was asked for by name does not exist
            ├── Conflict     it would have been right another time: what is there already stands against it
            └── AgainstRules HQ's own rules forbid it: code, field path, parameters

Foreign exceptions are translated into one of these at the edge, `from exc`.

A command ends with status 2 for a UsageError, whichever it is, with 4 for a Newer, and with 1 for the others. A web
shell answers, the first of these that fits: NotFound 404, Conflict 409, AgainstRules 422 with its code, field and
params, UsageError 400, Retriable 503, and 500 for all else.
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


class Newer(Fatal):
    """What was read was written by a later release: this one can't judge it, and says nothing against it."""


class UsageError(Fatal):
    """Wrong use of a command or a setting. The command prints the message as one line and exits with status 2."""


class NotFound(UsageError):
    """What was asked for by its name is not there. The message says what there is, or which command lists it."""


class Conflict(UsageError):
    """What is there now stands against it, such as a registered center: to try again at once changes nothing."""


class AgainstRules(UsageError):
    """HQ may not say this by its own rules, and nothing was written: `code`, `field`, `params` are the verdict's."""

    def __init__(self, text: str, code: Code, field: str = "", params: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.field = field
        self.params = params
