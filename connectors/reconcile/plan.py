"""The shortest legal way from what HQ holds of an entity to what its source says it should be.

Nodes of a stream's lifecycle (`hub.domain.lifecycle`) are here (status, does HQ hold the wanted record?).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Protocol

from connectors.reconcile.belief import UNKNOWN_DIGEST, Held
from connectors.reconcile.digest import record_digest
from hub.domain.lifecycle import way
from hub.domain.stream import EventKind, Stream
from hub.protocol.errors import CohubError
from hub.protocol.value import value_class


class NoTransition(CohubError):
    """No legal event leads from the known status to the wanted one. The caller refuses the row, naming both."""

    def __init__(self, known: str, wanted: str) -> None:
        super().__init__(f"no event leads from status {known} to {wanted}: correct the row's status, or use a new key")
        self.known = known
        self.wanted = wanted


class WantedState(Protocol):
    """What the planner reads of a mapping's wanted state (`connectors.mapping.outcome.Wanted` is one)."""

    @property
    def status(self) -> str: ...  # noqa: D102
    @property
    def record(self) -> dict[str, Any]: ...  # noqa: D102
    @property
    def reason(self) -> dict[str, Any] | None: ...  # noqa: D102


@value_class
class Planned:
    """One event to say: its kind, and its value as far as the source says it."""

    kind: EventKind
    value: dict[str, Any]


def plan(stream: Stream, known: Held | None, wanted: WantedState) -> list[Planned]:
    """Return the events that lead from `known` to `wanted`, fewest first; nothing if HQ has it already.

    Shapes: known is what HQ will hold with the events that are on their way (a belief's `presumed`), None for nothing.
            Where it is not known whether HQ holds anything, the way is the one from nothing: it begins with an event
            whose verdict tells.
    Errors: NoTransition, if the lifecycle has no such way (a final status).
    """
    status = (known and known.status) or None
    same = known is not None and known.digest == record_digest(wanted.record)
    kinds = stream.events
    if _has_versions(kinds):
        kinds = _oldest(kinds, _said(wanted.record), _said(wanted.reason))
    found = way(kinds, (status, same), (wanted.status, True))
    if found is None and known is not None and (known.status, known.digest) == (wanted.status, UNKNOWN_DIGEST):
        return []  # a final status, and nothing can be added to what HQ holds
    if found is None:
        raise NoTransition(status or "(none)", wanted.status)
    return [Planned(kind, _record(kind, wanted) if kind.carries_record else _fields(kind, wanted)) for kind in found]


def _record(kind: EventKind, wanted: WantedState) -> dict[str, Any]:
    # What an older version does not have says nothing here, or a newer one had been chosen.
    known = kind.model.model_fields
    return {name: v for name, v in wanted.record.items() if name in known or (v is not None and v != [])}


def _fields(kind: EventKind, wanted: WantedState) -> dict[str, Any]:
    return {name: value for name, value in (wanted.reason or {}).items() if name in kind.model.model_fields}


def _said(values: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the names of those fields that say anything; see `record_digest`."""
    return frozenset(name for name, value in (values or {}).items() if value is not None and value != [])


@cache
def _has_versions(kinds: tuple[EventKind, ...]) -> bool:
    return len({kind.name for kind in kinds}) < len(kinds)


@cache
def _oldest(kinds: tuple[EventKind, ...], record: Iterable[str], reason: Iterable[str]) -> tuple[EventKind, ...]:
    """Return one version of each event: the oldest that has all fields which are to be said.

    So a new release of a connector writes nothing that an HQ of the release before can't read, but for what is new.
    """
    found: dict[str, EventKind] = {}
    for kind in sorted(kinds, key=lambda kind: kind.version, reverse=True):
        said = record if kind.carries_record else reason
        if kind.name not in found or set(said) <= set(kind.model.model_fields):
            found[kind.name] = kind
    return tuple(dict.fromkeys(found[kind.name] for kind in kinds))
