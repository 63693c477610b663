"""What HQ says of its own clock: that it was ahead, and up to when its receipts therefore name times to come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from hub.domain.fields import FieldRules, Reason, crossed, inconsistent
from hub.domain.stream import EventKind, Stream
from hub.protocol.errors import Malformed
from hub.protocol.moment import read_time


def _check_moment(text: str) -> str:
    try:
        read_time(text)
    except Malformed:
        raise PydanticCustomError("moment", "RFC 3339", {}) from None
    return text


# One form, so that two of them compare as their texts do.
Moment = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$"),
    AfterValidator(_check_moment),
]


class Clock(FieldRules):
    """HQ's receipts that name a time behind `since`, up to `ahead_until`, were given by a clock that was ahead."""

    since: Moment
    ahead_until: Moment
    reason: Reason

    crossed = (crossed("later_than", "ahead_until", other="since"),)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.ahead_until <= self.since:
            raise inconsistent("ahead_until", "is not behind since")
        return self


def key_of(_value: Mapping[str, Any]) -> str:
    """Return the one key that there is: a hub has one clock."""
    return "clock"


CLOCK = Stream(
    name="clock",
    record=Clock,
    writer="hq",
    events=(EventKind("clock", "corrected", Clock, True, frozenset({None, "corrected"}), "corrected"),),
    key_of=key_of,
)
