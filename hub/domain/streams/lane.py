"""A lane's first event: where it continues from. The protocol's own stream; every center may write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import StringConstraints, model_validator

from hub.domain.fields import Count, FieldRules, Reason, Sha256Hex, crossed, inconsistent
from hub.domain.stream import EventKind, Stream

Origin = Annotated[str, StringConstraints(max_length=300, pattern=r"^[a-z0-9.:-]+/[a-z0-9-]{1,63}/[0-9a-f]{8}$")]


class Lane(FieldRules):
    """`origin` is `<hub>/<center>/<epoch>`; `previous_*` tell of the lane before it, as its center has it."""

    origin: Origin
    previous_origin: Origin | None = None
    previous_size: Count = 0
    previous_root: Sha256Hex | None = None
    reason: Reason | None = None
    crossed = (
        crossed("differ", "previous_origin", other="origin"),
        crossed("go_together", "previous_root", fields=["previous_origin", "previous_root"]),
        crossed("zero_without", "previous_size", other="previous_origin"),
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.previous_origin == self.origin:
            raise inconsistent("previous_origin", "is the origin itself")
        if (self.previous_origin is None) != (self.previous_root is None):
            raise inconsistent("previous_root", "previous_origin and previous_root go together")
        if self.previous_origin is None and self.previous_size:
            raise inconsistent("previous_size", "a size without previous_origin")
        return self


def key_of(value: Mapping[str, Any]) -> str:
    """Return the epoch: a lane's entity id is `<center>:<epoch>`."""
    return str(value["origin"]).rpartition("/")[2]


LANE = Stream(
    name="lane",
    record=Lane,
    writer="center",
    events=(EventKind("lane", "opened", Lane, True, frozenset({None}), "open"),),
    key_of=key_of,
)
