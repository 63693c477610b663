"""What a part of ours tells of a trace, whether anybody listens or not. Nothing here is OpenTelemetry's."""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Protocol

from hub.protocol.traceparent import Traceparent

Facts = Mapping[str, str | int]

CENTER: Final = "cohub.center"
EVENT: Final = "cohub.event.id"
TYPE: Final = "cohub.event.type"
SEQUENCE: Final = "cohub.sequence"
VERDICT: Final = "cohub.verdict"
TOPIC: Final = "messaging.destination.name"


class Kind(StrEnum):
    """What a span is to the others of its trace, as OpenTelemetry names it."""

    INTERNAL = "internal"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Begun(Protocol):
    """The first span of a trace, which is told only when it is ended: what is given up is of no trace."""

    @property
    def traceparent(self) -> Traceparent:
        """What those that follow name it by."""

    def end(self) -> None:
        """Tell it."""


class Traces(Protocol):
    """Who is told. Units: times are nanoseconds since 1970, as `now_ns` has them."""

    @property
    def is_on(self) -> bool:
        """Whether anybody listens; where nobody does, nothing needs to be looked at."""

    def begin(self, name: str, began_ns: int, facts: Facts) -> Begun | None:
        """Begin a trace; None where this one is not followed."""

    def tell(
        self, name: str, after: Traceparent, began_ns: int, ended_ns: int, facts: Facts, kind: Kind = Kind.INTERNAL
    ) -> None:
        """Tell a span that is over. Shapes: `after` is the one that it follows from."""


class _NoTraces:
    """Nobody listens."""

    is_on = False

    def begin(self, name: str, began_ns: int, facts: Facts) -> None:
        """See Traces."""

    def tell(
        self, name: str, after: Traceparent, began_ns: int, ended_ns: int, facts: Facts, kind: Kind = Kind.INTERNAL
    ) -> None:
        """See Traces."""


NO_TRACES: Final[Traces] = _NoTraces()


def now_ns() -> int:
    """Return the time that spans are told by."""
    return time.time_ns()
