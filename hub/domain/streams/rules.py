"""The rules in force: a number that HQ raises when every worker knows the next rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from hub.domain.fields import FieldRules, Reason
from hub.domain.stream import EventKind, Stream


class AdoptedRules(FieldRules):
    """The number of the rules that every later event is judged by; without such an event it is 1."""

    number: Annotated[int, Field(ge=2, le=9999)]
    reason: Reason | None = None


def key_of(_value: Mapping[str, Any]) -> str:
    """Return `rules`: there is one entity of this stream, `hq:rules`."""
    return "rules"


RULES = Stream(
    name="rules",
    record=AdoptedRules,
    writer="hq",
    events=(EventKind("rules", "adopted", AdoptedRules, True, frozenset({None, "adopted"}), "adopted"),),
    key_of=key_of,
    growing_fields=("number",),
)
