"""All the rules in one place and one order: verdict = f(event, own entity, recorded_at, basis)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from hub.domain.catalogue import STREAMS
from hub.domain.entity import Entity
from hub.domain.fold import fold
from hub.domain.registry import Registry, check_network
from hub.domain.repeat import says_again
from hub.domain.rules import check_each
from hub.domain.stream import EventKind
from hub.protocol.errors import Rejected
from hub.protocol.limits import KEY_CHARS_MAX
from hub.protocol.rules import rules
from hub.protocol.verdict import Code

AHEAD_MAX: Final = timedelta(hours=24)


def judge(
    kind: EventKind,
    subject: str,
    center: str,
    occurred_at: datetime,
    value: dict[str, Any],
    entity: Entity | None,
    recorded_at: datetime,
    registry: Registry,
) -> Entity:
    """Return the entity after an event that keeps all rules.

    Shapes: subject is the entity's id; center is the one whose lane the event came in; entity is what HQ has under
            that id, None if nothing.
    Units:  occurred_at and recorded_at are aware, in UTC.
    Errors: Rejected, with the first rule that is broken: the id, the time, the fields, the network, the transition.
            Newer, where the registry names rules that this release does not have.
    """
    return judge_each(kind, [subject], center, [occurred_at], [value], [entity], recorded_at, registry)[0]


def judge_each(
    kind: EventKind,
    subjects: Sequence[str],
    center: str,
    times: Sequence[datetime],
    values: Sequence[dict[str, Any]],
    entities: Sequence[Entity | None],
    recorded_at: datetime,
    registry: Registry,
) -> list[Entity]:
    """Return the entities after some events of one kind, all of which keep all rules, rule by rule.

    One short loop a rule costs less than one long one an event: the processor has each at hand while it runs.
    Shapes: as `judge`, the n-th of each for the n-th event. No two events are of one entity.
    Errors: as `judge`, for one of them that breaks a rule. Which of them it is, each alone tells.
    """
    under = rules(registry.rules)
    for subject in subjects:
        _check_subject(subject, center)
    for occurred_at in times:
        if occurred_at > recorded_at and occurred_at - recorded_at > AHEAD_MAX:
            raise Rejected(Code.TIME_IN_FUTURE, "ce_time", f"{occurred_at:%Y-%m-%dT%H:%M:%SZ}")
    check_each(kind, values, under)
    if kind.carries_record:
        _check_keys(kind, subjects, values)
    check_network(kind, center, values, registry)
    if kind.carries_record:
        _check_growth(kind, values, entities)
    after = []
    for entity, subject, value in zip(entities, subjects, values, strict=True):
        try:
            after.append(fold(entity, kind, subject, center, value))
        except Rejected as refused:
            if under.repeats_known and entity is not None and says_again(entity, kind, center, value):
                raise Rejected(Code.ALREADY_SAID, "", f"status={entity.status}") from refused
            raise
    return after


def _check_subject(subject: str, center: str) -> None:
    owner, _, key = subject.partition(":")
    if owner != center:
        raise Rejected(Code.WRONG_CENTER, "ce_subject", f"center={center}")
    if not 1 <= len(key) <= KEY_CHARS_MAX or not key.isprintable():
        raise Rejected(Code.BAD_FIELD, "ce_subject", f"max={KEY_CHARS_MAX} length={len(key)}")


def _check_keys(kind: EventKind, subjects: Iterable[str], values: Iterable[dict[str, Any]]) -> None:
    key_of = STREAMS[kind.stream].key_of
    if key_of is None:
        return
    for subject, value in zip(subjects, values, strict=True):
        expected = key_of(value)
        if expected is not None and expected != subject.partition(":")[2]:
            raise Rejected(Code.INCONSISTENT, "ce_subject", f"the record is about {expected}"[:100])


def _check_growth(kind: EventKind, values: Iterable[dict[str, Any]], entities: Iterable[Entity | None]) -> None:
    growing = STREAMS[kind.stream].growing_fields
    if not growing:
        return
    for value, entity in zip(values, entities, strict=True):
        for name in growing:
            before = None if entity is None else entity.record[name]
            if before is not None and value[name] <= before:
                raise Rejected(Code.INCONSISTENT, name, f"expected more than {before}")
