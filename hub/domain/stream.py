"""What a stream is: its record, its events and when each is legal, what it counts, what in it names other things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from hub.domain.fields import Day, FieldRules, Reason

if TYPE_CHECKING:
    from hub.domain.entity import Entity

HQ: Final = "hq"
NO_FIELDS: Final[Mapping[str, str]] = MappingProxyType({})


class StatusChange(FieldRules):
    """What an event says that changes nothing but the status."""

    reason: Reason | None = None
    effective_on: Day | None = None


@dataclass(frozen=True, eq=False)
class EventKind:
    """One kind of event of one stream. It is made once, in its stream's file, and equal to nothing but itself.

    So its hash costs nothing: what is remembered by kinds asks for it several times an event.

    `legal_in` lists the statuses in which it may happen, None standing for an entity that does not exist yet;
    `status_after` None leaves the status as it is.
    """

    stream: str
    name: str
    model: type[FieldRules]
    carries_record: bool
    legal_in: frozenset[str | None]
    status_after: str | None
    version: int = 1

    @cached_property
    def type(self) -> str:
        """The CloudEvents type, such as `net.cohub.offer.published.v1`."""
        return f"net.cohub.{self.stream}.{self.name}.v{self.version}"

    @cached_property
    def schema_path(self) -> str:
        """The schema file below `schemas/`, such as `offer/offer.published.v1.avsc`."""
        return f"{self.stream}/{self.stream}.{self.name}.v{self.version}.avsc"


def count_by_status(entity: Entity) -> dict[str, Decimal]:
    """Return 1 for the measure `<stream>.<status>`: what an entity contributes where nothing else is said."""
    return {f"{entity.stream}.{entity.status}": Decimal(1)}


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One stream of facts: who writes it, what an entity of it is, and what may happen to it.

    Of an event that has several versions the newest stands first in `events`, and `record` is the newest record: an
    older one is a base of it.
    `network_fields` hold a center's id; `references` map a field that holds an entity's id to that entity's stream;
    both must name a center that HQ knows, and those in `foreign_fields` another center than the sender.
    `growing_fields` hold a number that is higher with each new record.
    `code_list_fields` map a field to the list of HQ's that its codes are in. `key_of` says what the part of the
    entity's id after the colon must be, where the record itself decides that (None where this one does not).
    """

    name: str
    record: type[FieldRules]
    events: tuple[EventKind, ...]
    writer: Literal["center", "hq"]
    contribution: Callable[[Entity], dict[str, Decimal]] = count_by_status
    network_fields: tuple[str, ...] = ()
    references: Mapping[str, str] = field(default_factory=lambda: NO_FIELDS)
    foreign_fields: frozenset[str] = frozenset()
    growing_fields: tuple[str, ...] = ()
    code_list_fields: Mapping[str, str] = field(default_factory=lambda: NO_FIELDS)
    key_of: Callable[[Mapping[str, Any]], str | None] | None = None
