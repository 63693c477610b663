"""All the rules in one place and one order: verdict = f(event, own entity, recorded_at, basis)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from hub.domain.catalogue import STREAMS
from hub.domain.entity import Entity
from hub.domain.fold import fold
from hub.domain.registry import Registry, check_network
from hub.domain.repeat import says_again
from hub.domain.rules import check
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
    under = rules(registry.rules)
    _check_subject(subject, center)
    if occurred_at > recorded_at and occurred_at - recorded_at > AHEAD_MAX:
        raise Rejected(Code.TIME_IN_FUTURE, "ce_time", f"{occurred_at:%Y-%m-%dT%H:%M:%SZ}")
    check(kind, value, under)
    _check_key(kind, subject, value)
    check_network(kind, center, value, registry)
    _check_growth(kind, value, entity)
    try:
        return fold(entity, kind, subject, center, value)
    except Rejected as refused:
        if under.repeats_known and entity is not None and says_again(entity, kind, center, value):
            raise Rejected(Code.ALREADY_SAID, "", f"status={entity.status}") from refused
        raise


def _check_subject(subject: str, center: str) -> None:
    owner, _, key = subject.partition(":")
    if owner != center:
        raise Rejected(Code.WRONG_CENTER, "ce_subject", f"center={center}")
    if not 1 <= len(key) <= KEY_CHARS_MAX or not key.isprintable():
        raise Rejected(Code.BAD_FIELD, "ce_subject", f"max={KEY_CHARS_MAX} length={len(key)}")


def _check_key(kind: EventKind, subject: str, value: dict[str, Any]) -> None:
    key_of = STREAMS[kind.stream].key_of
    if key_of is None or not kind.carries_record:
        return
    expected = key_of(value)
    if expected is not None and expected != subject.partition(":")[2]:
        raise Rejected(Code.INCONSISTENT, "ce_subject", f"the record is about {expected}"[:100])


def _check_growth(kind: EventKind, value: dict[str, Any], entity: Entity | None) -> None:
    growing = STREAMS[kind.stream].growing_fields
    if entity is None or not growing or not kind.carries_record:
        return
    for name in growing:
        before = entity.record[name]
        if value[name] <= before:
            raise Rejected(Code.INCONSISTENT, name, f"expected more than {before}")
